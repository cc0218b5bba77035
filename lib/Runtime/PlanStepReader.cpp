//===- PlanStepReader.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the steps of a plan in their order. Each argument of a step's kernel must be given once,
// with its kind and type. A temporary must be written before it is read, and nothing else may be
// written.
//
//===----------------------------------------------------------------------===//

#include "PlanReader.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace basin::rt;

static const char *describe(PlanBuffer::Kind kind) {
  static constexpr const char *kNames[] = {"an input", "a constant", "a temporary"};
  return kNames[kind];
}

/// Notes that the next step reads or writes the buffer.
void PlanReader::use(const Node &node, size_t index, bool isRead, bool writes) {
  if (node.failed())
    return;
  PlanBuffer &buffer = plan.buffers[index];
  if (writes && buffer.kind != PlanBuffer::Temporary)
    return node.fail("'" + buffer.name + "' is written, but is " + describe(buffer.kind));
  if (isRead && buffer.kind == PlanBuffer::Temporary && !isWritten[index])
    return node.fail("'" + buffer.name + "' is read, but no earlier step writes it");
  if (writes)
    isWritten[index] = true;
  buffer.firstStep = std::min(buffer.firstStep, plan.steps.size());
  buffer.lastStep = plan.steps.size();
}

PlanOperand PlanReader::readOperand(const Node &node) {
  PlanOperand out{findBuffer(node.member("buffer")), PlanSize()};
  if (!node.failed() && node.has("offset"))
    out.offset = readSize(node.member("offset"));
  return out;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// Finds the argument that a member of "tensors" or "scalars" gives. Returns SIZE_MAX after an
/// error.
static size_t findArgument(const Node &node, const Kernel &kernel, const std::string &name,
                           bool isScalar) {
  for (size_t i = 0; i < kernel.arguments.size(); ++i)
    if (kernel.arguments[i].name == name &&
        (kernel.arguments[i].kind == BASIN_RT_SCALAR) == isScalar)
      return i;
  node.fail("kernel '" + kernel.name + "' has no " + (isScalar ? "scalar" : "tensor") + " '" +
            name + "'");
  return SIZE_MAX;
}

/// Kernels take truth values as bytes.
static bool fits(basin_rt_type argument, basin_rt_type buffer) {
  return argument == buffer || (argument == BASIN_RT_I8 && buffer == BASIN_RT_BOOL);
}

void PlanReader::readTensors(const Node &node, const Kernel &kernel, PlanLaunch &launch) {
  for (const std::string &name : node.keys()) {
    size_t index = findArgument(node, kernel, name, /*isScalar=*/false);
    if (node.failed())
      return;
    Node member = node.member(name);
    PlanOperand operand = readOperand(member);
    if (!node.failed() && !fits(kernel.arguments[index].type, plan.buffers[operand.buffer].type))
      member.fail("expected a buffer of the type of the argument");
    launch.arguments[index] = std::move(operand);
  }
}

void PlanReader::readScalars(const Node &node, const Kernel &kernel, PlanLaunch &launch) {
  for (const std::string &name : node.keys()) {
    size_t index = findArgument(node, kernel, name, /*isScalar=*/true);
    if (node.failed())
      return;
    if (kernel.arguments[index].type == BASIN_RT_F32)
      node.member(name).fail("expected an argument of type i32 or i64, but got f32");
    launch.arguments[index] = readSize(node.member(name));
  }
}

/// Kernels read in any order, through a cache that stores do not update, so a buffer that is
/// written may be no other argument.
static void checkAlone(const Node &node, const Kernel &kernel, const PlanLaunch &launch,
                       size_t written) {
  size_t buffer = std::get<PlanOperand>(launch.arguments[written]).buffer;
  for (size_t i = 0; i < launch.arguments.size(); ++i)
    if (const auto *other = std::get_if<PlanOperand>(&launch.arguments[i]);
        other && i != written && other->buffer == buffer)
      node.fail("argument '" + kernel.arguments[written].name +
                "' is written, but has the buffer of '" + kernel.arguments[i].name + "'");
}

PlanLaunch PlanReader::readLaunch(const Node &node) {
  std::string name = node.member("kernel").name();
  auto found = kernelNames.find(name);
  if (found == kernelNames.end()) {
    node.member("kernel").fail("the object has no kernel '" + name + "'");
    return {};
  }
  const Kernel &kernel = kernels[found->second];
  PlanLaunch launch{found->second, std::vector<PlanArgument>(kernel.arguments.size())};
  Node tensors = node.member("tensors"), scalars = node.member("scalars");
  readTensors(tensors, kernel, launch);
  readScalars(scalars, kernel, launch);
  if (node.failed())
    return launch;
  // Keys are distinct and each names an argument, so if one is missing, it is not given at all.
  for (const Argument &argument : kernel.arguments)
    if (!(argument.kind == BASIN_RT_SCALAR ? scalars : tensors).has(argument.name.c_str()))
      node.fail("expected the argument '" + argument.name + "' of kernel '" + name + "'");
  for (bool writes : {false, true})
    for (size_t i = 0; i < kernel.arguments.size() && !node.failed(); ++i) {
      basin_rt_kind kind = kernel.arguments[i].kind;
      if (kind == BASIN_RT_SCALAR || (writes && kind == BASIN_RT_IN))
        continue;
      if (writes)
        checkAlone(tensors, kernel, launch, i);
      if (writes || kind != BASIN_RT_OUT)
        use(tensors.member(kernel.arguments[i].name),
            std::get<PlanOperand>(launch.arguments[i]).buffer, kind != BASIN_RT_OUT, writes);
    }
  return launch;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

PlanMatrix PlanReader::readMatrix(const Node &node, size_t batchRank) {
  PlanMatrix out{readOperand(node), readSize(node.member("row_stride")),
                 readSize(node.member("column_stride")),
                 readSizes(node.member("batch_strides"), BASIN_RT_MAX_BATCH)};
  if (!node.failed() && out.batchStrides.size() != batchRank)
    node.member("batch_strides")
        .fail("expected " + std::to_string(batchRank) + " strides, but got " +
              std::to_string(out.batchStrides.size()));
  return out;
}

void PlanReader::checkProductTypes(const Node &node, const PlanProduct &product) {
  basin_rt_type type = plan.buffers[product.a.where.buffer].type;
  basin_rt_type result = plan.buffers[product.c.where.buffer].type;
  if (type != BASIN_RT_F32 && type != BASIN_RT_F16 && type != BASIN_RT_BF16)
    node.member("a").fail("expected a buffer of f32, f16 or bf16");
  if (plan.buffers[product.b.where.buffer].type != type)
    node.member("b").fail("expected a buffer of the type of 'a'");
  if (result != type && result != BASIN_RT_F32)
    node.member("c").fail("expected a buffer of f32 or of the type of 'a'");
  if (product.bias.buffer != SIZE_MAX && plan.buffers[product.bias.buffer].type != result)
    node.member("bias").fail("expected a buffer of the type of 'c'");
}

PlanProduct PlanReader::readProduct(const Node &node) {
  PlanProduct out;
  plan.hasProducts = true;
  out.batch = readSizes(node.member("batch"), BASIN_RT_MAX_BATCH);
  out.m = readSize(node.member("m"));
  out.n = readSize(node.member("n"));
  out.k = readSize(node.member("k"));
  out.a = readMatrix(node.member("a"), out.batch.size());
  out.b = readMatrix(node.member("b"), out.batch.size());
  out.c = readMatrix(node.member("c"), out.batch.size());
  if (node.has("bias"))
    out.bias = readOperand(node.member("bias"));
  double alpha = node.member("alpha").number();
  if (std::abs(alpha) > static_cast<double>(std::numeric_limits<float>::max()))
    node.member("alpha").fail("expected a number that fits f32");
  else
    out.alpha = static_cast<float>(alpha);
  if (!node.failed())
    checkProductTypes(node, out);
  use(node.member("a"), out.a.where.buffer, /*isRead=*/true, /*writes=*/false);
  use(node.member("b"), out.b.where.buffer, /*isRead=*/true, /*writes=*/false);
  if (node.has("bias"))
    use(node.member("bias"), out.bias.buffer, /*isRead=*/true, /*writes=*/false);
  use(node.member("c"), out.c.where.buffer, /*isRead=*/false, /*writes=*/true);
  return out;
}

void PlanReader::readStep(const Node &node) {
  if (node.has("product"))
    plan.steps.push_back(readProduct(node.member("product")));
  else
    plan.steps.push_back(readLaunch(node));
}
