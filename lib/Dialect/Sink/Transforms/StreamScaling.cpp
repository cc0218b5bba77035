//===- StreamScaling.cpp ----------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plans which weights take a scale. Each writer names its parts: the uses of its weights that it
// would change. A weight changes in place if all of its uses are parts with the same scale. If
// they are not, a vector is copied for the parts, and a matrix is left as it is. A writer whose
// matrix is left gives up: what it writes gets an explicit multiplication. So does everything that
// is not understood or cannot take its scale exactly, so the rewrite always succeeds. A writer
// that gives up takes back its parts of other weights, so all this is repeated until no writer
// gives up.
//
// A table that is also the head's matrix stays tied, and the norm before the head takes the
// inverse factor. In f16 it does not, because that product might overflow. ApplyStreamScaling.cpp
// does what is planned here.
//
//===----------------------------------------------------------------------===//

#include "StreamRange.h"
#include "StreamScalingState.h"
#include "WeightPacking.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

LogicalResult basin::sink::checkInexact(ModuleOp module, double inexact) {
  if (inexact >= 0 && inexact < 1)
    return success();
  return module.emitError("option 'inexact': expected an error of at least 0 and below 1, but got ")
         << inexact;
}

StreamScaler::StreamScaler(ModuleOp module, ParameterNames &names, double bound)
    : state(std::make_unique<State>(module, names, bound)) {}

StreamScaler::~StreamScaler() = default;

unsigned StreamScaler::getNumWeights() const { return state->numWeights; }
unsigned StreamScaler::getNumProducts() const { return state->numProducts; }

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

/// Plans the products of heads with the table, h E^T. A change of the table's columns can cover
/// such a use if h takes the factor. The table's columns are summed over only if the Transpose
/// exchanges exactly the two axes.
void StreamScaler::planHeads(Value table, ArrayRef<int> exponents) {
  auto type = dyn_cast<RankedTensorType>(table.getType());
  if (state->heads.contains(table) || !type || type.getRank() != 2 || type.getElementType().isF16())
    return;
  auto &heads = state->heads[table];
  for (OpOperand &use : table.getUses()) {
    OpOperand *head = &use;
    if (auto transpose = dyn_cast<TransposeOp>(use.getOwner())) {
      std::optional<ArrayRef<int64_t>> perm = transpose.getPerm();
      if ((perm && *perm != ArrayRef<int64_t>{1, 0}) || !transpose->getResult(0).hasOneUse())
        continue;
      head = &*transpose->getResult(0).use_begin();
      if (!isa<MatMulOp>(head->getOwner()))
        continue;
    } else if (auto gemm = dyn_cast<GemmOp>(use.getOwner());
               !gemm || gemm.getTransB().value_or(0) == 0 || gemm.getTransA().value_or(0) != 0) {
      continue;
    }
    OpOperand &input = head->getOwner()->getOpOperand(0);
    if (head->getOperandNumber() == 1 && input.get() != head->get())
      heads.push_back({&use, &input, Exponents(exponents)});
  }
}

bool StreamScaler::addPart(Writer &task, OpOperand &use, int64_t axis) {
  if (!isWeight(use.get()))
    return false;
  std::optional<RoleUses> uses = state->roles.find(use);
  if (!uses)
    return false;
  task.parts.push_back({{use.get(), axis, task.exponents},
                        std::move(*uses),
                        static_cast<unsigned>(state->writers.size())});
  return true;
}

SmallVector<OpOperand *, 2> basin::sink::getScaleUses(NormInterface norm) {
  SmallVector<OpOperand *, 2> uses;
  for (MutableOperandRange range : {norm.getWeightMutable(), norm.getBiasMutable()})
    for (OpOperand &use : range)
      uses.push_back(&use);
  return uses;
}

/// Adds the scales of a quantized weight. Returns false if there are none, or if they have no
/// factor for each dimension.
bool StreamScaler::addPackedParts(Writer &task, Value value) {
  for (const PackedScale &packed : findPackedScales(value)) {
    bool isUniform = task.exponents.size() == 1;
    if ((!isUniform && !packed.axis) || !addPart(task, *packed.use, isUniform ? -1 : *packed.axis))
      return false;
    if (isUniform || packed.repeats == 1)
      continue;
    Exponents &exponents = task.parts.back().scale.exponents;
    exponents.clear();
    for (int each : task.exponents)
      exponents.append(packed.repeats, each);
  }
  return !task.parts.empty();
}

