//===- LowerAsync.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers asynchronous copies and mbarriers.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

using namespace mlir;
using namespace basin::emulator;

FailureOr<bool> HostLowering::lowerAsync(Operation *op) {
  Type word = b.getI32Type(), token = b.getI64Type();
  auto object = [&](Value address) { return toPointer(address); };
  auto objectSite = [&] { return site(op, AccessKind::Atomic, Space::Shared, 8, 8); };
  if (auto copy = dyn_cast<NVVM::CpAsyncOp>(op)) {
    Value size = i32(copy.getSize());
    call("basin_emu_cp_async", {},
         {toPointer(copy.getDst()), toPointer(copy.getSrc()), size,
          copy.getCpSize() ? copy.getCpSize() : size,
          site(op, AccessKind::Store, Space::Shared, copy.getSize(), copy.getSize())});
    replace(op);
  } else if (isa<NVVM::CpAsyncCommitGroupOp>(op)) {
    call("basin_emu_cp_async_commit", {}, {});
    replace(op);
  } else if (auto wait = dyn_cast<NVVM::CpAsyncWaitGroupOp>(op)) {
    call("basin_emu_cp_async_wait", {}, {i32(wait.getN())});
    replace(op);
  } else if (auto init = dyn_cast<NVVM::MBarrierInitOp>(op)) {
    if (init.getPredicate())
      return op->emitError("the emulator does not run nvvm.mbarrier.init with a predicate");
    call("basin_emu_mbarrier_init", {}, {object(init.getAddr()), init.getCount(), objectSite()});
    replace(op);
  } else if (auto inval = dyn_cast<NVVM::MBarrierInvalOp>(op)) {
    call("basin_emu_mbarrier_inval", {}, {object(inval.getAddr()), objectSite()});
    replace(op);
  } else if (auto arrive = dyn_cast<NVVM::MBarrierArriveOp>(op)) {
    if (arrive.getRelaxed())
      return op->emitError("the emulator does not run a relaxed nvvm.mbarrier.arrive");
    Value count = arrive.getCount() ? arrive.getCount() : i32(1);
    Value state =
        call("basin_emu_mbarrier_arrive", token, {object(arrive.getAddr()), count, objectSite()});
    replace(op, op->getNumResults() ? state : Value());
  } else if (auto test = dyn_cast<NVVM::MBarrierTestWaitOp>(op)) {
    if (test.getRelaxed() || !test.getStateOrPhase().getType().isInteger(64))
      return op->emitError("the emulator runs nvvm.mbarrier.test.wait of a state only");
    Value done = call("basin_emu_mbarrier_test", word,
                      {object(test.getAddr()), test.getStateOrPhase(), objectSite()});
    replace(op, fromI32(done, b.getI1Type()));
  } else if (auto wait = dyn_cast<NVVM::MBarrierTryWaitParityOp>(op)) {
    call("basin_emu_mbarrier_wait_parity", {},
         {object(wait.getAddr()), wait.getPhase(), objectSite()});
    replace(op);
  } else {
    return false;
  }
  return true;
}
