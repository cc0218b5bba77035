//===- TensorCore.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernels with matrix instructions share: tiles in shared memory whose rows
// are read by ldmatrix without bank conflicts, asynchronous copies into them, and
// the warp's 16x8x16 product.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_TENSORCORE_H
#define BASIN_KERNELS_TENSORCORE_H

#include "basin/Kernels/KernelBuilder.h"

namespace basin::kernels {

/// The four registers of one lane: a 16x16 A operand, two 16x8 B operands, or the
/// f32 accumulators (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1) of lane
/// 4g + t.
using Fragment = llvm::SmallVector<mlir::Value, 4>;

/// Rows of 16-bit elements in shared memory. Chunk c (16 bytes) of row r lies at
/// chunk c ^ x(r) of the row, so that one chunk of eight consecutive rows fills
/// all 32 banks: x(r) = r & 7 where rows are whole numbers of 128 bytes, and
/// (r >> 1) & 3 where they are odd multiples of 64, which shift by half the banks
/// themselves.
struct SwizzledTile {
  int64_t columns;

  int64_t rowBytes() const { return columns * 2; }
  int64_t chunks() const { return columns / 8; }
  /// Chunks that change places among each other: 8 or 4.
  int64_t group() const { return chunks() % 8 == 0 ? 8 : 4; }
  mlir::Value swizzle(KernelBuilder &b, mlir::Value row) const;
  /// Byte offset of a chunk that both are known for when the kernel runs.
  mlir::Value offset(KernelBuilder &b, mlir::Value row, mlir::Value chunk) const;
};

/// A lane's addresses for ldmatrix: pairs of chunks 2k and 2k + 1 at constant k
/// of a row and a chunk of the pair that are the lane's.
class LaneAddresses {
public:
  LaneAddresses() = default;
  /// `row` is below 16 and `odd` is 0 or 1.
  LaneAddresses(KernelBuilder &b, SwizzledTile tile, mlir::Value row, mlir::Value odd);
  /// The address for pair `k` of the row `rowOffset` (a multiple of 8) below.
  mlir::Value at(KernelBuilder &b, llvm::ArrayRef<mlir::Value> bases, int64_t rowOffset,
                 int64_t k) const;
  /// One pointer for each place in a group, for `at`.
  llvm::SmallVector<mlir::Value> bases(KernelBuilder &b, mlir::Value tileBase) const;

private:
  SwizzledTile tile{0};
  llvm::SmallVector<mlir::Value> offsets;
};

/// ldmatrix of four 8x8 blocks; lanes 8i to 8i + 7 point to the rows of block i.
Fragment loadMatrices(KernelBuilder &b, mlir::Value pointer, bool transposed);

/// a x b + c, 16x8x16, with `b` two registers of an operand of columns; 16x8x8 of
/// tf32 where `element` is f32.
Fragment multiplyAdd(KernelBuilder &b, mlir::Type element, llvm::ArrayRef<mlir::Value> a,
                     llvm::ArrayRef<mlir::Value> operandB, llvm::ArrayRef<mlir::Value> c);

/// An f32 rounded to tf32, as bits.
mlir::Value toTF32(KernelBuilder &b, mlir::Value x);

/// Two f32 rounded to `element` and packed into an i32, `low` first in memory.
mlir::Value pack(KernelBuilder &b, mlir::Value low, mlir::Value high, mlir::Type element);

/// Copies 16 bytes to shared memory: `bytes` (i32) of them come from `source` and the
/// others are zeros.
void copyAsync(KernelBuilder &b, mlir::Value target, mlir::Value source, mlir::Value bytes);
/// 4, 8 or 16 bytes to shared memory.
void copyAsync(KernelBuilder &b, mlir::Value target, mlir::Value source, int64_t bytes);
void commitCopies(KernelBuilder &b);
/// Until at most `pending` groups of this thread are on their way.
void waitForCopies(KernelBuilder &b, int64_t pending);

} // namespace basin::kernels

#endif // BASIN_KERNELS_TENSORCORE_H
