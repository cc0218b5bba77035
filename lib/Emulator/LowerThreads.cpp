//===- LowerThreads.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers special registers and the ops that threads execute together: shuffles, votes,
// reductions and barriers.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace basin::emulator;

static std::optional<Special> getSpecial(StringRef name) {
  if (!name.consume_front("nvvm.read.ptx.sreg."))
    return std::nullopt;
  return llvm::StringSwitch<std::optional<Special>>(name)
      .Case("tid.x", Special::TidX)
      .Case("tid.y", Special::TidY)
      .Case("tid.z", Special::TidZ)
      .Case("ntid.x", Special::NTidX)
      .Case("ntid.y", Special::NTidY)
      .Case("ntid.z", Special::NTidZ)
      .Case("ctaid.x", Special::CtaIdX)
      .Case("ctaid.y", Special::CtaIdY)
      .Case("ctaid.z", Special::CtaIdZ)
      .Case("nctaid.x", Special::NCtaIdX)
      .Case("nctaid.y", Special::NCtaIdY)
      .Case("nctaid.z", Special::NCtaIdZ)
      .Case("laneid", Special::LaneId)
      .Case("warpid", Special::WarpId)
      .Case("warpsize", Special::WarpSize)
      .Case("nwarpid", Special::NWarpId)
      .Case("lanemask.eq", Special::LaneMaskEq)
      .Case("lanemask.le", Special::LaneMaskLe)
      .Case("lanemask.lt", Special::LaneMaskLt)
      .Case("lanemask.ge", Special::LaneMaskGe)
      .Case("lanemask.gt", Special::LaneMaskGt)
      .Default(std::nullopt);
}

/// Returns a shuffle's result: the value, or, if `type` is a struct, the value together with
/// whether the source lane was in range.
static Value shuffled(ImplicitLocOpBuilder &b, Type type, Value value, Value valid) {
  auto pair = dyn_cast<LLVM::LLVMStructType>(type);
  if (!pair)
    return value;
  Value both = LLVM::UndefOp::create(b, pair);
  both = LLVM::InsertValueOp::create(b, both, value, ArrayRef<int64_t>{0});
  return LLVM::InsertValueOp::create(b, both, valid, ArrayRef<int64_t>{1});
}

FailureOr<bool> HostLowering::lowerThreads(Operation *op) {
  Type word = b.getI32Type();
  if (auto special = getSpecial(op->getName().getStringRef())) {
    replace(op, call("basin_emu_special", word, {i32(int32_t(*special))}));
  } else if (auto shuffle = dyn_cast<NVVM::ShflOp>(op)) {
    Value both = call("basin_emu_shfl", b.getI64Type(),
                      {shuffle.getThreadMask(), toI32(shuffle.getVal()), shuffle.getOffset(),
                       shuffle.getMaskAndClamp(), i32(int32_t(shuffle.getKind())), site(op)});
    Value low = LLVM::TruncOp::create(b, word, both);
    Value high = LLVM::LShrOp::create(
        b, both, LLVM::ConstantOp::create(b, b.getI64Type(), b.getI64IntegerAttr(32)));
    replace(op, shuffled(b, shuffle.getType(), fromI32(low, shuffle.getVal().getType()),
                         LLVM::TruncOp::create(b, b.getI1Type(), high)));
  } else if (auto vote = dyn_cast<NVVM::VoteSyncOp>(op)) {
    Value result =
        call("basin_emu_vote", word,
             {vote.getMask(), toI32(vote.getPred()), i32(int32_t(vote.getKind())), site(op)});
    replace(op, fromI32(result, vote.getType()));
  } else if (auto redux = dyn_cast<NVVM::ReduxOp>(op)) {
    int32_t flags = (redux.getAbs() ? 1 : 0) | (redux.getNan() ? 2 : 0);
    Value result = call("basin_emu_redux", word,
                        {redux.getMaskAndClamp(), toI32(redux.getVal()),
                         i32(int32_t(redux.getKind())), i32(flags), site(op)});
    replace(op, fromI32(result, redux.getType()));
  } else if (auto elect = dyn_cast<NVVM::ElectSyncOp>(op)) {
    Value mask = elect.getMembermask() ? elect.getMembermask() : i32(-1);
    replace(op, fromI32(call("basin_emu_elect", word, {mask, site(op)}), b.getI1Type()));
  } else {
    return false;
  }
  return true;
}

FailureOr<bool> HostLowering::lowerBarriers(Operation *op) {
  Type word = b.getI32Type();
  if (auto sync = dyn_cast<NVVM::SyncWarpOp>(op)) {
    call("basin_emu_warp_sync", {}, {sync.getMask(), site(op)});
    replace(op);
  } else if (isa<NVVM::Barrier0Op>(op)) {
    call("basin_emu_barrier", word, {i32(0), i32(0), i32(-1), i32(0), site(op)});
    replace(op);
  } else if (auto barrier = dyn_cast<NVVM::BarrierOp>(op)) {
    auto kind = barrier.getReductionOp();
    Value predicate = kind ? barrier.getReductionPredicate() : i32(0);
    Value result = call("basin_emu_barrier", word,
                        {barrier.getBarrierId() ? barrier.getBarrierId() : i32(0),
                         barrier.getNumberOfThreads() ? barrier.getNumberOfThreads() : i32(0),
                         i32(kind ? int32_t(*kind) : -1), predicate, site(op)});
    replace(op, barrier->getNumResults() ? result : Value());
  } else if (auto arrive = dyn_cast<NVVM::BarrierArriveOp>(op)) {
    Value id = arrive.getBarrierId() ? arrive.getBarrierId() : i32(0);
    call("basin_emu_barrier_arrive", {}, {id, arrive.getNumberOfThreads(), site(op)});
    replace(op);
  } else if (isa<NVVM::MembarOp, LLVM::FenceOp>(op)) {
    // A fence orders memory and makes no thread wait. It needs no code here, because each
    // thread sees all earlier stores at once.
    replace(op);
  } else {
    return false;
  }
  return true;
}
