//===- ShapeRules.cpp ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/ONNX.h"

using namespace mlir;
using namespace basin::onnx;

LogicalResult infer::argReduce(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::attention(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::batchNorm(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::boolean(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::broadcast(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::cast(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::castLike(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::compare(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::concat(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::constant(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::constantOfShape(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::dequantizeLinear(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::dropout(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::dynamicQuantizeLinear(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::expand(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::eyeLike(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::flatten(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::gather(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::gatherElements(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::gatherND(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::gemm(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::layerNorm(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::matMul(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::matMulInteger(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::matMulNBits(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::msAttention(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::msGroupQueryAttention(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::msMultiHeadAttention(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::nonZero(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::oneHot(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::pad(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::quantizeLinear(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::range(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::reduce(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::reshape(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::same(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::sameAsFirst(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::shape(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::size(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::skipLayerNorm(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::slice(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::softmax(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::split(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::squeeze(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::subgraphs(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::tile(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::topK(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::transpose(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::unknown(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::unsqueeze(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
LogicalResult infer::where(Operation *op, Types &types) { types.assign(op->getNumResults(), Type()); return success(); }
