"""Models whose graph, functions or attributes do harm. They extend hostile_models.CASES."""

from __future__ import annotations

from collections.abc import Callable

from hostile_models import CASES, FLOAT, Case, model, relu, sparse, tensor, value
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper
from wire import integer, message


def graph_case(name: str, made: Callable[[], ModelProto], *reasons: str) -> None:
    """A case whose graph is wrong."""
    CASES.append(Case(name, lambda _: made().SerializeToString(), reasons))


def bad_node(name: str, made: Callable[[], NodeProto], *reasons: str) -> None:
    """A case whose node is wrong."""
    CASES.append(Case(name, lambda _: model([made()]).SerializeToString(), reasons))


# Names and order.


UNDEFINED = "is not defined before it"
graph_case("own_output", lambda: model([relu("y", "y")]), "node 'n' (Relu)", "'y'", UNDEFINED)
graph_case(
    "cycle",
    lambda: model([relu("b", "a"), relu("a", "b", "m")], outputs=[value("b")]),
    "node 'm' (Relu)",
    "'a'",
    UNDEFINED,
)
graph_case(
    "cycle_after_wrong_order",
    lambda: model(
        [relu("h", "y", "late"), relu("x", "h"), relu("b", "a", "c1"), relu("a", "b", "c2")]
    ),
    "node 'c2' (Relu)",
    "'a'",
    UNDEFINED,
)
graph_case(
    "undefined_after_wrong_order",
    lambda: model([relu("h", "y", "late"), relu("nothing", "h", "bad")]),
    "node 'bad' (Relu)",
    "'nothing'",
    UNDEFINED,
)
graph_case("value_twice", lambda: model([relu(), relu(name="m")]), "node 'm'", "'y'", "twice")
graph_case(
    "node_redefines_input",
    lambda: model([relu("x", "x")], outputs=[value("x")]),
    "node 'n'",
    "'x'",
    "twice",
)
graph_case("input_twice", lambda: model(inputs=[value("x"), value("x")]), "input", "'x'", "twice")
graph_case(
    "initializer_twice",
    lambda: model(initializers=[tensor(raw=bytes(8))] * 2),
    "initializer 'w'",
    "twice",
)
graph_case(
    "node_redefines_initializer",
    lambda: model([relu("x", "w"), relu()], initializers=[tensor(raw=bytes(8))]),
    "node 'n'",
    "'w'",
    "twice",
)
graph_case(
    "initializer_without_name",
    lambda: model(initializers=[tensor("", raw=bytes(8))]),
    "initializer ''",
    "no name",
)
graph_case("no_output", lambda: model(outputs=[value("z")]), "graph 'g'", "'z'", "not defined")
graph_case(
    "no_operator",
    lambda: model([NodeProto(name="n", input=["x"], output=["y"])]),
    "node 'n'",
    "no operator",
)
graph_case(
    "bad_name_in_refusal",
    lambda: model([relu("no\nsuch\x1b[31m", "y", "two\nlines")]),
    "node 'two\\x0alines'",
    "no\\x0asuch\\x1b",
    UNDEFINED,
)
graph_case(
    "long_name_in_refusal", lambda: model([relu("a" * 1_000_000)]), "'aaaa", "...", UNDEFINED
)


# Names that the format allows, although nobody would choose them.


def named(name: bytes, *, broken: bool = False) -> bytes:
    """A Softmax (which `inspect` lists by name) whose node and result have this name."""
    stand_in = "?" * len(name)
    node = helper.make_node("Softmax", ["x"], [stand_in], name=stand_in, axis=5 if broken else 0)
    made = model([node, relu(stand_in, "y", "m")])
    made.graph.value_info.append(value(stand_in))
    return made.SerializeToString().replace(stand_in.encode(), name)


for _name, _text, _shown in [
    ("name_with_nul", b"a\0b", "a\\x00b"),
    ("name_with_newline", b"a\nb\r", "a\\x0ab\\x0d"),
    ("name_not_utf8", b"a\xff\xfeb", "a\\xff\\xfeb"),
    ("name_not_ascii", "naïve".encode(), "naïve"),
    ("name_long", b"a" * 1_000_000, "a" * 160 + "...'"),
    ("name_with_quotes", b"'\"[bold]", "'\"[bold]"),
]:
    CASES.append(Case(_name, lambda _, t=_text: named(t)))
    CASES.append(
        Case(
            f"{_name}_refused",
            lambda _, t=_text: named(t, broken=True),
            ("node '", _shown, "axis from -1 to 0, but got 5"),
        )
    )


def branch(name: str, node: NodeProto, output: str) -> GraphProto:
    """A subgraph of one node."""
    return helper.make_graph([node], name, [], [value(output)])


def conditional(then: GraphProto) -> ModelProto:
    """y = If(c) with `then` and a plain other branch."""
    node = helper.make_node(
        "If", ["c"], ["y"], name="n", then_branch=then, else_branch=branch("e", relu("x", "o"), "o")
    )
    return model([node], inputs=[value("c", [], TensorProto.BOOL), value("x")])


graph_case(
    "subgraph_no_output",
    lambda: conditional(branch("t", relu("x", "o"), "z")),
    "graph 't'",
    "'z'",
    "not defined",
)
graph_case(
    "subgraph_cycle", lambda: conditional(branch("t", relu("o", "o"), "o")), "'o'", UNDEFINED
)
graph_case(
    "subgraph_reads_own_node",
    lambda: conditional(branch("t", relu("y", "o"), "o")),
    "'y'",
    UNDEFINED,
)
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


