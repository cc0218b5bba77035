"""Single nodes as plans, against the reference evaluator, with sizes that the model leaves open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.errors import PlanError  # noqa: E402

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((2, 5, 6)).astype(np.float32)
Y = RANDOM.standard_normal((2, 5, 6)).astype(np.float32)
INTEGERS = RANDOM.integers(-9, 9, (2, 5, 6))
IMAGE = RANDOM.standard_normal((2, 3, 8, 9)).astype(np.float32)
KEEPS = RANDOM.random((2, 5, 6)) < 0.5
SPECIAL = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e-30, 2.5, -3.5]], np.float32)


def array(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def reals(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


# The node, its inputs (those of `open` sizes first), the others as initializers, its attributes.
CASES = {
    "abs": ("Abs", [X], [], {}),
    "abs integer": ("Abs", [INTEGERS], [], {}),
    "add broadcast": ("Add", [X], [reals(6)], {}),
    "add row": ("Add", [X], [reals(5, 1)], {}),
    "and": ("And", [KEEPS, KEEPS[::-1].copy()], [], {}),
    "cast to integer": ("Cast", [4 * X], [], {"to": TensorProto.INT32}),
    "cast to bool": ("Cast", [INTEGERS], [], {"to": BOOL}),
    "cast to half": ("Cast", [X], [], {"to": TensorProto.FLOAT16}),
    "cast integer": ("Cast", [300 * INTEGERS], [], {"to": TensorProto.INT8}),
    "clip": ("Clip", [X], [np.float32(-0.5), np.float32(0.25)], {}),
    "concat": ("Concat", [X, Y, X], [], {"axis": 1}),
    "concat last": ("Concat", [X, Y], [], {"axis": -1}),
    "conv": ("Conv", [IMAGE], [reals(4, 3, 2, 3), reals(4)], {"strides": [2, 3]}),
    "conv valid": ("Conv", [IMAGE], [reals(4, 3, 2, 2)], {"auto_pad": "VALID"}),
    "conv padded": (
        "Conv",
        [IMAGE],
        [reals(4, 3, 3, 3)],
        {"pads": [1, 2, 0, 1], "dilations": [2, 1], "strides": [1, 2]},
    ),
    "conv line": ("Conv", [X], [reals(4, 5, 3), reals(4)], {"pads": [1, 1]}),
    "cos": ("Cos", [1e4 * X], [], {}),
    "cumsum": ("CumSum", [X], [np.array(1, np.int64)], {}),
    "cumsum exclusive": ("CumSum", [INTEGERS], [np.array(-1, np.int64)], {"exclusive": 1}),
    "cumsum reverse": ("CumSum", [X], [np.array(2, np.int64)], {"reverse": 1}),
    "cumsum both": ("CumSum", [X], [np.array(1, np.int64)], {"reverse": 1, "exclusive": 1}),
    "div integer": ("Div", [INTEGERS], [array(4)], {}),
    "equal bool": ("Equal", [KEEPS, KEEPS[::-1].copy()], [], {}),
    "erf": ("Erf", [X], [], {}),
    "erf special": ("Erf", [SPECIAL], [], {}),
    "exp special": ("Exp", [SPECIAL], [], {}),
    "expand": ("Expand", [X[:, :1]], [array(2, 5, 6)], {}),
    "flatten": ("Flatten", [X], [], {"axis": 2}),
    "gather": ("Gather", [X], [array(3, -1, 0)], {"axis": 1}),
    "gather matrix": ("Gather", [X], [array(3, 1, 0, 4).reshape(2, 2)], {"axis": 1}),
    "gather number": ("Gather", [X], [np.array(-2, np.int64)], {"axis": 2}),
    "gather elements": (
        "GatherElements",
        [X],
        [RANDOM.integers(-5, 5, (2, 3, 6))],
        {"axis": 1},
    ),
    "gather nd": ("GatherND", [X], [array(1, 3, 0, -1, -2, 2).reshape(3, 2)], {}),
    "gelu": ("Gelu", [X], [], {}),
    "gelu tanh": ("Gelu", [X], [], {"approximate": "tanh"}),
    "gemm": ("Gemm", [X[0]], [reals(4, 6), reals(4)], {"transB": 1, "alpha": 0.5}),
    "gemm transposed": ("Gemm", [X[0]], [reals(5, 4)], {"transA": 1}),
    "greater": ("GreaterOrEqual", [X, Y], [], {}),
    "log": ("Log", [np.abs(X)], [], {}),
    "log special": ("Log", [SPECIAL], [], {}),
    "matmul": ("MatMul", [X], [reals(6, 7)], {}),
    "matmul batch": ("MatMul", [X, np.swapaxes(Y, 1, 2).copy()], [], {}),
    "matmul broadcast": ("MatMul", [X], [reals(3, 1, 6, 4)], {}),
    "max": ("Max", [X, Y], [reals(6)], {}),
    "max special": ("Max", [SPECIAL], [np.float32(1)], {}),
    "mean": ("Mean", [X, Y], [reals(6)], {}),
    "mod": ("Mod", [INTEGERS], [array(4)], {}),
    "mod sign": ("Mod", [INTEGERS], [array(-4)], {}),
    "fmod": ("Mod", [X], [np.float32(0.3)], {"fmod": 1}),
    "neg": ("Neg", [X], [], {}),
    "not": ("Not", [KEEPS], [], {}),
    "pow": ("Pow", [np.abs(X)], [np.float32(1.7)], {}),
    "pow integer": ("Pow", [X], [array(3)], {}),
    "reciprocal": ("Reciprocal", [X], [], {}),
    "reduce max": ("ReduceMax", [X], [array(1)], {}),
    "reduce mean": ("ReduceMean", [X], [array(-1)], {"keepdims": 0}),
    "reduce mean of two axes": ("ReduceMean", [X], [array(2, 0)], {}),
    "reduce min integer": ("ReduceMin", [INTEGERS], [array(2)], {"keepdims": 0}),
    "reduce sum": ("ReduceSum", [X], [array(1, 2)], {"keepdims": 0}),
    "reduce sum of all": ("ReduceSum", [X], [], {"keepdims": 0}),
    "reduce sum of none": ("ReduceSum", [X], [], {"noop_with_empty_axes": 1}),
    "relu": ("Relu", [X], [], {}),
    "reshape": ("Reshape", [X], [array(0, -1)], {}),
    "round": ("Round", [SPECIAL], [], {}),
    "sigmoid": ("Sigmoid", [20 * X], [], {}),
    "sign": ("Sign", [SPECIAL[:, 1:]], [], {}),
    "sin": ("Sin", [1e5 * X], [], {}),
    "slice": ("Slice", [X], [array(1, -4), array(4, -1), array(1, 2), array(2, 1)], {}),
    "slice backwards": ("Slice", [X], [array(-1), array(-9), array(2), array(-2)], {}),
    "slice to the end": ("Slice", [X], [array(2), array(1 << 62), array(1)], {}),
    "softmax": ("Softmax", [X], [], {"axis": -1}),
    "softmax of rank 4": ("Softmax", [IMAGE], [], {}),
    "softplus": ("Softplus", [40 * X], [], {}),
    "sqrt": ("Sqrt", [np.abs(X)], [], {}),
    "squeeze": ("Squeeze", [X[:, :1]], [array(1)], {}),
    "sum": ("Sum", [X, Y, X], [], {}),
    "tanh": ("Tanh", [X], [], {}),
    "tile": ("Tile", [X], [array(1, 2, 3)], {}),
    "transpose": ("Transpose", [X], [], {"perm": [2, 0, 1]}),
    "trilu": ("Trilu", [X], [np.array(1, np.int64)], {"upper": 0}),
    "trilu upper": ("Trilu", [X], [np.array(-2, np.int64)], {"upper": 1}),
    "unsqueeze": ("Unsqueeze", [X], [array(0, 3)], {}),
    "where": ("Where", [KEEPS, X], [np.float32(-2)], {}),
    "xor": ("Xor", [KEEPS, KEEPS[::-1].copy()], [], {}),
}
# Where ONNX's answer depends on the size, which is then no open one.
STATIC = {
    "conv", "conv padded", "conv valid", "conv line", "expand", "flatten", "gather nd",
    "gather elements", "gemm", "gemm transposed", "matmul broadcast", "reshape", "slice",
    "slice backwards", "slice to the end", "squeeze", "tile",
}  # fmt: skip


def build(
    name: str, values: list[np.ndarray], rest: list[np.ndarray], path: Path, **attributes: object
) -> onnx.ModelProto:
    """A model of one node. Its inputs have open sizes on the first axis unless in STATIC."""
    op = CASES[name][0]
    names = [f"x{i}" for i in range(len(values) + len(rest))]
    inputs = []
    for one, value in zip(names, values):
        shape: list[object] = list(value.shape)
        if name not in STATIC:
            shape[0] = "batch"
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        inputs.append(helper.make_tensor_value_info(one, kind, shape))
    tensors = [numpy_helper.from_array(one, own) for own, one in zip(names[len(values) :], rest)]
    node = helper.make_node(op, names, ["y"], name="the node", **attributes)
    output = onnx.ValueInfoProto(name="y")
    graph = helper.make_graph([node], "g", inputs, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    onnx.save(inferred, path)
    return inferred


@pytest.mark.parametrize("name", sorted(CASES))
def test_nodes(name: str, tmp_path: Path) -> None:
    op, values, rest, attributes = CASES[name]
    model = build(
        name, values, [np.asarray(one) for one in rest], tmp_path / "m.onnx", **attributes
    )
    given = {f"x{i}": value for i, value in enumerate(values)}
    with np.errstate(all="ignore"):
        (expected,) = ReferenceEvaluator(model).run(None, given)
    with basin.compile(tmp_path / "m.onnx") as compiled:
        found = compiled.run(given)["y"]
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    rough = 1e-3 if expected.dtype == np.float16 else 3e-6
    np.testing.assert_allclose(found, expected, rtol=rough, atol=3e-6)


def test_rows_that_hide_every_key(tmp_path: Path) -> None:
    """A row of -inf is NaN, as ONNX has it, and no other."""
    values = X.copy()
    values[1, 2] = -np.inf
    model = build("softmax", [values], [], tmp_path / "m.onnx", axis=-1)
    (expected,) = ReferenceEvaluator(model).run(None, {"x0": values})
    with basin.compile(tmp_path / "m.onnx") as compiled:
        found = compiled.run({"x0": values})["y"]
    assert np.isnan(found[1, 2]).all() and np.isnan(found).sum() == 6
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_empty_batches(tmp_path: Path) -> None:
    build("matmul", [X], [reals(6, 7)], tmp_path / "m.onnx")
    with basin.compile(tmp_path / "m.onnx") as compiled:
        assert compiled.run({"x0": X[:0]})["y"].shape == (0, 5, 7)
        assert compiled.run({"x0": X})["y"].shape == (2, 5, 7)


def chain(tmp_path: Path, nodes: list[onnx.NodeProto], outputs: list[str]) -> Path:
    """A model of nodes on x [batch, 4, 6]."""
    x = helper.make_tensor_value_info("x", F32, ["batch", 4, 6])
    outs = [onnx.ValueInfoProto(name=name) for name in outputs]
    weight = numpy_helper.from_array(reals(6, 6), "w")
    graph = helper.make_graph(nodes, "g", [x], outs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def compare(path: Path, x: np.ndarray) -> None:
    model = onnx.load(path)
    names = [one.name for one in model.graph.output]
    expected = dict(zip(names, ReferenceEvaluator(model).run(None, {"x": x})))
    with basin.compile(path) as compiled:
        found = compiled.run({"x": x})
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_outputs_of_all_kinds(tmp_path: Path) -> None:
    """The input itself, a view, a value and its view, a value twice, a weight."""
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Transpose", ["x"], ["moved"], perm=[0, 2, 1]),
        helper.make_node("Exp", ["x"], ["value"]),
        helper.make_node("Identity", ["value"], ["twice"]),
        helper.make_node("Transpose", ["value"], ["view"], perm=[2, 1, 0]),
        helper.make_node("Identity", ["w"], ["weight"]),
        helper.make_node("Softmax", ["value"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "w"], ["product"]),
    ]
    outputs = ["same", "moved", "value", "twice", "view", "weight", "p", "product"]
    compare(chain(tmp_path, nodes, outputs), reals(3, 4, 6))


def test_scores_that_others_read_stay(tmp_path: Path) -> None:
    """A softmax works in place only where nothing else reads its operand."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["p"], axis=-1),
        helper.make_node("Transpose", ["scores"], ["view"], perm=[0, 2, 1]),
        helper.make_node("Softmax", ["view"], ["q"], axis=-1),
        helper.make_node("Add", ["p", "scores"], ["sum"]),
    ]
    compare(chain(tmp_path, nodes, ["p", "q", "sum"]), reals(2, 4, 6))


