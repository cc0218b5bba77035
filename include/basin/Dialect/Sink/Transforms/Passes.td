//===- Passes.td -------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_TRANSFORMS_PASSES_TD
#define BASIN_DIALECT_SINK_TRANSFORMS_PASSES_TD

include "basin/Dialect/Sink/Transforms/StepBase.td"

def AbsorbPrefixPass
    : Step<"absorb-prefix", "sink-absorb-prefix", "::mlir::ModuleOp"> {
  let summary = "turn fixed first tokens of a causal model into keys and values of its attentions";
  let description = [{
    If all sequences start with the same tokens (BOS, or a system prompt), a causal model
    computes the same keys and values for them in each run. They become parameters,
    `prefix_key` and `prefix_value`, named after the attention's result, and the new model
    takes the sequence without these tokens. Their massive activations are computed no more.

    ```
    %r = sink.attention %q, %k, %v mask %m {causal, causal_in_mask}
    ```
    becomes
    ```
    %pk = sink.parameter "r.prefix_key" : tensor<1x4x1x8xf32>
    %k1 = onnx.Concat(onnx.Expand(%pk, %batch), %k) {axis = 2}
    %m1 = onnx.Slice(%m0, [1], [end], [2])
    %r = sink.attention %q, %k1, %v1 mask %m1 {causal, causal_in_mask}
    ```
    where %m0 is the mask of the whole sequence. Whatever else depends on the number of tokens
    (rotary tables, position embeddings, biases) is computed for the whole sequence, too, by
    copies of the nodes that compute it, and loses its first rows. The copies read the ids
    with the prefix in front, a mask (`mask`, one element for each token) with ones there, and
    positions (`positions`) that count from zero. Positions that the model is given continue
    after the prefix.

    `ids` are the prefix. `states` is an ONNX file whose initializers are the keys and values
    of one batch element, as `sink-instrument-prefix` makes a model return them.

    A form that hides later keys itself, or that is not proven to compute the same with more
    keys, is dropped for the op's meaning.

    Refuses a model in which tokens are not proven to influence each other by causal attention
    alone: an op that looks at several tokens, an attention that is not proven to be causal, an
    output that is not computed token by token. Refuses keys and values that depend on other
    inputs (those of an encoder), attentions with a cache, those in subgraphs, packed operators,
    a number of tokens that is fixed, and ids outside of the vocabulary.

    Promise: exact for sequences that start with the prefix. In ONNX Runtime without
    optimizations no bit differs, if two or more tokens follow and forms are kept.
  }];
  let promiseKind = "exact";
  let promise = "for sequences that start with the prefix";
  let goodFor = "quantizers: the first token's massive activations are computed no more";
  let notFor = "data that start with other tokens, and models without massive activations there";
  let example = "ids=1";
  let smallExample = "ids=1";
  let examplesNeedRun = 1;
  let options = [
    IdsOption<"ids", "ids", "ids of the tokens with which all sequences start, or @FILE">,
    ComputedFileOption<"states", "states",
                       "ONNX file with their keys and values; basin rewrite makes it by a run">,
    Option<"tokens", "tokens", "std::string", "",
           "graph input with the ids; input_ids, or what indexes the largest table">,
    Option<"mask", "mask", "std::string", "",
           "graph input that is zero at padding; attention_mask">,
    Option<"positions", "positions", "std::string", "",
           "graph input with the tokens' positions; position_ids">
  ];
  let statistics = [
    Statistic<"numAbsorbed", "absorbed", "attentions that got keys and values">,
    Statistic<"numDropped", "dropped", "forms that were dropped">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def RescaleResidualPass
    : Step<"rescale-residual", "sink-rescale-residual", "::mlir::ModuleOp"> {
  let summary = "divide residual streams by 2^k and the eps of their norms by 2^2k";
  let description = [{
    With `x' = x / 2^k` and `eps' = eps / 2^2k` the result of every norm stays the
    same bit for bit, because powers of two commute with rounding. This helps models
    whose residual stream overflows f16.

    Every use that writes to the stream must be scaled. A weight takes the factor in
    place if all of its uses, including those in norms' forms, are writers of the
    same scale. The head's product with a tied table is no obstacle: its other
    operand takes the inverse factor, except in f16, where that might overflow. A
    vector with other uses is copied. A matrix with other uses, a weight that cannot
    take the factor exactly, and an op that is not understood get a multiplication of
    the value that they write. If a constant factor follows, that factor changes
    instead. In f16 a product by a matrix may overflow before it is divided, so its
    input is divided. Readers other than norms get a multiplication that restores the
    stream. So every stream can be rescaled.

    A quantized weight takes the factor in its scale: that of its DequantizeLinear, of a MatMulNBits,
    or of an integer product behind a DynamicQuantizeLinear. A factor for each dimension needs a
    scale for each column. Nothing else may read the dequantized weight. Where the stream itself is
    quantized by one scale, both ends of the pair take the factor of the whole stream.

    With `inexact` = e above zero, a weight that cannot take the factor exactly is
    rounded instead, if no element's error exceeds e times the largest element of its
    column. The pass refuses a weight with a larger error, and warns of the largest
    error.

    `k` is an integer (negative values enlarge), or `auto`: the least k >= 0
    that brings the largest value, from `stats` or stated as `bound`, to a
    quarter of the stream's largest finite f16 value.

    A Clip, Min or Max between the stream and constants belongs to the stream: its
    bounds are divided, or the stream is restored for it.

    Elements must stay in their type's normal range. A value in the stream is exact
    if |x| >= 2^(-126 + k) in f32 and bf16, and 2^(-14 + k) in f16. A norm's squares
    are exact if |x| >= 2^(-63 + k) in f32, and 2^(-7 + k) in f16. For negative k the
    limits are |x| < 2^(128 + k) and 2^(16 + k), and for squares of d elements
    2^(64 - log2(d) / 2 + k) and 2^(8 - log2(d) / 2 + k). Constants on the way count.

    The pass cannot know the elements that a model will have. It refuses the worst
    such limit of a stream if it is within 2^-10 to 2^10 (in f16, if no element would
    be left). It warns of a limit within 2^-40 to 2^30, which is always so in f16, and
    names the norm or value.

    Does nothing when k is 0 or there is no residual stream. Refuses an eps that
    would leave its type's normal range.

    `auto` takes one of `stats` and `bound`, and another k neither.

    Promise: bit-exact while values stay in that range and no weight is rounded.
  }];
  let promiseKind = "bit-exact";
  let promise = "while values stay in their type's normal range";
  let goodFor = "a residual stream stored in f16 that overflows";
  let notFor = "INT8 or FP8 quantizers, which do not see a uniform scale";
  let example = "k=6";
  let smallExample = "k=3";
  let options = [
    IntegerOrAutoOption<"k", "k", "\"auto\"",
                        "exponent of the divisor 2^k, from -60 to 60; auto needs stats or bound">,
    FileOption<"stats", "stats", "statistics of basin analyze, which choose k">,
    Option<"bound", "bound", "double", "0", "largest |x| of the stream, which chooses k; 0 states none">,
    RoundingOption<"inexact", "inexact",
                   "largest relative error of a weight that is rounded; 0 rounds none">
  ];
  let statistics = [
    Statistic<"numStreams", "streams", "residual streams divided">,
    Statistic<"numWeights", "weights", "weights that take a factor, in place or in a copy">,
    Statistic<"numProducts", "products", "multiplications inserted">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def AbsorbResidualSinksPass
    : Step<"absorb-residual", "sink-absorb-residual-sinks", "::mlir::ModuleOp"> {
  let summary = "move powers of two from residual dimensions into pre-affine vectors";
  let description = [{
    Divides chosen dimensions of a residual stream by powers of two in its
    writers and puts the factors into each reader norm's `pre_affine`:
    `norm(s * (x / s)) = norm(x)`. Folding s into the norm's own weight instead
    would be wrong: the root mean square changes.

    The scales come from `scale-dims` (pairs dimension:scale, for all streams, or
    stream/dimension:scale, where streams count from 0 in the order in which
    inspection lists them) or from a statistics file
    (`2^round(log2(a_j / median a))` if that exceeds 1, where `a_j` is the largest
    |x_j|). Without either they come from the weights alone, by a heuristic:
    a dimension is chosen if its norm weights are below a tenth of their median and
    its writers' columns exceed four times theirs (arXiv 2601.22966, section 3:
    residual sinks are suppressed right after the norm).

    The inputs of matrix products stay as they were, so a quantizer gains nothing
    there. The pass helps if the stream itself is stored in a narrow type, and as a
    starting point for training.

    Weights, explicit multiplications, `inexact` and ranges are as in
    `sink-rescale-residual`, but squares are those of the restored values. A Clip
    cannot have a bound for each dimension, so the stream is restored for it.

    Refuses a stream if a member's last axis is not known to have the stream's size,
    because it may be one at run time.

    Promise: bit-exact while values stay in the normal range and no weight is
    rounded.
  }];
  let promiseKind = "bit-exact";
  let promise = "while values stay in their type's normal range";
  let goodFor = "a stream stored narrow (FP8, INT8), and training";
  let notFor = "quantizers of matrix inputs; f16 overflow, restored before norms";
  let example = "scale-dims=3:1024,17:0.0625";
  let smallExample = "scale-dims=1:8,3:0.25";
  let options = [
    ScalesOption<"scaleDims", "scale-dims", "scales of dimensions, each a power of two">,
    FileOption<"stats", "stats", "statistics of basin analyze, which choose the scales">,
    RoundingOption<"inexact", "inexact",
                   "largest relative error of a weight that is rounded; 0 rounds none">
  ];
  let statistics = [
    Statistic<"numStreams", "streams", "residual streams divided">,
    Statistic<"numWeights", "weights", "weights that take a factor, in place or in a copy">,
    Statistic<"numProducts", "products", "multiplications inserted">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def InsertPreAffinePass
    : Step<"insert-pre-affine", "sink-insert-pre-affine", "::mlir::ModuleOp"> {
  let summary = "insert a learnable vector lambda1 = 1 before every norm";
  let description = [{
    Gives each norm without a pre-affine vector a `sink.parameter` of ones, named
    after the norm's result: PreAffineRMSNorm(x) = RMSNorm(lambda1 * x)
    (arXiv 2601.22966, section 3.3). A Skip operator in f16 normalizes the unrounded
    sum of its summands, so there the vector multiplies each summand.

    Promise: bit-exact.
  }];
  let promiseKind = "bit-exact";
  let promise = "always";
  let goodFor = "a place to train from";
  let notFor = "a cure for a model as it is";
  let example = "";
  let smallExample = "";
  let statistics = [Statistic<"numInserted", "inserted", "vectors inserted">];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def InsertGatedAttentionPass
    : Step<"insert-gated-attention", "sink-insert-gated-attention", "::mlir::ModuleOp"> {
  let summary = "multiply attentions' results by gates that start at one half";
  let description = [{
    Gated attention (arXiv 2601.22966) multiplies an attention's result by `sigmoid(x W_g)`,
    where x is what the query's projection reads: the layer's input after its norm. One
    parameter of zeros is added for each attention, named after its result: `gate_weight`
    [d, heads], or with `granularity=element` [d, heads * value head dim].

    ```
    %r = sink.attention %q, %k, %v
    %o = onnx.MatMul(%r, %w)
    ```
    becomes, with %z brought into the result's layout,
    ```
    %z = onnx.Sigmoid(onnx.MatMul(%x, %g))
    %r = sink.attention %q, %k, %v gate %z
    %o = onnx.MatMul(%r, 2 %w)
    ```

    With W_g = 0 each score is sigmoid(0) = 1/2. So the matrix of the output's projection
    is doubled (its bias is not), if the projection alone reads the result, over views,
    and nothing else reads the matrix, which takes the factor exactly. Otherwise a Mul
    doubles the scores, so that the gate is 1 and changes no result, however small or large.
    So it is in f16, where halves of results below 2^-13 would lose bits.

    x is found from the query upward over views, casts, rotation, norms, sums with constant
    vectors, constant factors, and a Split, Slice or Gather of a packed projection, to a
    product with a constant matrix. Each step must prove where batch and sequence are.

    `attentions` is `all`, or a pattern with `*` and `?` of names of results. Does nothing to an
    attention that has a gate. Refuses an attention whose x is not found or whose batch
    and sequence axes are not proven, whose sizes of heads are not static, or that stands in
    a function.

    Promise: bit-exact while products by W_g are finite, and where a matrix is doubled, while
    halves of the result stay in their type's normal range.
  }];
  let promiseKind = "bit-exact";
  let promise = "before training";
  let goodFor = "training: gates take over what attention sinks do";
  let notFor = "quantizers, before the gates are trained";
  let example = "granularity=head";
  let smallExample = "granularity=element";
  let options = [
    Option<"granularity", "granularity", "std::string", "\"head\"",
           "head: one gate for each head; element: one for each element">,
    PatternOption<"attentions", "attentions", "\"all\"",
                  "attentions that get a gate: all, or a pattern of names of their results">
  ];
  let statistics = [
    Statistic<"numInserted", "inserted", "gates inserted">,
    Statistic<"numProducts", "products", "multiplications by two inserted">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InsertGatedNormPass
    : Step<"insert-gated-norm", "sink-insert-gated-norm", "::mlir::ModuleOp"> {
  let summary = "multiply norms' results by low-rank gates that change nothing at first";
  let description = [{
    GatedNorm (arXiv 2601.22966, section 4.2) multiplies a norm's result y by
    `sigmoid(swish(y W_down) W_up)`. Two parameters are added for each norm, named
    after it: `gate_down` [d, rank], of normal numbers of variance 1/d drawn from
    `seed`, and `gate_up` of zeros, [rank, d] or with `granularity=tensor` [rank, 1].

    With W_up = 0 each gate is sigmoid(0) = 1/2. So the norm has to give 2 y. Its weight
    and bias are doubled if both are constants that take the factor exactly; one with
    other uses is copied. Otherwise a Mul doubles the result: if there is no weight, if
    quantization stands between the norm's steps, and in f16, where results below the
    normal range would get more bits.

    With `activation=identity` the gate is `swish(y W_down) W_up + bias`, where the parameter
    `gate_bias` starts at ones. So each gate is 1, and nothing is doubled. There are no gates
    with tanh or silu: neither gives 1, or a power of two, exactly in each runtime for a
    number at which it still learns, so the product would round.

    `norms` is `residual` for those that read a residual stream, `all`, or a pattern with `*`
    and `?` of names: of the weight without `.weight`, or of the result.

    Refuses a norm whose last axis is not static, with sigmoid one whose doubled result may
    overflow (its elements are at most sqrt(d) max|weight| + max|bias|; in f16 these must be
    constants), a `gate_down` of more than 2^24 elements, and norms in functions.

    Promise: bit-exact while products by W_down are finite.
  }];
  let promiseKind = "bit-exact";
  let promise = "before training";
  let goodFor = "training: gates take over what residual sinks do";
  let notFor = "quantizers, before the gates are trained";
  let example = "rank=4";
  let smallExample = "rank=2 granularity=tensor norms=all";
  let options = [
    Option<"rank", "rank", "int64_t", "16", "width of the gate between its two products">,
    Option<"granularity", "granularity", "std::string", "\"element\"",
           "element: one gate for each element; tensor: one for each token">,
    Option<"activation", "activation", "std::string", "\"sigmoid\"",
           "sigmoid: gates of one half for doubled norms; identity: gates of one">,
    PatternOption<"norms", "norms", "\"residual\"",
                  "norms that get a gate: residual, all, or a pattern of names">,
    Option<"seed", "seed", "int64_t", "0", "start of the random numbers in gate_down">
  ];
  let statistics = [
    Statistic<"numInserted", "inserted", "gates inserted">,
    Statistic<"numProducts", "products", "multiplications by two inserted">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InsertSinkLogitsPass
    : Step<"insert-sink-logits", "sink-insert-sink-logits", "::mlir::ModuleOp"> {
  let summary = "add a learnable logit for each head to the softmax of attentions";
  let description = [{
    Gives each attention without a sink a parameter `sink_logit` [heads], named after its result,
    as in gpt-oss: `p_ij = exp(s_ij) / (exp(sink_logit_h) + sum_k exp(s_ik))`.

    ```
    %r = sink.attention %q, %k, %v
    ```
    becomes
    ```
    %s = sink.parameter "r.sink_logit" : tensor<8xf32> = dense<-6.000000e+00>
    %r = sink.attention %q, %k, %v sink_logit %s
    ```

    A form that computes no sink would lose it, so the form changes with the op:
    - If it has one Softmax over [batch, heads, queries, keys], of a product that is only scaled,
      capped, masked and cast, the logit becomes a column behind the masked scores, which is cut off
      behind the Softmax. All other nodes stay.
    - GroupQueryAttention takes it as `head_sink`, also if its operands are packed.
    - Otherwise the form is dropped, and the op is lowered to its decomposition, which is
      equal except for rounding.

    `init` is the logit of all heads. A head's share that goes to the sink is
    sigmoid(init - logsumexp(scores)), and the logit's gradient is proportional to it. So a very
    negative number is nearly the identity and hardly learns, and 0 is softmax1.

    `attentions` is `all`, or a pattern with `*` and `?` of names of results. Does nothing to an
    attention that has a sink. Refuses one whose number of heads is not static, one whose form
    can neither take the logit nor be dropped (packed operands or a mask of lengths of other
    operators, quantization inside a fused operator, inner values that are used elsewhere), one
    in a function, a logit beyond its type, and opsets before 13.

    Promise: measured. The outputs differ by the sink's share.
  }];
  let promiseKind = "measured";
  let promise = "at the start: the outputs differ by the share that goes to the sink";
  let goodFor = "training: logits can take over what attention sinks do";
  let notFor = "a model as it is, whose outputs change";
  let example = "init=-6";
  let smallExample = "";
  let options = [
    PatternOption<"attentions", "attentions", "\"all\"",
                  "attentions that get a logit: all, or a pattern of names of their results">,
    Option<"init", "init", "double", "-6", "the logit at the start; 0 is softmax1">
  ];
  let statistics = [
    Statistic<"numInserted", "inserted", "vectors of logits inserted">,
    Statistic<"numDropped", "dropped", "forms dropped">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InsertSinkKVPass : Step<"insert-sink-kv", "sink-insert-sink-kv", "::mlir::ModuleOp"> {
  let summary = "add learnable rows of keys and values that every query sees";
  let description = [{
    Gives each attention without a sink the parameters `sink_key` and `sink_value`
    [kv heads, count, head dim], named after its result. Every query sees these rows, which
    have no position and no column of the mask.

    ```
    %r = sink.attention %q, %k, %v mask %m
    ```
    becomes
    ```
    %a = sink.parameter "r.sink_key" : tensor<2x1x8xf32> = dense<0.000000e+00>
    %b = sink.parameter "r.sink_value" : tensor<2x1x8xf32> = dense<0.000000e+00>
    %r = sink.attention %q, %k, %v mask %m sink_kv %a, %b
    ```

    The exporter's mask has no columns for the rows, so the form is dropped, and the op is
    lowered to its decomposition: a Concat before keys and values, and a mask on the other
    scores. It is equal except for rounding.

    With `init=zeros` each row's score is 0 at the start, and its value adds nothing but its
    share: `count` rows are a sink logit of log(count). With `init=normal` keys and values are
    normal numbers of variance 1/(head dim), drawn from `seed`.

    `attentions` is as in `sink-insert-sink-logits`. Does nothing to an attention that has a
    sink. Refuses one whose numbers and sizes of heads are not static, one whose scores are
    multiplied by a tensor with a column for each key, one whose form cannot be dropped (packed operands, a mask of lengths, quantization inside, inner values that are used
    elsewhere), one in a function, rows of more than 2^24 elements, and opsets before 13.

    Promise: measured. The outputs differ by the share of the rows.
  }];
  let promiseKind = "measured";
  let promise = "at the start: the outputs differ by the share that goes to the rows";
  let goodFor = "training: rows can take over what attention sinks do";
  let notFor = "a model as it is, whose outputs change";
  let example = "count=2 init=normal";
  let smallExample = "";
  let options = [
    PatternOption<"attentions", "attentions", "\"all\"",
                  "attentions that get rows: all, or a pattern of names of their results">,
    Option<"count", "count", "int64_t", "1", "number of rows">,
    Option<"init", "init", "std::string", "\"zeros\"", "zeros, or normal: numbers of variance 1/(head dim)">,
    Option<"seed", "seed", "int64_t", "0", "start of the random numbers of init=normal">
  ];
  let statistics = [Statistic<"numInserted", "inserted", "attentions that got rows">];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InsertSinkTokensPass
    : Step<"insert-sink-tokens", "sink-insert-sink-tokens", "::mlir::ModuleOp"> {
  let summary = "put learnable tokens in front of each sequence, as rows of the embedding";
  let description = [{
    Tokens that carry no meaning can take what attention sinks and massive activations do.
    One parameter, `sink_tokens` [1, n, d] ([n, d] if the ids have one axis), stands in
    front of the rows of the embedding.

    ```
    %x = onnx.Gather(%table, %ids)
    ```
    becomes
    ```
    %t = sink.parameter "sink_tokens" : tensor<1x2x64xf32>
    %x = onnx.Gather(%table, %ids)
    %x1 = onnx.Concat(onnx.Expand(%t, %sizes), %x) {axis = 1}
    ```
    What else reads the ids gets `ids` in front of them, and likewise ones in front of the
    mask, positions from zero, and zeros in front of the types of tokens (`types`). Outputs
    with a row for each token lose the first rows. Those without stay.

    With `take-over` the model takes sequences without their first tokens `ids`, which were
    BOS or a fixed prefix. The new tokens stand in their place, and positions that the model
    is given continue after them. With `init=embedding` the tokens start as the rows of
    `ids` of the table. Then the graph computes what it did. Without `take-over` they are put
    in front of whole sequences, whose positions move by their number.

    `init=zeros` starts with zeros, and `init=normal` with numbers drawn from `seed`, of the
    deviation of the table's first 1024 rows.

    Refuses caches, a fixed number of tokens, ids outside of the vocabulary, several
    embeddings by the ids or one whose table is no constant, other inputs with an element
    for each token, subgraphs that see tokens, and outputs that are not proven to have
    a row for each token, or a size that does not depend on their number. Refuses positions
    if the model takes sequences without a prefix already.

    Promise: exact for sequences that start with `ids`, with `take-over` and
    `init=embedding`. In ONNX Runtime without optimizations no bit differs.
  }];
  let promiseKind = "exact";
  let promise = "for sequences that start with the ids, before training";
  let takeOverOption = "take-over";
  let goodFor = "training: tokens of their own take over what attention sinks do";
  let notFor = "quantizers, before the tokens are trained";
  let example = "ids=1";
  let smallExample = "ids=1";
  let options = [
    IdsOption<"ids", "ids", "ids from whose rows of the embedding the tokens start, or @FILE">,
    PromiseOption<"takeOver", "take-over", "bool", "true",
                  "true: in place of these first ids; false: in front of whole sequences">,
    PromiseOption<"init", "init", "std::string", "\"embedding\"",
                  "embedding: rows of the ids; zeros; normal: drawn like the table">,
    Option<"seed", "seed", "int64_t", "0", "start of the random numbers of init=normal">,
    Option<"tokens", "tokens", "std::string", "",
           "graph input with the ids; input_ids, or what indexes the largest table">,
    Option<"mask", "mask", "std::string", "",
           "graph input that is zero at padding; attention_mask">,
    Option<"positions", "positions", "std::string", "",
           "graph input with the tokens' positions; position_ids">,
    Option<"types", "types", "std::string", "",
           "graph input with the tokens' types; token_type_ids">
  ];
  let statistics = [Statistic<"numInserted", "inserted", "tokens inserted">];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def ClipResidualPass : Step<"clip-residual", "sink-clip-residual", "::mlir::ModuleOp"> {
  let summary = "clip residual streams to [-bound, bound] after each addition";
  let description = [{
    Limits a residual stream to [-bound, bound], as an ablation of arXiv 2601.22966 does in
    training with bounds of 10, 100 and 1000.

    ```
    %h = onnx.Add(%x, %y)
    ```
    becomes, for all uses of %h,
    ```
    %h = onnx.Add(%x, %y)
    %c = onnx.Clip(%h, -bound, bound)
    ```

    A Clip follows each addition to the stream and the embedding, where something reads the
    stream: a norm, an output, or any op that neither adds it nor passes it on. A sum of branches
    that is added to the stream later is no state of it, and no norm's result is clipped. An
    embedding is clipped after its scale, and after positions that are added to it.

    A norm that adds a residual itself (SkipLayerNormalization) is taken apart: the sum is
    clipped, and the norm keeps its other parts and loses its form.

    Does nothing if there is no residual stream. Refuses a bound that is no positive finite number
    of the stream's type, streams in functions, and a norm to be taken apart before opset 13.

    Promise: another function, unless no element exceeds the bound.
  }];
  let promiseKind = "changed";
  let promise = "where an element exceeds the bound";
  let goodFor = "an ablation: what a model does without large residuals";
  let notFor = "a cure for a model as it is: it loses what outliers do";
  let example = "bound=10";
  let smallExample = "bound=2";
  let options = [
    Option<"bound", "bound", "double", "0", "largest |x| that the stream keeps; above 0, required">
  ];
  let statistics = [Statistic<"numClips", "clips", "clips inserted">];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def ReplaceNormWithDyTPass
    : Step<"replace-norm-with-dyt", "sink-replace-norm-with-dyt", "::mlir::ModuleOp"> {
  let summary = "replace norms by a dynamic tanh or erf, which rescales no element by others";
  let description = [{
    Replaces `weight * x / rms(x) + bias` by `weight * tanh(alpha * x) + bias` (DyT, arXiv
    2503.10622; without outlier-driven rescaling in arXiv 2601.22966), or with `function=erf` by
    `weight * erf(alpha * x + shift) + bias` (Derf, arXiv 2512.10938).

    ```
    %y = sink.rms_norm %x weight %w
    ```
    becomes
    ```
    %alpha = sink.parameter "norm.alpha" : tensor<1xf32> = dense<0.5>
    %beta = sink.parameter "norm.beta" : tensor<4096xf32> = dense<0.0>
    %y = sink.dyt %x alpha %alpha gamma %w beta %beta
    ```

    alpha starts with the option's value, shift and a bias that the norm had not with zeros, and a
    weight that it had not with ones. They are parameters named after the norm. A pre-affine
    vector multiplies x as before. A norm that adds a residual is taken apart: the sum is an Add.
    The function computes in x's type.

    `norms` is as in `sink-insert-gated-norm`. Refuses a norm whose last axis is not static, one
    with quantization between its steps, norms in functions, opsets before 13, and an alpha that is
    no positive finite number of x's type.

    Promise: another function.
  }];
  let promiseKind = "changed";
  let promise = "wherever a norm is replaced";
  let goodFor = "an ablation, and a start for training without norms";
  let notFor = "a cure for a model as it is: untrained it computes something else";
  let example = "alpha=0.5";
  let smallExample = "function=erf norms=all";
  let options = [
    PatternOption<"norms", "norms", "\"residual\"",
                  "norms that are replaced: residual, all, or a pattern of names">,
    Option<"alpha", "alpha", "double", "0.5", "start of the learnable factor alpha, above 0">,
    Option<"function", "function", "std::string", "\"tanh\"", "tanh: DyT; erf: Derf">
  ];
  let statistics = [Statistic<"numReplaced", "replaced", "norms replaced">];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def ReplaceSwigluWithGluPass
    : Step<"replace-swiglu-with-glu", "sink-replace-swiglu-with-glu", "::mlir::ModuleOp"> {
  let summary = "drop swish's own factor from gated feed-forwards: SwiGLU becomes GLU";
  let description = [{
    SwiGLU feed-forwards have larger outliers than GLU with a sigmoid (arXiv 2601.22966).

    ```
    %s = onnx.Sigmoid(%g)
    %a = onnx.Mul(%g, %s)
    %p = onnx.Mul(%a, %u)
    ```
    becomes
    ```
    %s = onnx.Sigmoid(%g)
    %p = onnx.Mul(%s, %u)
    ```

    The three factors may be multiplied in any order, and Swish, or QuickGelu with alpha 1, may
    stand for the first product. Both %g and %u must be products with constant matrices, with a
    bias or without, or parts of one. Projections alone must read %p, over casts and reshapes.

    Does nothing to other activations, to gates of a value that is no projection (a scan's or an
    attention's result), to a projection that gates itself, and where quantization stands between
    the factors.

    Promise: another function.
  }];
  let promiseKind = "changed";
  let promise = "wherever a feed-forward is replaced";
  let goodFor = "an ablation, and a start for training with smaller outliers";
  let notFor = "a cure for a model as it is: untrained it computes something else";
  let example = "";
  let smallExample = "";
  let statistics = [Statistic<"numReplaced", "replaced", "feed-forwards replaced">];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def NarrowMaskPass : Step<"narrow-mask", "sink-narrow-mask", "::mlir::ModuleOp"> {
  let summary = "raise the numbers with which masks hide keys, such as -3.4e38, to a nearer one";
  let description = [{
    A mask that adds -3.4e38, -inf or -65504 to the scores of hidden keys stretches the range of a
    quantizer that sees the masked scores, until no step is left for the scores themselves. The
    pass writes `value` instead.

    ```
    %m = onnx.Where(%seen, %zero, %low)    %low = -3.4e38
    %r = sink.attention %q, %k, %v mask %m
    ```
    becomes
    ```
    %m = onnx.Where(%seen, %zero, %low)    %low = -1e4
    %r = sink.attention %q, %k, %v mask %m
    ```
    Each number of a constant that hides a key (-9984 or lower) and is below `value` changes,
    where it is added to scores or replaces them. A constant that something else reads stays, and
    the mask gets a copy.

    A hidden key's probability is exactly 0 if its score is 104 below the largest of the row (746
    in f64), because the exponential is then less than half of the least number above 0. So with
    all |scores| up to B before the mask, `value` must be at most -104 - 2 B, less the rounding of
    the scores' type and what other summands add. B is the softcap, or stated as `bound`, or from
    `stats`, where it is the product of the scale and the largest norms of query and key. An
    attention without a bound, and a `value` above this limit, are refused.

    A row that sees no key has no such largest score: with -3.4e38 it is uniform, and with another
    number it is not. So an attention changes only if each query is proven to see the key of its own
    position. Padding is never proven. With `padding` such attentions change, too: rows that see a
    key keep their bits, and tokens that the mask hides get other numbers. A mask that is a product
    with an input of integers, such as `(1 - attention_mask) * -3.4e38`, is then taken to be of
    zeros and ones.

    An attention keeps its mask, and a warning says why, if what is added to its scores is not
    known (a mask of numbers that the model takes, ALiBi), if a scale, a cap, a floor or a quantizer
    follows the mask, if something else reads a value that would change, or if `value` is no finite
    number of its type. Does nothing to masks of flags of an operator.

    A number above -9984 is read as a bias when the model is imported again, so that causal masks
    are not recognized; a warning says so.

    Promise: bit-exact for rows of attention that see a key, while no |score| exceeds the bound.
  }];
  let promiseKind = "bit-exact";
  let promise = "for rows that see a key, while no score exceeds the bound";
  let hiddenRowsOption = "padding";
  let goodFor = "quantizers that see masked scores: the hidden keys no longer stretch the range";
  let notFor = "masks of flags, and models without a bound of the scores";
  let example = "value=-1e9 bound=1e8";
  let smallExample = "value=-1e9 bound=1e8";
  let options = [
    Option<"value", "value", "double", "-1e4", "the number that hides a key">,
    Option<"bound", "bound", "double", "0", "largest |score| before masks; 0 states none">,
    FileOption<"stats", "stats", "statistics of basin analyze, which bound the scores">,
    Option<"padding", "padding", "bool", "false",
           "true: rows that see no key, such as those of padding, may change">,
    PatternOption<"attentions", "attentions", "\"all\"",
                  "attentions whose masks change: all, or a pattern of names of their results">
  ];
  let statistics = [
    Statistic<"numNarrowed", "narrowed", "attentions whose masks changed">,
    Statistic<"numLeft", "left", "attentions that keep their masks">,
    Statistic<"numConstants", "constants", "constants changed, in place or as copies">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def ProveScalesPass : Pass<"sink-prove-scales", "::mlir::ModuleOp"> {
  let summary = "prove that a rewrite by powers of two changes no output";
  let description = [{
    Walks the module and the one in the file `original` side by side. For each value
    it keeps the exponents by which the two differ, for the whole value or for each
    position of its last axis. The operands of an addition must have equal exponents,
    and a product adds those of its operands. A weight that changed is compared with
    its original. A norm takes away the exponent by which its eps changed. The
    operands of an operator without a rule must not differ, nor must the outputs.
    Weights that did not change are not read, and no model runs.

    Fails with the value and the reason if the outputs are not proven to be equal.
    They may be equal nevertheless. Both modules must only have onnx ops, with
    inferred types.

    Promise: a module that is accepted computes the same numbers in real arithmetic,
    and the same bits while no value leaves the normal range of its type.
  }];
  let options = [
    Option<"original", "original", "std::string", "", "file with the module before the rewrite">
  ];
  let dependentDialects = ["::basin::onnx::ONNXDialect", "::basin::sink::SinkDialect"];
}

def InstrumentOutliersPass : Pass<"sink-instrument-outliers", "::mlir::ModuleOp"> {
  let summary = "add reductions that measure outliers as outputs of the graph";
  let description = [{
    Adds reductions to a few numbers for each dimension or token, and makes them
    outputs, so that any runtime that executes the model returns them. It measures
    each residual stream after the embedding and after each addition, each input of a
    projection, each norm and each attention. Statistics are f32 for any type of the
    model, and the token mask excludes padding. `docs/statistics.md` defines every
    output, and the model's metadata (`basin.statistics`) lists those that the model
    has.

    Positions and padding come from the graph inputs `token-ids` and `token-mask`. By
    default these are `input_ids`, or the integers that index the largest table, and
    `attention_mask`. `taps` names the kinds of places that are measured: `residual`,
    `projection`, `norm` and `attention`, or all of them by default.

    The probabilities of attention are those that the model computes, if it does so in
    f32, with axes of different sizes and without learned sinks. Otherwise they are
    computed once more from query, key and mask, for each form that an exporter may
    write. A place that cannot be measured gets a
    remark (an operand of unknown rank, packed operands of unknown size in a fused
    operator, the body of a Loop). Refuses opsets before 11.

    Does nothing to the nodes that are there.

    Promise: the model's own outputs are bit-identical if the runtime executes the
    graph as it is. Its optimizer may fuse less.
  }];
  let options = [
    ListOption<"tapKinds", "taps", "std::string", "kinds of taps to make; all by default">,
    Option<"tokenIds", "token-ids", "std::string", "", "graph input with the token ids">,
    Option<"tokenMask", "token-mask", "std::string", "", "graph input that is zero at padding">,
    Option<"sinkLength", "sink-length", "int64_t", "64",
           "number of queries and keys that sink importance is taken over">,
    Option<"mapSize", "map", "int64_t", "64", "number of queries and keys in the attention map">
  ];
  let statistics = [Statistic<"numTaps", "taps", "places measured">];
  let dependentDialects = ["::basin::onnx::ONNXDialect", "::basin::sink::SinkDialect"];
}

def InstrumentPrefixPass : Pass<"sink-instrument-prefix", "::mlir::ModuleOp"> {
  let summary = "make outputs of the keys and values that sink-absorb-prefix needs";
  let description = [{
    Adds the key and the value of each attention among tokens to the graph's outputs, by the
    names that `sink-absorb-prefix` looks for in its file. A run of the result on the prefix
    alone, with one batch element, gives that file's tensors. The metadata `basin.prefix-run`
    name the inputs and outputs as JSON.

    Refuses what `sink-absorb-prefix` refuses, with the same options.

    With `keys=false` no outputs are added, and what is refused is what
    `sink-insert-sink-tokens` refuses, with the same options.

    Promise: the model's own outputs are bit-identical if the runtime executes the graph as it is.
  }];
  let options = [
    ListOption<"ids", "ids", "std::string", "ids of the prefix's tokens, or @FILE">,
    Option<"tokens", "tokens", "std::string", "", "graph input with the ids">,
    Option<"mask", "mask", "std::string", "", "graph input that is zero at padding">,
    Option<"positions", "positions", "std::string", "", "graph input with the positions">,
    Option<"types", "types", "std::string", "", "graph input with the types; for keys=false">,
    Option<"keys", "keys", "bool", "true", "whether to make outputs of keys and values">
  ];
  let dependentDialects = ["::basin::onnx::ONNXDialect", "::basin::sink::SinkDialect"];
}

def CompressSinksPass
    : Step<"compress-sinks", "sink-compress-sinks", "::mlir::ModuleOp"> {
  let summary = "turn the keys and values of a prefix into one logit for each head";
  let description = [{
    `sink-absorb-prefix` leaves constant rows in front of keys and values. Where a head's scores of
    them hardly depend on the query, and its values there are small, a constant logit does what the
    rows do. `fit` is an ONNX file with one f32 tensor [heads] for each attention, named after its
    result: the logit of each head, or -inf for one that keeps its rows. Heads that share keys are
    converted together.

    ```
    %k1 = onnx.Concat(%pk, %k) {axis = 2}
    %r = sink.attention %q, %k1, %v1 mask %m1
    ```
    becomes, if all heads are converted,
    ```
    %s = sink.parameter "r.sink_logit" : tensor<8xf32>
    %m = onnx.Slice(%m1, [n], [end], [-1])
    %r = sink.attention %q, %k, %v mask %m sink_logit %s
    ```
    The rows are gone then, and the form is dropped. If only some heads are converted, or if
    the mask is not proven to have a column for each key, the rows of these heads become zeros. A
    query scores them with 0, so that they add n to the sum of exponentials, and the sink logit
    adds exp(logit) - n. That is so if the mask adds 0 to them. Where it adds something else
    (ALiBi, a window that the rows leave), the zeros count for more or less than the logit says.
    Heads that keep their rows get the lowest number as the logit. A logit below log(n) is an error
    there.

    With an f32 tensor [kv_heads, head_dim] named `<result>.sink_value` in the file, the sinks of
    an attention also add a value v to what their heads read. As the probabilities p_j of the other
    keys leave the share of the sink out, (1 - sum_j p_j) v + sum_j p_j v_j is v + sum_j p_j (v_j - v).
    So v is subtracted from the values, and added to the result:
    ```
    %v2 = onnx.Sub(%v, %sv)
    %r = sink.attention %q, %k, %v2 mask %m sink_logit %s
    %o = onnx.Add(%r, %sv)
    ```

    Does nothing to an attention without such rows, with a bias, a sink or a cache, or whose form
    can neither take a logit nor be dropped.

    `basin rewrite` makes the file from `data`: it fits a logit (and, with `value`, a value) for
    each head by least squares of the head's output, measures what the conversion of each group of
    heads that share keys does to the outputs of the whole model, and converts groups, the least
    harmful first, while the mean Kullback-Leibler divergence KL(before || after) of the logits
    over the data stays below `max-kl`. The error of each head and its bound are printed. They
    decide nothing, because they say little of the model's outputs: converting all heads can cost
    more than leaving out the prefix. The pass itself reads `attentions` and `fit` alone.

    Promise: measured. The outputs differ by what the fit leaves.
  }];
  let promiseKind = "measured";
  let promise = "on the data, where the mean KL stays below max-kl";
  let goodFor = "runtimes with sink logits: attentions whose heads are all converted need no rows of a prefix";
  let notFor = "all heads at once, which can cost more than leaving out the prefix";
  let example = "max-kl=1e-3";
  let smallExample = "max-kl=1e-3";
  let examplesNeedRun = 1;
  let options = [
    PatternOption<"attentions", "attentions", "\"all\"",
                  "attentions that may be converted: all, or a pattern of names of their results">,
    FileOption<"data", "data",
               "tokens without the prefix (.npz, .npy, .jsonl), or all inputs by name (.npz), to fit to">,
    Option<"maxKL", "max-kl", "double", "1e-4",
           "bound of the mean KL of the logits, in nats, over the data">,
    Option<"value", "value", "bool", "false",
           "also keep what the rows add to the output, as a value for each key head">,
    ComputedFileOption<"fit", "fit", "ONNX file with the logits; basin rewrite makes it from data">
  ];
  let statistics = [
    Statistic<"numConverted", "converted", "heads converted">,
    Statistic<"numRemoved", "removed", "attentions whose rows were removed">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InstrumentSinksPass : Pass<"sink-instrument-sinks", "::mlir::ModuleOp"> {
  let summary = "measure what sink-compress-sinks fits, and make it parameters to try";
  let description = [{
    For each attention that `sink-compress-sinks` could convert, adds outputs f32 [batch, heads,
    queries], named after the attention's result: `sink_score` and `rest_score`, the logarithms of
    the sums of exponentials of the scores of the constant rows and of all other keys; and products
    over the head dim of the head's output o and of u, the part of it that is not of the rows:
    `rest_rest` (u . u), `rest_all` (u . o) and `all_all` (o . o).

    Each such attention gets its rows as parameters of its own, a sink logit of no effect and, if a
    value can be added to its result, one of zeros. If its rows can be removed, `first_row`, i64 [1],
    says how many are: 0, or all. A run that is given others tries a conversion.
    For the fit of such values v there are outputs, too: `rows_sum` [batch, heads, head_dim], the
    sum over the queries of o - u, and `rest_value` (u . v) and `all_value` (o . v), for the v that
    the run is given. The metadata `basin.sinks-run` name all as JSON.

    Promise: the model's own outputs are equal except for rounding.
  }];
  let options = [
    Option<"attentions", "attentions", "std::string", "\"all\"",
           "attentions that are measured: all, or a pattern of names of their results">,
    Option<"measures", "measure", "bool", "true",
           "add the outputs; false only makes the parameters to try">
  ];
  let dependentDialects = ["::basin::onnx::ONNXDialect", "::basin::sink::SinkDialect"];
}

defvar QuantizationOptions = [
  Option<"scheme", "scheme", "std::string", "\"none\"",
         "how projections are quantized: a name, or none">,
  FileOption<"schemeFile", "scheme-file", "a scheme in YAML">,
  Option<"residual", "residual", "std::string", "\"none\"",
         "none, int4, int8, int16 or fp8: how residual streams are stored">,
  Option<"residualScale", "residual-scale", "std::string", "\"tensor\"",
         "tensor: one calibrated scale; token: one for each token">,
  Option<"kvCache", "kv-cache", "std::string", "\"none\"",
         "none, int4, int8, int16 or fp8: how keys and values are stored">,
  PatternOption<"exclude", "exclude", "\"none\"",
                "projections that stay: auto:N, or a pattern of names of results, weights or nodes">,
  Option<"head", "head", "bool", "false", "also quantize projections that write outputs">
];

def QuantizePass : Step<"quantize", "sink-quantize", "::mlir::ModuleOp"> {
  let summary = "quantize projections, residual streams, keys and values";
  let description = [{
    Rounds weights and the inputs of projections to the numbers of a scheme, as a runtime does that
    stores and multiplies these. A projection is a product of an activation with a constant matrix
    that the residual stream, an attention or an output reads.

    ```
    %y = onnx.MatMul(%x, %w)
    ```
    becomes, with `scheme=int8-static` and `nodes=qdq`,
    ```
    %wq = onnx.DequantizeLinear(%w.codes, %w.scale) {axis = 1}
    %xq = onnx.DequantizeLinear(onnx.QuantizeLinear(%x, %s, %zero), %s, %zero)
    %y = onnx.MatMul(%xq, %wq)
    ```
    The schemes are int8-static, int8-dynamic, int8-token, fp8-static, fp8-block, nvfp4,
    nvfp4-static, mxfp4, and int4-weights (blocks of 32), int4-weights-64 and int4-weights-128.
    `scheme-file` has another one, in YAML with the same fields (docs/quantization.md).

    `nodes` says how it is written. `qdq` uses QuantizeLinear and DequantizeLinear, and raises the
    opset to the first that has the types. `simulate` writes arithmetic that computes the same bits
    in f32 and that runtimes execute which lack these types; weights stay floats, rounded to what
    their codes stand for. `nbits` writes schemes of weights alone as MatMulNBits of com.microsoft.

    `residual` quantizes residual streams after each addition, where something reads them.
    `kv-cache` quantizes new keys and values, with a scale for each head and token.

    Static scales need the largest magnitudes of their values: `calibration` is an ONNX file with an
    f32 scalar `largest/NAME` for each. `basin rewrite` makes it from `stats` (the largest
    magnitudes that basin analyze measured) or by running the model on `data`, with `range` min-max,
    percentile (of magnitudes) or mse (the least square error of the rounded values). The pass
    itself does not read these options.

    `exclude` keeps projections as they are, and so does a scalar `exclude/NAME` in the file. With
    `auto:N`, `basin rewrite` measures for each projection the mean KL divergence of the model in
    which it alone is quantized, and keeps the N with the largest, on `data` or else on drawn
    inputs. Projections that write outputs stay unless `head` is given.

    Does nothing to products that are quantized already, whose matrix is not a constant of two axes,
    or that multiply what is computed from positions alone, such as the angles of rotary embeddings.
    Refuses matrices with elements that are not finite, and streams that stand in functions.

    Promise: measured. The outputs differ by what the scheme rounds.
  }];
  let promiseKind = "measured";
  let promise = "as basin evaluate and the remarks state it";
  let goodFor = "seeing what a target's number formats do to a model, and standard QDQ models for it";
  let notFor = "speed on a runtime that has no kernels for the types";
  let example = "scheme=int8-token";
  let smallExample = "scheme=int8-token";
  let options = !listconcat(QuantizationOptions, [
    Option<"nodes", "nodes", "std::string", "\"qdq\"",
           "qdq: standard operators; simulate: arithmetic in floats; nbits: MatMulNBits">,
    FileOption<"stats", "stats", "statistics of basin analyze, which choose static scales">,
    FileOption<"data", "data",
               "tokens (.npz, .npy, .jsonl), or all inputs by name (.npz), to calibrate with">,
    Option<"range", "range", "std::string", "\"min-max\"",
           "min-max, percentile or mse: how data choose static scales">,
    Option<"percentile", "percentile", "double", "99.99", "percent of magnitudes that are kept">,
    ComputedFileOption<"calibration", "calibration",
                       "ONNX file with largest magnitudes; basin rewrite makes it">
  ]);
  let statistics = [
    Statistic<"numProjections", "projections", "projections quantized">,
    Statistic<"numPlaces", "places", "places of residual streams quantized">,
    Statistic<"numCaches", "caches", "attentions whose keys and values are quantized">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InstrumentQuantizationPass
    : Pass<"sink-instrument-quantization", "::mlir::ModuleOp"> {
  let summary = "prepare a model for the calibration and the trials of sink-quantize";
  let description = [{
    Without `trials`, each value that needs a calibrated magnitude becomes a further output, flat
    and in f32. With `trials`, the model is quantized as `sink-quantize` does with
    `nodes=simulate`, but under flags: boolean parameters, false at first, one for each projection,
    one for the residual stream and one for keys and values. The metadata `basin.quantization-run`
    lists outputs and flags as JSON.
  }];
  let options = !listconcat(QuantizationOptions, [
    Option<"trials", "trials", "bool", "false", "quantize under flags">,
    FileOption<"calibration", "calibration", "ONNX file with largest magnitudes">
  ]);
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InstrumentRangesPass : Pass<"sink-instrument-ranges", "::mlir::ModuleOp"> {
  let summary = "return the largest magnitude of each value of the main graph";
  let description = [{
    Each input and each result of a node in f32 or f64 gets a further output, an f32 vector of one
    element: the largest magnitude of its elements, or 0 if it has none. Squares inside of norms
    and masks are among them, where the exporter wrote them as nodes. The metadata
    `basin.ranges-run` lists `name`, `output` and `op` of each as JSON. Values in subgraphs are not
    measured. The model's own outputs stay as they are.
  }];
  let statistics = [Statistic<"numMeasured", "measured", "values measured">];
  let dependentDialects = ["::basin::onnx::ONNXDialect"];
}

def RoundToF16Pass : Pass<"sink-round-to-f16", "::mlir::ModuleOp"> {
  let summary = "round every value to f16, as a conversion of the model would";
  let description = [{
    Inputs, constants and results of nodes in f32 or f64 are rounded to f16 and brought back, so
    that a runtime without kernels for f16 shows what overflows there: a value above 65504 becomes
    infinite. Constants are clamped to 65504 before, as converters do. What an operator computes
    inside stays in its own type. An operator of a norm squares in f32, and nodes of a norm in f16.
  }];
  let statistics = [Statistic<"numRounded", "rounded", "values rounded">];
  let dependentDialects = ["::basin::onnx::ONNXDialect"];
}

def SmoothPass : Step<"smooth", "sink-smooth", "::mlir::ModuleOp"> {
  let summary = "move factors of channels from activations into the matrices that read them";
  let description = [{
    SmoothQuant (arXiv 2211.10438): `X W = (X / s) (s W)`, with a factor s_j for each channel of X.
    A group is a value X and the products with stored matrices that read it. Their rows are
    multiplied by s, and what X is proportional to is divided by s:
    - a norm's weight and bias,
    - the columns of a product's matrix and its bias, if X is linear in that product: the second
      factor of a gated feed-forward. Neither GELU nor SiLU of the product is linear.
    - the columns of the value projection of an attention, whose result is linear in its values.
      Heads that share a value have the same factors.

    ```
    %y = sink.rms_norm %x weight %w
    %q = onnx.MatMul(%y, %wq)
    %k = onnx.MatMul(%y, %wk)
    ```
    becomes, with %w1 = w / s, %wq1 = diag(s) wq and %wk1 = diag(s) wk,
    ```
    %y = sink.rms_norm %x weight %w1
    %q = onnx.MatMul(%y, %wq1)
    %k = onnx.MatMul(%y, %wk1)
    ```

    `fit` is an ONNX file with one f32 tensor [channels] of factors for each group, named after its
    value. Casts, views, transposes, broadcasts, parts of a packed product, sums with stored
    vectors and products with other values may stand on the way. With `explicit`, a group that
    cannot be folded gets a product by 1 / s before its matrices.

    Refuses a group that the file names if something else reads X or a value on the way, or if X is
    an output, has no such origin, or comes from a value that a cache keeps or that other rows join.
    A vector with other readers is copied. A group whose weights cannot take the factors exactly,
    or one of whose matrices has other readers, is left as it is, which a remark says.

    With `factors=real`, weights are rounded to their type, which ends the promise.

    `basin rewrite` makes the file: with `alpha` = a, s_j = max |X_j|^a / max |W_j|^(1 - a) over the
    matrices of the group, from `stats` or by runs on `data`. With `alpha=search` it tries none and
    eleven alphas for each group, keeps the one whose products have the smallest error under the
    quantization `scheme`, and keeps no factors that do not lower the whole model's KL on the data.
    The pass itself reads `fit`, `groups`, `factors` and `explicit` alone.

    Promise: bit-exact while values stay in their type's normal range.
  }];
  let promiseKind = "bit-exact";
  let promise = "while values stay in their type's normal range";
  let goodFor = "INT8 and FP4 quantizers of matrix inputs: outliers of channels move into weights";
  let notFor = "FP8, and models without outliers of channels, which it can harm";
  let example = "alpha=0.5";
  let smallExample = "alpha=0.5";
  let examplesNeedRun = 1;
  let options = [
    Option<"alpha", "alpha", "std::string", "\"0.5\"",
           "share of activations in the factors, from 0 to 1, or search">,
    FileOption<"stats", "stats", "statistics of basin analyze, with the largest |x| of each channel">,
    FileOption<"data", "data",
               "tokens (.npz, .npy, .jsonl), or all inputs by name (.npz), to measure or search on">,
    Option<"scheme", "scheme", "std::string", "", "quantization for which alpha=search looks">,
    PatternOption<"groups", "groups", "\"all\"",
                  "values that are smoothed: all, or a pattern of their names">,
    PromiseOption<"factors", "factors", "std::string", "\"power-of-two\"",
                  "power-of-two, or real: numbers that round weights">,
    Option<"isExplicit", "explicit", "bool", "false",
           "insert a product where no weight can take the factors">,
    ComputedFileOption<"fit", "fit",
                       "ONNX file with the factors; basin rewrite makes it from stats or data">
  ];
  let statistics = [
    Statistic<"numFolded", "folded", "groups whose factors went into weights">,
    Statistic<"numProducts", "products", "products inserted">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

def InstrumentSmoothingPass : Pass<"sink-instrument-smoothing", "::mlir::ModuleOp"> {
  let summary = "make outputs of the values that sink-smooth can scale";
  let description = [{
    For each group that `sink-smooth` could scale, adds its value to the graph's outputs, in f32.
    The metadata `basin.smooth-run` name the groups, their matrices and the channels that must have
    equal factors, and what is no such group with the reason, as JSON.

    Promise: the model's own outputs are bit-identical if the runtime executes the graph as it is.
  }];
  let options = [
    Option<"groups", "groups", "std::string", "\"all\"",
           "values that are measured: all, or a pattern of their names">,
    Option<"isExplicit", "explicit", "bool", "false",
           "also those that only a product can scale">,
    Option<"measures", "measure", "bool", "true", "add the outputs, besides the metadata">,
    Option<"explains", "explain", "bool", "false", "say in remarks why the others are no groups">
  ];
  let dependentDialects = ["::basin::onnx::ONNXDialect", "::basin::sink::SinkDialect"];
}

def RotateResidualPass : Step<"rotate", "sink-rotate-residual", "::mlir::ModuleOp"> {
  let summary = "rotate residual streams by an orthogonal matrix, which spreads outliers";
  let description = [{
    QuaRot's and SpinQuant's first rotation (arXiv 2404.00456, 2405.16406): a residual stream x
    becomes x Q. The root mean square of x Q is that of x, so

    ```
    %x = onnx.Gather(%table, %ids)
    %y = sink.rms_norm %x weight %w
    %q = onnx.MatMul(%y, %wq)
    ```
    becomes, with %table1 = table Q, %one = 1 and %wq1 = Q^T diag(w) wq,
    ```
    %x = onnx.Gather(%table1, %ids)
    %y = sink.rms_norm %x weight %one
    %q = onnx.MatMul(%y, %wq1)
    ```
    Rows of embeddings, columns of matrices that write the stream, their biases and other stored
    summands are multiplied by Q, and the rows of matrices that read it by Q^T. A norm's weight
    moves into the matrices that read the norm first. All this is computed in f64 and rounded
    once. A table that is also the head's matrix gets a copy, unless both changes are equal. So
    does a weight with other readers.

    With `kind=hadamard`, Q is D H / sqrt(d): D has random signs, drawn from `seed`, and H is a
    Hadamard matrix by Sylvester's and Paley's constructions (d = 2^k, 12 2^k, 20 2^k, 28 2^k,
    36 2^k and so on). With `kind=orthogonal`, Q is the orthogonal factor of a matrix of random
    normal numbers, for any d.

    Refuses a stream that a LayerNorm or a norm with a pre-affine vector of different elements
    reads, that a norm or an op other than a product with a stored matrix, an embedding or a stored
    summand writes, that an op other than these norms and such products reads, that is limited (a
    Clip) or an output, or that stands in a subgraph. It also refuses a norm whose result something
    else reads.

    Promise: exact. Outputs differ by rounding.
  }];
  let promiseKind = "exact";
  let promise = "in real arithmetic: all bits may differ by rounding";
  let goodFor = "a stream stored narrow (INT8): massive activations spread over all dimensions";
  let notFor = "block formats of matrix inputs (NVFP4, INT4 groups), which it can harm";
  let example = "";
  let smallExample = "kind=orthogonal";
  let options = [
    Option<"kind", "kind", "std::string", "\"hadamard\"",
           "hadamard, or orthogonal: a random matrix of any order">,
    Option<"seed", "seed", "int64_t", "0", "start of the random numbers">
  ];
  let statistics = [
    Statistic<"numStreams", "streams", "residual streams rotated">,
    Statistic<"numWeights", "weights", "weights that were multiplied">,
    Statistic<"numCopies", "copies", "weights that were copied for that">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect", "::basin::onnx::ONNXDialect"];
}

#endif // BASIN_DIALECT_SINK_TRANSFORMS_PASSES_TD
