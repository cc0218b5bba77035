// What each named pipeline is made of, and what its options reach.

// RUN: basin-opt %s --basin-raise --dump-pass-pipeline 2>&1 | FileCheck %s --check-prefix=RAISE
// RUN: basin-opt %s --pass-pipeline='builtin.module(basin-raise{inline-functions=false on-conflict=warn strict=true explain=true})' \
// RUN:   --dump-pass-pipeline 2>&1 | FileCheck %s --check-prefix=OPTIONS
// RUN: basin-opt %s --basin-lower-kernels --dump-pass-pipeline 2>&1 | FileCheck %s --check-prefix=KERNELS

// RAISE: onnx-inline-functions
// RAISE-NEXT: onnx-infer-shapes{name-unknown-dims=true on-conflict=error strict=false}
// RAISE-NEXT: convert-onnx-to-sink{explain=false}

// OPTIONS-NOT: onnx-inline-functions
// OPTIONS: onnx-infer-shapes{name-unknown-dims=true on-conflict=warn strict=true}
// OPTIONS-NEXT: convert-onnx-to-sink{explain=true}

// KERNELS: gpu.module(
// KERNELS-DAG: convert-scf-to-cf
// KERNELS-DAG: convert-gpu-to-nvvm
