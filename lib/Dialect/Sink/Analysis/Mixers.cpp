//===- Mixers.cpp -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators tell their kind by their name. A convolution mixes tokens if it has a filter for each
// channel, more than one tap, and a result as long as its input. It is causal if all of its padding
// is before the tokens, or if what is too much is cut off their end. FNet's mixer is the real part
// of a transform over two axes. What is inside of a raised op belongs to that op.
//
//===----------------------------------------------------------------------===//

#include "MixerParts.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

bool basin::isElementView(Operation *op) {
  return isa<ReshapeOp, TransposeOp, CastOp, CastLikeOp, IdentityOp, SqueezeOp, UnsqueezeOp,
             FlattenOp, SliceOp, ExpandOp>(op);
}

Value basin::skipViews(Value value) {
  for (unsigned i = 0; i < 32; ++i) {
    Operation *def = value.getDefiningOp();
    if (!def || !isElementView(def))
      break;
    value = def->getOperand(0);
  }
  return value;
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

static std::optional<Mixer> matchOperator(NodeInterface node) {
  struct Known {
    StringLiteral domain, name, kind;
  };
  static constexpr Known kKnown[] = {
      {"", "GRU", "recurrent_network"},
      {"", "LSTM", "recurrent_network"},
      {"", "RNN", "recurrent_network"},
      {"", "LinearAttention", "linear_attention"},
      {"com.microsoft", "LinearAttention", "linear_attention"},
      {"com.microsoft", "GatedDeltaNet", "linear_attention"},
      {"com.microsoft", "CausalConvWithState", "convolution"},
      {"com.microsoft", "SparseAttention", "sparse_attention"},
      {"com.microsoft", "PagedAttention", "paged_attention"},
  };
  StringRef domain = node.getOpDomain() == "ai.onnx" ? StringRef() : node.getOpDomain();
  const Known *known = llvm::find_if(kKnown, [&](const Known &one) {
    return one.domain == domain && one.name == node.getOpType();
  });
  if (known == std::end(kKnown) || node->getNumResults() == 0)
    return std::nullopt;
  Mixer mixer{node, node->getResult(0), known->kind, node.getOpType().str(), true, {}, false};
  if (auto paged = dyn_cast<MSPagedAttentionOp>(node.getOperation()))
    mixer.causal = paged.getIsCausal().value_or(1) != 0;
  if (known->kind == "recurrent_network") {
    auto direction = node->getAttrOfType<StringAttr>("direction");
    auto attrs = node.getNodeAttrs();
    if (!direction && attrs)
      direction = attrs.getAs<StringAttr>("direction");
    mixer.causal = !direction || direction.getValue() == "forward";
  }
  if (auto conv = dyn_cast<MSCausalConvWithStateOp>(node.getOperation())) {
    TensorInfo weight = getTensorInfo(conv.getWeight());
    for (int64_t i = 2; weight.hasRank() && i < weight.rank() && weight[i].isStatic(); ++i)
      mixer.kernel.push_back(weight[i].size);
  }
  return mixer;
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

namespace {
/// A convolution with one filter for each channel, and how far its result reaches.
struct DepthwiseConv {
  SmallVector<int64_t, 2> kernel;
  /// The padding before and after the input on each axis. The result is longer than the input by
  /// their sum, less `reach`.
  SmallVector<int64_t, 2> before, after, reach;
};
} // namespace

static SmallVector<int64_t> toInts(std::optional<ArrayRef<int64_t>> list, size_t size,
                                   int64_t otherwise) {
  return list && list->size() == size ? llvm::to_vector(*list)
                                      : SmallVector<int64_t>(size, otherwise);
}

static std::optional<DepthwiseConv> matchDepthwise(ConvOp conv) {
  TensorInfo weight = getTensorInfo(conv.getW());
  if (!weight.hasRank() || weight.rank() < 3 || isConstant(conv.getX()))
    return std::nullopt;
  for (int64_t i = 0; i < weight.rank(); ++i)
    if (!weight[i].isStatic())
      return std::nullopt;
  size_t axes = weight.rank() - 2;
  int64_t group = conv.getGroup().value_or(1);
  if (group < 2 || weight[0].size != group || weight[1].size != 1)
    return std::nullopt;
  if (auto automatic = conv.getAutoPad(); automatic && *automatic != "NOTSET")
    return std::nullopt;
  DepthwiseConv out;
  SmallVector<int64_t> strides = toInts(conv.getStrides(), axes, 1);
  SmallVector<int64_t> dilations = toInts(conv.getDilations(), axes, 1);
  SmallVector<int64_t> pads = toInts(conv.getPads(), 2 * axes, 0);
  int64_t taps = 1;
  for (size_t i = 0; i < axes; ++i) {
    int64_t size = weight[i + 2].size;
    if (strides[i] != 1 || size < 1)
      return std::nullopt;
    taps *= size;
    out.kernel.push_back(size);
    out.before.push_back(pads[i]);
    out.after.push_back(pads[axes + i]);
    out.reach.push_back(dilations[i] * (size - 1));
  }
  return taps > 1 ? std::optional(out) : std::nullopt;
}

/// Adds what a Pad before the convolution, or a Concat with earlier tokens, puts around the last
/// axis.
static void addPadding(ConvOp conv, DepthwiseConv &shape) {
  Value x = conv.getX();
  TensorInfo info = getTensorInfo(x);
  if (auto pad = x.getDefiningOp<PadOp>()) {
    auto pads = pad->getNumOperands() > 1 ? getConstantInts(pad->getOperand(1)) : std::nullopt;
    if (!pads || !info.hasRank() || pads->size() != 2 * static_cast<size_t>(info.rank()))
      return;
    for (size_t i = 0; i < shape.kernel.size(); ++i) {
      shape.before[i] += (*pads)[i + 2];
      shape.after[i] += (*pads)[info.rank() + i + 2];
    }
  } else if (auto concat = x.getDefiningOp<ConcatOp>();
             concat && info.hasRank() && shape.kernel.size() == 1) {
    int64_t axis = concat.getAxis().value_or(0);
    TensorInfo first = getTensorInfo(concat->getOperand(0));
    if ((axis < 0 ? axis + info.rank() : axis) == info.rank() - 1 && first.hasRank() &&
        first.rank() == info.rank() && first[info.rank() - 1].isStatic())
      shape.before[0] += first[info.rank() - 1].size;
  }
}

/// Returns the Slice that takes the first elements of the last axis, if it is the only reader.
static SliceOp findCut(Value value) {
  if (!value.hasOneUse())
    return {};
  auto slice = dyn_cast<SliceOp>(*value.getUsers().begin());
  TensorInfo info = getTensorInfo(value);
  if (!slice || !info.hasRank() || slice->getNumOperands() < 4)
    return {};
  auto starts = getConstantInts(slice->getOperand(1)), axes = getConstantInts(slice->getOperand(3));
  std::optional<SmallVector<int64_t>> steps = SmallVector<int64_t>{1};
  if (slice->getNumOperands() > 4 && getInputOrNull(slice, 4))
    steps = getConstantInts(slice->getOperand(4));
  bool isLast = axes && axes->size() == 1 && ((*axes)[0] == -1 || (*axes)[0] == info.rank() - 1);
  return isLast && starts && starts->size() == 1 && (*starts)[0] == 0 && steps &&
                 steps->size() == 1 && (*steps)[0] == 1
             ? slice
             : SliceOp();
}

/// Returns whether `value` can be the gate of `source`: a product with weights makes it, and it is
/// not computed from `source`. A mask is no gate.
static bool canGate(Value value, Value source) {
  // What is farther away than this is another layer.
  constexpr unsigned kMostValues = 128;
  DenseSet<Operation *> seen;
  SmallVector<Value> work{value};
  bool isProjected = false;
  for (unsigned i = 0; i < work.size() && i < kMostValues; ++i) {
    if (work[i] == source)
      return false;
    Operation *def = work[i].getDefiningOp();
    isProjected |= isa_and_nonnull<MatMulOp, GemmOp, ConvOp, MSMatMulNBitsOp>(def);
    if (def && seen.insert(def).second)
      llvm::append_range(work, def->getOperands());
  }
  return isProjected;
}

/// Returns whether `value` is multiplied by a gate. A Mul with its own Sigmoid is an activation.
static bool isGated(Value value) {
  SmallVector<Value> work{value};
  for (unsigned i = 0; i < 8 && i < work.size(); ++i)
    for (Operation *user : work[i].getUsers()) {
      if (isElementView(user) && user->getOperand(0) == work[i])
        work.push_back(user->getResult(0));
      if (!isa<MulOp>(user))
        continue;
      Value other = user->getOperand(user->getOperand(0) == work[i] ? 1 : 0);
      Value source = skipViews(other);
      auto sigmoid = source.getDefiningOp<SigmoidOp>();
      bool isOwn = sigmoid && skipViews(sigmoid->getOperand(0)) == skipViews(work[i]);
      if (isOwn)
        work.push_back(user->getResult(0));
      else if (canGate(other, value))
        return true;
    }
  return false;
}

static std::optional<Mixer> matchConvolution(ConvOp conv) {
  std::optional<DepthwiseConv> shape = matchDepthwise(conv);
  if (!shape)
    return std::nullopt;
  addPadding(conv, *shape);
  Value output = conv.getResult();
  SliceOp cut = findCut(output);
  bool isSame = true, isCausal = shape->kernel.size() == 1;
  for (auto [before, after, reach] : llvm::zip_equal(shape->before, shape->after, shape->reach)) {
    bool cutsEnd = isCausal && cut && before == reach;
    isSame &= cutsEnd || before + after == reach;
    isCausal &= cutsEnd || (before == reach && after == 0);
  }
  if (!isSame)
    return std::nullopt;
  if (isCausal && cut)
    output = cut.getResult();
  return Mixer{conv, output, "convolution", "Conv", isCausal, shape->kernel, isGated(output)};
}

//===----------------------------------------------------------------------===//
// Fourier transforms
//===----------------------------------------------------------------------===//

static bool isTransform(Operation *op, bool inverse) {
  auto node = dyn_cast_or_null<NodeInterface>(op);
  if (!node || node.getOpType() != "DFT" || !node.getOpDomain().empty() ||
      op->getNumOperands() == 0 || op->getNumResults() == 0)
    return false;
  auto attr = node.getNodeAttrs().getAs<IntegerAttr>("inverse");
  return (attr && attr.getInt() != 0) == inverse;
}

/// Returns the transform that `value` is computed from element by element, or null. Sets
/// `multiplied` if a product is on the way.
static Operation *findTransform(Value value, bool inverse, bool &multiplied) {
  SmallVector<std::pair<Value, bool>> work{{value, false}};
  for (unsigned i = 0; i < 64 && i < work.size(); ++i) {
    auto [one, product] = work[i];
    Operation *def = one.getDefiningOp();
    if (isTransform(def, inverse)) {
      multiplied = product;
      return def;
    }
    if (def && (isElementView(def) || isa<GatherOp, SplitOp>(def)))
      work.push_back({def->getOperand(0), product});
    else if (def && isa<MulOp, AddOp, SubOp, ConcatOp>(def))
      for (Value operand : def->getOperands())
        work.push_back({operand, product || isa<MulOp>(def)});
  }
  return nullptr;
}

/// Returns whether the real part of `transform` is read, and nothing else of it.
static bool readsRealPart(Operation *transform) {
  Value value = transform->getResult(0), source = value;
  // A transform keeps the rank, and shape inference does not know that.
  while (isa_and_nonnull<NodeInterface>(source.getDefiningOp()) &&
         (isTransform(source.getDefiningOp(), false) || isTransform(source.getDefiningOp(), true)))
    source = source.getDefiningOp()->getOperand(0);
  TensorInfo info = getTensorInfo(source);
  auto isReal = [&](Operation *user) {
    std::optional<SmallVector<int64_t>> position;
    int64_t axis = 0;
    if (auto gather = dyn_cast<GatherOp>(user)) {
      position = getConstantInts(gather.getIndices());
      axis = gather.getAxis().value_or(0);
    } else if (auto slice = dyn_cast<SliceOp>(user); slice && slice->getNumOperands() > 3) {
      position = getConstantInts(slice->getOperand(1));
      auto axes = getConstantInts(slice->getOperand(3));
      auto ends = getConstantInts(slice->getOperand(2));
      if (!axes || axes->size() != 1 || !ends || ends->size() != 1 || (*ends)[0] != 1)
        return false;
      axis = axes->front();
    }
    bool isLast = axis == -1 || (info.hasRank() && axis == info.rank() - 1);
    return position && position->size() == 1 && position->front() == 0 && isLast;
  };
  return !value.use_empty() && llvm::all_of(value.getUsers(), isReal);
}

static std::optional<Mixer> matchFourier(Operation *op) {
  bool multiplied = false;
  if (isTransform(op, /*inverse=*/true)) {
    if (findTransform(op->getOperand(0), /*inverse=*/false, multiplied) && multiplied)
      return Mixer{op, op->getResult(0), "long_convolution", "DFT", std::nullopt, {}, false};
    return std::nullopt;
  }
  if (!isTransform(op, /*inverse=*/false) || !readsRealPart(op))
    return std::nullopt;
  // One transform over the channels comes before that over the tokens.
  if (!findTransform(op->getOperand(0), /*inverse=*/false, multiplied) || multiplied)
    return std::nullopt;
  return Mixer{op, op->getResult(0), "fourier", "DFT", false, {}, false};
}

//===----------------------------------------------------------------------===//
// All mixers
//===----------------------------------------------------------------------===//

SmallVector<Mixer> basin::findMixers(ModuleOp module) {
  SmallVector<Mixer> found;
  DenseSet<Value> decays;
  auto add = [&](std::optional<Mixer> mixer) {
    if (mixer)
      found.push_back(*mixer);
  };
  module.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<sink::RaisedInterface>(op))
      return WalkResult::skip();
    if (isa<GraphOp, FunctionOp>(op) || (op->getNumRegions() > 0 && isa<NodeInterface>(op)))
      for (Region &region : op->getRegions())
        for (Block &block : region)
          findUnrolledRecurrences(block, found);
    if (isa<ExpOp>(op)) {
      // Chunks are decayed among themselves, too, and by the same numbers.
      Value source;
      std::optional<Mixer> mixer = matchDecayedProduct(op, source);
      if (mixer && decays.insert(source).second)
        add(mixer);
    } else if (auto conv = dyn_cast<ConvOp>(op)) {
      add(matchConvolution(conv));
    } else if (isa<LoopOp, ScanOp>(op)) {
      add(matchLoop(op));
    } else if (auto node = dyn_cast<NodeInterface>(op)) {
      std::optional<Mixer> mixer = matchOperator(node);
      add(mixer ? mixer : matchFourier(op));
    }
    return WalkResult::advance();
  });
  if (found.empty())
    return found;
  DenseMap<Operation *, unsigned> order;
  unsigned count = 0;
  module.walk<WalkOrder::PreOrder>([&](Operation *op) { order[op] = count++; });
  llvm::sort(found, [&](const Mixer &a, const Mixer &b) {
    return order.lookup(a.op) < order.lookup(b.op);
  });
  return found;
}
