//===- PointwiseSchedule.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread computes as many neighbours of the last axis together as make accesses of 16 bytes.
// Where types differ, the narrower tensor decides, unless the wider one would then have more than
// 32 bytes. A thread has one vector if all blocks run: more blocks hide more latency, and where
// fewer fit, a thread computes several vectors anyway. None of these numbers was measured on a GPU.
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/PointwiseKernel.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace basin;
using namespace basin::kernels;

static constexpr int64_t kAccessBytes = 16, kMaxVector = 16, kMaxElements = 65536;
// A long program with wide vectors would make very much code.
static constexpr int64_t kMaxOperations = 4096, kMaxLongOperations = 512;

ScheduleParts PointwiseSchedule::getParts() {
  return {{"pointwise.vector", &vector},
          {"pointwise.threads", &threads},
          {"pointwise.elements", &elements}};
}

WhyNot PointwiseSchedule::check(const PointwiseSpec &spec) const {
  PointwiseSize last = spec.parsed.sizes.back();
  if (vector < 1 || vector > kMaxVector || (vector & (vector - 1)))
    return "expected a power of two from 1 to 16 as the vector width, but got " +
           std::to_string(vector);
  if (vector > 1 && (!last || *last % vector != 0))
    return "expected a vector width that divides the last size, but got " + std::to_string(vector);
  if (threads < 32 || threads > 1024 || threads % 32 != 0)
    return "expected a multiple of 32 up to 1024 as threads, but got " + std::to_string(threads);
  if (elements < vector || elements > kMaxElements || elements % vector != 0)
    return "expected a multiple of the vector width " + std::to_string(vector) + " up to " +
           std::to_string(kMaxElements) + " as elements of a thread, but got " +
           std::to_string(elements);
  return std::nullopt;
}

int64_t basin::kernels::getAccessWidth(const PointwiseTensor &tensor, int64_t vector) {
  if (tensor.strides.empty() || tensor.strides.back() != 1)
    return 1;
  int64_t bytes = getBytes(tensor.element);
  int64_t width = std::min({vector, kAccessBytes / bytes, tensor.alignment / bytes});
  for (PointwiseSize stride : ArrayRef(tensor.strides).drop_back())
    while (stride && *stride % width != 0)
      width /= 2;
  return width;
}

/// Returns the tensors whose elements at the current indices are read or written.
static SmallVector<const PointwiseTensor *> getPlainTensors(const PointwiseProgram &program) {
  std::vector<bool> isPlain(program.tensors.size());
  for (const PointwiseExpression &expression : program.expressions)
    if (expression.op == PointwiseOperator::Read)
      isPlain[expression.number] = true;
  SmallVector<const PointwiseTensor *> out;
  for (auto [i, tensor] : llvm::enumerate(program.tensors))
    if (isPlain[i] || tensor.stored)
      out.push_back(&tensor);
  return out;
}

static bool hasFullAccesses(ArrayRef<const PointwiseTensor *> tensors, int64_t vector) {
  return llvm::all_of(tensors, [&](const PointwiseTensor *tensor) {
    int64_t full = std::min(vector, kAccessBytes / getBytes(tensor->element));
    return tensor->strides.back() == 0 || getAccessWidth(*tensor, vector) == full;
  });
}

PointwiseSchedule basin::kernels::choosePointwiseSchedule(const PointwiseSpec &spec) {
  const PointwiseProgram &program = spec.parsed;
  SmallVector<const PointwiseTensor *> tensors = getPlainTensors(program);
  int64_t narrowest = 8, widest = 1;
  for (const PointwiseTensor *tensor : tensors) {
    if (tensor->strides.back() == 0)
      continue;
    narrowest = std::min(narrowest, getBytes(tensor->element));
    widest = std::max(widest, getBytes(tensor->element));
  }
  PointwiseSchedule out;
  out.vector = std::min(kAccessBytes / narrowest, 2 * kAccessBytes / widest);
  PointwiseSize last = program.sizes.back();
  int64_t operations = program.expressions.size();
  while (out.vector > 1 &&
         (!last || *last % out.vector != 0 || out.vector * operations > kMaxOperations ||
          out.vector * program.longOperations > kMaxLongOperations ||
          !hasFullAccesses(tensors, out.vector)))
    out.vector /= 2;
  out.elements = out.vector;
  return out;
}
