"""basin.bench: the synthetic model is a valid Llama that runs, and processes are measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from basin.bench import instrument, operators, rewrite
from basin.bench.__main__ import main
from basin.bench.synthetic import Shape, write_model

SMALL = Shape(layers=1, hidden=64, heads=4, kv_heads=2, ffn=96, vocab=50)


def test_small_model_runs(tmp_path):
    written = write_model(tmp_path / "m.onnx", SMALL)
    onnx.checker.check_model(str(written.path), full_check=True)
    session = ort.InferenceSession(str(written.path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input_ids": np.arange(14).reshape(2, 7)})
    assert logits.shape == (2, 7, 50)
    assert not logits.any(), "all matrices read as zeros, and zeros must not make NaN"


def test_large_model_takes_no_disk(tmp_path):
    written = write_model(tmp_path / "m.onnx", Shape())
    assert 26.5e9 < written.weight_bytes < 27.5e9
    data = (tmp_path / "m.onnx.data").stat()
    assert data.st_size == written.weight_bytes
    assert data.st_blocks * 512 < 1e6
    onnx.checker.check_model(str(written.path))


def test_measure_reports_this_process_only():
    small = rewrite.measure([sys.executable, "-c", "pass"])
    large = rewrite.measure([sys.executable, "-c", "x = b'1' * 200_000_000"])
    assert small.status == large.status == 0
    assert small.peak < 30e6, "the memory of this interpreter must not be counted"
    assert 150e6 < large.peak - small.peak < 250e6
    failed = rewrite.measure([sys.executable, "-c", "raise SystemExit('no such thing')"])
    assert failed.status == 1 and failed.error == "no such thing"
    limited = rewrite.measure([sys.executable, "-c", "x = b'1' * 2_000_000_000"], limit=10**9)
    assert limited.status != 0 and "MemoryError" in limited.error


@pytest.mark.parametrize("good", [True, False])
def test_the_whole_run_with_a_stand_in_for_basin(tmp_path, monkeypatch, capsys, good):
    script = tmp_path / "stand_in.py"
    body = "import shutil, sys; shutil.copy(sys.argv[2], sys.argv[3])" if good else "1 / 0"
    script.write_text(body)
    monkeypatch.setattr(rewrite, "write_model", lambda path, shape: write_model(path, SMALL))
    monkeypatch.setattr(rewrite, "PEER_LAYERS", (1,))
    report = tmp_path / "report.json"
    command = f"{sys.executable} {script}"
    arguments = ["--layers", "1", "2", "--repeats", "2", "--dir", str(tmp_path)]
    if not good:
        arguments += ["--no-peer"]
    status = main(["rewrite", *arguments, "--json", str(report), "--basin", command])
    assert status == (0 if good else 1)
    text = capsys.readouterr().out
    rows = json.loads(report.read_text())["rows"]
    if good:
        assert [row["tool"] for row in rows] == ["basin", "basin", "onnxruntime", "basin"], text
        assert all(len(row["seconds"]) == 2 for row in rows), text
        assert "times the memory of basin" in text
    else:
        assert "failed: exit status 1: ZeroDivisionError" in text


def test_instrumentation_costs_memory_and_returns_little(tmp_path):
    rows = instrument.run(tmp_path, SMALL, length=32, batch=2, repeats=1, optimize=False)
    plain, measured, whole = rows
    assert [row.model for row in rows] == ["as it is", "instrumented", "whole activations"]
    assert plain.outputs == 1 and plain.output_bytes == 2 * 32 * 50 * 4
    assert measured.outputs > whole.outputs > 10
    assert all(row.seconds > 0 and row.peak > 30e6 for row in rows)
    assert "whole activations" in instrument.table(rows)


def test_forms_of_operators_are_compared_and_timed(tmp_path, monkeypatch):
    """A model whose cache is in place is run with bound buffers; one that is wrong is not timed."""
    source = Path(__file__).parents[1] / "models" / "exported" / "llama-sdpa-past-script17.onnx"

    def wrong(source: Path, target: Path) -> None:
        model = onnx.load(source)
        for weight in model.graph.initializer:
            if len(weight.dims) == 2:
                values = onnx.numpy_helper.to_array(weight) * np.float32(1.5)
                weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(model, target)

    ours = {n: w for n, w in operators.contenders("gpt2").items() if n.startswith("basin")}
    monkeypatch.setattr(operators, "contenders", lambda kind: ours | {"wrong": wrong})
    rows = operators.measure_model(source, tmp_path, [4], rounds=1, threads=1, kind="gpt2")
    assert {row.case for row in rows} == {"prompt of 4", "one token after 4"}
    for row in rows:
        assert (row.milliseconds is None) == (row.contender == "wrong"), row.why_not
        assert ("other outputs" in row.why_not) == (row.contender == "wrong")
    in_place = tmp_path / f"{source.stem}.3.onnx"
    assert {n.op_type for n in onnx.load(in_place).graph.node} >= {"GroupQueryAttention"}
    assert "operators:ort in place" in operators.table(rows)
