//===- OperatorForm.cpp -----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Applies the patterns of operators to each sink op, in the order in which the ops stand. An op
// that no pattern takes is left to its form, and one remark for each kind of op and reason counts
// those. In the end, nodes that only the replaced forms used are erased.
//
//===----------------------------------------------------------------------===//

#include "ExportForms.h"
#include "LowerOp.h"
#include "OperatorSupport.h"
#include "RuntimeAttention.h"

#include "basin/Dialect/ONNX/Utils/Imports.h"
#include "basin/Dialect/ONNX/Utils/RaiseOpset.h"
#include "basin/Dialect/Sink/IR/Form.h"

#include "basin/Dialect/Sink/IR/Form.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Rewrite/FrozenRewritePatternSet.h"
#include "mlir/Rewrite/PatternApplicator.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

Value SharedValues::get(Block *block, StringRef what, Value source,
                        llvm::function_ref<Value()> make) {
  Value &value = values[{block, what.str(), source.getAsOpaquePointer()}];
  if (!value)
    value = make();
  return value;
}

Value SharedValues::find(Block *block, StringRef what) const {
  auto it = values.find({block, what.str(), nullptr});
  return it == values.end() ? Value() : it->second;
}

namespace {

/// Keeps the reason of the pattern that failed last. Patterns are tried from the most special to
/// the most general one, so its reason is the one that matters.
struct ReasonListener : public RewriterBase::Listener {
  std::string reason;
  void notifyMatchFailure(Location loc,
                          llvm::function_ref<void(Diagnostic &)> reasonCallback) override {
    Diagnostic diagnostic(loc, DiagnosticSeverity::Remark);
    reasonCallback(diagnostic);
    reason = diagnostic.str();
  }
};

/// The ops that stay for one reason.
struct Kept {
  unsigned count = 0;
  std::string first;
};

class OperatorConverter {
public:
  OperatorConverter(ModuleOp module, RewritePatternSet &&set)
      : module(module), patterns(std::move(set)), applicator(patterns),
        rewriter(module.getContext()) {
    applicator.applyDefaultCostModel();
    rewriter.setListener(&listener);
  }
  LogicalResult convert(ArrayRef<Operation *> ops);

private:
  bool rewrite(Operation *op);
  void keep(Operation *op);
  void reportKept();

  ModuleOp module;
  FrozenRewritePatternSet patterns;
  PatternApplicator applicator;
  PatternRewriter rewriter;
  ReasonListener listener;
  std::map<std::pair<StringRef, std::string>, Kept> kept;
};

} // namespace

static StringRef getKind(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case([](sink::RMSNormOp) { return "RMSNorm"; })
      .Case([](sink::LayerNormOp) { return "LayerNorm"; })
      .Case([](sink::RotaryOp) { return "rotary embedding"; })
      .Case([](sink::AttentionOp) { return "attention"; })
      .Case([](sink::GateOp) { return "gate"; })
      .Case([](sink::DyTOp dyt) {
        return dyt.getSquash() == sink::Squash::erf ? "dynamic erf" : "dynamic tanh";
      });
}

bool OperatorConverter::rewrite(Operation *op) {
  listener.reason = "no operator computes it";
  if (op->getParentOfType<sink::RaisedInterface>()) {
    listener.reason = "it stands among the nodes of another op";
    return false;
  }
  if (auto raised = dyn_cast<sink::RaisedInterface>(op); raised && sink::Form(raised).rounds()) {
    listener.reason = "its nodes round to quantized types, which no operator does";
    return false;
  }
  rewriter.setInsertionPoint(op);
  return succeeded(applicator.matchAndRewrite(op, rewriter));
}

void OperatorConverter::keep(Operation *op) {
  if (listener.reason == kIsOperator)
    return;
  Kept &entry = kept[{getKind(op), listener.reason}];
  if (entry.count++ == 0)
    entry.first = sink::getResultName(op, 0).str();
}

void OperatorConverter::reportKept() {
  for (const auto &[what, entry] : kept) {
    InFlightDiagnostic remark = mlir::emitRemark(UnknownLoc::get(module.getContext()));
    remark << "kept " << entry.count << " " << what.first << (entry.count == 1 ? "" : "s");
    if (!entry.first.empty())
      remark << " (" << (entry.count == 1 ? "" : "first: ") << "'" << entry.first << "')";
    remark << ": " << what.second;
  }
}

