//===- QueryInput.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The walk goes up from the query over ops that move elements or change each one alone, to a
// product with a constant matrix. On the way each axis is a list of factors, which say whether it
// is batch, sequence or something else. A Transpose moves the lists, and a Reshape regroups them:
//
//   query     [batch] [heads] [sequence] [d]      bhsd
//   Transpose [batch] [sequence] [heads] [d]
//   Reshape   [batch] [sequence] [heads d]
//   MatMul    [batch] [sequence] [other]          x
//
// Equal sizes of two axes prove nothing, because batch and sequence may have the same size. So an
// axis keeps its name only if its position in the row-major order is proven.
//
//===----------------------------------------------------------------------===//

#include "QueryInput.h"
#include "MatrixProducts.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

static constexpr unsigned kMaxSteps = 64;

namespace {

enum class Kind { Batch, Sequence, Other };

struct Factor {
  Kind kind;
  Dim dim;
};

/// The factors of an axis, the major one first. An axis of size 1 has none.
using Axis = SmallVector<Factor, 2>;
using Axes = SmallVector<Axis, 5>;

} // namespace

static bool isOther(const Axis &axis) {
  return llvm::all_of(axis, [](const Factor &factor) { return factor.kind == Kind::Other; });
}

static Axis makeAxis(Kind kind, Dim dim) { return dim.is(1) ? Axis() : Axis{{kind, dim}}; }

//===----------------------------------------------------------------------===//
// Reshapes
//===----------------------------------------------------------------------===//

/// Takes factors from the front of `factors` whose product is proven to be `dim`. A factor that is
/// neither batch nor sequence may be parted. Returns nothing, and takes nothing, if there are none.
static std::optional<Axis> takeAxis(const Dim &dim, SmallVectorImpl<Factor> &factors) {
  SmallVector<Factor> rest(factors.begin(), factors.end());
  Axis axis;
  Dim product(1);
  while (!product.provablyEquals(dim)) {
    if (rest.empty())
      return std::nullopt;
    Factor next = rest.front();
    bool isTooLarge = dim.isStatic() && product.isStatic() && next.dim.isStatic() &&
                      next.dim.size > dim.size / product.size;
    if (isTooLarge) {
      int64_t part = dim.size / product.size;
      if (next.kind != Kind::Other || dim.size % product.size != 0 || next.dim.size % part != 0)
        return std::nullopt;
      rest.front().dim = next.dim.size / part;
      next.dim = part;
    } else {
      rest.erase(rest.begin());
    }
    axis.push_back(next);
    product = multiplyDims(product, next.dim);
  }
  factors.assign(rest.begin(), rest.end());
  return axis;
}

/// Takes axes of sizes `dims` from the front of `factors`, as many as are proven.
static Axes takeAxes(ArrayRef<Dim> dims, SmallVectorImpl<Factor> &factors) {
  Axes taken;
  for (const Dim &dim : dims) {
    std::optional<Axis> axis =
        dim.size > 0 || !dim.isStatic() ? takeAxis(dim, factors) : std::nullopt;
    if (!axis)
      break;
    taken.push_back(*axis);
  }
  return taken;
}

