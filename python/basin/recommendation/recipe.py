"""The recommended recipe as a file, with the tokens that its steps calibrate with."""

from __future__ import annotations

from pathlib import Path

from basin.analysis.data import Dataset
from basin.recipes import format_recipe
from basin.recommendation.recommend import Recommendation, split
from basin.recommendation.treatments import cut_prefix
from basin.registry import Requests

__all__ = ["recipe_files"]


def recipe_files(
    found: Recommendation, data: Dataset, tokens: Path, same_data: bool = False
) -> tuple[str, str]:
    """The texts of a recipe and of the file `tokens`, to which its steps refer.

    The tokens are those of the calibration, without a prefix that the recipe absorbs.
    """
    calibration, _ = split(data, same_data)
    ids = [dict(options)["ids"] for name, options in found.best.steps if name == "absorb-prefix"]
    prefix = [int(one) for one in ids[0].split(",")] if ids else []
    lines = [str(one.tolist()) for one in cut_prefix(calibration, prefix).sequences]
    steps: Requests = []
    for name, options in found.steps:
        given = {key: str(tokens) if key == "data" else value for key, value in options}
        if name == "quantize":
            given["data"] = str(tokens)
        steps.append((name, list(given.items())))
    return format_recipe(steps), "\n".join(lines) + "\n"
