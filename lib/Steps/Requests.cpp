//===- Requests.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads and checks steps that somebody asks for, and writes them as a pipeline. What is checked
// here is what the registry knows. Limits of a value, and which options exclude each other, are
// checked by the pass itself.
//
//===----------------------------------------------------------------------===//

#include "basin/Steps.h"

#include "basin/Dialect/ONNX/IR/QuoteName.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace basin;
using llvm::ArrayRef;
using llvm::StringRef;
using onnx::quoteName;

/// Returns the element of `names` with the fewest edits to `given`, if they are few.
static StringRef findNearest(StringRef given, ArrayRef<StringRef> names) {
  StringRef nearest;
  unsigned fewest = std::max<size_t>(2, given.size() / 2);
  for (StringRef name : names)
    if (unsigned edits = given.edit_distance(name, /*AllowReplacements=*/true, fewest);
        edits < fewest) {
      nearest = name;
      fewest = edits;
    }
  return nearest;
}

/// Returns "did you mean 'x'? " or nothing.
static std::string suggest(StringRef given, ArrayRef<StringRef> names) {
  StringRef nearest = findNearest(given, names);
  return nearest.empty() ? "" : ("did you mean '" + nearest + "'? ").str();
}

static llvm::Error failUnknownStep(StringRef name) {
  auto names = llvm::map_to_vector(getSteps(), [](const StepInfo &step) { return step.name; });
  return llvm::createStringError("unknown step " + quoteName(name) + ": " + suggest(name, names) +
                                 "the steps are " + llvm::join(names, ", "));
}

static const StepOption *findOption(const StepInfo &step, StringRef name) {
  const auto *found =
      llvm::find_if(step.options, [&](const StepOption &one) { return one.name == name; });
  return found == step.options.end() ? nullptr : found;
}

static llvm::Error failUnknownOption(const StepInfo &step, StringRef name) {
  std::string text = ("step '" + step.name + "' has no option " + quoteName(name)).str();
  llvm::SmallVector<std::string> others;
  for (const StepInfo &other : getSteps())
    if (findOption(other, name))
      others.push_back(("'" + other.name + "'").str());
  if (!others.empty()) {
    std::string last = others.pop_back_val();
    std::string before = llvm::join(others, ", ");
    return llvm::createStringError(
        text + ": " + (others.empty() ? last + " has it" : before + " and " + last + " have it"));
  }
  auto names =
      llvm::map_to_vector(step.options, [](const StepOption &option) { return option.name; });
  if (names.empty())
    return llvm::createStringError(text + ": it takes no options");
  return llvm::createStringError(text + ": " + suggest(name, names) + "its options are " +
                                 llvm::join(names, ", "));
}

static bool isNumber(StringRef text) {
  double number;
  return !text.getAsDouble(number) && std::isfinite(number);
}

static bool isInteger(StringRef text) {
  int64_t number;
  return !text.getAsInteger(10, number);
}

static bool isId(StringRef text) { return !text.starts_with("-") && isInteger(text); }

static bool isCount(StringRef text) { return !text.empty() && llvm::all_of(text, llvm::isDigit); }

static bool isScale(StringRef text) {
  auto [place, scale] = text.split(':');
  auto [stream, dim] =
      place.contains('/') ? place.split('/') : std::pair<StringRef, StringRef>("0", place);
  return isCount(stream) && isCount(dim) && isNumber(scale);
}

/// Returns whether a pipeline's text can hold `c` in a value as it is.
static bool isPlain(char c) { return llvm::isAlnum(c) || StringRef("_./+-").contains(c); }

static bool hasKind(StringRef text, StepValue kind) {
  switch (kind) {
  case StepValue::Boolean:
    return text == "true" || text == "false";
  case StepValue::File:
    return !text.empty();
  case StepValue::Ids:
    return text.starts_with("@") ? text.size() > 1 : llvm::all_of(llvm::split(text, ','), isId);
  case StepValue::Integer:
    return isInteger(text);
  case StepValue::IntegerOrAuto:
    return text == "auto" || isInteger(text);
  case StepValue::Number:
    return isNumber(text);
  case StepValue::Pattern:
    return !text.empty() &&
           llvm::all_of(text, [](char c) { return isPlain(c) || StringRef("*?[]^:").contains(c); });
  case StepValue::Scales:
    return llvm::all_of(llvm::split(text, ','), isScale);
  case StepValue::Word:
    return !text.empty() && llvm::all_of(text, isPlain);
  }
  llvm_unreachable("all kinds are checked above");
}