def test_an_add_that_nothing_needs_is_no_reader(tmp_path: Path) -> None:
    """The product's only reader is a Mul; the Add of a vector is dead."""
    nodes = [
        helper.make_node("Slice", ["w", "zero", "one", "zero"], ["row"]),
        helper.make_node("Squeeze", ["row", "zero"], ["bias"]),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Mul", ["m", "x"], ["y"]),
        helper.make_node("Add", ["m", "bias"], ["dead"]),
        helper.make_node("MatMul", ["y", "w"], ["n"]),
        helper.make_node("Add", ["bias", "n"], ["z"]),
    ]
    for name, value in (("zero", 0), ("one", 1)):
        tensor = numpy_helper.from_array(array(value), name)
        nodes.insert(0, helper.make_node("Constant", [], [name], value=tensor))
    compare(chain(tmp_path, nodes, ["y", "z"]), reals(2, 4, 6))


def test_equal_operands_and_deep_chains(tmp_path: Path) -> None:
    """Values that are read twice, and more ops than one kernel evaluates."""
    nodes = [helper.make_node("Mul", ["x", "x"], ["v0"])]
    for i in range(60):
        op = ("Tanh", "Neg", "Abs")[i % 3]
        nodes.append(helper.make_node(op, [f"v{i}"], [f"v{i + 1}"]))
    nodes.append(helper.make_node("MatMul", ["v60", "w"], ["m"]))
    nodes.append(helper.make_node("Add", ["m", "m"], ["y"]))
    compare(chain(tmp_path, nodes, ["y"]), reals(2, 4, 6))


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([helper.make_node("Hardmax", ["x"], ["y"])], "'onnx.node' op has no GPU lowering"),
        (
            [helper.make_node("CumSum", ["x", "w"], ["y"])],
            "expected an operand of known sizes and a constant axis",
        ),
        (
            [helper.make_node("Softmax", ["x"], ["y"], axis=1)],
            "expected a softmax over the last axis, but got axis 1",
        ),
        (
            [helper.make_node("NonZero", ["x"], ["n"]), helper.make_node("Neg", ["n"], ["y"])],
            "expected results of known sizes",
        ),
        (
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)],
            "expected a tensor of f32",
        ),
    ],
)
def test_refusals(nodes: list[onnx.NodeProto], reason: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=reason):
        basin.compile(chain(tmp_path, nodes, ["y"]))


