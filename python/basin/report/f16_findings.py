"""The finding on f16's range: the stream's values, and their squares in norms that work in f16.

It tells what `rescale-residual k=auto` would do, and why: the pass looks only at the stream's
largest value, and brings it below a quarter of f16's largest number.
"""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.findings import Figure, Finding, Treatment, Verdict, unknown
from basin.report.grids import place_name

HEADROOM_MARK = 2.0  # this report's own: one more doubling overflows
TARGET = 65504 / 4  # that of rescale-residual
ROOT = 65504**0.5
RESCALE = Treatment(
    "basin rewrite IN.onnx OUT.onnx rescale-residual stats=stats.json",
    "A residual stream stored in f16 that overflows: divided by a power of two throughout, without "
    "a new node. Bit-exact.",
    "INT8 or FP8 quantizers, which do not see a uniform scale; a model that stays in f32 or bf16.",
)


def rescale_squares(k: int) -> Treatment:
    """The rewrite that keeps the squares of norms in f16."""
    return Treatment(
        f"basin rewrite IN.onnx OUT.onnx rescale-residual k={k}",
        "Norms that square in f16: auto looks at the stream alone, so its k is too small for them.",
        f"Small elements: squares of those below 2^({k} - 7) fall below f16's normal range.",
    )


def f16_headroom(metrics: dict[str, Any]) -> Finding:
    """Found if the stream or its squares would overflow f16, weak if that is a factor of 2 away."""
    title, ident = "Overflow in f16", "f16-headroom"
    lost = [
        one
        for one in v.table(metrics, "nonfinite")
        if one.get("kind") == "residual" and one.get("type") == "f16"
    ]
    streams = [
        one for one in v.table(metrics, "streams") if v.number(one.get("f16_headroom")) is not None
    ]
    if not streams and not lost:
        return unknown(ident, title, "The streams' largest values were not measured.")
    # The stream that is nearest to a limit.
    least = min(streams, key=lambda one: min(rooms(one)), default={})
    finding = Finding(ident, title, *verdict(least, lost))
    if least:
        finding.figures = figures(least)
    finding.details = details(least, lost)
    if finding.verdict is not Verdict.NONE:
        finding.treatments = treatments(least)
    return finding


def rooms(stream: dict[str, Any]) -> list[float]:
    """How far the stream is from f16's largest number, and its squares if norms square in f16."""
    found = (v.number(stream.get(key)) for key in ("f16_headroom", "square_headroom"))
    return [one for one in found if one is not None]


def verdict(stream: dict[str, Any], lost: list[dict[str, Any]]) -> tuple[Verdict, str]:
    """The verdict and its sentence. Values that did overflow come before those that would."""
    peak = v.show(stream.get("max_abs"))
    if lost:
        first = lost[0]
        where = f"{v.grouped(first.get('sequences'))} of {v.grouped(first.get('of'))} sequences"
        return Verdict.FOUND, (
            f"The stream, which is f16, holds NaN or infinity in {where}, first after "
            f"{place_name(first)}."
        )
    stored, *square = rooms(stream)
    norms = v.whole(stream.get("f16_norms")) or 0
    some = "1 norm squares" if norms == 1 else f"{norms} norms square"
    if stored < 1:
        return Verdict.FOUND, f"The stream overflows f16: it reaches {peak}."
    if square and square[0] < 1:
        return Verdict.FOUND, (
            f"Squares overflow f16: the stream reaches {peak}, and {some} it in f16, which ends at "
            f"{ROOT:.1f} squared."
        )
    if stored < HEADROOM_MARK:
        return Verdict.WEAK, f"The stream is near the end of f16: it reaches {peak}."
    if square and square[0] < HEADROOM_MARK:
        return Verdict.WEAK, (
            f"Squares are near the end of f16: the stream reaches {peak}, and {some} it in f16."
        )
    if (v.number(stream.get("max_abs")) or 0.0) > ROOT:
        return Verdict.NONE, (
            f"The stream itself fits f16: it reaches {peak}. Its squares would not, in norms that "
            "square in f16."
        )
    return Verdict.NONE, f"No overflow in f16 here: the stream reaches {peak}."


def figures(stream: dict[str, Any]) -> list[Figure]:
    """The figures of the stream that is nearest to a limit."""
    mark = f"below 1 overflows; below {HEADROOM_MARK:.0f} is near"
    source = "f16's largest number; the second is this report's mark"
    found = [Figure("65504 / largest abs(x)", v.show(stream.get("f16_headroom")), mark, source)]
    square = v.number(stream.get("square_headroom"))
    if square is not None:
        found.append(
            Figure(f"{ROOT:.1f} / largest abs(x)", v.show(square), mark,
                   f"the root of 65504: {v.whole(stream.get('f16_norms'))} norms square in f16")
        )  # fmt: skip
    k = v.whole(stream.get("rescale"))
    found.append(Figure("k that rescale-residual chooses", v.show(k), auto_reason(stream, k)))
    if square is not None:
        needed = v.whole(stream.get("rescale_squares"))
        found.append(
            Figure("k that those squares need", v.show(needed),
                   f"largest abs(x) / 2^k at most {ROOT:.1f}")
        )  # fmt: skip
    return found


def auto_reason(stream: dict[str, Any], k: int | None) -> str:
    """Why the pass chooses that k."""
    if k is None:
        return ""
    peak = v.show(stream.get("max_abs"))
    if k == 0:
        return f"0, nothing to do: {peak} is at most {TARGET:.0f}, a quarter of 65504"
    return f"the least with {peak} / 2^k at most {TARGET:.0f}, a quarter of 65504"


def details(stream: dict[str, Any], lost: list[dict[str, Any]]) -> list[str]:
    """What limits the figures."""
    found = []
    if lost:
        found.append(
            "The figures leave out what overflowed, so that the true largest values, and the k "
            "that is needed, are larger: measure the model in f32 or bf16, or give bound."
        )
    found.append("Measured on these sequences: others may be larger.")
    peak = v.number(stream.get("max_abs"))
    if peak is not None and peak > ROOT and not v.whole(stream.get("f16_norms")):
        unknown_norms = stream.get("norms") is None
        seen = "Norms were not measured" if unknown_norms else "No norm was seen to square in f16"
        found.append(
            f"{seen}. One that squares in f16, or that a conversion makes do so, overflows above "
            f"{ROOT:.1f}: keep norms in f32. `basin recommend --target fp16` measures each value."
        )
    return found


def treatments(stream: dict[str, Any]) -> list[Treatment]:
    """The rewrites to propose: rescaling by auto's k, or by a larger k if only squares need it."""
    needed, auto = v.whole(stream.get("rescale_squares")) or 0, v.whole(stream.get("rescale"))
    if needed <= (auto or 0):
        return [RESCALE]
    return [rescale_squares(needed)] if auto == 0 else [RESCALE, rescale_squares(needed)]
