"""Each sink op's decomposition, run in ONNX Runtime and compared with its formula in float64.

The op is in a graph whose batch and sequence are dynamic. `basin-opt --convert-sink-to-onnx` and
`basin-translate --mlir-to-onnx` make a model of it. Binaries: folder BASIN_BIN_DIR, or build/bin.
"""

from __future__ import annotations

import itertools
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("BASIN_BIN_DIR", ROOT / "build" / "bin"))

# The largest error, relative to the largest value of the reference.
TOLERANCE = {
    "f32": 2e-6,  # ten or so roundings of 2^-24 each; reductions of at most 64 elements
    "f16": 2e-3,  # operands are exact, scores, probabilities and result are rounded to 2^-11
    "f16 norm": 6e-4,  # statistics in f32: one rounding of the result to 2^-11
    "f32 large": 5e-4,  # scores of up to 2^13 are rounded to 2^-11, and so are their exponentials
    "f32 unstable": 2e-6,  # logits near 1000: exp overflows unless the largest is subtracted
}
ELEMENT = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float16): "f16",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(bool): "i1",
}
RNG = np.random.default_rng(7)


def rand(*shape: int, dtype=np.float32) -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def tensor_type(array: np.ndarray, dynamic: tuple[int, ...]) -> str:
    dims = ["?" if i in dynamic else str(d) for i, d in enumerate(array.shape)]
    return f"tensor<{'x'.join([*dims, ELEMENT[array.dtype]])}>"