static llvm::Error checkValue(const StepInfo &step, const StepOption &option, StringRef value) {
  std::string where = ("step '" + step.name + "': option '" + option.name + "': ").str();
  if (!hasKind(value, option.kind))
    return llvm::createStringError(where + "expected " + getMetavar(option.kind) + ", but got " +
                                   quoteName(value));
  if (option.kind == StepValue::Ids && !value.consume_front("@"))
    return llvm::Error::success();
  if (option.kind != StepValue::File && option.kind != StepValue::Ids)
    return llvm::Error::success();
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(value, status))
    return llvm::createStringError(where + quoteName(value) + ": " + error.message());
  if (llvm::sys::fs::is_directory(status))
    return llvm::createStringError(where + quoteName(value) + " is a folder, not a file");
  return llvm::Error::success();
}

static llvm::Error checkStep(const StepRequest &request) {
  const StepInfo *step = findStep(request.name);
  if (!step)
    return failUnknownStep(request.name);
  llvm::StringSet<> given;
  for (const auto &[name, value] : request.options) {
    const StepOption *option = findOption(*step, name);
    if (!option)
      return failUnknownOption(*step, name);
    if (!given.insert(name).second)
      return llvm::createStringError("step '" + step->name + "': option '" + name +
                                     "' is given twice");
    if (llvm::Error error = checkValue(*step, *option, value))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error basin::checkSteps(ArrayRef<StepRequest> steps) {
  llvm::StringSet<> given;
  for (const StepRequest &step : steps) {
    if (llvm::Error error = checkStep(step))
      return error;
    if (!given.insert(step.name).second)
      return llvm::createStringError("step '" + step.name + "' is given twice");
  }
  return llvm::Error::success();
}

llvm::Expected<std::vector<StepRequest>> basin::parseSteps(ArrayRef<std::string> words) {
  std::vector<StepRequest> out;
  for (StringRef word : words) {
    if (!word.contains('=')) {
      out.push_back({word.str(), {}});
      continue;
    }
    if (out.empty())
      return llvm::createStringError("option " + quoteName(word) +
                                     " stands before any step: a step begins with its name");
    auto [name, value] = word.split('=');
    out.back().options.emplace_back(name.str(), value.str());
  }
  if (llvm::Error error = checkSteps(out))
    return error;
  return out;
}

bool basin::promiseEqualBits(ArrayRef<StepRequest> steps) {
  return llvm::all_of(steps, [](const StepRequest &request) {
    const StepInfo *step = findStep(request.name);
    return step->promiseKind == "bit-exact" && llvm::none_of(request.options, [&](auto &given) {
             double number = 0;
             const StepOption *option = findOption(*step, given.first);
             if (option->promisesAtDefault && given.second != option->defaultValue)
               return true;
             return option->rounds && !StringRef(given.second).getAsDouble(number) && number != 0;
           });
  });
}

/// Returns a file's path as a value in a pipeline: a URI if it has special characters.
static std::string encodePath(StringRef path) {
  if (llvm::all_of(path, isPlain))
    return path.str();
  std::string out = "file://";
  for (char c : path)
    if (isPlain(c))
      out += c;
    else
      out += "%" + llvm::toHex(StringRef(&c, 1));
  return out;
}

std::string basin::getPasses(ArrayRef<StepRequest> steps) {
  std::string out;
  llvm::raw_string_ostream os(out);
  llvm::interleave(
      steps, os,
      [&](const StepRequest &request) {
        const StepInfo *step = findStep(request.name);
        os << step->pass;
        if (request.options.empty())
          return;
        os << '{';
        llvm::interleave(
            request.options, os,
            [&](const auto &given) {
              bool isFile = findOption(*step, given.first)->kind == StepValue::File;
              StringRef value = given.second;
              os << given.first << '=';
              if (value.starts_with("@"))
                os << '@' << encodePath(value.drop_front());
              else
                os << (isFile ? encodePath(value) : value.str());
            },
            " ");
        os << '}';
      },
      ",");
  return out;
}
