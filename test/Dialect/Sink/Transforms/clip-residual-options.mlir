// The bound is required, positive and finite.

// RUN: not basin-opt %s --sink-clip-residual 2>&1 | FileCheck %s
// RUN: not basin-opt %s --sink-clip-residual=bound=-1 2>&1 | FileCheck %s
// RUN: not basin-opt %s --sink-clip-residual=bound=inf 2>&1 | FileCheck %s
// RUN: not basin-opt %s --sink-clip-residual=bound=nan 2>&1 | FileCheck %s

// CHECK: error: option 'bound': expected a positive number, but got {{0.0|-1.0|inf|INF|nan|NAN}}
module {
}