def session(model: str | bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def lower_and_run(tmp_path: Path, text: str, inputs: dict, form: str) -> list[np.ndarray]:
    source, lowered, model = (tmp_path / n for n in ("op.mlir", "onnx.mlir", "model.onnx"))
    source.write_text(text)
    lower = f"--convert-sink-to-onnx=form={form}"
    subprocess.run([BIN / "basin-opt", source, lower, "-o", lowered], check=True)
    subprocess.run([BIN / "basin-translate", "--mlir-to-onnx", lowered, "-o", model], check=True)
    loaded = session(str(model))
    return loaded.run(None, {i.name: inputs[i.name] for i in loaded.get_inputs()})


def run(
    tmp_path: Path,
    op: str,
    operands: str,
    inputs: dict,
    results: int = 1,
    opset: int = 17,
    attrs: str = "",
    form: str = "original",
) -> list[np.ndarray]:
    """`inputs`: name to (array, dynamic axes), in the order of `operands`, which names them as %name."""
    types = [tensor_type(a, d) for a, d in inputs.values()]
    element = ELEMENT[next(iter(inputs.values()))[0].dtype]
    out_type = f"tensor<*x{element}>"
    outs = [f"y{i}" for i in range(results)]
    info = lambda names, kinds: ", ".join(
        f'#onnx.value<"{n}", {t}, {{}}>' for n, t in zip(names, kinds)
    )
    text = f"""
module attributes {{onnx.model = {{ir_version = 8 : i64, opset_import = [{{domain = "", version = {opset} : i64}}]}}}} {{
  onnx.graph @main #onnx.graph_info<inputs = [{info(inputs, types)}], outputs = [{info(outs, [out_type] * results)}], valueInfo = [], info = {{name = "g"}}> {{
  ^bb0({", ".join(f"%{n}: {t}" for n, t in zip(inputs, types))}):
    %y:{results} = sink.{op} {operands} {{{attrs}}} : ({", ".join(types)}) -> ({", ".join([out_type] * results)})
    onnx.return {", ".join(f"%y#{i}" for i in range(results))} : {", ".join([out_type] * results)}
  }}
}}
"""
    return lower_and_run(tmp_path, text, {n: a for n, (a, _) in inputs.items()}, form)


def check(actual: np.ndarray, expected: np.ndarray, kind: str = "f32") -> None:
    assert actual.shape == expected.shape
    assert np.isfinite(actual).all() == np.isfinite(expected).all()
    error = np.abs(actual.astype(np.float64) - expected).max() / max(np.abs(expected).max(), 1e-30)
    assert error <= TOLERANCE[kind], f"error {error:.2e}"


def double(inputs: dict) -> dict:
    return {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, (a, _) in inputs.items()}


# ---------------------------------------------------------------- norms


def norm_reference(v: dict, layer: bool, eps: float) -> list[np.ndarray]:
    h = v["x"] + v.get("residual", 0)
    u = h * v.get("pre_affine", 1)
    c = u - u.mean(-1, keepdims=True) if layer else u
    y = v.get("weight", 1) * c / np.sqrt((c * c).mean(-1, keepdims=True) + eps) + v.get("bias", 0)
    return [y, h]


NORM_OPTIONS = {
    False: ["residual", "pre_affine", "weight"],
    True: ["residual", "pre_affine", "weight", "bias"],
}
NORM_CASES = [
    (layer, 17, c)
    for layer, options in NORM_OPTIONS.items()
    for k in range(len(options) + 1)
    for c in itertools.combinations(options, k)
]
NORM_CASES += [
    (layer, opset, tuple(options))
    for layer, options in NORM_OPTIONS.items()
    for opset in (13, 18, 23)
]


@pytest.mark.parametrize(("layer", "opset", "chosen"), NORM_CASES)
def test_norm(tmp_path, layer, opset, chosen):
    inputs = {"x": (rand(2, 5, 64) * 3 + 1, (0, 1))}
    for name in chosen:
        inputs[name] = (rand(2, 5, 64), (0, 1)) if name == "residual" else (rand(64), ())
    operands = "%x " + " ".join(f"{n} %{n}" for n in chosen)
    results = 1 + ("residual" in chosen)
    ys = run(
        tmp_path,
        "layer_norm" if layer else "rms_norm",
        operands,
        inputs,
        results,
        opset,
        "epsilon = 1.0e-5",
    )
    for y, expected in zip(ys, norm_reference(double(inputs), layer, 1e-5)):
        check(y, expected)


@pytest.mark.parametrize("layer", [False, True])
def test_norm_f16_squares_do_not_overflow(tmp_path, layer):
    x = rand(2, 3, 64, dtype=np.float16) * np.float16(1000)
    inputs = {"x": (x, (0, 1)), "weight": (rand(64, dtype=np.float16), ())}
    (y,) = run(
        tmp_path,
        "layer_norm" if layer else "rms_norm",
        "%x weight %weight",
        inputs,
        attrs="epsilon = 1.0e-5",
    )
    check(y, norm_reference(double(inputs), layer, 1e-5)[0], "f16 norm")


@pytest.mark.parametrize("beta", [False, True])
def test_dyt(tmp_path, beta):
    inputs = {"x": (rand(2, 5, 64) * 4, (0, 1)), "alpha": (rand(1), ()), "gamma": (rand(64), ())}
    if beta:
        inputs["beta"] = (rand(64), ())
    (y,) = run(
        tmp_path, "dyt", "%x alpha %alpha gamma %gamma" + (" beta %beta" if beta else ""), inputs
    )
    v = double(inputs)
    check(y, v["gamma"] * np.tanh(v["alpha"] * v["x"]) + v.get("beta", 0))


@pytest.mark.parametrize("squash", ["tanh", "erf"])
@pytest.mark.parametrize("beta", [False, True])
def test_shifted_dyt(tmp_path, squash, beta):
    inputs = {"x": (rand(2, 5, 64) * 4, (0, 1)), "alpha": (rand(1), ()), "gamma": (rand(64), ())}
    inputs |= {"beta": (rand(64), ())} if beta else {}
    inputs["shift"] = (rand(1), ())
    operands = "%x alpha %alpha gamma %gamma" + (" beta %beta" if beta else "") + " shift %shift"
    (y,) = run(tmp_path, "dyt", operands, inputs, attrs=f"squash = #sink.squash<{squash}>")
    v = double(inputs)
    function = np.tanh if squash == "tanh" else np.vectorize(math.erf)
    check(y, v["gamma"] * function(v["alpha"] * v["x"] + v["shift"]) + v.get("beta", 0))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATION = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "silu": lambda x: x * sigmoid(x),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("activation", ACTIVATION)
@pytest.mark.parametrize("width", [1, 64])
def test_gate(tmp_path, activation, width):
    inputs = {"x": (rand(2, 5, 64), (0, 1)), "d": (rand(64, 8) / 8, ()), "u": (rand(8, width), ())}
    (y,) = run(
        tmp_path,
        "gate",
        "%x down %d up %u",
        inputs,
        attrs=f"activation = #sink.activation<{activation}>",
    )
    v = double(inputs)
    low = v["x"] @ v["d"]
    check(y, ACTIVATION[activation](low * sigmoid(low) @ v["u"]) * v["x"])


@pytest.mark.parametrize("width", [1, 64])
@pytest.mark.parametrize("biases", ["down", "up", "both"])
def test_gate_with_biases(tmp_path, width, biases):
    inputs = {"x": (rand(2, 5, 64), (0, 1)), "d": (rand(64, 8) / 8, ()), "u": (rand(8, width), ())}
    operands = "%x down %d up %u"
    if biases != "up":
        inputs["a"], operands = (rand(8), ()), operands + " bias_down %a"
    if biases != "down":
        inputs["b"], operands = (rand(width), ()), operands + " bias_up %b"
    (y,) = run(tmp_path, "gate", operands, inputs)
    v = double(inputs)
    low = v["x"] @ v["d"] + v.get("a", 0)
    check(y, sigmoid(low * sigmoid(low) @ v["u"] + v.get("b", 0)) * v["x"])


# ---------------------------------------------------------------- rotary


def to_bhsd(x: np.ndarray, layout: str, heads: int) -> np.ndarray:
    if layout == "bhsd":
        return x
    if layout == "bshd":
        return x.transpose(0, 2, 1, 3)
    if layout == "bsd":
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)
    if layout == "sbhd":
        return x.transpose(1, 2, 0, 3)
    if layout in ("bhds", "hds"):
        return to_bhsd(x.swapaxes(-1, -2), {"bhds": "bhsd", "hds": "hsd"}[layout], heads)
    return x.reshape(-1, heads, *x.shape[1:])


