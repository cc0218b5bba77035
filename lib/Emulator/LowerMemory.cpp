//===- LowerMemory.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers accesses to memory. Each one first calls `basin_emu_access`, which checks the
// address and returns the address to use: scratch memory if the access is refused.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

using namespace mlir;
using namespace basin::emulator;

static Space spaceOf(Value pointer) {
  switch (cast<LLVM::LLVMPointerType>(pointer.getType()).getAddressSpace()) {
  case 1:
    return Space::Global;
  case 3:
    return Space::Shared;
  default:
    return Space::Any;
  }
}

void HostLowering::checkAddress(Operation *op, unsigned operand, AccessKind kind, Type type,
                                std::optional<uint64_t> alignment) {
  Value pointer = op->getOperand(operand);
  uint32_t align = alignment.value_or(layout.getTypeABIAlignment(type));
  Value number = site(op, kind, spaceOf(pointer), layout.getTypeSize(type).getFixedValue(), align);
  auto generic = LLVM::LLVMPointerType::get(b.getContext());
  op->setOperand(operand, call("basin_emu_access", generic, {toPointer(pointer), number}));
}

FailureOr<bool> HostLowering::lowerMemory(Operation *op) {
  if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
    bool plain = load.getOrdering() == LLVM::AtomicOrdering::not_atomic;
    checkAddress(op, 0, plain ? AccessKind::Load : AccessKind::Atomic, load.getType(),
                 load.getAlignment());
    return true;
  }
  if (auto store = dyn_cast<LLVM::StoreOp>(op)) {
    bool plain = store.getOrdering() == LLVM::AtomicOrdering::not_atomic;
    checkAddress(op, 1, plain ? AccessKind::Store : AccessKind::Atomic, store.getValue().getType(),
                 store.getAlignment());
    return true;
  }
  if (auto atomic = dyn_cast<LLVM::AtomicRMWOp>(op)) {
    checkAddress(op, 0, AccessKind::Atomic, atomic.getVal().getType(), atomic.getAlignment());
    atomic.setSyncscopeAttr({});
    return true;
  }
  if (auto atomic = dyn_cast<LLVM::AtomicCmpXchgOp>(op)) {
    checkAddress(op, 0, AccessKind::Atomic, atomic.getVal().getType(), atomic.getAlignment());
    atomic.setSyncscopeAttr({});
    return true;
  }
  if (auto address = dyn_cast<LLVM::AddressOfOp>(op)) {
    if (address.getGlobalName() != kSharedName)
      return false;
    Value base = call("basin_emu_shared", LLVM::LLVMPointerType::get(b.getContext()), {});
    replace(op, LLVM::AddrSpaceCastOp::create(b, address.getType(), base));
    return true;
  }
  return false;
}
