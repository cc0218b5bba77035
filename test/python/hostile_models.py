"""Models that somebody else made, to harm: what each is, and what the refusal must say.

Each case builds the bytes of a model; it may put files into the model's folder. `reasons` are the
texts that the one line of the diagnostic must hold; a case without any is odd but valid, and has to
come back as it went in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper
from wire import deep, integer, message

Build = Callable[[Path], bytes]
FLOAT = TensorProto.FLOAT


@dataclass(frozen=True)
class Case:
    """A model and what has to be said of it."""

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
    """A ValueInfoProto; [2] unless told."""
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


def bad_node(name: str, made: Callable[[], NodeProto], *reasons: str, opset: int = 21) -> None:
    """A case whose node is wrong."""
    CASES.append(Case(name, lambda _: model([made()], opsets=[("", opset)]).SerializeToString(), reasons))


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


@case("model", "domain ''", "imported twice")
def opset_twice(_):
    return model(opsets=[("", 21), ("ai.onnx", 17)]).SerializeToString()


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
bad_tensor("typed_short", lambda: helper.make_tensor("w", FLOAT, [1], [0.0]).__class__(
    name="w", data_type=FLOAT, dims=[2], float_data=[0.0]), "expected elements")
bad_tensor("size_overflows", lambda: tensor(dims=(1 << 33, 1 << 33), raw=b"\0" * 8), "elements")
bad_tensor("bytes_overflow", lambda: tensor(dims=((1 << 62) + 1,), raw=b"\0" * 4), "elements")
bad_tensor("size_huge", lambda: tensor(dims=(1 << 40,), raw=b"\0" * 8), "expected 4398046511104")
bad_tensor("size_negative", lambda: tensor(dims=(-2,), raw=b"\0" * 8), "got -2")
bad_tensor("zero_hides_overflow", lambda: tensor(dims=(0, 1 << 62, 1 << 62), raw=b"\0"), "got 1")
bad_tensor("element_type_unknown", lambda: tensor(raw=b"\0" * 8, kind=99), "element type 99")
bad_tensor("element_type_negative", lambda: tensor(raw=b"\0" * 8, kind=-1), "element type -1")
bad_tensor("strings_missing", lambda: TensorProto(
    name="w", data_type=TensorProto.STRING, dims=[3], string_data=[b"a"]), "expected 3 strings")
bad_tensor("strings_huge", lambda: TensorProto(
    name="w", data_type=TensorProto.STRING, dims=[1 << 60], string_data=[b"a"]), "strings")
bad_tensor("raw_and_typed", lambda: TensorProto(
    name="w", data_type=FLOAT, dims=[2], float_data=[0, 0], raw_data=b"\0" * 8), "raw and typed")
bad_tensor("wrong_typed_field", lambda: TensorProto(
    name="w", data_type=FLOAT, dims=[2], int64_data=[0, 0]), "expected elements")


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
    ("external_missing", ("nothing", None), "cannot be found"),
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
    CASES.append(Case(_name, lambda folder, a=_args: external(a[0], folder, *a[1:]),
                      ("initializer 'w'", _reason)))


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


# Names and order.


def graph_case(name: str, made: Callable[[], ModelProto], *reasons: str) -> None:
    """A case whose graph is wrong."""
    CASES.append(Case(name, lambda _: made().SerializeToString(), reasons))


UNDEFINED = "is not defined before it"
graph_case("own_output", lambda: model([relu("y", "y")]), "node 'n' (Relu)", "'y'", UNDEFINED)
graph_case("cycle", lambda: model([relu("b", "a"), relu("a", "b", "m")], outputs=[value("b")]),
           "node 'n' (Relu)", "'b'", UNDEFINED)
graph_case("wrong_order", lambda: model([relu("h", "y", "late"), relu("x", "h")]),
           "node 'late' (Relu)", "'h'", UNDEFINED)
graph_case("value_twice", lambda: model([relu(), relu(name="m")]), "node 'm'", "'y'", "twice")
graph_case("node_redefines_input", lambda: model([relu("x", "x")], outputs=[value("x")]),
           "node 'n'", "'x'", "twice")
graph_case("input_twice", lambda: model(inputs=[value("x"), value("x")]), "input", "'x'", "twice")
graph_case("initializer_twice", lambda: model(initializers=[tensor(raw=bytes(8))] * 2),
           "initializer 'w'", "twice")
graph_case("node_redefines_initializer", lambda: model(
    [relu("x", "w"), relu()], initializers=[tensor(raw=bytes(8))]), "node 'n'", "'w'", "twice")
graph_case("initializer_without_name", lambda: model(initializers=[tensor("", raw=bytes(8))]),
           "initializer ''", "no name")
graph_case("no_output", lambda: model(outputs=[value("z")]), "graph 'g'", "'z'", "not defined")
graph_case("no_operator", lambda: model([NodeProto(name="n", input=["x"], output=["y"])]),
           "node 'n'", "no operator")
graph_case("bad_name_in_refusal", lambda: model([relu("no\nsuch\x1b[31m", "y", "two\nlines")]),
           "node 'two\\x0alines'", "no\\x0asuch\\x1b", UNDEFINED)
graph_case("long_name_in_refusal", lambda: model([relu("a" * 1_000_000)]), "'aaaa", "...", UNDEFINED)


def branch(name: str, node: NodeProto, output: str) -> GraphProto:
    """A subgraph of one node."""
    return helper.make_graph([node], name, [], [value(output)])


def conditional(then: GraphProto) -> ModelProto:
    """y = If(c) with `then` and a plain other branch."""
    node = helper.make_node("If", ["c"], ["y"], name="n", then_branch=then,
                            else_branch=branch("e", relu("x", "o"), "o"))
    return model([node], inputs=[value("c", [], TensorProto.BOOL), value("x")])


graph_case("subgraph_no_output", lambda: conditional(branch("t", relu("x", "o"), "z")),
           "graph 't'", "'z'", "not defined")
graph_case("subgraph_cycle", lambda: conditional(branch("t", relu("o", "o"), "o")), "'o'", UNDEFINED)
graph_case("subgraph_reads_own_node", lambda: conditional(branch("t", relu("y", "o"), "o")),
           "'y'", UNDEFINED)
graph_case("subgraph_good", lambda: conditional(branch("t", relu("x", "o"), "o")))


# Functions.


def function(name: str, *nodes: NodeProto, inputs=("a",), outputs=("b",)):
    """A function of domain d."""
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("d", 1)]
    return helper.make_function("d", name, list(inputs), list(outputs), list(nodes), opsets)


def call(name: str, source: str = "a", target: str = "b") -> NodeProto:
    """A call of a function of domain d."""
    return helper.make_node(name, [source], [target], name="c", domain="d")


def functional(*functions, node: NodeProto | None = None) -> ModelProto:
    """A model that calls d.f."""
    nodes = [node or call("f", "x", "y")]
    return model(nodes, functions=functions, opsets=[("", 21), ("d", 1)])


graph_case("function_calls_itself", lambda: functional(function("f", call("f"))),
           "function 'd.f'", "calls itself")
graph_case("functions_call_each_other", lambda: functional(
    function("f", call("g")), function("g", call("f"))), "function 'd.f'", "by way of", "'d.g'")
graph_case("function_calls_itself_in_branch", lambda: functional(function("f", helper.make_node(
    "If", ["a"], ["b"], then_branch=branch("t", call("f", "a", "o"), "o"),
    else_branch=branch("e", relu("a", "p"), "p")))), "function 'd.f'", "calls itself")
graph_case("function_twice", lambda: functional(function("f", relu("a", "b")),
                                                function("f", relu("a", "b"))),
           "function 'd.f'", "twice")
graph_case("function_input_twice", lambda: functional(function(
    "f", relu("a", "b"), inputs=("a", "a"))), "function 'd.f'", "'a'", "twice")
graph_case("function_no_output", lambda: functional(function("f", relu("a", "c"))),
           "function 'd.f'", "'b'", "not defined")
graph_case("function_reads_graph", lambda: functional(function("f", relu("x", "b"))),
           "'x'", UNDEFINED)
graph_case("call_with_too_many_inputs", lambda: functional(
    function("f", relu("a", "b")),
    node=helper.make_node("f", ["x", "x"], ["y"], name="c", domain="d")),
    "node 'c' (f)", "at most 1 inputs", "got 2")
graph_case("call_with_too_many_outputs", lambda: functional(
    function("f", relu("a", "b")),
    node=helper.make_node("f", ["x"], ["y", "z"], name="c", domain="d")),
    "node 'c' (f)", "at most 1 outputs", "got 2")
graph_case("function_chain", lambda: functional(function("f", relu("a", "b")), *(
    function(f"f{i}", call(f"f{i + 1}")) for i in range(2000)), function("f2000", relu("a", "b"))))


# Attributes.


def with_attribute(op: str, *attributes: AttributeProto) -> NodeProto:
    """A node of one input with these very attributes."""
    made = helper.make_node(op, ["x"], ["y"], name="n")
    made.attribute.extend(attributes)
    return made


make_attribute = helper.make_attribute
bad_node("axis_is_a_text", lambda: with_attribute("Softmax", make_attribute("axis", "last")),
         "node 'n' (Softmax)", "'axis'")
bad_node("perm_is_a_float", lambda: with_attribute("Transpose", make_attribute("perm", 1.0)),
         "node 'n' (Transpose)", "'perm'")
bad_node("attribute_twice", lambda: with_attribute(
    "Softmax", make_attribute("axis", 0), make_attribute("axis", 0)), "node 'n'", "'axis'", "twice")
bad_node("attribute_without_name", lambda: with_attribute(
    "Softmax", AttributeProto(type=AttributeProto.INT, i=1)), "node 'n'", "no name")
bad_node("attribute_kind_unknown", lambda: with_attribute(
    "Softmax", AttributeProto.FromString(message(1, b"axis") + integer(20, 77))),
    "node 'n'", "'axis'", "kind 77")
bad_node("attribute_without_tensor", lambda: with_attribute(
    "Constant", AttributeProto(name="value", type=AttributeProto.TENSOR)), "node 'n'", "'value'")
bad_node("attribute_tensor_short", lambda: with_attribute("Constant", AttributeProto(
    name="value", type=AttributeProto.TENSOR, t=tensor(raw=b"\0"))), "node 'n'", "got 1")
bad_node("too_many_attributes", lambda: with_attribute("Custom", *(
    make_attribute(f"a{i}", i) for i in range(10_001))), "node 'n'", "at most 10000")


def rich() -> bytes:
    """A valid model with a bit of everything, small enough to spoil each of its bytes in turn."""
    nodes = [
        helper.make_node("Pow", ["x", "two"], ["square"]),
        helper.make_node("ReduceMean", ["square", "axes"], ["mean"], keepdims=1),
        helper.make_node("Add", ["mean", "eps"], ["shifted"]),
        helper.make_node("Sqrt", ["shifted"], ["root"]),
        helper.make_node("Div", ["x", "root"], ["normal"]),
        helper.make_node("Mul", ["normal", "w"], ["norm"]),
        helper.make_node("Reshape", ["norm", "shape"], ["flat"]),
        call("f", "flat", "called"),
        helper.make_node("If", ["c"], ["h"], name="n", then_branch=branch("t", relu("called", "o"), "o"),
                         else_branch=branch("e", relu("x", "p", ""), "p")),
        helper.make_node("Softmax", ["h"], ["y"], axis=-1),
    ]  # fmt: skip
    made = model(
        nodes,
        inputs=[value("x", ["n", 2]), value("c", [], TensorProto.BOOL)],
        outputs=[value("y", None)],
        initializers=[
            helper.make_tensor("two", FLOAT, [], [2.0]),
            helper.make_tensor("axes", TensorProto.INT64, [1], [-1]),
            helper.make_tensor("eps", FLOAT, [], [1e-5]),
            tensor(raw=bytes(8)),
            helper.make_tensor("shape", TensorProto.INT64, [2], [0, -1]),
            helper.make_tensor("s", TensorProto.STRING, [1], ["text"]),
        ],
        functions=[function("f", relu("a", "b"))],
        opsets=[("", 21), ("d", 1)],
    )
    made.graph.sparse_initializer.append(ModelProto.FromString(sparse([1], [4])).graph.sparse_initializer[0])
    made.graph.sparse_initializer[0].values.name = "sparse"
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, ["n"]))
    made.graph.value_info.append(helper.make_value_info("seq", kind))
    made.metadata_props.add(key="k", value="v")
    return made.SerializeToString()
