"""Kernel objects from Python: list their kernels, and launch them on tensors of any library.

    kernels = basin.runtime.load("norm.bko")
    kernels["rms_norm_4096_bf16_weight_eps3727c5ac"](x=x, weight=weight, y=y, rows=4096)

It calls the C API of libbasin_rt by ctypes, so neither the compiler nor a CUDA toolkit is needed.
"""

from __future__ import annotations

import ctypes
import functools
import math
import operator
import os
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from basin.products import Product, describe, look_at
from basin.tensors import TensorError, TensorView, view

__all__ = [
    "Argument",
    "Kernel",
    "KernelError",
    "Object",
    "device_capability",
    "device_count",
    "load",
    "product",
    "use_cublaslt",
]

ABI_VERSION = 2
KINDS = ("in", "out", "inout", "scalar")
TYPES = ("f32", "f16", "bf16", "i8", "i32", "i64")
SIZES = {"f32": 4, "f16": 2, "bf16": 2, "i8": 1, "i32": 4, "i64": 8}


class KernelError(Exception):
    """The runtime refused something. `status` is the C API's name for the reason."""

    def __init__(self, message: str, status: str = "invalid argument") -> None:
        super().__init__(message)
        self.status = status


class _KernelInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("block", ctypes.c_uint32 * 3),
        ("shared_bytes", ctypes.c_uint32),
        ("argument_count", ctypes.c_size_t),
        ("is_resident", ctypes.c_int32),
        ("family", ctypes.c_char_p),
        ("part_count", ctypes.c_size_t),
    ]


class _PartInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("number", ctypes.c_double),
        ("text", ctypes.c_char_p),
    ]

    @property
    def value(self) -> bool | float | str:
        """A truth value, a number or a text."""
        if self.kind == 2:
            return self.text.decode()
        if self.kind == 0:
            return bool(self.number)
        return int(self.number) if self.number.is_integer() else self.number


class _ArgumentInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("type", ctypes.c_int),
        ("alignment", ctypes.c_uint32),
        ("is_strided", ctypes.c_int32),
    ]


class _Factor(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_size_t), ("per", ctypes.c_int64)]


class _Value(ctypes.Union):
    _fields_ = [
        ("pointer", ctypes.c_void_p),
        ("i32", ctypes.c_int32),
        ("i64", ctypes.c_int64),
        ("f32", ctypes.c_float),
    ]


class _Argument(ctypes.Structure):
    _fields_ = [("is_scalar", ctypes.c_int32), ("type", ctypes.c_int), ("value", _Value)]


# The functions that return a status, and the types of their arguments.
_P, _SIZE, _I32 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32
_OUT = ctypes.POINTER
_SIGNATURES = {
    "use_driver": [ctypes.c_char_p],
    "device_count": [_OUT(_I32)],
    "device_capability": [_I32, _OUT(_I32), _OUT(_I32)],
    "pointer_device": [_P, _OUT(_I32)],
    "object_open": [ctypes.c_char_p, _OUT(_P)],
    "object_kernel": [_P, _SIZE, _OUT(_P)],
    "kernel_describe": [_P, _OUT(_KernelInfo)],
    "kernel_argument": [_P, _SIZE, _OUT(_ArgumentInfo)],
    "kernel_part": [_P, _SIZE, _OUT(_PartInfo)],
    "kernel_factor": [_P, ctypes.c_uint32, _SIZE, _OUT(_Factor)],
    "kernel_grid": [_P, _OUT(_Argument), _SIZE, _OUT(ctypes.c_uint32)],
    "kernel_load": [_P, _I32],
    "launch": [_P, _I32, _P, _OUT(_Argument), _SIZE],
    "object_plan": [_P, _OUT(_P)],
    "plan_describe": [_P, _P],
    "plan_input": [_P, _SIZE, _P],
    "plan_output": [_P, _SIZE, _P],
    "plan_shapes": [_P, _P, _SIZE, _P, _SIZE],
    "plan_workspace": [_P, _P, _SIZE, _OUT(ctypes.c_uint64)],
    "plan_load": [_P, _I32],
    "plan_run": [_P, _I32, _P, _P, _SIZE, _P, _SIZE, _P, ctypes.c_uint64],
    "use_cublaslt": [ctypes.c_char_p],
    "product_check": [_OUT(Product)],
    "product_workspace": [_I32, _OUT(ctypes.c_uint64)],
    "product_run": [_OUT(Product), _I32, _P, _P, ctypes.c_uint64],
}


