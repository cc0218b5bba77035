"""Writes kernel objects for tests, from the description of the file in docs/kernels.md."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("BASIN_BIN_DIR", ROOT / "build" / "bin"))


def argument(name: str, kind: str, type_: str, **more: Any) -> dict[str, Any]:
    """One entry of "arguments"."""
    return {"name": name, "kind": kind, "type": type_, **more}


def kernel(name: str, arguments: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One entry of "kernels". By default a warp computes a row."""
    entry = {
        "name": name,
        "block": [128, 1, 1],
        "shared_bytes": 0,
        "grid": [[{"arg": "rows", "per": 4}], [], []],
        "arguments": arguments,
    }
    return entry | more


def norm_kernel(name: str = "norm", type_: str = "bf16", **more: Any) -> dict[str, Any]:
    """A kernel with the arguments x, y and rows."""
    arguments = [
        argument("x", "in", type_), argument("y", "out", type_), argument("rows", "scalar", "i32"),
    ]  # fmt: skip
    return kernel(name, arguments, **more)


def write(
    path: Path,
    kernels: list[dict[str, Any]],
    sections: Mapping[str, bytes] | None = None,
    **more: Any,
) -> Path:
    """Write an object. `sections` are their contents by kind, by default one section of PTX.

    `more` are further entries beside "kernels".
    """
    contents = {"ptx": b"text for sm_80"} if sections is None else sections
    offsets = dict.fromkeys(contents, 16)

    def header() -> bytes:
        entries = [
            {"kind": kind, "chip": "sm_80", "offset": offsets[kind], "size": len(content)}
            for kind, content in contents.items()
        ]
        header = {"version": 1, "sections": entries, "kernels": kernels}
        return json.dumps(header | more).encode()

    # Each section leaves room for the digits of its own offset.
    end = 16 + len(header()) + 16 * len(contents)
    for kind, content in contents.items():
        offsets[kind] = (end + 15) // 16 * 16
        end = offsets[kind] + len(content)
    text = header()
    out = b"BASINKO1" + struct.pack("<Q", len(text)) + text
    for kind, content in contents.items():
        out = out.ljust(offsets[kind], b"\0") + content
    path.write_bytes(out)
    return path


def basin_compile(*options: str | Path) -> str:
    """The output of basin-compile with these options."""
    program = BIN / "basin-compile"
    if not program.exists():
        pytest.skip("basin-compile is not built")
    done = subprocess.run([program, *options], capture_output=True, text=True)
    if "found to assemble kernels with" in done.stderr:
        pytest.skip("no assembler here")
    assert done.returncode == 0, done.stderr
    return done.stdout


def compiled_specs(path: Path, *options: str) -> list[tuple[str, dict[str, Any]]]:
    """The families and specs of the kernels that basin-compile makes, in its order."""
    path.write_text(basin_compile(*options, "--emit=mlir", "-o", "-"))
    if not (BIN / "basin-emulate").exists():
        pytest.skip("basin-emulate is not built")
    from basin import emulator

    with emulator.load(path) as loaded:
        return [(kernel.family, kernel.spec) for kernel in loaded.kernels]


class OneKernel:
    """An object of one kernel. It records the arguments of its launches."""

    def __init__(self, family: str, spec: dict[str, Any]) -> None:
        self.family, self.spec, self.launched = family, spec, []

    def find(self, family: str, spec: dict[str, Any]) -> OneKernel | None:
        return self if (family, dict(spec)) == (self.family, self.spec) else None

    def launch(self, arguments: dict[str, Any]) -> None:
        self.launched.append(arguments)


def compile_object(source: Path, target: Path, *options: str, chip: str = "sm_80") -> Path:
    """The object of a model or a module."""
    basin_compile(source, "--target", chip, *options, "-o", target)
    return target
