"""Hand-written models for forms that no exporter at hand writes. Each differs in one choice.

    python test/models/handwritten.py --out DIR [--only GLOB] [--list] [--max-bytes N]

Each is a real one- or two-layer decoder (or encoder) that ONNX Runtime's CPU provider runs.
"""

from __future__ import annotations

import dataclasses

import special
from attention import HEADS, Form
from common import Spec, main
from decoder import build, expect
from norms import DYT, LAYER, RMS

PLAIN = Form()


def _norm_forms() -> dict[str, Form]:
    forms: dict[str, Form] = {}
    skips = ["skip_simplified", "skip_layer", "skip_simplified_bias", "skip_layer_bias"]
    for name in [*RMS, *LAYER, *DYT, *skips]:
        half = name.startswith("cast_")
        forms[f"norm-{name}"] = dataclasses.replace(
            PLAIN,
            norm=name,
            opset=23 if name in ("rms_op", "pre_affine_op") else 17,
            dtype="float16" if half else "float32",
        )
    forms["norm-pow_sqrt_div-opset18"] = dataclasses.replace(PLAIN, opset=18)
    forms["norm-div_one-opset14"] = dataclasses.replace(PLAIN, norm="div_one", opset=14)
    forms["norm-qk"] = dataclasses.replace(PLAIN, qk_norm=True)
    return forms


def _attention_forms() -> dict[str, Form]:
    change = dataclasses.replace
    forms = {
        f"mask-{mask}": change(PLAIN, mask=mask)
        for mask in ("none", "input", "add_table", "trilu", "padding", "where_graph", "alibi")
    }
    forms |= {
        f"scale-{scale}": change(PLAIN, scale=scale)
        for scale in ("q", "k", "both", "scores_div", "absent")
    }
    forms |= {f"repeat-{kind}": change(PLAIN, repeat=kind) for kind in ("tile", "concat")}
    forms["repeat-multi_query"] = change(PLAIN, kv_heads=1, repeat="broadcast")
    forms["repeat-multi_query_expand"] = change(PLAIN, kv_heads=1)
    forms["repeat-multi_head"] = change(PLAIN, kv_heads=HEADS)
    forms["scores-softcap"] = change(PLAIN, softcap=True)
    forms["alibi-no_rotary"] = change(PLAIN, mask="alibi", rotary="none", tables="range")
    op = change(PLAIN, opset=23, norm="rms_op", attention="standard_op", mask="op_causal")
    forms["op-attention23"] = change(op, rotary="op")
    forms["op-attention24"] = change(op, opset=24)
    forms["op-attention25-window"] = change(op, opset=25, window=3)
    forms["op-attention23-mask"] = change(op, mask="add_graph")
    forms["op-attention23-bool"] = change(op, mask="bool")
    forms["op-attention23-flat"] = change(op, attention="standard_op_flat", rotary="none")
    ms = change(PLAIN, norm="simplified", kv_heads=HEADS, rotary="none", mask="op_causal")
    forms["ms-attention"] = change(ms, attention="ms_attention", norm="skip_layer")
    forms["ms-attention-encoder"] = change(
        ms, attention="ms_attention", norm="skip_layer", mask="none", block="post", layers=2
    )
    forms["ms-multi_head"] = change(ms, attention="ms_multi_head")
    forms["ms-multi_head-bias"] = change(ms, attention="ms_multi_head", mask="add_graph")
    forms["ms-grouped"] = change(
        ms, attention="ms_grouped", kv_heads=2, norm="skip_simplified", rotary="ms_inside", layers=2
    )
    return forms


def _sink_forms() -> dict[str, Form]:
    change = dataclasses.replace
    sinks, gates = ("logit_last", "logit_first", "kv"), ("head", "heads_first", "element")
    forms = {f"sink-{kind}": change(PLAIN, sink=kind) for kind in sinks}
    forms["sink-logit_first-opset18"] = change(PLAIN, sink="logit_first", opset=18)
    forms |= {f"gate-{kind}": change(PLAIN, gate=kind) for kind in gates}
    op = change(PLAIN, opset=23, norm="rms_op", attention="standard_op", mask="op_causal")
    forms["gate-op-attention23"] = change(op, gate="element", rotary="op")
    forms["gate-sink-logit_last"] = change(PLAIN, gate="head", sink="logit_last", norm="gated")
    return forms


def _rotary_forms() -> dict[str, Form]:
    change = dataclasses.replace
    forms = {
        f"rotary-{kind}": change(PLAIN, rotary=kind)
        for kind in ("split", "interleaved", "partial", "ms_op", "ms_op_interleaved", "none")
    }
    forms["rotary-computed"] = change(PLAIN, tables="computed")
    forms["rotary-op23"] = change(PLAIN, rotary="op", opset=23)
    return forms


def _block_forms() -> dict[str, Form]:
    change = dataclasses.replace
    bare = change(PLAIN, layers=2)
    return {
        "block-pre": bare,
        "block-sandwich": change(bare, block="sandwich", norm="one_plus_weight"),
        "block-parallel": change(bare, block="parallel", norm="layer_op"),
        "block-parallel_two_norms": change(bare, block="parallel_two_norms", norm="layer_op"),
        "block-post": change(
            bare, block="post", norm="layer_decomposed", mask="none", rotary="none", kv_heads=HEADS
        ),
        "block-tied": change(bare, tied=True),
    }


def registry() -> dict[str, Spec]:
    """Return every hand-written model by name."""
    forms = _norm_forms() | _attention_forms() | _sink_forms() | _rotary_forms() | _block_forms()
    specs = {
        f"hand-{name}": Spec(
            build=lambda form=form: build(form),
            expect=expect(form),
            exporter="handwritten",
            opset=form.opset,
        )
        for name, form in forms.items()
    }
    for use_cache in (True, False):
        specs[f"hand-merged-{'with' if use_cache else 'without'}_past"] = Spec(
            build=lambda use_cache=use_cache: special.merged_decoder(use_cache),
            expect=special.merged_expect(),
            exporter="handwritten",
            opset=17,
        )
    specs["hand-functions"] = Spec(special.functions, special.functions_expect(), "handwritten", 17)
    return specs


if __name__ == "__main__":
    main(registry(), __doc__ or "")
