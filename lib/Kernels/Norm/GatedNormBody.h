//===- GatedNormBody.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernel of one spec and schedule while it is built; its steps are in
// GatedNormRows.cpp, GatedNormSlots.cpp and GatedNormKernel.cpp. Private to the
// family.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_NORM_GATEDNORMBODY_H
#define BASIN_LIB_KERNELS_NORM_GATEDNORMBODY_H

#include "basin/Kernels/NormKernel.h"
#include "basin/Kernels/TensorCore.h"

#include <array>
#include <numeric>

namespace basin::kernels {

constexpr int64_t kGateRows = 16, kGateGroup = 32, kWidth = 8, kSlotBytes = 16;

/// A lane's part of a group: rows g and g + 8.
using Pair = std::array<mlir::Value, 2>;

/// Where a group of a warp's columns is.
struct Group {
  /// The group's first column, and that of each of the lane's accesses: 8 columns,
  /// or fewer where the dim is no multiple of 8. All are inside the row.
  mlir::Value base;
  llvm::SmallVector<mlir::Value, 1> columns;
  /// Whether there are such columns; empty where there always are.
  llvm::SmallVector<mlir::Value, 1> inside;
  /// Where the rows have slots: the group's number, and how far its columns lie behind
  /// those above.
  std::optional<int64_t> step;
  int64_t distance = 0;
};

/// Where a lane's two of a tile of 16 rows begin in a tensor. Beyond the last row it is
/// the last one, computed once more and not stored.
struct TileRows {
  Pair isRow, offsets;
  /// Whether all 16 are rows; whether one is.
  mlir::Value all, any;
};

/// The ways through a tile's columns: a LayerNorm's mean or the squares, its squares, the
/// products.
enum class GatePass { Statistics, Deviations, Down, Up };

inline bool isStatistics(GatePass pass) { return pass < GatePass::Down; }

class GatedNormBody {
public:
  GatedNormBody(mlir::gpu::GPUModuleOp module, const NormSpec &spec,
                const GatedNormSchedule &schedule, llvm::StringRef name)
      : spec(spec), schedule(schedule), tiles(spec.gateRank / 8), width(std::gcd(spec.dim, kWidth)),
        b(module, name, getArguments(spec), schedule.blockSize(), schedule.sharedBytes(spec)) {}

  mlir::gpu::GPUFuncOp build();

private:
  // GatedNormRows.cpp
  void locate();
  TileRows rowsOf(mlir::Value tile);
  Group groupOf(GatePass pass, int64_t step);
  Group groupAt(mlir::Value step);
  llvm::SmallVector<mlir::Value> forGroups(
      GatePass pass, mlir::ValueRange carried,
      llvm::function_ref<llvm::SmallVector<mlir::Value>(const Group &, mlir::ValueRange)> body);
  mlir::Value loadColumns(mlir::Value row, mlir::Type type, const Group &group);
  mlir::Value clear(const Group &group, mlir::Value vector);
  void storeColumns(llvm::StringRef name, mlir::Type type, const Group &group, const Pair &values);
  mlir::Value parameter(llvm::StringRef name, const Group &group);
  mlir::Value loadRow(llvm::StringRef name, int64_t i, const Group &group);
  Pair load(const Group &group, bool first);
  Pair loadAgain(const Group &group);
  Pair prepared(const Group &group, const Pair &h);
  int64_t rowSums(int64_t slot) const { return slot * schedule.warps * kGateRows * 4; }
  mlir::Value rowSumAt(mlir::Value w, mlir::Value row);
  void storeRowSums(Pair mine, int64_t slot);
  mlir::Value totalOf(mlir::Value row, int64_t slot);
  Pair sumRows(Pair mine, int64_t slot);
  llvm::SmallVector<mlir::Value> addSum(const Group &group, Pair values, mlir::ValueRange sums);
  llvm::SmallVector<mlir::Value> addSquares(const Group &group, Pair values, mlir::ValueRange sums);
  void findStatistics();
  mlir::Value factorOf(mlir::Value sumOfSquares);
  Pair normalized(const Group &group, const Pair &h, bool scaled = true);

  // GatedNormSlots.cpp
  bool hasSlots() const { return schedule.slots != 0; }
  bool isFirst(GatePass pass) const {
    return pass == (isDeferred() ? GatePass::Down : GatePass::Statistics);
  }
  int64_t steps() const { return schedule.steps(spec.dim); }
  const TileRows &rowsAhead(int64_t tiles);
  mlir::Value wrapped(mlir::Value slot);
  mlir::Value slotOf(llvm::StringRef tensor, int64_t step, int64_t i);
  mlir::Value readSlot(llvm::StringRef tensor, int64_t step, int64_t i);
  void writeSlot(int64_t step, int64_t i, mlir::Value h);
  mlir::Value weightSlotOf(int64_t number);
  mlir::Value readWeights(int64_t number, int64_t access);
  llvm::SmallVector<llvm::StringRef, 4> vectorNames() const;
  mlir::Value vectorOf(llvm::StringRef name);
  void copyRows(llvm::StringRef tensor, int64_t number);
  void copyWeights(int64_t number);
  void copyVectors();
  void copyFirst();
  void endStep(GatePass pass, int64_t step);
  int64_t pending() const;
  void forTiles(llvm::function_ref<void()> body);

  // GatedNormKernel.cpp
  bool isDeferred() const { return !spec.layer && !spec.type.isF16(); }
  Fragment operand(llvm::ArrayRef<mlir::Value> upper, llvm::ArrayRef<mlir::Value> lower);
  Fragment multiply(llvm::ArrayRef<mlir::Value> a, mlir::Value weights,
                    llvm::ArrayRef<mlir::Value> c);
  mlir::Value hiddenDim(int64_t tile, mlir::Value n);
  mlir::Value downPointer(int64_t tile);
  mlir::Value upPointer(const Group &group, int64_t tile, int64_t step, int64_t count);
  llvm::SmallVector<mlir::Value> downWeights(const Group &group);
  llvm::SmallVector<mlir::Value> upWeights(const Group &group);
  llvm::SmallVector<mlir::Value> addProducts(const Group &group, Pair y, mlir::ValueRange sums);
  void multiplyDown();
  void exchange(llvm::SmallVectorImpl<Fragment> &accumulators);
  void finishHidden(llvm::ArrayRef<Fragment> hidden);
  bool isHalved() const;
  mlir::Value activate(mlir::Value score);
  void findRowGates(llvm::ArrayRef<Fragment> hidden);
  mlir::Value upColumn(const Group &group, int64_t tile);
  Pair gates(const Group &group);
  void store();

  const NormSpec &spec;
  const GatedNormSchedule &schedule;
  /// Of 8 columns of h; of the lane's 8 columns an access.
  int64_t tiles, width;
  KernelBuilder b;

  mlir::Value g, t, warp;
  TileRows rows;
  /// The tile of rows; blocks of the grid, the first of the tile's slots and the rows of
  /// the block's next tiles where it has several.
  mlir::Value tile, grid, firstSlot;
  llvm::SmallVector<std::optional<TileRows>> next;
  /// Of rows g and g + 8.
  Pair mean, factor;
  /// A operands of the up product, a k-step each; or a gate a row.
  llvm::SmallVector<Fragment> hiddenOperands;
  Pair rowGates;
};

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_NORM_GATEDNORMBODY_H
