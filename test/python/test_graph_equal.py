"""The comparison of models sees every change, except storage and the order of attributes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from graph_equal import diff_models
from onnx import ModelProto, TensorProto, helper, numpy_helper


def example() -> ModelProto:
    """A model with every kind of part: subgraph, function, metadata, training, ..."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["inner"], name="in_branch")],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["n"])],
    )
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["t"], name="gemm", alpha=0.5, beta=1.0, transA=0),
        helper.make_node("If", ["c"], ["u"], then_branch=inner, else_branch=inner),
        helper.make_node("Twice", ["t"], ["y"], domain="local"),
    ]
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(np.arange(16, dtype=np.float32).reshape(4, 4), "w")],
        value_info=[helper.make_tensor_value_info("t", TensorProto.FLOAT, ["n", 4])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    function = helper.make_function("local", "Twice", ["a"], ["b"], body, opsets[:1])
    model = helper.make_model(graph, opset_imports=opsets, functions=[function])
    model.metadata_props.add(key="author", value="test")
    model.training_info.add().algorithm.name = "step"
    return model


CHANGES: dict[str, Callable[[ModelProto], object]] = {
    "node[0] (Gemm 'gemm').name: 'gemm' against 'other'": lambda m: setattr(
        m.graph.node[0], "name", "other"
    ),
    "'main' against 'else'": lambda m: setattr(m.graph, "name", "else"),
    "doc_string": lambda m: setattr(m.graph, "doc_string", "text"),
    "metadata_props[0] (author).value": lambda m: setattr(m.metadata_props[0], "value", "me"),
    "opset_import[0].version: 17 against 18": lambda m: setattr(m.opset_import[0], "version", 18),
    "value_info: 1 against 0": lambda m: m.graph.ClearField("value_info"),
    "dim_param: set against not set": lambda m: setattr(
        m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 3
    ),
    "shape: set against not set": lambda m: m.graph.output[0].type.tensor_type.ClearField("shape"),
    "attribute[0] ('alpha').f: 0.5": lambda m: setattr(m.graph.node[0].attribute[0], "f", 0.25),
    "attribute: 3 against 2 elements; only the first:  ('transA')": lambda m: m.graph.node[
        0
    ].attribute.pop(),
    "(Identity 'in_branch').input": lambda m: (
        m.graph.node[1].attribute[0].g.node[0].input.append("z")
    ),
    "functions[0] ('Twice').node[0] (Add).op_type": lambda m: setattr(
        m.functions[0].node[0], "op_type", "Sub"
    ),
    "training_info": lambda m: m.ClearField("training_info"),
    "element 3 is 3.0 against -3.0": lambda m: m.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(
            np.where(np.arange(16) == 3, -3, np.arange(16)).astype(np.float32).reshape(4, 4), "w"
        )
    ),
    "initializer[0] ('w').dims": lambda m: m.graph.initializer[0].dims.append(1),
    "producer_name": lambda m: setattr(m, "producer_name", "x"),
    "ir_version": lambda m: setattr(m, "ir_version", 4),
    "node[0]": lambda m: m.graph.node.reverse(),
}


def test_equal_models_have_no_difference():
    assert diff_models(example(), example()) == []


@pytest.mark.parametrize("text", CHANGES)
def test_every_change_is_seen(text):
    changed = example()
    CHANGES[text](changed)
    differences = diff_models(example(), changed)
    assert any(text in d for d in differences), differences
    assert diff_models(changed, example()), "and the other way round"


def test_order_of_attributes_does_not_matter():
    changed = example()
    attributes = list(changed.graph.node[0].attribute)[::-1]
    del changed.graph.node[0].attribute[:]
    changed.graph.node[0].attribute.extend(attributes)
    assert diff_models(example(), changed) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, np.float16, np.bool_])
def test_storage_of_a_tensor_does_not_matter(dtype):
    array = np.array([0, 1, 1, 0], dtype)
    raw = numpy_helper.from_array(array, "t")
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    typed = helper.make_tensor("t", kind, array.shape, array.tolist())
    assert raw.HasField("raw_data") and not typed.HasField("raw_data")
    assert diff_models(raw, typed) == []
    other = helper.make_tensor("t", kind, array.shape, [1, 1, 1, 0])
    assert "element 0" in diff_models(raw, other)[0]


def test_packed_types():
    for kind in (TensorProto.INT4, TensorProto.UINT4):
        a = helper.make_tensor("t", kind, [3], [1, 2, 3])
        b = helper.make_tensor("t", kind, [3], [1, 2, 4])
        assert diff_models(a, a) == [] and "element 2" in diff_models(a, b)[0]


def test_bits_of_floats_count():
    zero, minus = (numpy_helper.from_array(np.array([v], np.float32)) for v in (0.0, -0.0))
    assert diff_models(zero, minus)
    nan = helper.make_attribute("a", float("nan"))
    assert diff_models(nan, nan) == []
    assert diff_models(helper.make_attribute("a", 0.0), helper.make_attribute("a", -0.0))


def test_presence_of_a_default():
    changed = example()
    changed.graph.node[0].doc_string = ""
    expected = example()
    expected.graph.node[0].ClearField("doc_string")
    assert diff_models(expected, changed, presence=True)
    assert diff_models(expected, changed, presence=False) == []


def test_external_data_is_compared_by_its_reference():
    a = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    a.data_location = TensorProto.EXTERNAL
    a.external_data.add(key="location", value="weights")
    b = TensorProto()
    b.CopyFrom(a)
    b.external_data[0].value = "other"
    assert diff_models(a, a) == [] and "(location).value" in diff_models(a, b)[0]


def test_limit():
    changed = example()
    for index, node in enumerate(changed.graph.node):
        node.name = f"n{index}"
    assert len(diff_models(example(), changed, limit=2)) == 2
