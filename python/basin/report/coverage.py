"""How much of a model was measured. A finding's "not found" is about that part alone."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.findings import Finding, Verdict

NOUNS = {
    "residual": "states of the residual stream",
    "projection": "inputs of matrices",
    "norm": "norms",
    "attention": "attentions",
}
KIND_OF = {
    "attention-sinks": "attention",
    "value-drain": "attention",
    "massive-activation": "residual",
    "residual-sinks": "residual",
    "f16-headroom": "residual",
    "outlier-features": "projection",
    "outlier-tokens": "projection",
}
MOST_REASONS = 3


def chosen_kinds(stats: dict[str, Any]) -> list[str]:
    """The kinds of taps that the user chose to measure. A file that has no such list has all."""
    kinds = v.mapping(stats, "instrumentation").get("kinds")
    return [one for one in NOUNS if one in kinds] if isinstance(kinds, list) else list(NOUNS)


def limited(finding: Finding, metrics: dict[str, Any], chosen: list[str]) -> Finding:
    """The finding, with a note on what its figures leave out, if the file tells that.

    `chosen` are the kinds of taps that were measured.
    """
    kind = KIND_OF.get(finding.id, "")
    if kind and kind not in chosen and finding.verdict is Verdict.UNKNOWN:
        noun = NOUNS[kind][0].upper() + NOUNS[kind][1:]
        finding.headline = f"{noun} were left out: the file has the taps {', '.join(chosen)}."
        return finding
    counts = v.mapping(v.mapping(metrics, "coverage"), kind)
    taps, measured = v.whole(counts.get("taps")), v.whole(counts.get("measured"))
    if taps is None or measured is None:
        return finding
    reasons = counts.get("reasons")
    reasons = [one for one in reasons if isinstance(one, str)] if isinstance(reasons, list) else []
    why = f": {'; '.join(reasons[:MOST_REASONS])}" if reasons else ""
    if finding.verdict is Verdict.UNKNOWN and measured == 0:
        finding.headline = (
            f"No {NOUNS[kind]} were recognized." if taps == 0 else f"None of {v.grouped(taps)} "
            f"{NOUNS[kind]} could be measured{why}."
        )  # fmt: skip
    elif measured < taps:
        part = f"{v.grouped(measured)} of {v.grouped(taps)} {NOUNS[kind]}"
        if finding.verdict is Verdict.NONE:
            finding.headline = finding.headline.rstrip(".") + f", in {part} that were measured."
        finding.details.append(f"Measured: {part}{why}.")
    return finding
