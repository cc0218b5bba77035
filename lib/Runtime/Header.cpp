//===- Header.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the JSON of a kernel object. Unknown members are ignored, because a change of the
// meaning of the known ones would change the version. Version 2 has a plan.
//
//===----------------------------------------------------------------------===//

#include "KernelObject.h"
#include "Node.h"

#include <algorithm>
#include <unordered_set>

using namespace basin;
using namespace basin::rt;
using json::Value;

static Section readSection(const Node &node, uint64_t headerSize, uint64_t fileSize) {
  static constexpr std::pair<const char *, basin_rt_section_kind> kKinds[] = {
      {"cubin", BASIN_RT_CUBIN},
      {"ptx", BASIN_RT_PTX},
      {"mlir", BASIN_RT_MLIR},
      {"weights", BASIN_RT_WEIGHTS}};
  Section out;
  out.kind = node.member("kind").oneOf(kKinds);
  out.chipName = node.member("chip").name();
  std::optional<Chip> chip = Chip::parse(out.chipName);
  if (!chip)
    node.member("chip").fail("expected a chip such as sm_80 or sm_90a, but got '" + out.chipName +
                             "'");
  out.chip = chip.value_or(Chip());
  auto end = static_cast<int64_t>(fileSize);
  int64_t offset = node.member("offset").integer(static_cast<int64_t>(headerSize), end);
  out.offset = static_cast<uint64_t>(offset);
  if (offset % 16 != 0)
    node.member("offset").fail("expected a multiple of 16, but got " + std::to_string(offset));
  int64_t size = node.member("size").integer(0, INT64_MAX);
  // A model may have no weights.
  int64_t least = out.kind == BASIN_RT_WEIGHTS ? 0 : 1;
  if (size < least || size > end - offset)
    node.member("size").fail("expected " + std::to_string(least) + " to " +
                             std::to_string(end - offset) +
                             " bytes, as the file ends there, but got " + std::to_string(size));
  out.size = static_cast<uint64_t>(size);
  return out;
}

