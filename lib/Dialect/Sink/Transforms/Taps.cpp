//===- Taps.cpp -------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the taps and their layers. A value's level is the number of attentions that it depends on
// one after the other. An addition that raises the stream's level is therefore attention's, and
// one that does not is the feed-forward's. Values between two additions belong to the layer of the
// second one.
//
// The stream starts at its first writer, an embedding or a norm, and continues through additions
// to itself. If the sum of two branches (parallel attention and feed-forward) is added to it
// later, that sum is no state of the stream.
//
//===----------------------------------------------------------------------===//

#include "Taps.h"

#include "MatrixProducts.h"

#include "basin/Dialect/ONNX/Utils/Constants.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

StringRef basin::sink::toString(Tap::Kind kind) {
  switch (kind) {
  case Tap::Residual:
    return "residual";
  case Tap::Projection:
    return "projection";
  case Tap::Norm:
    return "norm";
  case Tap::Attention:
    return "attention";
  }
  llvm_unreachable("a tap of no kind");
}

static bool isNorm(Operation *op) { return isa_and_nonnull<NormInterface>(op); }

namespace {

class TapFinder {
public:
  explicit TapFinder(ModuleOp module) : module(module) {}
  llvm::MapVector<Block *, SmallVector<Tap>> find();

private:
  unsigned findLevels(Block &block);
  unsigned levelOf(Value value) const { return levels.lookup(value); }

  class States;
  void findStream(const ResidualStream &stream, unsigned number);
  SmallVector<Value> findStarts(const ResidualStream &stream) const;

  void findOps();
  bool writesStream(Value result) const;
  void addProjection(Operation *op);
  StringRef roleOf(Operation *op, Value input) const;
  void addNorm(Operation *norm);
  StringRef placeOf(Operation *norm) const;

  /// What a value reaches on paths that end at additions to the stream: the least level of such an
  /// addition, and whether it reaches an attention and an output.
  struct Reach {
    std::optional<unsigned> level;
    bool attention = false, output = false;
  };
  Reach reach(Value from) const;
  bool comesFromAttention(Value value) const;

  ModuleOp module;
  DenseMap<Value, unsigned> levels;
  /// The members of the residual streams, and the additions among them.
  DenseSet<Value> members, sums;
  /// The stream that each norm reads, also through casts and other ops that tie its members.
  DenseMap<Operation *, unsigned> streamOfNorm;
  SmallVector<Tap> residuals, projections, norms, attentions;
  llvm::MapVector<Value, unsigned> projectionOf;
};

} // namespace

//===----------------------------------------------------------------------===//
// Levels
//===----------------------------------------------------------------------===//

unsigned TapFinder::findLevels(Block &block) {
  unsigned last = 0;
  for (Operation &op : block) {
    unsigned level = 0;
    for (Value operand : op.getOperands())
      level = std::max(level, levelOf(operand));
    if (isa<sink::AttentionOp>(op))
      ++level;
    // A form repeats what its op computes. Other subgraphs compute something of their own.
    if (!isa<RaisedInterface>(op))
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          level = std::max(level, findLevels(inner));
    for (Value result : op.getResults())
      levels[result] = level;
    last = level;
  }
  return last;
}

//===----------------------------------------------------------------------===//
// Residual streams
//===----------------------------------------------------------------------===//

/// Returns the values that the stream starts with: its members of the least level, except the
/// result of a feed-forward parallel to the first attention, which has that level, too.
SmallVector<Value> TapFinder::findStarts(const ResidualStream &stream) const {
  unsigned least = ~0u;
  SmallVector<Value> starts, projected;
  for (const StreamWriter &writer : stream.writers) {
    if (writer.kind == StreamWriter::Constant)
      continue;
    unsigned level = levelOf(writer.value);
    bool isProjection = writer.kind == StreamWriter::Projection;
    SmallVector<Value> &list = isProjection ? projected : starts;
    if (isProjection && !projected.empty())
      continue;
    if (!isProjection && level < least) {
      least = level;
      starts.clear();
    }
    if (isProjection || level == least)
      list.push_back(writer.value);
  }
  return starts.empty() ? projected : starts;
}

/// The states of one stream, in program order.
class TapFinder::States {
public:
  States(TapFinder &finder, const ResidualStream &stream, unsigned number);
  void visit(Value value);
  void visitNorm(NormInterface norm);
  /// Makes the start a tap if nothing was added to it.
  void finish();

private:
  void addSum(Value sum, Operation *norm, ValueRange operands, unsigned after);
  bool isState(Value value) const { return states.contains(value); }
  void push(Value value, Operation *op, unsigned layer, StringRef place) {
    finder.residuals.push_back({Tap::Residual, value, op, layer, place, number, {}, {}});
  }

