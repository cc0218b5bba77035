"""Whole models that `basin-compile` made, run on a GPU, or on the CPU by the emulator.

    basin.plan.load("model.bko", device="cuda").run({"input_ids": ids})   # tensors of torch
    basin.plan.load("model.bko").run({"input_ids": ids})     # basin-compile --emit emulator

A plan is a list of steps: launches of kernels and products of matrices. Its buffers have sizes that
are sums of products of symbols, such as the batch and the number of tokens; the shapes of the
inputs give the symbols. On a GPU, `basin.device_plan` runs them. Otherwise the kernels run on the
emulator, and NumPy computes the products with sums in f32, rounded once to the type. This is a
reference for tests, and not fast.
"""

from __future__ import annotations

import json
import math
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from basin import emulator
from basin.errors import PlanError
from basin.plan_checks import check_names, check_plan, find_symbol

if TYPE_CHECKING:
    from basin.device_plan import DevicePlan

__all__ = ["EmulatedPlan", "PlanError", "load", "read_emulated"]

_MAX_HEADER = 1 << 26
_MAGIC = b"BASINKO1"


# ------------------------------------------------------------------------------------------------
# Sizes
# ------------------------------------------------------------------------------------------------

Symbols = Mapping[str, int]


def _evaluate(size: Any, symbols: Symbols) -> int:
    """The value of a size of the JSON."""
    if isinstance(size, int):
        return size
    total = 0
    for factor, *names in size["sum"]:
        total += factor * math.prod(symbols[name] for name in names)
    return total


# ------------------------------------------------------------------------------------------------
# Reading
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Buffer:
    name: str
    kind: str
    dtype: np.dtype
    shape: tuple[Any, ...]
    data: np.ndarray | None = None


def _dtype(name: str) -> np.dtype:
    if name == "bf16":
        import ml_dtypes

        bf16: np.dtype = np.dtype(ml_dtypes.bfloat16)
        return bf16
    names = {"f32": "float32", "f16": "float16", "i8": "int8", "i32": "int32", "i64": "int64",
             "bool": "bool"}  # fmt: skip
    return np.dtype(names[name])


