//===- KernelObject.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Target/NVPTX/KernelObject.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin;
namespace json = llvm::json;

static constexpr llvm::StringLiteral kMagic = "BASINKO1";
static constexpr uint64_t kAlignment = 16;

static std::string typeName(Type type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return name;
}

static json::Value describeArgument(DictionaryAttr argument) {
  json::Object out{{"name", argument.getAs<StringAttr>("name").getValue()},
                   {"kind", argument.getAs<StringAttr>("kind").getValue()},
                   {"type", typeName(argument.getAs<TypeAttr>("type").getValue())}};
  if (auto align = argument.getAs<IntegerAttr>("align"))
    out["align"] = align.getInt();
  if (argument.contains("strided"))
    out["strided"] = true;
  return out;
}

/// Whether `attribute` is an array of dictionaries that `isRight` accepts.
static bool isArrayOf(Attribute attribute, llvm::function_ref<bool(DictionaryAttr)> isRight) {
  auto array = dyn_cast<ArrayAttr>(attribute);
  return array && llvm::all_of(array, [&](Attribute entry) {
           auto dictionary = dyn_cast<DictionaryAttr>(entry);
           return dictionary && isRight(dictionary);
         });
}

static bool isArgument(DictionaryAttr entry) {
  return entry.getAs<StringAttr>("name") && entry.getAs<StringAttr>("kind") &&
         entry.getAs<TypeAttr>("type");
}

static bool isFactor(DictionaryAttr entry) {
  return entry.getAs<StringAttr>("arg") && entry.getAs<IntegerAttr>("per");
}

/// Attributes that a person wrote may be of another form.
static LogicalResult checkForm(gpu::GPUFuncOp kernel, ArrayAttr abi, ArrayAttr grid) {
  if (!isArrayOf(abi, isArgument))
    return kernel.emitOpError("expected a name, kind and type in each entry of basin.abi");
  if (abi.size() != kernel.getNumArguments())
    return kernel.emitOpError("expected ")
           << kernel.getNumArguments() << " entries of basin.abi, but got " << abi.size();
  if (!llvm::all_of(grid, [](Attribute axis) { return isArrayOf(axis, isFactor); }))
    return kernel.emitOpError("expected arrays of {arg, per} in basin.grid");
  return success();
}

static json::Value describeAxis(ArrayAttr axis) {
  json::Array factors;
  for (auto factor : axis.getAsRange<DictionaryAttr>())
    factors.push_back(json::Object{{"arg", factor.getAs<StringAttr>("arg").getValue()},
                                   {"per", factor.getAs<IntegerAttr>("per").getInt()}});
  return factors;
}

static FailureOr<json::Value> describe(gpu::GPUFuncOp kernel) {
  auto block = kernel->getAttrOfType<DenseI32ArrayAttr>("known_block_size");
  auto abi = kernel->getAttrOfType<ArrayAttr>("basin.abi");
  auto grid = kernel->getAttrOfType<ArrayAttr>("basin.grid");
  auto shared = kernel->getAttrOfType<IntegerAttr>("basin.shared_bytes");
  if (!block || !abi || !grid || !shared)
    return kernel.emitOpError("expected known_block_size, basin.abi, basin.grid and "
                              "basin.shared_bytes of a kernel to be launched");
  if (failed(checkForm(kernel, abi, grid)))
    return failure();
  json::Array arguments, axes, threads;
  for (auto argument : abi.getAsRange<DictionaryAttr>())
    arguments.push_back(describeArgument(argument));
  for (auto axis : grid.getAsRange<ArrayAttr>())
    axes.push_back(describeAxis(axis));
  for (int32_t size : block.asArrayRef())
    threads.push_back(size);
  json::Object out{{"name", kernel.getName()},
                   {"block", std::move(threads)},
                   {"shared_bytes", shared.getInt()},
                   {"grid", std::move(axes)},
                   {"arguments", std::move(arguments)}};
  if (kernel->hasAttr("basin.resident"))
    out["resident"] = true;
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

/// The JSON with the sections at their offsets from `begin`.
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
  root["version"] = 1;
  root["sections"] = std::move(list);
  root["kernels"] = json::Array(kernels);
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(root));
  return text;
}

std::string nvptx::makeObject(json::Array kernels, ArrayRef<ObjectSection> sections,
                              json::Object more) {
  // Offsets have as many digits as they take: a few rounds until they fit.
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
