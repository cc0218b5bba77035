"""Valid files that a stricter reader would refuse: order, opsets, statements, numbers, names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import hostile_models
import numpy as np
import onnx
import pytest
from hostile_models import model, relu, value
from onnx import ModelProto, TensorProto, helper

package = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import load  # noqa: E402
from basin.verify import verify  # noqa: E402

FAILING = Path(__file__).resolve().parents[1] / "models" / "failing"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
SORTED = "are not in topological order: sorted"


def basin(folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in `folder`."""
    command = [sys.executable, "-m", "basin", *map(str, args)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


def write(made: ModelProto, path: Path) -> Path:
    path.write_bytes(made.SerializeToString())
    return path


def names(path: Path) -> list[str]:
    """Names of the nodes, in order."""
    return [node.name for node in onnx.load(path).graph.node]


# The order of nodes.


def add(a: str, b: str, to: str) -> onnx.NodeProto:
    return helper.make_node("Add", [a, b], [to], name=to)


def test_nodes_are_sorted_stably(tmp_path):
    """Each node comes after those that it needs, and otherwise keeps its place."""
    nodes = [
        relu("x", "a", "a"),
        add("c", "b", "y"),
        relu("x", "d", "d"),
        add("d", "a", "c"),
        relu("a", "b", "b"),
        relu("x", "e", "e"),
    ]
    source = write(model(nodes, outputs=[value("y"), value("e")]), tmp_path / "m.onnx")
    loaded = load(source)
    assert len(loaded.remarks) == 1 and SORTED in loaded.remarks[0]
    loaded.save(tmp_path / "out.onnx")
    assert names(tmp_path / "out.onnx") == ["a", "d", "c", "b", "y", "e"]
    onnx.checker.check_model(onnx.load(tmp_path / "out.onnx"))
    again = load(tmp_path / "out.onnx")
    assert again.remarks == []


def test_remark_is_one_line_of_each_command(tmp_path):
    write(model([relu("h", "y", "late"), relu("x", "h")]), tmp_path / "m.onnx")
    for command in (["inspect", "m.onnx"], ["rewrite", "m.onnx", "out.onnx"]):
        result = basin(tmp_path, *command)
        assert result.returncode == 0
        assert result.stderr.count("\n") == 1 and SORTED in result.stderr
    assert verify(tmp_path / "m.onnx", tmp_path / "out.onnx").bit_identical


def branch(name: str, nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [value(output, None)])


def conditional(captured: str, nested: bool) -> list[onnx.NodeProto]:
    """An If before the node whose value its branch captures, or a branch within the branch."""
    inner = [relu(captured, "t1"), relu("t1", "t2", "m")][::-1]
    then = branch("then", inner, "t2")
    if nested:
        node = helper.make_node(
            "If", ["c"], ["i"], then_branch=then, else_branch=branch("e2", [relu("x", "u")], "u")
        )
        then = branch("outer", [node], "i")
    otherwise = branch("else", [relu("x", "o")], "o")
    return [
        helper.make_node("If", ["c"], ["y"], name="if", then_branch=then, else_branch=otherwise),
        relu("x", captured, "producer"),
    ]


@pytest.mark.parametrize("nested", [False, True])
def test_subgraphs_capture_later_values(tmp_path, nested):
    inputs = [value("x"), value("c", [], TensorProto.BOOL)]
    made = model(conditional("late", nested), inputs=inputs)
    loaded = load(write(made, tmp_path / "m.onnx"))
    # The subgraph's own nodes are out of order, too.
    assert len([one for one in loaded.remarks if SORTED in one]) == 2
    loaded.save(tmp_path / "out.onnx")
    assert names(tmp_path / "out.onnx") == ["producer", "if"]
    onnx.checker.check_model(onnx.load(tmp_path / "out.onnx"), full_check=True)
    for truth in (False, True):
        feeds = {"x": np.array([-1, 2], np.float32), "c": np.array(truth)}
        assert verify(tmp_path / "out.onnx", tmp_path / "out.onnx", inputs=feeds).bit_identical


def test_a_name_inside_that_is_also_outside_is_the_inner_one(tmp_path):
    """`t1` of the branch is its own, so the outer node of that name may come later."""
    nodes = conditional("x", nested=False)[:1] + [relu("x", "t1", "later")]
    inputs = [value("x"), value("c", [], TensorProto.BOOL)]
    made = model(nodes, inputs=inputs, outputs=[value("y"), value("t1")])
    loaded = load(write(made, tmp_path / "m.onnx"))
    loaded.save(tmp_path / "out.onnx")
    assert names(tmp_path / "out.onnx") == ["if", "later"]


def test_functions_are_sorted(tmp_path):
    opsets = [helper.make_opsetid("", 21)]
    body = [relu("h", "b", "second"), relu("a", "h", "first")]
    function = helper.make_function("d", "f", ["a"], ["b"], body, opsets)
    call = helper.make_node("f", ["x"], ["y"], domain="d")
    made = model([call], functions=[function], opsets=[("", 21), ("d", 1)])
    loaded = load(write(made, tmp_path / "m.onnx"))
    assert len(loaded.remarks) == 1 and "'d.f'" in loaded.remarks[0]
    loaded.save(tmp_path / "out.onnx")
    (written,) = onnx.load(tmp_path / "out.onnx").functions
    assert [node.name for node in written.node] == ["first", "second"]


def test_sorting_takes_linear_time(tmp_path):
    """100,000 nodes in reverse are a chain on which a recursive search would overflow."""
    count = 100_000
    nodes = [relu(f"v{i}", f"v{i + 1}", f"n{i}") for i in range(count)]
    nodes[0].input[0], nodes[-1].output[0] = "x", "y"
    source = write(model(nodes[::-1]), tmp_path / "m.onnx")
    begin = time.monotonic()
    loaded = load(source)
    assert time.monotonic() - begin < 20
    loaded.save(tmp_path / "out.onnx")
    assert names(tmp_path / "out.onnx") == [f"n{i}" for i in range(count)]


# Whole files.


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unsorted_graph", [SORTED]),
        ("opset_imported_twice_alias", []),
        ("stale_value_info", ["the statement is dropped"]),
    ],
)
def test_file_is_accepted(tmp_path, name, words):
    source = FAILING / f"{name}.onnx"
    assert basin(tmp_path, "inspect", source, "--json").returncode == 0
    result = basin(tmp_path, "rewrite", source, "out.onnx")
    assert result.returncode == 0, result.stderr
    assert all(word in result.stderr for word in words)
    assert (result.stderr == "") == (not words)
    assert verify(source, tmp_path / "out.onnx").bit_identical


