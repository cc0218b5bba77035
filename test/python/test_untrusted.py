"""Untrusted models: one line with the place and the reason, exit status 1, and nothing is written.

The models and the words of their refusals are in hostile_models.py and hostile_graphs.py. Memory is
limited: the test of a case fails if the command's peak exceeds `MEMORY`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import hostile_graphs
import hostile_models
import hostile_shapes
import onnx
import pytest
from graph_equal import diff_models
from wire import integer, message

# This is for the interpreter, libMLIR and the model, which has at most a megabyte of data. The
# address sanitizer takes memory of its own and keeps freed memory.
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")
MEMORY = (2000 if SANITIZED else 400) << 20
MOST_MEMORY = (8 if SANITIZED else 2.5) * (1 << 30)

package = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")
# A child's peak is at least its parent's memory, and that of pytest grows. So a launcher is in
# between.
from basin.bench.rewrite import measure  # noqa: E402

CLI = [sys.executable, "-m", "basin"]


def translate() -> list[str]:
    """basin-translate of the build that the package comes from."""
    tool = Path(package.__file__).parents[2] / "bin" / "basin-translate"
    if not tool.exists():
        pytest.skip("basin-translate is not built")
    return [str(tool), "--onnx-to-mlir"]


def run(command: list[str], folder: Path) -> tuple[int, str, int]:
    """Exit status, stderr and peak memory in bytes of `command`, run in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    sample = measure(command, cwd=folder, env=environment)
    return sample.status, sample.stderr.decode(errors="strict"), sample.peak


def make(case: hostile_models.Case, folder: Path) -> list[str]:
    """Write the case's model.onnx. Returns the files that are then in the folder."""
    (folder / "model.onnx").write_bytes(case.build(folder))
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    """An empty folder for the model, with room beside it."""
    made = tmp_path / "m"
    made.mkdir()
    yield made
    shutil.rmtree(tmp_path, ignore_errors=True)


REFUSED = [case for case in hostile_models.CASES if case.reasons]
ACCEPTED = [case for case in hostile_models.CASES if not case.reasons]


def check_refusal(command: list[str], folder: Path, reasons: tuple[str, ...]) -> None:
    """`command` must end with one line that holds all `reasons`."""
    status, errors, memory = run(command, folder)
    assert status == 1, errors
    assert errors.count("\n") == 1, errors
    assert errors.endswith("\n")
    for reason in reasons:
        assert reason in errors
    assert len(errors) < 5000
    assert memory < MEMORY


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused(case, folder):
    before = make(case, folder)
    check_refusal([*CLI, "rewrite", "model.onnx", "out.onnx"], folder, case.reasons)
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("name", ["truncated", "cycle", "bad_name_in_refusal"])
def test_refused_by_translate(name, folder):
    case = next(case for case in REFUSED if case.name == name)
    make(case, folder)
    check_refusal([*translate(), "model.onnx"], folder, case.reasons)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_odd_but_valid(case, folder):
    make(case, folder)
    for command in (["inspect", "model.onnx"], ["rewrite", "model.onnx", "out.onnx"]):
        status, errors, memory = run([*CLI, *command], folder)
        assert (status, errors) == (0, "")
        assert memory < MEMORY
    if (folder / "model.onnx").read_bytes() == (folder / "out.onnx").read_bytes():
        return  # for a name that protobuf's Python cannot read
    before, after = (
        onnx.load(folder / name, load_external_data=False) for name in ("model.onnx", "out.onnx")
    )
    assert diff_models(before, after) == []


@pytest.mark.parametrize("name", ["folder", "/dev/zero", "pipe"])
def test_model_is_no_regular_file(name, folder):
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    check_refusal([*CLI, "inspect", name], folder, (name, "regular file"))


@pytest.mark.parametrize("name", ["folder", "pipe"])
def test_output_is_no_regular_file(name, folder):
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "model.onnx").write_bytes(hostile_graphs.rich())
    check_refusal([*CLI, "rewrite", "model.onnx", name], folder, (name, "regular file"))
    assert len(list(folder.iterdir())) == 3
    assert (folder / "pipe").is_fifo()


