"""Tensors of any library as a pointer with a type, without a copy and without that library.

In this order: torch's own attributes, `__cuda_array_interface__`, DLPack. Waits for no stream: work
that fills a tensor must be ordered before the work that takes it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

__all__ = ["TensorError", "TensorView", "view"]


class TensorError(Exception):
    """Why something cannot be a kernel's tensor."""


@dataclass(frozen=True)
class TensorView:
    """`device` is None where only the driver can say."""

    pointer: int
    type: str
    device: int | None
    contiguous: bool
    read_only: bool = False


_TORCH_TYPES = {
    "torch.float32": "f32",
    "torch.float16": "f16",
    "torch.bfloat16": "bf16",
    "torch.int8": "i8",
    "torch.int32": "i32",
    "torch.int64": "i64",
}
# NumPy has no bf16 of its own: libraries hand it on as two bytes of no type.
_ARRAY_TYPES = {
    "<f4": "f32", "<f2": "f16", "<V2": "bf16", "|V2": "bf16",
    "|i1": "i8", "<i4": "i32", "<i8": "i64",
}  # fmt: skip
# DLPack: code and bits.
_DLPACK_TYPES = {
    (2, 32): "f32", (2, 16): "f16", (4, 16): "bf16", (0, 8): "i8", (0, 32): "i32", (0, 64): "i64",
}  # fmt: skip
_DLPACK_CUDA, _DLPACK_CUDA_MANAGED = 2, 13
_DLPACK_DEVICES = {1: "a CPU", 3: "a pinned CPU", 4: "an OpenCL", 8: "a Metal", 10: "a ROCm"}


def view(tensor: Any) -> TensorView:
    """A tensor on a CUDA device; anything else is refused with a TensorError."""
    if all(hasattr(tensor, name) for name in ("data_ptr", "is_contiguous", "dtype", "device")):
        return _torch_view(tensor)
    if hasattr(tensor, "__cuda_array_interface__"):
        return _array_view(tensor.__cuda_array_interface__)
    if hasattr(tensor, "__dlpack__") and hasattr(tensor, "__dlpack_device__"):
        return _dlpack_view(tensor)
    raise TensorError(f"expected a CUDA tensor, but got {type(tensor).__name__}")


def _torch_view(tensor: Any) -> TensorView:
    if tensor.device.type != "cuda":
        kind = "a CPU" if tensor.device.type == "cpu" else f"a {tensor.device.type}"
        raise TensorError(f"expected a CUDA tensor, but got {kind} tensor")
    name = str(tensor.dtype)
    return TensorView(
        tensor.data_ptr(), _TORCH_TYPES.get(name, name), tensor.device.index, tensor.is_contiguous()
    )


def _is_compact(shape: Any, strides: Any) -> bool:
    """Whether strides, in elements, are those of rows one after the other."""
    if strides is None or 0 in shape:
        return True
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _array_view(interface: Any) -> TensorView:
    try:
        pointer, read_only = interface["data"]
        shape, name = interface["shape"], interface["typestr"]
        size = int(name[2:])
        strides = interface.get("strides")
        if strides is not None:
            strides = [stride / size for stride in strides]
        type_, compact = _ARRAY_TYPES.get(name, name), _is_compact(shape, strides)
        return TensorView(int(pointer or 0), type_, None, compact, bool(read_only))
    except (KeyError, TypeError, ValueError) as error:
        raise TensorError(f"its __cuda_array_interface__ is not valid ({error!r})") from error


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


def _dlpack_view(tensor: Any) -> TensorView:
    device_type, device = tensor.__dlpack_device__()
    if device_type not in (_DLPACK_CUDA, _DLPACK_CUDA_MANAGED):
        kind = _DLPACK_DEVICES.get(int(device_type), f"a (DLPack device {int(device_type)})")
        raise TensorError(f"expected a CUDA tensor, but got {kind} tensor")
    # -1: without waiting. The capsule is not consumed: it gives its tensor back itself.
    capsule = tensor.__dlpack__(stream=-1)
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    try:
        raw = _DLTensor.from_address(get(capsule, b"dltensor"))
    except ValueError as error:
        raise TensorError(f"its DLPack capsule is not valid ({error})") from error
    key = (raw.code, raw.bits)
    name = _DLPACK_TYPES.get(key, f"DLPack type {key}") if raw.lanes == 1 else "vectors"
    shape = raw.shape[: raw.ndim] if raw.ndim else []
    strides = raw.strides[: raw.ndim] if raw.strides and raw.ndim else None
    pointer = (raw.data or 0) + raw.byte_offset
    return TensorView(pointer, name, int(device), _is_compact(shape, strides))