/// Adds the uses that the writer would change. Returns false if weights cannot take its scale.
bool StreamScaler::addParts(Writer &task, const StreamWriter &writer) {
  Operation *op = writer.value.getDefiningOp();
  switch (writer.kind) {
  case StreamWriter::Embedding:
    if (!isWeight(op->getOperand(0)))
      return addPackedParts(task, writer.value);
    return addPart(task, op->getOpOperand(0), writer.axis);
  case StreamWriter::Projection: {
    if (!isWeight(op->getOperand(1)))
      return addPackedParts(task, writer.value);
    if (!addPart(task, op->getOpOperand(1), writer.axis))
      return false;
    // A Gemm's matrix and bias must both be scaled.
    auto gemm = dyn_cast<GemmOp>(op);
    return !gemm || !gemm.getC() || addPart(task, op->getOpOperand(2), -1);
  }
  case StreamWriter::Norm: {
    auto norm = cast<NormInterface>(op);
    if (!norm.getWeight())
      return false;
    return llvm::all_of(getScaleUses(norm),
                        [&](OpOperand *use) { return addPart(task, *use, -1); });
  }
  case StreamWriter::Constant:
    return addPart(task, *writer.use, -1);
  case StreamWriter::Other:
    // A summand that is broadcast along the dimensions takes no factor for each.
    return !writer.use && addPackedParts(task, writer.value);
  }
  llvm_unreachable("a writer of no kind");
}

LogicalResult StreamScaler::planWriter(const StreamWriter &writer, ArrayRef<int> exponents) {
  Writer task{writer.value, {}, negate(exponents), {}};
  // A norm's form uses the norm's residual bias, too.
  if (writer.use) {
    std::optional<RoleUses> uses = state->roles.find(*writer.use);
    if (!uses)
      return writer.use->getOwner()->emitError("norm '")
             << getStreamValueName(writer.use->getOwner()->getResult(0))
             << "': its form uses the bias of its residual in a way that is not understood";
    task.uses = std::move(*uses);
  }
  task.folds = addParts(task, writer);
  if (!task.folds)
    task.parts.clear();
  if (task.folds && writer.kind == StreamWriter::Embedding && writer.weight)
    planHeads(writer.weight, exponents);
  state->writers.push_back(std::move(task));
  return success();
}

LogicalResult StreamScaler::plan(const ResidualStream &stream, ArrayRef<int> exponents,
                                 bool intoEpsilon) {
  if (failed(checkStreamRange(stream, exponents, /*squares=*/intoEpsilon)))
    return failure();
  if (llvm::all_equal(exponents) && intoEpsilon)
    exponents = exponents.take_front();
  for (const StreamWriter &writer : stream.writers)
    if (failed(planWriter(writer, exponents)))
      return failure();
  for (const StreamReader &reader : stream.readers) {
    // A Shape does not depend on the scale.
    if (reader.kind == StreamReader::Shape)
      continue;
    auto &list = reader.kind == StreamReader::Norm ? state->norms : state->readers;
    list.push_back({reader.use->getOwner(), reader.use, Exponents(exponents), intoEpsilon});
  }
  for (Operation *op : stream.limits)
    state->limits.push_back({op, Exponents(exponents)});
  return success();
}

//===----------------------------------------------------------------------===//
// Which weights change
//===----------------------------------------------------------------------===//

/// Decides how the parts of a weight get their scale. If equal parts cover all uses, the weight
/// itself changes.
FailureOr<StreamScaler::Way> StreamScaler::chooseWay(Value weight, ArrayRef<Part *> parts) {
  const WeightScale &first = parts.front()->scale;
  DenseSet<OpOperand *> covered;
  bool agree = true, copyable = true;
  for (Part *part : parts) {
    covered.insert(part->uses.begin(), part->uses.end());
    agree &= part->scale.axis == first.axis && part->scale.exponents == first.exponents;
    FailureOr<bool> fits = state->weights.canTake(part->scale);
    if (failed(fits))
      return failure();
    if (!*fits)
      return Way::None;
    copyable &= WeightScaler::isCopyable(part->scale);
  }
  for (const Head &head : state->heads.lookup(weight))
    if (negate(head.exponents) == first.exponents)
      covered.insert(head.table);
  bool all =
      covered.size() == static_cast<size_t>(std::distance(weight.use_begin(), weight.use_end()));
  if (agree && all)
    return Way::Change;
  return copyable ? Way::Copy : Way::None;
}

LogicalResult StreamScaler::chooseFolds() {
  for (bool changed = true; changed;) {
    changed = false;
    state->folds.clear();
    for (Writer &task : state->writers)
      if (task.folds)
        for (Part &part : task.parts)
          state->folds[part.scale.weight].second.push_back(&part);
    for (auto &[weight, entry] : state->folds) {
      // A writer may have given up since the parts were collected.
      llvm::erase_if(entry.second, [&](Part *part) { return !state->writers[part->writer].folds; });
      if (entry.second.empty())
        continue;
      FailureOr<Way> way = chooseWay(weight, entry.second);
      if (failed(way))
        return failure();
      entry.first = *way;
      if (*way != Way::None)
        continue;
      changed = true;
      for (Part *part : entry.second)
        state->writers[part->writer].folds = false;
    }
  }
  return success();
}
