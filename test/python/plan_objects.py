"""Writes objects of whole models for tests, from the description of the plan in docs/compile.md."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from kernel_objects import argument, kernel, write


def size(*terms: tuple[Any, ...]) -> dict[str, Any]:
    """A size of the JSON: size((4, "batch", "seq"), (1,)) is 4 * batch * seq + 1."""
    return {"sum": [list(term) for term in terms]}


BATCH, SEQ, ROWS = size((1, "batch")), size((1, "seq")), size((1, "batch", "seq"))


def hide_kernel() -> dict[str, Any]:
    """A kernel that changes x in place where the flags say so."""
    arguments = [
        argument("x", "inout", "f32"), argument("flags", "in", "i8", align=1),
        argument("eps", "scalar", "i64"), argument("rows", "scalar", "i32"),
    ]  # fmt: skip
    return kernel("hide", arguments)


def matrix(buffer: str, columns: int) -> dict[str, Any]:
    """A matrix whose rows are contiguous."""
    return {"buffer": buffer, "row_stride": columns, "column_stride": 1, "batch_strides": []}


def model() -> dict[str, Any]:
    """h = x w, hidden by the mask; y = 2 h v + bias. x is [batch, seq, 8], and y is an output."""

    def buffer(name: str, kind: str, shape: list[Any], **more: Any) -> dict[str, Any]:
        return {"name": name, "kind": kind, "type": "f32", "shape": shape} | more

    def product(a: str, b: str, c: str, n: int, k: int, **more: Any) -> dict[str, Any]:
        entry = {"batch": [], "m": ROWS, "n": n, "k": k, "alpha": 1, **more}
        return {"product": entry | {"a": matrix(a, k), "b": matrix(b, n), "c": matrix(c, n)}}

    hide = {
        "kernel": "hide",
        "tensors": {
            "x": {"buffer": "h"},
            "flags": {"buffer": "mask", "offset": size((1, "seq"), (-1,))},
        },
        "scalars": {"eps": -3, "rows": ROWS},
    }
    return {
        "name": "model",
        "buffers": [
            buffer("x", "input", [BATCH, SEQ, 8]),
            buffer("mask", "input", [SEQ], type="bool"),
            buffer("w", "constant", [8, 16], offset=0, size=512),
            buffer("v", "constant", [16, 4], offset=512, size=256),
            buffer("bias", "constant", [4], offset=768, size=16),
            buffer("h", "temporary", [size((16, "batch", "seq"))]),
            buffer("y", "temporary", [BATCH, SEQ, 4]),
        ],
        "inputs": ["x", "mask"],
        "outputs": [{"name": "out", "buffer": "y"}],
        "checks": [{"size": SEQ, "at_most": 512, "node": "positions"}],
        "steps": [
            product("x", "w", "h", 16, 8),
            hide,
            product("h", "v", "y", 4, 16, bias={"buffer": "bias"}, alpha=2),
        ],
    }


def weights() -> bytes:
    """The constants of the model: small numbers, of which no two sums are alike."""
    return struct.pack("<196f", *((i * i % 37) / 8 for i in range(196)))


def write_model(path: Path, kind: str = "mlir", plan: dict[str, Any] | None = None) -> Path:
    """Write the model, or another plan, with a section of code of this kind."""
    sections = {kind: b"module {}", "weights": weights()}
    return write(path, [hide_kernel()], sections, version=2, plan=model() if plan is None else plan)
