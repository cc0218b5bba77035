"""The tables of steps in the documentation say what the registry says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import _basin  # noqa: E402
from basin.recipes import read_recipe  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "steps.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def table_of_steps() -> Iterator[str]:
    yield "| step | does | good for | not for | promise |"
    yield "|---|---|---|---|---|"
    for s in basin.steps():
        yield f"| `{s.name}` | {s.summary} | {s.good_for} | {s.not_for} | {s.full_promise} |"


def table_of_options() -> Iterator[str]:
    yield "| step | option | default | meaning |"
    yield "|---|---|---|---|"
    for step in basin.steps():
        for option in step.options:
            default = f"`{option.default}`" if option.default else ""
            cells = [f"`{step.name}`", f"`{option.name}={option.values}`", default, option.help]
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table_of_readme() -> Iterator[str]:
    yield "| step | what it is good for | what it is not | promise |"
    yield "|---|---|---|---|"
    for step in basin.steps():
        yield f"| `{step.name}` | {step.good_for} | {step.not_for} | {step.promise_kind} |"


@pytest.mark.parametrize(
    ("page", "lines"),
    [(PAGE, table_of_steps()), (PAGE, table_of_options()), (README, table_of_readme())],
    ids=["steps", "options", "README"],
)
def test_tables_are_those_of_the_registry(page: str, lines: Iterator[str]) -> None:
    expected = "\n".join(lines)
    head = expected.split("\n")[0]
    assert head in page
    table = page[page.index(head) :].split("\n\n")[0]
    assert table == expected, f"expected this table:\n{expected}"


def test_the_command_line_and_the_recipe_are_the_same_steps(tmp_path: Path) -> None:
    (words,) = re.findall(r"^basin rewrite in\.onnx out\.onnx (.+)$", PAGE, re.M)
    (recipe,) = re.findall(r"```yaml\n(.+?)```", PAGE, re.S)
    (tmp_path / "r.yaml").write_text(recipe)
    parsed = _basin.parse_steps(words.split())
    assert read_recipe(tmp_path / "r.yaml") == parsed
    assert len(parsed) == 5
    # YAML reads the pair as one number, which is why values are read as texts.
    assert yaml.safe_load("scale-dims: 3:40") == {"scale-dims": 220}
