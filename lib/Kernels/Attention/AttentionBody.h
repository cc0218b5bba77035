//===- AttentionBody.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds the kernel of one spec and schedule. Its steps are in the files beside this one.
// Private to the family.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_KERNELS_ATTENTION_ATTENTIONBODY_H
#define BASIN_LIB_KERNELS_ATTENTION_ATTENTIONBODY_H

#include "basin/Kernels/AttentionKernel.h"
#include "basin/Kernels/TensorCore.h"

namespace basin::kernels {

/// A tile of rows of `dim` elements. Zeros fill each row up to a multiple of 64 bytes, which
/// the swizzle needs.
struct HeadTile : SwizzledTile {
  explicit HeadTile(int64_t dim) : SwizzledTile{getTileColumns(dim)}, dim(dim) {}

  int64_t dim;
  /// Returns the number of chunks that have elements of the row.
  int64_t ownChunks() const { return dim / 8; }
};

class AttentionBody {
public:
  AttentionBody(mlir::gpu::GPUModuleOp module, const AttentionSpec &spec,
                const AttentionSchedule &schedule, llvm::StringRef name);

  mlir::gpu::GPUFuncOp build();

private:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;
  using Fragments = llvm::SmallVector<Fragment>;

  /// What the loop over tiles carries: the result before the division by the sum, as
  /// [row tile][column tile], and, for each of a lane's rows, the maximum in units of log2 and
  /// the lane's share of the sum.
  struct State {
    Fragments output;
    Values max, sum;
  };

  // AttentionKernel.cpp: the block's place, the tiles it visits, the loop.
  mlir::Value findHead(mlir::Value block, mlir::Value tiles);
  void findHeadAgain();
  void locate();
  void locateLane();
  Value findRowEnd(Value row, Value from);
  Value findRowBegin(Value row, Value from);
  void findTiles();
  Value firstKeyOf(Value step);
  State seed();
  State visitTile(Value step, State state);
  State loop(State state);
  static Values flatten(const State &state);
  State unflatten(mlir::ValueRange values) const;

  // AttentionLoad.cpp
  Value offsetOf(llvm::StringRef tensor, Value head);
  Value rowPointer(llvm::StringRef tensor, Value row);
  void forRowsOfThread(HeadTile tile, int64_t rows,
                       llvm::function_ref<void(Value row, int64_t rowOffset)> body);
  void copyTile(HeadTile tile, int64_t rows, Value target,
                llvm::function_ref<std::pair<Value, Value>(Value row)> source);
  void copyQueryRows(llvm::StringRef tensor, HeadTile tile, Value target);
  void copyKeyRows(llvm::StringRef tensor, llvm::StringRef sinkTensor, HeadTile tile, Value target,
                   Value firstKey);
  void issueKeys(Value step);
  void issueValues(Value step);
  void loadQueries();
  void prefetch();
  Value slotOf(Value step, int64_t base, int64_t bytes);
  Value keySlot(Value step);
  Value valueSlot(Value step);

  // AttentionScores.cpp
  Fragments computeScores(Value keys);
  void capScores(Fragments &scores);
  double hiddenScore() const;
  void applyMask(Fragments &scores, Value firstKey);
  void hideOutside(Fragments &scores, Value firstKey);
  Value isBoundary(Value firstKey);
  void hideElements(Fragments &scores, Value firstKey);
  void exponentiate(Fragments &scores, State &state);
  void accumulate(const Fragments &scores, Value values, State &state);
  bool scoresAreLog2() const { return spec.softcap != 0 || spec.mask == AttentionSpec::Bias; }

  // AttentionEpilogue.cpp
  void finishRows(State &state);
  void storeLogSumExp(Value row, Value max, Value sum);
  Value gateFactor(Value gate);
  void applyRowGate(int64_t rowTile, State &state);
  void applyGate(int64_t rowTile, State &state, llvm::ArrayRef<Value> places);
  void stageOutput(State &state);
  void storeOutput();

  Value rowOf(int64_t rowTile, int64_t half);
  Value minS(Value x, Value y);
  Value maxS(Value x, Value y);

  const AttentionSpec &spec;
  const AttentionSchedule &schedule;
  KernelBuilder b;
  HeadTile keyTile, valueTile;
  /// The number of 16-row tiles of a warp's queries, of 8-column tiles of the scores and of the
  /// result (both are even), and of 16-column steps of the head dim.
  int64_t rowTiles, scoreTiles, valueTiles, headSteps;

  Value thread, lane, warp;
  /// The row lane / 4 and the column 2 * (lane % 4) of the lane's first accumulator in a 16x8
  /// tile.
  Value laneRow, laneColumn;
  Value batch, head, keyHead, firstQuery, warpQuery;
  /// Scalars. `keyEnd` is the number of keys of this batch, `sinkRows` is null if the spec has no
  /// sink rows, and query i stands at key i + diagonal.
  Value queries, keys, keyEnd, sinkRows, diagonal, window;
  /// The tiles of keys that the block visits: first `prefixTiles` tiles with sink rows, then
  /// those from `firstTile` on, `steps` tiles in all.
  Value prefixTiles, firstTile, steps;
  LaneAddresses queryAddresses, keyAddresses, valueAddresses;
  Values queryBases;
  /// The queries as [row tile][head step]. Empty unless they stay in registers.
  Fragments queryFragments;
};

} // namespace basin::kernels

#endif // BASIN_LIB_KERNELS_ATTENTION_ATTENTIONBODY_H
