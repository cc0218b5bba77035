//===- ExportModel.cpp ----------------------------------------------*- C++
//-*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information. SPDX-License-Identifier:
// Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A module to a ModelProto, and that to files: both the model and its data
// file appear under their names only when all of them is written.
//
//===----------------------------------------------------------------------===//

#include "Exporter.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace basin::onnx;
using wire::Rope;

namespace fs = llvm::sys::fs;

void Exporter::entries(Rope &out, uint32_t tag, ArrayAttr entries) {
  for (auto entry : entries.getAsRange<ArrayAttr>()) {
    Rope e;
    e.bytes(1, cast<StringAttr>(entry[0]).getValue());
    e.bytes(2, cast<StringAttr>(entry[1]).getValue());
    out.message(tag, std::move(e));
  }
}

void Exporter::common(Rope &out, DictionaryAttr info, uint32_t docTag, uint32_t metaTag,
                      StringRef prefix) {
  if (auto doc = info.getAs<StringAttr>((prefix + "doc").str()))
    out.bytes(docTag, doc);
  if (auto meta = info.getAs<ArrayAttr>((prefix + "meta").str()))
    entries(out, metaTag, meta);
  if (auto unknown = info.getAs<VerbatimAttr>((prefix + "unknown").str()))
    out.verbatim(unknown.getBytes());
}

void Exporter::opsets(Rope &out, uint32_t tag, ArrayAttr opsets) {
  for (auto opset : opsets.getAsRange<DictionaryAttr>()) {
    Rope entry;
    if (auto domain = opset.getAs<StringAttr>("domain"))
      entry.bytes(1, domain);
    if (auto version = opset.getAs<IntegerAttr>("version"))
      entry.integer(2, version.getInt());
    out.message(tag, std::move(entry));
  }
}

LogicalResult Exporter::function(FunctionOp op, Rope &out) {
  Block &block = op.getBody().front();
  GraphInfoAttr info = op.getInfo();
  nameValues(block, info);
  out.bytes(1, op.getName());
  for (auto input : info.getInputs().getAsRange<ValueInfoAttr>())
    out.bytes(4, input.getName());
  for (auto output : info.getOutputs().getAsRange<ValueInfoAttr>())
    out.bytes(5, output.getName());
  for (auto name : op.getAttrNames().getAsRange<StringAttr>())
    out.bytes(6, name);
  if (failed(nodes(block, info, 7, out)))
    return failure();
  opsets(out, 9, op.getOpsets());
  if (auto domain = op.getDomainAttr())
    out.bytes(10, domain);
  for (auto entry : op.getAttrDefaults().getAsRange<DictionaryAttr>())
    if (failed(attribute(op, entry.getAs<StringAttr>("name"), entry.get("value"), 11, out)))
      return failure();
  for (auto value : info.getValueInfo().getAsRange<ValueInfoAttr>())
    out.message(12, valueInfo(value));
  if (auto overload = op.getOverloadAttr())
    out.bytes(13, overload);
  common(out, info.getInfo(), /*docTag=*/8, /*metaTag=*/14);
  scopes.pop_back();
  return success();
}

FailureOr<Rope> Exporter::model() {
  auto attrs = module->getAttrOfType<DictionaryAttr>(kModelAttr);
  auto graphs = module.getOps<GraphOp>();
  if (!attrs || !llvm::hasSingleElement(graphs))
    return module.emitError("expected a module with '") << kModelAttr << "' and one 'onnx.graph'";
  Rope out;
  auto number = [&](uint32_t tag, StringRef name) {
    if (auto value = attrs.getAs<IntegerAttr>(name))
      out.integer(tag, value.getInt());
  };
  auto text = [&](uint32_t tag, StringRef name) {
    if (auto value = attrs.getAs<StringAttr>(name))
      out.bytes(tag, value);
  };
  number(1, "ir_version");
  text(2, "producer_name");
  text(3, "producer_version");
  text(4, "domain");
  number(5, "model_version");
  GraphOp main = *graphs.begin();
  FailureOr<Rope> body = graph(main.getBody().front(), main.getInfo());
  if (failed(body))
    return failure();
  out.message(7, std::move(*body));
  if (auto imports = attrs.getAs<ArrayAttr>("opset_import"))
    opsets(out, 8, imports);
  for (FunctionOp op : module.getOps<FunctionOp>()) {
    Rope f;
    if (failed(function(op, f)))
      return failure();
    out.message(25, std::move(f));
  }
  common(out, attrs, /*docTag=*/6, /*metaTag=*/14);
  constexpr uint64_t kProtobufLimit = (uint64_t(1) << 31) - 1;
  if (out.size() > kProtobufLimit)
    return module.emitError("the model file would have ")
           << out.size() << " bytes, but protobuf reads no more than " << kProtobufLimit
           << "; keep the weights in a file of their own (external data "
              "'copy')";
  return out;
}

