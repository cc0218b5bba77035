"""Recipes: lists of steps in YAML, which `basin rewrite --recipe` applies.

steps:
- rescale-residual: {k: 6}
- absorb-residual:
    scale-dims: {3: 64, 17: 0.5}
- insert-pre-affine

Paths of files are relative to the working directory, as on the command line.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from basin import _basin
from basin.errors import RecipeError
from basin.registry import Requests

__all__ = ["format_recipe", "read_recipe"]

MOST_BYTES = 1 << 16
MOST_LEVELS = 6
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "map", "seq", "str")}


class _Refused(Exception):
    """Why a recipe is refused, at a place of its text."""

    def __init__(self, place: yaml.Mark | yaml.Node | None, why: str) -> None:
        super().__init__(why)
        mark = place.start_mark if isinstance(place, yaml.Node) else place
        self.line = mark.line + 1 if mark else 1


def read_recipe(path: Path) -> Requests:
    """The steps of the recipe at `path`, checked. Raises RecipeError with its file and line."""
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    try:
        if len(data) > MOST_BYTES:
            raise _Refused(None, f"a recipe has at most {MOST_BYTES} bytes")
        return _read_steps(_compose(data.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: expected text in UTF-8: {error.reason}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise RecipeError(f"{where}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: {' '.join(str(error).split())}") from error
    except _Refused as error:
        raise RecipeError(f"{path}:{error.line}: {error}") from error


def format_recipe(steps: Requests) -> str:
    """The text of a recipe with these steps."""
    listed = [{name: dict(options)} if options else name for name, options in steps]
    text: str = yaml.safe_dump({"steps": listed}, sort_keys=False, allow_unicode=True, width=2**20)
    return text


def _compose(text: str) -> yaml.Node:
    """The tree of nodes, in which nothing is shared, deep, or more than YAML's own kinds."""
    depth = 0
    # Events come one at a time, but a tree is made by recursion.
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _Refused(event.start_mark, "a recipe has no anchors and aliases")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_LEVELS:
            raise _Refused(event.start_mark, f"a recipe nests at most {MOST_LEVELS} levels")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        raise _Refused(None, "expected a list 'steps', but the file is empty")
    return root


def _read_steps(root: yaml.Node) -> Requests:
    entries = _pairs(root, "a mapping with a list 'steps'")
    for key, _ in entries:
        if key.value != "steps":
            raise _Refused(key, f"unknown entry '{key.value}': a recipe has a list 'steps'")
    if not entries or not isinstance(entries[0][1], yaml.SequenceNode) or not entries[0][1].value:
        raise _Refused(root, "expected a list 'steps' with at least one step")
    steps: Requests = []
    for node in entries[0][1].value:
        name, options = _read_step(node)
        steps.append((name.value, []))
        _check(steps, name)
        for key, value in options:
            steps[-1][1].append((key.value, _as_text(value)))
            _check(steps, key)
    return steps


def _read_step(node: yaml.Node) -> tuple[yaml.Node, list[tuple[yaml.Node, yaml.Node]]]:
    """The name of a step, and its options."""
    if isinstance(node, yaml.ScalarNode):
        return node, []
    what = "a step's name, or a mapping from it to its options"
    pairs = _pairs(node, what)
    if len(pairs) != 1:
        raise _Refused(node, f"expected {what}, but got {len(pairs)} entries")
    return pairs[0][0], _pairs(pairs[0][1], "a mapping of options")


def _pairs(node: yaml.Node, what: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """The entries of a mapping whose keys are single and plain."""
    if not isinstance(node, yaml.MappingNode):
        raise _Refused(node, f"expected {what}")
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Refused(key, "expected a name before the colon")
        if key.value in seen:
            raise _Refused(key, f"'{key.value}' is given twice")
        seen.add(key.value)
    pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
    return pairs


def _as_text(node: yaml.Node) -> str:
    """A value as the command line has it: the text as it stands, since YAML reads 3:64 as 244."""
    if node.tag not in _TAGS:
        raise _Refused(node, "expected a word, a number, a list or a mapping as the value")
    if isinstance(node, yaml.MappingNode):
        pairs = _pairs(node, "a mapping")
        return ",".join(f"{key.value}:{_as_text(value)}" for key, value in pairs)
    if isinstance(node, yaml.SequenceNode):
        return ",".join(map(_as_text, node.value))
    return str(node.value)


def _check(steps: Requests, place: yaml.Node) -> None:
    try:
        _basin.check_steps(steps)
    except _basin.BasinError as error:
        raise _Refused(place, str(error)) from error
