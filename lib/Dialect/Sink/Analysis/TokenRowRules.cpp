//===- TokenRowRules.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types hold for any number of tokens, because sizes have names. So a view keeps rows if the types
// prove that an axis of the result has the tokens' size and as many elements after it. An op
// without a rule has no rows.
//
//===----------------------------------------------------------------------===//

#include "TokenRowRules.h"

#include "basin/Dialect/ONNX/ShapeInference/ShapeValues.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

static RowOutcome fail(const Twine &why) { return {std::nullopt, why.str(), {}}; }
static RowOutcome give(const TokenRow &row) { return {row, {}, {}}; }

static std::string quote(Value value) {
  StringRef name = getStreamValueName(value);
  return name.empty() ? "an operand" : ("'" + name + "'").str();
}

/// Returns the ONNX name of a node with its domain, if that is not ai.onnx.
static std::string getOperator(Operation *op) {
  auto node = dyn_cast<NodeInterface>(op);
  if (!node)
    return op->getName().getStringRef().str();
  StringRef domain = node.getOpDomain();
  return ((domain.empty() ? "" : domain + ".") + node.getOpType()).str();
}

bool basin::isElementwise(Operation *op) {
  if (isa<AbsOp, NegOp, ExpOp, LogOp, SqrtOp, ReciprocalOp, SigmoidOp, TanhOp, ReluOp, ErfOp, SinOp,
          CosOp, SoftplusOp, FloorOp, CeilOp, RoundOp, SignOp, NotOp, GeluOp, EluOp, LeakyReluOp,
          HardSigmoidOp, HardSwishOp, MishOp, SeluOp, SwishOp, ClipOp, IdentityOp, PReluOp, IsNaNOp,
          IsInfOp>(op))
    return true;
  if (isa<AddOp, SubOp, MulOp, DivOp, PowOp, ModOp, AndOp, OrOp, XorOp, MinOp, MaxOp, SumOp, MeanOp,
          EqualOp, LessOp, GreaterOp, LessOrEqualOp, GreaterOrEqualOp, WhereOp, CastOp>(op))
    return true;
  if (isa<MSGeluOp, MSFastGeluOp, MSBiasGeluOp, MSQuickGeluOp>(op))
    return true;
  auto node = dyn_cast<NodeInterface>(op);
  static const llvm::StringSet<> named{"BitShift",   "BitwiseAnd", "BitwiseNot", "BitwiseOr",
                                       "BitwiseXor", "Celu",       "Cosh",       "HardTanh",
                                       "Sinh",       "Softsign",   "Tan",        "ThresholdedRelu",
                                       "Atan",       "Acos",       "Asin"};
  return node && node.getOpDomain().empty() && named.contains(node.getOpType());
}

