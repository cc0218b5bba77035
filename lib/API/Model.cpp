//===- Model.cpp ------------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Diagnostics are captured for each call and become its error, so none is printed to stderr. A
// pipeline runs on a copy of the module, so a pass that fails half-way leaves no half-rewritten
// model. Weights are handles, so the copy only costs the operations.
//
//===----------------------------------------------------------------------===//

#include "basin/API/Model.h"

#include "basin/API/Inspect.h"
#include "basin/Analysis/ScaleProof.h"
#include "basin/Dialect/ONNX/IR/ExternalData.h"
#include "basin/Dialect/ONNX/IR/MappedFile.h"
#include "basin/Dialect/ONNX/IR/ONNX.h"
#include "basin/Dialect/ONNX/IR/QuoteName.h"
#include "basin/Dialect/ONNX/Transforms/Passes.h"
#include "basin/InitAll.h"
#include "basin/Pipelines.h"
#include "basin/StepHistory.h"
#include "basin/Target/ONNX/Import.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace basin;

static DialectRegistry &getRegistry() {
  static DialectRegistry registry = [] {
    DialectRegistry made;
    registerAllDialects(made);
    registerAllPasses();
    registerAllPipelines();
    registerTransformsPasses();
    return made;
  }();
  return registry;
}

// The importer gives a node the location of its name, inside that of its file.
static void print(Location loc, llvm::raw_ostream &os) {
  if (auto name = dyn_cast<NameLoc>(loc))
    os << "node " << onnx::quoteName(name.getName()) << ": ";
  else if (auto file = dyn_cast<FileLineColLoc>(loc); file && file.getLine() == 0)
    os << file.getFilename().getValue() << ": ";
  else if (!isa<UnknownLoc>(loc))
    os << loc << ": ";
}

static void print(const Diagnostic &diagnostic, llvm::raw_ostream &os) {
  print(diagnostic.getLocation(), os);
  os << diagnostic.str();
}

// Diagnostics contain names of the model as they are, and anybody may have written the model. The
// caller gets UTF-8 without control characters and of limited length.
static std::string makePrintable(std::string text) {
  constexpr size_t kLongest = 4000;
  bool isCut = text.size() > kLongest;
  if (isCut)
    text.resize(kLongest);
  text = llvm::json::fixUTF8(text);
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    // Terminals obey U+0080 to U+009F as well, which are C2 80 to C2 9F.
    bool isControl = byte == 0xc2 && i + 1 < text.size() && (text[i + 1] & 0xe0) == 0x80;
    if (isControl)
      text.erase(i, 1);
    if (isControl || byte < 32 || byte == 127)
      text[i] = '?';
  }
  return isCut ? text + "..." : text;
}

static std::string toString(const Diagnostic &diagnostic) {
  auto one = [](const Diagnostic &diagnostic) {
    std::string text;
    llvm::raw_string_ostream os(text);
    print(diagnostic, os);
    return makePrintable(std::move(text));
  };
  std::string text = one(diagnostic);
  for (const Diagnostic &note : diagnostic.getNotes())
    text += "\nnote: " + one(note);
  return text;
}

class Model::Capture {
public:
  explicit Capture(Model &model)
      : model(model), handler(&model.context, [this](Diagnostic &diagnostic) {
          bool isError = diagnostic.getSeverity() == DiagnosticSeverity::Error;
          if (isError && first.empty())
            first = toString(diagnostic);
          else
            this->model.diagnostics.push_back(toString(diagnostic));
          return success();
        }) {}

  llvm::Error error(llvm::StringRef otherwise) {
    return llvm::createStringError(first.empty() ? otherwise.str() : first);
  }

private:
  Model &model;
  std::string first;
  ScopedDiagnosticHandler handler;
};

Model::Model() : context(getRegistry(), MLIRContext::Threading::DISABLED) {
  context.printOpOnDiagnostic(false);
}

Model::~Model() = default;

/// Returns the model's file and its data files as absolute paths, because the process may change
/// its folder.
static std::vector<std::string> listFiles(llvm::StringRef path, ModuleOp module) {
  std::vector<std::string> out;
  auto add = [&](llvm::SmallString<128> file) {
    if (!llvm::sys::fs::make_absolute(file))
      out.push_back(std::string(file));
  };
  add(path);
  auto base = module->getAttrOfType<StringAttr>(onnx::kBaseDirAttr);
  auto data = module->getAttrOfType<ArrayAttr>(onnx::kDataFilesAttr);
  if (base && data)
    for (auto name : data.getAsRange<StringAttr>()) {
      llvm::SmallString<128> file(base.getValue());
      llvm::sys::path::append(file, name.getValue());
      add(file);
    }
  return out;
}

