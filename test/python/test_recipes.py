"""Recipes: what they hold, what they refuse, and that a saved one gives the same model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin.errors import RecipeError  # noqa: E402
from basin.recipes import MOST_BYTES, format_recipe, read_recipe  # noqa: E402
from model_files import basin as command  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
BLOCK = """# Comments are allowed.
steps:
- rescale-residual:
    k: -3
    inexact: 1e-3
- absorb-residual:
    scale-dims: {3: 64, 17: 0.0625}
- insert-pre-affine
"""
FLOW = """{steps: [rescale-residual: {k: -3, inexact: 1e-3},
absorb-residual: {scale-dims: ['3:64', '17:0.0625']}, insert-pre-affine: {}]}"""
STEPS = [
    ("rescale-residual", [("k", "-3"), ("inexact", "1e-3")]),
    ("absorb-residual", [("scale-dims", "3:64,17:0.0625")]),
    ("insert-pre-affine", []),
]


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "r.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("text", [BLOCK, FLOW])
def test_what_a_recipe_holds(tmp_path, text):
    assert read_recipe(write(tmp_path, text)) == STEPS


def test_what_is_formatted_is_read_again(tmp_path):
    text = format_recipe(STEPS)
    assert read_recipe(write(tmp_path, text)) == STEPS
    names = ["a b.json", "a: b", "#x", "- y", "é", "'", '"', "\x07", "no", "3:40", "{x}", "*a"]
    for name in names:
        (tmp_path / name).write_text("{}")
        steps = [("absorb-residual", [("stats", f"{tmp_path}/{name}")])]
        assert read_recipe(write(tmp_path, format_recipe(steps))) == steps


def test_a_time_is_a_scale(tmp_path):
    """YAML reads 3:40 as the number 220, but here it is a dimension and its scale."""
    text = "steps: [{absorb-residual: {scale-dims: 3:40}}]"
    assert read_recipe(write(tmp_path, text)) == [("absorb-residual", [("scale-dims", "3:40")])]


LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nsteps: [*b]\n"
REFUSED = [
    ("", 1, "expected a list 'steps', but the file is empty"),
    ("- insert-pre-affine", 1, "expected a mapping with a list 'steps'"),
    ("steps:", 1, "with at least one step"),
    ("steps: []", 1, "with at least one step"),
    ("{}", 1, "with at least one step"),
    ("steps: [insert-pre-affine]\nmore: 1", 2, "unknown entry 'more'"),
    ("steps: [insert-pre-affine]\nsteps: []", 2, "'steps' is given twice"),
    ("steps:\n- insert-pre-affine\n- 3", 3, "unknown step '3'"),
    ("steps:\n- insert-pre-affine\n- insert-pre-affine", 3, "is given twice"),
    ("steps:\n- [insert-pre-affine]", 2, "expected a step's name, or a mapping"),
    ("steps:\n- insert-pre-affine: {}\n  absorb-residual: {}", 2, "but got 2 entries"),
    ("steps:\n- rescale-residual:\n    k: 3\n    q: 1", 4, "has no option 'q'"),
    ("steps:\n- rescale-residual:\n    k: 3\n    k: 4", 4, "'k' is given twice"),
    ("steps:\n- rescale-residual:\n    k:\n", 3, "expected a word, a number, a list or a mapping"),
    ("steps:\n- rescale-residual:\n    k: 1.5", 3, "expected INTEGER|auto, but got '1.5'"),
    ("steps:\n- rescale-residual: 3", 2, "expected a mapping of options"),
    ("steps:\n- ? [a]\n  : 3", 2, "expected a name before the colon"),
    ("steps:\n- absorb-residual: {stats: none.json}", 2, "'none.json': No such file"),
    ("steps:\n- rescale-residual: {k: !!python/name:os.system ''}", 2, "expected a word"),
    ("steps: [\n- x", 2, "but found"),
    ("steps:\n\t- x", 2, "cannot start any token"),
    ("a: 1\n---\nsteps: []", 2, "but found another document"),
    (LAUGHS, 1, "no anchors and aliases"),
    ("steps: " + "[" * 4000, 1, "nests at most 6 levels"),
]


@pytest.mark.parametrize(("text", "line", "reason"), REFUSED)
def test_refusals_name_file_and_line(tmp_path, text, line, reason):
    with pytest.raises(RecipeError) as refused:
        read_recipe(write(tmp_path, text))
    said = str(refused.value)
    assert said.startswith(f"{tmp_path}/r.yaml:{line}: ") and reason in said, said
    assert "\n" not in said


@pytest.mark.parametrize("text", [b"\xff", b"steps: [\x00]", b"#" * (MOST_BYTES + 1)])
def test_refusals_name_the_file(tmp_path, text):
    with pytest.raises(RecipeError, match=r"r\.yaml.*(UTF-8|not allowed|at most 65536 bytes)"):
        read_recipe(write(tmp_path, text))


def test_a_refusal_is_one_line_and_writes_nothing(tmp_path):
    write(tmp_path, "steps: [x]")
    result = command(tmp_path, "rewrite", TINY, "out.onnx", "--recipe", "r.yaml")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("basin: error: r.yaml:1: unknown step 'x'")
    write(tmp_path, BLOCK)
    for options, reason in (
        (["out.onnx", "insert-pre-affine"], "--recipe has steps of its own"),
        (["r.yaml"], "the same file as an input"),
        (["out.onnx", "--save-recipe", "r.yaml"], "the same file as an input"),
        (["out.onnx", "--save-recipe", "out.onnx"], "name the same file"),
        (["out.onnx", "--save-recipe", "none/r.yaml"], "no such folder: none"),
        (["out.onnx", "--save-recipe", "."], ". is a folder"),
    ):
        result = command(tmp_path, "rewrite", TINY, *options, "--recipe", "r.yaml")
        assert result.returncode == 1 and result.stderr.count("\n") == 1
        assert reason in result.stderr
    result = command(tmp_path, "rewrite", TINY, "out.onnx", "--save-recipe", "s.yaml")
    assert result.returncode == 1 and "--save-recipe needs a step" in result.stderr
    result = command(tmp_path, "rewrite", TINY, "out.onnx", "--recipe", "none.yaml")
    assert result.returncode == 1 and "none.yaml" in result.stderr
    assert os.listdir(tmp_path) == ["r.yaml"]


def test_a_saved_recipe_gives_the_same_model(tmp_path):
    words = ["rescale-residual", "k=2", "absorb-residual", "scale-dims=3:4,1:2"]
    words += ["insert-pre-affine"]
    first = command(tmp_path, "rewrite", TINY, "a.onnx", *words, "--save-recipe", "r.yaml")
    assert first.returncode == 0, first.stderr
    again = command(tmp_path, "rewrite", TINY, "b.onnx", "--recipe", "r.yaml")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert (tmp_path / "r.yaml").read_text() == (
        "steps:\n- rescale-residual:\n    k: '2'\n- absorb-residual:\n"
        "    scale-dims: 3:4,1:2\n- insert-pre-affine\n"
    )
