//===- SinkOps.td ------------------------------------------*- tablegen -*-===//
//
// Part of the Basin project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef BASIN_DIALECT_SINK_IR_SINKOPS_TD
#define BASIN_DIALECT_SINK_IR_SINKOPS_TD

include "basin/Dialect/ONNX/IR/ONNXInterfaces.td"
include "basin/Dialect/Sink/IR/SinkInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Sink_Dialect : Dialect {
  let name = "sink";
  let cppNamespace = "::basin::sink";
  let useDefaultAttributePrinterParser = 1;
  let summary = "The meaning of a transformer's graph: attention, norms, gates, rotary";
  let description = [{
    Each op has one canonical decomposition into onnx ops, which is its
    meaning. An op that recognition raised also keeps the exporter's own ops in the
    region `form`. Lowering inlines them, so raising and lowering gives back the
    graph as it was. Definitions follow "A Unified View of Attention and Residual
    Sinks" (arXiv 2601.22966) if that defines the op.
  }];
  let dependentDialects = ["::basin::onnx::ONNXDialect"];
}

class Sink_Op<string mnemonic, list<Trait> traits = []>
    : Op<Sink_Dialect, mnemonic, traits>;

class Sink_RaisedOp<string mnemonic, list<Trait> traits = []>
    : Sink_Op<mnemonic, !listconcat(traits, [
        Pure, DeclareOpInterfaceMethods<Sink_DecomposableInterface>,
        DeclareOpInterfaceMethods<Sink_RaisedInterface>,
        DeclareOpInterfaceMethods<ONNX_InferTypesInterface, ["inferArgumentTypes"]>])> {
  let hasVerifier = 1;
  // ODS groups the operands by the arguments that are no attributes, in order.
  let extraClassDefinition = [{
    ::mlir::Region &$cppClass::getFormRegion() { return getForm(); }
    ::basin::sink::NamedOperands $cppClass::getNamedOperands() {
      ::basin::sink::NamedOperands named;
      unsigned group = 0;
      for (::llvm::StringLiteral name : }] # "{" # !interleave(!foldl([]<string>, !range(!size(arguments)),
          names, i, !if(!initialized(!getdagarg<TypeConstraint>(arguments, i)),
            names # ["::llvm::StringLiteral(\"" # !getdagname(arguments, i) # "\")"], names)),
          ", ") # "}" # [{) {
        auto range = getODSOperands(group++);
        named.emplace_back(name, range.empty() ? ::mlir::Value() : *range.begin());
      }
      return named;
    }
  }];
}

//===----------------------------------------------------------------------===//
// Enums
//===----------------------------------------------------------------------===//

def Sink_Layout : I32EnumAttr<"Layout", "order of a head tensor's axes", [
    I32EnumAttrCase<"bhsd", 0>, // [batch, heads, sequence, head dim]
    I32EnumAttrCase<"bshd", 1>, // [batch, sequence, heads, head dim]
    I32EnumAttrCase<"bsd", 2>,  // [batch, sequence, heads * head dim]
    I32EnumAttrCase<"hsd", 3>,  // [batch * heads, sequence, head dim]
    I32EnumAttrCase<"packed", 4>, // [batch, sequence, hidden], projected by the form
    I32EnumAttrCase<"bhds", 5>, // [batch, heads, head dim, sequence]
    I32EnumAttrCase<"hds", 6>,  // [batch * heads, head dim, sequence]
    I32EnumAttrCase<"sbhd", 7>  // [sequence, batch, heads, head dim]
  ]> {
  let cppNamespace = "::basin::sink";
  let genSpecializedAttr = 0;
}
def Sink_LayoutAttr : EnumAttr<Sink_Dialect, Sink_Layout, "layout"> {
  let assemblyFormat = "`<` $value `>`";
}