llvm::Expected<std::unique_ptr<Model>> Model::load(llvm::StringRef path) {
  std::unique_ptr<Model> model(new Model);
  Capture capture(*model);
  model->module = onnx::importModel(path, &model->context);
  if (!model->module)
    return capture.error("the model could not be read");
  model->inputFiles = listFiles(path, *model->module);
  return model;
}

// Keeps the parser's reason and drops the position in the pipeline, because the user may not have
// written it.
static llvm::Error pipelineError(llvm::StringRef text) {
  llvm::StringRef reason = text.split("error: ").second;
  return llvm::createStringError("invalid pipeline: " +
                                 (reason.empty() ? text : reason).split('\n').first);
}

llvm::Error Model::run(llvm::StringRef pipeline) {
  return run(pipeline, [](ModuleOp) {});
}

llvm::Error Model::run(llvm::StringRef pipeline, llvm::function_ref<void(ModuleOp)> finish) {
  std::lock_guard<std::mutex> lock(mutex);
  Capture capture(*this);
  std::string reason;
  llvm::raw_string_ostream os(reason);
  PassManager manager(&context);
  if (pipeline.trim().starts_with("builtin.module(")) {
    FailureOr<OpPassManager> parsed = parsePassPipeline(pipeline, os);
    if (failed(parsed))
      return pipelineError(reason);
    static_cast<OpPassManager &>(manager) = std::move(*parsed);
  } else if (failed(parsePassPipeline(pipeline, manager, os))) {
    return pipelineError(reason);
  }
  onnx::MappedFileCheck intact;
  OwningOpRef<ModuleOp> copy = module->clone();
  if (failed(manager.run(*copy)))
    return capture.error("the pipeline failed");
  if (llvm::Error error = intact.check())
    return error;
  finish(*copy);
  if (!original)
    original = std::move(module);
  module = std::move(copy);
  return llvm::Error::success();
}

llvm::Error Model::rewrite(ArrayRef<StepRequest> steps, const RewriteOptions &options) {
  if (llvm::Error error = checkSteps(steps))
    return error;
  // Other characters would be read as a part of the pipeline.
  auto isName = [](char c) { return llvm::isAlnum(c) || c == ':' || c == '-'; };
  for (StringRef name : {StringRef(options.form), StringRef(options.cache)})
    if (name.empty() || !llvm::all_of(name, isName))
      return llvm::createStringError("expected the name of a form or cache, but got " +
                                     onnx::quoteName(name));
  // A residual stream may run through a model's functions, so steps need them inlined.
  std::string passes = getPasses(steps);
  std::string pipeline = llvm::formatv("basin-raise{{inline-functions={0} strict={1}},{2}{3}"
                                       "convert-sink-to-onnx{{form={4} cache={5}}",
                                       !steps.empty(), options.strict, passes,
                                       passes.empty() ? "" : ",", options.form, options.cache);
  return run(pipeline, [&](ModuleOp module) { recordSteps(module, steps); });
}

llvm::Expected<WhyNot> Model::findScaleMismatch() {
  std::lock_guard<std::mutex> lock(mutex);
  Capture capture(*this);
  if (!original)
    return std::nullopt;
  // The proof has no rule for calls, and it needs types to know what is broadcast.
  PassManager manager(&context);
  manager.addPass(onnx::createInlineFunctionsPass());
  manager.addPass(onnx::createInferShapesPass());
  OwningOpRef<ModuleOp> before = original->clone(), after = module->clone();
  if (failed(manager.run(*before)) || failed(manager.run(*after)))
    return capture.error("types could not be inferred");
  return basin::findScaleMismatch(*before, *after);
}

llvm::Error Model::save(llvm::StringRef to, onnx::ExternalData externalData) {
  std::lock_guard<std::mutex> lock(mutex);
  Capture capture(*this);
  if (failed(onnx::exportModel(*module, to, {externalData, inputFiles})))
    return capture.error("the model could not be written");
  return llvm::Error::success();
}

llvm::Expected<std::string> Model::inspectJSON() {
  std::lock_guard<std::mutex> lock(mutex);
  Capture capture(*this);
  PassManager manager(&context);
  buildRaisePipeline(manager);
  onnx::MappedFileCheck intact;
  OwningOpRef<ModuleOp> copy = module->clone();
  if (failed(manager.run(*copy)))
    return capture.error("recognition failed");
  if (llvm::Error error = intact.check())
    return error;
  std::string text;
  llvm::raw_string_ostream os(text);
  os << llvm::json::Value(inspectModule(*copy));
  return text;
}

std::string Model::str(bool elideLarge) {
  std::lock_guard<std::mutex> lock(mutex);
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  if (elideLarge)
    flags.elideLargeElementsAttrs().elideLargeResourceString();
  module->print(os, flags);
  os << '\n';
  return text;
}

std::vector<std::string> Model::takeDiagnostics() {
  std::lock_guard<std::mutex> lock(mutex);
  return std::exchange(diagnostics, {});
}