def test_full_disk_leaves_nothing(folder):
    """A limit on the size of files stands in for the disk."""
    (folder / "model.onnx").write_bytes(hostile_graphs.named(b"a" * 100_000))
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))"
    script += "; sys.argv[0] = 'basin'; from basin.cli import main; main()"
    command = [sys.executable, "-c", script, "rewrite", "model.onnx", "out.onnx"]
    check_refusal(command, folder, ("cannot write 'out.onnx'",))
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("what", ["nodes", "value_infos", "attributes"])
def test_millions_of_empty_messages(what, folder):
    """Messages of two bytes in the file have hundreds in memory. The decoder takes 2^30 at most."""
    count = 8_000_000
    empty = message({"nodes": 1, "value_infos": 13, "attributes": 5}[what], b"") * count
    if what == "attributes":
        empty = message(1, message(4, b"Custom") + empty)
    (folder / "model.onnx").write_bytes(integer(1, 10) + message(7, empty))
    status, errors, memory = run([*CLI, "inspect", "model.onnx"], folder)
    assert status == 1
    assert errors.count("\n") == 1
    assert "more than 1073741824 bytes" in errors
    assert memory < MOST_MEMORY


def test_many_nodes_are_no_trouble(folder):
    nodes = [hostile_models.relu(f"v{i}", f"v{i + 1}", f"n{i}") for i in range(100_000)]
    nodes[0].input[0], nodes[-1].output[0] = "x", "y"
    (folder / "model.onnx").write_bytes(hostile_models.model(nodes).SerializeToString())
    status, errors, _ = run([*CLI, "rewrite", "model.onnx", "out.onnx"], folder)
    assert (status, errors) == (0, "")
    assert len(onnx.load(folder / "out.onnx").graph.node) == 100_000


# Many models run in one process. If it crashes, the tests fail as well as with a process for each.
INSPECT = """
import json, sys
from basin.model import BasinError, load
for name in sys.argv[1:]:
    try:
        load(name).inspect()
        error = ""
    except BasinError as caught:
        error = str(caught)
    print(json.dumps([name, error]), flush=True)
"""


def script(text: str, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run `text` with the package at hand."""
    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-c", text, *args]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def shape_errors(tmp_path_factory):
    """What inspection says of each model of hostile_shapes, by name."""
    folder = tmp_path_factory.mktemp("shapes")
    for case in hostile_shapes.CASES:
        (folder / case.name).write_bytes(case.made.SerializeToString())
    result = script(INSPECT, folder, *(case.name for case in hostile_shapes.CASES))
    found = dict(json.loads(line) for line in result.stdout.splitlines())
    return found | {"": result.stderr}


@pytest.mark.parametrize("case", hostile_shapes.CASES, ids=lambda case: case.name)
def test_contradictory_shapes(case, shape_errors):
    assert case.name in shape_errors, f"crashed here or before: {shape_errors['']}"
    error = shape_errors[case.name]
    if case.reason is None:
        assert error == ""
    else:
        assert error.startswith("node 'n': ")
        assert case.reason in error


# Every prefix of a model and every byte changed, in one process.
SWEEP = """
import sys
from basin.model import BasinError, load
name, kind = sys.argv[1:]
good = open(name, "rb").read()
def variants():
    if kind == "prefixes":
        for end in range(len(good)):
            yield good[:end]
    else:
        for at in range(len(good)):
            for change in (0xFF, 0x80, 0x01):
                yield good[:at] + bytes([good[at] ^ change]) + good[at + 1:]
refused = 0
for bytes_ in variants():
    with open("variant.onnx", "wb") as file:
        file.write(bytes_)
    try:
        model = load("variant.onnx")
        model.inspect()
        model.run("basin-raise{on-conflict=warn},convert-sink-to-onnx")
        model.save("out.onnx")
        load("out.onnx")
    except BasinError as error:
        assert str(error).strip() and len(str(error).splitlines()) < 3, error
        refused += 1
print(refused)
"""


@pytest.mark.parametrize("kind", ["prefixes", "changes"])
def test_every_byte_counts(kind, folder):
    (folder / "good.onnx").write_bytes(hostile_graphs.rich())
    result = script(SWEEP, folder, "good.onnx", kind)
    assert result.returncode == 0, result.stderr[-2000:]
    size = (folder / "good.onnx").stat().st_size
    # All but a few must fail. A model without its last field (an opset import, say) may be valid.
    assert int(result.stdout) > (0.9 * size if kind == "prefixes" else 0.5 * size)