def Sink_MaskKind : I32EnumAttr<"MaskKind", "what a mask's elements mean", [
    I32EnumAttrCase<"additive", 0>, // added to the scores
    I32EnumAttrCase<"keep", 1>,     // flags, not zero where a key is visible
    I32EnumAttrCase<"drop", 2>,     // flags, not zero where a key is hidden
    I32EnumAttrCase<"lengths", 3>   // integers that the runtime's op interprets
  ]> {
  let cppNamespace = "::basin::sink";
  let genSpecializedAttr = 0;
}
def Sink_MaskKindAttr : EnumAttr<Sink_Dialect, Sink_MaskKind, "mask_kind"> {
  let assemblyFormat = "`<` $value `>`";
}

// A place in a form that rewrites can change; `sink.slot` marks the op there.
def Sink_Slot : I32EnumAttr<"Slot", "place in a form that rewrites can change", [
    I32EnumAttrCase<"epsilon", 0>,    // the Add of a norm's epsilon
    I32EnumAttrCase<"pre_affine", 1>, // the Mul by a norm's pre-affine vector
    I32EnumAttrCase<"gate", 2>        // the Mul by attention's gate
  ]> {
  let cppNamespace = "::basin::sink";
  let genSpecializedAttr = 0;
}
def Sink_SlotAttr : EnumAttr<Sink_Dialect, Sink_Slot, "slot"> {
  let assemblyFormat = "`<` $value `>`";
}

def Sink_Activation : I32EnumAttr<"Activation", "a gate's activation", [
    I32EnumAttrCase<"sigmoid", 0>, I32EnumAttrCase<"tanh", 1>,
    I32EnumAttrCase<"silu", 2>, I32EnumAttrCase<"identity", 3>
  ]> {
  let cppNamespace = "::basin::sink";
  let genSpecializedAttr = 0;
}
def Sink_ActivationAttr : EnumAttr<Sink_Dialect, Sink_Activation, "activation"> {
  let assemblyFormat = "`<` $value `>`";
}

def Sink_Squash : I32EnumAttr<"Squash", "the bounded function of a norm's replacement", [
    I32EnumAttrCase<"tanh", 0>, I32EnumAttrCase<"erf", 1>
  ]> {
  let cppNamespace = "::basin::sink";
  let genSpecializedAttr = 0;
}
def Sink_SquashAttr : EnumAttr<Sink_Dialect, Sink_Squash, "squash"> {
  let assemblyFormat = "`<` $value `>`";
}

//===----------------------------------------------------------------------===//
// Parameters and regions
//===----------------------------------------------------------------------===//

def Sink_ParameterOp : Sink_Op<"parameter"> {
  let summary = "a named learnable parameter";
  let description = [{
    Exports as an initializer of this name. The name is its identity, so it must not
    be folded, merged with a parameter of equal value, or eliminated. It is therefore
    not declared free of effects.

    Constraints:
    - (parameter_c1) `value` has the result's type.
  }];
  let arguments = (ins StrAttr:$name, AnyAttr:$value);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$name attr-dict `:` type($result) `=` $value";
  let hasVerifier = 1;
}

