//===- RotateResidual.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rotates residual streams: x becomes x Q. What writes the stream gets W Q, and what reads it gets
// Q^T W. A root mean square stays the same, but a norm's weight does not commute with Q, so it
// moves into the matrices that read the norm first. All changes are planned before the first one is
// made, because one matrix may be written from one stream to another, and one table may be both an
// embedding and a head.
//
//===----------------------------------------------------------------------===//

#include "NormRewrites.h"
#include "RotationMatrix.h"
#include "SmoothGroups.h"
#include "WeightScaling.h"

#include "basin/Dialect/ONNX/IR/Dims.h"
#include "basin/Dialect/ONNX/IR/Elements.h"
#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Dialect/ONNX/Utils/Constants.h"
#include "basin/Dialect/ONNX/Utils/PowerOfTwo.h"
#include "basin/Dialect/ONNX/Utils/RealElements.h"
#include "basin/Dialect/Sink/Analysis/ResidualStreams.h"
#include "basin/Dialect/Sink/IR/Form.h"
#include "basin/Dialect/Sink/Transforms/Passes.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

namespace basin::sink {
#define GEN_PASS_DEF_ROTATERESIDUALPASS
#include "basin/Dialect/Sink/Transforms/Passes.h.inc"
} // namespace basin::sink

using sink::NormInterface;
using sink::RotationMatrix;

namespace {

/// A change of a weight along one axis: each vector v becomes (v * factors) Q. No factors are ones.
/// Without a matrix, all elements become ones.
struct Change {
  int64_t axis;
  const RotationMatrix *matrix;
  std::vector<double> factors;

  bool operator==(const Change &other) const {
    return axis == other.axis && matrix == other.matrix && factors == other.factors;
  }
};

/// Plans the changes of one stream after the other, then makes them.
class Rotator {
public:
  explicit Rotator(ModuleOp module) : names(module) {}

  /// Plans the rotation of a stream. Fails with a diagnostic if it cannot be rotated.
  LogicalResult plan(const ResidualStream &stream, const RotationMatrix &matrix);
  LogicalResult apply();

  unsigned getNumWeights() const { return numWeights; }
  unsigned getNumCopies() const { return numCopies; }

private:
  WhyNot planWriter(const StreamWriter &writer);
  WhyNot planProjection(Operation *op);
  WhyNot planReader(const StreamReader &reader);
  WhyNot planNorm(NormInterface norm);
  WhyNot planProducts(Value value, std::vector<double> factors);
  WhyNot add(ArrayRef<OpOperand *> uses, int64_t axis, std::vector<double> factors = {});
  LogicalResult change(Value weight, ArrayRef<Change> changes, ArrayRef<OpOperand *> uses,
                       bool isWhole);

  sink::ParameterNames names;
  sink::WeightRoles roles;
  const RotationMatrix *current = nullptr;
  llvm::MapVector<OpOperand *, SmallVector<Change, 1>> planned;
  unsigned numWeights = 0, numCopies = 0;
};

class RotateResidualPass : public basin::sink::impl::RotateResidualPassBase<RotateResidualPass> {
public:
  using RotateResidualPassBase::RotateResidualPassBase;
  void runOnOperation() override;
};

} // namespace

static std::string nameOf(Value value) { return getStreamValueName(value).str(); }

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

/// Plans a change of a weight with `order` elements along `axis`, for these uses of it.
WhyNot Rotator::add(ArrayRef<OpOperand *> uses, int64_t axis, std::vector<double> factors) {
  Value weight = uses.front()->get();
  TensorInfo info = getTensorInfo(weight);
  if (!sink::isStored(weight) || !info.hasRank() || info.rank() == 0 || !isScalable(info.element))
    return llvm::formatv("'{0}' is not stored as floats", nameOf(weight)).str();
  axis += axis < 0 ? info.rank() : 0;
  if (!info[axis].is(current->getOrder()))
    return llvm::formatv("weight '{0}' has no axis of {1} elements there", nameOf(weight),
                         current->getOrder())
        .str();
  for (OpOperand *use : uses)
    planned[use].push_back({axis, current, factors});
  return std::nullopt;
}

WhyNot Rotator::planProjection(Operation *op) {
  sink::StoredMatrix matrix;
  if (WhyNot why = sink::findStoredMatrix(op, matrix))
    return why;
  if (auto gemm = dyn_cast<GemmOp>(op); gemm && gemm.getC())
    if (WhyNot why = add({&op->getOpOperand(2)}, -1))
      return why;
  return add({matrix.use}, matrix.columns);
}

