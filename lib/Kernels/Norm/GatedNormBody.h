//===- GatedNormBody.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the kernel of a gated norm for one spec and one schedule. Its steps are in
// GatedNormRows.cpp, GatedNormSlots.cpp and GatedNormKernel.cpp. Private to the family.
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

/// A lane's values for the two rows that it has in a tile, g and g + 8.
using Pair = std::array<mlir::Value, 2>;

/// A group of 32 columns that one warp has, as one lane sees it.
struct Group {
  /// The group's first column, and the first column of each of the lane's accesses. An
  /// access has 8 columns, or fewer if the dim is no multiple of 8. It never leaves the row: an
  /// access to columns that do not exist is moved to the row's end.
  mlir::Value base;
  llvm::SmallVector<mlir::Value, 1> columns;
  /// For each access, whether its columns exist. Empty if they always exist.
  llvm::SmallVector<mlir::Value, 1> inside;
  /// Set if the rows have slots: the group's number, and the distance in columns from the
  /// columns above to the group.
  std::optional<int64_t> step;
  int64_t distance = 0;
};

/// The two rows of a lane in a tile of 16, and the offsets of their first elements in a
/// tensor. A row beyond the last one is replaced by the last one, and `isRow` is false: the
/// lane computes that row once more and does not store it.
struct TileRows {
  Pair isRow, offsets;
  /// Whether all 16 rows of the tile exist, and whether the first one does.
  mlir::Value all, any;
};

/// The passes over a tile's columns. `Statistics` finds the mean of a LayerNorm or the sum of
/// squares of an RMSNorm. `Deviations` finds the sum of squares of a LayerNorm's deviations
/// from the mean. `Down` and `Up` compute the products with the gate's matrices.
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
  /// The number of n-tiles of the down product, each with 8 columns of h, and the number of
  /// columns of one access to a row.
  int64_t tiles, width;
  KernelBuilder b;

  mlir::Value g, t, warp;
  TileRows rows;
  /// The number of the tile. If a block has several tiles, also the number of blocks in the
  /// grid, the slot of this tile's first group, and the rows of the block's next tiles.
  mlir::Value tile, grid, firstSlot;
  llvm::SmallVector<std::optional<TileRows>> next;
  /// The statistics of rows g and g + 8.
  Pair mean, factor;
  /// The A operands of the up product, one for each k-step. A tensorwise gate has none: it has
  /// the gates of rows g and g + 8 instead.
  llvm::SmallVector<Fragment> hiddenOperands;
  Pair rowGates;
};

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_NORM_GATEDNORMBODY_H
