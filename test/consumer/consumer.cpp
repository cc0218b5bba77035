//===- consumer.cpp ---------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Links Basin's libraries into a program of its own: parse, run a pass, look.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/InitAll.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

static const char *const kGraph = R"(
onnx.graph @main <inputs = [#onnx.value<"x", tensor<2x4xf32>, {}>],
                  outputs = [#onnx.value<"y", tensor<4x2xf32>, {}>],
                  valueInfo = [], info = {name = "g"}> {
^bb0(%x: tensor<2x4xf32>):
  %y = onnx.Transpose(%x) {perm = array<i64: 1, 0>, onnx.outs = ["y"]}
      : (tensor<2x4xf32>) -> !onnx.unknown
  onnx.return %y : !onnx.unknown
}
)";

int main() {
  mlir::DialectRegistry registry;
  basin::registerAllDialects(registry);
  basin::registerAllPasses();
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(kGraph, &context);
  if (!module)
    return 1;
  mlir::PassManager manager(&context);
  if (failed(mlir::parsePassPipeline("onnx-infer-shapes", manager)) || failed(manager.run(*module)))
    return 1;
  auto graph = *module->getOps<basin::onnx::GraphOp>().begin();
  mlir::Operation *node = &graph.getBody().front().front();
  llvm::outs() << node->getResult(0).getType() << "\n";
  auto type = mlir::dyn_cast<mlir::ShapedType>(node->getResult(0).getType());
  return type && type.getShape() == llvm::ArrayRef<int64_t>{4, 2} ? 0 : 1;
}
