"""Files: those that the input needs are never written, and models appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import BasinError, load  # noqa: E402
from model_files import basin, check_refused, contents, inside, make_model, same_weights  # noqa: E402

# Files that the input needs.


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
    options = ["absorb-residual", "scale-dims=3:4", "--external-data", mode]
    result = inside(tmp_path, "rewrite", "m.onnx", target, *options)
    check_refused(tmp_path, result, before, of)


def test_output_is_data_that_the_rewrite_no_longer_needs(tmp_path):
    """Every tensor of the file is rewritten, so the result no longer refers to it."""
    make_model(tmp_path / "m.onnx")
    model = load(tmp_path / "m.onnx")
    model.run("builtin.module(basin-raise,sink-rescale-residual{k=3},convert-sink-to-onnx)")
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
    """The input keeps its weights in OUT.data, so the new data get another name."""
    make_model(tmp_path / "m.onnx", "out.onnx.data")
    data = (tmp_path / "out.onnx.data").read_bytes()
    options = ["absorb-residual", "scale-dims=3:4", "--external-data", mode]
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
    (tmp_path / "out.onnx.data").unlink()  # onnx reads no file with two names.
    assert same_weights(tmp_path / "m.onnx", tmp_path / "out.onnx")


def test_output_is_the_statistics(tmp_path):
    make_model(tmp_path / "m.onnx")
    (tmp_path / "s.json").write_text("{}")
    before = contents(tmp_path)
    result = basin(tmp_path, "rewrite", "m.onnx", "s.json", "absorb-residual", "stats=s.json")
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
    check_refused(tmp_path, basin(tmp_path, "analyze", "m.onnx", *options), before, "the same file")


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
    """A library with which the process ends when it would rename a file."""
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
