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
    Inlines the form of each op that has one, so ops that were raised and not
    rewritten come back as they were. Other ops become their canonical
    decomposition. A pre-affine vector becomes a Mul before the norm, and a
    `sink.parameter` an initializer of its name. This is the form `original`.

    With `form=nodes` an op whose form has an operator of attention, a norm or a
    rotary embedding becomes its canonical decomposition, too. Such an operator stays,
    with a remark, if its meaning has no decomposition, if a value inside it is read,
    or if it rounds to quantized types.

    With `form=functions` each op becomes a call of a model-local function of
    domain `ai.basin` with the same nodes in its body. A viewer then shows one node
    for each op, and any runtime that inlines functions runs the model.

    With `form=operators:opset23` ops become RMSNormalization, LayerNormalization,
    RotaryEmbedding and Attention of ai.onnx 23, with `form=operators:opset25` those
    of ai.onnx 25, and with `form=operators:ort` the operators of com.microsoft and
    SimplifiedLayerNormalization, which ONNX Runtime registers. An op is rewritten
    only if the operator means exactly the same. The others come back as in the form
    `original`, and a remark counts them by their reason. The import of ai.onnx is
    raised only if each node is known to mean the same there. Operators take tensors
    flat, [batch, sequence, heads * dim], so Reshapes and Transposes that only part
    the heads vanish. Nodes that lose their last use are erased.

    With `cache=in-place` (form `operators:ort`), each past of an attention, which must
    be an input of the model, and its present, which must be an output, are one buffer
    that GroupQueryAttention updates. The buffer has room for more rows, and a new
    input `past_length` says how many are in use. The operator takes one query, or one
    sequence, after a past, and refuses to run otherwise. The model's metadata
    `basin.caches` names the input and the buffers. Fails if a cache cannot be updated
    in place.

    ```mlir
    %a = sink.attention %q, %k, %v {causal, num_heads = 4 : i64, kv_num_heads = 2 : i64, ...}
    // form=operators:opset23
    %a = onnx.Attention(%q, %k, %v) {is_causal = 1 : i64, kv_num_heads = 2 : i64, q_num_heads = 4 : i64}
    ```
  }];
  let options = [
    Option<"form", "form", "std::string", "\"original\"",
           "name of the export form, in which the ops are written">,
    Option<"cache", "cache", "::basin::CacheUpdate",
           /*default=*/"::basin::CacheUpdate::Copy",
           "How a cache gets the new keys and values",
           [{::llvm::cl::values(
             clEnumValN(::basin::CacheUpdate::Copy, "copy",
                        "The present is a tensor of its own"),
             clEnumValN(::basin::CacheUpdate::InPlace, "in-place",
                        "Past and present are one buffer"))}]>
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

def CompareFormsPass : Pass<"sink-compare-forms", "::mlir::ModuleOp"> {
  let summary = "output the form and the decomposition of each raised op, to compare them";
  let description = [{
    Lowers every raised op as its form and, over the same operands, as its
    decomposition, which recognition takes the form to mean. The results of both
    become graph outputs, `basin.form.<op>.<result>` and
    `basin.meaning.<op>.<result>`. With `exact` there are further outputs:
    `basin.exact.<op>.<result>` for the decomposition in f64, and
    `basin.centred.<op>.0` for the value that a layer norm centres.

    The model's metadata (`basin.forms`) is a JSON list with an entry for each op. It
    has the op's `name` and `kind`, its `operator` if its form is one node of ai.onnx,
    and then the names of these outputs, the `precision` that its form computes in and,
    beside `centred`, the `epsilon`. A form that rounds to quantized types runs
    without that, which the entry says by `quantized`. An op without such outputs has a
    `reason` instead (it is in a subgraph or function, or
    its layout or mask has no decomposition), or a `contradiction` between its types
    and its meaning.

    The model's own outputs stay as they were. Run `convert-onnx-to-sink` before. An
    op without a form is left alone.
  }];
  let options = [
    Option<"exact", "exact", "bool", "false", "output the decomposition in f64 as well">,
    Option<"only", "only", "int64_t", "-1", "compare only the op of this number, counted from 0">
  ];
  let dependentDialects = ["::basin::sink::SinkDialect"];
}

#endif // BASIN_CONVERSION_SINKTOONNX_PASSES_TD
