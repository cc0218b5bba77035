"""Puts a statistics document into words: a list of findings, each with its figures.

A finding states a phenomenon, whether it is there by a named criterion, where, with which figures,
and what Basin can do about it today. The criteria are published ones if there are any; marks of
this report's own are called so. Nothing is said beyond the figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from basin.report import values as v


class Verdict(Enum):
    """How sure a finding is. The value is the text that the report prints."""

    FOUND = "found"
    WEAK = "weak"
    NONE = "not found"
    UNKNOWN = "not measured"


@dataclass(frozen=True)
class Figure:
    """A number, the threshold that it is compared with, and whose threshold that is."""

    name: str
    value: str
    against: str = ""
    source: str = ""


@dataclass(frozen=True)
class Treatment:
    """What to do: a command of Basin, or None and what the literature does."""

    command: str | None
    good: str
    not_good: str = ""


@dataclass
class Finding:
    """One phenomenon."""

    id: str
    title: str
    verdict: Verdict
    headline: str
    details: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    treatments: list[Treatment] = field(default_factory=list)


def unknown(ident: str, title: str, reason: str) -> Finding:
    """A finding for which the figures are missing."""
    return Finding(ident, title, Verdict.UNKNOWN, reason)


def find(stats: dict[str, Any]) -> list[Finding]:
    """Every finding, in a fixed order; strings of `stats` need cleaning before (`values.clean`)."""
    from basin.report import attention_findings, f16_findings, projection_findings, stream_findings
    from basin.report.coverage import chosen_kinds, limited

    metrics, data = v.mapping(stats, "metrics"), v.mapping(stats, "data")
    found = [
        attention_findings.attention_sinks(metrics, data),
        attention_findings.value_drain(metrics),
        stream_findings.massive_activation(metrics, data),
        stream_findings.residual_sinks(metrics),
        f16_findings.f16_headroom(metrics),
        projection_findings.outlier_features(metrics),
        projection_findings.outlier_tokens(metrics),
    ]
    return [limited(one, metrics, chosen_kinds(stats)) for one in found]


def warnings(stats: dict[str, Any]) -> list[str]:
    """Warnings about all findings: the notes, and limits of the data."""
    data, notes = v.mapping(stats, "data"), stats.get("notes")
    notes = [one for one in notes if isinstance(one, str)] if isinstance(notes, list) else []
    found = []
    if data.get("kind") == "random" and not any("random tokens" in one for one in notes):
        found.append(
            "Random tokens: these figures say how the model behaves on noise. Sinks at particular "
            "tokens, and anything else that depends on text, may be missing or different."
        )
    bos, sequences = v.mapping(data, "bos"), v.whole(data.get("sequences"))
    starts = v.whole(bos.get("starts"))
    if v.whole(bos.get("id")) is not None and starts is not None and sequences:
        if starts < sequences and not any("do not begin with BOS" in one for one in notes):
            found.append(
                f"{sequences - starts} of {sequences} sequences do not begin with the BOS token "
                f"(id {v.whole(bos['id'])}): a model trained with it may show other sinks."
            )
    return found + notes
