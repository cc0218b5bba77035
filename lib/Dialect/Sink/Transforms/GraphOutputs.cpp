//===- GraphOutputs.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GraphOutputs.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

GraphInfoAttr basin::sink::withOutputs(GraphInfoAttr info, ArrayRef<GraphOutput> outputs,
                                       StringRef suffix) {
  MLIRContext *ctx = info.getContext();
  SmallVector<Attribute> list(info.getOutputs().begin(), info.getOutputs().end());
  for (const GraphOutput &output : outputs)
    list.push_back(ValueInfoAttr::get(ctx, StringAttr::get(ctx, output.name + suffix.str()),
                                      output.type, DictionaryAttr::get(ctx)));
  return GraphInfoAttr::get(ctx, info.getInputs(), ArrayAttr::get(ctx, list), info.getValueInfo(),
                            info.getInfo());
}

void basin::sink::appendToReturn(Block &block, ArrayRef<Value> values) {
  Operation *terminator = block.getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), values);
}

void basin::sink::addOutputs(GraphOp graph, ArrayRef<GraphOutput> outputs) {
  appendToReturn(
      graph.getBody().front(),
      llvm::map_to_vector(outputs, [](const GraphOutput &output) { return output.value; }));
  graph.setInfoAttr(withOutputs(graph.getInfo(), outputs));
}
