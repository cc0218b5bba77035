"""Models that an attacker might make, and the words that the refusal must contain.

Each case builds the bytes of a model, and may put files into the model's folder. The one line of
the diagnostic must contain all texts in `reasons`. A case without reasons is odd but valid, and
must come back unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper
from wire import deep, integer, message

Build = Callable[[Path], bytes]
FLOAT = TensorProto.FLOAT


@dataclass(frozen=True)
class Case:
    """A model, and the texts that the diagnostic must contain."""

    name: str
    build: Build = field(repr=False)
    reasons: tuple[str, ...] = ()


CASES: list[Case] = []


def case(*reasons: str, name: str | None = None) -> Callable[[Build], Build]:
    """Register the function below as a case."""

    def register(build: Build) -> Build:
        CASES.append(Case(name or build.__name__, build, reasons))
        return build

    return register


def value(name: str, shape: list[int | str] | None = None, kind: int = FLOAT):
    """A ValueInfoProto, by default of shape [2]."""
    return helper.make_tensor_value_info(name, kind, [2] if shape is None else shape)


def relu(source: str = "x", target: str = "y", name: str = "n") -> NodeProto:
    """A node with one input and one output."""
    return helper.make_node("Relu", [source], [target], name=name)


def model(nodes=None, inputs=None, outputs=None, initializers=(), **fields) -> ModelProto:
    """A model; by default y = Relu(x)."""
    graph = helper.make_graph(
        [relu()] if nodes is None else nodes,
        "g",
        [value("x")] if inputs is None else inputs,
        [value("y")] if outputs is None else outputs,
        initializers,
    )
    opsets = fields.pop("opsets", [("", 21)])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in opsets])
    made.ir_version = 10
    made.functions.extend(fields.pop("functions", ()))
    assert not fields
    return made


def tensor(name: str = "w", dims=(2,), raw: bytes | None = None, kind: int = FLOAT) -> TensorProto:
    """An initializer with unchecked fields."""
    made = TensorProto(name=name, data_type=kind, dims=dims)
    if raw is not None:
        made.raw_data = raw
    return made


def weighted(made: TensorProto) -> bytes:
    """y = x + w."""
    add = helper.make_node("Add", ["x", made.name], ["y"], name="n")
    return model([add], initializers=[made]).SerializeToString()


def bad_tensor(name: str, made: Callable[[], TensorProto], *reasons: str) -> None:
    """A case whose initializer is wrong."""
    CASES.append(Case(name, lambda _: weighted(made()), ("initializer 'w'", *reasons)))


# Not a model at all.


@case("model.onnx", "no graph")
def empty_file(_):
    return b""


@case("model.onnx")
def text_file(_):
    return b"# this is a text file, not a model\n" * 10


@case("model.onnx", "truncated")
def truncated(_):
    return model().SerializeToString()[:-3]


@case("model", "no graph")
def no_graph(_):
    return ModelProto(ir_version=10, opset_import=[helper.make_opsetid("", 21)]).SerializeToString()


@case("model.onnx", "wire type")
def graph_is_a_number(_):
    return integer(1, 10) + integer(7, 5)


@case("model.onnx", "wire type")
def ir_version_is_a_text(_):
    return message(1, b"ten") + model().SerializeToString()


@case("model.onnx")
def varint_without_end(_):
    return b"\x08" + b"\xff" * 11 + model().SerializeToString()


@case("model.onnx", "truncated")
def length_overflows(_):
    return b"\x3a" + b"\xff" * 9 + b"\x01"


@case("model.onnx", "deeper")
def deep_subgraphs(_):
    graph = model().graph.SerializeToString()
    return integer(1, 10) + message(7, deep(graph, (6, 5, 1), 10_000))


@case("model.onnx", "deeper")
def deep_sequence_type(_):
    kind = deep(b"", (1, 4), 10_000)
    info = message(1, b"x") + message(2, kind)
    return integer(1, 10) + message(7, message(11, info))


# Opsets.


@case("model", "imports no opset")
def no_opset(_):
    return model(opsets=[]).SerializeToString()


@case("model", "domain ''", "imported twice", "21 and 17")
def opset_twice(_):
    return model(opsets=[("", 21), ("ai.onnx", 17)]).SerializeToString()


@case()
def opset_twice_alike(_):
    return model(opsets=[("", 21), ("ai.onnx", 21), ("", 21)]).SerializeToString()


@case("model", "opset version", "-1")
def opset_negative(_):
    return model(opsets=[("", -1)]).SerializeToString()


@case("model", "opset version", "1099511627776")
def opset_huge(_):
    return model(opsets=[("", 1 << 40)]).SerializeToString()


# Tensors.

bad_tensor("no_data", lambda: tensor(), "expected elements")
bad_tensor("raw_short", lambda: tensor(raw=b"\0" * 7), "expected 8 bytes", "got 7")
bad_tensor("raw_long", lambda: tensor(raw=b"\0" * 9), "expected 8 bytes", "got 9")
bad_tensor(
    "typed_short",
    lambda: helper.make_tensor("w", FLOAT, [1], [0.0]).__class__(
        name="w", data_type=FLOAT, dims=[2], float_data=[0.0]
    ),
    "expected elements",
)
bad_tensor("size_overflows", lambda: tensor(dims=(1 << 33, 1 << 33), raw=b"\0" * 8), "elements")
bad_tensor("bytes_overflow", lambda: tensor(dims=((1 << 62) + 1,), raw=b"\0" * 4), "elements")
bad_tensor("size_huge", lambda: tensor(dims=(1 << 40,), raw=b"\0" * 8), "expected 4398046511104")
bad_tensor("size_negative", lambda: tensor(dims=(-2,), raw=b"\0" * 8), "got -2")
bad_tensor("zero_hides_overflow", lambda: tensor(dims=(0, 1 << 62, 1 << 62), raw=b"\0"), "got 1")
bad_tensor("element_type_unknown", lambda: tensor(raw=b"\0" * 8, kind=99), "element type 99")
bad_tensor("element_type_negative", lambda: tensor(raw=b"\0" * 8, kind=-1), "element type -1")
bad_tensor(
    "strings_missing",
    lambda: TensorProto(name="w", data_type=TensorProto.STRING, dims=[3], string_data=[b"a"]),
    "expected 3 strings",
)
bad_tensor(
    "strings_huge",
    lambda: TensorProto(name="w", data_type=TensorProto.STRING, dims=[1 << 60], string_data=[b"a"]),
    "strings",
)
bad_tensor(
    "raw_and_typed",
    lambda: TensorProto(name="w", data_type=FLOAT, dims=[2], float_data=[0, 0], raw_data=b"\0" * 8),
    "raw and typed",
)
bad_tensor(
    "wrong_typed_field",
    lambda: TensorProto(name="w", data_type=FLOAT, dims=[2], int64_data=[0, 0]),
    "expected elements",
)


def sparse(indices: list[int], dims: list[int], shape: list[int] | None = None) -> bytes:
    """A model with one sparse initializer of ones."""
    count = len(indices) if shape is None else shape[0]
    made = helper.make_sparse_tensor(
        helper.make_tensor("w", FLOAT, [count], np.ones(count, np.float32)),
        helper.make_tensor("i", TensorProto.INT64, shape or [count], indices),
        dims,
    )
    made.values.name = "w"
    nodes = [helper.make_node("Identity", ["w"], ["y"], name="n")]
    built = model(nodes, outputs=[value("y", dims)])
    built.graph.sparse_initializer.append(made)
    return built.SerializeToString()


for _name, _args, _reason in [
    ("sparse_index_beyond", ([1, 7], [4]), "index [7] is out of range"),
    ("sparse_index_negative", ([-1, 2], [4]), "index [-1] is out of range"),
    ("sparse_index_twice", ([2, 2], [4]), "index [2] does not follow"),
    ("sparse_coordinate_beyond", ([0, 5], [2, 3], [1, 2]), "index [0, 5] is out of range"),
    ("sparse_rank", ([0, 1, 2], [2, 3], [1, 3]), "[1, 2]"),
    ("sparse_size_overflows", ([0, 1], [1 << 40, 1 << 40]), "more elements"),
    ("sparse_size_negative", ([0, 1], [-4]), "got -4"),
]:
    CASES.append(Case(_name, lambda _, a=_args: sparse(*a), ("sparse initializer 'w'", _reason)))


@case()
def sparse_good(_):
    return sparse([0, 1, 1, 2], [2, 3], [2, 2])


# External data.


def external(location: str, folder: Path, offset: str | None = None, length: str | None = "8"):
    """A model whose weight, two floats, is in a file; `folder`/in holds 16 bytes."""
    (folder / "in").write_bytes(b"\0" * 16)
    made = tensor()
    made.data_location = TensorProto.EXTERNAL
    for key, entry in (("location", location), ("offset", offset), ("length", length)):
        if entry is not None:
            made.external_data.add(key=key, value=entry)
    return weighted(made)


def secret(folder: Path) -> Path:
    """A file beside the model's folder."""
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"\0" * 16)
    return outside