def test_strict_refuses_stale_shapes(tmp_path):
    source = FAILING / "stale_value_info.onnx"
    result = basin(tmp_path, "rewrite", source, "out.onnx", "--strict")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "as the model states" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_many_stale_shapes_are_not_all_shown(tmp_path):
    nodes = [relu(f"v{i}", f"v{i + 1}") for i in range(100)]
    nodes[0].input[0], nodes[-1].output[0] = "x", "y"
    made = model(nodes)
    made.graph.value_info.extend(value(f"v{i}", [3]) for i in range(1, 100))
    write(made, tmp_path / "m.onnx")
    result = basin(tmp_path, "rewrite", "m.onnx", "out.onnx", "--no-verify")
    assert result.returncode == 0
    assert result.stderr.count("\n") == 11
    assert "89 more" in result.stderr.splitlines()[-1]
    kept = {one.name: one for one in onnx.load(tmp_path / "out.onnx").graph.value_info}
    assert all(kept[f"v{i}"].type.tensor_type.shape.dim[0].dim_value == 2 for i in range(1, 100))


@pytest.mark.parametrize(
    ("name", "value_name"),
    [("embed_layernorm_no_type", None), ("insert-refused-convtranspose-norm", None)],
)
def test_streams_have_types(tmp_path, name, value_name):
    source = FAILING / f"{name}.onnx"
    result = basin(tmp_path, "rewrite", source, "out.onnx", "insert-pre-affine")
    assert (result.returncode, result.stderr) == (0, "")
    assert verify(source, tmp_path / "out.onnx").bit_identical


# Numbers and names.


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_numbers_that_are_not_finite(tmp_path, number):
    def refuse(text: str) -> None:
        raise ValueError(text)

    source = FAILING / f"eps_{number}.onnx"
    result = basin(tmp_path, "inspect", source, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    found = json.loads(result.stdout, parse_constant=refuse)
    assert [norm["eps"] for norm in found["norms"]] == [number]
    table = basin(tmp_path, "inspect", source)
    assert table.returncode == 0 and number in table.stdout


EVIL = "a\x1b[31mb\x9b1mc\u202ed\re\x00f"


def test_names_reach_no_terminal_raw(tmp_path):
    nodes = [
        helper.make_node("RMSNormalization", ["x", "w"], [EVIL], name=EVIL, epsilon=1e-5),
        helper.make_node("Softmax", [EVIL], ["s"], name=EVIL + "2"),
        helper.make_node("Identity", ["s"], [EVIL + "y"]),
    ]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], [1, 1])
    made = model(nodes, outputs=[value(EVIL + "y")], initializers=[weight], opsets=[("", 23)])
    made.graph.value_info.append(value(EVIL, [3]))
    write(made, tmp_path / "m.onnx")
    for command in (
        ["inspect", "m.onnx"],
        ["inspect", "m.onnx", "--json"],
        ["rewrite", "m.onnx", "out.onnx"],
        ["rewrite", "m.onnx", "out.onnx", "--strict"],
        ["rewrite", "m.onnx", EVIL.replace("\x00", "") + "/out.onnx"],
        ["verify", "m.onnx", "out.onnx"],
    ):
        result = basin(tmp_path, *command)
        shown = result.stdout + result.stderr
        assert "Traceback" not in shown
        assert not set(shown) & set("\x1b\x9b\u202e\r\x00"), command
    assert json.loads(basin(tmp_path, "inspect", "m.onnx", "--json").stdout)["norms"]


def test_cases_are_all_there():
    """The tables have the cases that this file relies on."""
    assert {"opset_twice", "opset_twice_alike"} <= {case.name for case in hostile_models.CASES}
