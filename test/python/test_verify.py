"""basin.verify: what counts as identical, as a difference and as a failure."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from basin.cli import app
from basin.inputs.random_inputs import SizePlan, make_inputs
from basin.verification.compare import compare_arrays, compare_output, ulp_distance
from basin.verification.sessions import open_session
from basin.verify import VerifyError, format_report, verify
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

MODELS = Path(__file__).resolve().parents[1] / "models" / "exported"
FLOAT = TensorProto.FLOAT


def save(path: Path, nodes: list, inputs: list, outputs: list, constants=None) -> Path:
    """Write a one-graph model; inputs and outputs are (name, element type, shape)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(a, name) for name, a in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.save(model, path)
    return path


def scaled(path: Path, factor: float, output: str = "y", kind: int = FLOAT) -> Path:
    """y = x * factor for x [n]."""
    constant = np.asarray(factor, helper.tensor_dtype_to_np_dtype(kind))
    node = helper.make_node("Mul", ["x", "c"], [output])
    return save(path, [node], [("x", kind, ["n"])], [(output, kind, ["n"])], {"c": constant})


def test_same_model_is_bit_identical(tmp_path):
    a = scaled(tmp_path / "a.onnx", 3.0)
    report = verify(a, a, random=3)
    assert report.bit_identical and report.passed and report.runs == 3
    assert report.outputs[0].total == 12
    assert "bit-identical (3 input sets)" in format_report(report)


def test_difference_of_one_ulp_is_measured(tmp_path):
    a = scaled(tmp_path / "a.onnx", 1.0)
    b = scaled(tmp_path / "b.onnx", float(np.nextafter(np.float32(1), np.float32(2))))
    report = verify(a, b, {"x": np.array([1.0, 2.0, -4.0], np.float32)})
    (output,) = report.outputs
    assert output.max_ulp == 1 and output.differing == 3
    assert output.max_abs == 4 * 2.0**-23
    assert not report.bit_identical and not report.passed
    assert verify(a, b, random=1, tolerance=1e-5).passed
    assert not verify(a, b, {"x": np.array([1e6], np.float32)}, tolerance=1e-5).passed


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_ulps_around_zero(dtype):
    bits = f"u{np.dtype(dtype).itemsize}"
    smallest = np.array([1], bits).view(dtype)
    zero = np.zeros(1, dtype)
    assert ulp_distance(zero, -zero).tolist() == [0]
    assert ulp_distance(smallest, zero).tolist() == [1]
    assert ulp_distance(smallest, -smallest).tolist() == [2]
    report = compare_arrays("y", zero, -zero)
    assert report.max_ulp == 0 and report.max_abs == 0
    assert not report.bit_identical, "the two zeros have different bits"


def test_ulps_across_a_binade_and_the_whole_line():
    one = np.ones(1, np.float32)
    assert ulp_distance(one, np.nextafter(one, np.float32(0))).tolist() == [1]
    assert ulp_distance(one, np.nextafter(one, np.float32(2))).tolist() == [1]
    # 2^63 - 2^52 on each side: the distance needs all 64 bits.
    infinity = np.array([np.inf])
    expected = 2 * int(infinity.view(np.uint64)[0])
    assert ulp_distance(infinity, -infinity).tolist() == [expected]


def test_nan_on_both_sides_is_no_difference():
    x = np.array([np.nan, 1.0], np.float32)
    assert compare_arrays("y", x, x.copy()).bit_identical
    other = x.copy()
    other.view(np.uint32)[0] ^= 1
    report = compare_arrays("y", x, other)
    assert report.failure is None and report.max_abs == 0 and report.max_ulp == 0
    assert not report.bit_identical, "two NaNs of other payloads are not the same bits"


def test_nan_on_one_side_is_a_failure_whatever_the_tolerance(tmp_path):
    a = scaled(tmp_path / "a.onnx", 0.0)
    b = scaled(tmp_path / "b.onnx", 1.0)
    report = verify(a, b, {"x": np.array([1.0, np.inf], np.float32)}, tolerance=np.inf)
    assert report.outputs[0].failure == "NaN in the first model only, first at [1]"
    assert not report.passed


def test_infinities():
    x = np.array([np.inf, -np.inf], np.float32)
    assert compare_arrays("y", x, x.copy()).bit_identical
    report = compare_arrays("y", x, -x)
    assert report.max_abs == np.inf and report.max_rel == np.inf


