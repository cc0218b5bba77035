"""Helpers for the tests of files: the command, a model with weights, the contents of folders."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import basin as package
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
WIDTH = 160  # of the square weights, which have 100 kB and are mapped


def basin(folder: Path, *args: str | Path, preload: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in `folder`."""
    environment = ENVIRONMENT | ({"LD_PRELOAD": preload} if preload else {})
    command = [sys.executable, "-m", "basin", *map(str, args)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


def inside(folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, which is faster for long tables."""
    from basin.cli import app
    from typer.testing import CliRunner

    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, [*map(str, args)])
    return subprocess.CompletedProcess(args, result.exit_code, result.stdout, result.stderr)


def python(folder: Path, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the package, in `folder`."""
    command = [sys.executable, "-c", script, *args]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


def make_model(path: Path, data: str | None = "w.bin", seed: int = 0) -> None:
    """Write a residual block y = x + RMSNorm(x) W. With `data`, W is in that file beside it."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((WIDTH, WIDTH)).astype(np.float32)
    nodes = [
        helper.make_node("RMSNormalization", ["x0", "g"], ["n"], epsilon=1e-5),
        helper.make_node("MatMul", ["n", "w"], ["p"]),
        helper.make_node("Add", ["x0", "p"], ["h"]),
        helper.make_node("RMSNormalization", ["h", "g"], ["y"], epsilon=1e-5),
    ]
    nodes.insert(0, helper.make_node("Gather", ["table", "ids"], ["x0"]))
    table = rng.standard_normal((50, WIDTH)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH])],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.ones(WIDTH, np.float32), "g"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)])
    made.ir_version = 10
    if data is None:
        onnx.save(made, path)
    else:
        onnx.save(made, path, save_as_external_data=True, location=data, size_threshold=1000)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check_refused(folder: Path, result: subprocess.CompletedProcess[str], before, *words) -> None:
    """Check for one line, exit status 1, and unchanged files without a new one."""
    assert result.returncode == 1, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr
    assert contents(folder) == before


def same_weights(a: Path, b: Path) -> bool:
    """Whether two models hold the same tensors."""
    left, right = ({t.name: t for t in onnx.load(path).graph.initializer} for path in (a, b))
    return left.keys() == right.keys() and all(
        np.array_equal(numpy_helper.to_array(left[name]), numpy_helper.to_array(right[name]))
        for name in left
    )
