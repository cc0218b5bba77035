//===- Lowering.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the parts of lower-nvvm-to-emulator share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_EMULATOR_LOWERING_H
#define BASIN_LIB_EMULATOR_LOWERING_H

#include "Sites.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/DataLayoutInterfaces.h"
#include "llvm/ADT/StringMap.h"

namespace basin::emulator {

inline constexpr llvm::StringLiteral kSharedName = "basin_shared";

/// Which special register `basin_emu_special` reads.
enum class Special : int32_t {
  TidX,
  TidY,
  TidZ,
  NTidX,
  NTidY,
  NTidZ,
  CtaIdX,
  CtaIdY,
  CtaIdZ,
  NCtaIdX,
  NCtaIdY,
  NCtaIdZ,
  LaneId,
  WarpId,
  WarpSize,
  NWarpId,
  LaneMaskEq,
  LaneMaskLe,
  LaneMaskLt,
  LaneMaskGe,
  LaneMaskGt,
};

/// 32-bit words of the fragments that `basin_emu_mma` takes and gives: A, B, C, D.
enum MmaSlots { kMmaA = 0, kMmaB = 4, kMmaC = 6, kMmaD = 10, kMmaWords = 14 };
enum class MmaType : int32_t { F16, BF16, TF32 };

/// Lowers the ops of one kernel after the other, each in place.
class HostLowering {
public:
  explicit HostLowering(mlir::ModuleOp module)
      : module(module), layout(module), b(module.getLoc(), module.getContext()) {}

  /// Everything in `function`; fails with a diagnostic at the first op that it
  /// does not know.
  mlir::LogicalResult lowerFunction(mlir::LLVM::LLVMFuncOp function);
  /// Puts the table of sites onto the module.
  void finish();

private:
  mlir::LogicalResult lower(mlir::Operation *op);
  // Each of these says whether the op is one of its own; `failed` is an error.
  mlir::FailureOr<bool> lowerMemory(mlir::Operation *op);
  mlir::FailureOr<bool> lowerThreads(mlir::Operation *op);
  mlir::FailureOr<bool> lowerBarriers(mlir::Operation *op);
  mlir::FailureOr<bool> lowerMatrix(mlir::Operation *op);
  mlir::FailureOr<bool> lowerAsync(mlir::Operation *op);
  mlir::FailureOr<bool> lowerFunctions(mlir::Operation *op);
  mlir::LogicalResult checkHostOp(mlir::Operation *op);

  void checkAddress(mlir::Operation *op, unsigned operand, AccessKind kind, mlir::Type type,
                    std::optional<uint64_t> alignment);
  mlir::LogicalResult lowerMma(mlir::NVVM::MmaOp op);

  // Pieces of calls.
  mlir::Value i32(int64_t value);
  mlir::Value toI32(mlir::Value value); // of an i1 or of 32 bits
  mlir::Value fromI32(mlir::Value value, mlir::Type type);
  mlir::Value toPointer(mlir::Value value); // of address space 0
  mlir::Value call(llvm::StringRef name, mlir::Type result, mlir::ValueRange operands);
  mlir::Value site(mlir::Operation *op, AccessKind kind = AccessKind::None,
                   Space space = Space::Any, uint32_t bytes = 0, uint32_t align = 1);
  /// Memory of the thread for `kMmaWords` words.
  mlir::Value scratch(mlir::Operation *op);
  mlir::Value wordAt(mlir::Value base, int64_t index);
  /// A value of `type`, a struct of 32-bit things or one, from words at `base`.
  mlir::Value loadWords(mlir::Type type, mlir::Value base, int64_t index);
  void replace(mlir::Operation *op, mlir::Value value = {});

  mlir::ModuleOp module;
  mlir::DataLayout layout;
  mlir::ImplicitLocOpBuilder b;
  llvm::StringMap<unsigned> ordinals; // of ops, by name, in this function
  llvm::SmallVector<mlir::Attribute> sites;
  mlir::Value scratchOfFunction;
};

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_LOWERING_H