@functools.cache
def _library() -> ctypes.CDLL:
    path = Path(__file__).with_name("libbasin_rt.so.2")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise KernelError(f"libbasin_rt is not built: {error}", "no runtime") from error
    if (found := library.basin_rt_abi_version()) != ABI_VERSION:
        message = f"{path}: expected ABI version {ABI_VERSION}, but got {found}"
        raise KernelError(message, "no runtime")
    for name, types in _SIGNATURES.items():
        getattr(library, f"basin_rt_{name}").argtypes = types
    library.basin_rt_last_error.restype = ctypes.c_char_p
    library.basin_rt_status_name.restype = ctypes.c_char_p
    library.basin_rt_object_free.argtypes = [_P]
    library.basin_rt_object_free.restype = None
    library.basin_rt_object_kernel_count.argtypes = [_P]
    library.basin_rt_object_kernel_count.restype = _SIZE
    library.basin_rt_kernel_factor_count.argtypes = [_P, ctypes.c_uint32]
    library.basin_rt_kernel_factor_count.restype = _SIZE
    return library


def _call(name: str, *arguments: Any) -> None:
    library = _library()
    status = getattr(library, f"basin_rt_{name}")(*arguments)
    if status:
        text = library.basin_rt_last_error().decode(errors="replace")
        raise KernelError(text, library.basin_rt_status_name(status).decode())


def device_count() -> int:
    """How many CUDA devices there are."""
    out = _I32()
    _call("device_count", ctypes.byref(out))
    return out.value


