//===- Importer.h -----------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Declarations that the files of the importer share.
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_LIB_TARGET_ONNX_IMPORTER_H
#define BASIN_LIB_TARGET_ONNX_IMPORTER_H

#include "Wire.h"

#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Support/WhyNot.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"

namespace basin::onnx {

/// The names visible at a point: those of a graph, and through `parent` those of the graphs
/// around it.
struct Scope {
  const Scope *parent = nullptr;
  llvm::DenseMap<llvm::StringRef, mlir::Value> values;
  /// What the graph says about the types of its values.
  llvm::DenseMap<llvm::StringRef, mlir::Type> stated;
  mlir::Value absent;

  mlir::Value lookup(llvm::StringRef name) const;
};

/// Returns what a diagnostic calls a node or a function.
std::string describe(const wire::Node &n);
std::string describe(const wire::Function &f);

/// Returns a domain in one form: the default domain can be written in two.
llvm::StringRef canonicalDomain(const wire::Text &domain);

/// Returns why the model is refused before any IR is made, and where in it, or nothing if it is
/// not. The reasons are wrong opset imports, and functions that are defined twice, call
/// themselves, or are called with too many inputs or outputs.
WhyNot checkModel(const wire::Model &model);

/// Returns an order in which each node comes after those whose results it needs, or nothing if
/// the nodes already are in such an order. `scope` has the inputs and initializers.
std::optional<std::vector<unsigned>> sortNodes(llvm::ArrayRef<wire::Node> nodes, const Scope &scope,
                                               bool &hasCycle);

class Importer {
public:
  Importer(mlir::MLIRContext *ctx, wire::Model &model, std::shared_ptr<llvm::MemoryBuffer> buffer,
           std::string baseDir);

  mlir::OwningOpRef<mlir::ModuleOp> import();

private:
  using Attrs = mlir::NamedAttrList;

  mlir::InFlightDiagnostic error(const llvm::Twine &where);

  // ImportModel.cpp
  mlir::DictionaryAttr modelAttr();
  mlir::ArrayAttr opsets(llvm::ArrayRef<wire::Opset> opsets);
  mlir::ArrayAttr entries(const wire::Entries &entries);
  mlir::ArrayAttr strings(llvm::ArrayRef<llvm::StringRef> values);
  /// Adds `doc`, `meta`, `unknown` under `prefix`.
  void common(Attrs &attrs, const wire::Text &doc, const wire::Entries &meta,
              llvm::StringRef unknown, llvm::StringRef prefix = "");
  llvm::LogicalResult function(wire::Function &f);

  // ImportGraph.cpp
  llvm::FailureOr<GraphInfoAttr> graphInfo(const wire::Graph &g, Scope &scope);
  llvm::FailureOr<ValueInfoAttr> valueInfo(const wire::ValueInfo &v, llvm::StringRef where);
  llvm::FailureOr<mlir::ArrayAttr> valueInfos(llvm::ArrayRef<wire::ValueInfo> values,
                                              llvm::StringRef where);
  llvm::LogicalResult body(wire::Graph &g, GraphInfoAttr info, mlir::Block &block, Scope &scope);
  llvm::LogicalResult initializers(const wire::Graph &g, Scope &scope);
  llvm::LogicalResult define(Scope &scope, llvm::StringRef name, mlir::Value value,
                             const llvm::Twine &where);
  llvm::LogicalResult finish(llvm::ArrayRef<llvm::StringRef> outputs, Scope &scope,
                             const llvm::Twine &where);

  // ImportNode.cpp
  llvm::LogicalResult nodes(llvm::MutableArrayRef<wire::Node> nodes, Scope &scope,
                            const llvm::Twine &where);
  llvm::LogicalResult node(wire::Node &n, Scope &scope);
  llvm::LogicalResult operands(const wire::Node &n, Scope &scope,
                               llvm::SmallVectorImpl<mlir::Value> &out);
  llvm::LogicalResult nodeAttrs(wire::Node &n, Attrs &attrs,
                                llvm::SmallVectorImpl<wire::Graph *> &graphs,
                                llvm::SmallVectorImpl<mlir::Attribute> &graphNames,
                                llvm::StringRef where);
  llvm::LogicalResult attributeKinds(const wire::Node &n, const Attrs &attrs,
                                     llvm::StringRef where);
  mlir::Operation *createNode(const wire::Node &n, mlir::OperationState &state, const Attrs &attrs,
                              llvm::ArrayRef<wire::Graph *> graphs,
                              llvm::ArrayRef<mlir::Attribute> graphNames);
  llvm::LogicalResult subgraphs(mlir::Operation *op, llvm::ArrayRef<wire::Graph *> graphs,
                                Scope &scope);
  bool isTypedUse(mlir::RegisteredOperationName name, const NodeSchema &schema, const wire::Node &n,
                  mlir::ValueRange operands, const Attrs &attrs,
                  llvm::ArrayRef<mlir::Attribute> graphNames);

  // ImportTensor.cpp
  llvm::FailureOr<mlir::Attribute> attribute(const wire::Attribute &a, const llvm::Twine &where);
  /// Reads only the tensor's elements. `what` names the tensor in diagnostics.
  llvm::FailureOr<mlir::TypedAttr> elements(const wire::Tensor &t, const llvm::Twine &what);
  llvm::FailureOr<mlir::TypedAttr>
  externalElements(const wire::Tensor &t, mlir::RankedTensorType type, const llvm::Twine &what);
  llvm::FailureOr<mlir::TypedAttr> typedElements(const wire::Tensor &t, mlir::RankedTensorType type,
                                                 const llvm::Twine &what);
  mlir::DictionaryAttr tensorInfo(const wire::Tensor &t, bool withName);
  llvm::FailureOr<mlir::Attribute> tensor(const wire::Tensor &t, const llvm::Twine &what);

  // ImportSparse.cpp
  llvm::FailureOr<mlir::Attribute> sparse(const wire::SparseTensor &s, const llvm::Twine &what);
  /// Checks `count` indices into a tensor of sizes `dims`, which has `elements` elements.
  llvm::LogicalResult sparseIndices(mlir::Attribute indices, llvm::ArrayRef<int64_t> dims,
                                    int64_t count, int64_t elements, const llvm::Twine &what);

  mlir::MLIRContext *ctx;
  wire::Model &model;
  std::shared_ptr<llvm::MemoryBuffer> buffer;
  std::string baseDir;
  mlir::ModuleOp module;
  mlir::OpBuilder b;
  mlir::Location loc;
  /// `domain/name` of the model-local functions, which shadow operators.
  llvm::StringSet<> functionNames;
  llvm::StringSet<> functionSymbols;
  /// Locations of external data, in the order in which they are met.
  llvm::SetVector<mlir::Attribute> dataFiles;
  /// The version of ai.onnx that the current graph or function imports, or 0 if it imports none.
  int64_t opsetVersion = 0;
};

} // namespace basin::onnx

#endif // BASIN_LIB_TARGET_ONNX_IMPORTER_H
