"""Writes kernel objects for tests, from the description of the file in docs/kernels.md."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any


def argument(name: str, kind: str, type_: str, **more: Any) -> dict[str, Any]:
    """One entry of "arguments"."""
    return {"name": name, "kind": kind, "type": type_, **more}


def kernel(name: str, arguments: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """One entry of "kernels", by default a row a warp."""
    entry = {
        "name": name,
        "block": [128, 1, 1],
        "shared_bytes": 0,
        "grid": [[{"arg": "rows", "per": 4}], [], []],
        "arguments": arguments,
    }
    return entry | more


def norm_kernel(name: str = "norm", type_: str = "bf16", **more: Any) -> dict[str, Any]:
    """x, y and rows."""
    arguments = [
        argument("x", "in", type_), argument("y", "out", type_), argument("rows", "scalar", "i32"),
    ]  # fmt: skip
    return kernel(name, arguments, **more)


def write(path: Path, kernels: list[dict[str, Any]]) -> Path:
    """An object whose one section is PTX."""
    content = b"text for sm_80"
    offset = 16

    def header() -> bytes:
        section = {"kind": "ptx", "chip": "sm_80", "offset": offset, "size": len(content)}
        return json.dumps({"version": 1, "sections": [section], "kernels": kernels}).encode()

    # Enough room for the offset's own digits.
    offset = (16 + len(header()) + 16 + 15) // 16 * 16
    text = header()
    frame = b"BASINKO1" + struct.pack("<Q", len(text)) + text
    path.write_bytes(frame.ljust(offset, b"\0") + content)
    return path
