//===- ONNXMatMulOps.td ------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXMATMULOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXMATMULOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_MatMulOp : ONNX_Node<"MatMul", ["A", "B"], ["Y"],
  (ins), "matMul">;
def ONNX_GemmOp : ONNX_Node<"Gemm", ["A", "B", "C?"], ["Y"],
  (ins ONNX_Float:$alpha, ONNX_Float:$beta,
       ONNX_Int:$transA, ONNX_Int:$transB), "gemm">;
def ONNX_EinsumOp : ONNX_Node<"Einsum", ["Inputs*"], ["Output"],
  (ins ONNX_String:$equation), "einsum">;
def ONNX_ConvOp : ONNX_Node<"Conv", ["X", "W", "B?"], ["Y"],
  (ins ONNX_String:$auto_pad, ONNX_Ints:$dilations, ONNX_Int:$group,
       ONNX_Ints:$kernel_shape, ONNX_Ints:$pads, ONNX_Ints:$strides), "conv">;
def ONNX_MatMulIntegerOp : ONNX_Node<"MatMulInteger", ["A", "B", "aZeroPoint?", "bZeroPoint?"], ["Y"],
  (ins), "matMulInteger">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXMATMULOPS_TD