def test_type_and_shape_mismatch_are_failures(tmp_path):
    a = scaled(tmp_path / "a.onnx", 1.0)
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16)
    wide = [("x", FLOAT, ["n"])]
    b = save(tmp_path / "b.onnx", [cast], wide, [("y", TensorProto.FLOAT16, ["n"])])
    assert verify(a, b).outputs[0].failure == "type float32 against float16"
    twice = helper.make_node("Concat", ["x", "x"], ["y"], axis=0)
    c = save(tmp_path / "c.onnx", [twice], wide, [("y", FLOAT, ["m"])])
    assert verify(a, c).outputs[0].failure == "shape [4] against [8]"


def test_other_output_names_are_paired_by_position_with_a_note(tmp_path):
    a, b = scaled(tmp_path / "a.onnx", 2.0), scaled(tmp_path / "b.onnx", 2.0, output="z")
    report = verify(a, b)
    assert report.bit_identical and "by position" in report.notes[0]


def test_an_output_that_only_one_model_has_is_a_failure(tmp_path):
    a = scaled(tmp_path / "a.onnx", 1.0)
    nodes = [helper.make_node("Identity", ["x"], [name]) for name in ("y", "extra")]
    outputs = [(name, FLOAT, ["n"]) for name in ("y", "extra")]
    b = save(tmp_path / "b.onnx", nodes, [("x", FLOAT, ["n"])], outputs)
    report = verify(a, b, tolerance=1.0)
    assert [o.failure for o in report.outputs] == [None, "only the second model has it"]
    assert not report.passed


@pytest.mark.parametrize(
    "kind",
    [TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2],
)
def test_narrow_float_outputs(tmp_path, kind):
    def cast(path: Path, factor: float) -> Path:
        nodes = [
            helper.make_node("Mul", ["x", "c"], ["t"]),
            helper.make_node("Cast", ["t"], ["y"], to=kind),
        ]
        constant = {"c": np.asarray(factor, np.float32)}
        return save(path, nodes, [("x", FLOAT, ["n"])], [("y", kind, ["n"])], constant)

    a, b = cast(tmp_path / "a.onnx", 1.0), cast(tmp_path / "b.onnx", 2.0)
    values = {"x": np.array([1.0, -0.5], np.float32)}
    assert verify(a, a, values).bit_identical
    (output,) = verify(a, b, values).outputs
    assert output.max_abs == 1.0 and output.max_rel == 0.5
    mantissa = {TensorProto.BFLOAT16: 7, TensorProto.FLOAT8E4M3FN: 3, TensorProto.FLOAT8E5M2: 2}
    assert output.max_ulp == 2 ** mantissa[kind], "a factor of two is one binade"


def test_narrow_float_inputs(tmp_path):
    node = helper.make_node("Cast", ["x"], ["y"], to=FLOAT)
    kind = TensorProto.BFLOAT16
    a = save(tmp_path / "a.onnx", [node], [("x", kind, ["n"])], [("y", FLOAT, ["n"])])
    values = {"x": np.array([1.5, -2.0], ml_dtypes.bfloat16)}
    assert verify(a, a, values).bit_identical and verify(a, a).outputs[0].total == 4


def test_integers_strings_and_sequences_are_exact():
    big = np.array([2**62, 1])
    report = compare_arrays("y", big, big + 1)
    assert report.differing == 2 and report.max_abs == 1 and report.max_ulp is None
    words = np.array(["a", "b"], object)
    assert compare_arrays("y", words, words.copy()).bit_identical
    assert compare_arrays("y", words, np.array(["a", "c"], object)).differing == 1
    assert compare_output("y", [big, big], [big, big]).bit_identical
    assert compare_output("y", [big], [big, big]).failure == "sequence length 1 against 2"
    assert compare_output("y", None, None).bit_identical
    assert compare_arrays("y", np.array([True]), np.array([False])).differing == 1


def test_ids_stay_within_the_table_they_index(tmp_path):
    node = helper.make_node("Gather", ["table", "input_ids"], ["y"], axis=0)
    ids = ("input_ids", TensorProto.INT64, ["batch", "seq"])
    out = ("y", FLOAT, ["batch", "seq", 2])
    a = save(tmp_path / "a.onnx", [node], [ids], [out], {"table": np.ones((3, 2), np.float32)})
    report = verify(a, a, random=5)
    assert report.bit_identical and not report.notes


def test_unknown_bound_is_stated(tmp_path):
    node = helper.make_node("Identity", ["codes"], ["y"])
    kind = TensorProto.INT64
    a = save(tmp_path / "a.onnx", [node], [("codes", kind, ["n"])], [("y", kind, ["n"])])
    assert "found no table" in verify(a, a).notes[0]


