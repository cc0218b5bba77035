//===- NodeNames.h ----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Keeps the names of nodes apart. A conversion names its nodes after an op's result, and a model
// that was converted before has such nodes already. ONNX Runtime refuses two nodes of one name.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_CONVERSION_SINKTOONNX_NODENAMES_H
#define BASIN_LIB_CONVERSION_SINKTOONNX_NODENAMES_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

#include "llvm/ADT/DenseMap.h"

namespace basin {

class NodeNames {
public:
  /// Takes the names that the nodes have before a conversion. Equal ones among them stay.
  explicit NodeNames(mlir::Operation *root);

  /// Gives other names to nodes that were made since, if theirs are in use.
  void renameNewNodes();

private:
  mlir::Operation *root;
  llvm::DenseMap<mlir::Operation *, mlir::StringAttr> before;
};

} // namespace basin

#endif // BASIN_LIB_CONVERSION_SINKTOONNX_NODENAMES_H