/// Returns the axes of `source`, which has the same elements in the same order as a tensor with the
/// axes `axes`. They are matched from both ends. One axis that is left has the factors that are
/// left, because the numbers of elements are equal.
static std::optional<Axes> regroup(Value source, const Axes &axes) {
  TensorInfo info = getTensorInfo(source);
  if (!info.hasRank())
    return std::nullopt;
  SmallVector<Factor> factors;
  for (const Axis &axis : axes)
    llvm::append_range(factors, axis);
  ArrayRef<Dim> dims = *info.dims;
  Axes front = takeAxes(dims, factors);
  dims = dims.drop_front(front.size());
  SmallVector<Dim> reversed(llvm::reverse(dims));
  std::reverse(factors.begin(), factors.end());
  Axes back = takeAxes(reversed, factors);
  std::reverse(factors.begin(), factors.end());
  dims = dims.drop_back(back.size());
  if (dims.empty() && !factors.empty())
    return std::nullopt;
  if (dims.size() == 1)
    front.emplace_back(factors.begin(), factors.end());
  else if (!isOther(Axis(factors.begin(), factors.end())))
    return std::nullopt;
  else
    for (const Dim &dim : dims)
      front.push_back(makeAxis(Kind::Other, dim));
  for (Axis &axis : llvm::reverse(back)) {
    std::reverse(axis.begin(), axis.end());
    front.push_back(axis);
  }
  return front;
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

/// Returns the axes of `source` if it has as many as `axes`, and no batch or sequence of it is
/// broadcast to that of `result`.
static std::optional<Axes> keepAxes(Value source, Value result, const Axes &axes) {
  TensorInfo from = getTensorInfo(source), to = getTensorInfo(result);
  if (!from.hasRank() || !to.hasRank() || from.rank() != to.rank())
    return std::nullopt;
  for (auto [i, axis] : llvm::enumerate(axes))
    if (!isOther(axis) && !from[i].provablyEquals(to[i]))
      return std::nullopt;
  return axes;
}

static std::optional<Axes> undoTranspose(TransposeOp op, const Axes &axes) {
  std::optional<ArrayRef<int64_t>> perm = op.getPerm();
  Axes before(axes.size());
  if (perm && perm->size() != axes.size())
    return std::nullopt;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    int64_t from = perm ? (*perm)[i] : static_cast<int64_t>(axes.size() - 1 - i);
    if (from < 0 || from >= static_cast<int64_t>(axes.size()))
      return std::nullopt;
    before[from] = axis;
  }
  return before;
}

/// Returns the axes of `source` if `op` takes a part of it, or joins it with others, along axis
/// `axis`, which is neither batch nor sequence.
static std::optional<Axes> changeAxis(Value source, int64_t axis, Axes axes) {
  TensorInfo from = getTensorInfo(source);
  if (axis < 0)
    axis += axes.size();
  if (!from.hasRank() || from.rank() != static_cast<int64_t>(axes.size()) || axis < 0 ||
      axis >= from.rank() || !isOther(axes[axis]))
    return std::nullopt;
  axes[axis] = makeAxis(Kind::Other, from[axis]);
  return axes;
}

static std::optional<Axes> undoSlice(SliceOp op, Axes axes) {
  std::optional<SmallVector<int64_t>> sliced = getAxes(op, axes.size());
  if (!sliced)
    return std::nullopt;
  std::optional<Axes> before = std::move(axes);
  for (int64_t axis : *sliced)
    if (before)
      before = changeAxis(op->getOperand(0), axis, *before);
  return before;
}

static std::optional<Axes> undoGather(GatherOp op, Axes axes) {
  TensorInfo from = getTensorInfo(op->getOperand(0)), indices = getTensorInfo(op->getOperand(1));
  int64_t axis = op.getAxis().value_or(0);
  if (!from.hasRank() || !indices.hasRank())
    return std::nullopt;
  if (axis < 0)
    axis += from.rank();
  if (indices.rank() == 1)
    return changeAxis(op->getOperand(0), axis, std::move(axes));
  if (indices.rank() != 0 || axis < 0 || axis >= from.rank() ||
      from.rank() != static_cast<int64_t>(axes.size()) + 1)
    return std::nullopt;
  axes.insert(axes.begin() + axis, makeAxis(Kind::Other, from[axis]));
  return axes;
}

/// Returns the operand of a sum, difference, product or quotient that is not the same in each run,
/// or null.
static Value getComputedOperand(Operation *op) {
  if (!isa<AddOp, SubOp, MulOp, DivOp>(op))
    return {};
  if (isConstant(op->getOperand(1)))
    return op->getOperand(0);
  bool commutes = isa<AddOp, MulOp>(op);
  return commutes && isConstant(op->getOperand(0)) ? op->getOperand(1) : Value();
}

