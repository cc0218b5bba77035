//===- WeightRoles.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WeightRoles.h"

#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;
using namespace basin::sink;

namespace {
enum class Role { PreAffine, Weight, Bias, ResidualBias, Unknown };
} // namespace

static Role roleOfOperand(OpOperand &use) {
  auto norm = cast<NormInterface>(use.getOwner());
  auto has = [&](MutableOperandRange range) { return !range.empty() && &range[0] == &use; };
  if (has(norm.getPreAffineMutable()))
    return Role::PreAffine;
  if (has(norm.getWeightMutable()))
    return Role::Weight;
  if (has(norm.getResidualBiasMutable()))
    return Role::ResidualBias;
  return has(norm.getBiasMutable()) ? Role::Bias : Role::Unknown;
}

/// Returns the role of operand `number`. The roles of an operator's vectors are in the order of its
/// operands, beginning with operand `first`.
static Role roleAt(unsigned number, unsigned first, ArrayRef<Role> roles) {
  return number >= first && number - first < roles.size() ? roles[number - first] : Role::Unknown;
}

/// Returns the part that a use inside a norm's form plays. For an operator the operand's number
/// tells it. For a product the other factor tells it, which is computed. For a sum it follows from
/// what the norm has to add.
static Role roleInside(OpOperand &use, Operation *norm) {
  Operation *op = use.getOwner();
  unsigned number = use.getOperandNumber();
  if (isa<LayerNormalizationOp>(op))
    return roleAt(number, 1, {Role::Weight, Role::Bias});
  if (isa<RMSNormalizationOp, SimplifiedLayerNormalizationOp, MSSimplifiedLayerNormalizationOp>(op))
    return roleAt(number, 1, {Role::Weight});
  if (isa<MSSkipLayerNormalizationOp>(op))
    return roleAt(number, 2, {Role::Weight, Role::Bias, Role::ResidualBias});
  if (isa<MSSkipSimplifiedLayerNormalizationOp>(op))
    return roleAt(number, 2, {Role::Weight, Role::ResidualBias});
  if (!isa<MulOp, AddOp>(op) || op->getNumOperands() != 2 || op->getParentOp() != norm)
    return Role::Unknown;
  Value other = op->getOperand(1 - number);
  if (other.getParentRegion() != use.getOwner()->getParentRegion())
    return Role::Unknown;
  if (isa<MulOp>(op))
    return Form::getSlot(op) == Slot::pre_affine ? Role::PreAffine : Role::Weight;
  if (Form::getSlot(op) == Slot::epsilon)
    return Role::Unknown;
  bool isBias = false, isResidualBias = false;
  for (OpOperand &operand : norm->getOpOperands())
    if (operand.get() == use.get()) {
      isBias |= roleOfOperand(operand) == Role::Bias;
      isResidualBias |= roleOfOperand(operand) == Role::ResidualBias;
    }
  if (isBias == isResidualBias)
    return Role::Unknown;
  return isBias ? Role::Bias : Role::ResidualBias;
}

std::optional<RoleUses> WeightRoles::find(OpOperand &use) {
  Operation *op = use.getOwner();
  if (!isa<RaisedInterface>(op))
    return RoleUses{&use};
  // The value that a norm normalizes is an argument of its form, so the form does not use it.
  if (!isa<NormInterface>(op))
    return std::nullopt;
  auto [entry, isNew] = inside.try_emplace(use.get());
  if (isNew)
    for (OpOperand &each : use.get().getUses())
      if (auto owner = each.getOwner()->getParentOfType<RaisedInterface>())
        entry->second[owner].push_back(&each);
  RoleUses uses{&use};
  Role role = roleOfOperand(use);
  auto found = entry->second.find(op);
  if (found == entry->second.end())
    return uses;
  for (OpOperand *each : found->second) {
    Role inner = roleInside(*each, op);
    if (inner == Role::Unknown)
      return std::nullopt;
    if (inner == role)
      uses.push_back(each);
  }
  return uses;
}