def _read_buffer(entry: Mapping[str, Any], weights: bytes) -> _Buffer:
    dtype = _dtype(entry["type"])
    data = None
    if entry["kind"] == "constant":
        offset, size = entry["offset"], entry["size"]
        if not 0 <= offset <= offset + size <= len(weights) or size % dtype.itemsize:
            raise ValueError(f"buffer {entry['name']!r} lies outside of the weights")
        data = _allocate(np.frombuffer(weights, dtype, size // dtype.itemsize, offset))
        if math.prod(entry["shape"]) != data.size:
            raise ValueError(f"buffer {entry['name']!r} has another size than its shape")
    return _Buffer(entry["name"], entry["kind"], dtype, tuple(entry["shape"]), data)


def _read_sections(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    content = Path(path).read_bytes()
    if content[:8] != _MAGIC or len(content) < 16:
        raise PlanError(f"{os.fspath(path)} is not a kernel object")
    (length,) = struct.unpack("<Q", content[8:16])
    if length > min(_MAX_HEADER, len(content) - 16):
        raise PlanError(f"{os.fspath(path)}: its JSON is longer than the file, or than 64 MiB")
    try:
        header = json.loads(content[16 : 16 + length])
        sections = {
            one["kind"]: content[one["offset"] : one["offset"] + one["size"]]
            for one in header["sections"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{os.fspath(path)}: its JSON is not valid ({error!r})") from error
    return header, sections


def load(
    path: str | os.PathLike[str], device: Any = "emulator", **options: Any
) -> EmulatedPlan | DevicePlan:
    """The plan of an object that `basin-compile` wrote.

    With "emulator", of one that it wrote with `--emit emulator`; `options` are those of
    `basin.emulator.Object`. A device of torch, such as "cuda" or "cuda:1", gets the weights here.
    Raises PlanError.
    """
    if device != "emulator":
        from basin.device_plan import DevicePlan

        if options:
            raise PlanError(f"unknown option '{next(iter(options))}' for device {device!r}")
        return DevicePlan(path, device)
    return read_emulated(path, options)


def read_emulated(path: str | os.PathLike[str], options: Mapping[str, Any]) -> EmulatedPlan:
    """The plan of an object for the emulator."""
    header, sections = _read_sections(path)
    if "plan" not in header:
        raise PlanError(f"{os.fspath(path)} has no plan; compile a whole model")
    if "mlir" not in sections:
        raise PlanError(f"{os.fspath(path)} is for a GPU; compile with --emit emulator")
    try:
        check_plan(header["plan"], header["kernels"])
        return EmulatedPlan(header["plan"], sections["mlir"], sections.get("weights", b""), options)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PlanError(f"{os.fspath(path)}: its plan is not valid ({error!r})") from error


# ------------------------------------------------------------------------------------------------
# Running
# ------------------------------------------------------------------------------------------------


class EmulatedPlan:
    """A model whose kernels run on the emulator. `inputs` and `outputs` are the graph's names."""

    def __init__(
        self, plan: Mapping[str, Any], kernels: bytes, weights: bytes, options: Mapping[str, Any]
    ) -> None:
        self.name = str(plan["name"])
        self._buffers = {one["name"]: _read_buffer(one, weights) for one in plan["buffers"]}
        self.inputs = tuple(plan["inputs"])
        self._outputs = {one["name"]: one["buffer"] for one in plan["outputs"]}
        self.outputs = tuple(self._outputs)
        self.steps = tuple(plan["steps"])
        self._checks = tuple(plan.get("checks", ()))
        self._last = self._find_last_readers()
        self._kernels = None
        if b"gpu.func" in kernels:
            with tempfile.TemporaryDirectory(prefix="basin-") as folder:
                path = Path(folder) / "kernels.mlir"
                path.write_bytes(kernels)
                self._kernels = emulator.load(path, **options)

    def _find_last_readers(self) -> dict[str, int]:
        """The last step that names each buffer; an output is named after all steps."""
        last = {}
        for i, step in enumerate(self.steps):
            for buffer in _buffers_of(step):
                if buffer not in self._buffers:
                    raise ValueError(f"step {i} names no buffer {buffer!r}")
                last[buffer] = i
        for buffer in self._outputs.values():
            last[buffer] = len(self.steps)
        return last

    def close(self) -> None:
        """End the emulator."""
        if self._kernels is not None:
            self._kernels.close()

    def __enter__(self) -> EmulatedPlan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The outputs by name. Raises PlanError for inputs of other names, types or shapes."""
        symbols = self._bind(inputs)
        memory = {name: _allocate(np.asarray(inputs[name])) for name in self.inputs}
        for buffer in self._buffers.values():
            if buffer.data is not None:
                memory[buffer.name] = buffer.data
        for i, step in enumerate(self.steps):
            names = dict.fromkeys(_buffers_of(step))
            for name in names:
                if name not in memory:
                    memory[name] = self._poisoned(self._buffers[name], symbols)
            if "product" in step:
                _multiply(step["product"], memory, symbols)
            else:
                self._launch(step, memory, symbols)
            for name in names:
                if self._last[name] == i:
                    del memory[name]
        return {
            name: memory[buffer].reshape(self._shape(self._buffers[buffer], symbols))
            for name, buffer in self._outputs.items()
        }

    def _shape(self, buffer: _Buffer, symbols: Symbols) -> tuple[int, ...]:
        return tuple(_evaluate(size, symbols) for size in buffer.shape)

    def _bind(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """The symbols' values, which all inputs must agree on."""
        check_names(self.inputs, inputs)
        symbols: dict[str, int] = {}
        for name in self.inputs:
            value, buffer = np.asarray(inputs[name]), self._buffers[name]
            if value.dtype != buffer.dtype:
                raise PlanError(f"'{name}': expected {buffer.dtype}, but got {value.dtype}")
            if value.ndim != len(buffer.shape):
                expected = f"expected {len(buffer.shape)} axes"
                raise PlanError(f"'{name}': {expected}, but got {value.ndim}")
            for size, actual in zip(buffer.shape, value.shape):
                symbol = find_symbol(size)
                if symbol is not None:
                    symbols.setdefault(symbol, actual)
        self._check(inputs, symbols)
        return symbols

    def _check(self, inputs: Mapping[str, Any], symbols: Symbols) -> None:
        for name in self.inputs:
            shape = np.asarray(inputs[name]).shape
            expected = self._shape(self._buffers[name], symbols)
            if shape != expected:
                raise PlanError(f"'{name}': expected the shape {expected}, but got {shape}")
        for check in self._checks:
            size, limit = (_evaluate(check[key], symbols) for key in ("size", "at_most"))
            if size > limit:
                raise PlanError(
                    f"node '{check['node']}': expected a size of at most {limit}, but got {size}"
                )

    def _poisoned(self, buffer: _Buffer, symbols: Symbols) -> np.ndarray:
        """Memory of bytes that are NaN as numbers: nothing may read what no step wrote."""
        out = _allocate(np.zeros(math.prod(self._shape(buffer, symbols)), buffer.dtype))
        out.view(np.uint8)[:] = 0xFF
        return out

    def _launch(self, step: Any, memory: Mapping[str, np.ndarray], symbols: Symbols) -> None:
        given: dict[str, Any] = {
            name: _evaluate(size, symbols) for name, size in step["scalars"].items()
        }
        for name, operand in step["tensors"].items():
            place = _place(operand, memory, symbols)
            given[name] = place.view(np.int8) if place.dtype == np.bool_ else place
        if self._kernels is None or step["kernel"] not in self._kernels:
            raise PlanError(f"the object has no kernel '{step['kernel']}'")
        self._kernels[step["kernel"]].launch(given)


def _operands(step: Any) -> Iterator[Any]:
    """What a step reads or writes."""
    if "product" not in step:
        yield from step["tensors"].values()
        return
    product = step["product"]
    yield from (product[name] for name in ("a", "b", "c", "bias") if name in product)


def _buffers_of(step: Any) -> list[str]:
    return [operand["buffer"] for operand in _operands(step)]


def _allocate(value: np.ndarray) -> np.ndarray:
    """A flat copy that begins at a multiple of 256 bytes, as buffers on a GPU do."""
    raw = np.empty(value.nbytes + 256, np.uint8)
    begin = -raw.ctypes.data % 256
    out: np.ndarray = raw[begin : begin + value.nbytes].view(value.dtype)
    out[:] = value.reshape(-1)
    return out


def _place(operand: Any, memory: Mapping[str, np.ndarray], symbols: Symbols) -> np.ndarray:
    """The elements of a buffer from the operand's offset on."""
    array = memory[operand["buffer"]]
    offset = _evaluate(operand.get("offset", 0), symbols)
    if not 0 <= offset <= array.size:
        raise PlanError(f"an operand begins outside of its buffer {operand['buffer']!r}")
    return array[offset:]


# ------------------------------------------------------------------------------------------------
# Products
# ------------------------------------------------------------------------------------------------


def _matrix(
    entry: Any, memory: Mapping[str, np.ndarray], symbols: Symbols, shape: Sequence[int]
) -> np.ndarray:
    """A matrix, or a batch of them, on its buffer."""
    array = _place(entry, memory, symbols)
    sizes = (*entry["batch_strides"], entry["row_stride"], entry["column_stride"])
    strides = [_evaluate(one, symbols) for one in sizes]
    if len(strides) != len(shape) or min(strides) < 0:
        raise PlanError("a product's matrix has other strides than axes")
    if 0 in shape:
        return np.zeros(shape, array.dtype)
    if sum((size - 1) * stride for size, stride in zip(shape, strides)) >= array.size:
        raise PlanError("a product's matrix lies outside of its buffer")
    in_bytes = [stride * array.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(array, shape, in_bytes)


def _multiply(product: Any, memory: Mapping[str, np.ndarray], symbols: Symbols) -> None:
    """c = alpha a b + bias, with sums in f32."""
    batch = [_evaluate(size, symbols) for size in product["batch"]]
    m, n, k = (_evaluate(product[name], symbols) for name in "mnk")
    a = _matrix(product["a"], memory, symbols, [*batch, m, k]).astype(np.float32)
    b = _matrix(product["b"], memory, symbols, [*batch, k, n]).astype(np.float32)
    c = _matrix(product["c"], memory, symbols, [*batch, m, n])
    result = np.matmul(a, b) * np.float32(product["alpha"])
    if "bias" in product:
        vector = _place(product["bias"], memory, symbols)[:n]
        if vector.size != n:
            raise PlanError("a product's bias lies outside of its buffer")
        result = result + vector.astype(np.float32)
    c[...] = result.astype(c.dtype)
