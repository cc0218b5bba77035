"""tools/check_docs.py: it finds each kind of fault, and leaves tables and code alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONG = "word " * 40


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "page.md").write_text(text)
    command = [sys.executable, str(ROOT / "tools" / "check_docs.py"), "page.md"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"one\n{LONG}\n", "page.md:2: expected at most 160 characters, but got 200"),
        ("See [there](missing.md#part).\n", "page.md:1: no such file: missing.md"),
        ("Eight heads, of which one is a sink.\n", "page.md:1: 'of which'"),
        ("Whatever it holds.\n", "page.md:1: 'Whatever'"),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    done = run(tmp_path, text)
    assert done.returncode == 1
    assert done.stdout.startswith(fault) and done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        f"| {LONG} |\n",
        f"```\n{LONG}\n[there](missing.md)\n```\n",
        "[itself](page.md), [a part](#part), [the world](https://example.org), `[code](missing)`\n",
        "The option `whatever` is code.\n",
    ],
)
def test_no_faults(tmp_path: Path, text: str) -> None:
    done = run(tmp_path, text)
    assert (done.returncode, done.stdout) == (0, "")
