//===- TensorCore.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What kernels with matrix instructions share: tiles in shared memory that ldmatrix reads
// without bank conflicts, asynchronous copies into them, and the warp's 16x8x16 product.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_TENSORCORE_H
#define BASIN_KERNELS_TENSORCORE_H

#include "basin/Kernels/KernelBuilder.h"

namespace basin::kernels {

/// Four registers of one lane. They hold a 16x16 A operand, two 16x8 B operands, or f32
/// accumulators. The accumulators of lane 4g + t are (g, 2t), (g, 2t + 1), (g + 8, 2t),
/// (g + 8, 2t + 1).
using Fragment = llvm::SmallVector<mlir::Value, 4>;

/// Rows of 16-bit elements in shared memory. Chunk c (16 bytes) of row r lies at chunk
/// c ^ x(r) of the row, so that one chunk of eight consecutive rows fills all 32 banks. If
/// rows are multiples of 128 bytes, x(r) = r & 7. If they are odd multiples of 64 bytes, each
/// row begins half the banks after the one before, and x(r) = (r >> 1) & 3.
struct SwizzledTile {
  int64_t columns;

  int64_t rowBytes() const { return columns * 2; }
  int64_t chunks() const { return columns / 8; }
  /// Returns how many chunks change places among each other: 8 or 4.
  int64_t group() const { return chunks() % 8 == 0 ? 8 : 4; }
  mlir::Value swizzle(KernelBuilder &b, mlir::Value row) const;
  /// Returns the byte offset of chunk `chunk` of row `row`.
  mlir::Value offset(KernelBuilder &b, mlir::Value row, mlir::Value chunk) const;
};

/// A lane's addresses for ldmatrix. The lane reads chunk 2k + odd of its row, where `odd` and
/// the row are the lane's own and k is known when the kernel is built.
class LaneAddresses {
public:
  LaneAddresses() = default;
  /// `row` is below 16 and `odd` is 0 or 1.
  LaneAddresses(KernelBuilder &b, SwizzledTile tile, mlir::Value row, mlir::Value odd);
  /// Returns the address of chunk 2k + odd, `rowOffset` rows below the lane's row. The offset
  /// is a multiple of 8.
  mlir::Value at(KernelBuilder &b, llvm::ArrayRef<mlir::Value> bases, int64_t rowOffset,
                 int64_t k) const;
  /// Returns the pointers that `at` needs: one for each pair of chunks in a group.
  llvm::SmallVector<mlir::Value> bases(KernelBuilder &b, mlir::Value tileBase) const;

private:
  SwizzledTile tile{0};
  llvm::SmallVector<mlir::Value> offsets;
};

/// Loads four 8x8 blocks by ldmatrix. Lanes 8i to 8i + 7 point to the rows of block i.
Fragment loadMatrices(KernelBuilder &b, mlir::Value pointer, bool transposed);

/// Returns a x b + c for a 16x16 A and a 16x8 B, which has two registers. If `element` is f32,
/// the operands are tf32, A is 16x8 and B is 8x8.
Fragment multiplyAdd(KernelBuilder &b, mlir::Type element, llvm::ArrayRef<mlir::Value> a,
                     llvm::ArrayRef<mlir::Value> operandB, llvm::ArrayRef<mlir::Value> c);

/// Rounds an f32 to tf32, and returns the bits as i32.
mlir::Value toTF32(KernelBuilder &b, mlir::Value x);

/// Rounds two f32 to `element` and packs them into an i32. `low` comes first in memory.
mlir::Value pack(KernelBuilder &b, mlir::Value low, mlir::Value high, mlir::Type element);

/// Begins to copy 16 bytes to shared memory: `bytes` (i32) of them come from `source`, and the
/// others are zeros.
void copyAsync(KernelBuilder &b, mlir::Value target, mlir::Value source, mlir::Value bytes);
/// Begins to copy 4, 8 or 16 bytes to shared memory.
void copyAsync(KernelBuilder &b, mlir::Value target, mlir::Value source, int64_t bytes);
void commitCopies(KernelBuilder &b);
/// Waits until at most `pending` groups of this thread's copies are on their way.
void waitForCopies(KernelBuilder &b, int64_t pending);

} // namespace basin::kernels

#endif // BASIN_KERNELS_TENSORCORE_H
