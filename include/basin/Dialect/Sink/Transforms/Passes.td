//===- Passes.td ----------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_TRANSFORMS_PASSES_TD
#define BASIN_DIALECT_SINK_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def RescaleResidualPass : Pass<"sink-rescale-residual", "::mlir::ModuleOp"> {
  let summary = "divide residual streams by 2^k and the eps of their norms by 2^2k";
  let description = [{
    With `x' = x / 2^k` and `eps' = eps / 2^2k` every norm's result is what it
    was, bit for bit: powers of two commute with rounding. Writers' weights take
    the factor where nothing else uses them; other writers and readers get an
    explicit multiplication. For models whose residual stream overflows f16.

    `k` is an integer (negative values enlarge), or `auto`: the least k >= 0
    that brings the largest value, from `stats` or stated as `bound`, to a
    quarter of the stream's largest finite f16 value.

    Does nothing when k is 0 or there is no residual stream. Refuses where a
    weight or an eps would leave its type's normal range.

    Promise: bit-exact.
  }];
  let options = [
    Option<"k", "k", "std::string", "\"auto\"", "exponent, or 'auto'">,
    Option<"stats", "stats", "std::string", "", "statistics file for 'auto'">,
    Option<"bound", "bound", "double", "0", "largest |x| of the stream, for 'auto'">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def AbsorbResidualSinksPass : Pass<"sink-absorb-residual-sinks", "::mlir::ModuleOp"> {
  let summary = "move powers of two from residual dimensions into pre-affine vectors";
  let description = [{
    Divides chosen dimensions of a residual stream by powers of two in its
    writers and puts the factors into each reader norm's `pre_affine`:
    `norm(s * (x / s)) = norm(x)`. Folding s into the norm's own weight instead
    would be wrong: the root mean square changes.

    The scales come from `scale-dims` (pairs dimension:scale), from a statistics
    file (`2^round(log2(a_j / median a))` where that exceeds 1, `a_j` the
    largest |x_j|), or, without either, from the weights alone: a dimension
    whose norm weights are below a tenth of their median and whose writers'
    columns exceed four times theirs (arXiv 2601.22966, section 3: residual sinks
    are suppressed right after the norm). That is a heuristic.

    It does nothing for what a quantizer sees at matrix inputs, which stay as
    they were; it helps where the stream itself is stored narrow, and as a place
    to train from.

    Promise: bit-exact; refuses where a weight would leave its type's normal
    range.
  }];
  let options = [
    ListOption<"scaleDims", "scale-dims", "std::string",
               "dimension:scale, the scale a power of two">,
    Option<"stats", "stats", "std::string", "", "statistics file">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def InsertPreAffinePass : Pass<"sink-insert-pre-affine", "::mlir::ModuleOp"> {
  let summary = "a learnable vector lambda1 = 1 before every norm";
  let description = [{
    PreAffineRMSNorm(x) = RMSNorm(lambda1 * x) (arXiv 2601.22966, section 3.3):
    gives each norm without a pre-affine vector a `sink.parameter` of ones,
    named after the norm's result.

    Promise: bit-exact.
  }];
  let statistics = [Statistic<"numInserted", "inserted", "vectors inserted">];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def ProveScalesPass : Pass<"sink-prove-scales", "::mlir::ModuleOp"> {
  let summary = "prove that a rewrite by powers of two changes no output";
  let description = [{
    Walks the module and the one in the file `original` side by side and keeps, for
    each value, the exponents by which the two differ, for the whole value or for
    each position of its last axis. Additions need equal exponents, products add
    them, a weight that changed is compared with what it was, a norm takes away
    what its eps says, an operator without a rule needs none, and outputs must end
    with none. Weights that did not change are not read; it runs nothing.

    Fails, with the value and the reason, where that is not proven, which does not
    mean that it is not so. Both modules hold onnx ops alone, and inferred types.

    Promise: what it accepts computes the same numbers in real arithmetic, and the
    same bits while no value leaves the normal range of its type.
  }];
  let options = [
    Option<"original", "original", "std::string", "", "file with the module before the rewrite">
  ];
  let dependentDialects = ["::basin::onnx::ONNXDialect", "::basin::sink::SinkDialect"];
}

def InstrumentOutliersPass : Pass<"sink-instrument-outliers", "::mlir::ModuleOp"> {
  let summary = "reductions that measure outliers, as further outputs of the graph";
  let description = [{
    Adds, for each residual stream after the embedding and after each addition,
    each input of a projection, each norm and each attention, reductions to a few
    numbers a dimension or a token, and makes them outputs, so that any runtime
    that executes the model returns them. Statistics are f32 whatever the model's
    type; padding is left out by the token mask. `docs/statistics.md` has every
    output's definition; the model's metadata (`basin.statistics`) says which
    there are.

    Padding and positions come from the graph inputs `token-ids` and
    `token-mask`; by default `input_ids`, or the integers that index the largest
    table, and `attention_mask`.

    Attention's probabilities are computed once more, from query, key and mask, in
    whatever form the exporter wrote them. What cannot be measured (an operand of
    unknown rank, a fused operator's packed operands of unknown size, the body of a
    Loop) gets a remark. Refuses opsets before 13.

    Does nothing to the nodes that are there.

    Promise: the model's own outputs are bit-identical where the runtime executes
    the graph as it stands; its optimizer may fuse less.
  }];
  let options = [
    Option<"tokenIds", "token-ids", "std::string", "", "graph input with the token ids">,
    Option<"tokenMask", "token-mask", "std::string", "", "graph input that is zero at padding">,
    Option<"sinkLength", "sink-length", "int64_t", "64",
           "queries and keys that sink importance is taken over">,
    Option<"mapSize", "map", "int64_t", "64", "queries and keys of the attention map">
  ];
  let statistics = [Statistic<"numTaps", "taps", "places measured">];
  let dependentDialects = ["::basin::onnx::ONNXDialect", "::basin::sink::SinkDialect"];
}

#endif // BASIN_DIALECT_SINK_TRANSFORMS_PASSES_TD