def from_bhsd(x: np.ndarray, layout: str) -> np.ndarray:
    if layout == "bhsd":
        return x
    if layout == "bshd":
        return x.transpose(0, 2, 1, 3)
    if layout == "bsd":
        return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)
    if layout == "sbhd":
        return x.transpose(2, 0, 1, 3)
    if layout in ("bhds", "hds"):
        return from_bhsd(x, {"bhds": "bhsd", "hds": "hsd"}[layout]).swapaxes(-1, -2)
    return x.reshape(-1, *x.shape[2:])


def heads_tensor(b, h, s, d, layout, dtype=np.float32):
    """A random tensor in `layout`, batch and sequence dynamic, and heads where they are in the batch."""
    axes = {"bhsd": (0, 2), "bshd": (0, 1), "bsd": (0, 1), "hsd": (0, 1)}
    axes |= {"bhds": (0, 3), "hds": (0, 2), "sbhd": (0, 1)}
    axes = axes[layout]
    return np.ascontiguousarray(from_bhsd(rand(b, h, s, d, dtype=dtype), layout)), axes


def rotary_reference(x, cos, sin, interleaved, n, deinterleaves=False):
    """x [b, h, s, d]; tables that broadcast against [b, h, s, n/2] or [b, h, s, n]."""
    y = x.copy()
    first, second = (
        (np.arange(0, n, 2), np.arange(1, n, 2))
        if interleaved
        else (np.arange(n // 2), np.arange(n // 2, n))
    )
    half = cos.shape[-1] == n // 2
    table = lambda t, i: t if half else t[..., i]
    left = x[..., first] * table(cos, first) - x[..., second] * table(sin, first)
    right = x[..., second] * table(cos, second) + x[..., first] * table(sin, second)
    places = (np.arange(n // 2), np.arange(n // 2, n)) if deinterleaves else (first, second)
    y[..., places[0]], y[..., places[1]] = left, right
    return y


# Positions with layout hsd are refused: batch and heads are one axis there.
ROTARY_CASES = [
    c
    for c in itertools.product(["bhsd", "bshd", "bsd", "hsd"], ["full", "half", "cache", "rank2"])
    if c != ("hsd", "cache")
]


@pytest.mark.parametrize(("layout", "tables"), ROTARY_CASES)
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("partial", [False, True])
def test_rotary(tmp_path, layout, interleaved, tables, partial):
    b, h, s, d = 2, 3, 5, 8
    n = 4 if partial else d
    width = n if tables in ("full", "rank2") else n // 2
    inputs = {"x": heads_tensor(b, h, s, d, layout)}
    if tables == "cache":
        shape, axes = (16, width), ()
    elif tables == "rank2":
        shape, axes = (s, width), (0,)
    else:
        shape, axes = (b * h if layout == "hsd" else b, s, width), (0, 1)
    inputs |= {"cos": (rand(*shape), axes), "sin": (rand(*shape), axes)}
    operands = "%x cos %cos sin %sin"
    attrs = [f"layout = #sink.layout<{layout}>"]
    attrs += ["interleaved"] * interleaved + ["half_tables"] * (tables in ("half", "cache"))
    attrs += [f"rotary_dim = {n} : i64"] * partial + [f"num_heads = {h} : i64"] * (layout == "bsd")
    if tables == "cache":
        inputs["p"] = (RNG.integers(0, 16, (b, s)), (0, 1))
        operands += " positions %p"
    (y,) = run(tmp_path, "rotary", operands, inputs, attrs=", ".join(attrs))
    v = double(inputs)
    cos, sin = (v[t][v["p"]] if tables == "cache" else v[t] for t in ("cos", "sin"))
    if layout == "hsd" and tables != "rank2":
        cos, sin = (t.reshape(b, h, s, width) for t in (cos, sin))
    elif cos.ndim == 3:
        cos, sin = cos[:, None], sin[:, None]
    expected = rotary_reference(to_bhsd(v["x"], layout, h), cos, sin, interleaved, n)
    check(y, from_bhsd(expected, layout))


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("kind", ["full", "half", "to halves", "offset"])
def test_rotary_variants(tmp_path, inverse, interleaved, kind):
    b, h, s, d = 2, 3, 5, 8
    deinterleaves = kind == "to halves"
    interleaved = interleaved or deinterleaves
    begin, n = (3, 4) if kind == "offset" else (0, d)
    width = n if kind in ("full", "offset") else n // 2
    inputs = {"x": heads_tensor(b, h, s, d, "bhsd")}
    inputs |= {t: (rand(s, width), (0,)) for t in ("cos", "sin")}
    attrs = ["layout = #sink.layout<bhsd>"]
    attrs += ["interleaved"] * interleaved + ["inverse"] * inverse
    attrs += ["deinterleaves"] * deinterleaves + ["half_tables"] * (width < n)
    attrs += [f"rotary_dim = {n} : i64, offset = {begin} : i64"] * (kind == "offset")
    operands = "%x cos %cos sin %sin"
    (y,) = run(tmp_path, "rotary", operands, inputs, attrs=", ".join(attrs))
    v = double(inputs)
    sin = -v["sin"] if inverse else v["sin"]
    expected = v["x"].copy()
    expected[..., begin : begin + n] = rotary_reference(
        v["x"][..., begin : begin + n], v["cos"], sin, interleaved, n, deinterleaves
    )
    check(y, expected)


# ---------------------------------------------------------------- attention


def attention_reference(
    v,
    heads,
    kv_heads,
    layouts,
    scale=None,
    softcap=None,
    causal=False,
    window=None,
    kind=None,
    right_window=None,
    bias_scale=None,
    bias_after_mask=False,
    mask_fill=None,
    mask_scale=None,
    floor=None,
):
    """The numbered formula of sink.attention, in float64."""
    q, k, value = (
        to_bhsd(v[n], lay, c) for n, lay, c in zip("qkv", layouts, (heads, kv_heads, kv_heads))
    )
    if "pk" in v:
        k, value = np.concatenate([v["pk"], k], 2), np.concatenate([v["pv"], value], 2)
    present = [k, value]
    queries, keys = q.shape[2], k.shape[2]
    visible = np.ones((queries, keys), bool)
    i, j = np.arange(queries)[:, None] + keys - queries, np.arange(keys)[None]
    if causal:
        visible &= j <= i
    if window:
        visible &= i - j < window
    if right_window is not None:
        visible &= j - i <= right_window
    sinks = 0
    if "sk" in v:
        sinks = v["sk"].shape[1]
        k, value = (
            np.concatenate([np.broadcast_to(r[None], (q.shape[0], *r.shape)), x], 2)
            for r, x in ((v["sk"], k), (v["sv"], value))
        )
    k, value = (np.repeat(x, heads // kv_heads, 1) for x in (k, value))
    s = q @ k.swapaxes(-1, -2) * (1 / np.sqrt(q.shape[-1]) if scale is None else scale)
    if "f" in v:
        factor = v["f"]
        # In a joined layout, an axis of batch and heads comes apart.
        joined = factor.ndim == 3 and len(factor) == q.shape[0] * heads
        s = s * (factor.reshape(-1, heads, *factor.shape[1:]) if joined else factor)
    if softcap:
        s = softcap * np.tanh(s / softcap)
    own = s[..., sinks:]
    fill = -np.inf if mask_fill is None else mask_fill
    bias = v["bias"] * (1 if bias_scale is None else bias_scale) if "bias" in v else 0.0
    if not bias_after_mask:
        own += bias
    if kind == "additive":
        own += v["m"] * (1 if mask_scale is None else mask_scale)
    elif kind:
        keep = v["m"].astype(bool) == (kind == "keep")
        own[~np.broadcast_to(keep, own.shape)] = fill
    own[~np.broadcast_to(visible, own.shape)] = fill
    if bias_after_mask:
        own += bias
    if floor is not None:
        np.maximum(own, floor, out=own)
    column = (
        v["logit"].reshape(1, heads, 1, 1) + np.zeros_like(s[..., :1]) if "logit" in v else None
    )
    top = (
        s.max(-1, keepdims=True) if column is None else np.maximum(s.max(-1, keepdims=True), column)
    )
    e = np.exp(s - top)
    p = e / (e.sum(-1, keepdims=True) + (0 if column is None else np.exp(column - top)))
    y = from_bhsd(p @ value, layouts[3])
    return [y * v["g"] if "g" in v else y, *present]


def run_attention(
    tmp_path,
    layouts=("bhsd",) * 4,
    heads=4,
    kv_heads=2,
    queries=5,
    keys=5,
    past=0,
    mask=None,
    mask_shape=None,
    logit=None,
    sinks=0,
    gate=False,
    scale=None,
    softcap=None,
    causal=False,
    window=None,
    right_window=None,
    bias_shape=None,
    bias_scale=None,
    bias_after_mask=False,
    mask_fill=None,
    mask_scale=None,
    floor=None,
    factor_shape=None,
    mask_dtype=bool,
    dtype=np.float32,
    kind="f32",
    scale_q=1.0,
    form="original",
    state_heads=True,
    opset=17,
):
    b, d = 2, 8
    inputs = {"q": heads_tensor(b, heads, queries, d, layouts[0], dtype)}
    inputs["q"] = (inputs["q"][0] * dtype(scale_q), inputs["q"][1])
    inputs["k"] = heads_tensor(b, kv_heads, keys, d, layouts[1], dtype)
    inputs["v"] = heads_tensor(b, kv_heads, keys, d, layouts[2], dtype)
    operands, attrs, total = "%q, %k, %v", [], keys + past
    if mask:
        shape = mask_shape or (b, 1, queries, total)
        m = rand(*shape, dtype=dtype) if mask == "additive" else RNG.random(shape) < 0.7
        if mask != "additive":
            m[..., 0] = mask == "keep"  # a row that hides every key has no softmax
            m = m.astype(mask_dtype)
        inputs["m"] = (m, (len(shape) - 2, len(shape) - 1))
        operands += " mask %m"
        attrs.append(f"mask_kind = #sink.mask_kind<{mask}>")
    if bias_shape:
        inputs["bias"] = (rand(*bias_shape, dtype=dtype), ())
        operands += " bias %bias"
    if past:
        inputs |= {n: (rand(b, kv_heads, past, d, dtype=dtype), (0, 2)) for n in ("pk", "pv")}
        operands += " past %pk, %pv"
    if logit is not None:
        inputs["logit"] = ((rand(heads) + logit).astype(dtype), ())
        operands += " sink_logit %logit"
    if sinks:
        inputs |= {n: (rand(kv_heads, sinks, d, dtype=dtype), ()) for n in ("sk", "sv")}
        operands += " sink_kv %sk, %sv"
    if gate:
        inputs["g"] = heads_tensor(b, heads, queries, d, layouts[3], dtype)
        operands += " gate %g"
    if factor_shape:
        inputs["f"] = (rand(*factor_shape, dtype=dtype), ())
        operands += " score_factor %f"
    attrs += [
        f"{n}_layout = #sink.layout<{lay}>"
        for n, lay in zip(("query", "key", "value", "result"), layouts)
    ]
    attrs += [f"num_heads = {heads} : i64", f"kv_num_heads = {kv_heads} : i64"] * state_heads
    attrs += [
        f"{n} = {x} : {t}"
        for n, x, t in (
            ("scale", scale, "f64"),
            ("softcap", softcap, "f64"),
            ("window", window, "i64"),
            ("right_window", right_window, "i64"),
            ("bias_scale", bias_scale, "f64"),
            ("mask_fill", mask_fill, "f64"),
            ("mask_scale", mask_scale, "f64"),
            ("floor", floor, "f64"),
        )
        if x is not None
    ]
    attrs += ["bias_after_mask"] * bias_after_mask
    attrs += ["causal"] * causal + ["has_present"] * bool(past)
    results = run(
        tmp_path,
        "attention",
        operands,
        inputs,
        3 if past else 1,
        attrs=", ".join(attrs),
        form=form,
        opset=opset,
    )
    expected = attention_reference(
        double(inputs),
        heads,
        kv_heads,
        layouts,
        scale,
        softcap,
        causal,
        window,
        mask,
        right_window,
        bias_scale,
        bias_after_mask,
        mask_fill,
        mask_scale,
        floor,
    )
    for actual, reference in zip(results, expected):
        check(actual, reference, kind)


@pytest.mark.parametrize(
    "layouts",
    [
        ("bhsd",) * 4,
        ("bshd",) * 4,
        ("bsd",) * 4,
        ("hsd",) * 4,
        ("bhsd", "bhsd", "bhsd", "bsd"),
        ("bshd", "bhsd", "bsd", "bhsd"),
        ("bhsd", "bhds", "bhds", "bshd"),
        ("hsd", "hds", "hds", "hsd"),
        ("sbhd", "sbhd", "bhsd", "sbhd"),
    ],
)
@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_attention_layouts_and_groups(tmp_path, layouts, kv_heads):
    run_attention(tmp_path, layouts, kv_heads=kv_heads)


@pytest.mark.parametrize("opset", [13, 18, 23])
def test_attention_opsets(tmp_path, opset):
    run_attention(
        tmp_path, causal=True, past=3, sinks=1, logit=0.5, softcap=5.0, window=3, opset=opset
    )


def test_attention_heads_from_types(tmp_path):
    run_attention(tmp_path, state_heads=False)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0.3},
        {"softcap": 2.0},
        {"causal": True},
        {"causal": True, "queries": 2, "keys": 7},
        {"causal": True, "past": 4},
        {"causal": True, "window": 2},
        {"window": 3, "queries": 3, "keys": 6},
        {"right_window": 1, "queries": 3, "keys": 6},
        {"window": 2, "right_window": 0, "keys": 6},
        {"past": 3},
        {"gate": True},
        {"gate": True, "layouts": ("bsd",) * 4},
        {"logit": 0.3},
        {"logit": 0.3, "causal": True, "kv_heads": 4},
        {"sinks": 1},
        {"sinks": 2, "causal": True, "past": 3},
        {"sinks": 2, "causal": True, "window": 2},
        {"sinks": 1, "logit": 1.0, "gate": True},
        {
            "softcap": 3.0,
            "scale": 1.0,
            "sinks": 1,
            "logit": 0.1,
            "causal": True,
            "window": 3,
            "past": 2,
            "mask": "additive",
        },
    ],
    ids=str,
)
def test_attention_options(tmp_path, options):
    run_attention(tmp_path, **options)


@pytest.mark.parametrize("mask", ["additive", "keep", "drop"])
@pytest.mark.parametrize("shape", [(2, 1, 5, 5), (2, 4, 5, 5), (5, 5)])
@pytest.mark.parametrize("sinks", [0, 2])
def test_attention_masks(tmp_path, mask, shape, sinks):
    run_attention(tmp_path, mask=mask, mask_shape=shape, sinks=sinks)


@pytest.mark.parametrize("shape", [(2, 4, 5, 5), (4, 1, 5), (5, 5)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias_scale": 0.25, "softcap": 2.0},
        {"mask": "additive", "causal": True},
        {"mask": "keep", "mask_fill": -2.0},
        {"mask": "keep", "mask_fill": -2.0, "bias_after_mask": True},
        {"mask": "drop", "bias_after_mask": True, "causal": True},
        {"mask": "keep", "sinks": 2, "logit": 0.5},
        {"mask": "additive", "mask_scale": -0.5, "bias_scale": 2.0},
        {"mask": "keep", "floor": -1.0},
        {"mask": "drop", "mask_dtype": np.float32, "factor_shape": (4, 1, 1), "softcap": 3.0},
    ],
    ids=str,
)
def test_attention_bias(tmp_path, options, shape):
    """A bias beside each kind of mask. A fill near the scores tells whether the bias is added to it."""
    run_attention(tmp_path, bias_shape=shape, **options)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 1, 1), {}),
        ((2, 4, 5, 5), {"softcap": 2.0}),
        ((5, 1), {"mask": "additive", "mask_scale": -2.0}),
        ((5, 5), {"mask": "keep", "mask_fill": -2.0}),
        ((8, 5, 5), {"layouts": ("hsd",) * 4}),
        ((4, 1, 1), {"sinks": 2, "logit": 0.5}),
        ((5, 7), {"sinks": 2, "causal": True}),
    ],
    ids=str,
)
def test_attention_score_factor(tmp_path, shape, options):
    """Factors of heads, queries and scores. They come before the cap, the bias and the mask."""
    run_attention(tmp_path, factor_shape=shape, bias_shape=(5, 5), **options)


