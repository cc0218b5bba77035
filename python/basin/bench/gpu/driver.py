"""Runs cases: each contender is checked before it is timed, and a wrong result has no time."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from basin.bench.gpu import attention, baselines, norms
from basin.bench.gpu.plan import OURS, OWN, AttentionCase, Case, CopyCase, MatmulCase, NormCase
from basin.bench.gpu.records import Records
from basin.bench.gpu.subject import Call, Setup, Subject, worse
from basin.bench.gpu.timing import Timer

SUBJECTS: dict[type, Callable[[Any, Setup], Subject]] = {
    AttentionCase: attention.subject,
    CopyCase: baselines.copy,
    MatmulCase: baselines.matmul,
    NormCase: norms.subject,
}


class BrokenDevice(Exception):
    """The device's context is lost: only another process can go on."""


@dataclass
class Session:
    """The tools of a run.

    `probe` raises if the device is lost. `clock` is the device's clock rate under load.
    """

    setup: Setup
    timer: Timer
    probe: Callable[[], None] = lambda: None
    clock: Callable[[], int | None] = lambda: None
    say: Callable[[str], None] = print


def first_line(error: BaseException) -> str:
    """An exception on one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")


def _check(subject: Subject, name: str, call: Call) -> float:
    subject.poison()
    return subject.others.get(name, subject.error)(call())


def _good(subject: Subject, errors: dict[str, float], failed: dict[str, str]) -> dict[str, Call]:
    """The contenders whose results are right."""
    good = {}
    for name, make in subject.makers.items():
        try:
            call = make()
            if name in subject.unchecked:
                good[name] = call
                continue
            errors[name] = _check(subject, name, call)
        except Exception as error:
            failed[name] = first_line(error)
            continue
        if errors[name] <= subject.tolerance(name):
            good[name] = call
        else:
            failed[name] = f"wrong: {errors[name]:.3g} > {subject.tolerance(name):.3g}"
    return good


def _times(good: dict[str, Call], timer: Timer, failed: dict[str, str]) -> dict[str, Any]:
    """The times of all contenders, or of ours alone if they do not fit into memory together."""
    ours = {name: call for name, call in good.items() if name in OURS}
    try:
        samples = timer.time(good)
    except Exception as error:
        if OWN not in good or len(good) == len(ours):
            raise
        failed["together"] = first_line(error)
        samples = None
    # This is outside of the handler, because the exception keeps the memory of the failed run.
    if samples is None:
        samples = timer.time(ours)
    return {name: asdict(sample) for name, sample in samples.items()}


def measure(case: Case, session: Session) -> dict[str, Any]:
    """One case's result."""
    errors: dict[str, float] = {}
    failed: dict[str, str] = {}
    times: dict[str, Any] = {}
    clock = None
    try:
        subject = SUBJECTS[type(case)](case, session.setup)
        good = _good(subject, errors, failed)
        times = _times(good, session.timer, failed)
        clock = session.clock()
        for name in [name for name in OURS if name in good]:
            # Results are checked again: a race may show only under the load of many launches.
            errors[name] = worse(_check(subject, name, good[name]), errors[name])
            if not errors[name] <= subject.tolerance(name):
                del times[name]
                failed[name] = f"wrong after many launches: {errors[name]:.3g}"
    except Exception as error:
        failed["case"] = first_line(error)
        times = {}
    # JSON has no NaN.
    finite = {name: e if math.isfinite(e) else None for name, e in errors.items()}
    return {"times": times, "errors": finite, "failed": failed, "clock": clock}


def _line(case: Case, result: dict[str, Any]) -> str:
    parts = [f"{name} {t['seconds'] * 1e6:.1f} us" for name, t in result["times"].items()]
    parts += [f"{name}: {why}" for name, why in result["failed"].items()]
    return f"{case.key}: " + "; ".join(parts)


def run(
    cases: Iterable[Case],
    records: Records,
    session: Session,
    budget: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Measure what has no result yet; returns how many cases the budget left out.

    A case begins only if the longest case so far of its sort, compiled or not, would still fit.
    """
    start, left = clock(), 0
    longest = {False: 0.0, True: 0.0}
    for case in cases:
        if case.key in records.results:
            continue
        began = clock()
        if budget is not None and began - start + longest[case.compiled] > budget:
            left += 1
            continue
        records.begin(case.key)
        result = measure(case, session)
        seconds = clock() - began
        longest[case.compiled] = max(longest[case.compiled], seconds)
        records.add(case.key, **result, seconds=round(seconds, 3))
        session.say(_line(case, result))
        if result["failed"]:
            _probe(session)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return left


def _probe(session: Session) -> None:
    try:
        session.probe()
    except Exception as error:
        raise BrokenDevice(first_line(error)) from error
