//===- Passes.td -------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_SINKTOONNX_PASSES_TD
#define BASIN_CONVERSION_SINKTOONNX_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertSinkToONNXPass : Pass<"convert-sink-to-onnx", "::mlir::ModuleOp"> {
  let summary = "lower the sink dialect to onnx nodes";
  let description = [{
    Inlines each op's form where it has one, so that what was raised and not
    rewritten comes back as it was; builds the canonical decomposition
    elsewhere. A pre-affine vector becomes a Mul before the norm, a
    `sink.parameter` an initializer of its name. That is the form `standard`.

    With `form=functions` each op becomes a call of a model-local function of
    domain `ai.basin` whose body is the same nodes: one node an op in a viewer,
    and any runtime that inlines functions runs it.
  }];
  let options = [
    Option<"form", "form", "std::string", "\"standard\"",
           "the export form, by name: how the ops are written">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def CompareFormsPass : Pass<"sink-compare-forms", "::mlir::ModuleOp"> {
  let summary = "each raised op's form and its decomposition as outputs, to be compared";
  let description = [{
    Lowers every raised op by its form, and beside it, over the same operands, by
    its decomposition: what recognition says that the form computes. Both become
    graph outputs, `basin.form.<op>.<result>` and `basin.meaning.<op>.<result>`;
    with `exact` the decomposition in f64, too: `basin.exact.<op>.<result>`, and what
    a layer norm centres, `basin.centred.<op>.0`, with its `epsilon`. The
    model's metadata (`basin.forms`) is a JSON list with an op's `name`, `kind`, the
    `precision` that its form computes in and the names of these outputs, or the `reason` why it has none (it stands in a
    subgraph or function, or its layout or mask has no decomposition), or the
    `contradiction` of its types to what it is said to mean.

    The model's own outputs stay what they were. Run `convert-onnx-to-sink`
    before; an op without a form is left alone.
  }];
  let options = [
    Option<"exact", "exact", "bool", "false", "the decomposition in f64 as well">,
    Option<"only", "only", "int64_t", "-1", "compare only the op of this number, counted from 0">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

#endif // BASIN_CONVERSION_SINKTOONNX_PASSES_TD
