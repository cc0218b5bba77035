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
    Recognizes decomposed and fused forms and puts them into the region of the
    sink op that stands for them, so that `convert-sink-to-onnx` gives back the
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

    Attention takes what it learns in the sinks' place as operands: a logit a
    head, put beside the scores as a column and cut off the probabilities; rows
    before keys and values; a sigmoid that its output is multiplied by.

    Wants shapes: run `onnx-infer-shapes` before. Does nothing where an axis, a
    weight's rank or a scale is not proven, or an inner value is used outside;
    the reason then stands on the anchor as `sink.miss`.
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
