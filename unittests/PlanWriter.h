//===- PlanWriter.h ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plan that has each kind of step, buffer and size, for tests of the runtime.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_UNITTESTS_PLANWRITER_H
#define BASIN_UNITTESTS_PLANWRITER_H

#include "KernelObjectWriter.h"

namespace basin::test {

/// c = a + b, and a kernel that changes x in place where the flags say so.
inline const char *const kPlanKernels = R"({"name": "add", "block": [256, 1, 1], "shared_bytes": 0,
 "grid": [[{"arg": "count", "per": 256}], [], []],
 "arguments": [{"name": "a", "kind": "in", "type": "f32"}, {"name": "b", "kind": "in", "type": "f32"},
               {"name": "c", "kind": "out", "type": "f32"}, {"name": "count", "kind": "scalar", "type": "i32"}]},
 {"name": "hide", "block": [32, 1, 1], "shared_bytes": 0, "grid": [[{"arg": "rows", "per": 1}], [], []],
 "arguments": [{"name": "x", "kind": "inout", "type": "f32"}, {"name": "flags", "kind": "in", "type": "i8", "align": 1},
               {"name": "eps", "kind": "scalar", "type": "i64"}, {"name": "rows", "kind": "scalar", "type": "i64"}]})";

/// h = x + x; hide h by mask; y = 2 (h w) + bias; z = y + y. x is [batch, seq, 8], and y and z are
/// [batch, seq, 4] and outputs. h dies with the product, and u lives after it: u = y + the bias.
inline const char *const kPlan = R"({"name": "model",
 "buffers": [
  {"name": "x", "kind": "input", "type": "f32", "shape": [{"sum": [[1, "batch"]]}, {"sum": [[1, "seq"]]}, 8]},
  {"name": "mask", "kind": "input", "type": "bool", "shape": [{"sum": [[1, "seq"]]}]},
  {"name": "w", "kind": "constant", "type": "f32", "shape": [8, 4], "offset": 0, "size": 128},
  {"name": "bias", "kind": "constant", "type": "f32", "shape": [4], "offset": 256, "size": 16},
  {"name": "h", "kind": "temporary", "type": "f32", "shape": [{"sum": [[8, "batch", "seq"]]}]},
  {"name": "u", "kind": "temporary", "type": "f32", "shape": [{"sum": [[4, "batch", "seq"]]}]},
  {"name": "y", "kind": "temporary", "type": "f32", "shape": [{"sum": [[1, "batch"]]}, {"sum": [[1, "seq"]]}, 4]},
  {"name": "z", "kind": "temporary", "type": "f32", "shape": [{"sum": [[1, "batch"]]}, {"sum": [[1, "seq"]]}, 4]}],
 "inputs": ["x", "mask"],
 "outputs": [{"name": "out", "buffer": "y"}, {"name": "sum", "buffer": "z"}],
 "checks": [{"size": {"sum": [[1, "seq"]]}, "at_most": 512, "node": "positions"}],
 "steps": [
  {"kernel": "add", "tensors": {"a": {"buffer": "x"}, "b": {"buffer": "x"}, "c": {"buffer": "h"}},
   "scalars": {"count": {"sum": [[8, "batch", "seq"]]}}},
  {"kernel": "hide", "tensors": {"x": {"buffer": "h"}, "flags": {"buffer": "mask", "offset": {"sum": [[1, "seq"], [-1]]}}},
   "scalars": {"eps": -3, "rows": {"sum": [[1, "batch", "seq"]]}}},
  {"product": {"batch": [], "m": {"sum": [[1, "batch", "seq"]]}, "n": 4, "k": 8,
   "a": {"buffer": "h", "row_stride": 8, "column_stride": 1, "batch_strides": []},
   "b": {"buffer": "w", "row_stride": 4, "column_stride": 1, "batch_strides": []},
   "c": {"buffer": "y", "row_stride": 4, "column_stride": 1, "batch_strides": []},
   "bias": {"buffer": "bias"}, "alpha": 2}},
  {"kernel": "add", "tensors": {"a": {"buffer": "y"}, "b": {"buffer": "bias"}, "c": {"buffer": "u"}},
   "scalars": {"count": {"sum": [[4, "batch", "seq"]]}}},
  {"kernel": "add", "tensors": {"a": {"buffer": "y"}, "b": {"buffer": "u"}, "c": {"buffer": "z"}},
   "scalars": {"count": {"sum": [[4, "batch", "seq"]]}}}]})";

/// Returns the weights of the plan: w[i] is i, and the bias is 100.
inline std::string planWeights() {
  std::vector<float> numbers(64 + 4, 0);
  for (size_t i = 0; i < 32; ++i)
    numbers[i] = static_cast<float>(i);
  for (size_t i = 64; i < 68; ++i)
    numbers[i] = 100;
  return {reinterpret_cast<const char *>(numbers.data()), numbers.size() * sizeof(float)};
}

inline std::string planObject(const std::string &plan = kPlan,
                              const std::string &kernels = kPlanKernels) {
  return object({{"ptx", "sm_80", "ptx of sm_80"}, {"weights", "sm_80", planWeights()}}, kernels,
                "", plan);
}

} // namespace basin::test

#endif // BASIN_UNITTESTS_PLANWRITER_H
