//===- LowerFunctions.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lowers approximate functions and conversions, by the name of the intrinsic. Functions
// that the host computes as the GPU does stay as they are.
//
//===----------------------------------------------------------------------===//

#include "Functions.h"
#include "Lowering.h"

using namespace mlir;
using namespace basin::emulator;

FailureOr<bool> HostLowering::lowerFunctions(Operation *op) {
  if (auto rcp = dyn_cast<NVVM::RcpApproxFtzF32Op>(op)) {
    replace(op, call("basin_emu_rcp_approx_ftz_f", b.getF32Type(), rcp.getArg()));
    return true;
  }
  if (auto convert = dyn_cast<NVVM::ConvertFloatToTF32Op>(op)) {
    if (convert.getRnd() != NVVM::FPRoundingMode::RNA || convert.getRelu() ||
        convert.getSat() != NVVM::SaturationMode::NONE)
      return op->emitError("the emulator converts to tf32 only with the rounding rna");
    replace(op, call("basin_emu_f2tf32_rna", b.getI32Type(), convert.getSrc()));
    return true;
  }
  // With `afn` the op allows an approximation, and the GPU runs one instruction for it.
  if (auto tanh = dyn_cast<LLVM::TanhOp>(op); tanh && tanh.getType().isF32()) {
    if (bitEnumContainsAll(tanh.getFastmathFlags(), LLVM::FastmathFlags::afn)) {
      replace(op, call("basin_emu_tanh_approx_f", b.getF32Type(), tanh.getIn()));
      return true;
    }
    return false;
  }
  auto intrinsic = dyn_cast<LLVM::CallIntrinsicOp>(op);
  if (!intrinsic || !intrinsic.getIntrin().starts_with("llvm.nvvm."))
    return false;
  StringRef name = intrinsic.getIntrin();
  std::string symbol = getFunctionSymbol(name);
  bool floats = intrinsic->getNumResults() == 1 && intrinsic->getResult(0).getType().isF32() &&
                llvm::all_of(intrinsic->getOperandTypes(), [](Type t) { return t.isF32(); });
  if (symbol.empty() || !floats)
    return op->emitError("the emulator does not know the intrinsic '") << name << "' of this type";
  replace(op, call(symbol, b.getF32Type(), intrinsic.getArgs()));
  return true;
}
