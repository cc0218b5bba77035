//===- FamilyOptions.h ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Command-line options that name kernels, one option for each family in the table: `--norm
// dim=64,type=bf16`. Each may be given any number of times.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_COMPILER_FAMILYOPTIONS_H
#define BASIN_COMPILER_FAMILYOPTIONS_H

#include "basin/Kernels/KernelFamily.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CommandLine.h"

#include <memory>
#include <vector>

namespace basin {

struct FamilyOption {
  FamilyOption(const kernels::KernelFamily &family, llvm::cl::OptionCategory &category)
      : family(family), help((family.getSummary() + ": " + family.getUsage()).str()),
        texts(family.getName(), llvm::cl::desc(help), llvm::cl::cat(category)) {}

  const kernels::KernelFamily &family;
  std::string help;
  llvm::cl::list<std::string> texts;
};

/// Must be made before the command line is parsed.
class FamilyOptions {
public:
  explicit FamilyOptions(llvm::cl::OptionCategory &category) {
    for (const kernels::KernelFamily *family : kernels::getKernelFamilies())
      options.push_back(std::make_unique<FamilyOption>(*family, category));
  }

  auto begin() const { return options.begin(); }
  auto end() const { return options.end(); }
  bool empty() const {
    return llvm::all_of(options, [](const auto &option) { return option->texts.empty(); });
  }
  /// Returns "--norm, --dyt, --attention".
  std::string getNames() const {
    std::string out;
    for (const auto &option : options)
      out += (out.empty() ? "--" : ", --") + option->family.getName().str();
    return out;
  }

private:
  std::vector<std::unique_ptr<FamilyOption>> options;
};

} // namespace basin

#endif // BASIN_COMPILER_FAMILYOPTIONS_H
