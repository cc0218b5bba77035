//===- Scheme.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The named schemes are texts in the YAML that users write, so that each is an example, too.
//
//===----------------------------------------------------------------------===//

#include "basin/Quantization/Scheme.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLTraits.h"

using namespace basin::quantization;
namespace yaml = llvm::yaml;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// Named schemes
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral kSchemes[] = {
    R"(name: fp8-block
weights: {format: float8e4m3, granularity: block, block: [128, 128]}
activations: {format: float8e4m3, granularity: token, dynamic: true}
)",
    R"(name: fp8-static
weights: {format: float8e4m3, granularity: tensor}
activations: {format: float8e4m3, granularity: tensor, dynamic: false}
)",
    R"(name: int4-weights
weights: {format: int4, granularity: block, block: [32]}
)",
    R"(name: int4-weights-128
weights: {format: int4, granularity: block, block: [128]}
)",
    R"(name: int4-weights-64
weights: {format: int4, granularity: block, block: [64]}
)",
    R"(name: int4-weights-full
weights: {format: int4, granularity: block, block: [32], full-range: true}
)",
    R"(name: int8-dynamic
weights: {format: int8, granularity: channel}
activations: {format: int8, granularity: tensor, dynamic: true, symmetric: false}
)",
    R"(name: int8-static
weights: {format: int8, granularity: channel}
activations: {format: int8, granularity: tensor, dynamic: false}
)",
    R"(name: int8-static-asymmetric
weights: {format: int8, granularity: channel}
activations: {format: int8, granularity: tensor, dynamic: false, symmetric: false}
)",
    R"(name: int8-token
weights: {format: int8, granularity: channel}
activations: {format: int8, granularity: token, dynamic: true}
)",
    R"(name: mxfp4
weights: {format: float4e2m1, granularity: block, block: [32], scale: power-of-two}
activations: {format: float4e2m1, granularity: block, block: [32], scale: power-of-two, dynamic: true}
)",
    R"(name: nvfp4
weights: {format: float4e2m1, granularity: block, block: [16], scale: float8e4m3}
activations: {format: float4e2m1, granularity: block, block: [16], scale: float8e4m3, second: token, dynamic: true}
)",
    R"(name: nvfp4-static
weights: {format: float4e2m1, granularity: block, block: [16], scale: float8e4m3}
activations: {format: float4e2m1, granularity: block, block: [16], scale: float8e4m3, second: tensor, dynamic: false}
)",
};

//===----------------------------------------------------------------------===//
// YAML
//===----------------------------------------------------------------------===//

namespace {

/// A quantizer as its fields are written.
struct Fields {
  NumberFormat format = NumberFormat::Int8;
  Granularity granularity = Granularity::Tensor;
  std::vector<int64_t> block;
  ScaleFormat scale = ScaleFormat::Float32;
  Granularity second = Granularity::Tensor;
  bool isDynamic = true, isSymmetric = true, usesFullRange = false;
};

struct SchemeFields {
  std::string name;
  std::optional<Fields> weights, activations;
};

} // namespace

template <> struct yaml::ScalarEnumerationTraits<NumberFormat> {
  static void enumeration(IO &io, NumberFormat &value) {
    for (NumberFormat one : {NumberFormat::Int4, NumberFormat::Int8, NumberFormat::Int16,
                             NumberFormat::Float4E2M1, NumberFormat::Float8E4M3})
      io.enumCase(value, getInfo(one).name.data(), one);
  }
};

template <> struct yaml::ScalarEnumerationTraits<Granularity> {
  static void enumeration(IO &io, Granularity &value) {
    io.enumCase(value, "tensor", Granularity::Tensor);
    io.enumCase(value, "channel", Granularity::Channel);
    io.enumCase(value, "token", Granularity::Token);
    io.enumCase(value, "block", Granularity::Block);
  }
};

template <> struct yaml::ScalarEnumerationTraits<ScaleFormat> {
  static void enumeration(IO &io, ScaleFormat &value) {
    io.enumCase(value, "float32", ScaleFormat::Float32);
    io.enumCase(value, "power-of-two", ScaleFormat::PowerOfTwo);
    io.enumCase(value, "float8e4m3", ScaleFormat::Float8E4M3);
  }
};