/// Goes from `value` to the value that it is made from. Returns false if that is not understood.
static bool stepUp(Value &value, Axes &axes) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getNumOperands() == 0)
    return false;
  Value source = op->getOperand(0);
  std::optional<Axes> before;
  if (auto norm = dyn_cast<NormInterface>(op)) {
    source = norm.getX();
    if (value == norm.getResult() && !norm.getResidual())
      before = keepAxes(source, value, axes);
  } else if (auto rotary = dyn_cast<sink::RotaryOp>(op)) {
    source = rotary.getX();
    if (value == op->getResult(0))
      before = keepAxes(source, value, axes);
  } else if (isa<CastOp, IdentityOp, QuantizeLinearOp, DequantizeLinearOp>(op)) {
    before = keepAxes(source, value, axes);
  } else if (Value computed = getComputedOperand(op)) {
    source = computed;
    before = keepAxes(source, value, axes);
  } else if (isa<ReshapeOp, SqueezeOp, UnsqueezeOp, FlattenOp>(op)) {
    before = regroup(source, axes);
  } else if (auto transpose = dyn_cast<TransposeOp>(op)) {
    before = undoTranspose(transpose, axes);
  } else if (auto slice = dyn_cast<SliceOp>(op)) {
    before = undoSlice(slice, axes);
  } else if (auto gather = dyn_cast<GatherOp>(op)) {
    before = undoGather(gather, axes);
  } else if (auto split = dyn_cast<SplitOp>(op)) {
    before = changeAxis(source, split.getAxis().value_or(0), axes);
  } else if (auto concat = dyn_cast<ConcatOp>(op)) {
    // Each head may have two parts, and only one of them is rotated.
    before = changeAxis(source, concat.getAxis().value_or(0), axes);
  }
  if (!before)
    return false;
  value = source;
  axes = *before;
  return true;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

/// Returns the axes of the query, or nothing if its layout is not understood.
static std::optional<Axes> startAxes(sink::AttentionOp op) {
  TensorInfo info = getTensorInfo(op.getQuery());
  Layout layout = op.getQueryLayout();
  std::optional<int64_t> rank = getRankOf(layout);
  if (!info.hasRank() || (rank ? *rank != info.rank() : info.rank() < 3))
    return std::nullopt;
  std::optional<unsigned> batch;
  unsigned sequence = layout == Layout::packed ? 1 : getSequenceAxis(layout);
  Axes axes;
  if (layout == Layout::hsd || layout == Layout::hds) {
    if (!op.getNumHeads())
      return std::nullopt;
    Dim heads(*op.getNumHeads());
    Axis joined = makeAxis(Kind::Batch, divideDim(info[0], heads.size));
    llvm::append_range(joined, makeAxis(Kind::Other, heads));
    axes.push_back(joined);
  } else {
    batch = layout == Layout::sbhd ? 1 : 0;
  }
  for (int64_t i = axes.size(); i < info.rank(); ++i)
    axes.push_back(makeAxis(i == sequence ? Kind::Sequence
                            : i == batch  ? Kind::Batch
                                          : Kind::Other,
                            info[i]));
  return axes;
}

/// Returns the floats that a MatMulInteger multiplies by a constant matrix of two axes, if `op`
/// multiplies its result by scales that have no axis but the last: float(x q) * (x_scale * scale).
static Value getMultipliedAsIntegers(MulOp op) {
  for (unsigned i : {0u, 1u}) {
    auto cast = op->getOperand(i).getDefiningOp<CastOp>();
    auto product = cast ? cast->getOperand(0).getDefiningOp<MatMulIntegerOp>() : MatMulIntegerOp();
    auto quantize = product ? product->getOperand(0).getDefiningOp<DynamicQuantizeLinearOp>()
                            : DynamicQuantizeLinearOp();
    if (!quantize || !matchMatrixProduct(product))
      continue;
    Value x = quantize->getOperand(0);
    TensorInfo scales = getTensorInfo(op->getOperand(1 - i)), from = getTensorInfo(x),
               to = getTensorInfo(op->getResult(0)), matrix = getTensorInfo(product->getOperand(1));
    if (scales.hasRank() && scales.rank() <= 1 && from.hasRank() && to.hasRank() &&
        from.rank() == to.rank() && matrix.hasRank() && matrix.rank() == 2)
      return x;
  }
  return {};
}

