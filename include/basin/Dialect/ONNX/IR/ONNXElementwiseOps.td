//===- ONNXElementwiseOps.td -------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXELEMENTWISEOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXELEMENTWISEOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_AbsOp : ONNX_Node<"Abs", ["X"], ["Y"],
  (ins), "same">;
def ONNX_NegOp : ONNX_Node<"Neg", ["X"], ["Y"],
  (ins), "same">;
def ONNX_ExpOp : ONNX_Node<"Exp", ["input"], ["output"],
  (ins), "same">;
def ONNX_LogOp : ONNX_Node<"Log", ["input"], ["output"],
  (ins), "same">;
def ONNX_SqrtOp : ONNX_Node<"Sqrt", ["X"], ["Y"],
  (ins), "same">;
def ONNX_ReciprocalOp : ONNX_Node<"Reciprocal", ["X"], ["Y"],
  (ins), "same">;
def ONNX_SigmoidOp : ONNX_Node<"Sigmoid", ["X"], ["Y"],
  (ins), "same">;
def ONNX_TanhOp : ONNX_Node<"Tanh", ["input"], ["output"],
  (ins), "same">;
def ONNX_ReluOp : ONNX_Node<"Relu", ["X"], ["Y"],
  (ins), "same">;
def ONNX_ErfOp : ONNX_Node<"Erf", ["input"], ["output"],
  (ins), "same">;
def ONNX_SinOp : ONNX_Node<"Sin", ["input"], ["output"],
  (ins), "same">;
def ONNX_CosOp : ONNX_Node<"Cos", ["input"], ["output"],
  (ins), "same">;
def ONNX_SoftplusOp : ONNX_Node<"Softplus", ["X"], ["Y"],
  (ins), "same">;
def ONNX_FloorOp : ONNX_Node<"Floor", ["X"], ["Y"],
  (ins), "same">;
def ONNX_CeilOp : ONNX_Node<"Ceil", ["X"], ["Y"],
  (ins), "same">;
def ONNX_RoundOp : ONNX_Node<"Round", ["X"], ["Y"],
  (ins), "same">;
def ONNX_SignOp : ONNX_Node<"Sign", ["input"], ["output"],
  (ins), "same">;
def ONNX_NotOp : ONNX_Node<"Not", ["X"], ["Y"],
  (ins), "same">;
def ONNX_GeluOp : ONNX_Node<"Gelu", ["X"], ["Y"],
  (ins ONNX_String:$approximate), "same">;
def ONNX_EluOp : ONNX_Node<"Elu", ["X"], ["Y"],
  (ins ONNX_Float:$alpha), "same">;
def ONNX_LeakyReluOp : ONNX_Node<"LeakyRelu", ["X"], ["Y"],
  (ins ONNX_Float:$alpha), "same">;
def ONNX_HardSigmoidOp : ONNX_Node<"HardSigmoid", ["X"], ["Y"],
  (ins ONNX_Float:$alpha, ONNX_Float:$beta), "same">;
def ONNX_HardSwishOp : ONNX_Node<"HardSwish", ["X"], ["Y"],
  (ins), "same">;
def ONNX_MishOp : ONNX_Node<"Mish", ["X"], ["Y"],
  (ins), "same">;
def ONNX_SeluOp : ONNX_Node<"Selu", ["X"], ["Y"],
  (ins ONNX_Float:$alpha, ONNX_Float:$gamma), "same">;
def ONNX_SwishOp : ONNX_Node<"Swish", ["X"], ["Y"],
  (ins ONNX_Float:$alpha), "same">;
def ONNX_ClipOp : ONNX_Node<"Clip", ["input", "minInput?", "maxInput?"], ["output"],
  (ins ONNX_Float:$max, ONNX_Float:$min), "same">;
def ONNX_IdentityOp : ONNX_Node<"Identity", ["input"], ["output"],
  (ins), "same">;
def ONNX_PReluOp : ONNX_Node<"PRelu", ["X", "slope"], ["Y"],
  (ins), "same">;
def ONNX_IsNaNOp : ONNX_Node<"IsNaN", ["X"], ["Y"],
  (ins), "boolean">;
def ONNX_IsInfOp : ONNX_Node<"IsInf", ["X"], ["Y"],
  (ins ONNX_Int:$detect_negative, ONNX_Int:$detect_positive), "boolean">;
def ONNX_AddOp : ONNX_Node<"Add", ["A", "B"], ["C"],
  (ins), "broadcast">;
def ONNX_SubOp : ONNX_Node<"Sub", ["A", "B"], ["C"],
  (ins), "broadcast">;
def ONNX_MulOp : ONNX_Node<"Mul", ["A", "B"], ["C"],
  (ins), "broadcast">;
def ONNX_DivOp : ONNX_Node<"Div", ["A", "B"], ["C"],
  (ins), "broadcast">;
def ONNX_PowOp : ONNX_Node<"Pow", ["X", "Y"], ["Z"],
  (ins), "broadcast">;
def ONNX_ModOp : ONNX_Node<"Mod", ["A", "B"], ["C"],
  (ins ONNX_Int:$fmod), "broadcast">;
def ONNX_AndOp : ONNX_Node<"And", ["A", "B"], ["C"],
  (ins), "broadcast">;
def ONNX_OrOp : ONNX_Node<"Or", ["A", "B"], ["C"],
  (ins), "broadcast">;
def ONNX_XorOp : ONNX_Node<"Xor", ["A", "B"], ["C"],
  (ins), "broadcast">;
def ONNX_MinOp : ONNX_Node<"Min", ["data0*"], ["min"],
  (ins), "broadcast">;
def ONNX_MaxOp : ONNX_Node<"Max", ["data0*"], ["max"],
  (ins), "broadcast">;
def ONNX_SumOp : ONNX_Node<"Sum", ["data0*"], ["sum"],
  (ins), "broadcast">;
def ONNX_MeanOp : ONNX_Node<"Mean", ["data0*"], ["mean"],
  (ins), "broadcast">;
def ONNX_EqualOp : ONNX_Node<"Equal", ["A", "B"], ["C"],
  (ins), "compare">;
def ONNX_LessOp : ONNX_Node<"Less", ["A", "B"], ["C"],
  (ins), "compare">;
def ONNX_GreaterOp : ONNX_Node<"Greater", ["A", "B"], ["C"],
  (ins), "compare">;
def ONNX_LessOrEqualOp : ONNX_Node<"LessOrEqual", ["A", "B"], ["C"],
  (ins), "compare">;
def ONNX_GreaterOrEqualOp : ONNX_Node<"GreaterOrEqual", ["A", "B"], ["C"],
  (ins), "compare">;
def ONNX_WhereOp : ONNX_Node<"Where", ["condition", "X", "Y"], ["output"],
  (ins), "where">;
def ONNX_CastOp : ONNX_Node<"Cast", ["input"], ["output"],
  (ins ONNX_String:$round_mode, ONNX_Int:$saturate, ONNX_Int:$to), "cast">;
def ONNX_CastLikeOp : ONNX_Node<"CastLike", ["input", "targetType"], ["output"],
  (ins ONNX_String:$round_mode, ONNX_Int:$saturate), "castLike">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXELEMENTWISEOPS_TD
