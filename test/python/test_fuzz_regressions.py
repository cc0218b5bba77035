"""Models that once crashed something: each is refused, or passes every pipeline, and nothing dies.

test/fuzz/regressions holds them, as small as libFuzzer could make them; the file's name says what
was wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

package = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")

FOLDER = Path(__file__).resolve().parents[1] / "fuzz" / "regressions"

# The pipelines of tools/basin-pipeline-fuzzer, all of them.
REPLAY = """
import itertools, sys
from basin.model import BasinError, load
RAISE = [
    "basin-raise{inline-functions=false}",
    "basin-raise{on-conflict=warn explain=true}",
]
REWRITE = [
    "convert-sink-to-onnx",
    "sink-rescale-residual{k=3},convert-sink-to-onnx{form=functions}",
    "sink-absorb-residual-sinks,sink-insert-pre-affine,convert-sink-to-onnx",
    "sink-instrument-outliers,convert-sink-to-onnx",
    "sink-absorb-residual-sinks{scale-dims=0:4,1:0.5},sink-rescale-residual{bound=300000},"
    "convert-sink-to-onnx",
]
for first, second in itertools.product(RAISE, REWRITE):
    try:
        model = load(sys.argv[1])
        model.run(first)
        model.inspect()
        model.run(second)
        model.save(sys.argv[2])
    except BasinError as error:
        assert str(error).strip()
        continue
    load(sys.argv[2])
"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.onnx")), ids=lambda path: path.stem)
def test_replay(path, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", REPLAY, str(path), str(tmp_path / "out.onnx")],
        capture_output=True, text=True, env=environment, check=False, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
