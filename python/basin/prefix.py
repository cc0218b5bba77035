"""Fixed first tokens that a step leaves out of the sequences that a model takes.

Some steps need the keys and values of these tokens, by a run of the model on them alone:
`sink-instrument-prefix` makes outputs of them, and `sink-absorb-prefix` takes them as a file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

from basin._basin import BasinError
from basin.errors import VerifyError
from basin.registry import Requests

if TYPE_CHECKING:
    from basin.model import Model
    from basin.verification.runners import ReferenceRunner, RuntimeRunner

__all__ = [
    "PrefixRun",
    "PrefixedRunner",
    "cut",
    "extend",
    "follow",
    "instrument",
    "make_states",
    "read_run",
    "write_after",
    "write_passed",
    "write_tensors",
]

_RUN_KEY = "basin.prefix-run"


@dataclass(frozen=True)
class PrefixRun:
    """Inputs with one element for each token, and outputs that are the prefix's keys and values.

    `mask`, `positions` and `types` are None where the model has no such input. `token_axes` has,
    for each of the model's own outputs with a row for each token, the axis of the rows.
    """

    ids: str
    mask: str | None
    positions: str | None
    prefix: tuple[int, ...]
    outputs: tuple[str, ...]
    token_axes: dict[str, int]
    types: str | None = None


def read_ids(text: str) -> list[int]:
    """Ids from "1,2", or from the file of "@FILE". Raises BasinError."""
    where = "option 'ids'"
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except OSError as error:
            raise BasinError(f"{where}: {error.filename}: {error.strerror}") from None
        except ValueError:
            raise BasinError(f"{where}: {text[1:]}: expected ids as text, but got bytes") from None
    words = re.split(r"[\s,\[\]]+", text.strip(" \t\r\n,[]"))
    if words == [""]:
        raise BasinError(f"{where}: expected the ids of the prefix's tokens, but got none")
    for word in words:
        if not re.fullmatch(r"[0-9]{1,18}", word):
            raise BasinError(
                f"{where}: expected ids of tokens, integers of at least 0, but got '{word[:64]}'"
            )
    return [int(word) for word in words]


def read_run(path: str | os.PathLike[str]) -> PrefixRun:
    """What the metadata of an instrumented model say. Raises VerifyError where there are none."""
    model = onnx.load(os.fspath(path), format="protobuf", load_external_data=False)
    for entry in model.metadata_props:
        if entry.key == _RUN_KEY:
            found = json.loads(entry.value)
            return PrefixRun(
                found["ids"],
                found["mask"],
                found["positions"],
                tuple(found["prefix"]),
                tuple(found["outputs"]),
                found["token_axes"],
                found["types"],
            )
    raise VerifyError(f"{path}: the model was not instrumented for a prefix")


def extend(values: Mapping[str, np.ndarray], run: PrefixRun) -> dict[str, np.ndarray]:
    """Inputs with the prefix in front of each sequence: ids, ones in the mask, positions from 0.

    The types of its tokens are 0. Arrays have a token along their last axis; others stay as they
    are.
    """
    size = len(run.prefix)
    front = {run.ids: np.array(run.prefix)}
    if run.mask:
        front[run.mask] = np.ones(size)
    if run.positions:
        front[run.positions] = np.arange(size)
    if run.types:
        front[run.types] = np.zeros(size)
    out = dict(values)
    for name, row in front.items():
        if name in values:
            value = values[name]
            rows = np.broadcast_to(row.astype(value.dtype), (*value.shape[:-1], size))
            out[name] = np.concatenate([rows, value], axis=-1)
    return out


def cut(outputs: Mapping[str, object], run: PrefixRun) -> dict[str, object]:
    """A model's outputs without the rows of the prefix."""
    out = dict(outputs)
    for name, axis in run.token_axes.items():
        value = out.get(name)
        if isinstance(value, np.ndarray):
            index = [slice(None)] * value.ndim
            index[axis] = slice(len(run.prefix), None)
            out[name] = value[tuple(index)]
    return out


class PrefixedRunner:
    """A runner whose inputs get the prefix in front, and whose outputs lose its rows."""

    def __init__(self, runner: RuntimeRunner | ReferenceRunner, prefix: PrefixRun) -> None:
        self.session = runner.session
        self._runner, self._prefix = runner, prefix

    def run(self, values: Mapping[str, np.ndarray]) -> dict[str, object]:
        """Raises VerifyError with the runner's reason."""
        return cut(self._runner.run(extend(values, self._prefix)), self._prefix)


