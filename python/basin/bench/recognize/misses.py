"""Compares what was found with what a case computes, and groups the misses by their reasons."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from basin.bench.recognize.matrix import Matrix
from basin.bench.recognize.stages import KINDS

UNSUPPORTED = "does not support an attention implementation"


@dataclass
class Outcome:
    """One subject: what it computes, what was found, and what stands in between."""

    subject: str
    expected: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    reasons: list[list[Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    # Why there is nothing to compare: the exporter's error, or Basin's.
    export_error: str = ""
    error: str = ""

    @property
    def missing(self) -> dict[str, int]:
        """How many of each kind were not found."""
        pairs = ((k, self.expected[k] - self.found.get(k, 0)) for k in self.expected)
        return {kind: number for kind, number in pairs if number > 0}

    @property
    def false(self) -> dict[str, int]:
        """How many more of each kind were found than there are."""
        pairs = ((k, self.found[k] - self.expected.get(k, 0)) for k in self.found)
        return {kind: number for kind, number in pairs if number > 0}


def outcome(matrix: Matrix, subject: str, case: str) -> Outcome | None:
    """The outcome of a subject made of a case; None if its export was not tried."""
    exported = matrix.row("export", case)
    if exported is None:
        return None
    if "error" in exported:
        return Outcome(subject, export_error=exported["error"])
    result = Outcome(subject, {kind: exported["expected"][kind] for kind in KINDS})
    inspected = matrix.row("inspect", subject)
    if inspected is None:
        return None
    if "error" in inspected:
        result.error = inspected["error"]
        return result
    result.found, result.reasons = inspected["found"], inspected["reasons"]
    verified = matrix.row("verify", subject)
    result.wrong = (verified or {}).get("wrong", [])
    return result


def by_reason(outcomes: list[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes with misses, under each reason that Basin gives for one."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        if not one.missing and not one.error:
            continue
        if one.error:
            groups[f"error: {one.error}"].append(one)
        for op, reason, _ in one.reasons:
            groups[f"{op}: {reason}"].append(one)
        if not one.reasons and not one.error:
            groups["no reason given"].append(one)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
