// Each option's limits, and which options exclude each other, on a module without streams.

// RUN: not basin-opt %s --sink-rescale-residual=k=61 2>&1 | FileCheck %s --check-prefix=K
// RUN: not basin-opt %s --sink-rescale-residual=k=few 2>&1 | FileCheck %s --check-prefix=WORD
// RUN: not basin-opt %s --sink-rescale-residual 2>&1 | FileCheck %s --check-prefix=NEITHER
// RUN: not basin-opt %s --sink-rescale-residual="stats=s bound=3" 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not basin-opt %s --sink-rescale-residual="k=3 bound=3" 2>&1 | FileCheck %s --check-prefix=FIXED
// RUN: not basin-opt %s --sink-rescale-residual=bound=-1 2>&1 | FileCheck %s --check-prefix=BOUND
// RUN: not basin-opt %s --sink-rescale-residual=bound=nan 2>&1 | FileCheck %s --check-prefix=BOUND
// RUN: not basin-opt %s --sink-rescale-residual=bound=inf 2>&1 | FileCheck %s --check-prefix=BOUND
// RUN: not basin-opt %s --sink-rescale-residual="k=1 inexact=1" 2>&1 | FileCheck %s --check-prefix=INEXACT
// RUN: not basin-opt %s --sink-rescale-residual="k=1 inexact=nan" 2>&1 | FileCheck %s --check-prefix=INEXACT
// RUN: basin-opt %s --sink-rescale-residual="k=-60 inexact=0.99" 2>&1 | FileCheck %s --check-prefix=FINE

// K: error: option 'k': expected 'auto' or an integer from -60 to 60, but got '61'
// WORD: error: option 'k': expected 'auto' or an integer from -60 to 60, but got 'few'
// NEITHER: error: option 'k': 'auto' takes one of the options 'stats' and 'bound', but got neither
// BOTH: error: option 'k': 'auto' takes one of the options 'stats' and 'bound', but got both
// FIXED: error: options 'stats' and 'bound' choose k: expected k=auto beside them, but got k=3
// BOUND: error: option 'bound': expected a positive number, but got
// INEXACT: error: option 'inexact': expected an error of at least 0 and below 1, but got
// FINE-NOT: error
// FINE: warning: no residual stream was found: nothing to rescale
