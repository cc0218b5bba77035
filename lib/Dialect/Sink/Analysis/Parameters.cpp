//===- Parameters.cpp -------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operands of sink ops are traced to the tensors that they view. A tensor gets the first role that
// one of its uses gives it: learnable parts, then norms, then tables and masks. The rest is told by
// its numbers.
//
//===----------------------------------------------------------------------===//

#include "basin/Dialect/Sink/Analysis/Parameters.h"

#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/Metadata.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace {

class RoleFinder {
public:
  explicit RoleFinder(ModuleOp module) : module(module) {}
  SmallVector<Parameter> find();

private:
  void give(Value operand, StringRef role);
  void giveGate(Value gate);
  void giveRows(Value joined, StringRef role);
  void giveAll(Value computed, StringRef role);
  void findLearnable();
  void findTables();
  StringRef getOther(InitializerOp tensor);

  ModuleOp module;
  llvm::DenseMap<Value, StringRef> roles;
};

} // namespace

static bool isStored(Value value) {
  return isa_and_nonnull<InitializerOp, sink::ParameterOp>(value.getDefiningOp());
}

/// Returns the value that a value views or rounds.
static Value skipViews(Value value) {
  constexpr unsigned kMaxSteps = 16;
  for (unsigned i = 0; i < kMaxSteps; ++i) {
    Operation *op = value.getDefiningOp();
    if (!isa_and_nonnull<IdentityOp, CastOp, ReshapeOp, TransposeOp, SqueezeOp, UnsqueezeOp,
                         ExpandOp, FlattenOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Returns the stored tensor that a value views or rounds, or null.
static Value traceTensor(Value value) {
  Value source = skipViews(value);
  return isStored(source) ? source : Value();
}

void RoleFinder::give(Value operand, StringRef role) {
  if (Value tensor = operand ? traceTensor(operand) : Value())
    roles.try_emplace(tensor, role);
}

/// Gives the role to the matrix of the product from which a gate is computed.
void RoleFinder::giveGate(Value gate) {
  constexpr unsigned kMaxSteps = 16;
  for (unsigned i = 0; gate && i < kMaxSteps; ++i) {
    Operation *op = gate.getDefiningOp();
    if (isa_and_nonnull<MatMulOp, GemmOp>(op)) {
      give(op->getOperand(1), "attention_gate");
      return;
    }
    if (isa_and_nonnull<MulOp, AddOp>(op)) {
      // A factor or a bias is a stored tensor.
      bool isSecond = static_cast<bool>(traceTensor(op->getOperand(0)));
      if (isa<AddOp>(op))
        give(op->getOperand(isSecond ? 0 : 1), "attention_gate");
      gate = op->getOperand(isSecond ? 1 : 0);
      continue;
    }
    if (!isa_and_nonnull<SigmoidOp, TanhOp, IdentityOp, CastOp, ReshapeOp, TransposeOp, SqueezeOp,
                         UnsqueezeOp>(op))
      return;
    gate = op->getOperand(0);
  }
}

/// Gives the role to the stored rows that are joined with keys or values.
void RoleFinder::giveRows(Value joined, StringRef role) {
  if (auto concat = skipViews(joined).getDefiningOp<ConcatOp>())
    for (Value part : concat->getOperands())
      give(part, role);
}

/// Gives the role to all tensors from whose elements a value is computed, if there are few ops
/// between. The size of an embedding may be among its operands.
void RoleFinder::giveAll(Value computed, StringRef role) {
  constexpr size_t kMaxOps = 64;
  SetVector<Operation *> ops;
  SmallVector<Value> tensors;
  auto visit = [&](Value value) {
    if (isStored(value))
      tensors.push_back(value);
    else if (Operation *op = value.getDefiningOp(); !isa_and_nonnull<ShapeOp, SizeOp>(op) && op)
      ops.insert(op);
  };
  visit(computed);
  for (size_t i = 0; i < ops.size() && ops.size() <= kMaxOps; ++i)
    for (Value operand : ops[i]->getOperands())
      visit(operand);
  if (ops.size() <= kMaxOps)
    for (Value tensor : tensors)
      roles.try_emplace(tensor, role);
}

void RoleFinder::findLearnable() {
  module.walk([&](Operation *op) {
    if (auto norm = dyn_cast<sink::NormInterface>(op)) {
      give(norm.getPreAffine(), "pre_affine");
    } else if (auto gate = dyn_cast<sink::GateOp>(op)) {
      for (Value part : {gate.getWDown(), gate.getWUp(), gate.getBiasDown(), gate.getBiasUp()})
        give(part, "gate");
    } else if (auto dyt = dyn_cast<sink::DyTOp>(op)) {
      give(dyt.getAlpha(), "alpha");
    } else if (auto attention = dyn_cast<sink::AttentionOp>(op)) {
      give(attention.getSinkLogit(), "sink_logit");
      give(attention.getSinkKey(), "sink_key");
      give(attention.getSinkValue(), "sink_value");
      giveRows(attention.getKey(), "prefix_key");
      giveRows(attention.getValue(), "prefix_value");
      if (attention.getGate())
        giveGate(attention.getGate());
    }
  });
  // Rows in front of the embedding are part of no sink op.
  std::optional<StringRef> steps = getMetadata(module, "basin.steps");
  if (steps && steps->contains("\"insert-sink-tokens\""))
    module.walk([&](InitializerOp tensor) {
      if (getStreamValueName(tensor.getResult()).starts_with("sink_tokens"))
        roles.try_emplace(tensor.getResult(), "sink_tokens");
    });
}

void RoleFinder::findTables() {
  module.walk([&](Operation *op) {
    if (auto norm = dyn_cast<sink::NormInterface>(op)) {
      give(norm.getWeight(), "norm");
      give(norm.getBias(), "norm");
    } else if (auto dyt = dyn_cast<sink::DyTOp>(op)) {
      give(dyt.getGamma(), "norm");
      give(dyt.getBeta(), "norm");
    } else if (auto rotary = dyn_cast<sink::RotaryOp>(op)) {
      giveAll(rotary.getCos(), "table");
      giveAll(rotary.getSin(), "table");
    } else if (isa<CosOp, SinOp>(op)) {
      giveAll(op->getOperand(0), "table");
    } else if (isa<QuantizeLinearOp, DequantizeLinearOp>(op)) {
      give(op->getOperand(1), "scale");
    }
  });
}

/// Returns whether the tensor may be a table of a mask, [..., sequence, sequence]. Other weights
/// are not read: they may be large, or not there.
static bool mayBeMask(RankedTensorType type) {
  constexpr int64_t kMaxElements = 1 << 22;
  int64_t rank = type.getRank();
  return rank >= 2 && type.getDimSize(rank - 1) == type.getDimSize(rank - 2) &&
         type.getNumElements() <= kMaxElements;
}

/// Returns the role of a tensor that no op tells more about.
StringRef RoleFinder::getOther(InitializerOp tensor) {
  constexpr double kHides = -1e4;
  Attribute data = getConstantAttr(tensor.getResult());
  RankedTensorType type = data ? getElementsType(data) : RankedTensorType();
  if (!type || isa<SparseAttr>(data) || !isScalable(type.getElementType()))
    return "weight";
  if (type.getNumElements() <= 1)
    return "constant";
  if (!mayBeMask(type))
    return "weight";
  // Data that cannot be read are nobody's fault here.
  ScopedDiagnosticHandler handler(tensor.getContext(), [](Diagnostic &) { return success(); });
  FailureOr<TensorBytes> bytes = getTensorBytes(data, tensor);
  if (failed(bytes))
    return "weight";
  bool hides = false;
  visitElements(bytes->bytes, type.getElementType(), type.getShape(), 0,
                [&](double value, int64_t) { hides |= value <= kHides; });
  return hides ? "mask" : "weight";
}

SmallVector<Parameter> RoleFinder::find() {
  findLearnable();
  findTables();
  SmallVector<Parameter> out;
  for (auto graph : module.getOps<GraphOp>())
    for (auto tensor : graph.getBody().front().getOps<InitializerOp>()) {
      auto type = dyn_cast<ShapedType>(tensor.getResult().getType());
      if (!type || !isa<FloatType>(type.getElementType()))
        continue;
      auto it = roles.find(tensor.getResult());
      out.push_back({tensor.getResult(), it != roles.end() ? it->second : getOther(tensor)});
    }
  return out;
}

SmallVector<Parameter> basin::findParameters(ModuleOp module) { return RoleFinder(module).find(); }
