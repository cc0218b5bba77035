//===- Raise.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Raise.h"

#include "basin/Dialect/Sink/IR/Form.h"

using namespace mlir;
using namespace basin::onnx;

static bool isInside(const Ops &inside, Operation *user) {
  for (; user; user = user->getParentOp())
    if (inside.contains(user))
      return true;
  return false;
}

/// Returns the last of the idiom's ops in block order. The sink op is created there.
static Operation *findLast(const Ops &inside) {
  Operation *last = inside.front();
  for (Operation *op : inside)
    if (last->isBeforeInBlock(op))
      last = op;
  return last;
}

/// Drops ops that do not depend on an argument through other inside ops. Their results can be
/// read like any value from outside.
static void keepReached(Idiom &idiom) {
  Ops kept;
  SmallVector<Operation *> sorted = llvm::to_vector(idiom.inside);
  llvm::sort(sorted, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : sorted)
    if (llvm::any_of(op->getOperands(), [&](Value operand) {
          Operation *def = operand.getDefiningOp();
          return llvm::is_contained(idiom.arguments, operand) || (def && kept.contains(def));
        }))
      kept.insert(op);
  idiom.inside = std::move(kept);
}

/// Limits of the work for one anchor. Many anchors may share a value that everything reads, and the
/// time would be their number times that of its uses.
static constexpr unsigned kMostUses = 1024, kMostVisits = 1024;

/// Adds `op` to `inside` if it only serves it: all its users are inside, or can be added in the
/// same way. Such ops compute the shape of a Reshape or an Expand. Returns whether `op` is
/// inside. Each call takes one from `visits`, and no op is added when none is left.
static bool absorb(Operation *op, Ops &inside, Block *block, unsigned depth, unsigned &visits) {
  if (inside.contains(op))
    return true;
  if (depth == 0 || visits == 0 || op->getBlock() != block || op->use_empty() ||
      !isa<NodeInterface>(op) || op->getNumRegions() != 0)
    return false;
  --visits;
  size_t before = inside.size();
  for (Operation *user : op->getUsers())
    if (!absorb(user, inside, block, depth - 1, visits)) {
      while (inside.size() > before)
        inside.pop_back();
      return false;
    }
  return inside.insert(op);
}

void basin::onnx::absorbServants(Value value, Ops &inside) {
  if (value.hasNUsesOrMore(kMostUses))
    return;
  unsigned visits = kMostVisits;
  for (Operation *user : value.getUsers())
    absorb(user, inside, value.getParentBlock(), /*depth=*/16, visits);
}

/// Adds `user`, which reads an inner value, to the idiom's late ops if it stands before `last`, and
/// everything that depends on it there. Returns false if an inner op depends on it, or if there are
/// more of them than what computes a few shapes: a Reshape of another part of the model may read
/// the shape of an inner value.
static bool delay(Operation *user, Operation *last, Idiom &idiom) {
  constexpr size_t kMost = 64;
  SmallVector<Operation *> pending{user};
  for (unsigned visits = 0; !pending.empty(); ++visits) {
    if (visits == kMostVisits)
      return false;
    Operation *op = last->getBlock()->findAncestorOpInBlock(*pending.pop_back_val());
    if (!op || idiom.inside.contains(op))
      return false;
    if (last->isBeforeInBlock(op) || !idiom.late.insert(op))
      continue;
    if (idiom.late.size() > kMost)
      return false;
    llvm::append_range(pending, op->getUsers());
  }
  return true;
}

std::optional<Miss> basin::onnx::checkIdiom(Idiom &idiom, bool allowExtraResults) {
  Block *block = idiom.results.front().getParentBlock();
  for (Operation *op : idiom.inside)
    if (op->getBlock() != block)
      return Miss(MissReason::SpansGraphs);
  keepReached(idiom);
  // Absorbs the users of inside values where possible, also those of values that this adds.
  for (size_t i = 0; i < idiom.inside.size(); ++i)
    for (Value value : idiom.inside[i]->getResults())
      if (!llvm::is_contained(idiom.results, value))
        absorbServants(value, idiom.inside);
  assert(
      llvm::all_of(idiom.results,
                   [&](Value result) { return idiom.inside.contains(result.getDefiningOp()); }) &&
      "a matcher follows ops from an argument to each result");
  Operation *last = findLast(idiom.inside);
  idiom.late.clear();
  for (Operation *op : idiom.inside)
    for (Value value : op->getResults()) {
      bool isResult = llvm::is_contained(idiom.results, value);
      if (!isResult && value.hasNUsesOrMore(kMostUses))
        return Miss(MissReason::ValueUsedOutside);
      bool used = false;
      for (Operation *user : value.getUsers()) {
        if (isInside(idiom.inside, user))
          continue;
        used = true;
        if (!delay(user, last, idiom))
          return Miss(MissReason::ValueUsedEarly);
      }
      if (!used || isResult)
        continue;
      if (!allowExtraResults)
        return Miss(MissReason::ValueUsedOutside);
      idiom.results.push_back(value);
    }
  // If a rewrite changes an argument, its uses in the form follow. Uses of a parameter must not.
  for (Value captured : idiom.captured)
    if (captured && llvm::is_contained(idiom.arguments, captured))
      return Miss(MissReason::ParameterIsInput);
  // The op's operands must be computed before it, so none of its inner ops may compute them.
  for (Value operand : llvm::concat<Value>(idiom.arguments, idiom.captured))
    if (Operation *def = operand ? operand.getDefiningOp() : nullptr) {
      if (idiom.inside.contains(def))
        return Miss(MissReason::InputFromInside);
      if (idiom.late.contains(def))
        return Miss(MissReason::ValueUsedEarly);
    }
  return std::nullopt;
}

/// Numbers a new op between its neighbours. If several ops without a number stand side by side, a
/// comparison numbers the whole block again.
static void giveOrder(Operation *op) { (void)op->isBeforeInBlock(op); }

Operation *basin::onnx::raise(Idiom &idiom, OpBuilder &b,
                              llvm::function_ref<Operation *(Location, TypeRange)> create) {
  SmallVector<Operation *> sorted = llvm::to_vector(idiom.inside);
  llvm::sort(sorted, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  b.setInsertionPoint(sorted.back());
  Operation *op = create(sorted.back()->getLoc(), ValueRange(idiom.results).getTypes());
  giveOrder(op);
  SmallVector<Operation *> late = llvm::to_vector(idiom.late);
  llvm::sort(late, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  sink::Form(cast<sink::RaisedInterface>(op)).fill(idiom.arguments, sorted, idiom.results);
  // `moveAfter` would drop the numbers of all ops of the block.
  Operation *before = op;
  for (Operation *reader : late) {
    reader->remove();
    op->getBlock()->getOperations().insertAfter(before->getIterator(), reader);
    giveOrder(reader);
    before = reader;
  }
  return op;
}
