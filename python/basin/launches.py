"""Runs the functions of a kernel object, with all their launches in order, on torch's tensors.

    block = basin.launches.load("block.bko")["block"]
    y, = block(x, weight)
    block = block.bind({"weight": weight})    # once
    y, = block(x)

`basin-compile` writes functions for a module or a model whose ops all have kernels; with
`--partial`, for those ops that have, and other code runs between them. torch makes the results, on
the inputs' device and on the stream of the launches.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from basin import runtime

__all__ = ["Function", "LaunchError", "Step", "load", "read_functions"]

# A factor of a size: a number, or ("size" or "stride", name of a value, axis).
Factor = int | tuple[str, str, int]


class LaunchError(Exception):
    """An object has something that cannot be run, or tensors do not fit it."""


@dataclass(frozen=True)
class Output:
    """A tensor that a step makes."""

    argument: str
    value: str
    type: str
    shape: tuple[tuple[Factor, ...], ...]


@dataclass(frozen=True)
class Step:
    """One launch. Inputs are (argument, value, whether it is transposed first)."""

    kernel: str
    inputs: tuple[tuple[str, str, bool], ...]
    outputs: tuple[Output, ...]
    scalars: Mapping[str, tuple[Factor, ...]]


class Function:
    """A function of an object. `inputs` are (value, type), `outputs` the values that it returns."""

    def __init__(
        self,
        name: str,
        inputs: tuple[tuple[str, str], ...],
        outputs: tuple[str, ...],
        steps: tuple[Step, ...],
        kernels: Mapping[str, Any],
    ) -> None:
        self.name, self.inputs, self.outputs, self.steps = name, inputs, outputs, steps
        self._kernels = kernels
        self._bound: dict[str, Any] = {}
        # The transposed copies of bound matrices that steps take transposed.
        self._transposed: dict[str, Any] = {}
        for step in steps:
            if step.kernel not in kernels:
                raise LaunchError(f"{name}: the object has no kernel {step.kernel}")

    def __repr__(self) -> str:
        given = ", ".join(value for value, _ in self.inputs)
        return f"<function {self.name}({given}) -> {', '.join(self.outputs)}>"

    def bind(self, tensors: Mapping[str, Any]) -> Function:
        """Return this function with some inputs given by name: weights, which do not change.

        Matrices that kernels take transposed are transposed here, once, and not at each call. If a
        bound tensor is changed later, its transposed copy does not change.
        """
        for value in tensors:
            if value not in dict(self.inputs):
                raise LaunchError(f"{self.name}: unknown input '{value}'")
        rest = tuple((value, type_) for value, type_ in self.inputs if value not in tensors)
        out = Function(self.name, rest, self.outputs, self.steps, self._kernels)
        out._bound = {**self._bound, **tensors}
        out._transposed = dict(self._transposed)
        for step in self.steps:
            for _, value, transposed in step.inputs:
                if transposed and value in tensors:
                    out._transposed[value] = _transpose(tensors[value])
        _wait(out._transposed.values())
        return out

    def __call__(self, *tensors: Any, stream: Any = None) -> tuple[Any, ...]:
        """Launch all steps on tensors in the order of `inputs`.

        Results belong to the stream. Work on another stream must wait for it, and must tell torch
        that it uses them (`Tensor.record_stream`).
        """
        if len(tensors) != len(self.inputs):
            wanted = f"expected {len(self.inputs)} tensors"
            raise LaunchError(f"{self.name}: {wanted}, but got {len(tensors)}")
        names = (value for value, _ in self.inputs)
        return self.run(dict(zip(names, tensors)), stream)

    def run(self, tensors: Mapping[str, Any], stream: Any = None) -> tuple[Any, ...]:
        """Do the same with tensors by the names of values."""
        for value, _ in self.inputs:
            if value not in tensors:
                raise LaunchError(f"{self.name}: expected a tensor for '{value}'")
        values = {**tensors, **self._bound}
        with _as_current(stream, values.values()):
            for step in self.steps:
                self._run(step, values, stream)
        return tuple(values[name] for name in self.outputs)

    def _run(self, step: Step, values: dict[str, Any], stream: Any) -> None:
        given: dict[str, Any] = {}
        for argument, value, transposed in step.inputs:
            given[argument] = values[value]
            if transposed and value in self._transposed:
                given[argument] = self._transposed[value]
            elif transposed:
                given[argument] = _transpose(values[value])
        _make_outputs(step, values, given)
        for name, factors in step.scalars.items():
            given[name] = _product(factors, values, step)
        arguments = {name: _as_given(value) for name, value in given.items()}
        self._kernels[step.kernel].launch(arguments, stream)


def _transpose(matrix: Any) -> Any:
    """The transpose, contiguous. It is no copy if the matrix is a transpose of a contiguous one."""
    return matrix.mT.contiguous()


def _wait(tensors: Any) -> None:
    """Wait until the tensors are computed, so that any stream may read them."""
    import torch

    for device in {tensor.device for tensor in tensors if tensor.is_cuda}:
        torch.cuda.current_stream(device).synchronize()


@contextlib.contextmanager
def _as_current(stream: Any, tensors: Any) -> Iterator[None]:
    """Makes `stream` torch's current one, so that torch's own work is in the stream's order."""
    devices = [tensor.device for tensor in tensors if getattr(tensor, "is_cuda", False)]
    if stream is None or not devices:
        yield
        return
    import torch

    if not isinstance(stream, torch.cuda.Stream):
        handle = runtime.stream_handle(stream)
        stream = (
            torch.cuda.ExternalStream(handle, devices[0])
            if handle
            else torch.cuda.default_stream(devices[0])
        )
    with torch.cuda.stream(stream):
        yield


