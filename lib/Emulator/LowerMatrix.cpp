//===- LowerMatrix.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers ldmatrix, stmatrix and mma.sync. Kernels pass the registers to the runtime through
// memory of the thread, as consecutive words.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

using namespace mlir;
using namespace basin::emulator;

Value HostLowering::scratch(Operation *op) {
  if (scratchOfFunction)
    return scratchOfFunction;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&op->getParentOfType<LLVM::LLVMFuncOp>().getBody().front());
  auto type = LLVM::LLVMPointerType::get(b.getContext());
  scratchOfFunction = LLVM::AllocaOp::create(b, type, b.getI32Type(), i32(kMmaWords), 16);
  return scratchOfFunction;
}

Value HostLowering::wordAt(Value base, int64_t index) {
  return LLVM::GEPOp::create(b, base.getType(), b.getI32Type(), base,
                             ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
}

Value HostLowering::loadWords(Type type, Value base, int64_t index) {
  auto parts = dyn_cast<LLVM::LLVMStructType>(type);
  if (!parts)
    return LLVM::LoadOp::create(b, type, wordAt(base, index), 4);
  Value all = LLVM::UndefOp::create(b, type);
  for (auto [i, part] : llvm::enumerate(parts.getBody())) {
    Value word = LLVM::LoadOp::create(b, part, wordAt(base, index + i), 4);
    all = LLVM::InsertValueOp::create(b, all, word, ArrayRef<int64_t>{int64_t(i)});
  }
  return all;
}

static std::optional<MmaType> getMmaType(std::optional<NVVM::MMATypes> type) {
  if (!type)
    return std::nullopt;
  switch (*type) {
  case NVVM::MMATypes::f16:
    return MmaType::F16;
  case NVVM::MMATypes::bf16:
    return MmaType::BF16;
  case NVVM::MMATypes::tf32:
    return MmaType::TF32;
  default:
    return std::nullopt;
  }
}

LogicalResult HostLowering::lowerMma(NVVM::MmaOp op) {
  NVVM::MMAShapeAttr shape = op.getShape();
  auto type = getMmaType(op.getMultiplicandAPtxType());
  int64_t k = shape.getK();
  bool known = type && type == getMmaType(op.getMultiplicandBPtxType()) && shape.getM() == 16 &&
               shape.getN() == 8 && op.getLayoutA() == NVVM::MMALayout::row &&
               op.getLayoutB() == NVVM::MMALayout::col &&
               (*type == MmaType::TF32 ? k == 4 || k == 8 : k == 8 || k == 16) &&
               op.accumPtxType() == op.resultPtxType() &&
               llvm::is_contained({NVVM::MMATypes::f16, NVVM::MMATypes::f32}, op.accumPtxType());
  if (!known)
    return op.emitError("the emulator does not run this form of nvvm.mma.sync: expected m16n8k8 "
                        "or m16n8k16 of f16 or bf16, or m16n8k4 or m16n8k8 of tf32, A by rows, B "
                        "by columns, with accumulators of f16 or f32");
  Value words = scratch(op);
  auto store = [&](ValueRange values, int64_t slot) {
    for (auto [i, value] : llvm::enumerate(values))
      LLVM::StoreOp::create(b, value, wordAt(words, slot + i), 4);
  };
  store(op.getOperandA(), kMmaA);
  store(op.getOperandB(), kMmaB);
  store(op.getOperandC(), kMmaC);
  bool half = op.accumPtxType() == NVVM::MMATypes::f16;
  call("basin_emu_mma", {}, {words, i32(int32_t(*type)), i32(k), i32(half), site(op)});
  replace(op, loadWords(op.getType(), words, kMmaD));
  return success();
}

FailureOr<bool> HostLowering::lowerMatrix(Operation *op) {
  if (auto mma = dyn_cast<NVVM::MmaOp>(op)) {
    if (failed(lowerMma(mma)))
      return failure();
    return true;
  }
  auto isKnown = [](NVVM::LdStMatrixShapeAttr shape, NVVM::LdStMatrixEltType type) {
    return shape.getM() == 8 && shape.getN() == 8 && type == NVVM::LdStMatrixEltType::B16;
  };
  if (auto load = dyn_cast<NVVM::LdMatrixOp>(op)) {
    if (!isKnown(load.getShape(), load.getEltType()))
      return op->emitError("the emulator runs nvvm.ldmatrix of 8x8 b16 only");
    Value words = scratch(op);
    call("basin_emu_ldmatrix", {},
         {toPointer(load.getPtr()), words, i32(load.getNum()),
          i32(load.getLayout() == NVVM::MMALayout::col),
          site(op, AccessKind::Load, Space::Shared, 16, 16)});
    replace(op, loadWords(load.getType(), words, 0));
    return true;
  }
  if (auto store = dyn_cast<NVVM::StMatrixOp>(op)) {
    if (!isKnown(store.getShape(), store.getEltType()))
      return op->emitError("the emulator runs nvvm.stmatrix of 8x8 b16 only");
    Value words = scratch(op);
    for (auto [i, value] : llvm::enumerate(store.getSources()))
      LLVM::StoreOp::create(b, value, wordAt(words, i), 4);
    call("basin_emu_stmatrix", {},
         {toPointer(store.getPtr()), words, i32(store.getSources().size()),
          i32(store.getLayout() == NVVM::MMALayout::col),
          site(op, AccessKind::Store, Space::Shared, 16, 16)});
    replace(op);
    return true;
  }
  return false;
}
