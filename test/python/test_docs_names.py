"""Passes, pipelines and tools that the documentation names exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from basin.tools import find_tool

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(
    r"(?<![\w./-])((?:basin|convert|lower|onnx|sink)-[a-z0-9]+(?:-[a-z0-9]+)*)(?![\w./-])"
)
# Targets of CMake.
BUILT = {"basin-doc"}


def test_names_exist() -> None:
    tool = find_tool("basin-opt")
    if tool is None:
        pytest.skip("basin-opt is not built")
    listed = subprocess.run([tool, "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^ +--([a-z0-9-]+)", listed, re.MULTILINE)) | BUILT
    known |= {path.name for path in (ROOT / "tools").iterdir()}
    assert {"basin-raise", "convert-sink-to-gpu", "lower-nvvm-to-emulator"} < known
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    named = {
        (name, str(page.relative_to(ROOT)))
        for page in pages
        for name in NAME.findall(page.read_text("utf-8"))
    }
    assert len(named) > 20
    assert {(name, page) for name, page in named if name not in known} == set()
