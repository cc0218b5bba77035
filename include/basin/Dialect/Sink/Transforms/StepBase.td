//===- StepBase.td -----------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step is a rewrite that users ask for by a name and options. A pass that is a
// step states here all that the command line, Python, the suites and the docs say
// of it: cmake/make_steps.py makes the table of basin/Steps.h from these records.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_TRANSFORMS_STEPBASE_TD
#define BASIN_DIALECT_SINK_TRANSFORMS_STEPBASE_TD

include "mlir/Pass/PassBase.td"

// An Option of type bool, int64_t, double or std::string needs no class of its own:
// its values are true or false, integers, numbers or words. These say more.

// An existing file.
class FileOption<string varName, string arg, string desc>
  : Option<varName, arg, "std::string", "", desc>;

// An integer, or the word auto.
class IntegerOrAutoOption<string varName, string arg, string default, string desc>
  : Option<varName, arg, "std::string", default, desc>;

// Pairs dimension:scale.
class ScalesOption<string varName, string arg, string desc>
  : ListOption<varName, arg, "std::string", desc>;

// A name, or a pattern of names with * for any characters, ? for one, and [...].
class PatternOption<string varName, string arg, string default, string desc>
  : Option<varName, arg, "std::string", default, desc>;

// A number that ends a promise of equal bits, unless it is 0.
class RoundingOption<string varName, string arg, string desc>
  : Option<varName, arg, "double", "0", desc>;

// An option whose values other than the default end the step's promise.
class PromiseOption<string varName, string arg, string type, string default, string desc>
  : Option<varName, arg, type, default, desc>;

// Ids of tokens, or the file that has them, as @FILE.
class IdsOption<string varName, string arg, string desc>
  : ListOption<varName, arg, "std::string", desc>;

// A file that basin rewrite makes by a run of the model if it is not given.
class ComputedFileOption<string varName, string arg, string desc>
  : Option<varName, arg, "std::string", "", desc>;

class Step<string step, string passArg, string operation> : Pass<passArg, operation> {
  // The name by which users ask for the rewrite.
  string stepName = step;

  // bit-exact: the same bits, which each rewrite of a file proves before it is kept.
  // exact: equal in real arithmetic. measured: a stated distance. changed: another
  // function.
  string promiseKind = ?;

  // When the promise holds, as one phrase.
  string promise = ?;

  // The option that says whether the new model takes sequences without the tokens of the
  // option ids, if there is one. Proofs then give the old model these tokens as well.
  string takeOverOption = "";

  // The option that says whether rows of attention that see no key may change, if there is
  // one. Proofs then compare only the tokens that a mask keeps.
  string hiddenRowsOption = "";

  // What the step helps, and what somebody might expect of it in vain, as phrases.
  string goodFor = ?;
  string notFor = ?;

  // Options with which suites run the step, as on the command line: on a stream of
  // at least 20 dimensions, and on one of at least 4.
  string example = ?;
  string smallExample = ?;

  // Whether the examples need the file of a ComputedFileOption. Suites that run passes
  // without basin rewrite leave them out.
  bit examplesNeedRun = 0;
}

#endif // BASIN_DIALECT_SINK_TRANSFORMS_STEPBASE_TD
