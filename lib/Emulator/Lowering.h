//===- Lowering.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shared by the parts of lower-nvvm-to-emulator.
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

/// Says which special register `basin_emu_special` reads.
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

/// `basin_emu_mma` takes its fragments in an array of 32-bit words. These are the indices
/// where A, B, C and D begin, and the array's length.
enum MmaSlots { kMmaA = 0, kMmaB = 4, kMmaC = 6, kMmaD = 10, kMmaWords = 14 };
enum class MmaType : int32_t { F16, BF16, TF32 };

/// Lowers one kernel after the other. Each op is replaced where it stands.
class HostLowering {
public:
  explicit HostLowering(mlir::ModuleOp module)
      : module(module), layout(module), b(module.getLoc(), module.getContext()) {}

  /// Lowers all ops of `function`. Fails with a diagnostic at the first op that the emulator
  /// does not know.
  mlir::LogicalResult lowerFunction(mlir::LLVM::LLVMFuncOp function);
  /// Puts the table of sites onto the module.
  void finish();

private:
  mlir::LogicalResult lower(mlir::Operation *op);
  // Each of these lowers the ops of one kind. Returns whether the op was of that kind, or
  // fails after a diagnostic.
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

  // Helpers to build calls.
  mlir::Value i32(int64_t value);
  mlir::Value toI32(mlir::Value value); // from an i1 or a type of 32 bits
  mlir::Value fromI32(mlir::Value value, mlir::Type type);
  mlir::Value toPointer(mlir::Value value); // to address space 0
  mlir::Value call(llvm::StringRef name, mlir::Type result, mlir::ValueRange operands);
  mlir::Value site(mlir::Operation *op, AccessKind kind = AccessKind::None,
                   Space space = Space::Any, uint32_t bytes = 0, uint32_t align = 1);
  /// Returns memory of the thread for `kMmaWords` words. A function allocates it once.
  mlir::Value scratch(mlir::Operation *op);
  mlir::Value wordAt(mlir::Value base, int64_t index);
  /// Loads a value of `type` from the words at `base`, beginning with word `index`. The type
  /// has 32 bits, or is a struct of such types.
  mlir::Value loadWords(mlir::Type type, mlir::Value base, int64_t index);
  void replace(mlir::Operation *op, mlir::Value value = {});

  mlir::ModuleOp module;
  mlir::DataLayout layout;
  mlir::ImplicitLocOpBuilder b;
  llvm::StringMap<unsigned> ordinals; // the next number for each op name in this function
  llvm::SmallVector<mlir::Attribute> sites;
  mlir::Value scratchOfFunction;
};

} // namespace basin::emulator

#endif // BASIN_LIB_EMULATOR_LOWERING_H
