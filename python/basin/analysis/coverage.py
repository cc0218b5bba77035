"""How much of a model was measured. The words "not found" are true only of that part.

A tap gives no figures where its statistics could not be written (`unmeasured` of the
instrumentation says why), or where it had NaN or infinity in every sequence. A tap of the branch of
an If that did not run is not counted.
"""

from __future__ import annotations

from typing import Any

from basin.analysis.accumulate import Accumulator
from basin.analysis.kinds import KINDS, kinds_of


def coverage(accumulators: list[Accumulator]) -> dict[str, Any]:
    """By kind: how many `taps` there are, how many were `measured`, and `reasons` of the rest.

    Kinds that were not chosen are absent.
    """
    instrumentation = accumulators[0].instrumentation if accumulators else {}
    unmeasured, chosen = instrumentation.get("unmeasured", []), kinds_of(instrumentation)
    return {kind: _of_kind(kind, accumulators, unmeasured) for kind in KINDS if kind in chosen}


def _of_kind(
    kind: str, accumulators: list[Accumulator], unmeasured: list[dict[str, str]]
) -> dict[str, Any]:
    ran = [
        one
        for one in accumulators
        if one.tap["kind"] == kind and (one.sequences.value or one.nonfinite.value)
    ]
    measured = [one for one in ran if one.sequences.value]
    reasons = [one["why"] for one in unmeasured if one["kind"] == kind]
    taps = len(ran) + len(reasons)
    if len(measured) < len(ran):
        reasons.append("NaN or infinity in every sequence")
    return {"taps": taps, "measured": len(measured), "reasons": list(dict.fromkeys(reasons))}


def nonfinite(accumulators: list[Accumulator]) -> list[dict[str, Any]]:
    """Taps with NaN or infinity, in order: in how many `sequences` of all that they ran on."""
    return [
        {
            "kind": one.tap["kind"],
            "layer": one.tap["layer"],
            "place": one.tap.get("place"),
            "name": one.tap["name"],
            "type": one.tap.get("type"),
            "sequences": int(one.nonfinite.value),
            "of": int(one.nonfinite.value + one.sequences.value),
        }
        for one in accumulators
        if one.nonfinite.value
    ]
