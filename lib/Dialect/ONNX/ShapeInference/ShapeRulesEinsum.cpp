//===- ShapeRulesEinsum.cpp -------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Einsum first finds a size for each label, from the operands whose terms have it, and then reads
// the output's term. A size of 1 gives way to another one, because runtimes broadcast labels as
// numpy does. An operand of unknown rank has unknown sizes for its labels, and a 1 of another
// operand gives way to those as well.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "basin/Dialect/ONNX/IR/QuoteName.h"

#include "llvm/ADT/StringExtras.h"

#include <array>

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

namespace {
/// A term "ab...c": its labels, and how many of them precede the ellipsis if there is one.
struct Term {
  SmallString<8> labels;
  std::optional<size_t> ellipsis;
};

struct Equation {
  SmallVector<Term> inputs;
  std::optional<Term> output;
};

struct Sizes {
  std::array<std::optional<Dim>, 128> labels;
  /// Nothing if an operand of unknown rank has an ellipsis in its term.
  std::optional<Dims> ellipsis = Dims();
};
} // namespace

//===----------------------------------------------------------------------===//
// The equation
//===----------------------------------------------------------------------===//

static FailureOr<Term> parseTerm(Operation *op, StringRef text) {
  Term term;
  StringRef rest = text;
  while (!rest.empty()) {
    if (!term.ellipsis && rest.consume_front("...")) {
      term.ellipsis = term.labels.size();
    } else if (llvm::isAlpha(rest.front())) {
      term.labels.push_back(rest.front());
      rest = rest.drop_front();
    } else {
      op->emitOpError("expected terms of letters and at most one ellipsis, but got ")
          << quoteName(text);
      return failure();
    }
  }
  return term;
}

static FailureOr<Equation> parseEquation(Operation *op, StringRef text) {
  std::string dense = text.str();
  llvm::erase(dense, ' ');
  auto [left, right] = StringRef(dense).split("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != op->getNumOperands()) {
    op->emitOpError("expected an equation of ")
        << op->getNumOperands() << " input terms, but got " << terms.size();
    return failure();
  }
  Equation equation;
  for (StringRef term : terms) {
    FailureOr<Term> parsed = parseTerm(op, term);
    if (failed(parsed))
      return failure();
    equation.inputs.push_back(*parsed);
  }
  if (StringRef(dense).contains("->")) {
    FailureOr<Term> parsed = parseTerm(op, right);
    if (failed(parsed))
      return failure();
    equation.output = *parsed;
  }
  return equation;
}

/// Without "->" the output is the ellipsis and then the labels that occur once, in order.
static Term deduceOutput(const Equation &equation) {
  Term output;
  std::array<unsigned, 128> counts = {};
  for (const Term &term : equation.inputs) {
    if (term.ellipsis)
      output.ellipsis = 0;
    for (char label : term.labels)
      ++counts[label];
  }
  for (size_t label = 0; label < counts.size(); ++label)
    if (counts[label] == 1)
      output.labels.push_back(char(label));
  return output;
}

/// numpy puts "B" before "a", but runtimes may put it after.
static bool isOrderAmbiguous(const Term &output) {
  return llvm::any_of(output.labels, llvm::isUpper) && llvm::any_of(output.labels, llvm::isLower);
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

static LogicalResult readLabel(Operation *op, char label, const Dim &dim, Sizes &sizes) {
  std::optional<Dim> &known = sizes.labels[label];
  std::optional<Dim> joint = known ? broadcastDim(*known, dim) : dim;
  if (!joint)
    return op->emitOpError("expected one size of label '")
           << label << "', but got " << toString(*known) << " and " << toString(dim);
  known = joint;
  return success();
}

static LogicalResult readOperand(Operation *op, unsigned index, const Term &term, Sizes &sizes) {
  TensorInfo info = getInput(op, index);
  int64_t count = term.labels.size();
  if (!info.hasRank()) {
    for (char label : term.labels)
      if (failed(readLabel(op, label, Dim(), sizes)))
        return failure();
    if (term.ellipsis)
      sizes.ellipsis = std::nullopt;
    return success();
  }
  if (info.rank() < count || (!term.ellipsis && info.rank() != count))
    return op->emitOpError("expected operand ")
           << index << " of rank " << count << (term.ellipsis ? " or more" : "") << ", but got "
           << toString(*info.dims);
  size_t before = term.ellipsis.value_or(count), spread = info.rank() - count;
  for (auto [i, label] : llvm::enumerate(term.labels))
    if (failed(readLabel(op, label, info[i < before ? i : i + spread], sizes)))
      return failure();
  if (!term.ellipsis || !sizes.ellipsis)
    return success();
  ArrayRef<Dim> covered = ArrayRef(*info.dims).slice(before, spread);
  std::optional<Dims> joint = broadcastDims(*sizes.ellipsis, covered);
  if (!joint)
    return op->emitOpError("expected dims under the ellipsis that broadcast, but got ")
           << toString(*sizes.ellipsis) << " and " << toString(covered);
  sizes.ellipsis = joint;
  return success();
}

static FailureOr<std::optional<Dims>> collectDims(Operation *op, const Term &output,
                                                  const Sizes &sizes) {
  Dims dims;
  llvm::SmallDenseSet<char> seen;
  for (char label : output.labels) {
    const std::optional<Dim> &dim = sizes.labels[label];
    if (!dim || !seen.insert(label).second) {
      op->emitOpError("expected output labels to be distinct and of an input, but got '")
          << label << "'" << (dim ? " twice" : "");
      return failure();
    }
    dims.push_back(*dim);
  }
  if (!output.ellipsis)
    return std::optional(dims);
  if (!sizes.ellipsis)
    return std::optional<Dims>();
  dims.insert(dims.begin() + *output.ellipsis, sizes.ellipsis->begin(), sizes.ellipsis->end());
  return std::optional(dims);
}

LogicalResult infer::einsum(Operation *op, Types &types) {
  FailureOr<Type> element = getCommonElement(op, 0, op->getNumOperands());
  if (failed(element))
    return failure();
  setResult(op, types, 0, {*element, std::nullopt});
  auto text = op->getAttrOfType<StringAttr>("equation");
  if (!text)
    return success();
  FailureOr<Equation> equation = parseEquation(op, text);
  if (failed(equation))
    return failure();
  Sizes sizes;
  for (auto [i, term] : llvm::enumerate(equation->inputs))
    if (failed(readOperand(op, i, term, sizes)))
      return failure();
  Term output = equation->output ? *equation->output : deduceOutput(*equation);
  FailureOr<std::optional<Dims>> dims = collectDims(op, output, sizes);
  if (failed(dims))
    return failure();
  if (!equation->output && *dims && isOrderAmbiguous(output))
    *dims = Dims((*dims)->size(), Dim());
  setResult(op, types, 0, {*element, *dims});
  return success();
}
