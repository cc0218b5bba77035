//===- SpecParts.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parts of a kernel's spec by name. A family lists its parts once. The list is used to
// parse the command line and to write the spec into a kernel's contract.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_KERNELS_SPECPARTS_H
#define BASIN_KERNELS_SPECPARTS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <string>
#include <vector>

namespace basin::kernels {

/// Returns the type's name, like "bf16".
std::string getTypeName(mlir::Type type);
/// Writes a number with characters that a symbol may have, like "1em05".
std::string spellNumber(double number);

/// Names, and the values of an enum that they stand for.
template <typename Enum> using Choices = llvm::ArrayRef<std::pair<llvm::StringRef, Enum>>;

class SpecParts {
public:
  // Each of these adds a part, which reads and writes `value`. A part is absent if its value
  // is 0, null, false or empty. A choice is absent if its value has no name.

  void flag(llvm::StringRef key, bool &value);
  /// A number from 1 to 65536.
  void dim(llvm::StringRef key, int64_t &value);
  /// f32, f16 or bf16.
  void type(llvm::StringRef key, mlir::Type &value);
  /// A text without commas.
  void text(llvm::StringRef key, std::string &value);
  /// A number that `isRight` accepts; `expects` says which ones, for messages.
  void number(llvm::StringRef key, double &value, llvm::StringRef expects, bool (*isRight)(double));
  template <typename Enum> void choice(llvm::StringRef key, Enum &value, Choices<Enum> choices);

  /// Makes the last part required on the command line.
  void require() { parts.back().isRequired = true; }
  /// Makes the last part, a number, present even if it is 0.
  void keepZero() { parts.back().isInAll = true; }
  /// Takes a part out of the list.
  void drop(llvm::StringRef key);

  /// Reads a text like "dim=4096,type=bf16,weight". The error names the first option that is
  /// unknown or has a wrong value, or all required ones that are missing, and the `family`.
  llvm::Error parse(llvm::StringRef text, llvm::StringRef family, mlir::MLIRContext *context);
  /// Returns the parts that are present: {dim = 4096 : i64, type = "bf16", weight}.
  mlir::DictionaryAttr toAttribute(mlir::MLIRContext *context) const;
  /// Returns the options, like "dim=N,type=T[,weight]".
  std::string usage() const;

private:
  struct Part {
    std::string key, placeholder, expects;
    std::function<bool(llvm::StringRef, mlir::MLIRContext *)> set;
    std::function<mlir::Attribute(mlir::MLIRContext *)> get;
    bool isRequired = false, isInAll = false;
  };
  void add(llvm::StringRef key, const llvm::Twine &placeholder, const llvm::Twine &expects,
           std::function<bool(llvm::StringRef, mlir::MLIRContext *)> set,
           std::function<mlir::Attribute(mlir::MLIRContext *)> get);

  std::vector<Part> parts;
};

template <typename Enum>
void SpecParts::choice(llvm::StringRef key, Enum &value, Choices<Enum> choices) {
  std::string placeholder, expects;
  for (auto [i, choice] : llvm::enumerate(choices)) {
    placeholder += (i == 0 ? "" : "|") + choice.first.str();
    expects += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choice.first.str();
  }
  auto set = [&value, choices](llvm::StringRef text, mlir::MLIRContext *) {
    for (auto [name, meaning] : choices)
      if (name == text) {
        value = meaning;
        return true;
      }
    return false;
  };
  auto get = [&value, choices](mlir::MLIRContext *context) -> mlir::Attribute {
    for (auto [name, meaning] : choices)
      if (meaning == value)
        return mlir::StringAttr::get(context, name);
    return {};
  };
  add(key, placeholder, expects, set, get);
}

} // namespace basin::kernels

#endif // BASIN_KERNELS_SPECPARTS_H