def _make_outputs(step: Step, values: dict[str, Any], given: dict[str, Any]) -> None:
    """Allocate the step's results, and add them to the values and to the kernel's arguments."""
    import torch

    like = next(iter(given.values()))
    for output in step.outputs:
        shape = [_product(factors, values, step) for factors in output.shape]
        dtype = getattr(torch, _DTYPES[output.type])
        made = torch.empty(shape, dtype=dtype, device=like.device)
        given[output.argument] = values[output.value] = made


def _as_given(value: Any) -> Any:
    """A tensor as kernels take it: booleans as bytes, and memory for a tensor that has none."""
    import torch

    from basin.ops.kernels import not_empty

    if not isinstance(value, torch.Tensor):
        return value
    return not_empty(value.view(torch.int8) if value.dtype == torch.bool else value)


def _product(factors: tuple[Factor, ...], values: Mapping[str, Any], step: Step) -> int:
    out = 1
    for factor in factors:
        out *= factor if isinstance(factor, int) else _measure(factor, values, step)
    return out


def _measure(factor: tuple[str, str, int], values: Mapping[str, Any], step: Step) -> int:
    what, value, axis = factor
    tensor = values[value]
    if axis >= tensor.dim():
        raise LaunchError(f"{step.kernel}: '{value}' has no axis {axis}")
    if what == "size":
        return tensor.shape[axis]
    return 0 if tensor.shape[axis] == 1 else tensor.stride(axis)


# ------------------------------------------------------------------------------------------------
# Reading
# ------------------------------------------------------------------------------------------------

_DTYPES = {
    "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i8": "int8", "i32": "int32",
    "i64": "int64",
}  # fmt: skip


def load(path: str | os.PathLike[str]) -> dict[str, Function]:
    """The functions of the object at `path`, with its kernels."""
    return read_functions(path, runtime.load(path))


def read_functions(path: str | os.PathLike[str], kernels: Mapping[str, Any]) -> dict[str, Function]:
    """The functions of the object at `path`, to be run by `kernels`."""
    entries = _read_header(path).get("functions", [])
    try:
        return {entry["name"]: _read_function(entry, kernels) for entry in entries}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LaunchError(f"{os.fspath(path)}: its functions are not valid ({error!r})") from error


def _read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    with open(path, "rb") as file:
        magic, size = file.read(8), file.read(8)
        if magic != b"BASINKO1" or len(size) < 8:
            raise LaunchError(f"{os.fspath(path)} is not a kernel object")
        text = file.read(min(struct.unpack("<Q", size)[0], 1 << 23))
    try:
        header = json.loads(text)
    except ValueError as error:
        raise LaunchError(f"{os.fspath(path)}: its JSON is not valid ({error})") from error
    return header if isinstance(header, dict) else {}


def _read_function(entry: Mapping[str, Any], kernels: Mapping[str, Any]) -> Function:
    inputs = tuple((one["value"], one["type"]) for one in entry["inputs"])
    steps = tuple(_read_step(step) for step in entry["steps"])
    outputs = tuple(entry["outputs"])
    _check_order(entry["name"], {value for value, _ in inputs}, outputs, steps)
    return Function(entry["name"], inputs, outputs, steps, kernels)


def _check_order(
    name: str, known: set[str], outputs: tuple[str, ...], steps: tuple[Step, ...]
) -> None:
    """Check that every value is an input or is made before it is read."""
    for step in steps:
        read = [value for _, value, _ in step.inputs]
        known = known | {output.value for output in step.outputs}
        sizes = [*step.scalars.values(), *(axis for o in step.outputs for axis in o.shape)]
        read += [factor[1] for factors in sizes for factor in factors if isinstance(factor, tuple)]
        for value in read:
            if value not in known:
                raise LaunchError(
                    f"{name}: {step.kernel} reads '{value}', which no input or step provides"
                )
    for value in outputs:
        if value not in known:
            raise LaunchError(f"{name}: no input or step provides the output '{value}'")


def _read_step(entry: Mapping[str, Any]) -> Step:
    return Step(
        entry["kernel"],
        tuple(
            (one["argument"], one["value"], one.get("transposed", False)) for one in entry["inputs"]
        ),
        tuple(
            Output(one["argument"], one["value"], _known(one["type"]), _read_shape(one["shape"]))
            for one in entry["outputs"]
        ),
        {name: _read_factors(factors) for name, factors in entry["scalars"].items()},
    )


def _known(type_: str) -> str:
    if type_ not in _DTYPES:
        raise ValueError(f"type {type_!r}")
    return type_


def _read_shape(axes: list[Any]) -> tuple[tuple[Factor, ...], ...]:
    return tuple(_read_factors(axis) for axis in axes)


def _read_factors(entries: list[Any]) -> tuple[Factor, ...]:
    return tuple(_read_factor(entry) for entry in entries)


def _read_factor(entry: Any) -> Factor:
    if isinstance(entry, int):
        return entry
    what = "size" if "size" in entry else "stride"
    axis = entry[what]
    if not isinstance(axis, int) or axis < 0:
        raise ValueError(f"axis {axis!r}")
    return (what, entry["value"], axis)
