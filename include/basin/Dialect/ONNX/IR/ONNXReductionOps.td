//===- ONNXReductionOps.td ---------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXREDUCTIONOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXREDUCTIONOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_ReduceMeanOp : ONNX_Node<"ReduceMean", ["data", "axesInput?"], ["reduced"],
  (ins ONNX_Ints:$axes, ONNX_Int:$keepdims, ONNX_Int:$noop_with_empty_axes), "reduce">;
def ONNX_ReduceSumOp : ONNX_Node<"ReduceSum", ["data", "axesInput?"], ["reduced"],
  (ins ONNX_Ints:$axes, ONNX_Int:$keepdims, ONNX_Int:$noop_with_empty_axes), "reduce">;
def ONNX_ReduceMaxOp : ONNX_Node<"ReduceMax", ["data", "axesInput?"], ["reduced"],
  (ins ONNX_Ints:$axes, ONNX_Int:$keepdims, ONNX_Int:$noop_with_empty_axes), "reduce">;
def ONNX_ReduceMinOp : ONNX_Node<"ReduceMin", ["data", "axesInput?"], ["reduced"],
  (ins ONNX_Ints:$axes, ONNX_Int:$keepdims, ONNX_Int:$noop_with_empty_axes), "reduce">;
def ONNX_ReduceSumSquareOp : ONNX_Node<"ReduceSumSquare", ["data", "axesInput?"], ["reduced"],
  (ins ONNX_Ints:$axes, ONNX_Int:$keepdims, ONNX_Int:$noop_with_empty_axes), "reduce">;
def ONNX_ReduceL2Op : ONNX_Node<"ReduceL2", ["data", "axesInput?"], ["reduced"],
  (ins ONNX_Ints:$axes, ONNX_Int:$keepdims, ONNX_Int:$noop_with_empty_axes), "reduce">;
def ONNX_ReduceProdOp : ONNX_Node<"ReduceProd", ["data", "axesInput?"], ["reduced"],
  (ins ONNX_Ints:$axes, ONNX_Int:$keepdims, ONNX_Int:$noop_with_empty_axes), "reduce">;
def ONNX_ArgMaxOp : ONNX_Node<"ArgMax", ["data"], ["reduced"],
  (ins ONNX_Int:$axis, ONNX_Int:$keepdims, ONNX_Int:$select_last_index), "argReduce">;
def ONNX_ArgMinOp : ONNX_Node<"ArgMin", ["data"], ["reduced"],
  (ins ONNX_Int:$axis, ONNX_Int:$keepdims, ONNX_Int:$select_last_index), "argReduce">;
def ONNX_CumSumOp : ONNX_Node<"CumSum", ["x", "axis"], ["y"],
  (ins ONNX_Int:$exclusive, ONNX_Int:$reverse), "sameAsFirst">;
def ONNX_TopKOp : ONNX_Node<"TopK", ["X", "KInput?"], ["Values", "Indices"],
  (ins ONNX_Int:$axis, ONNX_Int:$k, ONNX_Int:$largest, ONNX_Int:$sorted), "topK">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXREDUCTIONOPS_TD