WhyNot Rotator::planWriter(const StreamWriter &writer) {
  std::string name = nameOf(writer.value);
  switch (writer.kind) {
  case StreamWriter::Embedding:
    if (!writer.weight)
      return llvm::formatv("the table of '{0}' is not stored as floats", name).str();
    return add({&writer.value.getDefiningOp()->getOpOperand(0)}, -1);
  case StreamWriter::Projection:
    return planProjection(writer.value.getDefiningOp());
  case StreamWriter::Constant: {
    std::optional<sink::RoleUses> uses = roles.find(*writer.use);
    if (!uses)
      return llvm::formatv("a norm's form uses '{0}' in a way that is not understood", name).str();
    return add(*uses, -1);
  }
  case StreamWriter::Norm:
    return llvm::formatv("the norm '{0}' writes the stream, and its weight does not commute with a "
                         "rotation",
                         name)
        .str();
  case StreamWriter::Other:
    return llvm::formatv("'{0}' writes the stream and is no product with a stored matrix, no "
                         "embedding and no stored summand",
                         name)
        .str();
  }
  llvm_unreachable("a writer of no kind");
}

/// Plans the products that read `value`, with these factors on the rows of their matrices.
WhyNot Rotator::planProducts(Value value, std::vector<double> factors) {
  sink::SmoothGroup group;
  group.value = value;
  group.channels = current->getOrder();
  sink::addProducts(group);
  if (group.whyNotFolded)
    return group.whyNotFolded;
  for (const sink::SmoothProduct &product : group.products)
    if (WhyNot why = add(product.matrix.uses, product.matrix.axis, factors))
      return why;
  return std::nullopt;
}

WhyNot Rotator::planNorm(NormInterface norm) {
  std::string name = nameOf(norm.getResult());
  if (norm.isCentring())
    return llvm::formatv(
               "the norm '{0}' subtracts the mean, which does not commute with a rotation", name)
        .str();
  if (norm.getPreAffine()) {
    std::optional<double> factor = getConstantScalar(norm.getPreAffine());
    auto elements = getConstantFloats(norm.getPreAffine(), current->getOrder());
    if (!factor && (!elements || !llvm::all_equal(*elements)))
      return llvm::formatv("the norm '{0}' has a pre-affine vector of different elements, or one "
                           "that is no constant, which does not commute with a rotation",
                           name)
          .str();
  }
  std::vector<double> factors;
  for (OpOperand &use : norm.getWeightMutable()) {
    if (getConstantScalar(use.get()))
      break;
    auto elements = getConstantFloats(use.get(), current->getOrder());
    std::optional<sink::RoleUses> uses;
    if (isWeight(use.get()) && elements &&
        static_cast<int64_t>(elements->size()) == current->getOrder())
      uses = roles.find(use);
    if (!uses)
      return llvm::formatv("the weight of the norm '{0}' is not stored as it is multiplied, so it "
                           "cannot move into the matrices that read the norm",
                           name)
          .str();
    if (llvm::all_of(*elements, [](double element) { return element == 1; }))
      break;
    factors.assign(elements->begin(), elements->end());
    for (OpOperand *each : *uses)
      planned[each].push_back({0, nullptr, {}});
  }
  return planProducts(norm.getResult(), std::move(factors));
}

WhyNot Rotator::planReader(const StreamReader &reader) {
  Operation *op = reader.use->getOwner();
  switch (reader.kind) {
  case StreamReader::Norm:
    return planNorm(cast<NormInterface>(op));
  case StreamReader::Shape:
    return std::nullopt;
  case StreamReader::Output:
    return llvm::formatv("'{0}' is an output of the graph", nameOf(reader.use->get())).str();
  case StreamReader::Other: {
    sink::StoredMatrix matrix;
    if (reader.use->getOperandNumber() == 0 && op->getNumOperands() > 1 &&
        !sink::findStoredMatrix(op, matrix))
      return add({matrix.use}, matrix.rows);
    return llvm::formatv("{0} reads '{1}' and is neither a norm nor a product with a stored matrix",
                         op->getName().stripDialect(), nameOf(reader.use->get()))
        .str();
  }
  }
  llvm_unreachable("a reader of no kind");
}

LogicalResult Rotator::plan(const ResidualStream &stream, const RotationMatrix &matrix) {
  Value first = stream.values.front();
  auto refuse = [&](const std::string &why) {
    return emitError(first.getLoc(), "the stream of '") << nameOf(first) << "': " << why;
  };
  current = &matrix;
  for (Value value : stream.values)
    if (!isa<GraphOp>(value.getParentBlock()->getParentOp()))
      return refuse(llvm::formatv("'{0}' is in a subgraph or a function", nameOf(value)));
  if (!stream.limits.empty())
    return refuse(llvm::formatv("{0} limits it, which does not commute with a rotation",
                                stream.limits.front()->getName().stripDialect()));
  for (const StreamWriter &writer : stream.writers)
    if (WhyNot why = planWriter(writer))
      return refuse(*why);
  for (const StreamReader &reader : stream.readers)
    if (WhyNot why = planReader(reader))
      return refuse(*why);
  return success();
}

//===----------------------------------------------------------------------===//
// Apply
//===----------------------------------------------------------------------===//