/// Returns the product of the dims from `begin` on.
static Dim productFrom(ArrayRef<Dim> dims, size_t begin) {
  return multiplyDims(dims.drop_front(begin));
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

std::optional<std::string> RowRule::addBroadcast(OpOperand &operand, ArrayRef<Dim> dims,
                                                 const TokenRow &row, RowOutcome &outcome) {
  Value value = operand.get();
  TensorInfo info = getTensorInfo(value);
  if (!info.hasRank())
    return "the rank of " + quote(value) + " is not known";
  // Axes are aligned from the right.
  int64_t shift = int64_t(dims.size()) - info.rank(), axis = int64_t(row.axis) - shift;
  bool isOne = axis < 0 || info[axis].is(1);
  if (get(value).kind == TokenRow::Same) {
    if (isOne)
      return std::nullopt;
    return "along the tokens, " + quote(value) + " has a size of its own: " + toString(*info.dims);
  }
  if (get(value).kind != TokenRow::Positions)
    return quote(value) + " depends on the number of tokens, or on later ones";
  for (int64_t i = 0; i < info.rank(); ++i)
    if (!info[i].is(1) && (i + shift < 0 || !info[i].provablyEquals(dims[i + shift])) &&
        !(i == axis && info[i].provablyEquals(Dim(row.tokens))))
      return quote(value) + " " + toString(*info.dims) +
             " counts tokens, and its sizes are not proven to be 1 or those of " + toString(dims);
  if (row.isJoined && !isOne)
    return quote(value) + " counts tokens, and batch and tokens are one axis";
  outcome.whole.push_back({&operand, isOne ? std::optional<unsigned>() : axis});
  return std::nullopt;
}

std::optional<std::string> RowRule::findChangedOperand(unsigned first) {
  for (Value operand : op->getOperands().drop_front(first))
    if (get(operand).kind != TokenRow::Same)
      return quote(operand) + " depends on the tokens";
  return std::nullopt;
}

std::optional<int64_t> RowRule::getAxis(Value x, int64_t otherwise) {
  TensorInfo info = getTensorInfo(x);
  auto attr = op->getAttrOfType<IntegerAttr>("axis");
  int64_t axis = attr ? attr.getInt() : otherwise;
  if (!info.hasRank() || axis < -info.rank() || axis >= info.rank())
    return std::nullopt;
  return axis < 0 ? axis + info.rank() : axis;
}

//===----------------------------------------------------------------------===//
// Elementwise ops and products
//===----------------------------------------------------------------------===//

RowOutcome RowRule::applyElementwise(MutableArrayRef<OpOperand> operands) {
  OpOperand *lead = nullptr;
  int64_t rank = 0;
  for (OpOperand &operand : operands) {
    TensorInfo info = getTensorInfo(operand.get());
    if (operand.get().getDefiningOp<AbsentOp>())
      continue;
    if (!info.hasRank())
      return fail("the rank of " + quote(operand.get()) + " is not known");
    rank = std::max(rank, info.rank());
    if (!lead && get(operand.get()).kind == TokenRow::Rows)
      lead = &operand;
  }
  TokenRow row = get(lead->get());
  Dims dims = *getTensorInfo(lead->get()).dims;
  int64_t fromRight = int64_t(dims.size()) - row.axis;
  RowOutcome outcome = give(row.along(rank - fromRight));
  for (OpOperand &operand : operands) {
    if (&operand == lead || operand.get().getDefiningOp<AbsentOp>())
      continue;
    TokenRow other = get(operand.get());
    if (other.kind != TokenRow::Rows) {
      if (std::optional<std::string> why = addBroadcast(operand, dims, row, outcome))
        return fail(*why);
    } else if (getTensorInfo(operand.get()).rank() - int64_t(other.axis) != fromRight ||
               other.isJoined != row.isJoined) {
      return fail("tokens lie along different axes of " + quote(lead->get()) + " and " +
                  quote(operand.get()));
    }
  }
  return outcome;
}

RowOutcome RowRule::applyMatMul(Value a, Value b) {
  TensorInfo left = getTensorInfo(a), right = getTensorInfo(b);
  if (!left.hasRank() || !right.hasRank() || left.rank() < 2 || right.rank() < 2)
    return fail("the ranks of its operands are not known, or below two");
  TokenRow x = get(a), y = get(b);
  if (x.kind != TokenRow::Same && y.kind != TokenRow::Same)
    return fail("both operands depend on the tokens");
  bool isLeft = x.kind == TokenRow::Rows;
  const TensorInfo &info = isLeft ? left : right, &other = isLeft ? right : left;
  TokenRow row = isLeft ? x : y;
  int64_t fromRight = info.rank() - row.axis;
  if (fromRight == (isLeft ? 1 : 2))
    return fail("it sums over the tokens");
  // A batch axis of the other operand must not be one of tokens.
  if (fromRight > 2 && other.rank() >= fromRight && !other[other.rank() - fromRight].is(1))
    return fail("both operands have a size along the tokens");
  int64_t rank = std::max(info.rank(), other.rank());
  return give(row.along(rank - fromRight));
}

RowOutcome RowRule::applyGemm() {
  TokenRow row = get(op->getOperand(0));
  auto transposed = op->getAttrOfType<IntegerAttr>("transA");
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  if (row.axis != 0 || (transposed && transposed.getInt() != 0))
    return fail("it sums over the tokens");
  if (Value bias = getInputOrNull(op, 2)) {
    TensorInfo info = getTensorInfo(bias);
    if (!info.hasRank() || (info.rank() == 2 && !info[0].is(1)))
      return fail("its summand has a size along the tokens");
  }
  return give(row);
}

/// Products with a packed matrix, which is no tensor of two axes.
RowOutcome RowRule::applyPackedMatMul() {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  TokenRow row = get(op->getOperand(0));
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  if (!info.hasRank() || int64_t(row.axis) + 1 >= info.rank())
    return fail("it sums over the tokens");
  return give(row);
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

RowOutcome RowRule::applyView(Value x) {
  TensorInfo from = getTensorInfo(x), to = getTensorInfo(op->getResult(0));
  TokenRow row = get(x);
  if (row.kind != TokenRow::Rows || !from.hasRank() || !to.hasRank())
    return fail("its sizes are not known");
  Dim after = productFrom(*from.dims, row.axis + 1), tokens(row.tokens);
  for (size_t i = 0; i < to.dims->size(); ++i) {
    // The number of elements after the tokens tells where they are in the row-major order.
    if (!productFrom(*to.dims, i + 1).provablyEquals(after))
      continue;
    TokenRow moved = row.along(i);
    moved.isJoined =
        !to[i].provablyEquals(tokens) && (row.isJoined || !to[i].provablyEquals(from[row.axis]));
    Dim joined = row.isJoined ? from[row.axis]
                              : multiplyDims(ArrayRef<Dim>(*from.dims).take_front(row.axis + 1));
    if (!moved.isJoined || to[i].provablyEquals(joined))
      return give(moved);
  }
  return fail("the axis of the tokens is not proven among " + toString(*from.dims) + " and " +
              toString(*to.dims));
}

RowOutcome RowRule::applyTranspose() {
  auto perm = op->getAttrOfType<DenseI64ArrayAttr>("perm");
  TensorInfo info = getTensorInfo(op->getOperand(0));
  TokenRow row = get(op->getOperand(0));
  if (!info.hasRank())
    return fail("its rank is not known");
  if (!perm)
    return give(row.along(info.rank() - 1 - row.axis));
  for (auto [i, from] : llvm::enumerate(perm.asArrayRef()))
    if (from == row.axis)
      return give(row.along(i));
  return fail("its permutation lacks the axis of the tokens");
}

//===----------------------------------------------------------------------===//
// Ops along one axis
//===----------------------------------------------------------------------===//

/// Softmax, ArgMax and TopK.
RowOutcome RowRule::applyAlongAxis() {
  TokenRow row = get(op->getOperand(0));
  bool isSoftmax = isa<SoftmaxOp, LogSoftmaxOp>(op);
  constexpr int64_t kFirstSingleAxis = 13;
  bool isFlattened = isSoftmax && getOpsetVersion(op) < kFirstSingleAxis;
  std::optional<int64_t> axis = getAxis(op->getOperand(0), isSoftmax ? (isFlattened ? 1 : -1) : 0);
  if (isa<TopKOp>(op))
    axis = getAxis(op->getOperand(0), -1);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  // Before opset 13 a Softmax takes all axes from its own on as one.
  if (!axis || *axis == row.axis || (isFlattened && *axis < row.axis))
    return fail("it looks at all tokens");
  auto keeps = op->getAttrOfType<IntegerAttr>("keepdims");
  bool isDropped = isa<ArgMaxOp, ArgMinOp>(op) && keeps && keeps.getInt() == 0;
  return give(row.along(isDropped && *axis < row.axis ? row.axis - 1 : row.axis));
}

RowOutcome RowRule::applyReduce() {
  TensorInfo info = getTensorInfo(op->getOperand(0));
  TokenRow row = get(op->getOperand(0));
  auto axes = info.hasRank() ? getAxes(op, info.rank()) : std::nullopt;
  if (!axes || llvm::is_contained(*axes, int64_t(row.axis)))
    return fail("it looks at all tokens");
  auto keeps = op->getAttrOfType<IntegerAttr>("keepdims");
  unsigned dropped = llvm::count_if(*axes, [&](int64_t axis) { return axis < row.axis; });
  return give(row.along(keeps && keeps.getInt() == 0 ? row.axis - dropped : row.axis));
}

RowOutcome RowRule::applyConcat() {
  OpOperand *lead = llvm::find_if(op->getOpOperands(), [&](OpOperand &operand) {
    return get(operand.get()).kind == TokenRow::Rows;
  });
  TensorInfo info = getTensorInfo(lead->get());
  TokenRow row = get(lead->get());
  std::optional<int64_t> axis = getAxis(lead->get(), 0);
  if (!axis || *axis == row.axis)
    return fail("it adds rows to those of the tokens");
  RowOutcome outcome = give(row);
  for (OpOperand &operand : op->getOpOperands()) {
    TokenRow other = get(operand.get());
    TensorInfo size = getTensorInfo(operand.get());
    if (other.kind == TokenRow::Rows && other.axis == row.axis && other.isJoined == row.isJoined)
      continue;
    bool fits = size.hasRank() && size.rank() == info.rank() &&
                (size[row.axis].provablyEquals(info[row.axis]) ||
                 size[row.axis].provablyEquals(Dim(row.tokens)));
    if (other.kind != TokenRow::Positions || row.isJoined || !fits)
      return fail(quote(operand.get()) + " has no row for each token");
    outcome.whole.push_back({&operand, row.axis});
  }
  return outcome;
}

RowOutcome RowRule::applySplit() {
  TokenRow row = get(op->getOperand(0));
  std::optional<int64_t> axis = getAxis(op->getOperand(0), 0);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  if (!axis || *axis == row.axis)
    return fail("it parts the tokens");
  return give(row);
}

RowOutcome RowRule::applySlice() {
  Value x = op->getOperand(0);
  TensorInfo info = getTensorInfo(x);
  TokenRow row = get(x);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  auto read = [&](StringRef name, unsigned operand) -> std::optional<SmallVector<int64_t>> {
    if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>(name))
      return SmallVector<int64_t>(attr.asArrayRef());
    Value value = getInputOrNull(op, operand);
    return value ? getConstantInts(value) : std::nullopt;
  };
  auto axes = info.hasRank() ? getAxes(op, info.rank()) : std::nullopt;
  auto starts = read("starts", 1), ends = read("ends", 2), steps = read("steps", 4);
  bool hasAxes = op->hasAttr("axes") || getInputOrNull(op, 3);
  if (!axes && starts && !hasAxes)
    axes = llvm::to_vector(llvm::seq<int64_t>(0, starts->size()));
  if (!axes)
    return fail("its axes are not known");
  auto *at = llvm::find(*axes, int64_t(row.axis));
  if (at == axes->end())
    return give(row);
  size_t i = at - axes->begin();
  constexpr int64_t kEnd = std::numeric_limits<int32_t>::max();
  bool isStepped = getInputOrNull(op, 4) && (!steps || (*steps)[i] != 1);
  if (!starts || !ends || i >= starts->size() || i >= ends->size() || isStepped ||
      (*ends)[i] < kEnd || row.isJoined)
    return fail("it chooses among the tokens");
  if ((*starts)[i] == 0)
    return give(row);
  // The last token is never left out.
  return (*starts)[i] == -1 ? give({TokenRow::Last}) : fail("it chooses among the tokens");
}

RowOutcome RowRule::applyGather() {
  Value data = op->getOperand(0), indices = op->getOperand(1);
  TensorInfo info = getTensorInfo(data), index = getTensorInfo(indices);
  TokenRow row = get(data), chosen = get(indices);
  std::optional<int64_t> axis = getAxis(data, 0);
  if (!axis || !index.hasRank())
    return fail("its axis is not known");
  if (row.kind == TokenRow::Same && chosen.kind == TokenRow::Rows)
    return give(chosen.along(*axis + chosen.axis));
  if (row.kind != TokenRow::Rows || chosen.kind != TokenRow::Same)
    return fail("it looks up what depends on the tokens");
  if (*axis != row.axis)
    return give(row.along(*axis < row.axis ? row.axis + index.rank() - 1 : row.axis));
  auto last = getConstantInts(indices);
  if (!row.isJoined && last && llvm::all_of(*last, [](int64_t i) { return i == -1; }))
    return give({TokenRow::Last});
  return fail("it chooses among the tokens");
}

RowOutcome RowRule::applyExpand() {
  TensorInfo from = getTensorInfo(op->getOperand(0)), to = getTensorInfo(op->getResult(0));
  TokenRow row = get(op->getOperand(0));
  if (row.kind != TokenRow::Rows || !from.hasRank() || !to.hasRank())
    return fail("its sizes are not known");
  unsigned axis = to.rank() - from.rank() + row.axis;
  if (!to[axis].provablyEquals(from[row.axis]))
    return fail("it may repeat the tokens");
  return give(row.along(axis));
}

/// QuantizeLinear and DequantizeLinear with a scale for the tensor or along another axis.
RowOutcome RowRule::applyQuantize() {
  TokenRow row = get(op->getOperand(0));
  TensorInfo scale = getTensorInfo(op->getOperand(1));
  std::optional<int64_t> axis = getAxis(op->getOperand(0), 1);
  if (std::optional<std::string> why = findChangedOperand(1))
    return fail(*why);
  bool isOne = scale.hasRank() && llvm::all_of(*scale.dims, [](Dim dim) { return dim.is(1); });
  if (!isOne && (!scale.hasRank() || scale.rank() != 1 || !axis || *axis == row.axis))
    return fail("its scales are not proven to be those of any token");
  return give(row);
}

//===----------------------------------------------------------------------===//
// Sink ops
//===----------------------------------------------------------------------===//

RowOutcome RowRule::applySinkOp() {
  if (auto attention = dyn_cast<sink::AttentionOp>(op))
    return applyAttention(attention);
  if (auto rotary = dyn_cast<sink::RotaryOp>(op))
    return applyRotary(rotary);
  // Norms, gates and dynamic tanh look along the last axis.
  Value x = op->getOperand(0);
  TensorInfo info = getTensorInfo(x);
  TokenRow row = get(x);
  if (row.kind != TokenRow::Rows || !info.hasRank() || int64_t(row.axis) + 1 == info.rank())
    return fail("it looks at all tokens");
  auto norm = dyn_cast<sink::NormInterface>(op);
  for (Value operand : op->getOperands().drop_front()) {
    TokenRow other = get(operand);
    bool isResidual = norm && operand == norm.getResidual();
    bool isSum = isResidual && other.kind == TokenRow::Rows && other.axis == row.axis &&
                 getTensorInfo(operand).hasRank() && getTensorInfo(operand).rank() == info.rank();
    if (!isSum && other.kind != TokenRow::Same)
      return fail(quote(operand) + " depends on the tokens in another way");
  }
  return give(row);
}

RowOutcome RowRule::applyRotary(sink::RotaryOp rotary) {
  TensorInfo info = getTensorInfo(rotary.getX());
  TokenRow row = get(rotary.getX());
  sink::Layout layout = rotary.getLayout();
  unsigned sequence = sink::getSequenceAxis(layout);
  if (!row.isRowsAlong(sequence) || !info.hasRank())
    return fail("tokens do not lie along its sequence");
  RowOutcome outcome = give(row);
  bool isFlat = layout == sink::Layout::bsd;
  for (OpOperand &operand : op->getOpOperands().drop_front()) {
    TokenRow other = get(operand.get());
    TensorInfo table = getTensorInfo(operand.get());
    if (!table.hasRank())
      return fail("the rank of " + quote(operand.get()) + " is not known");
    if (rotary.getPositions()) {
      // Caches are the same, and positions [batch, sequence] have rows or count.
      bool isPositions = operand.get() == rotary.getPositions();
      if (other.kind == TokenRow::Same || (isPositions && other.isRowsAlong(1)))
        continue;
      if (!isPositions || other.kind != TokenRow::Positions || table.rank() != 2 ||
          !table[1].provablyEquals(Dim(row.tokens)))
        return fail(quote(operand.get()) + " depends on the tokens in another way");
      outcome.whole.push_back({&operand, 1});
      continue;
    }
    // [sequence, n], [batch, sequence, n], or the rank of x with its heads apart.
    unsigned apart = info.rank() + (isFlat ? 1 : 0);
    unsigned axis = table.rank() == apart ? sequence : table.rank() - 2;
    if (table.rank() < 2 || table.rank() > apart)
      return fail("the axes of " + quote(operand.get()) + " are not known");
    bool fits = table[axis].provablyEquals(Dim(row.tokens));
    if (other.isRowsAlong(axis) || (other.kind == TokenRow::Same && table[axis].is(1)))
      continue;
    if (other.kind != TokenRow::Positions || (!fits && !table[axis].is(1)))
      return fail("the tokens of " + quote(operand.get()) + " are not proven");
    outcome.whole.push_back({&operand, fits ? std::optional<unsigned>(axis) : std::nullopt});
  }
  return outcome;
}

/// What an attention does to its keys and its mask is the rewrite's own business. Here it only
/// keeps the rows of its query.
RowOutcome RowRule::applyAttention(sink::AttentionOp attention) {
  sink::Layout from = attention.getQueryLayout(), to = attention.getResultLayout();
  if (from == sink::Layout::packed || to == sink::Layout::packed)
    return fail("its operator splits the tokens' projections itself");
  TokenRow row = get(attention.getQuery());
  if (!row.isRowsAlong(sink::getSequenceAxis(from)))
    return fail("tokens do not lie along the sequence of its query");
  for (Value operand : {attention.getSinkLogit(), attention.getSinkKey(), attention.getSinkValue()})
    if (operand && get(operand).kind != TokenRow::Same)
      return fail(quote(operand) + " depends on the tokens");
  // A gate is broadcast to the result.
  TensorInfo gate = getTensorInfo(attention.getGate());
  if (attention.getGate()) {
    TokenRow scores = get(attention.getGate());
    std::optional<int64_t> rank = sink::getRankOf(to);
    int64_t axis = gate.hasRank() ? gate.rank() - *rank + int64_t(sink::getSequenceAxis(to)) : -1;
    bool fits =
        gate.hasRank() && (scores.kind == TokenRow::Same ? axis < 0 || gate[axis].is(1)
                                                         : axis >= 0 && scores.isRowsAlong(axis));
    if (!fits)
      return fail("tokens do not lie along the sequence of its gate");
  }
  return give(row.along(sink::getSequenceAxis(to)));
}

RowOutcome RowRule::apply() {
  auto isLast = [&](Value value) { return get(value).kind == TokenRow::Last; };
  if (llvm::any_of(op->getOperands(), isLast)) {
    bool isAlone = llvm::all_of(op->getOperands(), [&](Value value) {
      return isLast(value) || get(value).kind == TokenRow::Same;
    });
    return isAlone && op->getNumRegions() == 0 ? give({TokenRow::Last})
           : isAlone && isa<sink::RaisedInterface>(op)
               ? give({TokenRow::Last})
               : fail("it joins the last token with others");
  }
  if (isa<sink::RaisedInterface>(op))
    return applySinkOp();
  if (op->getNumRegions() != 0)
    return fail(getOperator(op) + " may look at all tokens");
  if (isElementwise(op))
    return applyElementwise(op->getOpOperands());
  if (isa<CastLikeOp, DropoutOp>(op))
    return applyElementwise(op->getOpOperands().take_front(1));
  if (isa<MatMulOp>(op))
    return applyMatMul(op->getOperand(0), op->getOperand(1));
  if (isa<GemmOp>(op))
    return applyGemm();
  if (isa<MSMatMulNBitsOp, MatMulIntegerOp>(op))
    return applyPackedMatMul();
  if (isa<ReshapeOp, FlattenOp, SqueezeOp, UnsqueezeOp>(op))
    return applyView(op->getOperand(0));
  if (isa<TransposeOp>(op))
    return applyTranspose();
  if (isa<SoftmaxOp, LogSoftmaxOp, ArgMaxOp, ArgMinOp, TopKOp>(op))
    return applyAlongAxis();
  if (isa<ReduceMeanOp, ReduceSumOp, ReduceMaxOp, ReduceMinOp, ReduceSumSquareOp, ReduceL2Op,
          ReduceProdOp>(op))
    return applyReduce();
  if (isa<ConcatOp>(op))
    return applyConcat();
  if (isa<SplitOp>(op))
    return applySplit();
  if (isa<SliceOp>(op))
    return applySlice();
  if (isa<GatherOp>(op))
    return applyGather();
  if (isa<ExpandOp>(op))
    return applyExpand();
  if (isa<QuantizeLinearOp, DequantizeLinearOp>(op))
    return applyQuantize();
  return fail(getOperator(op) + " may look at all tokens");
}
