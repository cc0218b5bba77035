//===- ONNXNormalizationOps.td -----------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXNORMALIZATIONOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXNORMALIZATIONOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_SoftmaxOp : ONNX_Node<"Softmax", ["input"], ["output"],
  (ins ONNX_Int:$axis), "softmax">;
def ONNX_LogSoftmaxOp : ONNX_Node<"LogSoftmax", ["input"], ["output"],
  (ins ONNX_Int:$axis), "softmax">;
def ONNX_LayerNormalizationOp : ONNX_Node<"LayerNormalization", ["X", "Scale", "B?"], ["Y", "Mean?", "InvStdDev?"],
  (ins ONNX_Int:$axis, ONNX_Float:$epsilon, ONNX_Int:$stash_type), "layerNorm">;
def ONNX_RMSNormalizationOp : ONNX_Node<"RMSNormalization", ["X", "scale"], ["Y"],
  (ins ONNX_Int:$axis, ONNX_Float:$epsilon, ONNX_Int:$stash_type), "sameAsFirst">;
// ONNX Runtime registers it in the default domain as well as in com.microsoft.
def ONNX_SimplifiedLayerNormalizationOp : ONNX_Node<"SimplifiedLayerNormalization", ["X", "scale"], ["Y", "InvStdDev?"],
  (ins ONNX_Int:$axis, ONNX_Float:$epsilon, ONNX_Int:$stash_type), "layerNorm">;
def ONNX_InstanceNormalizationOp : ONNX_Node<"InstanceNormalization", ["input", "scale", "B"], ["output"],
  (ins ONNX_Float:$epsilon), "sameAsFirst">;
def ONNX_GroupNormalizationOp : ONNX_Node<"GroupNormalization", ["X", "scale", "bias"], ["Y"],
  (ins ONNX_Float:$epsilon, ONNX_Int:$num_groups, ONNX_Int:$stash_type), "sameAsFirst">;
def ONNX_LpNormalizationOp : ONNX_Node<"LpNormalization", ["input"], ["output"],
  (ins ONNX_Int:$axis, ONNX_Int:$p), "sameAsFirst">;
def ONNX_BatchNormalizationOp : ONNX_Node<"BatchNormalization", ["X", "scale", "B", "inputMean", "inputVar"], ["Y", "mean?", "var?", "savedMean?", "savedVar?"],
  (ins ONNX_Float:$epsilon, ONNX_Int:$is_test, ONNX_Float:$momentum,
       ONNX_Int:$spatial, ONNX_Int:$training_mode), "batchNorm">;
def ONNX_DropoutOp : ONNX_Node<"Dropout", ["data", "ratioInput?", "trainingMode?"], ["output", "mask?"],
  (ins ONNX_Int:$is_test, ONNX_Float:$ratio, ONNX_Int:$seed), "dropout">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXNORMALIZATIONOPS_TD
