"""Any node may have any number of operands and results, so no pass may rely on one being there.

Every operator of ONNX and of com.microsoft, with 0 to 5 inputs and 0, 1 or 4 outputs, some with
empty names, goes through import, shape inference, recognition, each rewrite, instrumentation,
lowering and export. All of them run in one child process, and the test fails if it aborts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from rewrite_passes import SMALL_REWRITES

package = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")
np = pytest.importorskip("numpy")

MS = "com.microsoft"
WIDTH = 8

# Written by tools, but perhaps not registered in this build of ONNX Runtime.
NOT_REGISTERED = [
    "DecoderMaskedMultiHeadAttention",
    "GroupQueryAttention",
    "MultiHeadAttention",
    "SimplifiedLayerNormalization",
    "SkipSimplifiedLayerNormalization",
]

# The nodes of an operator are in one model. If a pipeline refuses it, each node is tried alone, so
# that one node's refusal does not hide the abort of another.
RUN = """
import json, sys
from basin.model import BasinError, load
RAISE = "basin-raise{on-conflict=warn}"
PIPELINES = [
    "basin-raise{on-conflict=warn explain=true},convert-sink-to-onnx",
    RAISE + ",convert-sink-to-onnx{form=functions}",
    RAISE + ",sink-instrument-outliers,convert-sink-to-onnx",
    *(f"{RAISE},{passes},convert-sink-to-onnx" for passes in json.loads(sys.argv[1])),
]
for line in sys.stdin:
    path, wanted = json.loads(line)
    failed = []
    for index in wanted or range(len(PIPELINES)):
        try:
            model = load(path)
            if index == 0:
                model.inspect()
            model.run(PIPELINES[index])
            model.save(f"{path}.{index}")
            load(f"{path}.{index}")
        except BasinError as error:
            assert str(error).strip()
            failed.append(index)
    print(json.dumps(failed), flush=True)
"""


def schemas() -> dict[tuple[str, str], onnx.defs.OpSchema | None]:
    """Every operator's name, with its newest schema where `onnx` has it."""
    found: dict[tuple[str, str], onnx.defs.OpSchema | None] = {}
    for schema in onnx.defs.get_all_schemas():
        if schema.domain == "":
            found["", schema.name] = schema
    ort = pytest.importorskip("onnxruntime")
    for schema in ort.capi.onnxruntime_pybind11_state.get_all_operator_schema():
        if schema.domain == MS:
            found[MS, schema.name] = None
    for name in NOT_REGISTERED:
        found.setdefault((MS, name), None)
    found["", "SimplifiedLayerNormalization"] = None
    return found


def attributes(schema: onnx.defs.OpSchema | None, name: str) -> dict[str, object]:
    """Values for the attributes that an operator requires."""
    values: dict[str, object] = {}
    if "Attention" in name:
        values = {"num_heads": 2} if schema is None else {"q_num_heads": 2, "kv_num_heads": 2}
    if name == "GroupQueryAttention":
        values["kv_num_heads"] = 2
    kinds = AttributeProto
    plain = {kinds.INT: 1, kinds.INTS: [0], kinds.FLOAT: 1.0, kinds.FLOATS: [1.0],
             kinds.STRING: "x", kinds.STRINGS: ["x"]}  # fmt: skip
    for attribute in schema.attributes.values() if schema else ():
        kind = int(getattr(attribute.type, "value", attribute.type))
        if attribute.required and kind in plain:
            values[attribute.name] = plain[kind]
    if name == "Einsum":
        values["equation"] = "ab,ab->ab"
    return values


def variants(domain: str, name: str, schema: onnx.defs.OpSchema | None) -> list[onnx.NodeProto]:
    """The nodes of one operator."""
    nodes = []
    given = attributes(schema, name)
    for inputs in range(6):
        for outputs in (0, 1, 4):
            for kind in ("constants", "values", "empty"):
                stem = f"{name}_{inputs}_{outputs}_{kind}"
                sources = ["x"] + [f"w{i}" for i in range(1, 5)]
                if kind == "values":
                    sources = ["x", "x", "x2", "x3", "x"]
                elif kind == "empty":
                    sources = ["x" if inputs % 2 else "", "", "w2", "", "x"]
                results = [f"{stem}_{i}" for i in range(outputs)]
                if kind == "empty":
                    results = [one if i % 2 else "" for i, one in enumerate(results)]
                nodes.append(
                    helper.make_node(
                        name, sources[:inputs], results, name=stem, domain=domain, **given
                    )
                )
    return nodes


def make(nodes: list[onnx.NodeProto], path: Path) -> None:
    """A residual stream to which each node's first result is added, and a norm that reads it."""
    float_ = TensorProto.FLOAT
    body = [helper.make_node("Gather", ["table", "ids"], ["x"])]
    stream = "x"
    for index, node in enumerate(nodes):
        body.append(node)
        if node.output and node.output[0]:
            body.append(helper.make_node("Add", [stream, node.output[0]], [f"sum{index}"]))
            stream = f"sum{index}"
    body.append(helper.make_node("Add", [stream, "x3"], ["last"]))
    body.append(helper.make_node("RMSNormalization", ["last", "w1"], ["y"]))
    tensors = {"table": (20, WIDTH), "w1": (WIDTH,), "w2": (WIDTH,), "w3": (WIDTH, WIDTH), "w4": ()}
    graph = helper.make_graph(
        body,
        "g",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 4]),
            helper.make_tensor_value_info("x2", float_, [1, 4, WIDTH]),
            helper.make_tensor_value_info("x3", float_, ["a", "b", WIDTH]),
        ],
        [helper.make_tensor_value_info("y", float_, None)],
        [numpy_helper.from_array(np.ones(shape, np.float32), k) for k, shape in tensors.items()],
    )
    # Results that no rule gives a type would make each rewrite refuse the stream.
    for node in nodes:
        for name in filter(None, node.output):
            graph.value_info.append(helper.make_tensor_value_info(name, float_, [1, 4, WIDTH]))
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid(MS, 1)]
    made = helper.make_model(graph, opset_imports=opsets)
    made.ir_version = 10
    path.write_bytes(made.SerializeToString())


class Child:
    """The process that runs the models. It names each model before it begins."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, json.dumps(list(SMALL_REWRITES.values()))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=environment,
        )  # fmt: skip

    def run(self, path: Path, pipelines: list[int]) -> list[int] | None:
        """The pipelines, of those named or of all, that refuse. None if the process ended."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps([str(path), pipelines]) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else None


@pytest.fixture
def child():
    made = Child()
    yield made
    made.process.kill()
    made.process.communicate()


def nodes_of(path: Path) -> Counter[tuple[str, str, int, int]]:
    """How often a model has each operator with these numbers of inputs and outputs."""
    graph = onnx.load(path).graph
    return Counter((n.domain, n.op_type, len(n.input), len(n.output)) for n in graph.node)


def check(child: Child, nodes: list[onnx.NodeProto], path: Path, pipelines: list[int]) -> list[int]:
    """The pipelines that refuse a model of these nodes."""
    make(nodes, path)
    refused = child.run(path, pipelines)
    if refused is None:
        names = ", ".join(node.name for node in nodes)
        error = child.process.stderr.read() if child.process.stderr else ""
        pytest.fail(f"the process ended on {names}: {error[-1500:]}")
    if not pipelines and 0 not in refused:
        # The plain round trip must return the same nodes.
        assert nodes_of(path) == nodes_of(path.with_name(path.name + ".0"))
    return refused


def test_every_operator_with_any_operands_and_results(child, tmp_path):
    table = schemas()
    assert len(table) > 250
    for (domain, name), schema in sorted(table.items()):
        nodes = variants(domain, name, schema)
        refused = check(child, nodes, tmp_path / "m.onnx", [])
        for node in nodes if refused else ():
            check(child, [node], tmp_path / "m.onnx", refused)
