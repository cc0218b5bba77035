"""Protobuf's wire format by hand, for messages that its own library does not write."""

from __future__ import annotations

from collections.abc import Sequence


def varint(number: int) -> bytes:
    """A base-128 number."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def integer(tag: int, number: int) -> bytes:
    """A field of wire type 0."""
    return varint(tag << 3) + varint(number)


def message(tag: int, data: bytes) -> bytes:
    """A field of wire type 2."""
    return varint(tag << 3 | 2) + varint(len(data)) + data


def deep(inner: bytes, tags: Sequence[int], levels: int) -> bytes:
    """`inner` inside `levels` times the fields `tags`, innermost first."""
    heads, size = [], len(inner)
    for _ in range(levels):
        for tag in tags:
            heads.append(varint(tag << 3 | 2) + varint(size))
            size += len(heads[-1])
    return b"".join(reversed(heads)) + inner
