"""The kinds of taps, and those that a model was measured at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from basin.errors import AnalysisError

KINDS = ("residual", "projection", "norm", "attention")


def kinds_of(instrumentation: dict[str, Any]) -> list[str]:
    """The kinds that were measured. A file that does not list them has all."""
    kinds: list[str] = instrumentation.get("kinds", list(KINDS))
    return kinds


def check_kinds(names: Sequence[str]) -> None:
    """Raise AnalysisError unless there are names, and all are those of kinds."""
    wrong = next((name for name in names if name not in KINDS), None)
    if wrong is not None or not names:
        got = "none" if wrong is None else f"'{wrong}'"
        raise AnalysisError(f"--taps: expected kinds of taps ({', '.join(KINDS)}), but got {got}")