LogicalResult OperatorConverter::convert(ArrayRef<Operation *> ops) {
  for (Operation *op : ops) {
    if (rewrite(op))
      continue;
    keep(op);
    OpBuilder b(op);
    if (failed(replaceInline(op, b)))
      return failure();
  }
  reportKept();
  return success();
}

//===----------------------------------------------------------------------===//
// Nodes without uses
//===----------------------------------------------------------------------===//

/// Returns whether an initializer is the default of a graph input.
static bool isDefault(InitializerOp op) {
  auto graph = op->getParentOfType<GraphOp>();
  return graph &&
         llvm::any_of(graph.getInfo().getInputs().getAsRange<ValueInfoAttr>(),
                      [&](ValueInfoAttr input) { return input.getName() == op.getNameAttr(); });
}

/// Returns whether the op only computes values that nobody uses.
static bool isUnused(Operation *op) {
  if (auto initializer = dyn_cast<InitializerOp>(op))
    return op->use_empty() && !isDefault(initializer);
  return isOpTriviallyDead(op);
}

static llvm::DenseSet<Operation *> findUnused(ModuleOp module) {
  llvm::DenseSet<Operation *> unused;
  module.walk([&](Operation *op) {
    if (isUnused(op))
      unused.insert(op);
  });
  return unused;
}

/// Erases what is unused, apart from the ops that were unused before.
static void eraseUnused(ModuleOp module, const llvm::DenseSet<Operation *> &before) {
  SmallVector<Operation *> order;
  module.walk([&](Operation *op) { order.push_back(op); });
  for (Operation *op : llvm::reverse(order))
    if (op != module && isUnused(op) && !before.contains(op))
      op->erase();
}

//===----------------------------------------------------------------------===//
// Forms
//===----------------------------------------------------------------------===//

using Populate = llvm::function_ref<void(RewritePatternSet &, SharedValues &)>;

static LogicalResult convertBy(Populate populate, ModuleOp module, ArrayRef<Operation *> ops) {
  llvm::DenseSet<Operation *> unused = findUnused(module);
  SharedValues shared;
  RewritePatternSet patterns(module.getContext());
  populate(patterns, shared);
  if (failed(OperatorConverter(module, std::move(patterns)).convert(ops)))
    return failure();
  eraseUnused(module, unused);
  return success();
}

static void populateRuntimePatterns(RewritePatternSet &patterns, SharedValues &shared) {
  populateRuntimeNormPatterns(patterns, shared);
  populateRuntimeRotaryPatterns(patterns, shared);
  populateRuntimeAttentionPatterns(patterns, shared);
}

static void populateStandardPatterns(RewritePatternSet &patterns, SharedValues &shared) {
  populateStandardNormPatterns(patterns, shared);
  populateStandardRotaryPatterns(patterns, shared);
  populateStandardAttentionPatterns(patterns, shared);
}

LogicalResult basin::convertToRuntimeOperators(ModuleOp module, ArrayRef<Operation *> ops) {
  if (failed(convertBy(populateRuntimePatterns, module, ops)))
    return failure();
  importDomain(module, "com.microsoft", /*version=*/1);
  return success();
}

LogicalResult basin::convertToInPlaceOperators(ModuleOp module, ArrayRef<Operation *> ops) {
  InPlaceCaches caches;
  SmallVector<Operation *> all(ops);
  if (failed(caches.prepare(module, all)))
    return failure();
  auto populate = [&](RewritePatternSet &patterns, SharedValues &shared) {
    populateRuntimePatterns(patterns, shared);
    populateInPlaceAttentionPatterns(patterns, shared, caches);
  };
  if (failed(convertBy(populate, module, all)))
    return failure();
  importDomain(module, "com.microsoft", /*version=*/1);
  return success();
}

static LogicalResult convertToOpset(ModuleOp module, ArrayRef<Operation *> ops, int64_t opset) {
  if (WhyNot why = raiseOpset(module, opset)) {
    mlir::emitRemark(UnknownLoc::get(module.getContext()))
        << "kept all ops: the model cannot import opset " << opset << ": " << *why;
    return convertInline(module, ops);
  }
  return convertBy(populateStandardPatterns, module, ops);
}

LogicalResult basin::convertToOpset23(ModuleOp module, ArrayRef<Operation *> ops) {
  return convertToOpset(module, ops, kOperatorOpset);
}

LogicalResult basin::convertToOpset25(ModuleOp module, ArrayRef<Operation *> ops) {
  return convertToOpset(module, ops, kPastOpset);
}
