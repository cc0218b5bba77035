//===- Exporter.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declarations that the files of the exporter share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_EXPORTER_H
#define BASIN_LIB_TARGET_ONNX_EXPORTER_H

#include "Rope.h"

#include "basin/Dialect/ONNX/IR/TensorData.h"
#include "basin/Target/ONNX/Export.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace basin::onnx {

/// Where external data goes; `os` is the new data file, if one is written.
struct DataPolicy {
  ExternalData mode = ExternalData::Share;
  std::string fileName;
  llvm::raw_ostream *os = nullptr;
  uint64_t written = 0;
};

class Exporter {
public:
  Exporter(mlir::ModuleOp module, DataPolicy &data) : module(module), data(data) {}

  llvm::FailureOr<wire::Rope> model();

private:
  using Rope = wire::Rope;

  // ExportModel.cpp
  llvm::LogicalResult function(FunctionOp op, Rope &out);
  void opsets(Rope &out, uint32_t tag, mlir::ArrayAttr opsets);
  /// Writes the fields that every message may have: documentation, metadata, unknown fields.
  static void common(Rope &out, mlir::DictionaryAttr info, uint32_t docTag, uint32_t metaTag,
                     llvm::StringRef prefix = "");
  static void entries(Rope &out, uint32_t tag, mlir::ArrayAttr entries);

  // ExportGraph.cpp
  llvm::FailureOr<Rope> graph(mlir::Block &block, GraphInfoAttr info);
  llvm::LogicalResult nodes(mlir::Block &block, GraphInfoAttr info, uint32_t tag, Rope &out);
  llvm::LogicalResult node(mlir::Operation *op, Rope &out);
  llvm::LogicalResult initializer(InitializerOp op, Rope &out);
  Rope valueInfo(ValueInfoAttr info, mlir::Type actual = {});
  void identity(mlir::Value from, llvm::StringRef to, uint32_t tag, Rope &out);

  // ExportNames.cpp
  struct NameScope {
    llvm::StringMap<mlir::Value> names;
    mlir::Region *region;
  };
  /// Names all values of `block`. A name differs from all others that the value's uses can see.
  void nameValues(mlir::Block &block, GraphInfoAttr info);
  void assign(mlir::Value value, llvm::StringRef wanted);
  bool isFree(llvm::StringRef name) const;
  llvm::StringRef nameOf(mlir::Value value) const;

  // ExportTensor.cpp
  llvm::LogicalResult attribute(mlir::Operation *op, llvm::StringRef name, mlir::Attribute attr,
                                uint32_t tag, Rope &out);
  llvm::FailureOr<Rope> tensor(mlir::Operation *op, mlir::Attribute elements,
                               mlir::DictionaryAttr info, std::optional<llvm::StringRef> name);
  llvm::FailureOr<Rope> tensor(mlir::Operation *op, mlir::Attribute value);
  llvm::FailureOr<Rope> sparse(mlir::Operation *op, SparseAttr attr);
  llvm::LogicalResult externalData(mlir::Operation *op, ExternalAttr attr, Rope &out);
  llvm::LogicalResult writeData(mlir::Operation *op, llvm::ArrayRef<char> bytes, Rope &out);

  mlir::ModuleOp module;
  DataPolicy &data;
  llvm::SmallVector<NameScope, 4> scopes;
  llvm::DenseMap<mlir::Value, std::string> valueNames;
  unsigned nextName = 0;
};

} // namespace basin::onnx

#endif // BASIN_LIB_TARGET_ONNX_EXPORTER_H
