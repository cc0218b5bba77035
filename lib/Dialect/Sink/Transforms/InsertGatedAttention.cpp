//===- InsertGatedAttention.cpp ---------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gated attention multiplies an attention's result by sigmoid(x W), where x is what the query's
// projection reads. If W is zero, each score is one half. The matrix of the output's projection is
// doubled then: the products (y / 2) (2 w) are those of y w. Where it cannot be, the scores are
// doubled instead, and a gate of 1 changes no result at all. Doubling the gated result would be
// exact only for results whose halves are.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "QueryInput.h"
#include "WeightScaling.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/NodeBuilder.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_INSERTGATEDATTENTIONPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::Layout;

namespace {

/// An attention that gets a gate, and the facts that were proven about it.
struct Candidate {
  sink::AttentionOp op;
  sink::QueryInput input;
  int64_t heads = 0, headDim = 0;
};

class InsertGatedAttentionPass
    : public basin::sink::impl::InsertGatedAttentionPassBase<InsertGatedAttentionPass> {
public:
  using InsertGatedAttentionPassBase::InsertGatedAttentionPassBase;
  void runOnOperation() override;

private:
  FailureOr<SmallVector<sink::AttentionOp>> chooseAttentions();
};

/// Inserts gates of one kind.
class AttentionGateInserter {
public:
  AttentionGateInserter(ModuleOp module, bool isElementwise)
      : names(module), weights(names, /*bound=*/0), isElementwise(isElementwise) {}

  /// Gives the attention a gate. Fails with a diagnostic if the data of a weight cannot be read.
  LogicalResult insert(const Candidate &candidate);
  unsigned getNumProducts() const { return numProducts; }

private:
  FailureOr<bool> doubleProjection(sink::AttentionOp op);
  Value makeWeight(const Candidate &candidate);
  Value layOut(Value scores, const Candidate &candidate, NodeBuilder &n);

