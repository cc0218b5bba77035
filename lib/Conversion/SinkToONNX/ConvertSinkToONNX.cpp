//===- ConvertSinkToONNX.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Converts sink ops back to onnx nodes, inline (LowerOp) or as calls of functions (FunctionForm),
// and parameters to initializers. An op inside another one's form is converted before that one.
//
//===----------------------------------------------------------------------===//

#include "ExportForms.h"
#include "LowerOp.h"
#include "NodeNames.h"

#include "basin/Conversion/SinkToONNX/Passes.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin {
#define GEN_PASS_DEF_CONVERTSINKTOONNXPASS
#include "basin/Conversion/SinkToONNX/Passes.h.inc"
} // namespace basin

namespace {

class ConvertSinkToONNXPass : public basin::impl::ConvertSinkToONNXPassBase<ConvertSinkToONNXPass> {
public:
  using ConvertSinkToONNXPassBase::ConvertSinkToONNXPassBase;
  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  LogicalResult lowerParameters();

  const ExportForm *chosen = nullptr;
};

} // namespace

LogicalResult basin::convertInline(ModuleOp, ArrayRef<Operation *> ops) {
  for (Operation *op : ops) {
    OpBuilder b(op);
    if (failed(replaceInline(op, b)))
      return failure();
  }
  return success();
}

LogicalResult ConvertSinkToONNXPass::initialize(MLIRContext *context) {
  chosen = llvm::find_if(kExportForms, [&](const ExportForm &one) { return one.name == form; });
  if (chosen != std::end(kExportForms)) {
    if (cache != CacheUpdate::InPlace || chosen->convertInPlace)
      return success();
    return emitError(UnknownLoc::get(context))
           << "expected form operators:ort with cache=in-place, but got '" << form << "'";
  }
  InFlightDiagnostic diag = emitError(UnknownLoc::get(context))
                            << "unknown export form '" << form << "'; forms: ";
  llvm::interleaveComma(kExportForms, diag, [&](const ExportForm &one) {
    diag << one.name << " (" << one.summary << ")";
  });
  return diag;
}

/// Returns the names that initializers of `graph` cannot take. With the name of a graph input, an
/// initializer would be the default of that input.
static llvm::StringSet<> findTakenNames(GraphOp graph) {
  llvm::StringSet<> names;
  for (auto input : graph.getInfo().getInputs().getAsRange<ValueInfoAttr>())
    names.insert(input.getName().getValue());
  graph.walk([&](InitializerOp op) { names.insert(op.getName()); });
  return names;
}

LogicalResult ConvertSinkToONNXPass::lowerParameters() {
  SmallVector<sink::ParameterOp> parameters;
  getOperation().walk([&](sink::ParameterOp op) { parameters.push_back(op); });
  llvm::DenseMap<Operation *, llvm::StringSet<>> taken;
  for (sink::ParameterOp op : parameters) {
    auto graph = op->getParentOfType<GraphOp>();
    if (!graph)
      return op.emitOpError("expected parameter '")
             << op.getName() << "' in the main graph, but got it in a function, "
             << "which has no initializers";
    auto [it, isNew] = taken.try_emplace(graph);
    if (isNew)
      it->second = findTakenNames(graph);
    std::string name = op.getName().str();
    for (unsigned i = 1; !it->second.insert(name).second; ++i)
      name = (op.getName() + "_" + Twine(i)).str();
    Block &body = graph.getBody().front();
    auto place = llvm::find_if(body, [](Operation &other) { return !isa<InitializerOp>(other); });
    OpBuilder b(&body, place);
    auto initializer =
        InitializerOp::create(b, op.getLoc(), op.getResult().getType(), b.getStringAttr(name),
                              op.getValueAttr(), DictionaryAttr());
    op.getResult().replaceAllUsesWith(initializer->getResult(0));
    op.erase();
  }
  return success();
}

void ConvertSinkToONNXPass::runOnOperation() {
  SmallVector<Operation *> ops;
  getOperation().walk([&](Operation *op) {
    op->removeAttr(sink::kMissAttr);
    if (isa<sink::DecomposableInterface>(op))
      ops.push_back(op);
  });
  NodeNames names(getOperation());
  auto convert = cache == CacheUpdate::InPlace ? chosen->convertInPlace : chosen->convert;
  if (failed(convert(getOperation(), ops)) || failed(lowerParameters()))
    return signalPassFailure();
  settleMadeOps(getOperation());
  names.renameNewNodes();
}