def test_attention_mask_of_batched_heads(tmp_path):
    """With layout hsd a mask of rank 3 has batch and heads in one axis, as Bloom's has."""
    b, h, s, d = 2, 4, 5, 8
    inputs = {n: heads_tensor(b, h, s, d, "hsd") for n in "qkv"} | {
        "m": (rand(b * h, s, s), (0, 1, 2))
    }
    attrs = ", ".join(
        f"{n}_layout = #sink.layout<hsd>" for n in ("query", "key", "value", "result")
    )
    (y,) = run(
        tmp_path,
        "attention",
        "%q, %k, %v mask %m",
        inputs,
        attrs=attrs + ", num_heads = 4 : i64, mask_kind = #sink.mask_kind<additive>",
    )
    v = double(inputs)
    v["m"] = v["m"].reshape(b, h, s, s)
    check(y, attention_reference(v, h, h, ("hsd",) * 4, kind="additive")[0])


@pytest.mark.parametrize("logit", [-1000.0, 1000.0])
def test_attention_extreme_logits(tmp_path, logit):
    run_attention(tmp_path, logit=logit, kind="f32 unstable")


def test_attention_extreme_scores(tmp_path):
    run_attention(tmp_path, logit=0.0, scale_q=1000.0, kind="f32 large")


def test_attention_f16(tmp_path):
    run_attention(tmp_path, causal=True, logit=0.5, dtype=np.float16, kind="f16")


