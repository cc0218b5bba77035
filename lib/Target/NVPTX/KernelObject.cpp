//===- KernelObject.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Target/NVPTX/KernelObject.h"

#include "basin/Dialect/Kernel/IR/Kernel.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin;
using kernels::ArgumentAttr;
using kernels::AxisAttr;
using kernels::ContractAttr;
using kernels::GridFactorAttr;
namespace json = llvm::json;

static constexpr int64_t kDefaultAlignment = 16;
static constexpr llvm::StringLiteral kMagic = "BASINKO1";
static constexpr uint64_t kAlignment = 16;

static json::Object describe(ArgumentAttr argument) {
  std::string type;
  llvm::raw_string_ostream(type) << argument.getType();
  json::Object out{{"name", argument.getName().getValue()},
                   {"kind", kernels::stringifyArgumentKind(argument.getKind())},
                   {"type", std::move(type)}};
  if (!argument.isScalar() && argument.getAlignment() != kDefaultAlignment)
    out["align"] = argument.getAlignment();
  if (argument.getIsStrided())
    out["strided"] = true;
  return out;
}

static json::Array describe(AxisAttr axis) {
  json::Array factors;
  for (GridFactorAttr factor : axis.getFactors())
    factors.push_back(
        json::Object{{"arg", factor.getArgument().getValue()}, {"per", factor.getPer()}});
  return factors;
}

/// Describes a part of a spec. The contract's verifier allows no other types.
static json::Value describePart(Attribute part) {
  if (auto integer = dyn_cast<IntegerAttr>(part))
    return integer.getInt();
  if (auto number = dyn_cast<FloatAttr>(part))
    return number.getValueAsDouble();
  if (auto text = dyn_cast<StringAttr>(part))
    return text.getValue();
  return true;
}

static FailureOr<json::Value> describe(gpu::GPUFuncOp kernel) {
  auto contract = ContractAttr::of(kernel);
  if (!contract)
    return kernel.emitOpError("expected a kernel.contract, without which it cannot be launched");
  json::Array arguments, grid, threads;
  for (ArgumentAttr argument : contract.getArguments())
    arguments.push_back(describe(argument));
  for (AxisAttr axis : contract.getGrid())
    grid.push_back(describe(axis));
  for (int32_t size : kernel->getAttrOfType<DenseI32ArrayAttr>("known_block_size").asArrayRef())
    threads.push_back(size);
  json::Object out{{"name", kernel.getName()},
                   {"block", std::move(threads)},
                   {"shared_bytes", contract.getSharedBytes()},
                   {"grid", std::move(grid)},
                   {"arguments", std::move(arguments)}};
  if (contract.getIsResident())
    out["resident"] = true;
  if (contract.getFamily()) {
    json::Object spec;
    for (NamedAttribute part : contract.getSpec())
      spec[part.getName().strref()] = describePart(part.getValue());
    out["family"] = contract.getFamily().getValue();
    out["spec"] = std::move(spec);
  }
  return json::Value(std::move(out));
}

FailureOr<json::Array> nvptx::describeKernels(gpu::GPUModuleOp module) {
  json::Array out;
  for (auto kernel : module.getOps<gpu::GPUFuncOp>()) {
    if (!kernel.isKernel())
      continue;
    FailureOr<json::Value> one = describe(kernel);
    if (failed(one))
      return failure();
    out.push_back(std::move(*one));
  }
  return out;
}

/// Returns the JSON of an object whose first section begins at `begin`.
static std::string writeHeader(const json::Array &kernels, ArrayRef<nvptx::ObjectSection> sections,
                               const json::Object &more, uint64_t begin) {
  json::Array list;
  uint64_t offset = begin;
  for (const nvptx::ObjectSection &section : sections) {
    list.push_back(json::Object{{"kind", section.kind},
                                {"chip", section.chip},
                                {"offset", static_cast<int64_t>(offset)},
                                {"size", static_cast<int64_t>(section.bytes.size())}});
    offset = llvm::alignTo(offset + section.bytes.size(), kAlignment);
  }
  json::Object root(more);
  root["version"] = more.get("plan") ? 2 : 1;
  root["sections"] = std::move(list);
  root["kernels"] = json::Array(kernels);
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(root));
  return text;
}

std::string nvptx::makeObject(const json::Array &kernels, ArrayRef<ObjectSection> sections,
                              const json::Object &more) {
  // The JSON has the offsets of the sections, and its own length depends on their digits. So it
  // is written again until it fits before the first section.
  uint64_t begin = 0;
  std::string header;
  while (true) {
    header = writeHeader(kernels, sections, more, begin);
    uint64_t end = llvm::alignTo(kMagic.size() + 8 + header.size(), kAlignment);
    if (end <= begin)
      break;
    begin = end;
  }
  std::string out(kMagic);
  uint64_t total = begin;
  for (const ObjectSection &section : sections)
    total = llvm::alignTo(total + section.bytes.size(), kAlignment);
  out.reserve(total);
  char length[8];
  llvm::support::endian::write64le(length, header.size());
  out.append(length, 8);
  out += header;
  out.resize(begin, '\0');
  for (const ObjectSection &section : sections) {
    out += section.bytes;
    out.resize(llvm::alignTo(out.size(), kAlignment), '\0');
  }
  return out;
}
