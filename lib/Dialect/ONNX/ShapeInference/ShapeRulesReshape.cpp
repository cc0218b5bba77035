//===- ShapeRulesReshape.cpp ------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rules of ops that keep the elements and change the dims: Reshape, Flatten, Squeeze, Unsqueeze and
// Transpose, and of Expand, whose target is a value as well.
//
//===----------------------------------------------------------------------===//

#include "ShapeRuleSupport.h"

#include "basin/Dialect/ONNX/IR/SizeSum.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

//===----------------------------------------------------------------------===//
// Reshape
//===----------------------------------------------------------------------===//

namespace {
/// A product of sizes, which is a number times symbols, or unknown.
struct Product {
  int64_t factor = 1;
  SmallVector<StringAttr> symbols;
  bool known = true;

  void multiply(const Dim &dim) {
    // A name may spell a product, of which the other side has the factors.
    std::optional<SizeSum> size = dim.isSymbol() ? SizeSum::get(dim) : std::nullopt;
    auto product = size ? size->getProduct() : std::nullopt;
    if (product && !llvm::MulOverflow(factor, product->first, factor))
      llvm::append_range(symbols, product->second);
    else if (dim.isSymbol())
      symbols.push_back(dim.name);
    else if (!dim.isStatic() || llvm::MulOverflow(factor, dim.size, factor))
      known = false;
  }
  /// Drops the symbols that both have, because equal names are equal sizes.
  static void cancel(Product &a, Product &b) {
    llvm::erase_if(a.symbols, [&](StringAttr name) {
      auto *it = llvm::find(b.symbols, name);
      bool found = it != b.symbols.end();
      if (found)
        b.symbols.erase(it);
      return found;
    });
  }
  std::optional<SizeSum> toSize() const {
    std::optional<SizeSum> size = SizeSum::get(factor);
    for (StringAttr name : symbols) {
      std::optional<SizeSum> symbol = SizeSum::get(name);
      size = size && symbol ? SizeSum::multiply(*size, *symbol) : std::nullopt;
    }
    return size;
  }
};
} // namespace

static Product multiplyAll(ArrayRef<Dim> dims) {
  Product product;
  for (const Dim &dim : dims)
    product.multiply(dim);
  return product;
}

/// Returns the one dim that the target leaves open, from the numbers of elements.
static FailureOr<Dim> solveForDim(Operation *op, Product data, Product target) {
  if (!data.known || !target.known)
    return Dim();
  Product::cancel(data, target);
  if (data.factor == 0 || target.factor == 0)
    return Dim();
  bool isNumber = data.symbols.empty() && target.symbols.empty();
  if (isNumber && data.factor % target.factor != 0) {
    op->emitOpError("expected an element count that divides by ")
        << target.factor << ", but got " << data.factor;
    return failure();
  }
  if (isNumber)
    return Dim(data.factor / target.factor);
  if (data.symbols.size() == 1 && target.symbols.empty() && data.factor == target.factor)
    return Dim(data.symbols.front());
  std::optional<SizeSum> all = data.toSize(), rest = target.toSize();
  std::optional<SizeSum> quotient = all && rest ? SizeSum::divide(*all, *rest) : std::nullopt;
  return quotient ? quotient->toDim() : Dim();
}

static LogicalResult checkElementCounts(Operation *op, Product data, Product target) {
  Product::cancel(data, target);
  bool comparable = data.known && target.known && data.symbols.empty() && target.symbols.empty();
  if (!comparable || data.factor == target.factor)
    return success();
  return op->emitOpError("expected ")
         << data.factor << " elements as in the data, but got " << target.factor;
}

/// Reads the dims of the target. `open` becomes the entry to solve for, if there is one.
static LogicalResult readTarget(Operation *op, const ShapeValue &target, const TensorInfo &data,
                                Dims &dims, std::optional<size_t> &open, bool &solvable) {
  bool copiesZero = getIntAttr(op, "allowzero", 0) == 0;
  bool inferred = false;
  for (auto [i, entry] : llvm::enumerate(target)) {
    Dim dim = entry.toDim();
    if (entry.is(0) && copiesZero) {
      if (data.hasRank() && int64_t(i) >= data.rank())
        return op->emitOpError("expected a dim to copy at index ")
               << i << ", but got " << toString(*data.dims);
      dim = data.hasRank() ? data[i] : Dim();
      // A copied dim that is unknown prevents solving for a -1.
      solvable &= !dim.isUnknown();
    } else if (entry.constant && *entry.constant < 0) {
      if (*entry.constant != -1 || inferred)
        return op->emitOpError("expected sizes of at least 0 and one -1 at most, but got ")
               << *entry.constant << " at index " << i;
      inferred = true;
      solvable &= !open;
      open = i;
    } else if (dim.isUnknown()) {
      // This entry may be the -1. If it is the only open one, the element counts give its size in
      // any case.
      solvable &= !open;
      open = i;
    }
    dims.push_back(dim);
  }
  return success();
}

