"""Full disks, files that shrink or cannot be read, names of any size and any character."""

from __future__ import annotations

import os
import subprocess

import pytest

pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import BasinError, load  # noqa: E402
from model_files import (  # noqa: E402
    WIDTH,
    basin,
    check_refused,
    contents,
    make_model,
    python,
    same_weights,
)

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
    """A limit on the size of files stands in for a full disk. The old pair of files stays."""
    make_model(tmp_path / "m.onnx")
    make_model(tmp_path / "out.onnx", "out.onnx.data", seed=1)
    before = contents(tmp_path)
    options = ["absorb-residual", "scale-dims=3:4", "--external-data", mode]
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
    """A page that its file no longer backs raises SIGBUS. No output may be made of it."""
    make_model(tmp_path / "m.onnx", data)
    (tmp_path / "out").mkdir()
    model = load(tmp_path / "m.onnx")
    os.truncate(tmp_path / (data or "m.onnx"), 100)
    with pytest.raises(BasinError, match=r"shrank|need more"):
        model.save(tmp_path / "out" / "out.onnx", mode)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(BasinError, match=r"shrank|need more"):
        model.run(
            "builtin.module(basin-raise,"
            "sink-absorb-residual-sinks{scale-dims=3:4},convert-sink-to-onnx)"
        )
    del model
    # Another model is not affected.
    make_model(tmp_path / "other.onnx", None)
    load(tmp_path / "other.onnx").save(tmp_path / "out" / "out.onnx")


def test_weights_that_are_not_there(tmp_path):
    """Without its weights a graph can be inspected, and rewritten if no weight is read."""
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
            "builtin.module(basin-raise,"
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
    options = ["absorb-residual", f"stats=./{name}"]
    result = basin(tmp_path, "rewrite", "m.onnx", "out.onnx", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert not same_weights(tmp_path / "m.onnx", tmp_path / "out.onnx")
    # The whole name reaches the pass, but no terminal gets its raw characters.
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
    options = ["absorb-residual", "stats=s.json"]
    result = basin(tmp_path, "rewrite", "m.onnx", "out.onnx", *options)
    check_refused(tmp_path, result, before, "s.json")
