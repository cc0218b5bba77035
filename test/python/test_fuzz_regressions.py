"""Models that once crashed something. Each must be refused or pass every pipeline, without a crash.

They are in test/fuzz/regressions, as small as libFuzzer could make them. The name of a file says
what was wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rewrite_passes import fuzzer_pipelines

package = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")

FOLDER = Path(__file__).resolve().parents[1] / "fuzz" / "regressions"

# The pipelines of tools/basin-pipeline-fuzzer, all of them.
REPLAY = """
import itertools, json, sys
from basin.model import BasinError, load
RAISE, AFTER = json.loads(sys.argv[3])
for first, second in itertools.product(RAISE, AFTER):
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
    pipelines = json.dumps([fuzzer_pipelines("RAISE"), fuzzer_pipelines("AFTER")])
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", REPLAY, str(path), str(tmp_path / "out.onnx"), pipelines],
        capture_output=True, text=True, env=environment, check=False, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