LogicalResult infer::reshape(Operation *op, Types &types) {
  TensorInfo data = getInput(op, 0), output{data.element, std::nullopt};
  std::optional<ShapeValue> target;
  TensorInfo targetInfo = getInput(op, 1);
  if (auto attr = op->getAttrOfType<DenseI64ArrayAttr>("shape"))
    target = ShapeValue(attr.asArrayRef().begin(), attr.asArrayRef().end());
  else
    target = evaluateShapeValue(getInputOrNull(op, 1));
  if (failed(requireRank(op, targetInfo, 1, "a shape")))
    return failure();
  if (!target) {
    setResult(op, types, 0, output);
    return success();
  }
  Dims dims;
  std::optional<size_t> open;
  bool solvable = data.hasRank();
  if (failed(readTarget(op, *target, data, dims, open, solvable)))
    return failure();
  if (open && solvable) {
    Dims given = dims;
    given[*open] = 1;
    FailureOr<Dim> solved = solveForDim(op, multiplyAll(*data.dims), multiplyAll(given));
    if (failed(solved))
      return failure();
    dims[*open] = *solved;
  } else if (!open && data.hasRank() &&
             failed(checkElementCounts(op, multiplyAll(*data.dims), multiplyAll(dims)))) {
    return failure();
  }
  output.dims = dims;
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::flatten(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), output{input.element, Dims(2, Dim())};
  if (input.hasRank()) {
    // The axis may be one past the last, and then all dims become rows.
    int64_t axis = getIntAttr(op, "axis", 1);
    if (axis < -input.rank() || axis > input.rank())
      return op->emitOpError("expected an axis from ")
             << -input.rank() << " to " << input.rank() << ", but got " << axis;
    axis = axis < 0 ? axis + input.rank() : axis;
    ArrayRef<Dim> dims = *input.dims;
    output.dims = Dims{multiplyDims(dims.take_front(axis)), multiplyDims(dims.drop_front(axis))};
  }
  setResult(op, types, 0, output);
  return success();
}

//===----------------------------------------------------------------------===//
// Squeeze, Unsqueeze, Transpose
//===----------------------------------------------------------------------===//

LogicalResult infer::squeeze(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), output{input.element, std::nullopt};
  IntList axes = getIntList(op, "axes", 1);
  if (input.hasRank() && axes.values) {
    FailureOr<Ints> normal = normalizeAxes(op, *axes.values, input.rank());
    if (failed(normal))
      return failure();
    output.dims = Dims();
    for (auto [i, dim] : llvm::enumerate(*input.dims)) {
      if (!llvm::is_contained(*normal, int64_t(i)))
        output.dims->push_back(dim);
      else if (dim.isStatic() && !dim.is(1))
        return op->emitOpError("expected a dim of 1 at axis ") << i << ", but got " << dim.size;
    }
  } else if (input.hasRank() && axes.present) {
    if (axes.size && *axes.size <= input.rank())
      output.dims = Dims(input.rank() - *axes.size, Dim());
  } else if (input.hasRank() &&
             llvm::all_of(*input.dims, [](const Dim &dim) { return dim.isStatic(); })) {
    // Without axes every dim of 1 is dropped, and a dynamic dim may be one.
    output.dims = Dims();
    llvm::copy_if(*input.dims, std::back_inserter(*output.dims),
                  [](const Dim &dim) { return !dim.is(1); });
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::unsqueeze(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), output{input.element, std::nullopt};
  IntList axes = getIntList(op, "axes", 1);
  if (input.hasRank() && axes.values) {
    int64_t rank = input.rank() + axes.values->size();
    FailureOr<Ints> normal = normalizeAxes(op, *axes.values, rank);
    if (failed(normal))
      return failure();
    output.dims = Dims();
    const Dim *next = input.dims->begin();
    for (int64_t i = 0; i < rank; ++i)
      output.dims->push_back(llvm::is_contained(*normal, i) ? Dim(1) : *next++);
  } else if (input.hasRank() && axes.size && *axes.size <= 64) {
    output.dims = Dims(input.rank() + *axes.size, Dim());
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::transpose(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), output{input.element, std::nullopt};
  auto perm = op->getAttrOfType<DenseI64ArrayAttr>("perm");
  if (!perm) {
    if (input.hasRank())
      output.dims = Dims(llvm::reverse(*input.dims));
  } else {
    int64_t rank = perm.size();
    if (failed(requireRank(op, input, rank, "data")))
      return failure();
    FailureOr<Ints> axes = normalizeAxes(op, perm.asArrayRef(), rank);
    if (failed(axes))
      return failure();
    output.dims = Dims();
    for (int64_t axis : *axes)
      output.dims->push_back(input.hasRank() ? input[axis] : Dim());
  }
  setResult(op, types, 0, output);
  return success();
}

LogicalResult infer::expand(Operation *op, Types &types) {
  TensorInfo input = getInput(op, 0), target = getInput(op, 1);
  if (failed(requireRank(op, target, 1, "a shape")))
    return failure();
  TensorInfo shape;
  if (auto sizes = evaluateShapeValue(getInputOrNull(op, 1))) {
    shape.dims = Dims();
    for (const ShapeEntry &size : *sizes)
      shape.dims->push_back(size.toDim());
  }
  FailureOr<std::optional<Dims>> dims = broadcastAll(op, {input, shape});
  if (failed(dims))
    return failure();
  setResult(op, types, 0, {input.element, *dims});
  return success();
}
