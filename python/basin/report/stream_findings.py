"""Findings of the residual stream: massive activations and residual sinks."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.f16_findings import RESCALE
from basin.report.findings import Figure, Finding, Treatment, Verdict, unknown
from basin.report.grids import place_name
from basin.report.prefix_treatment import treat_first_token

MASSIVE_ABS, MASSIVE_RATIO = 100.0, 1000.0  # arXiv 2402.17762, section 2
MASSIVE_SOURCE = "arXiv 2402.17762, section 2"
SINK_SOURCE = "Basin's mark: arXiv 2601.22966 has no threshold"
SMALL_WEIGHT = 0.5  # this report's own, of a norm's median; arXiv 2601.22966 shows 0.004 to 0.06
SHOWN = 6

NO_MASSIVE_REWRITE = Treatment(
    None,
    "No rewrite here yet that removes it at later tokens. The literature trains attention biases "
    "or gates (arXiv 2402.17762, 2505.06708), or keeps the token that carries it as a constant "
    "prefix (PrefixQuant, arXiv 2410.05265): absorb-prefix, for the first tokens.",
    "A uniform scale changes no ratio: rescaling the stream helps f16 and leaves the activation as "
    "massive as it was.",
)
ABSORB = Treatment(
    "basin rewrite IN.onnx OUT.onnx absorb-residual stats=stats.json",
    "A stream that is itself stored narrow (INT8 or FP8 residual adds, f16), and as a start for "
    "training. Bit-exact.",
    "Quantizers of matrix inputs: every norm's output stays as it was, to the bit.",
)
PRE_AFFINE = Treatment(
    "basin rewrite IN.onnx OUT.onnx insert-pre-affine",
    "A place to train from: a learnable vector of ones before each norm. Bit-exact.",
    "A model as it is: nothing changes before training.",
)


def massive_activation(metrics: dict[str, Any], data: dict[str, Any]) -> Finding:
    """Found by Sun et al.'s criterion; weak where only its first half holds."""
    title, ident = "Massive activation", "massive-activation"
    massive = v.mapping(metrics, "massive")
    peak, ratio = v.number(massive.get("max_abs")), v.number(massive.get("ratio"))
    where = [tap for tap in v.table(metrics, "residual") if tap.get("massive") is True]
    if massive.get("is_massive") is None and peak is None and not where:
        return unknown(ident, title, "The streams' largest values were not measured.")
    size = v.show(peak) + ("" if ratio is None else f" = {v.show(ratio)} medians")
    if massive.get("is_massive") is True or where:
        verdict = Verdict.FOUND
        headline = f"The stream has massive activations; its largest value is {size}."
    elif peak is not None and peak > MASSIVE_ABS:
        verdict = Verdict.WEAK
        headline = f"Large but not massive: {size}."
    else:
        verdict, headline = Verdict.NONE, f"No massive activation: the largest abs(x) is {size}."
    finding = Finding(ident, title, verdict, headline)
    if peak is not None:
        dim = v.whole(massive.get("dim"))
        finding.where.append(
            f"largest: after {place_name(massive)}, dimension {'–' if dim is None else dim}, token "
            f"{v.token_name(massive.get('token'))}"
        )
    if where:
        finding.where.append(f"massive after {len(where)} additions: {places(where)}")
    ratios = v.largest([tap.get("ratio") for tap in v.table(metrics, "residual")])
    peaks = v.largest([tap.get("peak") for tap in v.table(metrics, "residual")])
    finding.figures = [
        Figure("largest abs(x)", v.show(peak), "above 100", MASSIVE_SOURCE),
        Figure("that over its sequence's median", v.show(ratio), "at least 1000, with the above",
               MASSIVE_SOURCE),
        Figure("largest such ratio anywhere", v.show(ratios), "at least 1000, with the above",
               MASSIVE_SOURCE),
        Figure("residual peak of the first token", v.show(peaks), "1: as the others",
               "arXiv 2410.13835, no threshold"),
    ]  # fmt: skip
    if verdict is Verdict.FOUND:
        finding.treatments = [NO_MASSIVE_REWRITE]
        if any((v.number(one.get("rescale")) or 0) > 0 for one in v.table(metrics, "streams")):
            finding.treatments.insert(0, RESCALE)
        first = treat_first_token(massive.get("token"), data)
        if first is not None:
            finding.treatments.insert(0, first)
    return finding


def places(taps: list[dict[str, Any]]) -> str:
    """The first and last of some taps."""
    if len(taps) <= 3:
        return ", ".join(place_name(tap) for tap in taps)
    return f"{place_name(taps[0])} to {place_name(taps[-1])}"


