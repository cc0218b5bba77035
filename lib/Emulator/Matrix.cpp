//===- Matrix.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ldmatrix, stmatrix and mma.sync. The PTX ISA says which lane holds which part of a
// fragment. Four consecutive lanes are a group. Lane t of group g holds elements of rows g
// and g+8 of A, of column g of B, and columns 2t and 2t+1 of rows g and g+8 of C and D.
//
//===----------------------------------------------------------------------===//

#include "Functions.h"
#include "Machine.h"

#include "llvm/ADT/bit.h"

#include <cstring>

using namespace basin::emulator;

//===----------------------------------------------------------------------===//
// ldmatrix, stmatrix. Lane 8m + r has the address of row r of matrix m. Lane 4r + t holds
// elements 2t and 2t+1 of row r, or of column r if the matrix is transposed.
//===----------------------------------------------------------------------===//

/// Calls `move` for each piece of a lane's word: with the address of the row that has it, its
/// offset there, its bytes and its offset in the word. A word is one piece, or two pieces of
/// different rows if the matrix is transposed.
template <typename RowOf, typename Move>
static void forEachPiece(unsigned lane, bool transposed, RowOf rowOf, Move move) {
  unsigned g = lane / 4, t = lane % 4;
  if (!transposed)
    return move(rowOf(g), 4 * t, 4, 0);
  move(rowOf(2 * t), 2 * g, 2, 0);
  move(rowOf(2 * t + 1), 2 * g, 2, 2);
}

void Machine::moveMatrixWords(Warp &warp, uint32_t matrix, bool transposed, uint32_t site) {
  AccessKind kind = sites[site].kind;
  for (unsigned lane = 0; lane < 32; ++lane) {
    Thread &thread = threadOf(warp, lane);
    running = thread.index; // findings and clocks are this lane's
    auto *word = reinterpret_cast<char *>(&thread.words[matrix]);
    if (kind == AccessKind::Load)
      std::memset(word, 0xff, 4);
    forEachPiece(
        lane, transposed, [&](unsigned row) { return threadOf(warp, matrix * 8 + row).pointer; },
        [&](char *row, unsigned column, unsigned bytes, unsigned at) {
          if (!row || !checkShared(row + column, bytes, kind, site))
            return;
          if (kind == AccessKind::Load)
            std::memcpy(word + at, row + column, bytes);
          else
            std::memcpy(row + column, word + at, bytes);
        });
  }
}

void Machine::moveMatrix(char *row, uint32_t *words, uint32_t count, bool transposed,
                         uint32_t site) {
  Thread &thread = self();
  thread.pointer = row;
  thread.words = words;
  bool store = sites[site].kind == AccessKind::Store;
  meet(~0u, site, [&](Warp &warp, uint32_t lanes) {
    if (!isWhole(warp, lanes, site))
      return;
    unsigned runs = running;
    for (unsigned matrix = 0; matrix < count; ++matrix) {
      uint64_t rows[8];
      for (unsigned r = 0; r < 8; ++r) {
        Thread &owner = threadOf(warp, matrix * 8 + r);
        rows[r] = reinterpret_cast<uint64_t>(owner.pointer);
        if (rows[r] % 16 == 0)
          continue;
        find(FindingKind::Misaligned, site, shared.offsetOf(owner.pointer),
             "a row of a matrix at an address that is not a multiple of 16", {}, &owner);
        owner.pointer = nullptr;
      }
      traffic.countRows(rows, site, store);
      moveMatrixWords(warp, matrix, transposed, site);
    }
    traffic.countMatrixInstruction(uint64_t{count} * 128, site, store);
    running = runs;
  });
}

//===----------------------------------------------------------------------===//
// mma.sync: m16n8kK
//===----------------------------------------------------------------------===//

namespace {
struct Tiles {
  float a[16][16], b[16][8], c[16][8];
};
} // namespace

static float elementOf(uint32_t word, unsigned half, MmaType type) {
  uint16_t bits = word >> 16 * half;
  switch (type) {
  case MmaType::F16:
    return fromF16(bits);
  case MmaType::BF16:
    return fromBF16(bits);
  case MmaType::TF32: // the hardware does not look at the lower 13 bits
    return llvm::bit_cast<float>(word & ~0x1fffu);
  }
  llvm_unreachable("no such type");
}

/// Puts the parts of A and B that one lane holds into the tiles. A word has two neighbours
/// along k, or one element of tf32.
static void gather(Tiles &tiles, const uint32_t *words, unsigned lane, MmaType type, unsigned k) {
  unsigned g = lane / 4, t = lane % 4, perWord = type == MmaType::TF32 ? 1 : 2;
  unsigned step = 4 * perWord; // the distance along k from one word to the next
  for (unsigned word = 0; word < 2 * k / step; ++word)
    for (unsigned i = 0; i < perWord; ++i)
      tiles.a[g + 8 * (word % 2)][step * (word / 2) + perWord * t + i] =
          elementOf(words[kMmaA + word], i, type);
  for (unsigned word = 0; word < k / step; ++word)
    for (unsigned i = 0; i < perWord; ++i)
      tiles.b[step * word + perWord * t + i][g] = elementOf(words[kMmaB + word], i, type);
}

/// Puts the four accumulators of one lane into the tiles: rows g and g+8, columns 2t and
/// 2t+1. Each is a word of f32, or half a word of f16.
static void gatherC(Tiles &tiles, const uint32_t *words, unsigned lane, bool half) {
  for (unsigned i = 0; i < 4; ++i)
    tiles.c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2] =
        half ? elementOf(words[kMmaC + i / 2], i % 2, MmaType::F16)
             : llvm::bit_cast<float>(words[kMmaC + i]);
}

static void scatterD(const Tiles &tiles, uint32_t *words, unsigned lane, bool half) {
  for (unsigned i = 0; i < 4; ++i) {
    float value = tiles.c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
    uint32_t &word = words[kMmaD + (half ? i / 2 : i)];
    if (!half)
      word = llvm::bit_cast<uint32_t>(value);
    else
      word = i % 2 ? word | uint32_t(toF16(value)) << 16 : toF16(value);
  }
}

/// Adds in f32, in the order of k. The hardware's order and rounding may differ.
static void multiply(Tiles &tiles, unsigned k) {
  for (unsigned i = 0; i < 16; ++i)
    for (unsigned kk = 0; kk < k; ++kk)
      for (unsigned j = 0; j < 8; ++j)
        tiles.c[i][j] += tiles.a[i][kk] * tiles.b[kk][j];
}

void Machine::mma(uint32_t *words, int32_t type, int32_t k, bool half, uint32_t site) {
  self().words = words;
  meet(~0u, site, [&](Warp &warp, uint32_t lanes) {
    if (!isWhole(warp, lanes, site))
      return;
    ++report.counters.mma;
    Tiles tiles;
    for (unsigned lane = 0; lane < 32; ++lane) {
      gather(tiles, threadOf(warp, lane).words, lane, MmaType(type), k);
      gatherC(tiles, threadOf(warp, lane).words, lane, half);
    }
    multiply(tiles, k);
    for (unsigned lane = 0; lane < 32; ++lane)
      scatterD(tiles, threadOf(warp, lane).words, lane, half);
  });
}