for _name, _args, _reason in [
    ("external_parent", ("../in", None), "leaves the model's folder"),
    ("external_parent_inside", ("a/../../in", None), "leaves the model's folder"),
    ("external_absolute", ("/etc/passwd", None), "absolute path"),
    ("external_no_location", ("", None), "not a file name"),
    ("external_nul", ("in\0x", None), "not a file name"),
    ("external_folder", (".", None), "external data '.'"),
    ("external_offset_beyond", ("in", "16"), "16 bytes"),
    ("external_offset_negative", ("in", "-8"), "count of bytes"),
    ("external_offset_overflows", ("in", "99999999999999999999"), "count of bytes"),
    ("external_offset_largest", ("in", str((1 << 63) - 1)), "16 bytes"),
    ("external_offset_text", ("in", "eight"), "count of bytes"),
    ("external_length_wrong", ("in", "0", "4"), "expected 8 bytes"),
    ("external_length_negative", ("in", "0", "-8"), "count of bytes"),
    ("external_length_overflows", ("in", "0", "18446744073709551624"), "count of bytes"),
    ("external_beyond_end", ("in", "12"), "need 8 more"),
]:
    CASES.append(
        Case(
            _name,
            lambda folder, a=_args: external(a[0], folder, *a[1:]),
            ("initializer 'w'", _reason),
        )
    )


@case("initializer 'w'", "link that leaves")
def external_link(folder):
    (folder / "link").symlink_to(secret(folder) / "secret")
    return external("link", folder)


@case("initializer 'w'", "link that leaves")
def external_linked_folder(folder):
    (folder / "sub").symlink_to(secret(folder))
    return external("sub/secret", folder)


@case("initializer 'w'", "cannot be found")
def external_link_to_itself(folder):
    (folder / "loop").symlink_to("loop")
    return external("loop", folder)


@case("initializer 'w'", "not a regular file")
def external_pipe(folder):
    os.mkfifo(folder / "pipe")
    return external("pipe", folder)


@case("initializer 'w'", "both in the model and in a file")
def external_and_raw(folder):
    made = ModelProto.FromString(external("in", folder))
    made.graph.initializer[0].raw_data = b"\0" * 8
    return made.SerializeToString()


@case()
def external_inside_link(folder):
    (folder / "link").symlink_to("in")
    return external("link", folder, "0")
