"""Compares a model with one that takes sequences without their first tokens, on the same tokens.

Inputs are those of the first model. Where sequences start with the prefix, the second model gets
what follows it. Where they do not, the prefix is put in front of what the second model gets, all
the same: then both compute different things, and the divergence says how far apart they are.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from basin.errors import VerifyError
from basin.inputs.random_inputs import SizePlan, make_inputs
from basin.inputs.signature import read_facts
from basin.model import BasinError, load
from basin.prefix import PrefixRun, cut, extend, instrument, read_run
from basin.verification.compare import OutputReport, compare_output
from basin.verification.distance import OutputDistance, are_logits
from basin.verification.sessions import open_session, run_session
from basin.verify import VerifyReport

__all__ = ["verify_prefix"]


def verify_prefix(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    prefix: Sequence[int],
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    random: int = 1,
    tolerance: float | None = None,
    optimize: bool = False,
    sizes: Mapping[str, int] | None = None,
) -> VerifyReport:
    """Compare `b`, whose sequences lack the prefix, with `a` at the tokens after it.

    Random inputs get the prefix in front. Sequences of `inputs` should start with it, all or none;
    if none does, the notes tell the mean KL to `a` at the same tokens. Raises VerifyError if a
    model does not run, or BasinError if the rows of the prefix are not known in `a`.
    """
    run = _find_run(Path(a), prefix)
    first, second = open_session(a, optimize=optimize), open_session(b, optimize=optimize)
    notes: list[str] = []
    if inputs is None:
        plan = SizePlan(named=sizes or {})
        made = [make_inputs(a, first, seed, plan) for seed in range(random)]
        rests: list[Mapping[str, np.ndarray]] = [one.values for one in made]
        starts = True
        notes = made[0].notes
    else:
        starts = _starts_with(inputs, run)
        rests = [_drop(inputs, run) if starts else inputs]
    facts = read_facts(a)
    worst: dict[str, OutputReport] = {}
    far: dict[str, OutputDistance] = {}
    for number, rest in enumerate(rests):
        left = run_session(first, extend(rest, run) if starts else rest, a)
        right = run_session(second, rest, b)
        for name, value in (cut(left, run) if starts else left).items():
            other = right.get(name)
            report = compare_output(name, value, other)
            worst[name] = report.merged(worst[name]) if name in worst else report
            if _are_alike(value, other):
                x, y = np.asarray(value), np.asarray(other)
                distance = far.setdefault(name, OutputDistance(name))
                distance.add(str(number), x, y, are_logits(name, x, facts))
    if not starts:
        notes = [*notes, f"the sequences do not start with the prefix {list(run.prefix)}"]
        notes += [line for distance in far.values() for line in distance.describe()]
    return VerifyReport(list(worst.values()), len(rests), tolerance, notes)


def _are_alike(a: object, b: object) -> bool:
    return (
        isinstance(a, np.ndarray)
        and isinstance(b, np.ndarray)
        and a.dtype == b.dtype
        and a.shape == b.shape
    )


def _find_run(path: Path, prefix: Sequence[int]) -> PrefixRun:
    """Which inputs and outputs of the model have tokens."""
    if not prefix:
        raise BasinError("option 'ids': expected the ids of the prefix's tokens, but got none")
    with tempfile.TemporaryDirectory(prefix="basin-") as folder:
        ids = {"ids": ",".join(map(str, prefix))}
        return read_run(instrument(load(path), [], ids, Path(folder), keys=False))


def _starts_with(inputs: Mapping[str, np.ndarray], run: PrefixRun) -> bool:
    """Whether all sequences start with the prefix. Raises VerifyError if only some do."""
    if run.ids not in inputs:
        raise VerifyError(f"no value for input '{run.ids}'")
    rows = np.atleast_2d(inputs[run.ids])
    size = len(run.prefix)
    if rows.shape[1] < size:
        return False
    equal = (rows[:, :size] == np.array(run.prefix)).all(axis=1)
    if equal.any() != equal.all():
        raise VerifyError(
            f"{int(equal.sum())} of {len(rows)} sequences start with the prefix: expected all or "
            "none"
        )
    if equal.all() and rows.shape[1] == size:
        raise VerifyError("the sequences are the prefix alone: nothing follows it")
    return bool(equal.all())


def _drop(inputs: Mapping[str, np.ndarray], run: PrefixRun) -> dict[str, np.ndarray]:
    """The inputs without the prefix."""
    names = (run.ids, run.mask, run.positions, run.types)
    return {
        name: value[..., len(run.prefix) :] if name in names else value
        for name, value in inputs.items()
    }
