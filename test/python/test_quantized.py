"""Models that ONNX Runtime quantized: recognition finds in them what it finds in the plain ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("torch")
pytest.importorskip("transformers")
quantization = pytest.importorskip("onnxruntime.quantization")
from basin.bench.recognize.cases import Case  # noqa: E402
from basin.bench.recognize.exporting import export  # noqa: E402
from basin.verification.recognition import check_recognition  # noqa: E402
from basin.verification.sessions import open_session  # noqa: E402
from basin.verify import verify  # noqa: E402
from rewrite_passes import REWRITES  # noqa: E402

CASES = [
    Case("bert", "sdpa", "script", 17),
    Case("vit", "sdpa", "script", 17),
    Case("gpt2", "eager", "script", 17),
    Case("gemma2", "eager", "script", 17),
    Case("llama", "eager", "script", 17),
    Case("qwen3", "sdpa", "script", 20),
    Case("llama", "sdpa", "dynamo", 18),
    Case("t5", "eager", "script", 17),
]
U8, S8 = quantization.QuantType.QUInt8, quantization.QuantType.QInt8
SCHEMES = {
    "uint8": dict(activation_type=U8, weight_type=U8),
    "int8-per-channel": dict(activation_type=S8, weight_type=S8, per_channel=True),
}
KINDS = ("attention", "norms", "rotary", "gates", "dyts")
# What may differ from the plain model: facts that rest on the mask, and what the nodes are.
OTHER = ("output", "form", "quantized", "weight", "eps", "scale", "causal", "mask_parts", "window")


class Example(quantization.CalibrationDataReader):
    """The example that was exported with a model, once."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as stored:
            values = {key[3:]: stored[key] for key in stored.files if key.startswith("in.")}
        self.values = iter([values])

    def get_next(self) -> dict | None:
        return next(self.values, None)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.id)
def plain(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "plain.onnx"
    export(request.param, path)
    return path


def quantize(plain: Path, scheme: str) -> Path:
    """The quantized copy beside the plain model, made once."""
    target = plain.with_name(f"{scheme}.onnx")
    if not target.exists():
        quantization.quantize_static(
            str(plain), str(target), Example(plain.with_suffix(".npz")),
            quant_format=quantization.QuantFormat.QDQ, **SCHEMES[scheme],
        )  # fmt: skip
    return target


@pytest.mark.parametrize("scheme", SCHEMES)
def test_finds_the_same(plain: Path, scheme: str) -> None:
    quantized = quantize(plain, scheme)
    nodes = [node.op_type for node in onnx.load(quantized).graph.node]
    assert nodes.count("QuantizeLinear") > 20
    want, have = basin.load(plain).inspect(), basin.load(quantized).inspect()
    for kind in KINDS:
        facts = [
            [{key: row[key] for key in row if key not in OTHER} for row in found[kind]]
            for found in (want, have)
        ]
        assert facts[0] == facts[1], kind
    # The scores of each attention are rounded before the Softmax.
    assert all(row["quantized"] for row in have["attention"])
    assert not any(row["quantized"] for kind in KINDS for row in want[kind])
    # Steps as large as a mask's range over 255 do not tell hidden scores from others.
    reasons = {row["reason"] for row in have["unrecognized"]}
    assert reasons <= {
        "values of its mask are quantized, so that keys which it hides are not known to stay hidden"
    }
    lost = sum(row["causal"] for row in want["attention"])
    lost -= sum(row["causal"] for row in have["attention"])
    assert lost == len(have["unrecognized"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_means_what_it_computes_without_rounding(plain: Path, scheme: str) -> None:
    report = check_recognition(quantize(plain, scheme))
    assert report.ops
    assert all(op.compared for op in report.ops)
    assert not [op for op in report.ops if op.differs]
    assert any(op.quantized for op in report.ops)


def test_f16_finds_the_same(tmp_path: Path) -> None:
    """The quantizer writes f32 scales for f16 values, so a quantized model is converted."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    plain = tmp_path / "plain.onnx"
    export(Case("qwen3", "sdpa", "script", 20), plain)
    model = onnx.load(quantize(plain, "uint8"))
    # Without a list of operators that stay in f32, which has QuantizeLinear.
    onnx.save(
        convert_float_to_float16(model, keep_io_types=False, op_block_list=[]),
        tmp_path / "f16.onnx",
    )
    want, have = (basin.load(path).inspect() for path in (plain, tmp_path / "f16.onnx"))
    assert [len(have[kind]) for kind in KINDS] == [len(want[kind]) for kind in KINDS]
    assert all(row["quantized"] for row in have["attention"])
    report = check_recognition(tmp_path / "f16.onnx")
    assert all(op.compared and not op.differs for op in report.ops)


@pytest.mark.parametrize("form", ["original", "functions", "operators:ort"])
@pytest.mark.parametrize("passes", ["", *(f"{passes}," for passes in REWRITES.values())])
@pytest.mark.parametrize("plain", CASES[2:5], indirect=True, ids=lambda case: case.id)
def test_every_form_and_rewrite_keeps_the_rounding(
    plain: Path, passes: str, form: str, tmp_path: Path
) -> None:
    quantized = quantize(plain, "uint8")
    model = basin.load(quantized)
    model.run(f"basin-raise,{passes}convert-sink-to-onnx{{form={form}}}")
    model.save(tmp_path / "out.onnx")
    if form != "functions":  # Calls share a function, with its pairs.
        assert count_pairs(tmp_path / "out.onnx") >= count_pairs(quantized)
    report = verify(quantized, tmp_path / "out.onnx")
    assert report.passed, str(report)


def count_pairs(path: Path) -> int:
    return sum(node.op_type == "QuantizeLinear" for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("plain", CASES[2:5], indirect=True, ids=lambda case: case.id)
def test_sink_logits_stand_beside_rounded_scores(plain: Path, tmp_path: Path) -> None:
    """A logit whose exponential is zero changes no bit. Rows of keys would need other nodes."""
    quantized, target = quantize(plain, "uint8"), tmp_path / "out.onnx"
    with np.load(plain.with_suffix(".npz")) as stored:
        inputs = {key[3:]: stored[key] for key in stored.files if key.startswith("in.")}
    results = []
    for init in (None, -1e4, 0.0):
        model = basin.load(quantized)
        passes = "" if init is None else f"sink-insert-sink-logits{{init={init}}},"
        model.run(f"builtin.module(basin-raise,{passes}convert-sink-to-onnx)")
        model.save(target)
        session = open_session(target)
        given = {one.name: inputs[one.name] for one in session.get_inputs()}
        results.append(session.run(None, given))
        found = basin.load(target).inspect()["attention"]
        assert all(row["quantized"] and row["sink_logit"] == (init is not None) for row in found)
    same, other = (
        [a.tobytes() == b.tobytes() for a, b in zip(results[0], one)] for one in results[1:]
    )
    assert all(same) and not all(other)
    with pytest.raises(basin.BasinError, match="its nodes round to quantized types"):
        basin.load(quantized).run("builtin.module(basin-raise,sink-insert-sink-kv)")
