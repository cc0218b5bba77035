"""Views tensors of any library as a pointer with a type, without a copy or that library.

It tries, in this order, torch's own attributes, `__cuda_array_interface__` and DLPack. It waits for
no stream: work that fills a tensor must be ordered before the work that takes it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

__all__ = ["TensorError", "TensorView", "view"]


class TensorError(Exception):
    """Something cannot be a kernel's tensor; the message says why."""


@dataclass(frozen=True)
class TensorView:
    """A tensor's view. `device` is None if only the driver knows it; `strides` are in elements."""

    pointer: int
    type: str
    device: int | None
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    read_only: bool = False

    @property
    def contiguous(self) -> bool:
        """Whether the tensor is contiguous."""
        return self.strides_fit(contiguous_strides(self.shape))

    def strides_fit(self, expected: tuple[int, ...]) -> bool:
        """Whether it has these strides on all axes with more than one element."""
        pairs = zip(self.shape, self.strides, expected)
        return 0 in self.shape or all(size == 1 or have == want for size, have, want in pairs)


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a contiguous tensor, in elements."""
    strides, count = [], 1
    for size in reversed(shape):
        strides.append(count)
        count *= size
    return tuple(reversed(strides))


_TORCH_TYPES = {
    "torch.float32": "f32",
    "torch.float16": "f16",
    "torch.bfloat16": "bf16",
    "torch.int8": "i8",
    "torch.int32": "i32",
    "torch.int64": "i64",
    "torch.bool": "bool",
}
# NumPy has no bf16 of its own, so libraries pass it on as two bytes without a type.
_ARRAY_TYPES = {
    "<f4": "f32", "<f2": "f16", "<V2": "bf16", "|V2": "bf16",
    "|i1": "i8", "<i4": "i32", "<i8": "i64", "|b1": "bool",
}  # fmt: skip
# DLPack: code and bits.
_DLPACK_TYPES = {
    (2, 32): "f32", (2, 16): "f16", (4, 16): "bf16", (0, 8): "i8", (0, 32): "i32", (0, 64): "i64",
    (6, 8): "bool",
}  # fmt: skip
_DLPACK_CUDA, _DLPACK_CUDA_MANAGED = 2, 13
_DLPACK_DEVICES = {1: "a CPU", 3: "a pinned CPU", 4: "an OpenCL", 8: "a Metal", 10: "a ROCm"}


def view(tensor: Any) -> TensorView:
    """A tensor on a CUDA device; anything else is refused with a TensorError."""
    if all(hasattr(tensor, name) for name in ("data_ptr", "stride", "dtype", "device")):
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
        tensor.data_ptr(),
        _TORCH_TYPES.get(name, name),
        tensor.device.index,
        tuple(tensor.shape),
        tuple(tensor.stride()),
    )


def _strides(shape: tuple[int, ...], strides: Any) -> tuple[int, ...]:
    """The stated strides, or those of a contiguous tensor."""
    return contiguous_strides(shape) if strides is None else tuple(strides)


def _array_view(interface: Any) -> TensorView:
    try:
        pointer, read_only = interface["data"]
        shape, name = tuple(interface["shape"]), interface["typestr"]
        size = int(name[2:])
        strides = interface.get("strides")
        if strides is not None:
            strides = [stride / size for stride in strides]
        type_, strides = _ARRAY_TYPES.get(name, name), _strides(shape, strides)
        return TensorView(int(pointer or 0), type_, None, shape, strides, bool(read_only))
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
    # -1 means not to wait. The capsule is not consumed, so it frees its tensor itself.
    capsule = tensor.__dlpack__(stream=-1)
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    try:
        raw = _DLTensor.from_address(get(capsule, b"dltensor"))
    except ValueError as error:
        raise TensorError(f"its DLPack capsule is not valid ({error})") from error
    key = (raw.code, raw.bits)
    name = _DLPACK_TYPES.get(key, f"DLPack type {key}") if raw.lanes == 1 else "vectors"
    shape = tuple(raw.shape[: raw.ndim]) if raw.ndim else ()
    strides = raw.strides[: raw.ndim] if raw.strides and raw.ndim else None
    pointer = (raw.data or 0) + raw.byte_offset
    return TensorView(pointer, name, int(device), shape, _strides(shape, strides))