graph_case(
    "function_calls_itself",
    lambda: functional(function("f", call("f"))),
    "function 'd.f'",
    "calls itself",
)
graph_case(
    "functions_call_each_other",
    lambda: functional(function("f", call("g")), function("g", call("f"))),
    "function 'd.f'",
    "by way of",
    "'d.g'",
)
graph_case(
    "function_calls_itself_in_branch",
    lambda: functional(
        function(
            "f",
            helper.make_node(
                "If",
                ["a"],
                ["b"],
                then_branch=branch("t", call("f", "a", "o"), "o"),
                else_branch=branch("e", relu("a", "p"), "p"),
            ),
        )
    ),
    "function 'd.f'",
    "calls itself",
)
graph_case(
    "function_twice",
    lambda: functional(function("f", relu("a", "b")), function("f", relu("a", "b"))),
    "function 'd.f'",
    "twice",
)
graph_case(
    "function_input_twice",
    lambda: functional(function("f", relu("a", "b"), inputs=("a", "a"))),
    "function 'd.f'",
    "'a'",
    "twice",
)
graph_case(
    "function_no_output",
    lambda: functional(function("f", relu("a", "c"))),
    "function 'd.f'",
    "'b'",
    "not defined",
)
graph_case(
    "function_reads_graph", lambda: functional(function("f", relu("x", "b"))), "'x'", UNDEFINED
)
graph_case(
    "call_with_too_many_inputs",
    lambda: functional(
        function("f", relu("a", "b")),
        node=helper.make_node("f", ["x", "x"], ["y"], name="c", domain="d"),
    ),
    "node 'c' (f)",
    "at most 1 inputs",
    "got 2",
)
graph_case(
    "call_with_too_many_outputs",
    lambda: functional(
        function("f", relu("a", "b")),
        node=helper.make_node("f", ["x"], ["y", "z"], name="c", domain="d"),
    ),
    "node 'c' (f)",
    "at most 1 outputs",
    "got 2",
)
graph_case(
    "function_chain",
    lambda: functional(
        function("f", relu("a", "b")),
        *(function(f"f{i}", call(f"f{i + 1}")) for i in range(500)),
        function("f500", relu("a", "b")),
    ),
)
graph_case(
    "function_chain_too_deep",
    lambda: functional(
        function("f", relu("a", "b")),
        *(function(f"f{i}", call(f"f{i + 1}")) for i in range(600)),
        function("f600", relu("a", "b")),
    ),
    "calls that nest at most 512 deep",
)


# Attributes.


def with_attribute(op: str, *attributes: AttributeProto) -> NodeProto:
    """A node of one input with exactly these attributes."""
    made = helper.make_node(op, ["x"], ["y"], name="n")
    made.attribute.extend(attributes)
    return made


make_attribute = helper.make_attribute
bad_node(
    "axis_is_a_text",
    lambda: with_attribute("Softmax", make_attribute("axis", "last")),
    "node 'n' (Softmax)",
    "'axis'",
)
bad_node(
    "perm_is_a_float",
    lambda: with_attribute("Transpose", make_attribute("perm", 1.0)),
    "node 'n' (Transpose)",
    "'perm'",
)
bad_node(
    "attribute_twice",
    lambda: with_attribute("Softmax", make_attribute("axis", 0), make_attribute("axis", 0)),
    "node 'n'",
    "'axis'",
    "twice",
)
bad_node(
    "attribute_without_name",
    lambda: with_attribute("Softmax", AttributeProto(type=AttributeProto.INT, i=1)),
    "node 'n'",
    "no name",
)
bad_node(
    "attribute_kind_unknown",
    lambda: with_attribute(
        "Softmax", AttributeProto.FromString(message(1, b"axis") + integer(20, 77))
    ),
    "node 'n'",
    "'axis'",
    "kind 77",
)
bad_node(
    "attribute_without_tensor",
    lambda: with_attribute("Constant", AttributeProto(name="value", type=AttributeProto.TENSOR)),
    "node 'n'",
    "'value'",
)
bad_node(
    "attribute_tensor_short",
    lambda: with_attribute(
        "Constant", AttributeProto(name="value", type=AttributeProto.TENSOR, t=tensor(raw=b"\0"))
    ),
    "node 'n'",
    "got 1",
)
bad_node(
    "too_many_attributes",
    lambda: with_attribute("Custom", *(make_attribute(f"a{i}", i) for i in range(10_001))),
    "node 'n'",
    "at most 10000",
)


def rich() -> bytes:
    """A valid model with all kinds of parts, small enough to spoil each of its bytes in turn."""
    nodes = [
        helper.make_node("Pow", ["x", "two"], ["square"]),
        helper.make_node("ReduceMean", ["square", "axes"], ["mean"], keepdims=1),
        helper.make_node("Add", ["mean", "eps"], ["shifted"]),
        helper.make_node("Sqrt", ["shifted"], ["root"]),
        helper.make_node("Div", ["x", "root"], ["normal"]),
        helper.make_node("Mul", ["normal", "w"], ["norm"]),
        helper.make_node("Reshape", ["norm", "shape"], ["flat"]),
        call("f", "flat", "called"),
        helper.make_node("If", ["c"], ["h"], name="n",
                         then_branch=branch("t", relu("called", "o"), "o"),
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
    small = ModelProto.FromString(sparse([1], [4])).graph.sparse_initializer[0]
    small.values.name = "sparse"
    made.graph.sparse_initializer.append(small)
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, ["n"]))
    made.graph.value_info.append(helper.make_value_info("seq", kind))
    made.metadata_props.add(key="k", value="v")
    return made.SerializeToString()