def Sink_YieldOp : Sink_Op<"yield", [Terminator, Pure]> {
  let summary = "the results of a form";
  let description = [{
    Ends a form: each value is the op's result of the same number (form_c3).
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

class Sink_NormOp<string mnemonic, dag more> : Sink_RaisedOp<mnemonic,
    [AttrSizedOperandSegments, Sink_NormInterface]> {
  let arguments = !con((ins AnyType:$x, Optional<AnyType>:$residual,
                            Optional<AnyType>:$pre_affine,
                            Optional<AnyType>:$weight), more,
                       (ins Optional<AnyType>:$residual_bias, F64Attr:$epsilon));
  let results = (outs AnyType:$result, Optional<AnyType>:$sum);
  let regions = (region AnyRegion:$form);
  let hasCanonicalizeMethod = 1;
}

def Sink_RMSNormOp : Sink_NormOp<"rms_norm", (ins)> {
  let summary = "root-mean-square norm over the last axis";
  let description = [{
    1. `h = (x + residual) + residual_bias`, where residual and residual_bias may be
       absent; `sum = h` if it is a result
    2. `u = pre_affine * h` (PreAffineRMSNorm; `u = h` without one)
    3. `result = weight * u / sqrt(mean(u^2) + epsilon)`, the mean over the
       last axis, computed in f32 if x is narrower; `weight = 1` without one

    Shapes: x, residual and result [..., d]; pre_affine, weight and
    residual_bias [d]. A form may hold the product with pre_affine: the Mul whose
    `sink.slot` is `pre_affine`.

    Constraints:
    - (rms_norm_c1) x, residual, result and sum have the same shape
    - (rms_norm_c2) pre_affine, weight and residual_bias have d elements, or one
    - (rms_norm_c3) sum is a result, and residual_bias an operand, only with
      residual
  }];
  let extraClassDeclaration = [{
    ::mlir::Value getBias() { return {}; }
    ::mlir::MutableOperandRange getBiasMutable() { return {getOperation(), 0, 0}; }
    bool isCentring() { return false; }
  }];
  let assemblyFormat = [{
    $x (`residual` $residual^)? (`pre_affine` $pre_affine^)? (`weight` $weight^)?
    (`residual_bias` $residual_bias^)? attr-dict `:` functional-type(operands, results) ($form^)?
  }];
}

def Sink_LayerNormOp : Sink_NormOp<"layer_norm", (ins Optional<AnyType>:$bias)> {
  let summary = "layer norm over the last axis";
  let description = [{
    1. `h = (x + residual) + residual_bias`; `sum = h` if it is a result
    2. `u = pre_affine * h`
    3. `c = u - mean(u)`
    4. `result = weight * c / sqrt(mean(c^2) + epsilon) + bias`

    Shapes and constraints as `sink.rms_norm`; bias [d].

    Constraints:
    - (layer_norm_c1) x, residual, result and sum have the same shape
    - (layer_norm_c2) pre_affine, weight, bias and residual_bias have d elements,
      or one
    - (layer_norm_c3) sum is a result, and residual_bias an operand, only with
      residual
  }];
  let extraClassDeclaration = "bool isCentring() { return true; }";
  let assemblyFormat = [{
    $x (`residual` $residual^)? (`pre_affine` $pre_affine^)? (`weight` $weight^)?
    (`bias` $bias^)? (`residual_bias` $residual_bias^)? attr-dict `:` functional-type(operands, results) ($form^)?
  }];
}

def Sink_DyTOp : Sink_RaisedOp<"dyt", [AttrSizedOperandSegments]> {
  let summary = "dynamic tanh or erf, a norm's pointwise replacement";
  let description = [{
    `result = gamma * f(alpha * x + shift) + beta`, where `shift = 0` and `beta = 0` without
    one. `squash` says what f is: tanh (DyT, arXiv 2503.10622) or erf (Derf, arXiv 2512.10938).

    Shapes: x and result [..., d]; alpha and shift one element; gamma and beta [d]. A
    form takes x alone.

    Constraints:
    - (dyt_c1) x and result have the same shape
    - (dyt_c2) alpha and shift have one element
    - (dyt_c3) gamma and beta have d elements, or one
    - (dyt_c4) a form takes one argument
  }];
  let arguments = (ins AnyType:$x, AnyType:$alpha, AnyType:$gamma,
                       Optional<AnyType>:$beta, Optional<AnyType>:$shift,
                       DefaultValuedAttr<Sink_SquashAttr,
                         "::basin::sink::Squash::tanh">:$squash);
  let results = (outs AnyType:$result);
  let regions = (region AnyRegion:$form);
  let assemblyFormat = [{
    $x `alpha` $alpha `gamma` $gamma (`beta` $beta^)? (`shift` $shift^)? attr-dict
    `:` functional-type(operands, results) ($form^)?
  }];
}

def Sink_GateOp : Sink_RaisedOp<"gate", [AttrSizedOperandSegments]> {
  let summary = "low-rank self-gate (GatedNorm's second half)";
  let description = [{
    `result = act(swish(x W_down + b_down) W_up + b_up) * x`, with `swish(t) = t sigmoid(t)`
    and no summands without biases

    Shapes: x and result [..., d]; w_down [d, r]; w_up [r, d] (elementwise) or
    [r, 1] (tensorwise); bias_down r elements, bias_up as many as w_up has columns, or one.
    A form takes x alone.

    Constraints:
    - (gate_c1) w_down is [d, r] and w_up [r, d] or [r, 1]
    - (gate_c2) x and result have the same shape
    - (gate_c3) a form takes one argument
    - (gate_c4) a bias has an element for each column of its matrix, or one
  }];
  let arguments = (ins AnyType:$x, AnyType:$w_down, AnyType:$w_up,
                       Optional<AnyType>:$bias_down, Optional<AnyType>:$bias_up,
                       DefaultValuedAttr<Sink_ActivationAttr,
                         "::basin::sink::Activation::sigmoid">:$activation);
  let results = (outs AnyType:$result);
  let regions = (region AnyRegion:$form);
  let assemblyFormat = [{
    $x `down` $w_down `up` $w_up (`bias_down` $bias_down^)? (`bias_up` $bias_up^)? attr-dict `:` functional-type(operands, results) ($form^)?
  }];
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def Sink_RotaryOp : Sink_RaisedOp<"rotary"> {
  let summary = "rotary position embedding";
  let description = [{
    On `rotary_dim` elements of x's last axis from `offset` on (all without them):
    1. pairs `(a, b)` are `(x[i], x[i + n/2])`, or `(x[2i], x[2i + 1])` when
       `interleaved`
    2. the result's pair is `(a cos - b sin, b cos + a sin)`, in the same places. With
       `deinterleaves` its places are i and i + n/2. With `inverse` the sine has the other sign

    The tables cos and sin are [sequence, n] or [batch, sequence, n]. If they have
    the rank of x with its heads apart, they are broadcast as they are. With
    `half_tables` their last axis is n/2. With `positions` [batch, sequence] they are
    caches [positions, n/2] that it indexes.

    Shapes: `layout` gives those of x and result.

    Constraints:
    - (rotary_c1) x and result have the same shape
    - (rotary_c2) `rotary_dim` is even and at most the head dim
    - (rotary_c3) without a form, x has the rank of its layout, and in bsd a last
      axis that `num_heads` divides
    - (rotary_c4) `deinterleaves` is given only with `interleaved` and tables of half width
    - (rotary_c5) `offset` is given only with `rotary_dim`, and both together are at most the head
      dim
  }];
  let arguments = (ins AnyType:$x, AnyType:$cos, AnyType:$sin,
                       Optional<AnyType>:$positions,
                       UnitAttr:$interleaved, UnitAttr:$half_tables,
                       Sink_LayoutAttr:$layout,
                       OptionalAttr<I64Attr>:$num_heads,
                       OptionalAttr<I64Attr>:$rotary_dim,
                       UnitAttr:$inverse, UnitAttr:$deinterleaves, OptionalAttr<I64Attr>:$offset);
  let results = (outs AnyType:$result);
  let regions = (region AnyRegion:$form);
  let assemblyFormat = [{
    $x `cos` $cos `sin` $sin (`positions` $positions^)? attr-dict
    `:` functional-type(operands, results) ($form^)?
  }];
}

def Sink_AttentionOp : Sink_RaisedOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "softmax attention";
  let description = [{
    For each head h and query i over visible keys j (query heads share key
    heads in groups of `num_heads / kv_num_heads`):
    1. `s_ij = scale * score_factor_hij * q_i . k_j`, where score_factor may be absent. It is
       broadcast to all scores, those of sink rows among them
    2. `s_ij = softcap * tanh(s_ij / softcap)` with `softcap`
    3. `s_ij = s_ij + bias_scale * bias_ij` with `bias` (`bias_scale` is 1 by default);
       with `bias_after_mask`, this follows the mask of step 4
    4. `s_ij = s_ij + mask_scale * mask_ij` (1 by default), or `mask_fill` (-inf by default) where a boolean
       mask hides j. With p = i + (keys - queries), `causal` hides j > p, `window` w hides
       p - j >= w, and `right_window` r hides j - p > r: there `s_ij` is `mask_fill` as
       well, or `s_ij + mask_ij + mask_fill` if the mask is a summand. With `floor`,
       `s_ij = max(s_ij, floor)` follows
    5. `p_ij = exp(s_ij) / (exp(sink_logit_h) + sum_k exp(s_ik))`, without the
       first summand when there is no sink logit
    6. `result_i = sum_j p_ij v_j`, times `gate_i` if there is one

    `past_key` and `past_value` [batch, kv_heads, past, d] precede key and value on
    the sequence axis, also in the present key and value. With the layout `packed` they
    are what the form's operator takes. `sink_key` and `sink_value`
    [kv_heads, n, d] precede those: every query sees them, the mask has no columns
    for them, and `keys` above does not count them.

    `last_key` [batch] is for a batch whose elements have different numbers of keys.
    Element b has last_key_b + 1 keys, and the last of them are the new ones. There
    are as many new keys as queries, or fewer if the element's queries are padded at
    the end. So `keys - queries` above is max(last_key_b + 1 - queries, 0), and past
    keys beyond that are hidden. Present keys and values have the new ones right after
    it, in at least as many rows as the longest element has keys.
    `scale` is 1 / sqrt(d) by default. `causal` is set only if it is proven. With
    `causal_in_mask` the mask, or the bias, already hides the keys that `causal` hides:
    nothing more is done, and `causal` is a fact about the result. `window_in_mask` says
    the same of `window` and `right_window`.

    If a row hides every key (left padding), step 5 gives its result. With a finite
    `mask_fill` or a finite summand, each hidden key gets its share (`uniform`). If
    all scores are -inf, the row is NaN, or zeros with `zero_hidden_rows`. With a sink
    logit or a sink row there is no such row.

    The gate is broadcast to the result in its layout, as by a Mul: one score for
    each element, or one for each head ([batch, sequence, heads, 1] in bshd). A form
    may contain the product with the gate: the Mul whose `sink.slot` is `gate`.

    Shapes: the layouts give those of query, key, value and result. The result has
    the query's batch, heads and sequence, and the value's head dim.

    Results: the output, then the present key and value
    [batch, kv_heads, past + keys, d] if `has_present`, then inner values of the form
    that are used outside.

    Constraints:
    - (attention_c1) `num_heads` is a multiple of `kv_num_heads`
    - (attention_c2) sink_logit has `num_heads` elements
    - (attention_c3) past_key and past_value come together, as do sink_key and
      sink_value
    - (attention_c4) `mask_kind` is given exactly with a mask
    - (attention_c5) `has_present` comes with two results after the output
    - (attention_c6) without a form, query, key and value have the rank of their
      layouts
    - (attention_c7) without a form, no result contradicts the shapes
    - (attention_c8) the gate is broadcast to the result, not the result to it
    - (attention_c9) a form that holds the product with a gate comes with one
    - (attention_c10) `causal_in_mask` is given only with `causal`, `window_in_mask` only
      with a window, and both only with a mask or a bias
    - (attention_c11) `mask_fill` is finite and given only with a mask, which is
      boolean unless `causal` or a window hides something besides it
    - (attention_c12) `bias_scale` and `bias_after_mask` are given only with a bias, and
      `bias_after_mask` only with a mask
    - (attention_c13) `mask_scale` is given only with an additive mask
    - (attention_c14) score_factor has at most 4 axes, the one of heads of size 1 or `num_heads`
  }];
  let arguments = (ins AnyType:$query, AnyType:$key, AnyType:$value,
                       Optional<AnyType>:$mask, Optional<AnyType>:$bias,
                       Optional<AnyType>:$past_key, Optional<AnyType>:$past_value,
                       Optional<AnyType>:$sink_logit, Optional<AnyType>:$sink_key,
                       Optional<AnyType>:$sink_value, Optional<AnyType>:$gate,
                       Optional<AnyType>:$last_key, Optional<AnyType>:$score_factor,
                       OptionalAttr<F64Attr>:$scale, UnitAttr:$causal,
                       OptionalAttr<I64Attr>:$window, OptionalAttr<I64Attr>:$right_window,
                       OptionalAttr<F64Attr>:$softcap,
                       OptionalAttr<F64Attr>:$bias_scale, OptionalAttr<F64Attr>:$mask_scale,
                       UnitAttr:$bias_after_mask,
                       OptionalAttr<I64Attr>:$num_heads,
                       OptionalAttr<I64Attr>:$kv_num_heads,
                       OptionalAttr<I64Attr>:$head_dim,
                       OptionalAttr<Sink_MaskKindAttr>:$mask_kind,
                       UnitAttr:$causal_in_mask, UnitAttr:$window_in_mask,
                       OptionalAttr<F64Attr>:$mask_fill, OptionalAttr<F64Attr>:$floor,
                       UnitAttr:$zero_hidden_rows,
                       UnitAttr:$has_present,
                       Sink_LayoutAttr:$query_layout, Sink_LayoutAttr:$key_layout,
                       Sink_LayoutAttr:$value_layout, Sink_LayoutAttr:$result_layout);
  let results = (outs AnyType:$result, Variadic<AnyType>:$more);
  let skipDefaultBuilders = 1;
  let builders = [
    /// Results: the output, then the present key and value and inner values.
    OpBuilder<(ins "::mlir::TypeRange":$results,
                   "const ::basin::sink::AttentionParts &":$parts)>
  ];
  let extraClassDeclaration = [{
    /// Returns whether later keys must be hidden, because the mask does not hide them.
    bool appliesCausal() { return getCausal() && !getCausalInMask(); }
    /// Returns whether keys outside of a window must be hidden, because the mask does not hide them.
    bool appliesWindow() { return (getWindow() || getRightWindow()) && !getWindowInMask(); }
    /// Returns the result of a row without a visible key: "uniform", "nan" or "zero".
    /// Empty if a summand decides, or if there is no such row.
    ::llvm::StringRef getHiddenRows();
  }];
  let regions = (region AnyRegion:$form);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`mask` $mask^)? (`bias` $bias^)? (`past` $past_key^ `,` $past_value)?
    (`sink_logit` $sink_logit^)? (`sink_kv` $sink_key^ `,` $sink_value)?
    (`gate` $gate^)? (`last_key` $last_key^)? (`score_factor` $score_factor^)? attr-dict
    `:` functional-type(operands, results) ($form^)?
  }];
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

def Sink_LaunchOp : Sink_Op<"launch",
    [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a kernel on tensors";
  let description = [{
    Launches `kernel`, whose `kernel.contract` describes its arguments. Those of kind
    `in` are the operands, in the order of `inputs`. Those of kind `out` are the
    results, in the order of `outputs`. Scalars are products of factors:

    | factor | what |
    |---|---|
    | `64 : i64` | itself |
    | `{of = "x", size = 0 : i64}` | the size of axis 0 of the tensor of argument x |
    | `{of = "x", stride = 0 : i64}` | its stride in elements; 0 where the size is 1 |

    `shapes` has such a product for each axis of an output whose shape is not static.
    `transposed` names the inputs that are matrices and that the kernel takes
    transposed.

    ```mlir
    %y = sink.launch @basin_kernels::@rms_norm_64_bf16(%x)
      {inputs = ["x"], outputs = ["y"], scalars = {rows = [ {of = "x", size = 0 : i64} ]},
       shapes = {y = [[ {of = "x", size = 0 : i64} ], [64 : i64]]}}
      : (tensor<?x64xbf16>) -> tensor<?x64xbf16>
    ```

    Constraints:
    - (launch_c1) `inputs` has a name for each operand and `outputs` one for each
      result
    - (launch_c2) a factor is an integer or has `of`, the name of an input or, in
      `scalars`, an output, and one of `size` and `stride`, an axis of it
    - (launch_c3) `transposed` names inputs; `shapes` has a list for each axis of an
      output, and each output that has no static type
    - (launch_c4) `kernel` is an op with a `kernel.contract`, and each argument of that
      contract is there once
  }];
  let arguments = (ins Variadic<AnyType>:$tensors, SymbolRefAttr:$kernel,
                       StrArrayAttr:$inputs, StrArrayAttr:$outputs,
                       DictionaryAttr:$scalars, OptionalAttr<DictionaryAttr>:$shapes,
                       OptionalAttr<StrArrayAttr>:$transposed);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    $kernel `(` $tensors `)` attr-dict `:` functional-type($tensors, $results)
  }];
  let hasVerifier = 1;
}

#endif // BASIN_DIALECT_SINK_IR_SINKOPS_TD