  sink::ParameterNames names;
  sink::WeightScaler weights;
  bool isElementwise;
  unsigned numProducts = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

/// Returns the attentions without a gate that the option `attentions` names, in program order.
FailureOr<SmallVector<sink::AttentionOp>> InsertGatedAttentionPass::chooseAttentions() {
  bool isAll = attentions == "all";
  FailureOr<llvm::GlobPattern> pattern =
      sink::parsePattern(getOperation(), "attentions", attentions, "all");
  if (failed(pattern))
    return failure();
  SmallVector<sink::AttentionOp> chosen;
  getOperation().walk([&](sink::AttentionOp op) {
    if (!op.getGate() && pattern->match(getStreamValueName(op.getResult())))
      chosen.push_back(op);
  });
  if (chosen.empty() && !isAll)
    return getOperation().emitError(
               "option 'attentions': no attention without a gate has a name like '")
           << attentions << "'";
  if (chosen.empty())
    getOperation().emitWarning("there is no attention without a gate: no gate was inserted");
  return chosen;
}

//===----------------------------------------------------------------------===//
// Facts
//===----------------------------------------------------------------------===//

namespace {

/// The axes of a result. Heads that are joined with their elements have the axis of these.
struct ResultAxes {
  unsigned batch, sequence, heads;
};

} // namespace

/// Returns the axes of a layout that a gate can have, or nothing for other layouts.
static std::optional<ResultAxes> getResultAxes(Layout layout) {
  switch (layout) {
  case Layout::bhsd:
    return ResultAxes{0, 2, 1};
  case Layout::bshd:
  case Layout::bsd:
    return ResultAxes{0, 1, 2};
  case Layout::sbhd:
    return ResultAxes{1, 0, 2};
  default:
    return std::nullopt;
  }
}

/// Returns what is proven about the attention. Fails with a diagnostic if a gate needs more.
static FailureOr<Candidate> examine(sink::AttentionOp op, bool isElementwise) {
  StringRef name = getStreamValueName(op.getResult());
  TensorInfo result = getTensorInfo(op.getResult());
  std::optional<ResultAxes> axes = getResultAxes(op.getResultLayout());
  auto refuse = [&](const Twine &why) -> FailureOr<Candidate> {
    return op.emitError("attention '") << name << "': " << why;
  };
  if (failed(sink::checkHasParameters(op, "attention '" + name + "'")))
    return failure();
  if (!axes || !result.hasRank() || result.rank() != *sink::getRankOf(op.getResultLayout()))
    return refuse("expected a result with separate axes of batch and sequence to insert a gate, "
                  "but got the layout " +
                  sink::stringifyLayout(op.getResultLayout()));
  FailureOr<sink::QueryInput> input = sink::findQueryInput(op);
  if (failed(input))
    return failure();
  Candidate candidate{op, *input};
  bool isJoined = op.getResultLayout() == Layout::bsd;
  Dim heads = isJoined ? Dim() : result[axes->heads], last = result[result.rank() - 1];
  if (op.getNumHeads())
    heads = *op.getNumHeads();
  if (!heads.isStatic() || !last.isStatic() || heads.size < 1 ||
      (isJoined && last.size % heads.size != 0))
    return refuse("expected static heads to insert a gate, but got " + toString(*result.dims));
  candidate.heads = heads.size;
  candidate.headDim = isJoined ? last.size / heads.size : last.size;
  TensorInfo x = getTensorInfo(input->x);
  for (Type element : {result.element, x.element})
    if (!element || !isScalable(element))
      return refuse("expected f16, bf16, f32 or f64 to insert a gate");
  const Dim &batch = x[input->isSequenceFirst ? 1 : 0], &sequence = x[!input->isSequenceFirst];
  if (!(batch.is(1) || batch.provablyEquals(result[axes->batch])) ||
      !(sequence.is(1) || sequence.provablyEquals(result[axes->sequence])))
    return refuse("batch and sequence " + toString({batch, sequence}) + " of '" +
                  getStreamValueName(input->x) + "' are not proven to be those of the result " +
                  toString(*result.dims));
  OpBuilder b(op);
  constexpr int64_t kFirstExpand = 8;
  if (isJoined && !isElementwise && NodeBuilder(b, op.getLoc()).getOpset() < kFirstExpand)
    return refuse("expected opset 8 or later to expand the scores of heads");
  return candidate;
}

//===----------------------------------------------------------------------===//
// Twice the result
//===----------------------------------------------------------------------===//

/// Returns the only use that does more than read the shape, or null if there are several.
static OpOperand *getOnlyRead(Value value) {
  OpOperand *only = nullptr;
  for (OpOperand &use : value.getUses()) {
    if (isa<ShapeOp>(use.getOwner()))
      continue;
    if (only)
      return nullptr;
    only = &use;
  }
  return only;
}

/// Returns the operand that the result becomes, over views, as the left side of a product beside
/// the attention, or null if it is used in another way.
static OpOperand *findProjection(Value result) {
  Block *block = result.getParentBlock();
  constexpr unsigned kMaxViews = 16;
  for (unsigned i = 0; i < kMaxViews; ++i) {
    OpOperand *use = getOnlyRead(result);
    if (!use || use->getOperandNumber() != 0 || use->getOwner()->getBlock() != block)
      return nullptr;
    Operation *op = use->getOwner();
    if (isa<MatMulOp, GemmOp>(op))
      return use;
    if (!isa<ReshapeOp, TransposeOp, SqueezeOp, UnsqueezeOp, FlattenOp, IdentityOp>(op))
      return nullptr;
    result = op->getResult(0);
  }
  return nullptr;
}

/// Doubles the matrix of the output's projection. Returns whether that is possible and makes up for
/// a gate of one half.
FailureOr<bool> AttentionGateInserter::doubleProjection(sink::AttentionOp op) {
  // In f16 the half of a result below 2^-13 may lose a bit.
  OpOperand *use = findProjection(op.getResult());
  if (!use || getTensorInfo(op.getResult()).element.isF16())
    return false;
  Value matrix = use->getOwner()->getOperand(1);
  if (auto transpose = matrix.getDefiningOp<TransposeOp>(); transpose && matrix.hasOneUse())
    matrix = transpose->getOperand(0);
  if (!isWeight(matrix) || !matrix.hasOneUse())
    return false;
  sink::WeightScale scale{matrix, -1, {1}};
  FailureOr<bool> fits = weights.canTake(scale);
  if (failed(fits) || !*fits)
    return fits;
  if (failed(weights.change(scale)))
    return failure();
  return true;
}

//===----------------------------------------------------------------------===//
// The gate
//===----------------------------------------------------------------------===//

/// Makes the matrix of zeros at the start of the graph.
Value AttentionGateInserter::makeWeight(const Candidate &candidate) {
  sink::AttentionOp op = candidate.op;
  auto x = cast<RankedTensorType>(candidate.input.x.getType());
  int64_t width = candidate.heads * (isElementwise ? candidate.headDim : 1);
  auto type = RankedTensorType::get({x.getShape().back(), width}, x.getElementType());
  OpBuilder b(op->getContext());
  b.setInsertionPointToStart(&op->getParentOfType<GraphOp>().getBody().front());
  std::string name = names.make((getStreamValueName(op.getResult()) + ".gate_weight").str());
  return sink::ParameterOp::create(b, op.getLoc(), type, name,
                                   DenseElementsAttr::get(type, b.getZeroAttr(x.getElementType())));
}

/// Returns the scores [a, b, heads] or [a, b, heads * head dim], where a and b are batch and
/// sequence or the other way round, in the result's layout.
Value AttentionGateInserter::layOut(Value scores, const Candidate &candidate, NodeBuilder &n) {
  sink::AttentionOp op = candidate.op;
  Layout layout = op.getResultLayout();
  ResultAxes axes = *getResultAxes(layout);
  bool isJoined = layout == Layout::bsd, swaps = candidate.input.isSequenceFirst;
  if (isJoined && isElementwise)
    return swaps ? n.transpose(scores, {1, 0, 2}) : scores;
  Value parted = isElementwise ? n.reshape(scores, {0, 0, candidate.heads, candidate.headDim})
                               : n.unsqueeze(scores, {3});
  SmallVector<int64_t> perm(4, 3);
  perm[axes.batch] = swaps ? 1 : 0;
  perm[axes.sequence] = swaps ? 0 : 1;
  perm[axes.heads] = 2;
  if (!llvm::is_sorted(perm))
    parted = n.transpose(parted, perm);
  if (!isJoined)
    return parted;
  Value expanded = n.expand(parted, n.constant({1, 1, 1, candidate.headDim}));
  return n.reshape(expanded, {0, 0, candidate.heads * candidate.headDim});
}

LogicalResult AttentionGateInserter::insert(const Candidate &candidate) {
  sink::AttentionOp op = candidate.op;
  FailureOr<bool> isDoubled = doubleProjection(op);
  if (failed(isDoubled))
    return failure();
  Value weight = makeWeight(candidate);
  OpBuilder b(op);
  NodeBuilder n(b, op.getLoc());
  Value scores = n.node<SigmoidOp>({n.node<MatMulOp>({candidate.input.x, weight})});
  if (!*isDoubled) {
    scores = n.node<MulOp>({scores, n.scalar(2, getTensorInfo(candidate.input.x).element)});
    ++numProducts;
  }
  scores = n.cast(scores, getTensorInfo(op.getResult()).element);
  op.getGateMutable().assign(layOut(scores, candidate, n));
  return success();
}

void InsertGatedAttentionPass::runOnOperation() {
  if (granularity != "head" && granularity != "element") {
    getOperation().emitError("option 'granularity': expected 'head' or 'element', but got '")
        << granularity << "'";
    return signalPassFailure();
  }
  FailureOr<SmallVector<sink::AttentionOp>> chosen = chooseAttentions();
  if (failed(chosen))
    return signalPassFailure();
  bool isElementwise = granularity == "element";
  SmallVector<Candidate> candidates;
  for (sink::AttentionOp op : *chosen) {
    FailureOr<Candidate> candidate = examine(op, isElementwise);
    if (failed(candidate))
      return signalPassFailure();
    candidates.push_back(*candidate);
  }
  AttentionGateInserter inserter(getOperation(), isElementwise);
  for (const Candidate &candidate : candidates) {
    if (failed(inserter.insert(candidate)))
      return signalPassFailure();
    ++numInserted;
  }
  numProducts += inserter.getNumProducts();
}