LogicalResult basin::onnx::exportModel(ModuleOp module, llvm::raw_ostream &os) {
  DataPolicy data;
  FailureOr<Rope> rope = Exporter(module, data).model();
  if (failed(rope))
    return failure();
  rope->write(os);
  return success();
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

/// Files the model refers to, relative to its folder.
static llvm::StringSet<> externalLocations(ModuleOp module, bool &spills) {
  llvm::StringSet<> out;
  module.walk([&](InitializerOp op) {
    if (auto external = dyn_cast<ExternalAttr>(op.getValue()))
      out.insert(external.getLocation());
    spills |= op.getInfo() && op.getInfo()->contains("spill");
  });
  return out;
}

/// Whether external files are where a model in `outputDir` would look for them.
static bool canShare(ModuleOp module, StringRef outputDir) {
  auto base = module->getAttrOfType<StringAttr>(kBaseDirAttr);
  return base && fs::equivalent(base.getValue(), outputDir.empty() ? "." : outputDir);
}

namespace {
/// A file under a temporary name beside its final one; gone unless kept.
class PendingFile {
public:
  LogicalResult open(ModuleOp module, StringRef path) {
    final = path.str();
    // Renaming onto a device or a pipe would replace it.
    fs::file_status status;
    if (!fs::status(path, status) && status.type() != fs::file_type::regular_file)
      return module.emitError("cannot write '")
             << path << "': expected a regular file or none, but got "
             << (status.type() == fs::file_type::directory_file ? "a directory" : "a special file");
    auto file = fs::TempFile::create(path + ".tmp-%%%%%%%%");
    if (!file)
      return module.emitError("cannot write '")
             << path << "': " << llvm::toString(file.takeError());
    temp.emplace(std::move(*file));
    os = std::make_unique<llvm::raw_fd_ostream>(temp->FD, /*shouldClose=*/false);
    return success();
  }
  LogicalResult keep(ModuleOp module) {
    os->flush();
    if (os->has_error()) {
      auto diag = module.emitError("cannot write '") << final << "': " << os->error().message();
      os->clear_error();
      return diag;
    }
    // TempFile makes private files; give them what the umask allows.
    (void)fs::setPermissions(temp->FD, fs::perms(0666 & ~fs::getUmask()));
    os.reset();
    if (llvm::Error error = temp->keep(final))
      return module.emitError("cannot write '")
             << final << "': " << llvm::toString(std::move(error));
    temp.reset();
    return success();
  }
  ~PendingFile() {
    if (os)
      os->clear_error();
    os.reset();
    if (temp)
      llvm::consumeError(temp->discard());
  }
  std::unique_ptr<llvm::raw_fd_ostream> os;

private:
  std::string final;
  std::optional<fs::TempFile> temp;
};
} // namespace

LogicalResult basin::onnx::exportModel(ModuleOp module, StringRef path,
                                       const ExportOptions &options) {
  StringRef dir = llvm::sys::path::parent_path(path);
  bool spills = false;
  llvm::StringSet<> locations = externalLocations(module, spills);
  DataPolicy data;
  data.mode = options.externalData;
  data.fileName = (llvm::sys::path::filename(path) + ".data").str();
  if (data.mode == ExternalData::Auto)
    data.mode = canShare(module, dir) ? ExternalData::Share : ExternalData::Copy;
  if (data.mode == ExternalData::Share && !locations.empty() && !canShare(module, dir))
    return module.emitError("cannot share external data: '")
           << path
           << "' does not stand in the folder of the input's data files; use "
              "external data 'copy'";
  bool writesData = data.mode != ExternalData::Embed &&
                    (spills || (data.mode == ExternalData::Copy && !locations.empty()));
  if (writesData && locations.contains(data.fileName) && canShare(module, dir))
    return module.emitError("the new data file '")
           << data.fileName << "' would replace the input's; choose another output name";
  PendingFile dataFile, modelFile;
  SmallString<128> dataPath(dir);
  llvm::sys::path::append(dataPath, data.fileName);
  if (writesData && failed(dataFile.open(module, dataPath)))
    return failure();
  data.os = dataFile.os.get();
  FailureOr<Rope> rope = Exporter(module, data).model();
  if (failed(rope) || failed(modelFile.open(module, path)))
    return failure();
  rope->write(*modelFile.os);
  if (writesData && failed(dataFile.keep(module)))
    return failure();
  return modelFile.keep(module);
}
