//===- ONNXDialect.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/ONNX.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace basin::onnx;

#include "basin/Dialect/ONNX/IR/ONNXDialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "basin/Dialect/ONNX/IR/ONNXTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "basin/Dialect/ONNX/IR/ONNXAttrs.cpp.inc"

void ONNXDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "basin/Dialect/ONNX/IR/ONNXOps.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "basin/Dialect/ONNX/IR/ONNXTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "basin/Dialect/ONNX/IR/ONNXAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Typed ops by ONNX name
//===----------------------------------------------------------------------===//

using TypedOp = std::pair<StringLiteral, const NodeSchema *>;

template <typename OpTy> static void addTypedOp(llvm::StringMap<TypedOp> &table) {
  if constexpr (requires { OpTy::getSchema(); }) {
    const NodeSchema &schema = OpTy::getSchema();
    table.try_emplace((schema.domain + "/" + schema.opType).str(),
                      TypedOp(OpTy::getOperationName(), &schema));
  }
}

template <typename... OpTys> static llvm::StringMap<TypedOp> makeTypedOpTable() {
  llvm::StringMap<TypedOp> table;
  (addTypedOp<OpTys>(table), ...);
  return table;
}

std::optional<RegisteredOperationName> basin::onnx::lookupTypedOp(MLIRContext *ctx,
                                                                  StringRef domain,
                                                                  StringRef opType,
                                                                  const NodeSchema *&schema) {
  static const llvm::StringMap<TypedOp> table = makeTypedOpTable<
#define GET_OP_LIST
#include "basin/Dialect/ONNX/IR/ONNXOps.cpp.inc"
      >();
  auto it = table.find((domain + "/" + opType).str());
  if (it == table.end())
    return std::nullopt;
  schema = it->second.second;
  return RegisteredOperationName::lookup(it->second.first, ctx);
}