static WhyNot checkSections(const std::vector<Section> &sections) {
  std::vector<const Section *> order;
  std::unordered_set<std::string> seen;
  for (const Section &section : sections) {
    order.push_back(&section);
    static constexpr const char *kKinds[] = {"cubin", "ptx", "mlir", "weights"};
    // A plan does not say which of several weights it means.
    std::string what = kKinds[section.kind];
    if (section.isCode())
      what += " " + section.chipName;
    if (!seen.insert(what).second)
      return "sections: more than one of kind and chip " + what;
  }
  std::sort(order.begin(), order.end(), [](auto *a, auto *b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i)
    if (order[i]->offset < order[i - 1]->offset + order[i - 1]->size)
      return "sections: those at " + std::to_string(order[i - 1]->offset) + " and " +
             std::to_string(order[i]->offset) + " overlap";
  return std::nullopt;
}

basin_rt_type basin::rt::readType(const Node &node) {
  static constexpr std::pair<const char *, basin_rt_type> kTypes[] = {
      {"f32", BASIN_RT_F32}, {"f16", BASIN_RT_F16}, {"bf16", BASIN_RT_BF16},
      {"i8", BASIN_RT_I8},   {"i32", BASIN_RT_I32}, {"i64", BASIN_RT_I64}};
  return node.oneOf(kTypes);
}

static Argument readArgument(const Node &node) {
  static constexpr std::pair<const char *, basin_rt_kind> kKinds[] = {{"in", BASIN_RT_IN},
                                                                      {"out", BASIN_RT_OUT},
                                                                      {"inout", BASIN_RT_INOUT},
                                                                      {"scalar", BASIN_RT_SCALAR}};
  Argument out;
  out.name = node.member("name").name();
  out.kind = node.member("kind").oneOf(kKinds);
  out.type = readType(node.member("type"));
  bool asScalar = out.type == BASIN_RT_I32 || out.type == BASIN_RT_I64 || out.type == BASIN_RT_F32;
  if (out.kind == BASIN_RT_SCALAR && !asScalar)
    node.member("type").fail("expected a scalar of type i32, i64 or f32");
  // Kernels access up to 16 bytes at once.
  int64_t align = node.has("align") ? node.member("align").integer(1, 4096) : 16;
  if ((align & (align - 1)) != 0)
    node.member("align").fail("expected a power of two, but got " + std::to_string(align));
  out.alignment = static_cast<uint32_t>(align);
  out.isStrided = node.has("strided") && node.member("strided").boolean();
  return out;
}

static void readArguments(const Node &node, std::vector<Argument> &out) {
  std::unordered_set<std::string> seen;
  for (size_t i = 0, e = node.size(); i < e && !node.failed(); ++i) {
    out.push_back(readArgument(node[i]));
    if (!seen.insert(out.back().name).second)
      node[i].fail("argument '" + out.back().name + "' is defined twice");
  }
  if (out.size() > kMaxArguments)
    node.fail("expected at most " + std::to_string(kMaxArguments) + " arguments");
}

static basin_rt_grid_factor readFactor(const Node &node, const std::vector<Argument> &arguments) {
  basin_rt_grid_factor out = {0, node.member("per").integer(1, INT64_MAX)};
  std::string name = node.member("arg").name();
  auto found = std::find_if(arguments.begin(), arguments.end(),
                            [&](const Argument &argument) { return argument.name == name; });
  if (found == arguments.end() || found->kind != BASIN_RT_SCALAR || found->type == BASIN_RT_F32)
    node.member("arg").fail("expected a scalar argument of type i32 or i64, but got '" + name +
                            "'");
  out.argument = static_cast<size_t>(found - arguments.begin());
  return out;
}

static void readBlock(const Node &node, Kernel &out) {
  if (node.size() != 3)
    return node.fail("expected three numbers");
  uint32_t threads = 1;
  for (size_t axis = 0; axis < 3; ++axis) {
    out.block[axis] = static_cast<uint32_t>(node[axis].integer(1, kMaxBlock[axis]));
    threads *= out.block[axis];
  }
  if (threads > kMaxThreads)
    node.fail("expected at most " + std::to_string(kMaxThreads) + " threads, but got " +
              std::to_string(threads));
}

/// Reads what the kernel was made from: flags, numbers and texts by name.
static void readSpec(const Node &node, std::vector<SpecPart> &out) {
  for (const std::string &key : node.keys()) {
    Node value = node.member(key);
    if (out.size() == kMaxSpecParts)
      return node.fail("expected at most " + std::to_string(kMaxSpecParts) + " members");
    SpecPart part{key, BASIN_RT_NUMBER, 0, ""};
    if (value.kind() == Value::Bool) {
      part.kind = BASIN_RT_FLAG;
      part.number = value.boolean();
    } else if (value.kind() == Value::String) {
      part.kind = BASIN_RT_TEXT;
      part.text = value.text(kMaxSpecTextBytes);
    } else {
      part.number = value.number();
    }
    out.push_back(std::move(part));
  }
}

static Kernel readKernel(const Node &node) {
  Kernel out;
  out.name = node.member("name").name();
  readBlock(node.member("block"), out);
  out.sharedBytes = static_cast<uint32_t>(node.member("shared_bytes").integer(0, INT32_MAX));
  readArguments(node.member("arguments"), out.arguments);
  out.isResident = node.has("resident") && node.member("resident").boolean();
  Node grid = node.member("grid");
  if (grid.size() != 3)
    grid.fail("expected three arrays");
  for (size_t axis = 0; axis < 3 && !node.failed(); ++axis)
    for (size_t i = 0, e = grid[axis].size(); i < e && !node.failed(); ++i)
      out.grid[axis].push_back(readFactor(grid[axis][i], out.arguments));
  if (node.has("family"))
    out.family = node.member("family").name();
  if (node.has("spec"))
    readSpec(node.member("spec"), out.spec);
  return out;
}

static void readMembers(const Node &root, Contents &out) {
  Node kernels = root.member("kernels");
  std::unordered_set<std::string> seen;
  for (size_t i = 0, e = kernels.size(); i < e && !root.failed(); ++i) {
    out.kernels.push_back(readKernel(kernels[i]));
    if (!seen.insert(out.kernels.back().name).second)
      kernels[i].fail("kernel '" + out.kernels.back().name + "' is defined twice");
  }
  if (!root.failed() && root.has("functions"))
    readFunctions(root.member("functions"), out.kernels, out.functions);
  if (root.failed() || root.member("version").integer(1, 2) != 2)
    return;
  auto weights = std::find_if(out.sections.begin(), out.sections.end(),
                              [](const Section &one) { return one.kind == BASIN_RT_WEIGHTS; });
  readPlan(root.member("plan"), out.kernels, weights == out.sections.end() ? nullptr : &*weights,
           out.plan.emplace());
}

WhyNot basin::rt::readHeader(std::string_view text, uint64_t headerSize, uint64_t fileSize,
                             Contents &out) {
  Value value;
  WhyNot error = json::parse(text, value);
  if (error)
    return "JSON: " + *error;
  Node root(value, "", error);
  int64_t version = root.member("version").integer(INT64_MIN, INT64_MAX);
  if (version != 1 && version != 2)
    root.member("version").fail("expected 1 or 2, but got " + std::to_string(version));
  if (root.failed())
    return error;
  Node sections = root.member("sections");
  for (size_t i = 0, e = sections.size(); i < e && !root.failed(); ++i)
    out.sections.push_back(readSection(sections[i], headerSize, fileSize));
  if (out.sections.empty())
    sections.fail("expected at least one section");
  if (!root.failed())
    error = checkSections(out.sections);
  if (!root.failed())
    readMembers(root, out);
  return error;
}
