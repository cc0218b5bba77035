//===- ShapeRulesImage.cpp --------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Resizing and sampling of images x [N, C, spatial...].
//   Resize, Upsample   the sizes of the operand, else floor(size * scale)
//   DepthToSpace       [N, C / b^2, H * b, W * b], SpaceToDepth the reverse
//   GridSample         the spatial sizes of the grid
//   RoiAlign           one image for each region, of the size in the attributes
//
//===----------------------------------------------------------------------===//

#include "ShapeRulesGeneric.h"

#include <cmath>

using namespace mlir;
using namespace basin::onnx;
using namespace basin::onnx::infer;

//===----------------------------------------------------------------------===//
// Resize
//===----------------------------------------------------------------------===//

/// Reads the scales from Upsample's attribute (opset 7) or from an operand. That is the second
/// operand before Resize of opset 11, and the third from then on.
static std::optional<SmallVector<double>> readScales(Operation *op, Value operand) {
  if (auto list = dyn_cast_or_null<DenseF32ArrayAttr>(getNodeAttr(op, "scales")))
    return SmallVector<double>(list.asArrayRef().begin(), list.asArrayRef().end());
  constexpr size_t kMost = 64;
  Attribute value = operand ? getConstantAttr(operand) : Attribute();
  return value ? readFloatElements(value, operand.getDefiningOp(), kMost) : std::nullopt;
}

/// Returns the axes that the sizes and scales are for: those of the attribute, or all.
static std::optional<Ints> readAxes(Operation *op, int64_t rank) {
  std::optional<Ints> axes = getNodeInts(op, "axes");
  if (!axes)
    return llvm::to_vector(llvm::seq<int64_t>(0, rank));
  for (int64_t &axis : *axes) {
    if (axis < -rank || axis >= rank)
      return std::nullopt;
    axis = axis < 0 ? axis + rank : axis;
  }
  return axes;
}

static Dim scaleBy(const Dim &dim, double scale) {
  if (scale == 1)
    return dim;
  // Runtimes multiply in f32.
  double size = std::floor(static_cast<float>(dim.size) * static_cast<float>(scale));
  return dim.isStatic() && size >= 0 && size < 0x1p53 ? Dim(int64_t(size)) : Dim();
}

void infer::resize(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0);
  if (!x.hasRank())
    return setResult(op, types, 0, x);
  bool isOld = op->getNumOperands() <= 2;
  Value sizes = getInputOrNull(op, 3);
  auto scales = readScales(op, getInputOrNull(op, isOld ? 1 : 2));
  std::optional<Ints> axes = readAxes(op, x.rank());
  std::optional<ShapeValue> told = sizes ? evaluateShapeValue(sizes) : std::nullopt;
  bool stretches = getNodeString(op, "keep_aspect_ratio_policy", "stretch") == "stretch";
  if (axes && told && told->size() == axes->size() && stretches) {
    for (auto [axis, entry] : llvm::zip_equal(*axes, *told))
      (*x.dims)[axis] = entry.toDim();
  } else if (axes && !sizes && scales && scales->size() == axes->size()) {
    for (auto [axis, scale] : llvm::zip_equal(*axes, *scales))
      (*x.dims)[axis] = scaleBy(x[axis], scale);
  } else {
    x.dims = Dims(x.rank(), Dim());
  }
  setResult(op, types, 0, x);
}

//===----------------------------------------------------------------------===//
// Depth and space
//===----------------------------------------------------------------------===//

static void moveBlocks(Operation *op, Types &types, bool toSpace) {
  TensorInfo x = getInput(op, 0);
  int64_t block = getNodeInt(op, "blocksize", 0), squared;
  if (!x.hasRank() || x.rank() != 4 || block <= 0 || llvm::MulOverflow(block, block, squared)) {
    x.dims = std::nullopt;
    return setResult(op, types, 0, x);
  }
  Dim height = x[2], width = x[3];
  *x.dims =
      toSpace
          ? Dims{x[0], divideDim(x[1], squared), scaleDim(height, block), scaleDim(width, block)}
          : Dims{x[0], scaleDim(x[1], squared), divideDim(height, block), divideDim(width, block)};
  setResult(op, types, 0, x);
}

void infer::depthToSpace(Operation *op, Types &types) { moveBlocks(op, types, /*toSpace=*/true); }
void infer::spaceToDepth(Operation *op, Types &types) { moveBlocks(op, types, /*toSpace=*/false); }

//===----------------------------------------------------------------------===//
// Sampling
//===----------------------------------------------------------------------===//

void infer::gridSample(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0), grid = getInput(op, 1), out{x.element, std::nullopt};
  if (x.hasRank() && grid.hasRank() && x.rank() >= 3 && grid.rank() == x.rank()) {
    out.dims = Dims{x[0], x[1]};
    out.dims->append(grid.dims->begin() + 1, grid.dims->end() - 1);
  }
  setResult(op, types, 0, out);
}

/// Returns the batch and channels of a result with one image for each row of `regions`.
static Dims regionDims(const TensorInfo &x, const TensorInfo &regions) {
  return {regions.hasRank() && regions.rank() > 0 ? regions[0] : Dim(),
          x.hasRank() && x.rank() > 1 ? x[1] : Dim()};
}

void infer::roiAlign(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0);
  Dims dims = regionDims(x, getInput(op, 1));
  for (StringRef name : {"output_height", "output_width"})
    dims.push_back(ShapeEntry(getNodeInt(op, name, 1)).toDim());
  setResult(op, types, 0, {x.element, dims});
}

void infer::maxRoiPool(Operation *op, Types &types) {
  TensorInfo x = getInput(op, 0);
  std::optional<Ints> pooled = getNodeInts(op, "pooled_shape");
  Dims dims = regionDims(x, getInput(op, 1));
  for (size_t i = 0; i < 2; ++i)
    dims.push_back(pooled && pooled->size() == 2 ? ShapeEntry((*pooled)[i]).toDim() : Dim());
  setResult(op, types, 0, {x.element, dims});
}