def test_attention_as_function(tmp_path):
    run_attention(tmp_path, causal=True, past=3, sinks=1, logit=0.5, gate=True, form="functions")


def test_norm_as_function(tmp_path):
    inputs = {"x": (rand(2, 5, 64), (0, 1)), "p": (rand(64), ())}
    (y,) = run(
        tmp_path, "rms_norm", "%x pre_affine %p", inputs, attrs="epsilon = 1.0e-5", form="functions"
    )
    v = double(inputs)
    check(y, norm_reference({"x": v["x"], "pre_affine": v["p"]}, False, 1e-5)[0])


SKIP = """
module attributes {{onnx.model = {{ir_version = 8 : i64, opset_import = [{{domain = "", version = 17 : i64}}, {{domain = "com.microsoft", version = 1 : i64}}]}}}} {{
  onnx.graph @main #onnx.graph_info<inputs = [{infos}], outputs = [#onnx.value<"y", {t}, {{}}>, #onnx.value<"s", {t}, {{}}>], valueInfo = [], info = {{name = "g"}}> {{
  ^bb0(%x: {t}, %r: {t}, %p: {v}, %w: {v}, %b: {v}, %c: {v}):
    %none = onnx.absent
    %y, %s = sink.{op} %x residual %r pre_affine %p weight %w {beta_operand} {{epsilon = 1.0e-5}} : ({t}, {t}, {v}, {v}{beta_type}) -> ({t}, {t}) {{
    ^bb0(%a: {t}, %d: {t}):
      %f:4 = onnx.ms.{node}(%a, %d, %w{beta}, %c) {{epsilon = 1.0e-5 : f32, onnx.outs = ["y", "", "", "s"]}} : ({t}, {t}, {v}{beta_type}, {v}) -> ({t}, none, none, {t})
      sink.yield %f#0, %f#3 : {t}, {t}
    }}
    onnx.return %y, %s : {t}, {t}
  }}
}}
"""


