//===- TensorCore.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/TensorCore.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace basin::kernels;

static Value xorI(KernelBuilder &b, Value x, Value y) { return arith::XOrIOp::create(b, x, y); }

Value SwizzledTile::swizzle(KernelBuilder &b, Value row) const {
  return group() == 8 ? b.remU(row, 8) : b.remU(b.divU(row, 2), 4);
}

Value SwizzledTile::offset(KernelBuilder &b, Value row, Value chunk) const {
  Value place = xorI(b, chunk, swizzle(b, row));
  return b.add(b.mul(row, b.i32(rowBytes())), b.mul(place, b.i32(16)));
}

LaneAddresses::LaneAddresses(KernelBuilder &b, SwizzledTile tile, Value row, Value odd)
    : tile(tile) {
  Value place = xorI(b, odd, tile.swizzle(b, row));
  Value start = b.mul(row, b.i32(tile.rowBytes()));
  for (int64_t pair = 0; pair < tile.group() / 2; ++pair)
    offsets.push_back(b.add(start, b.mul(xorI(b, place, b.i32(2 * pair)), b.i32(16))));
}

SmallVector<Value> LaneAddresses::bases(KernelBuilder &b, Value tileBase) const {
  return llvm::map_to_vector(offsets,
                             [&](Value offset) { return b.at(tileBase, b.getI8Type(), offset); });
}

Value LaneAddresses::at(KernelBuilder &b, ArrayRef<Value> bases, int64_t rowOffset,
                        int64_t k) const {
  assert(rowOffset % 8 == 0 && "the swizzle repeats every 8 rows");
  int64_t pairs = tile.group() / 2;
  int64_t bytes = rowOffset * tile.rowBytes() + k / pairs * pairs * 32;
  return b.at(bases[k % pairs], b.getI8Type(), b.i32(bytes));
}

Fragment basin::kernels::loadMatrices(KernelBuilder &b, Value pointer, bool transposed) {
  Type i32 = b.getI32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {i32, i32, i32, i32});
  Value all = NVVM::LdMatrixOp::create(
      b, type, pointer, /*num=*/4, transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  Fragment out;
  for (int64_t i = 0; i < 4; ++i)
    out.push_back(LLVM::ExtractValueOp::create(b, all, i));
  return out;
}

/// Returns operands as the op takes them: f16 as vectors of two, other types as plain registers.
static SmallVector<Value> operands(KernelBuilder &b, Type element, ArrayRef<Value> registers) {
  if (!element.isF16())
    return llvm::to_vector(registers);
  auto pair = VectorType::get({2}, element);
  return llvm::map_to_vector(registers,
                             [&](Value x) -> Value { return LLVM::BitcastOp::create(b, pair, x); });
}

Fragment basin::kernels::multiplyAdd(KernelBuilder &b, Type element, ArrayRef<Value> a,
                                     ArrayRef<Value> operandB, ArrayRef<Value> c) {
  Type f32 = b.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), {f32, f32, f32, f32});
  auto kind = element.isF16()   ? NVVM::MMATypes::f16
              : element.isF32() ? NVVM::MMATypes::tf32
                                : NVVM::MMATypes::bf16;
  int64_t k = element.isF32() ? 8 : 16;
  Value all = NVVM::MmaOp::create(
      b, type, operands(b, element, a), operands(b, element, operandB), c, {16, 8, k}, std::nullopt,
      std::nullopt, std::array<NVVM::MMATypes, 2>{kind, kind},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  Fragment out;
  for (int64_t i = 0; i < 4; ++i)
    out.push_back(LLVM::ExtractValueOp::create(b, all, i));
  return out;
}

Value basin::kernels::toTF32(KernelBuilder &b, Value x) {
  return NVVM::ConvertFloatToTF32Op::create(b, b.getI32Type(), x, NVVM::FPRoundingMode::RNA);
}

Value basin::kernels::pack(KernelBuilder &b, Value low, Value high, Type element) {
  auto pair = VectorType::get({2}, b.getF32Type());
  Value both = vector::FromElementsOp::create(b, pair, ValueRange{low, high});
  return LLVM::BitcastOp::create(b, b.getI32Type(), b.fromF32(both, element));
}

void basin::kernels::copyAsync(KernelBuilder &b, Value target, Value source, Value bytes) {
  NVVM::CpAsyncOp::create(b, target, source, 16, NVVM::LoadCacheModifierKind::CG, bytes);
}

void basin::kernels::copyAsync(KernelBuilder &b, Value target, Value source, int64_t bytes) {
  auto cached = bytes == 16 ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(b, target, source, bytes, cached, Value());
}

void basin::kernels::commitCopies(KernelBuilder &b) { NVVM::CpAsyncCommitGroupOp::create(b); }

void basin::kernels::waitForCopies(KernelBuilder &b, int64_t pending) {
  NVVM::CpAsyncWaitGroupOp::create(b, pending);
}