template <> struct yaml::MappingTraits<Fields> {
  static const bool flow = true;
  static void mapping(IO &io, Fields &fields) {
    io.mapRequired("format", fields.format);
    io.mapRequired("granularity", fields.granularity);
    io.mapOptional("block", fields.block);
    io.mapOptional("scale", fields.scale, ScaleFormat::Float32);
    io.mapOptional("second", fields.second, Granularity::Tensor);
    io.mapOptional("dynamic", fields.isDynamic, true);
    io.mapOptional("symmetric", fields.isSymmetric, true);
    io.mapOptional("full-range", fields.usesFullRange, false);
  }
  static std::string validate(IO &, Fields &fields) {
    bool isBlock = fields.granularity == Granularity::Block;
    bool isInteger = !getInfo(fields.format).isFloat;
    if (isBlock != !fields.block.empty())
      return isBlock ? "granularity block needs 'block', the size along K, or [K, channels]"
                     : "'block' needs granularity block";
    if (fields.block.size() > 2 ||
        llvm::any_of(fields.block, [](int64_t size) { return size < 1 || size > 1 << 20; }))
      return "expected one or two sizes from 1 to 1048576 as 'block'";
    if (fields.second != Granularity::Tensor && fields.second != Granularity::Token)
      return "expected tensor or token as 'second'";
    if (fields.scale != ScaleFormat::Float32 && !isBlock)
      return "scales other than float32 need granularity block";
    if (fields.second == Granularity::Token && fields.scale != ScaleFormat::Float8E4M3)
      return "a second scale needs scale float8e4m3";
    if (fields.second == Granularity::Token && !fields.isDynamic)
      return "a second scale for each token needs dynamic true";
    bool isStaticBlock = isBlock && fields.scale != ScaleFormat::Float8E4M3;
    if (!fields.isDynamic && (fields.granularity == Granularity::Token || isStaticBlock))
      return "scales of tokens and of blocks need dynamic true";
    if (!fields.isSymmetric && !(isInteger && fields.format == NumberFormat::Int8 &&
                                 fields.granularity == Granularity::Tensor))
      return "symmetric false needs format int8 and granularity tensor";
    if (fields.usesFullRange && (!isInteger || fields.scale != ScaleFormat::Float32))
      return "full-range needs a format of integers and float32 scales";
    return {};
  }
};

template <> struct yaml::MappingTraits<SchemeFields> {
  static void mapping(IO &io, SchemeFields &fields) {
    io.mapRequired("name", fields.name);
    io.mapOptional("weights", fields.weights);
    io.mapOptional("activations", fields.activations);
  }
  static std::string validate(IO &, SchemeFields &fields) {
    if (!fields.weights && !fields.activations)
      return "expected weights, activations or both";
    if (const std::optional<Fields> &w = fields.weights) {
      if (w->granularity == Granularity::Token || w->second == Granularity::Token)
        return "weights have no tokens";
      if (!w->isDynamic || !w->isSymmetric)
        return "weights have neither 'dynamic' nor 'symmetric'";
    }
    if (const std::optional<Fields> &a = fields.activations) {
      if (a->usesFullRange)
        return "full-range is for weights: the sign of their largest element is known";
      if (a->granularity == Granularity::Channel)
        return "activations cannot have a scale for each channel, because the product sums over "
               "channels";
      if (a->block.size() > 1)
        return "a block of activations has one size";
    }
    return {};
  }
};

static Quantizer fromFields(const Fields &fields) {
  Quantizer out;
  out.format = fields.format;
  out.granularity = fields.granularity;
  out.blockSize = fields.block.empty() ? 0 : fields.block.front();
  out.blockChannels = fields.block.size() > 1 ? fields.block[1] : 1;
  out.scale = fields.scale;
  out.secondPerToken = fields.second == Granularity::Token;
  out.isDynamic = fields.isDynamic;
  out.isSymmetric = fields.isSymmetric;
  out.usesFullRange = fields.usesFullRange;
  return out;
}