def skip_operator(node, inputs, epsilon=1e-5):
    """The fused operator alone: its normalized output and its sum."""
    values = [onnx.helper.make_tensor_value_info(n, 1, a.shape) for n, a in inputs.items()]
    outs = [onnx.helper.make_tensor_value_info(n, 1, None) for n in "ys"]
    op = onnx.helper.make_node(
        node, list(inputs), ["y", "", "", "s"], domain="com.microsoft", epsilon=epsilon
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    graph = onnx.helper.make_graph([op], "g", values, outs)
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return session(model.SerializeToString()).run(None, inputs)


@pytest.mark.parametrize("layer", [False, True])
@pytest.mark.parametrize("form", ["original", "functions"])
def test_pre_affine_of_skip_operator_is_bit_exact(tmp_path, layer, form):
    """With powers of two before the norm, each bit is that of the operator on scaled operands."""
    node = "SkipLayerNormalization" if layer else "SkipSimplifiedLayerNormalization"
    t, v = "tensor<?x?x64xf32>", "tensor<64xf32>"
    infos = ", ".join(
        f'#onnx.value<"{n}", {k}, {{}}>' for n, k in zip("xrpwbc", (t, t, v, v, v, v))
    )
    text = SKIP.format(
        t=t,
        v=v,
        infos=infos,
        node=node,
        op="layer_norm" if layer else "rms_norm",
        beta=", %b" if layer else "",
        beta_operand="bias %b" if layer else "",
        beta_type=", " + v if layer else "",
    )
    names = {n: rand(2, 9, 64) if n in "xr" else rand(64) for n in "xrpwbc"}
    names["p"] = (2.0 ** RNG.integers(-6, 7, 64)).astype(np.float32)
    y, s = lower_and_run(tmp_path, text, names, form)
    p, order = names["p"], "xrwbc" if layer else "xrwc"
    _, expected_sum = skip_operator(node, {n: names[n] for n in order})
    scaled = {n: names[n] * p if n in "xrc" else names[n] for n in order}
    expected, _ = skip_operator(node, scaled)
    assert np.array_equal(y.view(np.int32), expected.view(np.int32))
    assert np.array_equal(s.view(np.int32), expected_sum.view(np.int32))
