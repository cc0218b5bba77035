//===- Registry.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The table of steps, which the build makes from the definitions of the passes.
//
//===----------------------------------------------------------------------===//

#include "basin/Steps.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace basin;
using llvm::ArrayRef;
using llvm::StringRef;
namespace json = llvm::json;

namespace {
#include "basin/Dialect/Sink/Transforms/Steps.inc"
} // namespace

ArrayRef<StepInfo> basin::getSteps() { return kSteps; }

const StepInfo *basin::findStep(StringRef name) {
  const auto *found = llvm::find_if(kSteps, [&](const StepInfo &one) { return one.name == name; });
  return found == std::end(kSteps) ? nullptr : found;
}

StringRef basin::getMetavar(StepValue kind) {
  switch (kind) {
  case StepValue::Boolean:
    return "true|false";
  case StepValue::File:
    return "FILE";
  case StepValue::Ids:
    return "ID,...|@FILE";
  case StepValue::Integer:
    return "INTEGER";
  case StepValue::IntegerOrAuto:
    return "INTEGER|auto";
  case StepValue::Number:
    return "NUMBER";
  case StepValue::Pattern:
    return "PATTERN";
  case StepValue::Scales:
    return "[STREAM/]DIMENSION:SCALE,...";
  case StepValue::Word:
    return "WORD";
  }
  llvm_unreachable("all kinds are named above");
}

static json::Object describe(const StepOption &option) {
  return json::Object{{"name", option.name},
                      {"values", getMetavar(option.kind)},
                      {"default", option.defaultValue},
                      {"help", option.help},
                      {"is_file", option.kind == StepValue::File},
                      {"rounds", option.rounds},
                      {"is_computed", option.isComputed},
                      {"promises_at_default", option.promisesAtDefault}};
}

json::Array basin::describeSteps() {
  json::Array out;
  for (const StepInfo &step : kSteps) {
    json::Array options;
    for (const StepOption &option : step.options)
      options.push_back(describe(option));
    out.push_back(json::Object{{"name", step.name},
                               {"pass_name", step.pass},
                               {"summary", step.summary},
                               {"promise_kind", step.promiseKind},
                               {"promise", step.promise},
                               {"good_for", step.goodFor},
                               {"not_for", step.notFor},
                               {"example", step.example},
                               {"small_example", step.smallExample},
                               {"take_over_option", step.takeOverOption},
                               {"hidden_rows_option", step.hiddenRowsOption},
                               {"examples_need_run", step.examplesNeedRun},
                               {"options", std::move(options)}});
  }
  return out;
}

std::vector<std::vector<StepRequest>> basin::listExamples() {
  auto request = [](const StepInfo &step, StringRef words) {
    StepRequest out{step.name.str(), {}};
    for (StringRef word : llvm::split(words, ' '))
      if (!word.empty())
        out.options.emplace_back(word.split('=').first.str(), word.split('=').second.str());
    return out;
  };
  std::vector<std::vector<StepRequest>> out;
  for (StringRef StepInfo::*example : {&StepInfo::example, &StepInfo::smallExample}) {
    std::vector<StepRequest> all;
    for (const StepInfo &step : kSteps) {
      if (step.examplesNeedRun)
        continue;
      all.push_back(request(step, step.*example));
      out.push_back({all.back()});
    }
    out.push_back(std::move(all));
  }
  return out;
}
