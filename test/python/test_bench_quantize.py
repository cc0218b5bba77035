"""python -m basin.bench quantize: its rows are what quantize and evaluate give one by one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.analysis.data import Dataset  # noqa: E402
from basin.bench.quantize import PARTS, RESIDUAL, ROTATED, main  # noqa: E402
from basin.evaluation import evaluate  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"


def draw(count: int, length: int = 24) -> np.ndarray:
    ids = np.random.default_rng(0).integers(1, 65, (count, length))
    ids[:, 0] = 0
    return ids


def run(folder: Path, *arguments: str) -> list[dict]:
    np.savez(folder / "data.npz", input_ids=draw(4))
    given = [str(TINY), "--data", str(folder / "data.npz"), "--json", str(folder / "rows.json")]
    assert main([*given, *arguments]) == 0
    rows: list[dict] = json.loads((folder / "rows.json").read_text("utf-8"))["rows"]
    return rows


def test_rows_are_those_of_the_single_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = run(tmp_path, "--parts", "schemes", "--schemes", "int8-token", "--no-smooth")
    assert [(one["target"], one["treatments"]) for one in rows] == [
        ("int8-token", "none"),
        ("int8-token", "absorb-prefix"),
    ]
    model = basin.load(TINY)
    model.rewrite(("quantize", {"scheme": "int8-token", "nodes": "simulate"}))
    model.save(tmp_path / "q.onnx")
    # The first half calibrates.
    held_out = Dataset(list(draw(4)[2:]), "data", "tokens")
    _, score = evaluate([TINY, tmp_path / "q.onnx"], held_out).models
    assert rows[0]["divergence"] == pytest.approx(score.divergence.value, rel=1e-6)
    assert rows[0]["error"] == pytest.approx(score.divergence.error, rel=1e-6)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "tiny-shakespeare.onnx: 48 tokens in 2 sequences, 48 others to calibrate"
    assert said[3].startswith("| int8-token | none | ") and "±" in said[3]


def test_every_part_has_its_rows(tmp_path: Path) -> None:
    parts = [one for one in PARTS if one != "schemes"]
    rows = run(tmp_path, "--parts", *parts, "--same-data", "--no-smooth")
    by_part = {part: [one for one in rows if one["part"] == part] for part in parts}
    assert not [one for one in rows if one["refused"] and one["part"] != "peers"]
    assert [one["target"] for one in by_part["residual"][::4]] == list(RESIDUAL)
    assert [one["target"] for one in by_part["rotated"][::2]] == list(ROTATED)
    assert {one["treatments"] for one in by_part["rotated"]} == {"none", "rotate"}
    planted = {
        one["treatments"]: one["divergence"]
        for one in by_part["planted"]
        if one["target"] == "int8-static"
    }
    assert planted["planted 2^6, none"] > 3 * planted["clean, none"] > 0
    assert len(by_part["peers"]) == 6


def test_data_that_cannot_be_halved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "one.npz", input_ids=draw(1))
    assert main([str(TINY), "--data", str(tmp_path / "one.npz")]) == 1
    assert "expected at least two sequences" in capsys.readouterr().err
