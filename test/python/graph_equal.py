"""Exact comparison of two ONNX models, with differences that a person can read.

Every field of every message counts: names, doc strings, metadata, value infos, types, functions,
opset imports, training info, and fields that this file has never heard of. Two things do not: the
order of a node's attributes (they are named), and how a tensor stores its elements (raw bytes or
typed fields; the values have to be the same bits).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from onnx import TensorProto, numpy_helper

_STORAGE = {"raw_data", "float_data", "int32_data", "string_data", "int64_data"}
_STORAGE |= {"double_data", "uint64_data"}


def diff_models(a: Message, b: Message, *, presence: bool = True, limit: int = 20) -> list[str]:
    """Return at most `limit` differences of two messages (usually ModelProtos), or none if equal.

    With `presence` a field that is set to its default differs from one that is not set. Without it,
    they differ only if that has a meaning (messages, and the alternatives of a oneof).
    """
    found: list[str] = []
    for difference in _messages(type(a).__name__, a, b, presence):
        found.append(difference)
        if len(found) == limit:
            break
    return found


def _messages(path: str, a: Message, b: Message, presence: bool) -> Iterator[str]:
    skip: set[str] = set()
    if isinstance(a, TensorProto) and _is_decoded(a) and _is_decoded(b):
        yield from _elements(path, a, b)
        skip = _STORAGE
    for field in a.DESCRIPTOR.fields:
        if field.name not in skip:
            yield from _field(f"{path}.{field.name}", field, a, b, presence)
    if _unknown(a) != _unknown(b):
        yield f"{path}: fields that this version of the format does not know differ"


def _unknown(message: Message) -> list[tuple[int, int, object]]:
    """The unknown fields of a message as (number, wire type, data)."""
    try:
        from google.protobuf.unknown_fields import UnknownFieldSet
    except ImportError:
        return []
    return [(f.field_number, f.wire_type, f.data) for f in UnknownFieldSet(message)]


def _field(
    path: str, field: FieldDescriptor, a: Message, b: Message, presence: bool
) -> Iterator[str]:
    x, y = getattr(a, field.name), getattr(b, field.name)
    if field.is_repeated:
        yield from _repeated(path, field, x, y, presence, a)
        return
    matters = presence or field.message_type or field.containing_oneof
    if matters and a.HasField(field.name) != b.HasField(field.name):
        sides = ["set" if m.HasField(field.name) else "not set" for m in (a, b)]
        yield f"{path}: {sides[0]} against {sides[1]}"
    elif field.message_type is not None:
        if a.HasField(field.name):
            yield from _messages(path, x, y, presence)
    elif not _same(field, x, y):
        yield f"{path}: {_short(x)} against {_short(y)}"


def _repeated(
    path: str, field: FieldDescriptor, x, y, presence: bool, owner: Message
) -> Iterator[str]:
    if field.message_type is None:
        if len(x) != len(y) or not all(_same(field, p, q) for p, q in zip(x, y, strict=True)):
            yield f"{path}: {_short(list(x))} against {_short(list(y))}"
        return
    left, right = list(x), list(y)
    if isinstance(owner, onnx.NodeProto) and field.name == "attribute":
        left.sort(key=lambda attribute: attribute.name)
        right.sort(key=lambda attribute: attribute.name)
    if len(left) != len(right):
        yield f"{path}: {len(left)} against {len(right)} elements{_only(left, right)}"
    for index, (p, q) in enumerate(zip(left, right, strict=False)):
        yield from _messages(f"{path}[{index}]{_label(p)}", p, q, presence)


def _only(left: list[Message], right: list[Message]) -> str:
    """Name the elements that only one side has."""
    names = [{_label(m) for m in side} - {""} for side in (left, right)]
    parts = [
        f"; only the {side}: {', '.join(sorted(extra)[:3])}"
        for side, extra in (("first", names[0] - names[1]), ("second", names[1] - names[0]))
        if extra
    ]
    return "".join(parts)


def _label(message: Message) -> str:
    """A name for an element of a list: " (MatMul 'name')", or nothing."""
    parts = [getattr(message, "op_type", ""), getattr(message, "key", "")]
    name = getattr(message, "name", "")
    parts.append(f"'{name}'" if name else "")
    text = " ".join(part for part in parts if part)
    return f" ({text})" if text else ""


def _same(field: FieldDescriptor, x: object, y: object) -> bool:
    """Equality of scalars. Floats are compared by bits, so NaN equals itself and -0 is not +0."""
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return struct.pack("<d", x) == struct.pack("<d", y)
    return x == y


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_decoded(tensor: TensorProto) -> bool:
    return tensor.data_location != TensorProto.EXTERNAL and not tensor.HasField("segment")


def _elements(path: str, a: TensorProto, b: TensorProto) -> Iterator[str]:
    """Compare the elements of two tensors of the same type and shape."""
    if a.data_type != b.data_type or list(a.dims) != list(b.dims):
        return  # these fields are compared by themselves
    try:
        x, y = _decode(a), _decode(b)
    except Exception as error:  # a tensor with too few bytes, or of a type that numpy lacks
        if any(getattr(a, name) != getattr(b, name) for name in _STORAGE):
            yield f"{path}: elements differ as stored, and cannot be decoded ({error})"
        return
    if isinstance(x, list) or isinstance(y, list):
        if x != y:
            yield f"{path}: elements {_short(x)} against {_short(y)}"
        return
    if x.tobytes() == y.tobytes():
        return
    width = x.dtype.itemsize
    rows = [np.frombuffer(v.tobytes(), np.uint8).reshape(-1, width) for v in (x, y)]
    index = int(np.argmax(np.any(rows[0] != rows[1], axis=1)))
    yield f"{path}: element {index} is {x.reshape(-1)[index]} against {y.reshape(-1)[index]}"


def _decode(tensor: TensorProto) -> np.ndarray | list[bytes]:
    if tensor.data_type == TensorProto.STRING:
        return list(tensor.string_data)
    if tensor.data_type == TensorProto.UNDEFINED:
        return [getattr(tensor, name) for name in sorted(_STORAGE)]
    return np.ascontiguousarray(numpy_helper.to_array(tensor))