def test_errors_name_the_input_and_the_reason(tmp_path):
    text = ("words", TensorProto.STRING, ["n"])
    node = helper.make_node("Identity", ["words"], ["y"])
    a = save(tmp_path / "a.onnx", [node], [text], [("y", TensorProto.STRING, ["n"])])
    with pytest.raises(VerifyError, match="input 'words': cannot draw values of type"):
        verify(a, a)
    assert verify(a, a, {"words": np.array(["p", "q"], object)}).bit_identical
    b = scaled(tmp_path / "b.onnx", 1.0)
    with pytest.raises(VerifyError, match="no value for input 'x'"):
        verify(b, b, {})
    with pytest.raises(VerifyError, match="has no input 'z'"):
        verify(b, b, {"x": np.ones(1, np.float32), "z": np.ones(1, np.float32)})
    with pytest.raises(VerifyError, match="no such file"):
        verify(b, tmp_path / "none.onnx")
    with pytest.raises(VerifyError, match="does not run it"):
        verify(b, b, {"x": np.ones(1, np.float64)})
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(VerifyError, match="does not load it"):
        verify(tmp_path / "junk.onnx", b)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda p: p.stem)
def test_random_inputs_suit_every_test_model(path):
    import json

    expect = json.loads(path.with_name(f"{path.stem}.expect.json").read_text())
    if not expect["ort_runs"]:
        pytest.skip("ONNX Runtime's CPU provider lacks a kernel for it")
    report = verify(path, path)
    assert report.bit_identical and not report.notes
    inputs = dict(np.load(path.with_name(f"{path.stem}.inputs.npz")))
    assert verify(path, path, inputs).bit_identical


def symbolic(path: Path) -> Path:
    """Two inputs whose symbols do not tell their roles, and a mask of both lengths."""
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["ids_shape"]),
        helper.make_node("Shape", ["attention_mask"], ["mask_shape"]),
        helper.make_node("Shape", ["position_ids"], ["positions_shape"]),
    ]
    inputs = [
        ("input_ids", TensorProto.INT64, ["n", "t"]),
        ("attention_mask", TensorProto.INT64, ["n", "total"]),
        ("position_ids", TensorProto.INT64, ["n", "other"]),
    ]
    outputs = [
        (name, TensorProto.INT64, [2]) for name in ("ids_shape", "mask_shape", "positions_shape")
    ]
    return save(path, nodes, inputs, outputs)


def test_sizes_by_name(tmp_path):
    """The sizes of the ids' axes decide about other axes without a size of their own."""
    path = symbolic(tmp_path / "a.onnx")
    session = open_session(path)

    def shapes(**sizes: int) -> list[list[int]]:
        values = make_inputs(path, session, 0, SizePlan(named=sizes)).values
        return [list(value.shape) for value in values.values()]

    assert shapes(n=3, t=16) == [[3, 16], [3, 16], [3, 16]]
    assert shapes(t=16, total=20) == [[2, 16], [2, 20], [2, 16]]
    assert shapes(n=1) == [[1, 5], [1, 5], [1, 5]]
    assert verify(path, path, sizes={"n": 3, "t": 16}).bit_identical


def test_sizes_of_unknown_names_are_refused(tmp_path):
    path = symbolic(tmp_path / "a.onnx")
    with pytest.raises(VerifyError, match="named 'batch': its inputs have 'n', 't', 'total'"):
        verify(path, path, sizes={"batch": 2})


@pytest.mark.parametrize("text", ["n", "n=", "=2", "n=-1", "n=2,", "n=2,n=3", "n=x"])
def test_sizes_that_are_none(tmp_path, text):
    path = symbolic(tmp_path / "a.onnx")
    result = CliRunner().invoke(app, ["verify", str(path), str(path), "--size", text])
    assert result.exit_code == 1 and "--size: " in result.stderr


def test_sizes_on_the_command_line(tmp_path):
    path = symbolic(tmp_path / "a.onnx")
    options = ["verify", str(path), str(path)]
    result = CliRunner().invoke(app, [*options, "--size", "n=2, t=16"])
    assert result.exit_code == 0 and "bit-identical" in result.stdout
    np.savez(tmp_path / "a.npz", x=np.zeros(1))
    more = ["--size", "n=2", "--inputs", str(tmp_path / "a.npz")]
    result = CliRunner().invoke(app, [*options, *more])
    assert result.exit_code == 1 and "--size sets the sizes of random inputs" in result.stderr
