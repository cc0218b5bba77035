//===- PointwiseLanes.cpp ---------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PointwiseLanes.h"

using namespace basin::kernels;
using Operator = PointwiseOperator;

PointwiseLanes::PointwiseLanes(const PointwiseProgram &program, int64_t vector)
    : program(program), vector(vector) {
  for (const PointwiseExpression &expression : program.expressions) {
    bool isSame = llvm::all_of(expression.operands, [&](unsigned i) { return uniform[i]; });
    if (expression.op == Operator::Index)
      isSame = expression.number + 1 != program.rank();
    else if (expression.op == Operator::Read)
      isSame = program.tensors[expression.number].strides.back() == 0;
    else if (expression.op == Operator::Let)
      isSame = uniform[expression.operands.back()];
    uniform.push_back(vector == 1 || isSame || comparesAtBoundary(expression));
  }
}

bool PointwiseLanes::isLastIndex(unsigned number) const {
  return program[number].op == Operator::Index && program[number].number + 1 == program.rank();
}

/// Returns whether the expression compares the last index with a literal, and changes only where a
/// vector begins.
bool PointwiseLanes::comparesAtBoundary(const PointwiseExpression &expression) const {
  if (expression.op != Operator::Lt && expression.op != Operator::Le &&
      expression.op != Operator::Gt && expression.op != Operator::Ge)
    return false;
  bool isSwapped = !isLastIndex(expression.operands[0]);
  unsigned index = expression.operands[isSwapped], other = expression.operands[!isSwapped];
  if (!isLastIndex(index) || program[other].op != Operator::Literal)
    return false;
  // j < c and j >= c change between c - 1 and c, the two others between c and c + 1.
  bool isBefore = (expression.op == Operator::Lt || expression.op == Operator::Ge) != isSwapped;
  uint64_t change = static_cast<uint64_t>(program[other].number) + (isBefore ? 0 : 1);
  return change % vector == 0;
}

int64_t PointwiseLanes::getRun(const PointwiseExpression &gather) const {
  const PointwiseTensor &tensor = program.tensors[gather.number];
  if (tensor.strides.empty() || tensor.strides.back() != 1)
    return 1;
  for (unsigned operand : llvm::ArrayRef(gather.operands).drop_back())
    if (!uniform[operand])
      return 1;
  const PointwiseExpression &last = program[gather.operands.back()];
  uint64_t shift = 0;
  if (last.op == Operator::Add || last.op == Operator::Sub) {
    bool isPlain =
        isLastIndex(last.operands[0]) && program[last.operands[1]].op == Operator::Literal;
    if (!isPlain)
      return 1;
    shift = static_cast<uint64_t>(program[last.operands[1]].number);
  } else if (!isLastIndex(gather.operands.back())) {
    return 1;
  }
  int64_t width = getAccessWidth(tensor, vector);
  while (shift % width != 0)
    width /= 2;
  return width;
}
