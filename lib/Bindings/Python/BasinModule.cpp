//===- BasinModule.cpp ------------------------------------------*- C++ -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Python's `basin._basin`: basin::Model and the registry of steps. The interpreter lock
// is released while a model is read, rewritten or written.
//
//===----------------------------------------------------------------------===//

#include "basin/API/Model.h"

#include "llvm/ADT/StringSwitch.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
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

// A step is a name and its options in Python, and options are pairs of texts.
using Options = std::vector<std::pair<std::string, std::string>>;
using Steps = std::vector<std::pair<std::string, Options>>;

static std::vector<basin::StepRequest> fromPython(const Steps &steps) {
  std::vector<basin::StepRequest> out;
  for (const auto &[name, options] : steps)
    out.push_back({name, options});
  return out;
}

static Steps toPython(const std::vector<basin::StepRequest> &steps) {
  Steps out;
  for (const basin::StepRequest &step : steps)
    out.emplace_back(step.name, step.options);
  return out;
}

static std::vector<basin::StepRequest> checked(const Steps &steps) {
  std::vector<basin::StepRequest> out = fromPython(steps);
  check(basin::checkSteps(out));
  return out;
}

static Steps parseSteps(const std::vector<std::string> &words) {
  llvm::Expected<std::vector<basin::StepRequest>> steps = basin::parseSteps(words);
  check(steps.takeError());
  return toPython(*steps);
}

static std::vector<Steps> listExamples() {
  std::vector<Steps> out;
  for (const std::vector<basin::StepRequest> &steps : basin::listExamples())
    out.push_back(toPython(steps));
  return out;
}

static std::string describeSteps() {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::json::Value(basin::describeSteps());
  return text;
}

NB_MODULE(_basin, m) {
  [[maybe_unused]] nb::exception<BasinError> error(m, "BasinError");
  using Unlocked = nb::call_guard<nb::gil_scoped_release>;

  nb::class_<Model>(m, "Model")
      .def(
          "run", [](Model &model, const std::string &pipeline) { check(model.run(pipeline)); },
          Unlocked())
      .def(
          "rewrite",
          [](Model &model, const Steps &steps, const std::string &form, const std::string &cache,
             bool strict) { check(model.rewrite(fromPython(steps), {form, cache, strict})); },
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
  m.def("steps_json", describeSteps);
  m.def("parse_steps", parseSteps);
  m.def("check_steps", [](const Steps &steps) { checked(steps); });
  m.def("get_passes", [](const Steps &steps) { return basin::getPasses(checked(steps)); });
  m.def("promise_equal_bits",
        [](const Steps &steps) { return basin::promiseEqualBits(checked(steps)); });
  m.def("list_examples", listExamples);
}
