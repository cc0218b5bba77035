//===- Steps.h --------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Steps are the rewrites that users ask for, by a name and options. The registry is made from the
// passes' own definitions (Dialect/Sink/Transforms/StepBase.td), and the command line, Python, the
// fuzzer, the suites and the docs read it.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_STEPS_H
#define BASIN_STEPS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <string>
#include <utility>
#include <vector>

namespace basin {

/// The kinds of values that options take.
enum class StepValue { Boolean, File, Ids, Integer, IntegerOrAuto, Number, Pattern, Scales, Word };

struct StepOption {
  llvm::StringRef name;
  StepValue kind;
  /// The default as a user would write it, and empty if the option is then absent.
  llvm::StringRef defaultValue;
  llvm::StringRef help;
  /// Whether a value other than 0 lets weights be rounded, which ends a promise of equal bits.
  bool rounds;
  /// Whether the value is a file that is made by a run of the model if it is not given.
  bool isComputed;
  /// Whether values other than the default end the step's promise.
  bool promisesAtDefault;
};

struct StepInfo {
  llvm::StringRef name;
  llvm::StringRef pass;
  llvm::StringRef summary;
  /// One of "bit-exact", "exact", "measured" and "changed", and when that holds.
  llvm::StringRef promiseKind, promise;
  llvm::StringRef goodFor, notFor;
  /// Options for suites, as words: for streams of at least 20 dimensions, and of at least 4.
  llvm::StringRef example, smallExample;
  /// The option that says whether the new model takes sequences without the tokens of the option
  /// `ids`, or empty.
  llvm::StringRef takeOverOption;
  /// The option that says whether rows of attention that see no key may change, or empty.
  llvm::StringRef hiddenRowsOption;
  /// Whether the examples need a file that a run of the model makes.
  bool examplesNeedRun;
  llvm::ArrayRef<StepOption> options;
};

/// One step that somebody asks for. Values are texts, as on the command line.
struct StepRequest {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
};

/// Returns all steps, sorted by name.
llvm::ArrayRef<StepInfo> getSteps();
/// Returns the step of that name, or null.
const StepInfo *findStep(llvm::StringRef name);
/// Returns how help and messages write the values of a kind, such as "NUMBER".
llvm::StringRef getMetavar(StepValue kind);
/// Returns the registry as a list of objects.
llvm::json::Array describeSteps();

/// Reads words: one without '=' begins a step, and one with it is an option of the step before.
/// Checks what checkSteps does.
llvm::Expected<std::vector<StepRequest>> parseSteps(llvm::ArrayRef<std::string> words);
/// Checks names of steps and options, that each is given once, kinds of values, and that files
/// exist. Which values a pass takes together, it checks itself.
llvm::Error checkSteps(llvm::ArrayRef<StepRequest> steps);

/// Returns whether the steps promise equal bits.
bool promiseEqualBits(llvm::ArrayRef<StepRequest> steps);

/// Returns the passes of checked steps as the text of a pipeline, such as
/// "sink-rescale-residual{k=3},sink-insert-pre-affine".
std::string getPasses(llvm::ArrayRef<StepRequest> steps);

/// Each step with its examples, alone, and all steps in sequence. Steps whose examples need a file
/// made by a run are left out.
std::vector<std::vector<StepRequest>> listExamples();

} // namespace basin

#endif // BASIN_STEPS_H
