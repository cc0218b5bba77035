"""Whole models that `basin-compile` made, run on a CUDA device with tensors of torch.

`basin.plan.load(path, device="cuda")` makes them. Weights are loaded once. A run launches all steps
on torch's current stream and returns before they are done.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from basin import runtime
from basin.errors import PlanError
from basin.plan_checks import check_names
from basin.runtime import KernelError
from basin.tensors import TensorError, TensorView, contiguous_strides, view

__all__ = ["DevicePlan"]

_MAX_RANK = 8
_TYPES = (*runtime.TYPES, "bool")
_DTYPES = {
    "f32": "float32", "f16": "float16", "bf16": "bfloat16", "i8": "int8", "i32": "int32",
    "i64": "int64", "bool": "bool",
}  # fmt: skip


class _PlanInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("input_count", ctypes.c_size_t),
        ("output_count", ctypes.c_size_t),
        ("launch_count", ctypes.c_size_t),
        ("product_count", ctypes.c_size_t),
        ("weight_bytes", ctypes.c_uint64),
    ]


class _ValueInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int), ("rank", ctypes.c_uint32)]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("rank", ctypes.c_uint32),
        ("pointer", ctypes.c_void_p),
        ("sizes", ctypes.c_int64 * _MAX_RANK),
        ("strides", ctypes.c_int64 * _MAX_RANK),
    ]


@contextlib.contextmanager
def _plan_errors() -> Iterator[None]:
    try:
        yield
    except KernelError as error:
        raise PlanError(str(error)) from error


class DevicePlan:
    """A model on one device. `inputs` and `outputs` are the graph's names.

    Several threads may call `run`. Runs on one stream share a workspace, which grows with the
    sizes of the inputs. `close` waits for the device and frees the weights.
    """

    _look_at = staticmethod(view)

    def __init__(self, path: str | os.PathLike[str], device: Any = "cuda") -> None:
        self._lock = threading.Lock()
        self._workspaces: dict[int, Any] = {}
        self.device = self._find_device(device)
        with _plan_errors():
            self._object = runtime.Object(path)
            self._handle = ctypes.c_void_p()
            runtime._call("object_plan", self._object._handle, ctypes.byref(self._handle))
            info = _PlanInfo()
            runtime._call("plan_describe", self._handle, ctypes.byref(info))
            self.name: str = info.name.decode()
            self._inputs = self._describe("plan_input", info.input_count)
            self._outputs = self._describe("plan_output", info.output_count)
            self.inputs = tuple(self._inputs)
            self.outputs = tuple(self._outputs)
            runtime._call("plan_load", self._handle, self.device)
        # From now on something may run on the device, so only close() unloads.
        self._object._used = True

    def _describe(self, function: str, count: int) -> dict[str, tuple[str, int]]:
        """The types and numbers of axes, by name."""
        out, value = {}, _ValueInfo()
        for i in range(count):
            runtime._call(function, self._handle, i, ctypes.byref(value))
            out[value.name.decode()] = (_TYPES[value.type], value.rank)
        return out

    @staticmethod
    def _find_device(device: Any) -> int:
        import torch

        try:
            found = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise PlanError(f"device: expected 'emulator' or 'cuda', but got {device!r}") from error
        if found.type != "cuda":
            raise PlanError(f"device: expected 'emulator' or 'cuda', but got {device!r}")
        return torch.cuda.current_device() if found.index is None else found.index

    def close(self) -> None:
        """Wait for the device, unload the kernels and free the weights."""
        self._object.close()
        self._workspaces.clear()

    def __enter__(self) -> DevicePlan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, inputs: Mapping[str, Any], stream: Any = None) -> dict[str, Any]:
        """The outputs by name, as tensors of torch on the stream.

        Inputs are contiguous tensors on the device, of torch or of any library with DLPack or
        `__cuda_array_interface__`. `stream` is torch's current one if it is None. Raises PlanError
        for inputs of other names, types, shapes or devices.
        """
        import torch

        if self._object._handle is None:
            raise PlanError(f"{self.name}: the plan is closed")
        check_names(self.inputs, inputs)
        given = (_Tensor * len(self.inputs))()
        views = {name: self._view(name, inputs[name]) for name in self.inputs}
        for tensor, one in zip(given, views.values()):
            _fill(tensor, one)
        with _plan_errors(), self._lock:
            self._check_device(views)
            current = torch.cuda.current_stream(self.device).cuda_stream
            handle = current if stream is None else runtime.stream_handle(stream)
            with runtime.on_stream(self.device, handle):
                return self._run(given, handle)

    def _run(self, given: Any, handle: int) -> dict[str, Any]:
        made = (_Tensor * len(self.outputs))()
        size, count = ctypes.c_uint64(), len(given)
        runtime._call("plan_shapes", self._handle, given, count, made, len(made))
        runtime._call("plan_workspace", self._handle, given, count, ctypes.byref(size))
        outputs = {}
        for (name, (type_, rank)), tensor in zip(self._outputs.items(), made):
            outputs[name] = self._empty(tuple(tensor.sizes[:rank]), type_)
            tensor.pointer = outputs[name].data_ptr() or None
        workspace = self._workspaces.get(handle)
        if workspace is None or workspace.numel() < size.value:
            # The old one goes first. torch reuses its memory in the order of the stream.
            self._workspaces.pop(handle, None)
            workspace = self._workspaces[handle] = self._empty((size.value,), "i8")
        place = (workspace.data_ptr(), workspace.numel())
        runtime._call(
            "plan_run", self._handle, self.device, handle, given, count, made, len(made), *place
        )
        return outputs

    def _empty(self, shape: tuple[int, ...], type_: str) -> Any:
        import torch

        dtype = getattr(torch, _DTYPES[type_])
        return torch.empty(shape, dtype=dtype, device=f"cuda:{self.device}")

    def _view(self, name: str, given: Any) -> TensorView:
        try:
            tensor = self._look_at(given)
        except TensorError as error:
            raise PlanError(f"'{name}': {error}") from error
        type_, rank = self._inputs[name]
        if tensor.type != type_:
            raise PlanError(f"'{name}': expected {type_}, but got {tensor.type}")
        if len(tensor.shape) != rank:
            raise PlanError(f"'{name}': expected {rank} axes, but got {len(tensor.shape)}")
        if not tensor.contiguous:
            raise PlanError(f"'{name}': expected a contiguous tensor")
        return tensor

    def _check_device(self, views: Mapping[str, TensorView]) -> None:
        found = runtime._common_device(f"{self.name}: input", views)
        if views and found not in (-1, self.device):
            expected = f"expected inputs on device {self.device}"
            raise PlanError(f"{self.name}: {expected}, but got device {found}")


def _fill(tensor: _Tensor, one: TensorView) -> None:
    tensor.type, tensor.rank = _TYPES.index(one.type), len(one.shape)
    tensor.pointer = one.pointer or None
    tensor.sizes[: tensor.rank] = one.shape
    tensor.strides[: tensor.rank] = contiguous_strides(one.shape)
