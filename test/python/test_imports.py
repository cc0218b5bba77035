"""Importing the package and starting its command load no more modules than the job needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import basin as package
import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
HEAVY = {"matplotlib", "onnx", "onnxruntime", "ray", "tokenizers", "torch", "transformers"}
DEVELOPERS = {"basin.bench", "basin.testbed"}

IMPORT = "import json, sys\n{}\nprint('\\n' + json.dumps(sorted(sys.modules)))"
COMMAND = """
from basin.cli import app
try:
    app({!r}, prog_name="basin")
except SystemExit as end:
    assert not end.code, end.code
"""


def modules_after(text: str) -> set[str]:
    """The modules in a process of its own that ran `text`."""
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-c", IMPORT.format(text)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_alone() -> None:
    loaded = modules_after("import basin")
    assert not loaded & (HEAVY | DEVELOPERS | {"numpy", "typer", "basin._basin"})


def test_the_command_line_without_a_command() -> None:
    """The list of commands is loaded without modules that only one of them needs."""
    loaded = modules_after("import basin.cli")
    assert not loaded & (HEAVY | DEVELOPERS | {"numpy"})
    for module in loaded:
        assert not module.startswith(("basin.analysis.", "basin.report.", "basin.verification"))


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["inspect", str(TINY)], set()),
        (["inspect", str(TINY), "--json"], set()),
        (["verify", str(TINY), str(TINY)], {"onnx", "onnxruntime"}),
    ],
    ids=["inspect", "inspect --json", "verify"],
)
def test_a_command(arguments: list[str], needed: set[str]) -> None:
    pytest.importorskip("basin._basin", reason="the extension is not built")
    loaded = modules_after(COMMAND.format(arguments))
    assert needed <= loaded
    assert not loaded & (HEAVY - needed | DEVELOPERS)


def test_a_run_in_this_process_needs_no_ray(tmp_path: Path) -> None:
    pytest.importorskip("basin._basin", reason="the extension is not built")
    (tmp_path / "ids.jsonl").write_text("[1, 2, 3]\n")
    arguments = ["evaluate", str(TINY), "--data", str(tmp_path / "ids.jsonl")]
    assert "ray" not in modules_after(COMMAND.format(arguments))


def test_public_names() -> None:
    """Names that docs and users' programs use must stay where they are."""
    pytest.importorskip("basin._basin", reason="the extension is not built")
    text = """
import basin
from basin import BasinError, Model, load, rewrite, roundtrip
from basin.analysis import AnalysisError
from basin.cli import app, main
from basin.verify import VerifyError, VerifyReport, format_report, verify
import basin.emulator, basin.model, basin.runtime
import importlib.util
for name in ("basin.ops", "basin.bench.__main__", "basin.testbed.__main__"):
    assert importlib.util.find_spec(name), name
"""
    modules_after(text)
