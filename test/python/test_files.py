"""Files: what the input needs is never written, outputs appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

package = pytest.importorskip("basin", reason="the extension is not built")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import BasinError, load  # noqa: E402

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
WIDTH = 160  # of the square weights: 100 kB, which is mapped, not read


def basin(folder: Path, *args: str | Path, preload: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in `folder`."""
    environment = ENVIRONMENT | ({"LD_PRELOAD": preload} if preload else {})
    command = [sys.executable, "-m", "basin", *map(str, args)]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


def inside(folder: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, for the long tables."""
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
    """A residual block, y = x + RMSNorm(x) W; with `data`, W's file beside it."""
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
    """One line, exit status 1, every file as it was and none more."""
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


# What the input needs.


def direct(folder: Path, of: str) -> str:
    return of


def hard_link(folder: Path, of: str) -> str:
    os.link(folder / of, folder / "out.onnx")
    return "out.onnx"


def symbolic_link(folder: Path, of: str) -> str:
    (folder / "out.onnx").symlink_to(of)
    return "out.onnx"


def other_path(folder: Path, of: str) -> str:
    (folder / "sub").mkdir()
    return f"sub/../{of}"


@pytest.mark.parametrize("mode", ["auto", "share", "copy", "embed"])
@pytest.mark.parametrize("to", [direct, hard_link, symbolic_link, other_path])
@pytest.mark.parametrize("of", ["m.onnx", "w.bin"])
def test_output_is_an_input(tmp_path, of, to, mode):
    make_model(tmp_path / "m.onnx")
    target = to(tmp_path, of)
    before = contents(tmp_path)
    options = ["--external-data", mode, "--absorb", "residual", "--scale-dims", "3:4"]
    result = inside(tmp_path, "rewrite", "m.onnx", target, *options)
    check_refused(tmp_path, result, before, of)


def test_output_is_data_that_the_rewrite_no_longer_needs(tmp_path):
    """Every tensor of the file is rewritten, so that the result refers to it no more."""
    make_model(tmp_path / "m.onnx")
    model = load(tmp_path / "m.onnx")
    model.run(
        "builtin.module(onnx-infer-shapes,convert-onnx-to-sink,sink-rescale-residual{k=3},"
        "convert-sink-to-onnx)"
    )
    before = contents(tmp_path)
    with pytest.raises(BasinError, match=r"the input's own file .*w\.bin"):
        model.save(tmp_path / "w.bin")
    assert contents(tmp_path) == before


def test_inputs_are_known_from_another_folder(tmp_path, monkeypatch):
    make_model(tmp_path / "m.onnx")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    model = load("m.onnx")
    monkeypatch.chdir(tmp_path / "sub")
    before = contents(tmp_path)
    for target in ("../m.onnx", "../w.bin"):
        with pytest.raises(BasinError, match="the input's own file"):
            model.save(target)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("mode", ["share", "copy"])
def test_data_file_is_the_inputs(tmp_path, mode):
    """OUT.data is where the input keeps its weights: the new data get another name."""
    make_model(tmp_path / "m.onnx", "out.onnx.data")
    data = (tmp_path / "out.onnx.data").read_bytes()
    options = ["--external-data", mode, "--absorb", "residual", "--scale-dims", "3:4"]
    result = basin(tmp_path, "rewrite", "m.onnx", "out.onnx", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "out.onnx.data").read_bytes() == data
    assert (tmp_path / "out.onnx.1.data").exists()
    assert basin(tmp_path, "verify", "m.onnx", "out.onnx").returncode == 0


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_data_file_name_is_a_link_to_the_inputs(tmp_path, link):
    make_model(tmp_path / "m.onnx")
    link("w.bin" if link is os.symlink else tmp_path / "w.bin", tmp_path / "out.onnx.data")
    data = (tmp_path / "w.bin").read_bytes()
    result = basin(tmp_path, "rewrite", "m.onnx", "out.onnx", "--external-data", "copy")
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "w.bin").read_bytes() == data
    (tmp_path / "out.onnx.data").unlink()  # The peer reads no file that has two names.
    assert same_weights(tmp_path / "m.onnx", tmp_path / "out.onnx")


