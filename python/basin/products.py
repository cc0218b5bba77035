"""Describes matrix products of tensors for the C API: c = alpha * a b + bias.

`basin.runtime` and `basin.emulator` share it, so both refuse the same tensors for the same reasons.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

from basin.tensors import TensorError, TensorView

__all__ = ["Product", "describe", "look_at"]

MAX_BATCH = 4
TYPES = ("f32", "f16", "bf16")


class Matrix(ctypes.Structure):
    """The C API's basin_rt_matrix."""

    _fields_ = [
        ("pointer", ctypes.c_void_p),
        ("row_stride", ctypes.c_int64),
        ("column_stride", ctypes.c_int64),
        ("batch_strides", ctypes.c_int64 * MAX_BATCH),
    ]


class Product(ctypes.Structure):
    """The C API's basin_rt_product."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("result_type", ctypes.c_int),
        ("m", ctypes.c_int64),
        ("n", ctypes.c_int64),
        ("k", ctypes.c_int64),
        ("batch_rank", ctypes.c_uint32),
        ("allow_tf32", ctypes.c_int32),
        ("batch", ctypes.c_int64 * MAX_BATCH),
        ("a", Matrix),
        ("b", Matrix),
        ("c", Matrix),
        ("bias", ctypes.c_void_p),
        ("alpha", ctypes.c_float),
    ]


def look_at(look: Callable[[Any], TensorView], tensors: Mapping[str, Any]) -> dict[str, TensorView]:
    """View the tensors that are not None. Raises a TensorError that names the wrong one."""
    views = {}
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        try:
            views[name] = look(tensor)
        except TensorError as error:
            raise TensorError(f"'{name}': {error}") from error
        if views[name].type not in TYPES:
            expected = "expected a tensor of f32, f16 or bf16"
            raise TensorError(f"'{name}': {expected}, but got {views[name].type}")
        if any(stride != int(stride) for stride in views[name].strides):
            raise TensorError(f"'{name}': expected strides of whole elements")
    return views


def describe(views: Mapping[str, TensorView], alpha: float, allow_tf32: bool) -> Product:
    """Describe a product of views named a, b, c and perhaps bias. The C API checks the rest."""
    a, b, c = (views[name] for name in "abc")
    batch = _check_shapes(views)
    product = Product()
    product.type, product.result_type = TYPES.index(a.type), TYPES.index(c.type)
    (product.m, product.k), product.n = a.shape[-2:], b.shape[-1]
    product.batch_rank = len(batch)
    product.batch[: len(batch)] = batch
    product.a, product.b, product.c = (_matrix(view, batch) for view in (a, b, c))
    product.allow_tf32 = bool(allow_tf32)
    if "bias" in views:
        product.bias = views["bias"].pointer
    try:
        product.alpha = float(alpha)
    except (TypeError, ValueError) as error:
        raise TensorError(f"'alpha': expected a number, but got {alpha!r}") from error
    return product


def _check_shapes(views: Mapping[str, TensorView]) -> tuple[int, ...]:
    """Refuse shapes and types that do not fit each other. Returns the shape of the batch."""
    a, b, c = (views[name] for name in "abc")
    for name in "abc":
        if len(views[name].shape) < 2:
            raise TensorError(f"'{name}': expected at least 2 axes, but got {views[name].shape}")
    if b.type != a.type:
        raise TensorError(f"'b': expected a tensor of {a.type}, as 'a' is, but got {b.type}")
    if b.shape[-2] != a.shape[-1]:
        raise TensorError(f"'b': expected {a.shape[-1]} rows, but got {b.shape[-2]}")
    batch = _broadcast(a.shape[:-2], b.shape[:-2])
    if len(batch) > MAX_BATCH:
        raise TensorError(f"expected at most {MAX_BATCH} axes of the batch, but got {len(batch)}")
    expected = (*batch, a.shape[-2], b.shape[-1])
    if c.shape != expected:
        raise TensorError(f"'c': expected the shape {expected}, but got {c.shape}")
    if c.read_only:
        raise TensorError("'c': the product writes it, but it is read-only")
    bias = views.get("bias")
    if bias is not None:
        if bias.type != c.type:
            raise TensorError(f"'bias': expected a tensor of {c.type}, but got {bias.type}")
        if bias.shape != c.shape[-1:] or not bias.contiguous:
            wanted = f"a contiguous tensor of the shape {c.shape[-1:]}"
            raise TensorError(f"'bias': expected {wanted}, but got {bias.shape}")
    return batch


def _broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(first), len(second))
    first, second = ((1,) * (rank - len(shape)) + shape for shape in (first, second))
    for one, other in zip(first, second):
        if one != other and 1 not in (one, other):
            raise TensorError(f"expected batches that fit, but got {first} and {second}")
    return tuple(other if one == 1 else one for one, other in zip(first, second))


def _matrix(view: TensorView, batch: tuple[int, ...]) -> Matrix:
    """The matrix of a view. It is repeated along axes of the batch that it lacks or has once."""
    *strides, rows, columns = (int(stride) for stride in view.strides)
    out = Matrix(view.pointer, rows, columns)
    first = len(batch) - len(strides)
    for axis, stride in enumerate(strides, first):
        repeats = view.shape[axis - first] == 1 and batch[axis] != 1
        out.batch_strides[axis] = 0 if repeats else stride
    return out
