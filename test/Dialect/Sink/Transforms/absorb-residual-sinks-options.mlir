// Each option's limits, and which options exclude each other, on a module without streams.

// RUN: not basin-opt %s --sink-absorb-residual-sinks="scale-dims=1:2 stats=s" 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not basin-opt %s --sink-absorb-residual-sinks=scale-dims=1:3 2>&1 | FileCheck %s --check-prefix=SCALE
// RUN: not basin-opt %s --sink-absorb-residual-sinks=scale-dims=1:-2 2>&1 | FileCheck %s --check-prefix=SIGN
// RUN: not basin-opt %s --sink-absorb-residual-sinks=inexact=-0.1 2>&1 | FileCheck %s --check-prefix=INEXACT
// RUN: basin-opt %s --sink-absorb-residual-sinks="scale-dims=1:0.25 inexact=0.5" 2>&1 | FileCheck %s --check-prefix=FINE

// BOTH: error: options 'scale-dims' and 'stats' both choose the scales: expected one of them, but got both
// SCALE: error: option 'scale-dims': expected dimension:scale with a power of two as the scale, but got '1:3'
// SIGN: error: option 'scale-dims': expected dimension:scale with a power of two as the scale, but got '1:-2'
// INEXACT: error: option 'inexact': expected an error of at least 0 and below 1, but got
// FINE-NOT: error
// FINE: warning: no residual stream was found: nothing to absorb
