"""The command line: what it prints, what it refuses, and that a refusal leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("basin._basin", reason="the extension is not built")

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"


def basin(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    import basin as package

    environment = os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])}
    command = [sys.executable, "-m", "basin", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


def test_inspect_names_what_the_model_has():
    result = basin("inspect", TINY, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert len(found["attention"]) == 3
    assert len(found["norms"]) == 7
    assert len(found["residual_streams"]) == 1


@pytest.mark.parametrize(
    "options",
    [
        "",
        "absorb-residual scale-dims=3:1024,17:0.0625 insert-pre-affine",
        "absorb-residual scale-dims=3:1024,17:0.0625 --form functions",
        "absorb-residual",
        "rescale-residual k=6",
        "rescale-residual bound=300000",
    ],
)
def test_rewritten_model_verifies(tmp_path, options):
    out = tmp_path / "out.onnx"
    result = basin("rewrite", TINY, out, *options.split())
    assert result.returncode == 0, result.stderr
    result = basin("verify", TINY, out, "--random", "2")
    assert result.returncode == 0
    assert result.stdout.endswith("bit-identical (2 input sets)\n")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("absorb-residual scale-dims=3:1000", "power of two"),
        ("absorb-residual scale-dims=999:2", "999"),
        (
            "absorb-residual scale-dims=three",
            "option 'scale-dims': expected [STREAM/]DIMENSION:SCALE",
        ),
        ("absorb-residual stats=no-such-file", "no-such-file"),
        ("absorb-residual scale-dims=3:2 stats=pyproject.toml", "expected one of them"),
        ("absorb-residual inexact=1", "option 'inexact': expected an error of at least 0 and"),
        ("absorb-residual inexact=-1", "option 'inexact': expected an error of at least 0 and"),
        ("rescale-residual", "'auto' takes one of the options 'stats' and 'bound', but got nei"),
        ("rescale-residual stats=pyproject.toml bound=3", "but got both"),
        ("rescale-residual k=much", "option 'k': expected INTEGER|auto, but got 'much'"),
        ("rescale-residual k=61", "expected 'auto' or an integer from -60 to 60, but got '61'"),
        ("rescale-residual k=3 bound=5", "expected k=auto beside them, but got k=3"),
        ("rescale-residual bound=-1", "option 'bound': expected a positive number"),
        ("rescale-residual bound=inf", "option 'bound': expected NUMBER, but got 'inf'"),
        ("scale-dims=3:2", "stands before any step"),
    ],
)
def test_refusal_is_one_line_and_writes_nothing(tmp_path, options, reason):
    result = basin("rewrite", TINY, tmp_path / "out.onnx", *options.split())
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_models_that_cannot_be_read(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    for model in (broken, tmp_path / "missing.onnx"):
        for command in (["inspect", model], ["rewrite", model, tmp_path / "out.onnx"]):
            result = basin(*command)
            assert result.returncode == 1
            assert result.stderr.count("\n") == 1
            assert model.name in result.stderr
    assert list(tmp_path.iterdir()) == [broken]


def test_input_is_not_overwritten(tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(TINY.read_bytes())
    assert basin("rewrite", model, model).returncode == 1
    assert model.read_bytes() == TINY.read_bytes()


def test_different_models_fail_verification(tmp_path):
    import onnx
    from onnx import numpy_helper

    model = onnx.load(TINY)
    weight = next(w for w in model.graph.initializer if w.name == "norm.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 2, weight.name))
    other = tmp_path / "other.onnx"
    onnx.save(model, other)
    result = basin("verify", TINY, other)
    assert result.returncode == 1
    assert "FAIL" in result.stdout


def test_library_reports_errors_as_exceptions(tmp_path):
    import basin as package

    model = package.load(TINY)
    before = model.text()
    with pytest.raises(package.BasinError, match="no-such-pass"):
        model.run("no-such-pass")
    assert model.text() == before
    with pytest.raises(package.BasinError, match="embed"):
        model.save(tmp_path / "out.onnx", "somewhere")
    package.roundtrip(TINY, tmp_path / "copy.onnx")
    assert (tmp_path / "copy.onnx").read_bytes() == TINY.read_bytes()
