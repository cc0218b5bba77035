//===- ExportFiles.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes a ModelProto to files. The data are written first, under a name that no file has. Then
// one rename makes the model visible, which refers to them. If the process ends in between, the
// model and the data from before are still there. No file of the input is overwritten. Files are
// compared by device and inode, so another name for an input file does not help.
//
//===----------------------------------------------------------------------===//

#include "DataFiles.h"
#include "Exporter.h"
#include "OutputFile.h"

#include "basin/Dialect/ONNX/IR/ExternalData.h"
#include "basin/Dialect/ONNX/IR/MappedFile.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace basin::onnx;

namespace fs = llvm::sys::fs;
namespace paths = llvm::sys::path;

//===----------------------------------------------------------------------===//
// What the module refers to
//===----------------------------------------------------------------------===//

/// Returns the files that the model refers to, relative to its folder. Sets `spills` if some
/// initializer is to be moved to a data file.
static llvm::StringSet<> externalLocations(ModuleOp module, bool &spills) {
  llvm::StringSet<> out;
  module.walk([&](Operation *op) {
    if (auto init = dyn_cast<InitializerOp>(op))
      spills |= init.getInfo() && init.getInfo()->contains("spill");
    op->getAttrDictionary().walk(
        [&](ExternalAttr external) { out.insert(external.getLocation()); });
  });
  return out;
}

/// Returns the paths of the input's files: those that the caller names, the model's own, and all
/// data files that it came with, even those that are no longer used.
static std::vector<std::string> inputFiles(ModuleOp module, const ExportOptions &options) {
  std::vector<std::string> out = options.inputFiles;
  if (auto file = dyn_cast<FileLineColLoc>(module.getLoc()))
    out.push_back(file.getFilename().str());
  auto base = module->getAttrOfType<StringAttr>(kBaseDirAttr);
  auto data = module->getAttrOfType<ArrayAttr>(kDataFilesAttr);
  if (base && data)
    for (auto name : data.getAsRange<StringAttr>()) {
      SmallString<128> path(base.getValue());
      paths::append(path, name.getValue());
      out.push_back(std::string(path));
    }
  return out;
}

/// Returns whether external files are where a model in `outputDir` would look for them.
static bool canShare(ModuleOp module, StringRef outputDir) {
  auto base = module->getAttrOfType<StringAttr>(kBaseDirAttr);
  return base && fs::equivalent(base.getValue(), outputDir.empty() ? "." : outputDir);
}

//===----------------------------------------------------------------------===//
// Where it goes
//===----------------------------------------------------------------------===//

/// Fails if `path` must not be replaced: it is a file of the input, or no regular file.
static LogicalResult checkTarget(ModuleOp module, StringRef path, ArrayRef<std::string> inputs) {
  for (const std::string &input : inputs)
    if (fs::equivalent(input, path))
      return module.emitError("cannot write ")
             << quoteName(path) << ": it is the input's own file " << quoteName(input);
  fs::file_status status;
  if (!fs::status(path, status) && status.type() != fs::file_type::regular_file)
    return module.emitError("cannot write ")
           << quoteName(path) << ": expected a regular file or none, but got "
           << (status.type() == fs::file_type::directory_file ? "a directory" : "a special file");
  return success();
}

namespace {
/// One export, with its policy and both files.
class FileExport {
public:
  FileExport(ModuleOp module, StringRef path, const ExportOptions &options)
      : module(module), path(path), inputs(inputFiles(module, options)) {
    data.mode = options.externalData;
  }
  LogicalResult run();

private:
  LogicalResult choosePolicy();
  LogicalResult write();
  LogicalResult publish();
  LogicalResult fail(StringRef name, std::error_code error);
  std::string dataPath(StringRef name) const;

  ModuleOp module;
  StringRef path;
  std::vector<std::string> inputs;
  DataPolicy data;
  bool writesData = false;
  OutputFile dataFile, modelFile;
  MappedFileCheck intact;
};
} // namespace

LogicalResult FileExport::fail(StringRef name, std::error_code error) {
  return module.emitError("cannot write ")
         << quoteName(name)
         << ": "
         // This is the kernel's error if it copies from a mapping whose file shrank.
         << (error == std::errc::bad_address ? "an input file shrank while it was read"
                                             : error.message());
}

std::string FileExport::dataPath(StringRef name) const {
  SmallString<128> out(paths::parent_path(path));
  paths::append(out, name);
  return std::string(out);
}

LogicalResult FileExport::choosePolicy() {
  StringRef dir = paths::parent_path(path);
  bool spills = false;
  llvm::StringSet<> locations = externalLocations(module, spills);
  if (data.mode == ExternalData::Auto)
    data.mode = canShare(module, dir) ? ExternalData::Share : ExternalData::Copy;
  if (data.mode == ExternalData::Share && !locations.empty() && !canShare(module, dir))
    return module.emitError("cannot share external data: ")
           << quoteName(path)
           << " does not stand in the folder of the input's data files; use "
              "external data 'copy'";
  writesData = data.mode != ExternalData::Embed &&
               (spills || (data.mode == ExternalData::Copy && !locations.empty()));
  if (writesData)
    data.fileName = chooseDataName(path, [&](StringRef name) { return locations.contains(name); });
  return success();
}

LogicalResult FileExport::write() {
  StringRef dir = paths::parent_path(path);
  if (writesData) {
    if (std::error_code error = dataFile.open(dir))
      return fail(data.fileName, error);
    data.os = &dataFile.os();
  }
  FailureOr<wire::Rope> rope = Exporter(module, data).model();
  if (failed(rope))
    return failure();
  if (std::error_code error = modelFile.open(dir))
    return fail(path, error);
  rope->write(modelFile.os());
  if (writesData)
    if (std::error_code error = dataFile.finish())
      return fail(data.fileName, error);
  if (std::error_code error = modelFile.finish())
    return fail(path, error);
  if (llvm::Error error = intact.check())
    return module.emitError(llvm::toString(std::move(error)));
  return success();
}

LogicalResult FileExport::publish() {
  // This must be found out before the old model is gone. Data files of the input are kept.
  std::vector<std::string> old = findOwnDataFiles(path);
  llvm::erase_if(old, [&](const std::string &name) {
    return llvm::any_of(
        inputs, [&](const std::string &input) { return fs::equivalent(input, dataPath(name)); });
  });
  if (writesData)
    if (std::error_code error = dataFile.publishNew(dataPath(data.fileName)))
      return fail(data.fileName, error);
  if (std::error_code error = modelFile.publishOver(path)) {
    if (writesData)
      (void)fs::remove(dataPath(data.fileName));
    return fail(path, error);
  }
  for (const std::string &name : old)
    (void)fs::remove(dataPath(name));
  return success();
}

LogicalResult FileExport::run() {
  if (failed(checkTarget(module, path, inputs)) || failed(choosePolicy()) || failed(write()))
    return failure();
  return publish();
}

LogicalResult basin::onnx::exportModel(ModuleOp module, StringRef path,
                                       const ExportOptions &options) {
  return FileExport(module, path, options).run();
}
