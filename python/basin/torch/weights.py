"""Writes trained weights into a copy of the model's file.

A tensor keeps its type and shape, and so its size: its bytes are written over the old ones, in the
file itself or in the file of external data, and all other bytes stay as they are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from basin._basin import BasinError
from basin.output.files import write_whole
from basin.torch.module import Module

__all__ = ["save"]

# Fields of ModelProto, GraphProto and TensorProto.
_GRAPH, _INITIALIZER = 7, 5
_NAME, _RAW_DATA, _FLOAT_DATA, _DOUBLE_DATA = 8, 9, 4, 10
_WIRE_VARINT, _WIRE_64, _WIRE_BYTES, _WIRE_32 = 0, 1, 2, 5


@dataclass(frozen=True)
class _Span:
    """Where bytes stand in a file."""

    start: int
    size: int


def save(module: Module, target: str | os.PathLike[str]) -> None:
    """Write the module's model with its weights as they are now.

    What did not change has the bytes of the file that was loaded. External data are written beside
    the target under their own names. Raises BasinError where a tensor cannot be written, and then
    writes nothing.
    """
    source, path = module.source, Path(target)
    proto = onnx.load(source, load_external_data=False)
    state = _find_state(module)
    content = bytearray(source.read_bytes())
    places = dict(_find_places(bytes(content)))
    external: dict[str, list[tuple[int, bytes]]] = {}
    rewritten: dict[str, bytes] = {}
    for tensor in proto.graph.initializer:
        if tensor.name not in state:
            continue
        data = _to_bytes(state[tensor.name], tensor)
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            entries = {one.key: one.value for one in tensor.external_data}
            where = int(entries.get("offset", 0))
            external.setdefault(entries["location"], []).append((where, data))
            continue
        span = places.get(tensor.name)
        if span is None or span.size != len(data):
            rewritten[tensor.name] = data
        elif content[span.start : span.start + span.size] != data:
            content[span.start : span.start + span.size] = data
    made = _store_raw(bytes(content), rewritten) if rewritten else bytes(content)
    _write_external(source, path, proto, external)
    write_whole(path, made)


def _store_raw(content: bytes, tensors: Mapping[str, bytes]) -> bytes:
    """The model with tensors as raw data that were lists of integers, as f16 may be stored."""
    model = onnx.load_from_string(content)
    changed = False
    for tensor in model.graph.initializer:
        if tensor.name in tensors:
            old = onnx.numpy_helper.to_array(tensor)
            if old.tobytes() != tensors[tensor.name]:
                changed = True
                del tensor.int32_data[:], tensor.float_data[:], tensor.double_data[:]
                tensor.raw_data = tensors[tensor.name]
    serialized: bytes = model.SerializeToString()
    return serialized if changed else content


def _find_state(module: Module) -> dict[str, torch.Tensor]:
    """The tensors by their names in the file, as they are now."""
    state = module.state_dict()
    return {name: state[key].detach().cpu() for key, name in module.names.items()}


def _to_bytes(value: torch.Tensor, tensor: onnx.TensorProto) -> bytes:
    """The numbers in the byte order of ONNX, which is little-endian."""
    if list(value.shape) != list(tensor.dims):
        raise BasinError(
            f"tensor '{tensor.name}': expected the shape {list(tensor.dims)}, but got "
            f"{list(value.shape)}"
        )
    flat = value.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes, span: _Span) -> Iterator[tuple[int, int, _Span]]:
    """The fields of a message: number, wire type, and where the value stands."""
    at, end = span.start, span.start + span.size
    while at < end:
        key, at = _read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _WIRE_BYTES:
            size, at = _read_varint(data, at)
        elif wire == _WIRE_VARINT:
            _, after = _read_varint(data, at)
            size = after - at
        elif wire in (_WIRE_64, _WIRE_32):
            size = 8 if wire == _WIRE_64 else 4
        else:
            raise BasinError(f"a field of wire type {wire} at byte {at}")
        yield number, wire, _Span(at, size)
        at += size


def _find_places(data: bytes) -> Iterator[tuple[str, _Span]]:
    """Where the numbers of each initializer of the main graph stand, if they are in one piece."""
    for number, wire, graph in _fields(data, _Span(0, len(data))):
        if number != _GRAPH or wire != _WIRE_BYTES:
            continue
        for inner, kind, tensor in _fields(data, graph):
            if inner != _INITIALIZER or kind != _WIRE_BYTES:
                continue
            name = ""
            pieces = []
            for field, form, span in _fields(data, tensor):
                if field == _NAME:
                    name = data[span.start : span.start + span.size].decode("utf-8")
                elif field in (_RAW_DATA, _FLOAT_DATA, _DOUBLE_DATA) and form == _WIRE_BYTES:
                    pieces.append(span)
            if len(pieces) == 1:
                yield name, pieces[0]


def _write_external(
    source: Path,
    target: Path,
    proto: onnx.ModelProto,
    changes: Mapping[str, list[tuple[int, bytes]]],
) -> None:
    """Copy the files of external data beside the target, with the changed bytes."""
    names = set()
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            names |= {one.value for one in tensor.external_data if one.key == "location"}
    for name in sorted(names):
        old, new = source.parent / name, target.parent / name
        if new.exists() and not new.samefile(old):
            raise BasinError(f"{new}: external data of this name exist; give another folder")
        same = new.exists()
        made = new.with_name(f".{new.name}.part")
        try:
            shutil.copyfile(old, made)
            with open(made, "r+b") as stream:
                for offset, data in changes.get(name, ()):
                    stream.seek(offset)
                    stream.write(data)
            if same and not changes.get(name):
                continue
            os.replace(made, new)
        finally:
            made.unlink(missing_ok=True)
