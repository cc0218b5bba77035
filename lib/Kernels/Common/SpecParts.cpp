//===- SpecParts.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Kernels/SpecParts.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace basin::kernels;

static constexpr int64_t kMaxDim = 65536;

std::string basin::kernels::getTypeName(Type type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return name;
}

std::string basin::kernels::spellNumber(double number) {
  char brief[32], exact[32];
  snprintf(brief, sizeof brief, "%g", number);
  snprintf(exact, sizeof exact, "%.17g", number);
  std::string out = std::strtod(brief, nullptr) == number ? brief : exact;
  for (auto [from, to] : {std::pair('.', 'p'), {'-', 'm'}, {'+', 'e'}})
    llvm::replace(out, from, to);
  return out;
}

void SpecParts::add(StringRef key, const Twine &placeholder, const Twine &expects,
                    std::function<bool(StringRef, MLIRContext *)> set,
                    std::function<Attribute(MLIRContext *)> get) {
  parts.push_back({key.str(), placeholder.str(), expects.str(), std::move(set), std::move(get)});
}

void SpecParts::flag(StringRef key, bool &value) {
  auto set = [&value](StringRef text, MLIRContext *) {
    value = true;
    return text.empty();
  };
  auto get = [&value](MLIRContext *context) -> Attribute {
    return value ? UnitAttr::get(context) : UnitAttr();
  };
  add(key, "", "no value", set, get);
}

void SpecParts::dim(StringRef key, int64_t &value) {
  auto set = [&value](StringRef text, MLIRContext *) {
    return !text.getAsInteger(10, value) && value >= 1 && value <= kMaxDim;
  };
  auto get = [&value](MLIRContext *context) -> Attribute {
    return value != 0 ? Builder(context).getI64IntegerAttr(value) : IntegerAttr();
  };
  add(key, "N", "a number from 1 to " + Twine(kMaxDim), set, get);
}

void SpecParts::type(StringRef key, Type &value) {
  auto set = [&value](StringRef text, MLIRContext *context) {
    value = llvm::StringSwitch<Type>(text)
                .Case("f32", Float32Type::get(context))
                .Case("f16", Float16Type::get(context))
                .Case("bf16", BFloat16Type::get(context))
                .Default(Type());
    return static_cast<bool>(value);
  };
  auto get = [&value](MLIRContext *context) -> Attribute {
    return value ? StringAttr::get(context, getTypeName(value)) : StringAttr();
  };
  add(key, "T", "f32, f16 or bf16", set, get);
}

void SpecParts::text(StringRef key, std::string &value) {
  auto set = [&value](StringRef text, MLIRContext *) {
    value = text.str();
    return !value.empty();
  };
  auto get = [&value](MLIRContext *context) -> Attribute {
    return value.empty() ? StringAttr() : StringAttr::get(context, value);
  };
  add(key, "TEXT", "a text", set, get);
}

void SpecParts::number(StringRef key, double &value, StringRef expects, bool (*isRight)(double)) {
  auto set = [&value, isRight](StringRef text, MLIRContext *) {
    return !text.getAsDouble(value) && isRight(value);
  };
  auto get = [&value](MLIRContext *context) -> Attribute {
    return Builder(context).getF64FloatAttr(value);
  };
  add(key, "X", expects, set, get);
}

void SpecParts::drop(StringRef key) {
  llvm::erase_if(parts, [&](const Part &part) { return part.key == key; });
}

llvm::Error SpecParts::parse(StringRef text, StringRef family, MLIRContext *context) {
  SmallVector<StringRef> options;
  text.split(options, ',');
  for (StringRef option : options) {
    auto [key, value] = option.split('=');
    auto part = llvm::find_if(parts, [key = key.trim()](const Part &p) { return p.key == key; });
    if (part == parts.end())
      return llvm::createStringError("unknown " + family + " option '" + key.trim() + "'");
    if (!part->set(value.trim(), context))
      return llvm::createStringError(family + " option '" + part->key + "': expected " +
                                     part->expects + ", but got '" + value.trim() + "'");
  }
  SmallVector<std::string> missing;
  for (const Part &part : parts)
    if (part.isRequired && !part.get(context))
      missing.push_back(part.key);
  if (!missing.empty())
    return llvm::createStringError("expected the " + family + " option " +
                                   llvm::join(missing, " and "));
  return llvm::Error::success();
}

static bool isZero(Attribute value) {
  auto number = dyn_cast<FloatAttr>(value);
  return number && number.getValue().isZero();
}

DictionaryAttr SpecParts::toAttribute(MLIRContext *context) const {
  NamedAttrList out;
  for (const Part &part : parts) {
    Attribute value = part.get(context);
    if (value && (part.isInAll || !isZero(value)))
      out.set(part.key, value);
  }
  return out.getDictionary(context);
}

std::string SpecParts::usage() const {
  std::string out;
  for (const Part &part : parts) {
    std::string text = (out.empty() ? "" : ",") + part.key;
    text += part.placeholder.empty() ? "" : "=" + part.placeholder;
    out += part.isRequired ? text : "[" + text + "]";
  }
  return out;
}
