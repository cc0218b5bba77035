"""Large graphs: everything in them is found, in a time that grows as their number of nodes does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

basin = pytest.importorskip("basin")
from basin.bench import scale  # noqa: E402
from basin.bench.__main__ import main  # noqa: E402
from basin.bench.graphs import KINDS, write_graph  # noqa: E402
from basin.bench.scale import Row  # noqa: E402

# Processor time, so that other programs count little. Four times the nodes take four times the
# time if it is linear, and sixteen times if it is quadratic.
SMALL, FACTOR, MOST = 12_000, 4, 8


def inspect(path: Path) -> tuple[dict, float]:
    """What is found, and the processor time of reading and inspecting in seconds."""
    began = time.process_time()
    found = basin.load(path).inspect()
    return found, time.process_time() - began


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_are_valid(kind: str, tmp_path: Path) -> None:
    count = write_graph(tmp_path / "g.onnx", kind, 60)
    assert 50 <= count <= 70
    model = onnx.load(tmp_path / "g.onnx")
    assert len(model.graph.node) == count
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_time_is_linear(kind: str, tmp_path: Path) -> None:
    seconds = []
    for nodes in (SMALL, FACTOR * SMALL):
        write_graph(tmp_path / "g.onnx", kind, nodes)
        seconds.append(min(inspect(tmp_path / "g.onnx")[1] for _ in range(3)))
    assert seconds[1] < MOST * seconds[0], seconds


def test_each_of_many_norms_of_one_value_is_found(tmp_path: Path) -> None:
    write_graph(tmp_path / "g.onnx", "wide-norms", 7 * 3000)
    found, _ = inspect(tmp_path / "g.onnx")
    assert [norm["weight"] for norm in found["norms"]] == [f"w{i}" for i in range(3000)]
    (stream,) = found["residual_streams"]
    assert len(stream["readers"]) == 3000
    assert {reader["kind"] for reader in stream["readers"]} == {"norm"}


def test_each_norm_of_a_deep_stream_is_found(tmp_path: Path) -> None:
    nodes = write_graph(tmp_path / "g.onnx", "deep-norms", 9 * 2000)
    found, _ = inspect(tmp_path / "g.onnx")
    assert len(found["norms"]) == nodes // 9 == 2000
    (stream,) = found["residual_streams"]
    assert stream["adds"] == 2000
    assert sum(writer["kind"] == "projection" for writer in stream["writers"]) == 2000


@pytest.mark.parametrize("readers", [100, 1100])
def test_an_inner_value_with_too_many_readers_is_left_alone(readers: int, tmp_path: Path) -> None:
    """The turned keys are an inner value of attention. Beyond 1023 uses nobody looks at them."""
    nodes = [
        helper.make_node("Transpose", ["k"], ["kt"], "kt", perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["s"], "s"),
        helper.make_node("Softmax", ["s"], ["p"], "p", axis=-1),
        helper.make_node("MatMul", ["p", "v"], ["y"], "y"),
    ]
    nodes += [helper.make_node("Relu", ["kt"], [f"r{i}"], f"r{i}") for i in range(readers)]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2, 5, 8]) for n in "qkv"]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 5, 8])]
    outputs += [
        helper.make_tensor_value_info(f"r{i}", TensorProto.FLOAT, [1, 2, 8, 5])
        for i in range(readers)
    ]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "g")
    found, _ = inspect(tmp_path / "g")
    reasons = [one["reason"] for one in found["unrecognized"]]
    if readers < 1023:
        assert len(found["attention"]) == 1 and not reasons
    else:
        assert reasons == ["an op outside it uses one of its inner values"]


def test_order_survives_ops_that_are_moved(tmp_path: Path) -> None:
    """Readers of inner values stand before each attention's end, and are moved behind it."""
    nodes, x = [], "x"
    weight = numpy_helper.from_array(np.eye(8, dtype=np.float32), "w")

    def op(kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    kept = []
    for _ in range(40):
        scores = op("MatMul", x, op("Transpose", x, perm=[0, 1, 3, 2]))
        readers = [op("Abs", scores)]
        while len(readers) < 12:
            readers.append(op("Abs", readers[-1]))
        kept.append(readers[-1])
        x = op("MatMul", op("Softmax", scores, axis=-1), op("MatMul", x, "w"))
    info = helper.make_tensor_value_info
    outputs = [info(name, TensorProto.FLOAT, [1, 2, 5, 5]) for name in kept]
    outputs.append(info(x, TensorProto.FLOAT, [1, 2, 5, 8]))
    inputs = [info("x", TensorProto.FLOAT, [1, 2, 5, 8])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "g.onnx")
    loaded = basin.load(tmp_path / "g.onnx")
    assert len(loaded.inspect()["attention"]) == 40
    loaded.run("builtin.module(basin-raise,convert-sink-to-onnx)")
    loaded.save(tmp_path / "out.onnx")
    after = onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(after, full_check=True)
    assert sorted(n.name for n in after.graph.node) == sorted(n.name for n in model.graph.node)


def test_long_tables_have_no_boxes(tmp_path: Path) -> None:
    """Rich takes a millisecond for each line of a table."""
    write_graph(tmp_path / "g.onnx", "wide-norms", 7 * 600)
    command = [sys.executable, "-m", "basin", "inspect", str(tmp_path / "g.onnx")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = shown.splitlines()
    begin = lines.index("norms (600)")
    columns = lines[begin + 1].split()
    rows = [dict(zip(columns, line.split())) for line in lines[begin + 2 : begin + 602]]
    assert [row["weight"] for row in rows] == [f"w{i}" for i in range(600)]
    assert {row["kind"] for row in rows} == {"rms"}
    assert {row["form"] for row in rows} == {"decomposed"}
    begin = lines.index("residual_streams (1)")
    assert sum(" norm" in line for line in lines[begin + 2 :]) == 600


def test_growth_compares_with_the_next_smaller_graph() -> None:
    rows = [Row("chain", 4, 0.3, 10**8)]
    rows += [Row("a", 1000, 1.3, 10**8), Row("a", 4000, 4.3, 10**8), Row("a", 8000, 16.3, 10**8)]
    rows += [Row("b", 1000, 0.31, 10**8), Row("b", 4000, 0.5, 10**8, "exit status 1: no")]
    grown = [scale.growth(rows, index) for index in range(len(rows))]
    assert grown == [None, None, pytest.approx(1), pytest.approx(2), None, None]
    text = scale.table(["basin"], rows)
    assert "failed: exit status 1: no" in text and text.count("\n") == 7


def test_the_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["scale", "--kinds", "transformer", "tree", "--nodes", "200", "400"]
    report = tmp_path / "rows.json"
    assert main([*arguments, "--dir", str(tmp_path), "--json", str(report)]) == 0
    assert "us/node" in capsys.readouterr().out
    assert report.read_text().count('"seconds"') == 5
    assert list(tmp_path.iterdir()) == [report]
