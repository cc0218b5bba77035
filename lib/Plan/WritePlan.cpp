//===- WritePlan.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes a plan as JSON (docs/compile.md).
//
//===----------------------------------------------------------------------===//

#include "basin/Plan/Plan.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;
namespace json = llvm::json;

static json::Array toJSON(ArrayRef<Size> sizes) {
  json::Array out;
  for (const Size &size : sizes)
    out.push_back(size.toJSON());
  return out;
}

static json::Object toJSON(const Plan &plan, const Operand &operand) {
  json::Object out{{"buffer", plan.buffers[operand.buffer].name}};
  if (!operand.offset.is(0))
    out["offset"] = operand.offset.toJSON();
  return out;
}

static json::Object toJSON(const Plan &plan, const KernelStep &step) {
  json::Object tensors, scalars;
  for (const auto &[name, operand] : step.tensors)
    tensors[name] = toJSON(plan, operand);
  for (const auto &[name, size] : step.scalars)
    scalars[name] = size.toJSON();
  return json::Object{
      {"kernel", step.kernel}, {"tensors", std::move(tensors)}, {"scalars", std::move(scalars)}};
}

static json::Object toJSON(const Plan &plan, const Matrix &matrix) {
  json::Object out = toJSON(plan, matrix.where);
  out["row_stride"] = matrix.rowStride.toJSON();
  out["column_stride"] = matrix.columnStride.toJSON();
  out["batch_strides"] = toJSON(matrix.batchStrides);
  return out;
}

static json::Object toJSON(const Plan &plan, const ProductStep &step) {
  json::Object out{{"batch", toJSON(step.batch)}, {"m", step.m.toJSON()},
                   {"n", step.n.toJSON()},        {"k", step.k.toJSON()},
                   {"a", toJSON(plan, step.a)},   {"b", toJSON(plan, step.b)},
                   {"c", toJSON(plan, step.c)},   {"alpha", step.alpha}};
  if (step.bias)
    out["bias"] = toJSON(plan, *step.bias);
  return json::Object{{"product", std::move(out)}};
}

static StringRef nameOf(Buffer::Kind kind) {
  switch (kind) {
  case Buffer::Input:
    return "input";
  case Buffer::Constant:
    return "constant";
  case Buffer::Temporary:
    return "temporary";
  }
  llvm_unreachable("a kind without a name");
}

json::Object plan::toJSON(const Plan &plan,
                          llvm::function_ref<std::pair<uint64_t, uint64_t>(unsigned)> findWeights) {
  json::Array buffers, steps, checks, inputs, outputs;
  for (auto [i, buffer] : llvm::enumerate(plan.buffers)) {
    std::string type;
    llvm::raw_string_ostream(type) << buffer.type;
    json::Object one{{"name", buffer.name},
                     {"kind", nameOf(buffer.kind)},
                     {"type", type == "i1" ? "bool" : type},
                     {"shape", ::toJSON(buffer.shape)}};
    if (buffer.kind == Buffer::Constant) {
      auto [offset, size] = findWeights(i);
      one["offset"] = static_cast<int64_t>(offset);
      one["size"] = static_cast<int64_t>(size);
    }
    buffers.push_back(std::move(one));
  }
  for (const Step &step : plan.steps)
    steps.push_back(std::visit([&](const auto &one) { return ::toJSON(plan, one); }, step));
  for (const SizeCheck &check : plan.checks)
    checks.push_back(json::Object{
        {"size", check.size.toJSON()}, {"at_most", check.limit.toJSON()}, {"node", check.node}});
  for (unsigned input : plan.inputs)
    inputs.push_back(plan.buffers[input].name);
  for (const auto &[name, buffer] : plan.outputs)
    outputs.push_back(json::Object{{"name", name}, {"buffer", plan.buffers[buffer].name}});
  return json::Object{{"name", plan.name},           {"buffers", std::move(buffers)},
                      {"inputs", std::move(inputs)}, {"outputs", std::move(outputs)},
                      {"checks", std::move(checks)}, {"steps", std::move(steps)}};
}
