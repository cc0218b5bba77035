"""The paper's tables in small: equal sizes, runs that go on, and tables of what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
pytest.importorskip("torch")
from basin.testbed import tables  # noqa: E402
from basin.testbed.config import ModelConfig  # noqa: E402
from basin.testbed.reproduce import VARIANTS, _count, fit_width  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT / "docs" / "steps.md"
SIZE = ModelConfig(hidden=16, layers=1, heads=2, kv_heads=2, ffn_width=40)
WORDS = ("--hidden 16 --layers 1 --heads 2 --kv-heads 2 --ffn-width 40 --batch 2 --seq 32 "
         "--steps 4 --warmup 1 --log-every 2 --save-every 2 --seeds 0 1")  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_have_as_many_parameters(variant: str) -> None:
    size = ModelConfig(hidden=64, layers=4, heads=2, kv_heads=2, ffn_width=32)
    wanted = _count(size)
    made = fit_width(replace(size, **VARIANTS[variant]), wanted)
    # One more column of the feed-forward is half a percent.
    assert abs(_count(made) - wanted) <= 0.005 * wanted
    assert made.ffn_width == 32 if variant == "baseline" else made.ffn_width > 0


def run(command: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, "-m", "basin.testbed", command, str(TEXT), "--results", "r.jsonl"]
    return subprocess.run(
        [*given, *WORDS.split(), *words], cwd=folder, capture_output=True, text=True
    )


def test_runs_are_done_once_and_shown(tmp_path: Path) -> None:
    given = ("--folder", "runs", "--variants", "baseline", "GA + GatedNorm")
    done = run("table1", tmp_path, *given)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "r.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(one) for one in lines]
    assert [(one["variant"], one["seed"]) for one in rows] == [
        ("baseline", 0),
        ("GA + GatedNorm", 0),
        ("baseline", 1),
        ("GA + GatedNorm", 1),
    ]
    for one in rows:
        assert one["loss"] > 0 and one["largest"] > 0 and one["steps"] == 4
        kinds = {"W8A8", "W8A8 + smooth", "W4A4", "W4A4 + smooth"}
        assert kinds <= set(one["quantized"])
        assert 0 < one["quantized"]["W8A8"]["kl"] < one["quantized"]["W4A4"]["kl"]
    assert "residual INT8 + absorb-prefix + absorb-residual" in rows[0]["quantized"]
    table = done.stdout.splitlines()
    assert table[2].startswith("| baseline | 2 | ") and " ± " in table[2]
    assert table[2].endswith("| 6000 | 1.964 |")
    # Nothing is run again, and without a folder nothing is run.
    again = run("table2", tmp_path, *given)
    assert again.returncode == 0 and "step" not in again.stderr
    assert (tmp_path / "r.jsonl").read_text("utf-8").splitlines() == lines
    shown = run("table2", tmp_path)
    assert shown.returncode == 0 and shown.stdout == again.stdout
    assert "| GA + GatedNorm | " in shown.stdout and "| residual INT8 | " in shown.stdout
    # A line that was lost is made again from its checkpoint, with the same figures.
    (tmp_path / "r.jsonl").write_text("\n".join(lines[1:]) + "\n", "utf-8")
    assert run("table1", tmp_path, *given).returncode == 0
    last = json.loads((tmp_path / "r.jsonl").read_text("utf-8").splitlines()[-1])
    for key in ("variant", "seed", "loss", "largest", "norm_weights"):
        assert last[key] == rows[0][key]


def test_wrong_uses_are_one_line(tmp_path: Path) -> None:
    for words, reason in [
        (("--folder", "runs", "--variants", "other"), "unknown variant 'other'"),
        ((), "r.jsonl"),
    ]:
        done = run("table1", tmp_path, *words)
        assert done.returncode == 1 and reason in done.stderr and done.stderr.count("\n") == 1
    (tmp_path / "r.jsonl").write_text("no lines\n", "utf-8")
    done = run("table1", tmp_path)
    assert done.returncode == 1 and "expected JSON lines" in done.stderr


def test_runs_that_diverged_are_counted_apart() -> None:
    good = {"variant": "DyT", "loss": 2.0, "largest": 5.0, "ratio": 9.0, "sink_rate": 0.0,
            "norm_weights": {"least": 0.5, "largest": 1.5}}  # fmt: skip
    lost = {"variant": "DyT", "diverged": "the loss of update 3 is nan"}
    row = tables.table1([good, lost]).splitlines()[-1]
    assert row.startswith("| DyT | 2, 1 diverged | 2.0000 | 5 | 9 | 0 | 0.5 | 1.5 | 73 | 2.216 |")
