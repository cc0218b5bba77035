"""`basin.compile`: a whole model as kernels and products of matrices."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from basin.errors import PlanError
from basin.tools import find_tool

if TYPE_CHECKING:
    from basin.model import Model
    from basin.plan import EmulatedPlan

__all__ = ["compile"]


def compile(  # noqa: A001
    model: Model | str | os.PathLike[str],
    target: str = "sm_90a",
    device: str = "emulator",
    **options: Any,
) -> EmulatedPlan:
    """Compile a model, and return an object whose `run` takes and returns tensors by name.

    `model` is the path of an ONNX file, or a loaded model. `target` is the chip whose kernels are
    made. `device` is "emulator": the kernels run on the CPU, to be checked, and `options` are those
    of `basin.emulator.Object`. Raises PlanError with the reason if an op has no lowering.
    """
    from basin import plan

    if device != "emulator":
        raise PlanError(f"device: expected 'emulator', but got {device!r}")
    tool = find_tool("basin-compile")
    if tool is None:
        raise PlanError("basin-compile is not built, or not on the path")
    with tempfile.TemporaryDirectory(prefix="basin-") as name:
        folder = Path(name)
        path = _as_file(model, folder)
        target_path = folder / "model.bko"
        command = [tool, os.fspath(path), "--target", target, "--emit", "emulator"]
        command += ["-o", os.fspath(target_path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise PlanError(_first_error(done.stderr) or f"basin-compile failed: {done.stderr}")
        return plan.read_emulated(target_path, options)


def _as_file(model: Any, folder: Path) -> Path:
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        if not path.is_file():
            raise PlanError(f"{path}: no such file")
        return path
    path = folder / "model.onnx"
    model.save(path)
    return path


def _first_error(text: str) -> str | None:
    """The first error among the lines that a tool printed."""
    for line in text.splitlines():
        place, found, message = line.partition("error: ")
        if found:
            return (place.removesuffix(" ") + " " if place.strip() else "") + message
    return None