def test_output_is_the_statistics(tmp_path):
    make_model(tmp_path / "m.onnx")
    (tmp_path / "s.json").write_text("{}")
    before = contents(tmp_path)
    result = basin(
        tmp_path, "rewrite", "m.onnx", "s.json", "--absorb", "residual", "--stats", "s.json"
    )
    check_refused(tmp_path, result, before, "s.json")


@pytest.mark.parametrize("option", ["--stats", "--report"])
@pytest.mark.parametrize("of", ["m.onnx", "w.bin", "text.txt", "tokenizer.json"])
@pytest.mark.parametrize("to", [direct, hard_link, symbolic_link])
def test_analysis_onto_its_input(tmp_path, option, of, to):
    make_model(tmp_path / "m.onnx")
    (tmp_path / "text.txt").write_text("some text, and some more of it\n")
    (tmp_path / "tokenizer.json").write_text("{}")
    target = to(tmp_path, of)
    before = contents(tmp_path)
    options = ["--data", "text.txt", "--tokenizer", "tokenizer.json"]
    result = inside(tmp_path, "analyze", "m.onnx", *options, option, target)
    check_refused(tmp_path, result, before, option, of)


def test_figures_onto_an_input(tmp_path):
    (tmp_path / "f").mkdir()
    make_model(tmp_path / "f" / "layers.png", None)
    before = contents(tmp_path)
    result = basin(tmp_path, "analyze", "f/layers.png", "--random", "1", "--figures", "f")
    check_refused(tmp_path, result, before, "--figures", "layers.png")


def test_one_target_for_two(tmp_path):
    make_model(tmp_path / "m.onnx")
    before = contents(tmp_path)
    options = ["--random", "1", "--stats", "a.json", "--report", "./a.json"]
    check_refused(tmp_path, basin(tmp_path, "analyze", "m.onnx", *options), before, "one file")


@pytest.mark.parametrize("option", ["--out", "--report"])
def test_merging_onto_an_input(tmp_path, option):
    (tmp_path / "a.json").write_text("{}")
    os.link(tmp_path / "a.json", tmp_path / "b.json")
    before = contents(tmp_path)
    out = [] if option == "--out" else ["--out", "c.json"]
    result = basin(tmp_path, "merge-stats", "a.json", *out, option, "b.json")
    check_refused(tmp_path, result, before, option, "b.json")


# Old and new pairs.


def test_repeated_rewrites_leave_one_pair(tmp_path):
    (tmp_path / "in").mkdir()
    seen = []
    for seed in range(4):
        make_model(tmp_path / "in" / "m.onnx", seed=seed)
        result = basin(tmp_path, "rewrite", "in/m.onnx", "out.onnx")
        assert (result.returncode, result.stderr) == (0, "")
        assert same_weights(tmp_path / "in" / "m.onnx", tmp_path / "out.onnx")
        (data,) = {path.name for path in tmp_path.iterdir()} - {"in", "out.onnx"}
        seen.append(data)
        shutil.rmtree(tmp_path / "in")
        (tmp_path / "in").mkdir()
    assert seen == ["out.onnx.data", "out.onnx.1.data"] * 2


def test_old_data_that_another_model_needs_stay(tmp_path):
    (tmp_path / "in").mkdir()
    make_model(tmp_path / "in" / "m.onnx")
    assert basin(tmp_path, "rewrite", "in/m.onnx", "out.onnx").returncode == 0
    assert basin(tmp_path, "rewrite", "out.onnx", "shared.onnx").returncode == 0
    assert not (tmp_path / "shared.onnx.data").exists()
    assert basin(tmp_path, "rewrite", "in/m.onnx", "out.onnx").returncode == 0
    assert (tmp_path / "out.onnx.data").exists()
    assert same_weights(tmp_path / "in" / "m.onnx", tmp_path / "shared.onnx")


def test_data_of_no_model_are_not_touched(tmp_path):
    (tmp_path / "in").mkdir()
    make_model(tmp_path / "in" / "m.onnx")
    (tmp_path / "out.onnx.data").write_bytes(b"mine")
    make_model(tmp_path / "out.onnx", None)
    assert basin(tmp_path, "rewrite", "in/m.onnx", "out.onnx").returncode == 0
    assert (tmp_path / "out.onnx.data").read_bytes() == b"mine"
    assert same_weights(tmp_path / "in" / "m.onnx", tmp_path / "out.onnx")