/// Makes one change of numbers with that shape.
static void changeNumbers(MutableArrayRef<double> numbers, ArrayRef<int64_t> shape,
                          const Change &change) {
  if (!change.matrix) {
    llvm::fill(numbers, 1.0);
    return;
  }
  int64_t size = shape[change.axis];
  int64_t inner = ShapedType::getNumElements(shape.drop_front(change.axis + 1));
  std::vector<double> vector(size);
  for (int64_t begin = 0; begin < static_cast<int64_t>(numbers.size()); begin += size * inner)
    for (int64_t offset = begin; offset < begin + inner; ++offset) {
      for (int64_t i = 0; i < size; ++i)
        vector[i] = numbers[offset + i * inner] * (change.factors.empty() ? 1 : change.factors[i]);
      change.matrix->apply(vector);
      for (int64_t i = 0; i < size; ++i)
        numbers[offset + i * inner] = vector[i];
    }
}

LogicalResult Rotator::change(Value weight, ArrayRef<Change> changes, ArrayRef<OpOperand *> uses,
                              bool isWhole) {
  Attribute value = sink::getWeightData(weight);
  RankedTensorType type = value ? getElementsType(value) : RankedTensorType();
  FailureOr<TensorBytes> data =
      value ? getTensorBytes(value, weight.getDefiningOp()) : FailureOr<TensorBytes>(failure());
  if (!type || isa<SparseAttr>(value) || failed(data) || !isScalable(type.getElementType()) ||
      type.getElementType() != getTensorInfo(weight).element)
    return emitError(weight.getLoc(), "the data of weight '")
           << sink::getWeightName(weight) << "' are no dense floats that can be read";
  std::vector<double> numbers = readReals(data->bytes, type.getElementType());
  for (const Change &each : changes)
    changeNumbers(numbers, type.getShape(), each);
  auto bytes = std::make_shared<std::vector<char>>(data->bytes.size());
  if (!writeReals(numbers, type.getElementType(), *bytes))
    return emitError(weight.getLoc(), "weight '")
           << sink::getWeightName(weight) << "' would overflow " << type.getElementType();
  TypedAttr made = makeElements(type, *bytes, bytes, sink::getWeightName(weight));
  if (!isWhole && !isWeight(weight))
    return emitError(weight.getLoc(), "parameter '")
           << sink::getWeightName(weight) << "' has other readers";
  ++numWeights;
  if (isWhole) {
    sink::setWeightData(weight, made);
    return success();
  }
  ++numCopies;
  Value copy =
      sink::copyWeight(weight, made, names.make((sink::getWeightName(weight) + ".rotated").str()));
  for (OpOperand *use : uses)
    use->set(copy);
  return success();
}

LogicalResult Rotator::apply() {
  llvm::MapVector<Value, SmallVector<OpOperand *>> byWeight;
  for (auto &[use, changes] : planned)
    byWeight[use->get()].push_back(use);
  for (auto &[weight, uses] : byWeight) {
    // Uses with equal changes share their data. The last ones may change the weight itself, if
    // nothing else reads it by then.
    while (!uses.empty()) {
      SmallVector<Change, 1> &changes = planned[uses.front()];
      SmallVector<OpOperand *> same;
      llvm::copy_if(uses, std::back_inserter(same),
                    [&](OpOperand *use) { return planned[use] == changes; });
      llvm::erase_if(uses, [&](OpOperand *use) { return llvm::is_contained(same, use); });
      bool isWhole = llvm::hasNItems(weight.getUses(), same.size());
      if (failed(change(weight, changes, same, isWhole)))
        return failure();
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

void RotateResidualPass::runOnOperation() {
  if (kind != "hadamard" && kind != "orthogonal") {
    getOperation().emitError("option 'kind': expected 'hadamard' or 'orthogonal', but got '")
        << kind << "'";
    return signalPassFailure();
  }
  SmallVector<ResidualStream> streams = findResidualStreams(getOperation());
  if (streams.empty()) {
    getOperation().emitWarning("there is no residual stream: nothing was rotated");
    return;
  }
  Rotator rotator(getOperation());
  std::vector<std::unique_ptr<RotationMatrix>> matrices;
  for (const auto &[number, stream] : llvm::enumerate(streams)) {
    Value first = stream.values.front();
    auto refuse = [&](const std::string &why) {
      emitError(first.getLoc(), "the stream of '") << nameOf(first) << "': " << why;
      signalPassFailure();
    };
    if (!stream.dim || stream.unproven)
      return refuse("its last axis is not known to have one size in all of its members");
    uint64_t own = static_cast<uint64_t>(seed) + number;
    RotationMatrix &matrix = *matrices.emplace_back(std::make_unique<RotationMatrix>());
    WhyNot why = kind == "hadamard" ? matrix.makeHadamard(*stream.dim, own)
                                    : matrix.makeOrthogonal(*stream.dim, own);
    if (why)
      return refuse(*why);
    if (failed(rotator.plan(stream, matrix)))
      return signalPassFailure();
  }
  if (failed(rotator.apply()))
    return signalPassFailure();
  numStreams += streams.size();
  numWeights += rotator.getNumWeights();
  numCopies += rotator.getNumCopies();
}