/// Returns the value that `op` multiplies by a constant matrix of two axes, or null.
static Value getMultiplied(Operation *op) {
  if (auto mul = dyn_cast<MulOp>(op))
    return getMultipliedAsIntegers(mul);
  if (!isa<MatMulOp, GemmOp, MSFusedMatMulOp, MSMatMulNBitsOp>(op) || !matchMatrixProduct(op))
    return {};
  TensorInfo from = getTensorInfo(op->getOperand(0)), to = getTensorInfo(op->getResult(0)),
             matrix = getTensorInfo(op->getOperand(1));
  if (!from.hasRank() || !to.hasRank() || from.rank() != to.rank())
    return {};
  bool isMatrix = isa<MSMatMulNBitsOp>(op) || (matrix.hasRank() && matrix.rank() == 2);
  return isMatrix ? op->getOperand(0) : Value();
}

/// Returns whether the axes are those of a QueryInput, and which one the sequence is. An axis of
/// size 1 may be either.
static std::optional<bool> findOrder(const Axes &axes) {
  if (axes.size() != 3 || !isOther(axes[2]))
    return std::nullopt;
  auto is = [&](unsigned i, Kind kind) {
    return axes[i].empty() || (axes[i].size() == 1 && axes[i][0].kind == kind);
  };
  if (is(0, Kind::Batch) && is(1, Kind::Sequence))
    return false;
  return is(0, Kind::Sequence) && is(1, Kind::Batch) ? std::optional(true) : std::nullopt;
}

/// Returns the operator that a packed query is for, or null.
static Operation *findPackedOperator(sink::AttentionOp op) {
  Operation *found = nullptr;
  op.getForm().walk([&](Operation *inner) {
    if (isa<MSAttentionOp, MSGroupQueryAttentionOp, MSMultiHeadAttentionOp>(inner))
      found = inner;
  });
  return found;
}

FailureOr<QueryInput> basin::sink::findQueryInput(sink::AttentionOp op) {
  StringRef name = getStreamValueName(op.getResult());
  Value value = op.getQuery();
  std::optional<Axes> axes = startAxes(op);
  Operation *packed = op.getQueryLayout() == Layout::packed ? findPackedOperator(op) : nullptr;
  if (!axes || (op.getQueryLayout() == Layout::packed && !packed))
    return op.emitError("attention '")
           << name << "': the axes of its query are not known: " << value.getType();
  // This operator holds the projections, so its query is their input.
  bool isFound = isa_and_nonnull<MSAttentionOp>(packed);
  for (unsigned i = 0; i < kMaxSteps && !isFound; ++i) {
    Operation *def = value.getDefiningOp();
    if (Value input = def ? getMultiplied(def) : Value(); input && isOther(axes->back())) {
      value = input;
      axes->back() = makeAxis(Kind::Other, getTensorInfo(input)[axes->size() - 1]);
      isFound = true;
    } else if (!stepUp(value, *axes)) {
      break;
    }
  }
  if (!isFound) {
    InFlightDiagnostic error =
        op.emitError("attention '")
        << name << "': no product with a constant matrix was found that gives its query";
    error.attachNote(value.getLoc()) << "'" << getStreamValueName(value) << "' is not understood";
    return error;
  }
  // A Gemm multiplies rows of batch and sequence together.
  auto isView = [](Operation *def) {
    return isa_and_nonnull<ReshapeOp, FlattenOp, IdentityOp, QuantizeLinearOp, DequantizeLinearOp>(
        def);
  };
  std::optional<bool> order = findOrder(*axes);
  while (!order && isView(value.getDefiningOp()) && stepUp(value, *axes))
    order = findOrder(*axes);
  TensorInfo info = getTensorInfo(value);
  if (!order || !info[2].isStatic())
    return op.emitError("attention '")
           << name << "': '" << getStreamValueName(value)
           << "', which its query is a projection of, is not proven to have the axes batch, "
              "sequence and a static last one: "
           << value.getType();
  return QueryInput{value, *order};
}
