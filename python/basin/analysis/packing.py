"""Packs long lists of numbers of a statistics file into text of a fifth of their size, losslessly.

A list becomes an object: `{"f8": TEXT, "shape": [N]}`. The key is i8 for whole numbers, the shape
`[R, C]` for lists of equal lengths, and `"ragged": true` says that an entry is a number or a list
of several. TEXT is base 85 of zlib of the little-endian bytes, with all first bytes before all
second ones: in that order exponents, and zeros at the ends of numbers, are next to each other. NaN
stands for null, and for a missing element.
"""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np

LEAST = 64
MOST = 1 << 24
KINDS = {"f8": np.dtype("<f8"), "i8": np.dtype("<i8")}


def pack(value: Any) -> Any:
    """A copy of the value with its long lists packed."""
    if isinstance(value, dict):
        return {key: pack(one) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    packed = _packed(value)
    return [pack(one) for one in value] if packed is None else packed


def mark_long_lists(value: Any, mark: str) -> Any:
    """A copy of the value in which each list that `pack` would pack is the text `mark`."""
    if isinstance(value, dict):
        return {key: mark_long_lists(one, mark) for key, one in value.items()}
    if not isinstance(value, list):
        return value
    return [mark_long_lists(one, mark) for one in value] if _packed(value) is None else mark


def fill_marks(value: Any, mark: str, source: Any) -> Any:
    """A copy of the value with `source`'s parts where `mark` stands.

    Raises ValueError if the two differ in structure.
    """
    if value == mark:
        return source
    if isinstance(value, dict) and isinstance(source, dict) and value.keys() <= source.keys():
        return {key: fill_marks(one, mark, source[key]) for key, one in value.items()}
    if isinstance(value, list) and isinstance(source, list) and len(value) == len(source):
        return [fill_marks(one, mark, other) for one, other in zip(value, source)]
    if isinstance(value, (dict, list)):
        raise ValueError("the metrics do not match the accumulators")
    return value


def has_mark(value: Any, mark: str) -> bool:
    """Whether `mark` stands somewhere in the value."""
    if isinstance(value, dict):
        return any(has_mark(one, mark) for one in value.values())
    if isinstance(value, list):
        return any(has_mark(one, mark) for one in value)
    return bool(value == mark)


def _packed(values: list[Any]) -> dict[str, Any] | None:
    """The packed list, or None if it is short or has other elements than numbers."""
    rows = [one if isinstance(one, list) else [one] for one in values]
    width = max(map(len, rows), default=0)
    if not LEAST <= len(rows) * width <= MOST:
        return None
    kinds = {type(one) for row in rows for one in row}
    if not isinstance(values[0], list) and width == 1 and kinds == {int}:
        whole = np.array(values, object)
        if all(-(2**63) <= one < 2**63 for one in values):
            return {"i8": _text(whole.astype("<i8")), "shape": [len(values)]}
        return None
    if not kinds <= {float, type(None)} or not all(
        one is None or math.isfinite(one) for row in rows for one in row
    ):
        return None
    lists = sum(isinstance(one, list) for one in values)
    if lists == 0:
        return {"f8": _text(_floats(values)), "shape": [len(values)]}
    if lists == len(values) and all(len(row) == width for row in rows):
        return {"f8": _text(_floats(rows)), "shape": [len(rows), width]}
    # In a ragged list one number is read as a number, and NaN means that there is no element.
    if any(isinstance(one, list) and len(one) < 2 for one in values) or type(None) in kinds:
        return None
    padded = [row + [None] * (width - len(row)) for row in rows]
    return {"f8": _text(_floats(padded)), "shape": [len(rows), width], "ragged": True}


def _floats(values: list[Any]) -> np.ndarray:
    return np.array(values, "<f8")  # None becomes NaN.


def _text(array: np.ndarray) -> str:
    planes = array.reshape(-1, 1).view(np.uint8).T
    return base64.b85encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def unpack(value: Any) -> Any:
    """Restores what `pack` was given. Raises ValueError for packed lists that are invalid."""
    if isinstance(value, list):
        return [unpack(one) for one in value]
    if not isinstance(value, dict):
        return value
    kind = next((kind for kind in KINDS if kind in value and "shape" in value), None)
    return {key: unpack(one) for key, one in value.items()} if kind is None else _list(value, kind)


def _list(value: dict[str, Any], kind: str) -> list[Any]:
    text, shape = value[kind], value["shape"]
    if not isinstance(text, str) or not isinstance(shape, list) or len(shape) not in (1, 2):
        raise ValueError("expected a text and a shape of one or two sizes as a packed list")
    if any(type(size) is not int or not 0 < size <= MOST for size in shape):
        raise ValueError(f"expected sizes of a packed list from 1 to {MOST}, but got {shape}")
    count = math.prod(shape)
    size = count * KINDS[kind].itemsize
    if count > MOST:
        raise ValueError(f"expected a packed list of at most {MOST} elements, but got {count}")
    try:
        data = zlib.decompressobj().decompress(base64.b85decode(text), size + 1)
    except zlib.error as error:
        raise ValueError(f"a packed list cannot be unpacked: {error}") from None
    if len(data) != size:
        raise ValueError(f"expected {count} elements in a packed list, but got another number")
    planes = np.frombuffer(data, np.uint8).reshape(KINDS[kind].itemsize, count)
    array: np.ndarray = np.ascontiguousarray(planes.T).view(KINDS[kind]).reshape(shape)
    rows: list[Any] = array.tolist()
    if kind == "i8":
        return rows
    if value.get("ragged") is True and len(shape) == 2:
        kept = [[one for one in row if one == one] for row in rows]
        return [row if len(row) > 1 else row[0] if row else 0.0 for row in kept]
    if len(shape) == 1:
        return [None if one != one else one for one in rows]
    return [[None if one != one else one for one in row] for row in rows]
