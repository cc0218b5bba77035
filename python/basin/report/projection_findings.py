"""Findings at the inputs of matrices, where quantizers of activations look."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.curves import ROLE_NAMES, roles_of
from basin.report.findings import Figure, Finding, Treatment, Verdict, unknown

TOKEN_RATIO = 64.0  # PrefixQuant's eta, arXiv 2410.05265
SHOWN = 6

SMOOTH = Treatment(
    None,
    "No rewrite here yet. The literature moves channels' scales into the weights (SmoothQuant, "
    "arXiv 2211.10438), rotates them (QuaRot, arXiv 2404.00456) or keeps the channels in higher "
    "precision (LLM.int8, arXiv 2208.07339).",
    "Absorbing residual sinks does not touch these: they are behind the norms.",
)
PREFIX = Treatment(
    None,
    "No rewrite here yet for later tokens. The literature keeps the tokens that carry them as a "
    "constant prefix of keys and values (PrefixQuant, arXiv 2410.05265: absorb-prefix, for the "
    "first tokens) or rotates the input (QuaRot, DuQuant).",
    "Absorbing residual sinks and rescaling the stream do not touch these.",
)


def outlier_features(metrics: dict[str, Any]) -> Finding:
    """Found where the statistics list dimensions by LLM.int8's criterion."""
    title, ident = "Outlier features", "outlier-features"
    if not isinstance(metrics.get("outlier_features"), list):
        return unknown(ident, title, "The inputs of matrices were not measured.")
    criterion = "abs(x) >= 6 in at least 25 % of layers and 6 % of positions"
    source = "LLM.int8, arXiv 2208.07339"
    found = v.table(metrics, "outlier_features")
    inputs = [tap for tap in v.table(metrics, "projections") if {"qkv", "up"} & set(roles_of(tap))]
    largest = v.largest([tap.get("max_abs") for tap in inputs])
    figures = [
        Figure("dimensions", str(len(found)), criterion, source),
        Figure("largest abs(x) at these inputs", v.show(largest), "6 or more", source),
    ]
    if not found:
        headline = "No outlier feature: no dimension passes the criterion."
        return Finding(ident, title, Verdict.NONE, headline, figures=figures)
    some = "1 dimension is an outlier feature" if len(found) == 1 else (
        f"{len(found)} dimensions are outlier features"
    )  # fmt: skip
    headline = some + " at the inputs of attention and feed-forward."
    finding = Finding(ident, title, Verdict.FOUND, headline, figures=figures)
    for one in found[:SHOWN]:
        layers, where = v.number(one.get("layers")), v.number(one.get("positions"))
        finding.where.append(
            f"dimension {v.whole(one.get('dim'))}: "
            f"{'–' if layers is None else v.percent(100 * layers)} of layers, "
            f"{'–' if where is None else v.percent(100 * where)} of positions"
        )
    if len(found) > SHOWN:
        finding.where.append(f"and {len(found) - SHOWN} more dimensions, in the table below")
    finding.treatments = [SMOOTH]
    return finding


def role_text(tap: dict[str, Any]) -> str:
    """The roles of a tap in words."""
    return " and ".join(ROLE_NAMES.get(one, one) for one in roles_of(tap)) or "unknown"


def outlier_tokens(metrics: dict[str, Any]) -> Finding:
    """Found where a token's largest input is more than 64 medians, by PrefixQuant's criterion."""
    title, ident = "Outlier tokens at matrix inputs", "outlier-tokens"
    taps = [
        tap
        for tap in v.table(metrics, "projections")
        if v.number(tap.get("token_ratio")) is not None
    ]
    if not taps:
        return unknown(ident, title, "The inputs of matrices were not measured.")
    taps.sort(key=lambda tap: -tap["token_ratio"])
    over = [tap for tap in taps if tap["token_ratio"] > TOKEN_RATIO]
    down = [tap for tap in taps if "down" in roles_of(tap)]
    if over:
        verdict = Verdict.FOUND
        headline = f"{len(over)} of {len(taps)} inputs have tokens far larger than the others."
    else:
        verdict = Verdict.NONE
        headline = (
            "No outlier token: no token's largest input is more than "
            f"{v.show(TOKEN_RATIO)} times the median token's."
        )
    finding = Finding(ident, title, verdict, headline)
    finding.where = [
        f"layer {v.show(tap.get('layer'))}, input of {role_text(tap)}: ratio "
        f"{v.show(tap['token_ratio'])}, max abs(x) {v.show(tap.get('max_abs'))} in channel "
        f"{v.show(tap.get('channel'))}, {v.show(tap.get('outlier_tokens'))} such tokens a sequence"
        for tap in over[:SHOWN]
    ]
    if len(over) > SHOWN:
        finding.where.append(f"and {len(over) - SHOWN} more inputs, in the table below")
    source = "PrefixQuant, arXiv 2410.05265 (its eta, at the down projection)"
    kurtosis = v.largest([tap.get("max_kurtosis") for tap in taps])
    finding.figures = [
        Figure("largest token ratio", v.show(taps[0]["token_ratio"]), "above 64", source),
        Figure("at the down projections", v.show(down[0]["token_ratio"] if down else None),
               "above 64", source),
        Figure("largest kurtosis of an input", v.show(kurtosis), "a Gaussian has 3"),
    ]  # fmt: skip
    if over:
        finding.treatments = [PREFIX]
    return finding
