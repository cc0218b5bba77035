//===- ShapeRules.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shape rules of the typed ops, by the name that an op's definition gives. Each rule sets `types`
// from the types of the operands: one entry for each result, null if nothing is known. A rule fails
// with a diagnostic if the operands contradict each other.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULES_H
#define BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULES_H

#include "mlir/IR/Operation.h"

namespace basin::onnx::infer {

using Types = llvm::SmallVectorImpl<mlir::Type>;

#define BASIN_SHAPE_RULE(NAME) llvm::LogicalResult NAME(mlir::Operation *op, Types &types);
BASIN_SHAPE_RULE(argReduce)
BASIN_SHAPE_RULE(attention)
BASIN_SHAPE_RULE(batchNorm)
BASIN_SHAPE_RULE(boolean)
BASIN_SHAPE_RULE(broadcast)
BASIN_SHAPE_RULE(cast)
BASIN_SHAPE_RULE(castLike)
BASIN_SHAPE_RULE(compare)
BASIN_SHAPE_RULE(concat)
BASIN_SHAPE_RULE(constant)
BASIN_SHAPE_RULE(constantOfShape)
BASIN_SHAPE_RULE(conv)
BASIN_SHAPE_RULE(dequantizeLinear)
BASIN_SHAPE_RULE(dropout)
BASIN_SHAPE_RULE(dynamicQuantizeLinear)
BASIN_SHAPE_RULE(einsum)
BASIN_SHAPE_RULE(expand)
BASIN_SHAPE_RULE(eyeLike)
BASIN_SHAPE_RULE(flatten)
BASIN_SHAPE_RULE(gather)
BASIN_SHAPE_RULE(gatherElements)
BASIN_SHAPE_RULE(gatherND)
BASIN_SHAPE_RULE(gemm)
BASIN_SHAPE_RULE(layerNorm)
BASIN_SHAPE_RULE(linearAttention)
BASIN_SHAPE_RULE(loop)
BASIN_SHAPE_RULE(matMul)
BASIN_SHAPE_RULE(matMulInteger)
BASIN_SHAPE_RULE(matMulNBits)
BASIN_SHAPE_RULE(msAttention)
BASIN_SHAPE_RULE(msGroupQueryAttention)
BASIN_SHAPE_RULE(msCausalConv)
BASIN_SHAPE_RULE(msDecoderAttention)
BASIN_SHAPE_RULE(msGatedDeltaNet)
BASIN_SHAPE_RULE(msMultiHeadAttention)
BASIN_SHAPE_RULE(msPagedAttention)
BASIN_SHAPE_RULE(msSparseAttention)
BASIN_SHAPE_RULE(nonZero)
BASIN_SHAPE_RULE(oneHot)
BASIN_SHAPE_RULE(pad)
BASIN_SHAPE_RULE(quantizeLinear)
BASIN_SHAPE_RULE(range)
BASIN_SHAPE_RULE(reduce)
BASIN_SHAPE_RULE(reshape)
BASIN_SHAPE_RULE(same)
BASIN_SHAPE_RULE(sameAsFirst)
BASIN_SHAPE_RULE(scan)
BASIN_SHAPE_RULE(shape)
BASIN_SHAPE_RULE(size)
BASIN_SHAPE_RULE(skipLayerNorm)
BASIN_SHAPE_RULE(slice)
BASIN_SHAPE_RULE(softmax)
BASIN_SHAPE_RULE(split)
BASIN_SHAPE_RULE(squeeze)
BASIN_SHAPE_RULE(subgraphs)
BASIN_SHAPE_RULE(tile)
BASIN_SHAPE_RULE(topK)
BASIN_SHAPE_RULE(transpose)
BASIN_SHAPE_RULE(unknown)
BASIN_SHAPE_RULE(unsqueeze)
BASIN_SHAPE_RULE(where)
#undef BASIN_SHAPE_RULE

} // namespace basin::onnx::infer

#endif // BASIN_DIALECT_ONNX_SHAPEINFERENCE_SHAPERULES_H