  TapFinder &finder;
  unsigned number, least = 0;
  DenseSet<Value> states;
  /// The value that becomes the first tap: the embedding, after positions and segments were added
  /// to it before the first layer.
  Value start;
};

TapFinder::States::States(TapFinder &finder, const ResidualStream &stream, unsigned number)
    : finder(finder), number(number) {
  SmallVector<Value> starts = finder.findStarts(stream);
  states.insert(starts.begin(), starts.end());
  if (starts.empty())
    return;
  start = starts.front();
  least = finder.levelOf(start);
}

void TapFinder::States::finish() {
  if (start)
    push(start, nullptr, least, least == 0 ? "embedding" : "norm");
  start = Value();
}

/// Adds a tap for `sum`, or for the sum that `norm` computes and does not return.
void TapFinder::States::addSum(Value sum, Operation *norm, ValueRange operands, unsigned after) {
  std::optional<unsigned> before;
  bool isStart = true;
  for (Value operand : operands) {
    if (isState(operand))
      before = std::max(before.value_or(0), finder.levelOf(operand));
    else
      isStart &= isa_and_nonnull<InitializerOp, ConstantOp>(operand.getDefiningOp());
  }
  if (!before)
    return;
  if (sum)
    states.insert(sum);
  if (isStart) {
    if (start && sum && after == least)
      start = sum;
    return;
  }
  finish();
  push(sum ? sum : norm->getResult(0), sum ? nullptr : norm, after,
       after > *before ? "attention" : "mlp");
}

void TapFinder::States::visit(Value value) {
  Operation *def = value.getDefiningOp();
  if (!def || isa<InitializerOp, ConstantOp>(def))
    return;
  if (isa<AddOp, SubOp, SumOp>(def)) {
    finder.sums.insert(value);
    addSum(value, nullptr, def->getOperands(), finder.levelOf(value));
  } else if (auto norm = getResidualNorm(def); norm && value == norm.getSum()) {
    finder.sums.insert(value);
    addSum(value, nullptr, {norm.getX(), norm.getResidual()}, finder.levelOf(value));
  } else if (!isNorm(def) &&
             llvm::any_of(def->getOperands(), [&](Value v) { return isState(v); })) {
    states.insert(value);
    if (start && llvm::is_contained(def->getOperands(), start))
      start = value;
  }
}

/// Adds the sum of a norm that adds a residual and does not return it.
void TapFinder::States::visitNorm(NormInterface norm) {
  if (norm.getResidual() && !norm.getSum())
    addSum(Value(), norm, {norm.getX(), norm.getResidual()}, finder.levelOf(norm.getResult()));
}

void TapFinder::findStream(const ResidualStream &stream, unsigned number) {
  for (Value value : stream.values)
    members.insert(value);
  States states(*this, stream, number);
  for (Value value : stream.values)
    states.visit(value);
  for (const StreamReader &reader : stream.readers)
    if (reader.kind == StreamReader::Norm) {
      streamOfNorm[reader.use->getOwner()] = number;
      states.visitNorm(cast<NormInterface>(reader.use->getOwner()));
    }
  states.finish();
}

//===----------------------------------------------------------------------===//
// Projections, norms and attention
//===----------------------------------------------------------------------===//

TapFinder::Reach TapFinder::reach(Value from) const {
  Reach out;
  DenseSet<Value> seen;
  SmallVector<Value> work{from};
  while (!work.empty()) {
    Value value = work.pop_back_val();
    for (OpOperand &use : value.getUses()) {
      Operation *user = use.getOwner();
      if (isa<sink::AttentionOp>(user))
        out.attention |= use.getOperandNumber() < 3;
      if (isa<ReturnOp>(user))
        out.output = true;
      if (getResidualNorm(user)) {
        unsigned level = levelOf(user->getResult(0));
        out.level = std::min(out.level.value_or(level), level);
        continue;
      }
      // Shapes carry no activations, and ops inside a form are part of their sink op.
      if (isa<ShapeOp, SizeOp>(user) || user->getParentOfType<RaisedInterface>())
        continue;
      for (Value result : user->getResults()) {
        if (sums.contains(result)) {
          unsigned level = levelOf(result);
          out.level = std::min(out.level.value_or(level), level);
        } else if (seen.insert(result).second) {
          work.push_back(result);
        }
      }
    }
  }
  return out;
}

/// Returns whether `value` is an attention's result, seen through views, products and gates.
bool TapFinder::comesFromAttention(Value value) const {
  DenseSet<Value> seen;
  SmallVector<Value> work{value};
  while (!work.empty()) {
    Value one = work.pop_back_val();
    Operation *def = one.getDefiningOp();
    if (!def || !seen.insert(one).second)
      continue;
    if (isa<sink::AttentionOp>(def))
      return true;
    if (isa<ReshapeOp, TransposeOp, CastOp, IdentityOp, SqueezeOp, UnsqueezeOp, FlattenOp,
            DequantizeLinearOp, QuantizeLinearOp, DynamicQuantizeLinearOp>(def))
      work.push_back(def->getOperand(0));
    else if (isa<MulOp>(def))
      llvm::append_range(work, def->getOperands());
  }
  return false;
}