@pytest.fixture(scope="module")
def crash_at_rename(tmp_path_factory):
    """A library with which the process ends where it would rename a file."""
    compiler = shutil.which("cc") or shutil.which("clang") or shutil.which("clang-22")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("crash")
    (folder / "crash.c").write_text(
        "#include <unistd.h>\nint rename(const char *a, const char *b) { _exit(9); }\n"
    )
    library = folder / "crash.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, folder / "crash.c"], check=True, timeout=60
    )
    return str(library)


def test_crash_before_the_rename_leaves_the_old_pair(tmp_path, crash_at_rename):
    (tmp_path / "in").mkdir()
    make_model(tmp_path / "in" / "m.onnx", seed=1)
    assert basin(tmp_path, "rewrite", "in/m.onnx", "out.onnx").returncode == 0
    before = contents(tmp_path)
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "in").mkdir()
    make_model(tmp_path / "in" / "m.onnx", seed=2)
    result = basin(tmp_path, "rewrite", "in/m.onnx", "out.onnx", preload=crash_at_rename)
    assert result.returncode == 9
    after = contents(tmp_path)
    for name in ("out.onnx", "out.onnx.data"):
        assert after[name] == before[name]


# Disks, permissions, files that change.

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv[:2] = ["basin"]
from basin.cli import main
main()
"""


@pytest.mark.parametrize("limit", [0, 1, 500, 5000, 50_000, 120_000])
@pytest.mark.parametrize("mode", ["share", "copy", "embed"])
def test_full_disk(tmp_path, mode, limit):
    """A limit on the size of files stands in for the disk; the old pair stays."""
    make_model(tmp_path / "m.onnx")
    make_model(tmp_path / "out.onnx", "out.onnx.data", seed=1)
    before = contents(tmp_path)
    options = ["--external-data", mode, "--absorb", "residual", "--scale-dims", "3:4"]
    result = python(tmp_path, LIMITED, str(limit), "rewrite", "m.onnx", "out.onnx", *options)
    check_refused(tmp_path, result, before, "cannot write", "File too large")


def test_full_file_system(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        make_model(tmp_path / "m.onnx")
        for mode in ("copy", "embed"):
            result = basin(tmp_path, "rewrite", "m.onnx", "small/out.onnx", "--external-data", mode)
            assert result.returncode == 1
            assert result.stderr.count("\n") == 1
            assert "No space left on device" in result.stderr
            assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("target", ["/dev/full", "/proc/out.onnx", "no-such-folder/out.onnx", "."])
def test_output_that_cannot_be_written(tmp_path, target):
    make_model(tmp_path / "m.onnx")
    before = contents(tmp_path)
    check_refused(tmp_path, basin(tmp_path, "rewrite", "m.onnx", target), before, "cannot write")


@pytest.mark.parametrize("data", [None, "w.bin"])
@pytest.mark.parametrize("mode", ["copy", "embed"])
def test_input_truncated_while_mapped(tmp_path, data, mode):
    """A page that its file no longer backs raises SIGBUS; nothing may be made of it."""
    make_model(tmp_path / "m.onnx", data)
    (tmp_path / "out").mkdir()
    model = load(tmp_path / "m.onnx")
    os.truncate(tmp_path / (data or "m.onnx"), 100)
    with pytest.raises(BasinError, match=r"shrank|need more"):
        model.save(tmp_path / "out" / "out.onnx", mode)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(BasinError, match=r"shrank|need more"):
        model.run(
            "builtin.module(onnx-infer-shapes,convert-onnx-to-sink,"
            "sink-absorb-residual-sinks{scale-dims=3:4},convert-sink-to-onnx)"
        )
    del model
    # Another model is none the worse for it.
    make_model(tmp_path / "other.onnx", None)
    load(tmp_path / "other.onnx").save(tmp_path / "out" / "out.onnx")


def test_weights_that_are_not_there(tmp_path):
    """A graph can be looked at without them, and rewritten where no weight is read."""
    make_model(tmp_path / "m.onnx")
    (tmp_path / "w.bin").unlink()
    before = contents(tmp_path)
    result = basin(tmp_path, "inspect", "m.onnx", "--json")
    assert result.returncode == 0
    assert "'w.bin' cannot be found" in result.stderr
    assert result.stderr.count("\n") == 1
    model = load(tmp_path / "m.onnx")
    assert len(model.inspect()["norms"]) == 2
    for needing in ("copy", "embed"):
        with pytest.raises(BasinError, match="'w.bin' cannot be found"):
            model.save(tmp_path / "out.onnx", needing)
    with pytest.raises(BasinError, match="'w.bin' cannot be found"):
        model.run(
            "builtin.module(onnx-infer-shapes,convert-onnx-to-sink,"
            "sink-absorb-residual-sinks{scale-dims=3:4},convert-sink-to-onnx)"
        )
    assert contents(tmp_path) == before
    model.save(tmp_path / "out.onnx", "share")
    assert len(load(tmp_path / "out.onnx").inspect()["norms"]) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_that_may_not_be_read(tmp_path):
    make_model(tmp_path / "m.onnx")
    (tmp_path / "out").mkdir(mode=0o777)
    os.chmod(tmp_path / "out", 0o777)
    os.chmod(tmp_path / "w.bin", 0)
    script = """