static Fields toFields(const Quantizer &quantizer) {
  Fields out;
  out.format = quantizer.format;
  out.granularity = quantizer.granularity;
  if (quantizer.granularity == Granularity::Block)
    out.block.push_back(quantizer.blockSize);
  if (quantizer.blockChannels > 1)
    out.block.push_back(quantizer.blockChannels);
  out.scale = quantizer.scale;
  out.second = quantizer.secondPerToken ? Granularity::Token : Granularity::Tensor;
  out.isDynamic = quantizer.isDynamic;
  out.isSymmetric = quantizer.isSymmetric;
  out.usesFullRange = quantizer.usesFullRange;
  return out;
}

/// Keeps the first diagnostic of the parser, with its line.
static void keepFirst(const llvm::SMDiagnostic &diagnostic, void *context) {
  auto *text = static_cast<std::string *>(context);
  if (text->empty())
    *text = ("line " + llvm::Twine(diagnostic.getLineNo()) + ": " + diagnostic.getMessage()).str();
}

llvm::Expected<Scheme> basin::quantization::parseScheme(StringRef text) {
  constexpr size_t kMostBytes = 1 << 14;
  if (text.size() > kMostBytes)
    return llvm::createStringError("a scheme has at most 16384 bytes");
  // The parser recurses for nested lists, and a scheme nests three levels.
  constexpr int kMostBrackets = 64;
  if (llvm::count_if(text, [](char c) { return c == '[' || c == '{'; }) > kMostBrackets ||
      text.contains('&') || text.contains('*') || text.contains('\0'))
    return llvm::createStringError("a scheme has no anchors and aliases, and few lists");
  std::string reason;
  yaml::Input input(text, nullptr, keepFirst, &reason);
  SchemeFields fields;
  input >> fields;
  if (!input.error() && fields.name.empty())
    reason = "expected the fields of a scheme, but got none";
  if (input.error() || !reason.empty())
    return llvm::createStringError(reason.empty() ? "it is no YAML" : reason);
  Scheme scheme{fields.name, std::nullopt, std::nullopt};
  if (fields.weights)
    scheme.weights = fromFields(*fields.weights);
  if (fields.activations)
    scheme.activations = fromFields(*fields.activations);
  return scheme;
}

std::string basin::quantization::printScheme(const Scheme &scheme) {
  SchemeFields fields{scheme.name, std::nullopt, std::nullopt};
  if (scheme.weights)
    fields.weights = toFields(*scheme.weights);
  if (scheme.activations)
    fields.activations = toFields(*scheme.activations);
  std::string text;
  llvm::raw_string_ostream os(text);
  yaml::Output output(os, nullptr, /*WrapColumn=*/1000);
  output << fields;
  return text;
}

//===----------------------------------------------------------------------===//
// Lookup
//===----------------------------------------------------------------------===//

static StringRef nameOf(StringRef text) {
  text.consume_front("name: ");
  return text.split('\n').first;
}

std::optional<Scheme> basin::quantization::findScheme(StringRef name) {
  for (StringRef text : kSchemes)
    if (nameOf(text) == name)
      return llvm::cantFail(parseScheme(text));
  return std::nullopt;
}

llvm::SmallVector<StringRef> basin::quantization::listSchemes() {
  return llvm::map_to_vector(kSchemes, [](StringRef text) { return nameOf(text); });
}

std::optional<Quantizer> basin::quantization::findTensorQuantizer(StringRef format, bool perToken) {
  std::optional<NumberFormat> found;
  for (NumberFormat one : {NumberFormat::Int4, NumberFormat::Int8, NumberFormat::Int16})
    if (getInfo(one).name == format)
      found = one;
  if (format == "fp8")
    found = NumberFormat::Float8E4M3;
  if (!found)
    return std::nullopt;
  Quantizer out;
  out.format = *found;
  out.granularity = perToken ? Granularity::Token : Granularity::Tensor;
  out.isDynamic = perToken;
  return out;
}
