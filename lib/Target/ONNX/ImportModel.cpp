//===- ImportModel.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Imports a ModelProto as a module: decodes it, and imports the main graph and the functions.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"

#include "basin/Dialect/ONNX/IR/ExternalData.h"
#include "basin/Dialect/ONNX/IR/MappedFile.h"
#include "basin/Target/ONNX/Import.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace basin;
using namespace basin::onnx;

Importer::Importer(MLIRContext *ctx, wire::Model &model, std::shared_ptr<llvm::MemoryBuffer> buffer,
                   std::string baseDir)
    : ctx(ctx), model(model), buffer(std::move(buffer)), baseDir(std::move(baseDir)), b(ctx),
      loc(FileLineColLoc::get(ctx, this->buffer->getBufferIdentifier(), 0, 0)) {}

InFlightDiagnostic Importer::error(const Twine &where) {
  return emitError(loc) << where.str() << ": ";
}

ArrayAttr Importer::strings(ArrayRef<StringRef> values) { return b.getStrArrayAttr(values); }

ArrayAttr Importer::entries(const wire::Entries &entries) {
  SmallVector<Attribute> out;
  for (const auto &[key, value] : entries)
    out.push_back(b.getStrArrayAttr({key, value}));
  return b.getArrayAttr(out);
}

ArrayAttr Importer::opsets(ArrayRef<wire::Opset> opsets) {
  SmallVector<Attribute> out;
  for (const wire::Opset &opset : opsets) {
    Attrs entry;
    if (opset.domain)
      entry.set("domain", b.getStringAttr(*opset.domain));
    if (opset.version)
      entry.set("version", b.getI64IntegerAttr(*opset.version));
    out.push_back(entry.getDictionary(ctx));
  }
  return b.getArrayAttr(out);
}

void Importer::common(Attrs &attrs, const wire::Text &doc, const wire::Entries &meta,
                      StringRef unknown, StringRef prefix) {
  if (doc)
    attrs.set((prefix + "doc").str(), b.getStringAttr(*doc));
  if (!meta.empty())
    attrs.set((prefix + "meta").str(), entries(meta));
  if (!unknown.empty())
    attrs.set((prefix + "unknown").str(), VerbatimAttr::get(ctx, unknown));
}

DictionaryAttr Importer::modelAttr() {
  Attrs attrs;
  auto text = [&](StringRef name, const wire::Text &value) {
    if (value)
      attrs.set(name, b.getStringAttr(*value));
  };
  auto number = [&](StringRef name, std::optional<int64_t> value) {
    if (value)
      attrs.set(name, b.getI64IntegerAttr(*value));
  };
  number("ir_version", model.irVersion);
  number("model_version", model.modelVersion);
  text("producer_name", model.producerName);
  text("producer_version", model.producerVersion);
  text("domain", model.domain);
  attrs.set("opset_import", opsets(model.opsets));
  common(attrs, model.doc, model.meta, model.unknown);
  return attrs.getDictionary(ctx);
}

static int64_t findVersion(ArrayRef<wire::Opset> opsets) {
  for (const wire::Opset &opset : opsets)
    if (canonicalDomain(opset.domain).empty())
      return opset.version.value_or(0);
  return 0;
}

LogicalResult Importer::function(wire::Function &f) {
  opsetVersion = findVersion(f.opsets);
  std::string where = describe(f);
  FailureOr<ArrayAttr> values = valueInfos(f.valueInfo, "value_info");
  if (failed(values))
    return failure();
  Scope scope;
  for (auto info : values->getAsRange<ValueInfoAttr>())
    scope.stated[info.getName()] = info.getType();
  auto untyped = [&](ArrayRef<StringRef> names) {
    return b.getArrayAttr(llvm::map_to_vector(names, [&](StringRef name) -> Attribute {
      return ValueInfoAttr::get(ctx, b.getStringAttr(name), UnknownType::get(ctx),
                                b.getDictionaryAttr({}));
    }));
  };
  Attrs extra;
  common(extra, f.doc, f.meta, f.unknown);
  auto info = GraphInfoAttr::get(ctx, untyped(f.inputs), untyped(f.outputs), *values,
                                 extra.getDictionary(ctx));
  SmallVector<Attribute> defaults;
  for (const wire::Attribute &a : f.attributeDefaults) {
    FailureOr<Attribute> value =
        a.g ? FailureOr<Attribute>(VerbatimAttr::get(ctx, a.bytes)) : attribute(a, where);
    if (failed(value))
      return failure();
    Attrs entry;
    entry.set("name", b.getStringAttr(a.name.value_or("")));
    entry.set("value", *value);
    defaults.push_back(entry.getDictionary(ctx));
  }
  std::string symbol =
      (f.domain.value_or("") + "::" + f.name.value_or("") + "::" + f.overload.value_or("")).str();
  // A domain or name may contain the separator, so two symbols may be equal.
  while (!functionSymbols.insert(symbol).second)
    symbol += "_";
  auto op = FunctionOp::create(
      b, loc, symbol, f.name.value_or(""), f.domain ? b.getStringAttr(*f.domain) : StringAttr(),
      f.overload ? b.getStringAttr(*f.overload) : StringAttr(), strings(f.attributes),
      b.getArrayAttr(defaults), opsets(f.opsets), info);
  OpBuilder::InsertionGuard guard(b);
  Block &block = op.getBody().emplaceBlock();
  b.setInsertionPointToStart(&block);
  for (StringRef name : f.inputs)
    if (failed(
            define(scope, name, block.addArgument(UnknownType::get(ctx), loc), where + ": input")))
      return failure();
  if (failed(nodes(f.nodes, scope, where)))
    return failure();
  b.setInsertionPointToEnd(&block);
  return finish(f.outputs, scope, where);
}