def device_capability(device: int) -> tuple[int, int]:
    """The compute capability of a device: (9, 0)."""
    major, minor = _I32(), _I32()
    _call("device_capability", device, ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


@dataclass(frozen=True)
class Argument:
    """An argument of a kernel. `kind` is in, out, inout or scalar; `type` f32, bf16 and so on.

    `alignment` is that of the pointer, in bytes, and of the strides if the tensor is `strided`.
    """

    name: str
    kind: str
    type: str
    alignment: int
    strided: bool = False


class Kernel:
    """A kernel of an object, to be called with its arguments by name.

    `family` and `spec` say what it computes, in the words of basin-compile's options: "norm" and
    {"dim": 4096, "type": "bf16", "weight": True, "eps": ..}. The spec leaves out defaults. A kernel
    that somebody wrote by hand has the family "".
    """

    _look_at = staticmethod(view)

    def __init__(self, owner: Object, handle: int) -> None:
        self._owner, self._handle = owner, handle
        info, argument, factor = _KernelInfo(), _ArgumentInfo(), _Factor()
        _call("kernel_describe", handle, ctypes.byref(info))
        self.name: str = info.name.decode()
        self.block: tuple[int, int, int] = tuple(info.block)
        self.shared_bytes: int = info.shared_bytes
        self.is_resident: bool = bool(info.is_resident)
        self.family: str = info.family.decode()
        self.spec: dict[str, bool | float | str] = {}
        part = _PartInfo()
        for i in range(info.part_count):
            _call("kernel_part", handle, i, ctypes.byref(part))
            self.spec[part.name.decode()] = part.value
        arguments = []
        for i in range(info.argument_count):
            _call("kernel_argument", handle, i, ctypes.byref(argument))
            kind, type_ = KINDS[argument.kind], TYPES[argument.type]
            arguments.append(
                Argument(
                    argument.name.decode(),
                    kind,
                    type_,
                    argument.alignment,
                    bool(argument.is_strided),
                )
            )
        self.arguments: tuple[Argument, ...] = tuple(arguments)
        axes = []
        for axis in range(3):
            factors = []
            for i in range(_library().basin_rt_kernel_factor_count(handle, axis)):
                _call("kernel_factor", handle, axis, i, ctypes.byref(factor))
                factors.append((arguments[factor.argument].name, factor.per))
            axes.append(tuple(factors))
        # The blocks of an axis are the product of ceil(argument / per) over its pairs.
        self.grid_factors: tuple[tuple[tuple[str, int], ...], ...] = tuple(axes)

    def __repr__(self) -> str:
        return f"<kernel {self.name}({', '.join(a.name for a in self.arguments)})>"

    def grid(self, **scalars: int) -> tuple[int, int, int]:
        """The grid of a launch with these scalars. It is all 0 if there is nothing to do."""
        values = (_Argument * len(self.arguments))()
        for value, argument in zip(values, self.arguments):
            value.type, value.is_scalar = TYPES.index(argument.type), argument.kind == "scalar"
            if argument.name in scalars and value.is_scalar:
                self._set_scalar(value, argument, scalars.pop(argument.name))
            elif any(argument.name == name for axis in self.grid_factors for name, _ in axis):
                raise KernelError(f"{self.name}: expected the scalar '{argument.name}'")
        if scalars:
            raise KernelError(f"{self.name}: unknown scalar '{next(iter(scalars))}'")
        out = (ctypes.c_uint32 * 3)()
        _call("kernel_grid", self._use(), values, len(values), out)
        return tuple(out)

    def load(self, device: int) -> None:
        """Load the kernel on a device. This must be done before a stream is captured."""
        self._owner._used = True
        _call("kernel_load", self._use(), device)

    def __call__(self, *, stream: Any = None, **arguments: Any) -> None:
        """Launch on a stream: its number, torch's or CuPy's stream, or None, the current one.

        None is torch's current stream if a tensor is torch's, else the default stream. The call
        returns before the kernel has run, and the tensors must live until it has.
        """
        self.launch(arguments, stream)

    def launch(self, arguments: Mapping[str, Any], stream: Any = None) -> None:
        """Do the same with the arguments as a mapping, whose keys need not be Python names."""
        values, views = self._bind(arguments)
        device = self._device(views)
        given = arguments.values()
        handle = _current_stream(given, device) if stream is None else stream_handle(stream)
        self._owner._used = True
        _call("launch", self._use(), device, handle, values, len(values))

    def _bind(self, arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """All arguments in the kernel's order, and the tensors by name. Raises if one is wrong."""
        names = [argument.name for argument in self.arguments]
        for name in arguments:
            if name not in names:
                raise KernelError(
                    f"{self.name}: unknown argument '{name}'; expected {', '.join(names)}"
                )
        values = (_Argument * len(names))()
        views: dict[str, Any] = {}
        for value, argument in zip(values, self.arguments):
            if argument.name not in arguments:
                raise KernelError(f"{self.name}: expected an argument '{argument.name}'")
            given = arguments[argument.name]
            value.type = TYPES.index(argument.type)
            if argument.kind == "scalar":
                self._set_scalar(value, argument, given)
            else:
                views[argument.name] = self._view(argument, given)
                value.value.pointer = views[argument.name].pointer
        self._check_apart(views)
        return values, views

    def _check_apart(self, views: Mapping[str, Any]) -> None:
        """Refuse a written argument that shares memory with another one.

        Kernels read in any order, through a cache that stores do not update.
        """
        for argument in self.arguments:
            if argument.kind not in ("out", "inout"):
                continue
            for name, other in views.items():
                if name != argument.name and overlap(views[argument.name], other):
                    wrong = f"argument '{argument.name}' is written, but shares memory with"
                    raise KernelError(f"{self.name}: {wrong} '{name}'")

    def _use(self) -> int:
        if self._owner._handle is None:
            raise KernelError(f"{self.name}: its object is closed")
        return self._handle

    def _set_scalar(self, value: _Argument, argument: Argument, given: Any) -> None:
        value.is_scalar = 1
        where = f"{self.name}: argument '{argument.name}'"
        try:
            if argument.type == "f32":
                value.value.f32 = float(given)
                return
            number = operator.index(given)
        except TypeError as error:
            expected = f"expected a number ({argument.type})"
            raise KernelError(f"{where}: {expected}, but got {given!r}") from error
        bits = 31 if argument.type == "i32" else 63
        if not -(1 << bits) <= number < 1 << bits:
            raise KernelError(f"{where}: {number} does not fit {argument.type}")
        setattr(value.value, argument.type, number)

    def _view(self, argument: Argument, given: Any) -> Any:
        where = f"{self.name}: argument '{argument.name}'"
        try:
            tensor = self._look_at(given)
        except TensorError as error:
            raise KernelError(f"{where}: {error}") from error
        if tensor.type != argument.type:
            expected = f"expected a tensor of {argument.type}"
            raise KernelError(f"{where}: {expected}, but got {tensor.type}")
        check_strides(argument, where, tensor)
        if tensor.read_only and argument.kind != "in":
            raise KernelError(f"{where}: the kernel writes it, but it is read-only")
        return tensor

    def _device(self, views: Mapping[str, Any]) -> int:
        return _common_device(f"{self.name}: argument", views)


def _common_device(where: str, views: Mapping[str, Any]) -> int:
    """The one device of all tensors, or that of the current context if there are no tensors."""
    first = None
    for name, tensor in views.items():
        device = tensor.device
        if device is None and tensor.pointer:
            out = _I32()
            _call("pointer_device", tensor.pointer, ctypes.byref(out))
            device = out.value
        if device is None:
            continue
        if first is None:
            first = (name, device)
        elif device != first[1]:
            raise KernelError(
                f"{where} '{name}' is on device {device}, but '{first[0]}' on device {first[1]}"
            )
    return first[1] if first else -1


def check_strides(argument: Argument, where: str, tensor: TensorView) -> None:
    """Refuse a tensor whose elements are not where the kernel looks for them."""
    if not argument.strided:
        if not tensor.contiguous:
            raise KernelError(f"{where}: expected a contiguous tensor")
        return
    axes = [(size, stride) for size, stride in zip(tensor.shape, tensor.strides) if size > 1]
    if 0 in tensor.shape or not axes:
        return
    if tensor.shape[-1] > 1 and tensor.strides[-1] != 1:
        raise KernelError(f"{where}: expected elements of the last axis side by side")
    rows = axes[:-1] if tensor.shape[-1] > 1 else axes
    bytes_ = SIZES[argument.type]
    for _, stride in rows:
        if stride * bytes_ % argument.alignment:
            wanted = f"strides in multiples of {argument.alignment} bytes"
            raise KernelError(f"{where}: expected {wanted}, but got {stride * bytes_}")


@dataclass(frozen=True)
class _Layout:
    """Where a tensor's elements are, in bytes: `begin` to `end`, in runs of `run` bytes.

    Runs begin at multiples of `pitch` from the first one. If there is one run, it is 0.
    """

    begin: int
    end: int
    run: int
    pitch: int


def _layout(tensor: TensorView) -> _Layout:
    axes = sorted((abs(n), n, size) for size, n in zip(tensor.shape, tensor.strides) if size > 1)
    run, pitch, before, after = 1, 0, 0, 1
    for distance, signed, size in axes:
        if distance == run:
            run *= size
        else:
            pitch = math.gcd(pitch, distance)
        before += distance * (size - 1) * (signed < 0)
        after += distance * (size - 1) * (signed > 0)
    each = SIZES[tensor.type]
    begin = tensor.pointer - before * each
    return _Layout(begin, tensor.pointer + after * each, run * each, pitch * each)


def overlap(a: TensorView, b: TensorView) -> bool:
    """Whether two tensors may share bytes.

    Tensors whose extents overlap share none if they are columns of one matrix: all their runs
    begin at multiples of one distance, and within that distance they lie apart.
    """
    if 0 in a.shape or 0 in b.shape or not (a.pointer and b.pointer):
        return False
    first, second = sorted((_layout(a), _layout(b)), key=lambda layout: layout.begin)
    if second.begin >= first.end:
        return False
    pitch = math.gcd(first.pitch, second.pitch)
    between = (second.begin - first.begin) % pitch if pitch else 0
    return not first.run <= between <= pitch - second.run


def _is_torch(tensor: Any) -> bool:
    return type(tensor).__module__.split(".")[0] == "torch"


def _current_stream(tensors: Any, device: int) -> int:
    """torch's current stream if a tensor is torch's, else the default stream."""
    if any(_is_torch(tensor) for tensor in tensors):
        import torch

        return torch.cuda.current_stream(device).cuda_stream
    return 0


def stream_handle(stream: Any) -> int:
    """The number of a stream: torch's, CuPy's, of a library with `__cuda_stream__`, or a number."""
    if hasattr(stream, "__cuda_stream__"):
        return stream.__cuda_stream__()[1]
    for name in ("cuda_stream", "ptr"):
        if hasattr(stream, name):
            return getattr(stream, name)
    try:
        return operator.index(stream)
    except TypeError as error:
        raise KernelError(f"expected a CUDA stream, but got {stream!r}") from error


class Object(Mapping):
    """The kernels of a file, by name.

    Kernels that were launched stay on their devices until `close`. Garbage collection does not
    unload them, because they may still run, or be part of a CUDA graph.
    """

    _kernel_class = Kernel

    def __init__(self, path: str | os.PathLike[str]) -> None:
        handle = _P()
        _call("object_open", os.fsencode(path), ctypes.byref(handle))
        self.path = os.fspath(path)
        self._handle: int | None = handle.value
        self._state = {"used": False}
        self._finalizer = weakref.finalize(self, _drop, handle.value, self._state)
        self._finalizer.atexit = False
        self._kernels: dict[str, Kernel] = {}
        for i in range(_library().basin_rt_object_kernel_count(handle)):
            _call("object_kernel", self._handle, i, ctypes.byref(handle_ := _P()))
            kernel = self._kernel_class(self, handle_.value)
            self._kernels[kernel.name] = kernel
        self._by_spec = {_key(k.family, k.spec): k for k in self._kernels.values() if k.family}

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """All kernels, in the file's order."""
        return tuple(self._kernels.values())

    def __getitem__(self, name: str) -> Kernel:
        return self._kernels[name]

    def find(self, family: str, spec: Mapping[str, bool | float | str]) -> Kernel | None:
        """The kernel that was made from this spec; None if there is none."""
        return self._by_spec.get(_key(family, spec))

    def __iter__(self) -> Iterator[str]:
        return iter(self._kernels)

    def __len__(self) -> int:
        return len(self._kernels)

    def close(self) -> None:
        """Wait for the devices, then unload and free. Its kernels cannot be launched any more."""
        if self._handle is not None:
            self._finalizer.detach()
            handle, self._handle = self._handle, None
            _library().basin_rt_object_free(handle)

    def __enter__(self) -> Object:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _used(self) -> bool:
        return self._state["used"]

    @_used.setter
    def _used(self, value: bool) -> None:
        self._state["used"] = value


def _key(family: str, spec: Mapping[str, bool | float | str]) -> tuple[str, frozenset[Any]]:
    return family, frozenset(spec.items())


def _drop(handle: int, state: Mapping[str, bool]) -> None:
    if not state["used"]:
        _library().basin_rt_object_free(handle)


def load(path: str | os.PathLike[str], driver: str | os.PathLike[str] | None = None) -> Object:
    """Read the kernel object at `path`.

    `driver` is a file to use instead of libcuda.so.1. It is used for the whole process, and must be
    given before the first launch.
    """
    if driver is not None:
        _call("use_driver", os.fsencode(driver))
    return Object(path)


def use_cublaslt(path: str | os.PathLike[str]) -> None:
    """Use the cuBLASLt at `path`, of CUDA 12 or 13, instead of the one that the system finds.

    It is used for the whole process, and must be given before the first product.
    """
    _call("use_cublaslt", os.fsencode(path))


def check_product(
    look: Any, tensors: Mapping[str, Any], alpha: float, allow_tf32: bool
) -> tuple[Product, dict[str, TensorView]]:
    """Describe the product of tensors that `look` views, or raise what is wrong with it."""
    try:
        views = look_at(look, tensors)
        described = describe(views, alpha, allow_tf32)
    except TensorError as error:
        raise KernelError(f"product: {error}") from error
    _call("product_check", ctypes.byref(described))
    return described, views


def product(
    a: Any,
    b: Any,
    out: Any,
    bias: Any = None,
    alpha: float = 1.0,
    stream: Any = None,
    allow_tf32: bool = False,
) -> None:
    """Write c = alpha * a b + bias into `out`, by cuBLASLt. Messages call it 'c'.

    Factors are f32, f16 or bf16, of shapes [.., m, k] and [.., k, n] whose batches are broadcast.
    `out` has their type or f32, and `bias` is [n] of the type of `out`. Sums are f32, and f32
    factors are not rounded to TF32 unless that is allowed. Streams and lifetimes are those of a
    kernel's launch. Tensors of torch get the workspace that NVIDIA advises; others get none, which
    leaves cuBLASLt fewer algorithms.
    """
    tensors = {"a": a, "b": b, "c": out, "bias": bias}
    described, views = check_product(view, tensors, alpha, allow_tf32)
    device = _common_device("product:", views)
    handle = _current_stream(tensors.values(), device) if stream is None else stream_handle(stream)
    pointer, size = None, 0
    if _is_torch(out) and 0 not in views["c"].shape:
        workspace = _workspace(device, handle)
        pointer, size = workspace.data_ptr(), workspace.numel()
    _call("product_run", ctypes.byref(described), device, handle, pointer, size)


def on_stream(device: int, handle: int) -> Any:
    """Make a stream torch's current one, so that torch uses memory again in the stream's order."""
    import torch

    # With null, torch keeps its own current stream.
    current = torch.cuda.current_stream(device).cuda_stream == handle
    return torch.cuda.stream(None if current else torch.cuda.ExternalStream(handle, device=device))


def _workspace(device: int, handle: int) -> Any:
    """A tensor of torch, whose memory is used again in the order of the stream."""
    import torch

    size = ctypes.c_uint64()
    _call("product_workspace", device, ctypes.byref(size))
    with on_stream(device, handle):
        return torch.empty(size.value, dtype=torch.uint8, device=f"cuda:{device}")
