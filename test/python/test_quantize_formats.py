"""What schemes round: the compiler's numbers and the graph's nodes, against ml_dtypes and NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from quantize_reference import LARGEST, TYPES, fake_quantize

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import _basin  # noqa: E402
from basin.prefix import write_tensors  # noqa: E402

F32 = np.float32
INTEGERS = ("int4", "int8", "int16")


def points(format: str) -> np.ndarray:
    """All numbers of a format, the midpoints between them, and the nearest numbers to those."""
    if format in TYPES:
        bits = np.arange(16 if format == "float4e2m1" else 256, dtype=np.uint8)
        numbers = bits.view(TYPES[format]).astype(np.float64)
        numbers = np.unique(numbers[np.isfinite(numbers)])
    else:
        numbers = np.arange(-LARGEST[format] - 1, LARGEST[format] + 1, dtype=np.float64)
    middle = ((numbers[1:] + numbers[:-1]) / 2).astype(F32)
    numbers = numbers.astype(F32)
    beside = [np.nextafter(middle, F32(s)) for s in (-np.inf, np.inf)]
    # The reference evaluator rounds through 32-bit integers, so no number is larger.
    beyond = np.array([LARGEST[format] * f for f in (1.001, 1.5, 1e3)], F32)
    tiny = np.array([2.0**-126, 2.0**-149, 2.0**-11], F32)
    found = np.concatenate([numbers, middle, *beside, beyond, -beyond, tiny, -tiny])
    return found[None, :]


def static_scheme(format: str) -> str:
    """Activations whose scale is 1 if the largest magnitude is the largest number."""
    part = {"format": format, "granularity": "tensor", "dynamic": False}
    return yaml.safe_dump({"name": "one", "activations": part})


def nearest(x: np.ndarray, format: str) -> np.ndarray:
    """What ml_dtypes, or rint, rounds to after clamping."""
    most = LARGEST[format]
    if format in TYPES:
        return np.clip(x, -most, most).astype(TYPES[format]).astype(F32)
    return np.clip(np.rint(x), -most - 1, most)


@pytest.mark.parametrize("format", LARGEST)
def test_rounding_is_that_of_ml_dtypes(format: str) -> None:
    x = points(format)
    found = _basin.fake_quantize(x, static_scheme(format), "activations", float(LARGEST[format]))
    expected = nearest(x, format)
    assert np.array_equal(found, expected)
    # The check can fail: rounding half away from zero differs at the midpoints.
    away = np.sign(x) * np.floor(np.abs(x) + 0.5)
    assert format not in INTEGERS or not np.array_equal(np.clip(away, -8, 7), expected)


def product(path: Path, width: int, rows: int | str = "rows", element: int = TensorProto.FLOAT):
    """A model x W with W = identity, whose product writes the output."""
    weight = np.eye(width, dtype=helper.tensor_dtype_to_np_dtype(element))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "g",
        [helper.make_tensor_value_info("x", element, [rows, width])],
        [helper.make_tensor_value_info("y", element, [rows, width])],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def calibrated(x: np.ndarray, part: dict[str, Any]) -> list[float]:
    """The largest magnitude, or the highest and the lowest number, for a static scale."""
    if part.get("dynamic", True):
        return []
    if part.get("symmetric", True):
        return [float(np.abs(x).max())]
    return [float(x.max()), float(x.min())]


def quantized(folder: Path, scheme: str, nodes: str, width: int, numbers: list[float]) -> Path:
    """The product with quantized activations, or weights, or both."""
    product(folder / "in.onnx", width)
    (folder / "scheme.yaml").write_text(scheme, "utf-8")
    options = {"scheme-file": folder / "scheme.yaml", "nodes": nodes, "head": True}
    if numbers:
        keys = ["largest/x"] if len(numbers) == 1 else ["highest/x", "lowest/x"]
        tensors = {key: np.asarray(one, F32) for key, one in zip(keys, numbers)}
        write_tensors(tensors, folder / "c.onnx")
        options["calibration"] = folder / "c.onnx"
    model = basin.load(folder / "in.onnx")
    model.rewrite(("quantize", options))
    model.save(folder / f"{nodes}.onnx")
    onnx.checker.check_model(onnx.load(folder / f"{nodes}.onnx"), full_check=True)
    return folder / f"{nodes}.onnx"


def run_reference(path: Path, x: np.ndarray) -> np.ndarray:
    return np.asarray(ReferenceEvaluator(onnx.load(path)).run(None, {"x": x})[0])


def run_runtime(path: Path, x: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


@pytest.mark.parametrize("format", LARGEST)
def test_nodes_round_as_ml_dtypes_does(tmp_path: Path, format: str) -> None:
    x = points(format)
    x = np.resize(x, (x.size // 64 + 1, 64))
    expected = nearest(x, format)
    most = float(LARGEST[format])
    simulated = quantized(tmp_path, static_scheme(format), "simulate", 64, [most])
    assert np.array_equal(run_runtime(simulated, x), expected)
    written = quantized(tmp_path, static_scheme(format), "qdq", 64, [most])
    assert np.array_equal(run_reference(written, x), expected)
    if format != "float4e2m1":
        assert np.array_equal(run_runtime(written, x), expected)
    else:
        with pytest.raises(Exception, match="NOT_IMPLEMENTED"):
            run_runtime(written, x)


def draw(rows: int, depth: int) -> np.ndarray:
    """Numbers with outliers, zeros, tiny and huge rows."""
    rng = np.random.default_rng(depth)
    x = rng.standard_normal((rows, depth)).astype(F32)
    x[:, 3] *= 300
    x[1] = 0
    x[2] *= F32(1e-30)
    x[3] *= F32(1e25)
    x[4, 1:] = 0
    return x


@pytest.mark.parametrize("name", _basin.list_schemes())
@pytest.mark.parametrize("depth", [7, 40, 64, 300])
def test_schemes_against_numpy(name: str, depth: int) -> None:
    scheme = yaml.safe_load(_basin.print_scheme(name))
    x = draw(130, depth)
    for part in ("weights", "activations"):
        found = _basin.fake_quantize(x, name, part)
        if part not in scheme:
            assert np.array_equal(found, x)
            continue
        expected = fake_quantize(x, scheme[part], *calibrated(x, scheme[part]))
        assert np.array_equal(found, expected)
        assert not np.array_equal(found, x)


ASYMMETRIC = yaml.safe_load(_basin.print_scheme("int8-static-asymmetric"))["activations"]


@pytest.mark.parametrize(
    ("lowest", "highest"),
    [(-0.3, 5.0), (0.0, 4.0), (-4.0, 0.0), (-2.0, 2.0), (0.0, 0.0), (-1e-45, 1e-45), (-3e38, 3e37)],
)
def test_static_zero_points(tmp_path: Path, lowest: float, highest: float) -> None:
    """Numbers inside, at the ends and beyond, in NumPy, the compiler and both ways of nodes."""
    rng = np.random.default_rng(0)
    inside, beyond = rng.uniform(lowest, highest, 60), rng.uniform(-1.1, 1.1, 64)
    x = np.r_[inside, lowest, highest, 0.0, lowest / 2, beyond * max(-lowest, highest)]
    x = x.astype(F32).reshape(2, 64)
    expected = fake_quantize(x, ASYMMETRIC, highest, lowest)
    text = yaml.safe_dump({"name": "one", "activations": ASYMMETRIC})
    assert np.array_equal(_basin.fake_quantize(x, text, "activations", highest, lowest), expected)
    written, simulated = (
        quantized(tmp_path, text, nodes, 64, [highest, lowest]) for nodes in ("qdq", "simulate")
    )
    for path in (written, simulated):
        assert np.array_equal(run_reference(path, x), expected)
        assert np.array_equal(run_runtime(path, x), expected)
    if highest - lowest > 1e-6:
        # Zero stays zero, and the range has 255 steps.
        step = (highest - lowest) / 255
        assert expected[0, 62] == 0 and np.abs(expected[0, :64] - x[0, :64]).max() < step * 1.01


@pytest.mark.parametrize("format", INTEGERS)
@pytest.mark.parametrize("granularity", ["tensor", "channel", "block"])
def test_the_full_range_of_integers(format: str, granularity: str) -> None:
    """The largest magnitude becomes the lowest number exactly, be it above or below zero."""
    part = {"format": format, "granularity": granularity, "full-range": True}
    if granularity == "block":
        part["block"] = [16, 2]
    x = draw(9, 40)
    found = _basin.fake_quantize(x, yaml.safe_dump({"name": "one", "weights": part}), "weights")
    assert np.array_equal(found, fake_quantize(x, part))
    assert found[0, 3] == x[0, 3] or granularity == "tensor"
    text, narrow = (
        yaml.safe_dump({"name": "one", "weights": part | {"full-range": full}})
        for full in (True, False)
    )
    # The steps are shorter: of 4 bits by an eighth.
    x = np.random.default_rng(0).standard_normal((64, 48)).astype(F32)
    errors = [np.square(_basin.fake_quantize(x, t, "weights") - x).sum() for t in (text, narrow)]
    assert format != "int4" or 0 < errors[0] < errors[1]
    ties = np.array([[2.0, -2.0, 1.0, 0.0]], F32)
    second = -2.0 + 4 / 2 ** _bits(format)
    found = _basin.fake_quantize(ties, text, "weights")
    assert np.array_equal(found, [[2.0, second, 1.0, 0.0]])


def _bits(format: str) -> int:
    return {"int4": 4, "int8": 8, "int16": 16}[format]


@pytest.mark.parametrize("name", _basin.list_schemes())
@pytest.mark.parametrize("depth", [7, 40, 64])
def test_nodes_compute_what_the_definition_says(tmp_path: Path, name: str, depth: int) -> None:
    """Activations alone, times the identity, in both ways of writing them."""
    scheme = yaml.safe_load(_basin.print_scheme(name))
    if "activations" not in scheme:
        pytest.skip("the scheme has weights alone")
    alone = yaml.safe_dump({"name": name, "activations": scheme["activations"]})
    x = draw(9, depth)
    # What is huge would be infinite as a product with zeros.
    x[3] *= F32(1e-22)
    numbers = calibrated(x, scheme["activations"])
    expected = fake_quantize(x, scheme["activations"], *numbers)
    simulated = quantized(tmp_path, alone, "simulate", depth, numbers)
    assert np.array_equal(run_runtime(simulated, x), expected)
    assert np.array_equal(run_reference(simulated, x), expected)
    written = quantized(tmp_path, alone, "qdq", depth, numbers)
    assert np.array_equal(run_reference(written, x), expected)
    if scheme["activations"]["format"] != "float4e2m1":
        assert np.array_equal(run_runtime(written, x), expected)


def test_schemes_are_read_and_printed() -> None:
    for name in _basin.list_schemes():
        text = _basin.print_scheme(name)
        assert _basin.print_scheme(text) == text
    assert len(_basin.list_schemes()) == 13


@pytest.mark.parametrize(
    ("yaml_text", "reason"),
    [
        ("weights: {format: int8, granularity: tensor}", "missing required key 'name'"),
        ("name: a\nweights: {format: int9, granularity: tensor}", "line 2: unknown enumerated"),
        ("name: a\nweights: {format: int8, granularity: token}", "weights have no tokens"),
        ("name: a\nweights: {format: int8, granularity: block}", "needs 'block'"),
        ("name: a\nweights: {format: int8, granularity: tensor, block: [4]}", "'block' needs"),
        ("name: a\nweights: {format: int8, granularity: block, block: [0]}", "from 1 to"),
        ("name: a\nweights: {format: int8, granularity: tensor, dynamic: false}", "neither"),
        ("name: a\nweights: {format: int8, granularity: tensor, more: 1}", "unknown key 'more'"),
        ("name: a\nactivations: {format: int8, granularity: channel}", "sums over channels"),
        ("name: a\nactivations: {format: int8, granularity: block, block: [4, 4]}", "one size"),
        ("name: a\nactivations: {format: int8, granularity: token, dynamic: false}", "need dyn"),
        ("name: a\nactivations: {format: int8, granularity: token, symmetric: false}", "symm"),
        ("name: a\nactivations: {format: int16, granularity: tensor, symmetric: false}", "int8"),
        ("name: a\nactivations: {format: int8, granularity: token, scale: power-of-two}", "need"),
        ("name: a\nactivations: {format: int8, granularity: token, full-range: true}", "weights:"),
        ("name: a\nweights: {format: float8e4m3, granularity: tensor, full-range: true}", "full-"),
        ("name: a\nweights: &x {format: int8, granularity: tensor}", "no anchors"),
        ("name: a", "expected weights, activations or both"),
        ("name: [", "closing"),
    ],
)
def test_wrong_schemes_are_refused(yaml_text: str, reason: str) -> None:
    with pytest.raises(basin.BasinError, match=reason):
        _basin.print_scheme(yaml_text)
