"""What `inspect` lists as mixers that are no softmax attention: the structures, and near misses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

basin = pytest.importorskip("basin")

OPSETS = '["": 18, "com.microsoft": 1]'


def mixers_of(
    path: Path, graph: str, body: str, weights: dict[str, Any] | None = None, opsets: str = OPSETS
) -> list[dict[str, Any]]:
    """The mixers of a model given as text; numbers of `weights` become initializers."""
    text = f"<ir_version: 8, opset_import: {opsets}>\n{graph} {{\n{body}\n}}"
    model = onnx.parser.parse_model(text)
    for name, value in (weights or {}).items():
        value = np.asarray(value)
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    onnx.save(model, path / "m.onnx")
    return basin.load(path / "m.onnx").inspect()["mixers"]


def kinds(mixers: list[dict[str, Any]]) -> list[str]:
    """The kinds alone."""
    return [one["kind"] for one in mixers]


# Unrolled recurrences

STATE = "g (float[2, 8, T, 4] d, float[2, 8, T, 4] i, float[2, T, 4, 1] c) => (float[2, 8, R] y)"
NUMBERS = {f"n{k}": np.int64(k) for k in range(6)} | {"zero": np.zeros((2, 8, 4))}


def steps(positions: list[int], data: list[str] | None = None, read: bool = True) -> str:
    """A loop over `positions`, unrolled. Step k decays by `data[k]`, or d."""
    lines, state, outs = [], "zero", []
    for k, t in enumerate(positions):
        lines += [
            f"d{k} = Gather<axis = 2>({(data or ['d'] * 9)[k]}, n{t})",
            f"i{k} = Gather<axis = 2>(i, n{t})",
            f"m{k} = Mul(d{k}, {state})",
            f"s{k} = Add(m{k}, i{k})",
        ]
        state = f"s{k}"
        if read:
            lines += [f"c{k} = Gather<axis = 1>(c, n{t})", f"y{k} = MatMul(s{k}, c{k})"]
            outs.append(f"y{k}")
    outs = outs or [f"s{k}" for k in range(len(positions))]
    return "\n".join([*lines, f"y = Concat<axis = 2>({', '.join(outs)})"])


def test_selective_scan(tmp_path: Path) -> None:
    (one,) = mixers_of(tmp_path, STATE, steps([0, 1, 2]), NUMBERS)
    assert one == {
        "output": "s2", "kind": "selective_scan", "form": "unrolled", "causal": True,
        "kernel": [], "gated": False,
    }  # fmt: skip


def test_recurrence_that_is_read_as_it_is(tmp_path: Path) -> None:
    (one,) = mixers_of(tmp_path, STATE, steps([0, 1, 2], read=False), NUMBERS)
    assert (one["output"], one["kind"]) == ("s2", "linear_recurrence")


def test_what_follows_a_scan_is_no_step(tmp_path: Path) -> None:
    """The last state is scaled and added to, but by nothing that a token gives."""
    body = steps([0, 1, 2]).replace("y = ", "m9 = Mul(s2, two)\ns9 = Add(m9, two)\ny9 = ")
    body += "\nr = ReduceSum<keepdims = 0>(s9)\nu = Unsqueeze(r, axes)\ny = Add(y9, u)"
    weights = NUMBERS | {"two": np.full(4, 2.0), "axes": np.array([0, 1, 2])}
    (one,) = mixers_of(tmp_path, STATE, body, weights)
    assert (one["output"], one["kind"]) == ("s2", "selective_scan")


@pytest.mark.parametrize(
    ("positions", "data"),
    [([0], None), ([0, 2, 4], None), ([3, 1, 0], None), ([1, 1, 1], None)],
    ids=["one-step", "skips", "backwards", "stays"],
)
def test_chains_that_are_no_recurrence_over_tokens(
    positions: list[int], data: list[str] | None, tmp_path: Path
) -> None:
    assert mixers_of(tmp_path, STATE, steps(positions, data), NUMBERS) == []


def test_scaled_residual_streams_are_none(tmp_path: Path) -> None:
    """Layers that scale the stream, and read one tensor each."""
    lines, x = [], "x"
    for k in range(4):
        lines += [f"h{k} = MatMul({x}, w)", f"m{k} = Mul(scale, {x})", f"x{k} = Add(m{k}, h{k})"]
        x = f"x{k}"
    body = "\n".join([*lines, "y = Identity(x3)"])
    weights = {"w": np.ones((4, 4)), "scale": np.ones(4)}
    graph = "g (float[2, T, 4] x) => (float[2, T, 4] y)"
    assert mixers_of(tmp_path, graph, body, weights) == []


def test_wkv(tmp_path: Path) -> None:
    """RWKV's weighted mean: one mixer, not one for the weighted sum and one for the weights'."""
    lines, num, den, top = [], "zero", "zero", "low"
    for t in range(3):
        lines += [
            f"k{t} = Gather<axis = 1>(k, n{t})",
            f"v{t} = Gather<axis = 1>(v, n{t})",
            f"f{t} = Add({top}, w)",
            f"top{t} = Max(f{t}, k{t})",
            f"a{t} = Sub(f{t}, top{t})",
            f"e{t} = Exp(a{t})",
            f"b{t} = Sub(k{t}, top{t})",
            f"g{t} = Exp(b{t})",
            f"p{t} = Mul(e{t}, {num})",
            f"q{t} = Mul(g{t}, v{t})",
            f"num{t} = Add(p{t}, q{t})",
            f"r{t} = Mul(e{t}, {den})",
            f"den{t} = Add(r{t}, g{t})",
            f"u{t} = Mul(e{t}, {num})",
            f"z{t} = Mul(g{t}, bonus)",
            f"now{t} = Add(u{t}, z{t})",
            f"y{t} = Div(now{t}, den{t})",
        ]
        num, den, top = f"num{t}", f"den{t}", f"top{t}"
    body = "\n".join([*lines, "y = Concat<axis = 1>(y0, y1, y2)"])
    weights = NUMBERS | {"zero": np.zeros((2, 4)), "low": np.full((2, 4), -1e38), "w": np.ones(4)}
    weights |= {"bonus": np.ones(4)}
    graph = "g (float[2, T, 4] k, float[2, T, 4] v) => (float[2, R] y)"
    (one,) = mixers_of(tmp_path, graph, body, weights)
    assert (one["output"], one["kind"], one["form"]) == ("num2", "wkv", "unrolled")


# Loop and Scan


def scan(body: list[onnx.NodeProto], states: list[str], path: Path) -> list[dict[str, Any]]:
    """The mixers of a Scan over tokens q, k, v, d with this body, which sets `next` and `y`."""
    f = onnx.TensorProto.FLOAT
    info = helper.make_tensor_value_info
    tokens = [info(name, f, [4]) for name in ("q", "k", "v", "d")]
    inner = helper.make_graph(
        body, "body", [info("s", f, [4, 4]), *tokens],
        [info(states[0], f, [4, 4]), info("y", f, [4])],
    )  # fmt: skip
    outer = [info(name, f, ["T", 4]) for name in ("Q", "K", "V", "D")]
    node = helper.make_node(
        "Scan", ["zero", "Q", "K", "V", "D"], ["last", "out"], body=inner, num_scan_inputs=4
    )
    zero = numpy_helper.from_array(np.zeros((4, 4), np.float32), "zero")
    graph = helper.make_graph([node], "g", outer, [info("out", f, ["T", 4])], [zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path / "m.onnx")
    return basin.load(path / "m.onnx").inspect()["mixers"]


N = helper.make_node
AXES = N("Constant", [], ["last"], value_ints=[1])
OUTER = [AXES, N("Constant", [], ["first"], value_ints=[0]), N("Unsqueeze", ["k", "last"], ["k1"]),
         N("Unsqueeze", ["v", "first"], ["v1"]), N("MatMul", ["k1", "v1"], ["kv"])]  # fmt: skip
DECAY = [
    N("Exp", ["d"], ["e"]),
    N("Unsqueeze", ["e", "last"], ["e1"]),
    N("Mul", ["e1", "s"], ["m"]),
]
READ = [N("MatMul", ["q", "next"], ["y"])]


@pytest.mark.parametrize("decays", [False, True])
def test_scan_of_outer_products(decays: bool, tmp_path: Path) -> None:
    body = OUTER + (DECAY if decays else [])
    body += [N("Add", ["m" if decays else "s", "kv"], ["next"]), *READ]
    (one,) = scan(body, ["next"], tmp_path)
    assert (one["output"], one["kind"], one["form"]) == ("out", "linear_attention", "Scan")
    assert one["causal"]


def test_scan_that_sums_up(tmp_path: Path) -> None:
    """A running sum that nothing is contracted with is no mixer of its own."""
    body = [*OUTER, N("Add", ["s", "kv"], ["next"]), N("Identity", ["q"], ["y"])]
    assert scan(body, ["next"], tmp_path) == []
    # Its state does not depend on the token.
    body = [N("Add", ["s", "s"], ["next"]), *READ]
    assert scan(body, ["next"], tmp_path) == []


def test_loop(tmp_path: Path) -> None:
    """The body counts tokens, and Gathers them."""
    f, i64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    info = helper.make_tensor_value_info
    nodes = [
        N("Gather", ["D", "t"], ["d"], axis=0),
        N("Gather", ["X", "t"], ["x"], axis=0),
        N("Mul", ["d", "s"], ["m"]),
        N("Add", ["m", "x"], ["next"]),
        N("Identity", ["go"], ["on"]),
    ]
    boolean = onnx.TensorProto.BOOL
    body = helper.make_graph(
        nodes, "body", [info("t", i64, []), info("go", boolean, []), info("s", f, [4])],
        [info("on", boolean, []), info("next", f, [4]), info("next2", f, [4])],
    )  # fmt: skip
    body.node.append(N("Identity", ["next"], ["next2"]))
    loop = N("Loop", ["n", "", "zero"], ["last", "out"], body=body)
    zero = numpy_helper.from_array(np.zeros(4, np.float32), "zero")
    count = numpy_helper.from_array(np.array(6, np.int64), "n")
    values = [info(name, f, [6, 4]) for name in ("D", "X")]
    graph = helper.make_graph([loop], "g", values, [info("out", f, [6, 4])], [zero, count])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    (one,) = basin.load(tmp_path / "m.onnx").inspect()["mixers"]
    assert (one["output"], one["kind"], one["form"]) == ("out", "linear_recurrence", "Loop")


# Products under a decay

CHUNK = "g (float[B, H, T, 4] q, float[B, H, 4, T] k, float[B, H, T, 4] v, float[B, H, T] a) => "
CHUNK += "(float[B, H, T, 4] y)"
CHUNK_WEIGHTS = {"axis": np.int64(-1), "last": np.array([3]), "third": np.array([2])}
DIFFERENCE = """
c = CumSum(a, axis)
ci = Unsqueeze(c, last)
cj = Unsqueeze({other}, third)
diff = Sub(ci, cj)
low = Trilu<upper = 0>(diff)
e = Exp(low)
"""
PRODUCT = "s = MatMul(q, k)\nw = Mul(s, e)\ny = MatMul(w, v)"


def test_linear_attention_in_chunks(tmp_path: Path) -> None:
    body = DIFFERENCE.format(other="c") + PRODUCT
    (one,) = mixers_of(tmp_path, CHUNK, body, CHUNK_WEIGHTS)
    assert (one["output"], one["kind"], one["form"]) == ("w", "linear_attention", "decomposed")
    assert one["causal"] is None


def test_segment_sums(tmp_path: Path) -> None:
    """Mamba-2: a CumSum of masked rows, under -inf."""
    body = """
    wide = Unsqueeze(a, last)
    rows = Expand(wide, shape)
    part = Where(keep, rows, zero)
    c = CumSum(part, axis2)
    seg = Where(keep, c, {low})
    e = Exp(seg)
    """
    weights = CHUNK_WEIGHTS | {
        "shape": np.array([1, 1, 1, 6]), "keep": np.tril(np.ones((6, 6), bool)), "zero": 0.0,
        "low": -np.inf, "axis2": np.int64(-2),
    }  # fmt: skip
    (one,) = mixers_of(tmp_path, CHUNK, body.format(low="low") + PRODUCT, weights)
    assert one["kind"] == "linear_attention"
    # Zeros hide nothing from an Exp.
    assert mixers_of(tmp_path, CHUNK, body.format(low="zero") + PRODUCT, weights) == []


def test_decays_that_are_none(tmp_path: Path) -> None:
    other = "c2 = CumSum(a, axis0)\n" + DIFFERENCE.format(other="c2")
    weights = CHUNK_WEIGHTS | {"axis0": np.int64(1)}
    assert mixers_of(tmp_path, CHUNK, other + PRODUCT, weights) == []
    # Nothing is decayed but what was given.
    body = DIFFERENCE.format(other="c") + "w = Mul(e, e)\ny = MatMul(w, v)"
    assert mixers_of(tmp_path, CHUNK, body, CHUNK_WEIGHTS) == []
    # Positions from a mask are a CumSum, too, and a Softmax has its Exp.
    body = "c = CumSum(a, axis)\nci = Unsqueeze(c, third)\ns = MatMul(q, k)\nb = Add(s, ci)\n"
    body += "w = Softmax<axis = -1>(b)\ny = MatMul(w, v)"
    assert mixers_of(tmp_path, CHUNK, body, CHUNK_WEIGHTS) == []


# Convolutions

CONV = "g (float[B, 8, T] x, float[B, 8, T] z, float[B, 8, 3] past) => (float[B, 8, R] y)"
FILTER = {"w": np.ones((8, 1, 4)), "n0": np.array([0]), "n1": np.array([1]), "n2": np.array([2]),
          "cut": np.array([-3]), "pads": np.array([0, 0, 3, 0, 0, 0])}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "causal"),
    [
        ("a = Conv<group = 8, pads = [3, 3]>(x, w)\ny = Slice(a, n0, cut, n2, n1)", True),
        ("a = Conv<group = 8, pads = [3, 0]>(x, w)\ny = Identity(a)", True),
        ("p = Pad(x, pads)\na = Conv<group = 8>(p, w)\ny = Identity(a)", True),
        ("p = Concat<axis = -1>(past, x)\na = Conv<group = 8>(p, w)\ny = Identity(a)", True),
        ("a = Conv<group = 8, pads = [1, 2]>(x, w)\ny = Identity(a)", False),
        ("a = Conv<group = 8, pads = [0, 3]>(x, w)\ny = Identity(a)", False),
    ],
    ids=["cut", "pads", "pad", "state", "centred", "anticausal"],
)
def test_convolutions(body: str, causal: bool, tmp_path: Path) -> None:
    (one,) = mixers_of(tmp_path, CONV, body, FILTER)
    assert (one["kind"], one["form"], one["kernel"]) == ("convolution", "Conv", [4])
    assert one["causal"] is causal and not one["gated"]


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("y = Conv<group = 8>(x, w)", (8, 1, 4)),
        ("y = Conv<group = 4, pads = [3, 0]>(x, w)", (8, 2, 4)),
        ("y = Conv<pads = [3, 0]>(x, w)", (8, 8, 4)),
        ("y = Conv<group = 8>(x, w)", (8, 1, 1)),
        ("y = Conv<group = 8, pads = [3, 0], strides = [2]>(x, w)", (8, 1, 4)),
        ("y = Conv<group = 8, pads = [3, 0]>(x, w)", (16, 1, 4)),
    ],
    ids=["shorter", "groups", "dense", "one-tap", "stride", "more-channels"],
)
def test_convolutions_that_are_no_mixers(body: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    assert mixers_of(tmp_path, CONV, body, FILTER | {"w": np.ones(shape)}) == []


@pytest.mark.parametrize(
    ("body", "gated"),
    [
        ("p = MatMul(scale8, z)\nt = Transpose<perm = [0, 2, 1]>(a)\n"
         "u = Transpose<perm = [0, 2, 1]>(p)\ny = Mul(t, u)", True),
        ("p = MatMul(scale8, z)\ns = Sigmoid(a)\nb = Mul(a, s)\ny = Mul(b, p)", True),
        ("y = Mul(a, z)", False),
        ("b = MatMul(scale8, a)\ny = Mul(a, b)", False),
        ("s = Sigmoid(a)\ny = Mul(a, s)", False),
        ("y = Mul(a, scale)", False),
    ],
    ids=["gate", "activation-and-gate", "mask", "of-its-own", "activation", "weight"],
)  # fmt: skip
def test_gates_of_convolutions(body: str, gated: bool, tmp_path: Path) -> None:
    weights = FILTER | {"scale": np.ones((8, 1)), "scale8": np.ones((8, 8))}
    conv = "a = Conv<group = 8, pads = [3, 0]>(x, w)\n"
    (one,) = mixers_of(tmp_path, CONV, conv + body, weights)
    assert one["gated"] is gated


def test_images(tmp_path: Path) -> None:
    graph = "g (float[B, 8, 16, 16] x) => (float[B, 8, 16, 16] y)"
    body = "y = Conv<group = 8, pads = [3, 3, 3, 3]>(x, w)"
    (one,) = mixers_of(tmp_path, graph, body, {"w": np.ones((8, 1, 7, 7))})
    assert (one["kind"], one["causal"], one["kernel"]) == ("convolution", False, [7, 7])


# Fourier transforms

REAL = "g (float[B, T, 4, 1] x) => (float[B, T, 4, 1] y)"
SPECTRUM = {"i0": np.int64(0), "i1": np.int64(1), "f0": np.array([0]), "f1": np.array([1]),
            "l": np.array([3]), "filter": np.ones((1, 6, 4, 2))}  # fmt: skip
OPSET17 = '["": 17]'


def test_fourier(tmp_path: Path) -> None:
    body = "a = DFT<axis = 2>(x)\nb = DFT<axis = 1>(a)\n"
    real = body + "y = Slice(b, f0, f1, l)"
    (one,) = mixers_of(tmp_path, REAL, real, SPECTRUM, OPSET17)
    assert (one["output"], one["kind"], one["form"]) == ("b", "fourier", "DFT")
    gather = "g (float[B, T, 4, 1] x) => (float[B, T, 4] y)"
    real = body + "y = Gather<axis = -1>(b, i0)"
    assert kinds(mixers_of(tmp_path, gather, real, SPECTRUM, OPSET17)) == ["fourier"]
    imaginary = body + "y = Gather<axis = -1>(b, i1)"
    assert mixers_of(tmp_path, gather, imaginary, SPECTRUM, OPSET17) == []
    one_axis = "b = DFT<axis = 1>(x)\ny = Slice(b, f0, f1, l)"
    assert mixers_of(tmp_path, REAL, one_axis, SPECTRUM, OPSET17) == []


def test_long_convolution(tmp_path: Path) -> None:
    body = "a = DFT<axis = 1>(x)\n{}\ny = DFT<axis = 1, inverse = 1>(b)"
    mul, plain = body.format("b = Mul(a, filter)"), body.format("b = Identity(a)")
    found = mixers_of(tmp_path, REAL, mul, SPECTRUM, OPSET17)
    assert kinds(found) == ["long_convolution"]
    # What is transformed back as it was is not mixed.
    assert mixers_of(tmp_path, REAL, plain, SPECTRUM, OPSET17) == []


# Operators

BSD = "g (float[2, T, 8] q, float[2, T, 8] k, float[2, T, 8] v, float[2, 2, 4, 4] s) => "
BSD += "(float[2, T, 8] y, float[2, 2, 4, 4] p)"


@pytest.mark.parametrize("domain", ["com.microsoft.", ""])
def test_linear_attention_operators(domain: str, tmp_path: Path) -> None:
    body = f"y, p = {domain}LinearAttention<q_num_heads = 2, kv_num_heads = 2, "
    body += 'update_rule = "linear">(q, k, v, s)'
    opsets = OPSETS if domain else '["": 27]'
    (one,) = mixers_of(tmp_path, BSD, body, opsets=opsets)
    assert (one["output"], one["kind"], one["form"]) == ("y", "linear_attention", "LinearAttention")
    (miss,) = basin.load(tmp_path / "m.onnx").inspect()["unrecognized"]
    assert miss["reason"] == "the operator LinearAttention has no counterpart in the sink dialect"


def test_recurrent_networks(tmp_path: Path) -> None:
    graph = "g (float[T, 2, 4] x) => (float[T, D, 2, 8] y)"
    for direction, causal in (("forward", True), ("bidirectional", False), ("reverse", False)):
        body = f'y = LSTM<hidden_size = 8, direction = "{direction}">(x, w, r)'
        n = 2 if direction == "bidirectional" else 1
        weights = {"w": np.ones((n, 32, 4)), "r": np.ones((n, 32, 8))}
        (one,) = mixers_of(tmp_path, graph, body, weights)
        assert (one["kind"], one["form"], one["causal"]) == ("recurrent_network", "LSTM", causal)


def test_other_operators(tmp_path: Path) -> None:
    """They have types, and are listed as what they are."""
    graph = "g (float[2, T, 24] q, float[2, 1, M, 8] k, float[2, 1, M, 8] v, int32[1, N] r, "
    graph += "int32[1, Z] c, int32 t, int32[2] l) => (float[2, T, 8] y, float[2, 1, M, 8] pk, "
    graph += "float[2, 1, M, 8] pv)"
    body = "y, pk, pv = com.microsoft.SparseAttention<num_heads = 1, kv_num_heads = 1, "
    body += "sparse_block_size = 16>(q, , , k, v, r, c, t, l)"
    (one,) = mixers_of(tmp_path, graph, body)
    assert (one["kind"], one["causal"]) == ("sparse_attention", True)

    graph = "g (float[N, 8] q, float[N, 8] k, float[N, 8] v, float[P, 16, 2, 4] a, "
    graph += "float[P, 16, 2, 4] b, int32[3] c, int32[2] l, int32[2, 4] t) => (float[N, 8] y)"
    for causal in (0, 1):
        body = "y = com.microsoft.PagedAttention<num_heads = 2, kv_num_heads = 2, "
        body += f"is_causal = {causal}>(q, k, v, a, b, c, l, t)"
        (one,) = mixers_of(tmp_path, graph, body)
        assert (one["kind"], one["causal"]) == ("paged_attention", bool(causal))

    graph = "g (float[2, 8, T] x) => (float[2, 8, T] y, float[2, 8, 3] p)"
    body = "y, p = com.microsoft.CausalConvWithState(x, w)"
    (one,) = mixers_of(tmp_path, graph, body, {"w": np.ones((8, 1, 4))})
    assert (one["kind"], one["kernel"], one["causal"]) == ("convolution", [4], True)


def test_gated_norm_is_told(tmp_path: Path) -> None:
    graph = "g (float[2, T, 8] x, float[2, T, 8] z) => (float[2, T, 8] y)"
    body = "y = com.microsoft.GatedRMSNorm(x, w, z)"
    assert mixers_of(tmp_path, graph, body, {"w": np.ones(8)}) == []
    (miss,) = basin.load(tmp_path / "m.onnx").inspect()["unrecognized"]
    assert miss["op"] == "ms.GatedRMSNorm"
    assert miss["reason"] == "the operator GatedRMSNorm has no counterpart in the sink dialect"
