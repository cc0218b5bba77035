//===- Functions.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/Utils/Functions.h"

using namespace mlir;
using namespace basin::onnx;

/// Domains and names contain no NUL, so the key is unambiguous.
static std::string makeKey(StringRef domain, StringRef name, StringRef overload) {
  if (domain == "ai.onnx")
    domain = "";
  return (domain + Twine('\0') + name + Twine('\0') + overload).str();
}

FunctionTable::FunctionTable(ModuleOp module) {
  for (auto function : module.getOps<FunctionOp>())
    functions[makeKey(function.getDomain().value_or(""), function.getName(),
                      function.getOverload().value_or(""))] = function;
}

FunctionOp FunctionTable::lookup(Operation *node) const {
  // A node that calls a function is never a typed op, even if it has the name of one.
  auto call = functions.empty() ? NodeOp() : dyn_cast<NodeOp>(node);
  if (!call)
    return {};
  return functions.lookup(makeKey(call.getOpDomain(), call.getOpType(), call.getOverload()));
}
