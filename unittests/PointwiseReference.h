//===- PointwiseReference.h -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An interpreter of pointwise programs that shares nothing with the kernels but the language. It
// computes each real operation in f64 and rounds the result to f32, which is what an f32 operation
// that rounds correctly gives.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_POINTWISEREFERENCE_H
#define BASIN_UNITTESTS_POINTWISEREFERENCE_H

#include "EmulatorTest.h"

#include "basin/Kernels/PointwiseKernel.h"

#include <map>
#include <random>

namespace basin::pointwise {

/// A value of an expression: a real or an integer, and a boolean as the integer 0 or 1.
struct Number {
  char type = 'i'; // 'r', 'i' or 'b'
  double real = 0;
  int64_t integer = 0;
};
inline Number real(double value) { return {'r', static_cast<float>(value), 0}; }
inline Number integer(int64_t value) { return {'i', 0, value}; }
inline Number boolean(bool value) { return {'b', 0, value}; }

/// The memory of a tensor, with elements of a type by its name in programs.
struct Memory {
  std::string element;
  std::vector<char> bytes;

  Memory() = default;
  Memory(std::string element, size_t count) : element(std::move(element)), bytes(count * width()) {}
  size_t width() const;
  size_t count() const { return bytes.size() / width(); }
  /// Rounds as a store does.
  void set(size_t i, Number value);
  Number get(size_t i) const;
  /// Fills in numbers that the type can have, among them special ones with `special`.
  void draw(std::mt19937_64 &random, bool special = false);
};

/// A launch of a program.
struct Case {
  std::string sizes, program;
  std::vector<int64_t> dims;
  std::map<std::string, Memory> tensors = {};
  std::map<std::string, Number> scalars = {};
  /// The strides of tensors that have some which the launch gives.
  std::map<std::string, std::vector<int64_t>> strides = {};

  int64_t count() const;
};

/// Returns the memory of each tensor that is written, with `case`'s other bytes.
std::map<std::string, Memory> interpret(const Case &one);

/// Runs programs on the emulator.
struct PointwiseTest : emulator::EmulatorTest {
  /// Compiles the case's program. `threads` is 32 to have several blocks of few threads.
  void compile(const Case &one, std::optional<int64_t> vector = std::nullopt);
  /// Runs what was compiled. The tensors that are written are those of `one` afterwards.
  emulator::Report launch(Case &one, emulator::Order order, unsigned maxBlocks = 3);
  /// Compiles and runs in two orders of threads, and expects the interpreter's results to the bit,
  /// with any NaN for NaN.
  void check(Case one, std::optional<int64_t> vector = std::nullopt);

  kernels::PointwiseSpec spec;
  kernels::PointwiseSchedule schedule;
  emulator::Report last;
};

} // namespace basin::pointwise

#endif // BASIN_UNITTESTS_POINTWISEREFERENCE_H
