//===- BasinModule.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Python's `basin._basin`: basin::Model and nothing else. The interpreter lock
// is released while a model is read, rewritten or written.
//
//===----------------------------------------------------------------------===//

#include "basin/API/Model.h"

#include "llvm/ADT/StringSwitch.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <optional>

namespace nb = nanobind;
using basin::Model;
using basin::onnx::ExternalData;

namespace {
struct BasinError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
} // namespace

static void check(llvm::Error error) {
  if (error)
    throw BasinError(llvm::toString(std::move(error)));
}

static ExternalData parseExternalData(const std::string &text) {
  auto mode = llvm::StringSwitch<std::optional<ExternalData>>(text)
                  .Case("auto", ExternalData::Auto)
                  .Case("share", ExternalData::Share)
                  .Case("copy", ExternalData::Copy)
                  .Case("embed", ExternalData::Embed)
                  .Default(std::nullopt);
  if (!mode)
    throw BasinError("external data: expected auto, share, copy or embed, but got '" + text + "'");
  return *mode;
}

static std::unique_ptr<Model> load(const std::string &path) {
  llvm::Expected<std::unique_ptr<Model>> model = Model::load(path);
  check(model.takeError());
  return std::move(*model);
}

static std::string inspect(Model &model) {
  llvm::Expected<std::string> text = model.inspectJSON();
  check(text.takeError());
  return std::move(*text);
}

static basin::WhyNot findScaleMismatch(Model &model) {
  llvm::Expected<basin::WhyNot> why = model.findScaleMismatch();
  check(why.takeError());
  return std::move(*why);
}

NB_MODULE(_basin, m) {
  [[maybe_unused]] nb::exception<BasinError> error(m, "BasinError");
  using Unlocked = nb::call_guard<nb::gil_scoped_release>;

  nb::class_<Model>(m, "Model")
      .def(
          "run", [](Model &model, const std::string &pipeline) { check(model.run(pipeline)); },
          Unlocked())
      .def("inspect_json", inspect, Unlocked())
      .def("find_scale_mismatch", findScaleMismatch, Unlocked())
      .def(
          "save",
          [](Model &model, const std::string &path, const std::string &externalData) {
            check(model.save(path, parseExternalData(externalData)));
          },
          Unlocked())
      .def("text", &Model::str, Unlocked())
      .def("take_diagnostics", &Model::takeDiagnostics);
  m.def("load", load, Unlocked());
}