import os
from basin.model import BasinError, load
model = load("m.onnx")
os.seteuid(65534)
for name, mode in (("m.onnx", "copy"), ("w.bin", "embed")):
    try:
        model.save("out/out.onnx", mode)
    except BasinError as error:
        print(error)
"""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(folder, 0o755)
    result = python(tmp_path, script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Permission denied") == 2
    assert list((tmp_path / "out").iterdir()) == []


# Names.


@pytest.mark.parametrize("name", ["o" * 250 + ".onnx", "ä" * 125 + ".onnx"])
def test_name_of_the_longest_size(tmp_path, name):
    (tmp_path / "in").mkdir()
    make_model(tmp_path / "in" / "m.onnx")
    for _ in range(2):
        result = basin(tmp_path, "rewrite", "in/m.onnx", name)
        assert (result.returncode, result.stderr) == (0, "")
        assert same_weights(tmp_path / "in" / "m.onnx", tmp_path / name)
        assert len(list(tmp_path.iterdir())) == 3
    os.link(tmp_path / "in" / "m.onnx", tmp_path / "in" / name)
    assert basin(tmp_path, "inspect", f"in/{name}").returncode == 0


STATISTICS = '{"version": 1, "residual_streams": [{"max_abs": [%s]}]}'


@pytest.mark.parametrize(
    "name",
    [
        "it's",
        'a "b"',
        "'\"",
        "a b",
        "ünï",
        "{a}",
        "a,b=c",
        "a%41",
        "-x",
        "a\\b",
        "é" * 120,
        "\x1b[1m",
    ],
)
def test_any_character_in_stats(tmp_path, name):
    make_model(tmp_path / "m.onnx")
    values = ["1"] * WIDTH
    values[7] = "4096"
    (tmp_path / name).write_text(STATISTICS % ",".join(values))
    options = ["--absorb", "residual", f"--stats=./{name}"]
    result = basin(tmp_path, "rewrite", "m.onnx", "out.onnx", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert not same_weights(tmp_path / "m.onnx", tmp_path / "out.onnx")
    # The name reaches the pass whole, and no terminal raw.
    (tmp_path / name).write_text("[")
    result = basin(tmp_path, "rewrite", "m.onnx", "out2.onnx", *options)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    # A long path is cut.
    assert name.replace("\x1b", "\\x1b")[:12] in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 60_000, '"\\"[' + "[" * 60_000])
def test_statistics_that_nest_deep(tmp_path, text):
    make_model(tmp_path / "m.onnx")
    (tmp_path / "s.json").write_text(text)
    before = contents(tmp_path)
    options = ["--absorb", "residual", "--stats", "s.json"]
    result = basin(tmp_path, "rewrite", "m.onnx", "out.onnx", *options)
    check_refused(tmp_path, result, before, "s.json")


def test_limits_are_ours():
    """The tests above rely on a child's limits, not on those of this process."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