def follow(first: PrefixRun | None, second: PrefixRun) -> PrefixRun:
    """The tokens of two steps, which the model before both takes in this order."""
    if first is None:
        return second
    return replace(first, prefix=first.prefix + second.prefix, outputs=second.outputs)


def write_after(model: Model, before: Requests, target: Path) -> None:
    """Write the model after the steps `before`, with its external data beside it.

    Raises BasinError. A copy of the model is made in the target's folder if there are steps.
    """
    from basin.model import load

    path = target.parent / f"before-{target.name}" if before else target
    model.save(path, "copy")
    if before:
        scratch = load(path)
        scratch.rewrite(*((name, dict(given)) for name, given in before))
        scratch.save(target)


def write_passed(source: Path, pipeline: str, target: Path) -> None:
    """Write the model at `source` after passes on its raised ops. Raises BasinError."""
    from basin.model import load

    model = load(source)
    try:
        model.run(f"basin-raise{{inline-functions=true}},{pipeline},convert-sink-to-onnx")
    except BasinError as error:
        # A user knows the model by another name.
        raise BasinError(str(error).removeprefix(f"{source}: ")) from None
    model.save(target)


def instrument(
    model: Model, before: Requests, options: dict[str, str], folder: Path, *, keys: bool = True
) -> Path:
    """Write the model after the steps `before`, with the keys and values as outputs.

    Returns its path, which is in `folder`. Raises BasinError where it cannot absorb the prefix. If
    `keys` are not asked for, it is only refused where the prefix's rows are not known.
    """
    given = " ".join(f"{name}={_quoted(value)}" for name, value in options.items())
    given += "" if keys else " keys=false"
    path, instrumented = folder / "prefix.onnx", folder / "instrumented.onnx"
    write_after(model, before, path)
    write_passed(path, f"sink-instrument-prefix{{{given}}}", instrumented)
    return instrumented


def _quoted(value: str) -> str:
    """A value as a pipeline has it: a path with special characters is a URI."""
    from urllib.parse import quote

    return f"@file://{quote(value[1:])}" if value.startswith("@") else value


def make_states(path: Path, run: PrefixRun) -> dict[str, np.ndarray]:
    """The prefix's keys and values, of one batch element, from a model that `instrument` wrote.

    ONNX Runtime computes them without optimizations. If it lacks a kernel, onnx's reference
    evaluator does, which is slow.
    """
    from basin.verification.runners import ReferenceRunner, RuntimeRunner

    try:
        return _collect(RuntimeRunner(path), run)
    except VerifyError as error:
        reason = str(error).removeprefix(f"{path}: ")
        if "NOT_IMPLEMENTED" not in reason:
            raise VerifyError(f"the prefix's keys and values could not be had: {reason}") from None
    return _collect(ReferenceRunner(path), run)


def _collect(runner: RuntimeRunner | ReferenceRunner, run: PrefixRun) -> dict[str, np.ndarray]:
    from basin.inputs.types import input_dtype

    empty: dict[str, np.ndarray] = {}
    for item in runner.session.get_inputs():
        if item.name not in (run.ids, run.mask, run.positions):
            raise VerifyError(
                f"the prefix's keys and values need a value for the input '{item.name}'"
            )
        empty[item.name] = np.zeros((1,) * (len(item.shape) - 1) + (0,), input_dtype(item))
    found = runner.run(extend(empty, run))
    out: dict[str, np.ndarray] = {}
    for name in run.outputs:
        value = found[name]
        if not isinstance(value, np.ndarray):
            raise VerifyError(f"output '{name}' is no tensor")
        if not np.isfinite(value.astype(np.float64)).all():
            raise VerifyError(f"'{name}' of the prefix has elements that are not finite")
        out[name] = value
    return out


def write_tensors(tensors: Mapping[str, np.ndarray], target: Path) -> None:
    """Write an ONNX file whose initializers are the tensors."""
    initializers = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    outputs = [
        onnx.helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in initializers
    ]
    graph = onnx.helper.make_graph([], "tensors", [], outputs, initializer=initializers)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.save(model, os.fspath(target))
