//===- Passes.td -------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_CONVERSION_ONNXTOSINK_PASSES_TD
#define BASIN_CONVERSION_ONNXTOSINK_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertONNXToSinkPass : Pass<"convert-onnx-to-sink", "::mlir::ModuleOp"> {
  let summary = "raise attention, norms, gates and rotary embedding to the sink dialect";
  let description = [{
    Recognizes decomposed and fused forms, and replaces each by a sink op that
    keeps the form in its region. So `convert-sink-to-onnx` can give back the
    graph as it was:

    ```mlir
    %0 = onnx.LayerNormalization(%x, %w, %b) {epsilon = 1.0e-05 : f32} : ...
    // becomes
    %0 = sink.layer_norm %x weight %w bias %b {epsilon = 9.99999974737875E-6} : ... {
    ^bb0(%arg0: ...):
      %1 = onnx.LayerNormalization(%arg0, %w, %b) ...
      sink.yield %1 : ...
    }
    ```

    Learned replacements of sinks become operands of attention: a logit for each
    head, which is a column beside the scores that is cut off the probabilities;
    rows before keys and values; and a sigmoid that multiplies the output.

    Needs shapes, so run `onnx-infer-shapes` before. Does nothing if an axis, the
    rank of a weight or a scale is not proven, or if an inner value is used
    outside. The anchor then has the reason as `sink.miss`.
  }];
  let options = [
    Option<"explain", "explain", "bool", "false",
           "remark on each Softmax, norm-like reduction, gate and rotation not raised">
  ];
  let statistics = [
    Statistic<"numNorms", "norms", "norms raised">,
    Statistic<"numDyT", "dyt", "dynamic tanhs raised">,
    Statistic<"numGates", "gates", "self-gates raised">,
    Statistic<"numRotary", "rotary", "rotary embeddings raised">,
    Statistic<"numAttention", "attention", "attentions raised">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

#endif // BASIN_CONVERSION_ONNXTOSINK_PASSES_TD