OwningOpRef<ModuleOp> Importer::import() {
  OwningOpRef<ModuleOp> owned = ModuleOp::create(loc);
  module = *owned;
  module->setAttr(kModelAttr, modelAttr());
  module->setAttr(kBaseDirAttr, b.getStringAttr(baseDir));
  if (!model.graph) {
    error("model") << "has no graph";
    return {};
  }
  if (WhyNot why = checkModel(model)) {
    emitError(loc) << *why;
    return {};
  }
  for (const wire::Function &f : model.functions)
    functionNames.insert((canonicalDomain(f.domain) + "/" + f.name.value_or("")).str());
  opsetVersion = findVersion(model.opsets);
  Scope scope;
  FailureOr<GraphInfoAttr> info = graphInfo(*model.graph, scope);
  if (failed(info))
    return {};
  b.setInsertionPointToEnd(module.getBody());
  auto graph = GraphOp::create(b, loc, "main", *info);
  if (failed(body(*model.graph, *info, graph.getBody().emplaceBlock(), scope)))
    return {};
  for (wire::Function &f : model.functions) {
    b.setInsertionPointToEnd(module.getBody());
    if (failed(function(f)))
      return {};
  }
  if (!dataFiles.empty())
    module->setAttr(kDataFilesAttr, b.getArrayAttr(dataFiles.getArrayRef()));
  return owned;
}

OwningOpRef<ModuleOp> basin::onnx::importModel(std::unique_ptr<llvm::MemoryBuffer> buffer,
                                               MLIRContext *context, const ImportOptions &options) {
  context->loadDialect<ONNXDialect>();
  MappedFileCheck intact;
  std::shared_ptr<llvm::MemoryBuffer> shared = std::move(buffer);
  std::string baseDir = options.baseDir;
  if (baseDir.empty())
    baseDir = std::string(llvm::sys::path::parent_path(shared->getBufferIdentifier()));
  if (baseDir.empty())
    baseDir = ".";
  wire::Limits limits;
  limits.maxDepth = options.maxDepth;
  auto refuse = [&](llvm::Error error) {
    emitError(FileLineColLoc::get(context, shared->getBufferIdentifier(), 0, 0))
        << llvm::toString(std::move(error));
    return OwningOpRef<ModuleOp>();
  };
  auto model = wire::decodeModel(shared->getBuffer(), limits);
  if (!model)
    return refuse(model.takeError());
  OwningOpRef<ModuleOp> module = Importer(context, *model, shared, std::move(baseDir)).import();
  if (llvm::Error error = intact.check()) {
    if (module)
      return refuse(std::move(error));
    llvm::consumeError(std::move(error));
  }
  return module;
}

OwningOpRef<ModuleOp> basin::onnx::importModel(StringRef path, MLIRContext *context,
                                               const ImportOptions &options) {
  auto refuse = [&](const Twine &why) {
    emitError(UnknownLoc::get(context)) << "cannot read " << quoteName(path) << ": " << why.str();
    return OwningOpRef<ModuleOp>();
  };
  // Only regular files can be read: a device may never end, and a pipe cannot be mapped.
  llvm::sys::fs::file_status status;
  if (!llvm::sys::fs::status(path, status) &&
      status.type() != llvm::sys::fs::file_type::regular_file)
    return refuse("expected a regular file");
  auto buffer = mapFile(path);
  if (!buffer)
    return refuse(buffer.getError().message());
  return importModel(std::move(*buffer), context, options);
}
