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
#include "basin/Dialect/Sink/Transforms/ResidualScales.h"
#include "basin/Quantization/QuantizeMatrix.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cmath>
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

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using MadeMatrix = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

/// Returns the scheme of that name, or the one that the YAML text describes.
static basin::quantization::Scheme getScheme(const std::string &text) {
  if (std::optional<basin::quantization::Scheme> named = basin::quantization::findScheme(text))
    return *named;
  if (text.find(':') == std::string::npos)
    throw BasinError("unknown scheme '" + text + "': expected " +
                     llvm::join(basin::quantization::listSchemes(), ", "));
  llvm::Expected<basin::quantization::Scheme> parsed = basin::quantization::parseScheme(text);
  check(parsed.takeError());
  return *parsed;
}

static MadeMatrix makeMatrix(std::vector<float> values, size_t rows, size_t columns) {
  auto *owned = new std::vector<float>(std::move(values));
  nb::capsule owner(owned, [](void *p) noexcept { delete static_cast<std::vector<float> *>(p); });
  return MadeMatrix(owned->data(), {rows, columns}, owner);
}

static MadeMatrix fakeQuantize(const Matrix &x, const std::string &text, const std::string &part,
                               std::optional<float> largest, std::optional<float> lowest) {
  basin::quantization::Scheme scheme = getScheme(text);
  if (part != "weights" && part != "activations")
    throw BasinError("expected the part weights or activations, but got '" + part + "'");
  const auto &quantizer = part == "weights" ? scheme.weights : scheme.activations;
  llvm::ArrayRef<float> data(x.data(), x.size());
  for (float value : data)
    if (!std::isfinite(value))
      throw BasinError("expected finite elements to quantize them");
  auto rows = static_cast<int64_t>(x.shape(0)), depth = static_cast<int64_t>(x.shape(1));
  if (!quantizer)
    return makeMatrix(data.vec(), x.shape(0), x.shape(1));
  std::optional<basin::quantization::CalibratedRange> range;
  if (!quantizer->isDynamic && largest) {
    range = {lowest.value_or(-*largest), *largest};
  } else if (!quantizer->isDynamic) {
    range = {0.0f, 0.0f};
    for (float value : data) {
      range->lowest = std::min(range->lowest, value);
      range->highest = std::max(range->highest, value);
    }
  }
  return makeMatrix(
      basin::quantization::fakeQuantize(data, {rows, depth, depth, 1}, *quantizer, range),
      x.shape(0), x.shape(1));
}

static std::vector<std::string> listSchemes() {
  std::vector<std::string> out;
  for (llvm::StringRef name : basin::quantization::listSchemes())
    out.push_back(name.str());
  return out;
}

static std::string printScheme(const std::string &text) {
  return basin::quantization::printScheme(getScheme(text));
}

/// Returns the scheme whose activations are a residual stream or a cache in that format.
static std::string printTensorScheme(const std::string &format, bool perToken) {
  std::optional<basin::quantization::Quantizer> found =
      basin::quantization::findTensorQuantizer(format, perToken);
  if (!found)
    throw BasinError("expected the format int4, int8, int16 or fp8, but got '" + format + "'");
  return basin::quantization::printScheme({format, std::nullopt, *found});
}

//===----------------------------------------------------------------------===//
// Residual streams
//===----------------------------------------------------------------------===//

static std::vector<int> chooseResidualExponents(const std::vector<double> &largest) {
  return basin::sink::chooseResidualExponents(largest);
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
  m.def("list_schemes", listSchemes);
  m.def("print_scheme", printScheme, nb::arg("scheme"));
  m.def("print_tensor_scheme", printTensorScheme, nb::arg("format"), nb::arg("per_token"));
  m.def("fake_quantize", fakeQuantize, nb::arg("x"), nb::arg("scheme"), nb::arg("part"),
        nb::arg("largest") = nb::none(), nb::arg("lowest") = nb::none());
  m.def("choose_residual_exponents", chooseResidualExponents, nb::arg("largest"));
}
