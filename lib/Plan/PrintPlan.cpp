//===- PrintPlan.cpp --------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints a plan for readers and tests:
//
//   plan @main(%input_ids: i64 [batch, seq]) -> (logits = %logits)
//   %x: f32 [batch, seq, 64] = kernel @pointwise_0123(y, t0 = %input_ids) {count = 64 * batch *
//   seq} %y: f32 [batch, seq, 64] = product %x [batch * seq, 64] * %w [64, 64] + %bias
//
//===----------------------------------------------------------------------===//

#include "basin/Plan/Plan.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace basin;
using namespace basin::plan;

namespace {
class PlanPrinter {
public:
  PlanPrinter(const Plan &plan, raw_ostream &out)
      : plan(plan), out(out), isWritten(plan.buffers.size()) {}

  void print();

private:
  void printList(ArrayRef<Size> sizes);
  void printBuffer(unsigned buffer);
  void printOperand(const Operand &operand);
  void printMatrix(const Matrix &matrix, ArrayRef<Size> batch, const Size &rows,
                   const Size &columns);
  void printStep(const KernelStep &step);
  void printStep(const ProductStep &step);

  const Plan &plan;
  raw_ostream &out;
  /// The buffers that a step has written.
  std::vector<bool> isWritten;
};
} // namespace

void PlanPrinter::printList(ArrayRef<Size> sizes) {
  out << "[";
  llvm::interleaveComma(sizes, out, [&](const Size &size) { out << size.toString(); });
  out << "]";
}

void PlanPrinter::printBuffer(unsigned buffer) {
  std::string type;
  llvm::raw_string_ostream(type) << plan.buffers[buffer].type;
  out << "%" << plan.buffers[buffer].name << ": " << (type == "i1" ? "bool" : type) << " ";
  printList(plan.buffers[buffer].shape);
}

void PlanPrinter::printOperand(const Operand &operand) {
  out << "%" << plan.buffers[operand.buffer].name;
  if (!operand.offset.is(0))
    out << " at " << operand.offset.toString();
}

void PlanPrinter::printStep(const KernelStep &step) {
  // The result is a temporary that no step has written, or the one that the kernel changes.
  const Operand *result = &step.tensors.front().second;
  for (const auto &[name, operand] : step.tensors)
    if (plan.buffers[operand.buffer].kind == Buffer::Temporary && !isWritten[operand.buffer])
      result = &operand;
  printBuffer(result->buffer);
  isWritten[result->buffer] = true;
  out << " = kernel @" << step.kernel << "(";
  llvm::interleaveComma(step.tensors, out, [&](const auto &tensor) {
    out << tensor.first << " = ";
    printOperand(tensor.second);
  });
  out << ") {";
  llvm::interleaveComma(step.scalars, out, [&](const auto &scalar) {
    out << scalar.first << " = " << scalar.second.toString();
  });
  out << "}\n";
}

/// Prints a matrix with its strides.
void PlanPrinter::printMatrix(const Matrix &matrix, ArrayRef<Size> batch, const Size &rows,
                              const Size &columns) {
  printOperand(matrix.where);
  Sizes sizes(batch), strides(matrix.batchStrides);
  sizes.append({rows, columns});
  strides.append({matrix.rowStride, matrix.columnStride});
  out << " ";
  printList(sizes);
  out << " strides ";
  printList(strides);
}

void PlanPrinter::printStep(const ProductStep &step) {
  printBuffer(step.c.where.buffer);
  isWritten[step.c.where.buffer] = true;
  out << " = product ";
  printMatrix(step.a, step.batch, step.m, step.k);
  out << " * ";
  printMatrix(step.b, step.batch, step.k, step.n);
  if (step.bias) {
    out << " + ";
    printOperand(*step.bias);
  }
  if (step.alpha != 1)
    out << " alpha " << step.alpha;
  out << "\n";
}

void PlanPrinter::print() {
  out << "plan @" << plan.name << "(";
  llvm::interleaveComma(plan.inputs, out, [&](unsigned input) { printBuffer(input); });
  out << ") -> (";
  llvm::interleaveComma(plan.outputs, out, [&](const auto &output) {
    out << output.first << " = %" << plan.buffers[output.second].name;
  });
  out << ")\n";
  for (const SizeCheck &check : plan.checks)
    out << "check " << check.size.toString() << " <= " << check.limit.toString() << " for "
        << check.node << "\n";
  for (const Step &step : plan.steps)
    std::visit([&](const auto &one) { printStep(one); }, step);
}

void plan::print(const Plan &plan, raw_ostream &out) { PlanPrinter(plan, out).print(); }