/// Returns whether every operand of `op` other than `through` is a constant or one number.
static bool hasPlainOthers(Operation *op, Value through) {
  return llvm::all_of(op->getOperands(), [&](Value other) {
    if (other == through || isConstant(other))
      return true;
    auto type = dyn_cast<RankedTensorType>(other.getType());
    return type && type.hasStaticShape() && type.getNumElements() == 1;
  });
}

/// Returns whether the product's result goes into the stream unchanged, except for a bias, views,
/// casts and the scales of a quantization.
bool TapFinder::writesStream(Value result) const {
  DenseSet<Value> seen;
  SmallVector<Value> work{result};
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (members.contains(value))
      return true;
    for (Operation *user : value.getUsers()) {
      bool isStep = isa<CastOp, IdentityOp, ReshapeOp, SqueezeOp, UnsqueezeOp, QuantizeLinearOp,
                        DequantizeLinearOp>(user) ||
                    (isa<AddOp, MulOp, DivOp>(user) && hasPlainOthers(user, value));
      Value next = getOutputOrNull(user, 0);
      if (next && isa<AddOp>(user) && members.contains(next))
        return true;
      if (next && isStep && seen.insert(next).second)
        work.push_back(next);
    }
  }
  return false;
}

StringRef TapFinder::roleOf(Operation *op, Value input) const {
  if (comesFromAttention(input))
    return "o";
  Value result = op->getResult(0);
  Reach reached = reach(result);
  if (reached.attention)
    return "qkv";
  if (writesStream(result))
    return "down";
  if (reached.level)
    return "up";
  return reached.output ? "head" : "other";
}

void TapFinder::addProjection(Operation *op) {
  std::optional<MatrixProduct> product = matchMatrixProduct(op);
  if (!product)
    return;
  Value value = product->input;
  auto [it, isNew] = projectionOf.insert({value, projections.size()});
  if (isNew) {
    unsigned layer = reach(op->getResult(0)).level.value_or(levelOf(value));
    projections.push_back({Tap::Projection, value, op, layer, "", std::nullopt, {}, {}});
    projections.back().scale = product->scale;
    projections.back().zeroPoint = product->zeroPoint;
  }
  Tap &tap = projections[it->second];
  StringRef role = roleOf(op, value);
  tap.roles.insert(role);
  tap.products.push_back({op, product->weight, role});
}

StringRef TapFinder::placeOf(Operation *norm) const {
  Reach reached = reach(norm->getResult(0));
  bool readsStream = members.contains(norm->getOperand(0));
  if (!readsStream)
    return members.contains(norm->getResult(0)) ? "output" : reached.attention ? "head" : "other";
  if (reached.attention)
    return "attention";
  return reached.level ? "mlp" : "final";
}

void TapFinder::addNorm(Operation *norm) {
  Value result = norm->getResult(0);
  unsigned layer = reach(result).level.value_or(levelOf(result));
  std::optional<unsigned> stream;
  if (auto it = streamOfNorm.find(norm); it != streamOfNorm.end())
    stream = it->second;
  norms.push_back({Tap::Norm, result, norm, layer, placeOf(norm), stream, {}, {}});
}

void TapFinder::findOps() {
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<FunctionOp>(op))
      return WalkResult::skip();
    addProjection(op);
    if (isNorm(op))
      addNorm(op);
    if (isa<sink::AttentionOp>(op))
      attentions.push_back({Tap::Attention,
                            op->getResult(0),
                            op,
                            levelOf(op->getResult(0)),
                            "",
                            std::nullopt,
                            {},
                            {}});
    return isa<RaisedInterface>(op) ? WalkResult::skip() : WalkResult::advance();
  });
}

llvm::MapVector<Block *, SmallVector<Tap>> TapFinder::find() {
  for (GraphOp graph : module.getOps<GraphOp>())
    findLevels(graph.getBody().front());
  for (auto [number, stream] : llvm::enumerate(findResidualStreams(module)))
    if (!stream.values.front().getParentRegion()->getParentOfType<FunctionOp>())
      findStream(stream, number);
  findOps();
  llvm::MapVector<Block *, SmallVector<Tap>> out;
  for (SmallVector<Tap> *list : {&residuals, &projections, &norms, &attentions})
    for (Tap &tap : *list)
      out[tap.value.getParentBlock()].push_back(std::move(tap));
  return out;
}

llvm::MapVector<Block *, SmallVector<Tap>> basin::sink::findTaps(ModuleOp module) {
  return TapFinder(module).find();
}