def open_model(tmp_path: Path, nodes: list[onnx.NodeProto], *tensors: onnx.TensorProto) -> Path:
    """A model on x [batch, seq, 6] and z [other, seq, 6], where all names are apart."""
    x = helper.make_tensor_value_info("x", F32, ["batch", "seq", 6])
    z = helper.make_tensor_value_info("z", F32, ["other", "rows", 6])
    graph = helper.make_graph(nodes, "g", [x, z], [onnx.ValueInfoProto(name="y")], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(onnx.shape_inference.infer_shapes(model), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


PLACES = {
    "row 3": [helper.make_node("Gather", ["x", "three"], ["y"], axis=1)],
    "row 3, computed": [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("Gather", ["e", "three"], ["y"], axis=1),
    ],
    "row -4": [helper.make_node("Gather", ["x", "minus"], ["y"], axis=1)],
    "the last 4 rows": [helper.make_node("Slice", ["x", "from", "to", "axis"], ["y"])],
    "the last 4 rows, computed": [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("Slice", ["e", "from", "to", "axis"], ["y"]),
    ],
}


@pytest.mark.parametrize("name", sorted(PLACES))
def test_places_that_an_axis_may_lack(name: str, tmp_path: Path) -> None:
    """With fewer rows the place is that of another row: such inputs are refused."""
    tensors = [
        numpy_helper.from_array(np.array(3, np.int64), "three"),
        numpy_helper.from_array(np.array(-4, np.int64), "minus"),
        numpy_helper.from_array(array(-4), "from"),
        numpy_helper.from_array(array(1 << 62), "to"),
        numpy_helper.from_array(array(1), "axis"),
    ]
    path = open_model(tmp_path, PLACES[name], *tensors)
    z = reals(1, 1, 6)
    with basin.compile(path) as compiled:
        for rows in (4, 7):
            values = {"x": reals(3, rows, 6), "z": z}
            (expected,) = ReferenceEvaluator(onnx.load(path)).run(None, values)
            np.testing.assert_allclose(compiled.run(values)["y"], expected, rtol=1e-6)
        with pytest.raises(PlanError, match="expected a size of at most 2, but got 4"):
            compiled.run({"x": reals(3, 2, 6), "z": z})


def test_joined_operands_of_other_sizes(tmp_path: Path) -> None:
    path = open_model(tmp_path, [helper.make_node("Concat", ["x", "z"], ["y"], axis=1)])
    with basin.compile(path) as compiled:
        values = {"x": reals(3, 4, 6), "z": reals(3, 2, 6)}
        expected = np.concatenate([values["x"], values["z"]], axis=1)
        np.testing.assert_array_equal(compiled.run(values)["y"], expected)
        with pytest.raises(PlanError, match="expected a size of at most"):
            compiled.run({"x": reals(3, 4, 6), "z": reals(2, 2, 6)})