def residual_sinks(metrics: dict[str, Any]) -> Finding:
    """Found where the statistics name dimensions that stand out on most tokens."""
    title, ident = "Residual sinks", "residual-sinks"
    streams = [one for one in v.table(metrics, "streams") if one.get("residual_sinks") is not None]
    if not streams:
        return unknown(
            ident,
            title,
            "No dimension could be held against the others: the sequences have one "
            "token each, or the median dimension is zero.",
        )
    found = [(one, sink) for one in streams for sink in v.table(one, "residual_sinks")]
    found.sort(key=lambda pair: -(v.number(pair[1].get("to_median")) or 0))
    if not found:
        finding = Finding(ident, title, Verdict.NONE, "No residual sink: no dimension stands out "
                          "on most tokens.")  # fmt: skip
        finding.figures = [top_dimension(streams)]
        return finding
    top = found[0][1]
    finding = Finding(
        ident,
        title,
        Verdict.FOUND,
        f"{len(found)} {'dimension is' if len(found) == 1 else 'dimensions are'} large on most "
        f"tokens; the largest is dimension {v.whole(top.get('dim'))}, "
        f"{v.show(top.get('to_median'))} times the median one.",
    )
    finding.where = [sink_line(one, sink, len(streams) > 1) for one, sink in found[:SHOWN]]
    if len(found) > SHOWN:
        finding.where.append(f"and {len(found) - SHOWN} more dimensions")
    finding.figures, finding.details = sink_figures(found)
    finding.treatments = [ABSORB, PRE_AFFINE]
    return finding


def top_dimension(streams: list[dict[str, Any]]) -> Figure:
    """The largest Havg against the median, of all streams."""
    ratios = []
    for one in streams:
        havg = sorted(v.numbers(one.get("havg")))
        if havg and havg[len(havg) // 2] > 0:
            ratios.append(havg[-1] / havg[len(havg) // 2])
    return Figure("largest Havg over the median", v.show(max(ratios, default=None)),
                  "8 without each sequence's largest token, and presence 0.5",
                  SINK_SOURCE)  # fmt: skip


def having(entries: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """The entries with a number at `key`."""
    return [one for one in entries if v.number(one.get(key)) is not None]


def sink_line(stream: dict[str, Any], sink: dict[str, Any], several: bool) -> str:
    """One dimension in words."""
    weights = having(v.table(sink, "weights"), "to_median")
    text = (
        f"{'stream ' + str(stream.get('stream')) + ', ' if several else ''}"
        f"dimension {v.whole(sink.get('dim'))}: {v.show(sink.get('to_median'))} medians; "
        f"Havg {v.show(sink.get('havg'))}; presence {v.show(sink.get('presence'))}; "
        f"max abs(x) {v.show(sink.get('max_abs'))}"
    )
    if weights:
        least = min(weights, key=lambda one: abs(one["to_median"]))
        text += f"; smallest norm weight {v.show(abs(least['to_median']))} medians"
        text += f" ({place_name(least)})"
    return text


def sink_figures(
    found: list[tuple[dict[str, Any], dict[str, Any]]],
) -> tuple[list[Figure], list[str]]:
    """The figures, and what the norms' weights and the predicted absorption say."""
    sinks = [sink for _, sink in found]
    weights = [abs(r) for s in sinks for w in v.table(s, "weights")
               if (r := v.number(w.get("to_median"))) is not None]  # fmt: skip
    figures = [
        Figure("largest dimension over the median", v.show(sinks[0].get("to_median")),
               "at least 8", SINK_SOURCE),
        Figure("presence of that dimension", v.show(sinks[0].get("presence")),
               "at least 0.5; one token: 0, all alike: 1", SINK_SOURCE),
        Figure("smallest norm weight there, of the median", v.show(min(weights, default=None)),
               f"below {SMALL_WEIGHT}: suppressed",
               "this report's mark; arXiv 2601.22966 shows 0.004 to 0.06"),
    ]  # fmt: skip
    details = []
    if not weights:
        left_out = found[0][0].get("norms") is None
        details.append(
            "Norms were not measured."
            if left_out
            else "No norm with weights that reads the stream was recognized."
        )
    if weights and min(weights) < SMALL_WEIGHT:
        low = sum(one < SMALL_WEIGHT for one in weights)
        details.append(
            f"Norms suppress them: {low} of {len(weights)} weights at these dimensions are below "
            f"half of their norm's median."
        )
    elif weights:
        details.append("No norm has a small weight at these dimensions.")
    for stream in {id(one): one for one, _ in found}.values():
        factor, moved = v.number(stream.get("factor")), v.table(stream, "absorb")
        if factor is not None and moved:
            details.append(absorbed(v.table(stream, "residual_sinks"), moved))
            figures.append(
                Figure("predicted largest abs(x) after absorption",
                       f"{v.show(stream.get('max_abs_after'))} of {v.show(stream.get('max_abs'))}",
                       f"{v.show(factor)} times less; {len(moved)} dimensions scaled")
            )  # fmt: skip
    return figures, details


def absorbed(sinks: list[dict[str, Any]], moved: list[dict[str, Any]]) -> str:
    """Why absorption scales other dimensions than the sinks."""
    found = "1 dimension is a sink" if len(sinks) == 1 else f"{len(sinks)} dimensions are sinks"
    scaled = "1 is scaled" if len(moved) == 1 else f"{len(moved)} are scaled"
    return (
        f"{found}, {scaled}: absorb-residual divides every dimension whose largest abs(x) is above "
        "1.41 times the median dimension's by a power of two, be it large at most tokens or at one."
    )
