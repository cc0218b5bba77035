//===- ONNXQuantizationOps.td ------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXQUANTIZATIONOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXQUANTIZATIONOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_QuantizeLinearOp : ONNX_Node<"QuantizeLinear", ["x", "yScale", "yZeroPoint?"], ["y"],
  (ins ONNX_Int:$axis, ONNX_Int:$block_size, ONNX_Int:$output_dtype,
       ONNX_Int:$precision, ONNX_Int:$saturate), "quantizeLinear">;
def ONNX_DequantizeLinearOp : ONNX_Node<"DequantizeLinear", ["x", "xScale", "xZeroPoint?"], ["y"],
  (ins ONNX_Int:$axis, ONNX_Int:$block_size, ONNX_Int:$output_dtype), "dequantizeLinear">;
def ONNX_DynamicQuantizeLinearOp : ONNX_Node<"DynamicQuantizeLinear", ["x"], ["y", "yScale", "yZeroPoint"],
  (ins), "dynamicQuantizeLinear">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXQUANTIZATIONOPS_TD
