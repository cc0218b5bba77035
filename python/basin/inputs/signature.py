"""Facts about a model's inputs from its signature and graph: roles by name, bounds of indices.

Shared by the random inputs of `basin verify` and the data of `basin analyze`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo

from basin.errors import VerifyError

if TYPE_CHECKING:
    import onnxruntime as ort


@dataclass(frozen=True)
class Input:
    """An input, with the members of ONNX Runtime's NodeArg, which would keep its session alive."""

    name: str
    type: str
    shape: list[int | str | None]


def list_inputs(session: ort.InferenceSession) -> list[Input]:
    """The inputs of a session."""
    return [Input(one.name, one.type, list(one.shape)) for one in session.get_inputs()]


@dataclass(frozen=True)
class Facts:
    """Facts that the graph tells: bounds of index inputs, and whether the batch has to be one.

    `metadata` is the model's metadata_props, `files` are the names of the files beside it that hold
    tensors, and `parameters` is the number of elements of its tensors without scalars and indices.
    """

    bounds: dict[str, int]
    batch: int
    metadata: dict[str, str]
    files: list[str]
    parameters: int


def is_past(name: str) -> bool:
    """Whether an input of this name holds keys or values of earlier tokens."""
    return "past" in name and "len" not in name


def lengths_of(name: str, past: int, new: int) -> int | None:
    """The value of an input that tells lengths, as GroupQueryAttention's do. None for others."""
    lengths = {"total_seq": past + new, "past_seq": past, "seqlens_k": past + new - 1}
    return next((length for key, length in lengths.items() if key in name.lower()), None)


# Ops through which an index keeps its value.
_SAME_VALUE = {"Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Expand"}


def read_facts(path: str | os.PathLike[str]) -> Facts:
    """Read what the graph of the model at `path` says; external data stays unread.

    Raises VerifyError where the file is no model.
    """
    try:
        model = onnx.load(os.fspath(path), format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise VerifyError(f"{path}: not an ONNX model: {error}") from None
    bounds: dict[str, int] = {}
    names = {i.name: i.name for i in model.graph.input}
    rows: dict[str, int] = {}
    single = False
    for node in _walk(model.graph, rows):
        single = single or _takes_one_sequence(node)
        if node.op_type in _SAME_VALUE and node.input and node.input[0] in names:
            names[node.output[0]] = names[node.input[0]]
        for table, index in _lookups(node):
            if table in rows and index in names:
                source = names[index]
                bounds[source] = min(bounds.get(source, rows[table]), rows[table])
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    tensors = list(_tensors(model.graph))
    files = {ExternalDataInfo(t).location for t in tensors if t.data_location == t.EXTERNAL}
    parameters = sum(math.prod(t.dims) for t in tensors if t.dims and t.data_type not in _INDEX)
    return Facts(bounds, 1 if single else 2, metadata, sorted(files), parameters)


_INDEX = (onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield the initializers of a graph and its subgraphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from _tensors(inner)


def _takes_one_sequence(node: onnx.NodeProto) -> bool:
    """Whether ONNX Runtime refuses this node for most batches.

    With a past and several new tokens, GroupQueryAttention takes only one sequence. Rotation
    without position ids needs tables of the full batch, but exporters write them for one.
    """
    if node.op_type == "GroupQueryAttention":
        return True
    return node.op_type == "RotaryEmbedding" and not node.domain and len(node.input) < 4


def _walk(graph: onnx.GraphProto, rows: dict[str, int]) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and its subgraphs; note the row count of every table seen."""
    for tensor in graph.initializer:
        if tensor.dims:
            rows[tensor.name] = tensor.dims[0]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "value" and attribute.t.dims:
                rows[node.output[0]] = attribute.t.dims[0]
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                yield from _walk(inner, rows)


def _lookups(node: onnx.NodeProto) -> list[tuple[str, str]]:
    """Return (table, index) pairs of a node that looks rows up."""
    if node.op_type == "Gather" and all(a.name != "axis" or a.i == 0 for a in node.attribute):
        return [(node.input[0], node.input[1])]
    if node.op_type == "EmbedLayerNormalization" and len(node.input) > 3:
        pairs = [(node.input[2], node.input[0])]
        return pairs + [(node.input[4], node.input[1])] * (len(node.input) > 4)
    if node.op_type == "RotaryEmbedding":
        at = 1 if node.domain == "com.microsoft" else 3
        return [(node.input[2], node.input[at])] if len(node.input) > at else []
    return []
