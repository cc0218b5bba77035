"""Treatments: steps that may help, with options that come from the model at hand.

A treatment sees the model after the ones before it, as outliers may be others then. Each says why
it is tried, or why it is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from basin._basin import choose_residual_exponents
from basin.analysis.data import Dataset
from basin.analysis.run import analyze
from basin.model import load
from basin.recommendation.ranges import LARGEST, find_overflows, measure_ranges
from basin.recommendation.target import Target
from basin.registry import steps as list_steps

__all__ = [
    "Context",
    "Step",
    "Treatment",
    "absorb_residual",
    "cut_prefix",
    "find_treatments",
    "smooth_for",
    "write_tokens",
]

Step = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class Context:
    """The model after the treatments before, its data, and a folder for files."""

    path: Path
    data: Dataset
    folder: Path


@dataclass(frozen=True)
class Treatment:
    """`make` gives the steps for a model, or a reason why there is nothing to do.

    `scope` is a target for which alone the steps are made, or empty.
    """

    name: str
    why: str
    make: Callable[[Context], list[Step] | str]
    scope: str = ""

    @property
    def key(self) -> str:
        """What treated models are told apart by."""
        return f"{self.name} {self.scope}"


def cut_prefix(data: Dataset, prefix: list[int]) -> Dataset:
    """The sequences without the prefix that a model no longer takes."""
    size = len(prefix)
    if not size:
        return data
    cut = [one[size:] if one[:size].tolist() == prefix else one for one in data.sequences]
    context = [max(0, one - size) for one in data.context]
    return replace(data, sequences=[one for one in cut if len(one) > 0], context=context)


def measure_streams(context: Context) -> dict[str, Any]:
    """The statistics document of the residual streams."""
    return analyze(context.path, context.data, taps=["residual"], batch=1).document()


def find_treatments(
    target: Target, document: dict[str, Any], data: Dataset
) -> tuple[list[Treatment], list[str]]:
    """The treatments that the statistics of the model suggest, in the order in which they apply,
    and reasons for those that are left out.
    """
    found: list[Treatment] = []
    left_out: list[str] = []
    first = {int(one[0]) for one in data.sequences}
    if len(first) == 1:
        (token,) = first
        found.append(
            Treatment(
                "absorb-prefix",
                _describe_first(document, token),
                partial(_absorb_prefix, token),
            )
        )
    else:
        left_out.append(
            "absorb-prefix: the sequences start with different tokens, so that there is no prefix"
        )
    if target.is_f16:
        found.append(Treatment("rescale-residual", _describe_range(document), _rescale))
        return found, left_out
    if target.quantizes_residual:
        found.append(
            Treatment(
                "absorb-residual",
                "the residual stream itself is stored narrow",
                absorb_residual,
            )
        )
    else:
        left_out.append(
            "absorb-residual: it leaves the results of norms as they are, and the target stores no "
            "residual stream"
        )
    if any(step.name == "smooth" for step in list_steps()) and target.quantizes_inputs:
        found.append(
            Treatment(
                "smooth", "inputs of projections are quantized", smooth_for(target), target.text
            )
        )
    return found, left_out


def _describe_first(document: dict[str, Any], token: int) -> str:
    """Why the first token is absorbed: how large it is beside the others."""
    rows = document["metrics"]["residual"]
    at_first = max((max(one["first_positions"][:1], default=0) or 0 for one in rows), default=0)
    later = max(
        (
            max([one["other_positions"] or 0, *(x or 0 for x in one["first_positions"][1:])])
            for one in rows
        ),
        default=0,
    )
    return (
        f"all sequences start with id {token}, where the residual stream reaches {at_first:.5g}; "
        f"later tokens reach {later:.5g}"
    )


def _describe_range(document: dict[str, Any]) -> str:
    """How far the stream is from the end of f16."""
    largest = max((max(one["max_abs"]) for one in document["residual_streams"]), default=0.0)
    return (
        f"the residual stream reaches {largest:.5g}; f16 ends at 65504, and squares of nodes in "
        "norms overflow above 255.9"
    )


def _rescale(context: Context) -> list[Step] | str:
    """The least k for which no value overflows: what the stream needs, or what its squares do."""
    overflows = find_overflows(measure_ranges(context.path, context.data, context.folder))
    if not overflows:
        return "no value overflows f16"
    streams = measure_streams(context)["residual_streams"]
    largest = max((float(max(one["max_abs"])) for one in streams), default=0.0)
    if largest == 0:
        return "no residual stream was found"
    needed = [max(1, math.ceil(math.log2(largest / most))) for most in (LARGEST / 4, LARGEST**0.5)]
    for k in dict.fromkeys([*needed, needed[-1] + 1]):
        model = load(context.path)
        model.rewrite(("rescale-residual", {"k": k}))
        path = context.folder / "rescaled.onnx"
        model.save(path, "copy")
        overflows = find_overflows(measure_ranges(path, context.data, context.folder))
        if not overflows:
            return [("rescale-residual", {"k": str(k)})]
    worst = max(overflows, key=lambda one: one.largest)
    return f"with k = {k}, '{worst.name}' ({worst.op}) still reaches {worst.largest:.5g}"


def absorb_residual(context: Context) -> list[Step] | str:
    """Powers of two by the largest magnitudes over all taps, as the step chooses them."""
    streams = measure_streams(context)["residual_streams"]
    scales = []
    for number, stream in enumerate(streams):
        where = f"{number}/" if len(streams) > 1 else ""
        exponents = choose_residual_exponents([float(x) for x in stream["max_abs"]])
        scales += [f"{where}{i}:{2**k}" for i, k in enumerate(exponents) if k]
    if not streams:
        return "no residual stream was found"
    if not scales:
        return "no dimension of the residual stream is larger than the others"
    return [("absorb-residual", {"scale-dims": ",".join(scales)})]


def smooth_for(target: Target) -> Callable[[Context], list[Step] | str]:
    """Factors that are searched on the data for the target's scheme."""
    return partial(_smooth, dict(target.options).get("scheme", ""))


def _smooth(scheme: str, context: Context) -> list[Step] | str:
    if not scheme:
        return "the search takes a scheme by its name"
    path = context.folder / "smooth-data.jsonl"
    write_tokens(path, context.data)
    return [("smooth", {"alpha": "search", "data": str(path), "scheme": scheme})]


def _absorb_prefix(token: int, context: Context) -> list[Step] | str:
    return [("absorb-prefix", {"ids": str(token)})]


def write_tokens(path: Path, data: Dataset) -> None:
    """Write the sequences for the option `data` of a step."""
    lines = [str(np.asarray(one).tolist()) for one in data.sequences]
    path.write_text("\n".join(lines) + "\n", "utf-8")
