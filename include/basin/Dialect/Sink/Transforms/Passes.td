//===- Passes.td -------------------------------------------*- tablegen -*-===//
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
    was, bit for bit: powers of two commute with rounding. For models whose
    residual stream overflows f16.

    A scale reaches uses. A weight takes the factor in place where all of its uses,
    those in norms' forms too, are writers of the same scale (or the head's product
    with a tied table, whose other factor then takes the inverse; not so in f16,
    where it might overflow). A vector with other uses is copied. A matrix with
    other uses, a weight that cannot take the factor exactly, and what is not
    understood get an explicit multiplication of what they write, or, where a
    constant factor follows, a change of that factor. In f16, where a product by a
    matrix may overflow before it is divided, its input is. Readers other than norms get
    the stream restored by a multiplication. So every stream can be rescaled.

    `inexact` = e above zero rounds weights that cannot take the factor exactly
    instead, if no element's error exceeds e times the largest element of its
    column; refuses those where one does, and warns of the largest error.

    `k` is an integer (negative values enlarge), or `auto`: the least k >= 0
    that brings the largest value, from `stats` or stated as `bound`, to a
    quarter of the stream's largest finite f16 value.

    A Clip, Min or Max between the stream and constants is a part of it: its bounds
    are divided, or the stream is restored for it.

    Elements must stay in their type's normal range: a value in the stream is exact
    where |x| >= 2^(-126 + k) in f32 and bf16 and 2^(-14 + k) in f16, a norm's
    squares in f32 where |x| >= 2^(-63 + k), in f16 where |x| >= 2^(-7 + k); for
    negative k where |x| < 2^(128 + k), 2^(16 + k), and, over d elements,
    2^(64 - log2(d) / 2 + k), 2^(8 - log2(d) / 2 + k). Constants on the way count. The worst
    such limit of a stream is refused where it is within 2^-10 to 2^10 (in f16,
    where no element would be left), and warned of, by the norm or value, where it
    is within 2^-40 to 2^30, as it always is in f16: which elements a model has is
    not known here.

    Does nothing when k is 0 or there is no residual stream. Refuses an eps that
    would leave its type's normal range.

    Promise: bit-exact while values stay in that range and no weight is rounded.
  }];
  let options = [
    Option<"k", "k", "std::string", "\"auto\"", "exponent, or 'auto'">,
    Option<"stats", "stats", "std::string", "", "statistics file for 'auto'">,
    Option<"bound", "bound", "double", "0", "largest |x| of the stream, for 'auto'">,
    Option<"inexact", "inexact", "double", "0",
           "largest relative error of a weight that is rounded; 0 rounds none">
  ];
  let statistics = [
    Statistic<"numStreams", "streams", "residual streams divided">,
    Statistic<"numWeights", "weights", "weights that take a factor, or a copy of theirs does">,
    Statistic<"numProducts", "products", "multiplications inserted">
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

    Weights, explicit multiplications, `inexact` and ranges are as in
    `sink-rescale-residual`; squares are of the restored values. Clips have no
    bounds a dimension: the stream is restored for them.

    Refuses a stream of which a member's last axis is not known to have the
    stream's size: it may be one at run time.

    Promise: bit-exact while values stay in the normal range and no weight is
    rounded.
  }];
  let options = [
    ListOption<"scaleDims", "scale-dims", "std::string",
               "dimension:scale, the scale a power of two">,
    Option<"stats", "stats", "std::string", "", "statistics file">,
    Option<"inexact", "inexact", "double", "0",
           "largest relative error of a weight that is rounded; 0 rounds none">
  ];
  let statistics = [
    Statistic<"numStreams", "streams", "residual streams divided">,
    Statistic<"numWeights", "weights", "weights that take a factor, or a copy of theirs does">,
    Statistic<"numProducts", "products", "multiplications inserted">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def InsertPreAffinePass : Pass<"sink-insert-pre-affine", "::mlir::ModuleOp"> {
  let summary = "a learnable vector lambda1 = 1 before every norm";
  let description = [{
    PreAffineRMSNorm(x) = RMSNorm(lambda1 * x) (arXiv 2601.22966, section 3.3):
    gives each norm without a pre-affine vector a `sink.parameter` of ones,
    named after the norm's result. A Skip operator in f16 normalizes the unrounded
    sum of its summands: there the vector multiplies each of them.

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
    Loop) gets a remark. Refuses opsets before 11.

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
