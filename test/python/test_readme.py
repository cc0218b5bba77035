"""The commands give the blocks of README.md's example, and the bits are equal."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.verify import verify  # noqa: E402
from model_files import basin as command  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
RAISE = "builtin.module(basin-raise"


def block(name: str) -> str:
    """The fenced block behind the comment that names it."""
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w*\n(.*?)```", README, re.S)
    assert found, f"README.md has no example '{name}'"
    return found[1]


def options() -> list[str]:
    """The steps of the command line that the example shows."""
    found = re.search(r"`basin rewrite before.onnx after.onnx ([^`]*)`", README)
    assert found
    return found[1].split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """before.onnx as README has it, and after.onnx as the command makes it."""
    onnx.save(onnx.parser.parse_model(block("before.onnx")), tmp_path / "before.onnx")
    done = command(tmp_path, "rewrite", "before.onnx", "after.onnx", *options())
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path


def described(model: onnx.ModelProto) -> tuple[list[object], dict[str, list[float]]]:
    """Nodes in order and constants by name, without names of nodes."""
    nodes = [
        (node.op_type, list(node.input), list(node.output), sorted(map(str, node.attribute)))
        for node in model.graph.node
    ]
    constants = {
        t.name: numpy_helper.to_array(t).astype(np.float32).ravel().tolist()
        for t in model.graph.initializer
    }
    return nodes, constants


def plain(text: str) -> list[str]:
    """MLIR's lines as README has them: values by ONNX's names, no types, attributes and forms."""
    lines: list[str] = []
    names: dict[str, str] = {}
    outs: list[str] = []
    form: str | None = None
    for line in text.splitlines():
        if found := re.match(r"\s*\^bb0\((%\w+): .*\):", line):
            if form is None:
                names[found[1]] = "%ids"
        elif found := re.match(r'\s*(%\w+) = (?:onnx.initializer|sink.parameter) "([^"]+)"', line):
            names[found[1]] = "%" + found[2]
        elif form is None and (found := re.match(r"\s*(%\w+) = ((?:onnx|sink)\.\S.*)", line)):
            call = re.split(r" \{| : ", found[2])[0]
            call = re.sub(r"%\w+", lambda value: names[value[0]], call)
            form = found[1]
            lines.append(call)
            if not line.rstrip().endswith("{"):
                names[form] = "%" + re.findall(r'onnx.outs = \["([^"]+)"\]', line)[0]
                lines[-1] = f"{names[form]} = {call}"
                form = None
        elif form is not None and (outs := re.findall(r'onnx.outs = \["([^"]+)"\]', line)):
            names[form] = "%" + outs[0]
            lines[-1] = f"{names[form]} = {lines[-1]}"
        elif form is not None and re.match(r"    \}", line):
            form = None
    return lines


def test_onnx(folder: Path) -> None:
    shown = onnx.parser.parse_model(block("after.onnx"))
    assert described(onnx.load(folder / "after.onnx")) == described(shown)


def test_bits(folder: Path) -> None:
    assert verify(folder / "before.onnx", folder / "after.onnx", random=4).bit_identical


def test_mlir(folder: Path) -> None:
    model = basin.load(folder / "before.onnx")
    model.run(f"{RAISE})")
    assert plain(model.text()) == block("before.mlir").splitlines()
    step, scales = options()
    assert step == "absorb-residual"
    model.run(f"builtin.module(sink-absorb-residual-sinks{{{scales}}})")
    assert plain(model.text()) == block("after.mlir").splitlines()


def test_the_factor_in_the_norms_weight_is_wrong(folder: Path) -> None:
    """README says so: the sink's part of the root mean square is missing then."""
    model = onnx.load(folder / "after.onnx")
    for norm in [node for node in model.graph.node if node.op_type == "RMSNormalization"]:
        multiplication = next(n for n in model.graph.node if norm.input[0] in n.output)
        norm.input[0] = multiplication.input[0]
    for tensor in model.graph.initializer:
        if tensor.name == "gamma":
            scaled = numpy_helper.to_array(tensor) * np.array([1, 1, 1, 64], np.float32)
            tensor.CopyFrom(numpy_helper.from_array(scaled.astype(np.float32), "gamma"))
    onnx.save(model, folder / "wrong.onnx")
    assert not verify(folder / "before.onnx", folder / "wrong.onnx", tolerance=0.01).passed
