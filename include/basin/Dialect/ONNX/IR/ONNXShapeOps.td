//===- ONNXShapeOps.td -------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_IR_ONNXSHAPEOPS_TD
#define BASIN_DIALECT_ONNX_IR_ONNXSHAPEOPS_TD

include "basin/Dialect/ONNX/IR/ONNXOpBase.td"

def ONNX_ShapeOp : ONNX_Node<"Shape", ["data"], ["shape"],
  (ins ONNX_Int:$end, ONNX_Int:$start), "shape">;
def ONNX_SizeOp : ONNX_Node<"Size", ["data"], ["size"],
  (ins), "size">;
def ONNX_ReshapeOp : ONNX_Node<"Reshape", ["data", "shapeInput?"], ["reshaped"],
  (ins ONNX_Int:$allowzero, ONNX_Ints:$shape), "reshape">;
def ONNX_TransposeOp : ONNX_Node<"Transpose", ["data"], ["transposed"],
  (ins ONNX_Ints:$perm), "transpose">;
def ONNX_ConcatOp : ONNX_Node<"Concat", ["inputs*"], ["concatResult"],
  (ins ONNX_Int:$axis), "concat">;
def ONNX_SplitOp : ONNX_Node<"Split", ["input", "splitInput?"], ["outputs*"],
  (ins ONNX_Int:$axis, ONNX_Int:$num_outputs, ONNX_Ints:$split), "split">;
def ONNX_SliceOp : ONNX_Node<"Slice", ["data", "startsInput?", "endsInput?", "axesInput?", "steps?"], ["output"],
  (ins ONNX_Ints:$axes, ONNX_Ints:$ends, ONNX_Ints:$starts), "slice">;
def ONNX_GatherOp : ONNX_Node<"Gather", ["data", "indices"], ["output"],
  (ins ONNX_Int:$axis), "gather">;
def ONNX_GatherElementsOp : ONNX_Node<"GatherElements", ["data", "indices"], ["output"],
  (ins ONNX_Int:$axis), "gatherElements">;
def ONNX_GatherNDOp : ONNX_Node<"GatherND", ["data", "indices"], ["output"],
  (ins ONNX_Int:$batch_dims), "gatherND">;
def ONNX_ScatterElementsOp : ONNX_Node<"ScatterElements", ["data", "indices", "updates"], ["output"],
  (ins ONNX_Int:$axis, ONNX_String:$reduction), "sameAsFirst">;
def ONNX_ScatterNDOp : ONNX_Node<"ScatterND", ["data", "indices", "updates"], ["output"],
  (ins ONNX_String:$reduction), "sameAsFirst">;
def ONNX_TensorScatterOp : ONNX_Node<"TensorScatter", ["pastCache", "update", "writeIndices?"], ["presentCache"],
  (ins ONNX_Int:$axis, ONNX_String:$mode), "sameAsFirst">;
def ONNX_TriluOp : ONNX_Node<"Trilu", ["input", "k?"], ["output"],
  (ins ONNX_Int:$upper), "sameAsFirst">;
def ONNX_UnsqueezeOp : ONNX_Node<"Unsqueeze", ["data", "axesInput?"], ["expanded"],
  (ins ONNX_Ints:$axes), "unsqueeze">;
def ONNX_SqueezeOp : ONNX_Node<"Squeeze", ["data", "axesInput?"], ["squeezed"],
  (ins ONNX_Ints:$axes), "squeeze">;
def ONNX_ExpandOp : ONNX_Node<"Expand", ["input", "shape"], ["output"],
  (ins), "expand">;
def ONNX_TileOp : ONNX_Node<"Tile", ["input", "tiles", "axis?"], ["output"],
  (ins), "tile">;
def ONNX_PadOp : ONNX_Node<"Pad", ["data", "padsInput?", "constantValue?", "axes?"], ["output"],
  (ins ONNX_String:$mode, ONNX_Ints:$paddings, ONNX_Ints:$pads,
       ONNX_Float:$value), "pad">;
def ONNX_FlattenOp : ONNX_Node<"Flatten", ["input"], ["output"],
  (ins ONNX_Int:$axis), "flatten">;
def ONNX_RangeOp : ONNX_Node<"Range", ["start", "limit", "delta"], ["output"],
  (ins ONNX_Int:$stash_type), "range">;
def ONNX_ConstantOfShapeOp : ONNX_Node<"ConstantOfShape", ["input"], ["output"],
  (ins ONNX_TensorValue:$value), "constantOfShape">;
def ONNX_ConstantOp : ONNX_Node<"Constant", [], ["output"],
  (ins ONNX_TensorValue:$value, ONNX_Float:$value_float,
       ONNX_Floats:$value_floats, ONNX_Int:$value_int, ONNX_Ints:$value_ints,
       ONNX_String:$value_string, ONNX_Strings:$value_strings), "constant">;
def ONNX_NonZeroOp : ONNX_Node<"NonZero", ["X"], ["Y"],
  (ins), "nonZero">;
def ONNX_OneHotOp : ONNX_Node<"OneHot", ["indices", "depth", "values"], ["output"],
  (ins ONNX_Int:$axis), "oneHot">;
def ONNX_EyeLikeOp : ONNX_Node<"EyeLike", ["input"], ["output"],
  (ins ONNX_Int:$dtype, ONNX_Int:$k), "eyeLike">;

#endif // BASIN_DIALECT_ONNX_IR_ONNXSHAPEOPS_TD
