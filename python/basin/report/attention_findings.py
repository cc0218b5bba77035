"""Findings of attention: sinks, and the drained values that make them harmless."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.findings import Figure, Finding, Treatment, Verdict, unknown
from basin.report.prefix_treatment import treat_first_token

SINK_EPS = 0.3  # arXiv 2410.10781, section 3.2, with T = 64
SINK_SOURCE = "arXiv 2410.10781: sink_k^0.3, T = 64"
DRAIN_MARK = 0.25  # this report's own: arXiv 2410.13835 gives no number
SHOWN = 6

NO_SINK_REWRITE = Treatment(
    None,
    "No rewrite here yet that takes sinks at later tokens away. The literature trains learnable "
    "sinks (a logit in the softmax, or key and value rows: gpt-oss, arXiv 2402.17762) or a gate on "
    "the attention output (arXiv 2505.06708), which insert-gated-attention is a start for. Fixed "
    "first tokens can become constant keys and values (PrefixQuant, arXiv 2410.05265; IntactKV, "
    "arXiv 2403.01241): absorb-prefix.",
    "A sink is not a fault in itself: the model uses it to scale a head's output. It costs where "
    "keys and values are quantized, where windows drop the first tokens, and through the massive "
    "activations that make it.",
)


def sink_heads(taps: list[dict[str, Any]]) -> list[tuple[float, str, str]]:
    """(alpha of the heaviest key, head, token), descending, of every head that has one."""
    found = []
    for tap in taps:
        heaviest = tap.get("heaviest")
        for head, one in enumerate(heaviest if isinstance(heaviest, list) else []):
            alpha = v.number(one.get("alpha")) if isinstance(one, dict) else None
            if alpha is not None:
                layer = v.whole(tap.get("layer"))
                name = f"layer {'–' if layer is None else layer} head {head}"
                found.append((alpha, name, v.token_name(one.get("token"))))
    return sorted(found, key=lambda one: -one[0])


def heaviest_token(taps: list[dict[str, Any]]) -> Any:
    """The token of the head with the largest alpha, or None."""
    found = [
        (alpha, number, one.get("token"))
        for number, (tap, one) in enumerate(
            (tap, one) for tap in taps for one in v.table(tap, "heaviest")
        )
        if (alpha := v.number(one.get("alpha"))) is not None
    ]
    return max(found, key=lambda one: one[:2])[2] if found else None


def attention_sinks(metrics: dict[str, Any], data: dict[str, Any]) -> Finding:
    """Found if a head's mean alpha is above 0.3, weak if that is so only in single sequences."""
    title, ident = "Attention sinks", "attention-sinks"
    taps, sinks = v.table(metrics, "attention"), v.mapping(metrics, "sinks")
    rate = v.number(v.mapping(sinks, "sink_rate").get("0.3"))
    heaviest_rate = v.number(v.mapping(sinks, "heaviest_rate").get("0.3"))
    heads = sink_heads(taps)
    if not taps or (rate is None and heaviest_rate is None and not heads):
        reason = "No attention was recognized." if not taps else "Sink rates were not measured."
        return unknown(ident, title, reason)
    strong = [one for one in heads if one[0] > SINK_EPS]
    some = any(one is not None and one > 0 for one in (rate, heaviest_rate))
    if strong:
        verdict = Verdict.FOUND
        share = v.percent(100 * len(strong) / len(heads))
        headline = f"{len(strong)} of {len(heads)} heads ({share}) have an attention sink."
    elif some:
        verdict = Verdict.WEAK
        top = f" (the largest is {v.show(heads[0][0])})" if heads else ""
        headline = f"No head's mean alpha is above 0.3{top}; single sequences pass it."
    else:
        verdict = Verdict.NONE
        headline = "No attention sink: no head gives a token more than 0.3 of its attention."
    finding = Finding(ident, title, verdict, headline)
    finding.details = sink_details(taps, sinks)
    finding.where = [f"{name}: alpha {v.show(a)} at {what}" for a, name, what in strong[:SHOWN]]
    if len(strong) > SHOWN:
        finding.where.append(f"and {len(strong) - SHOWN} more heads, in the table below")
    finding.figures = sink_figures(taps, sinks, data, heads)
    if verdict is not Verdict.NONE:
        finding.treatments = [NO_SINK_REWRITE]
        first = treat_first_token(heaviest_token(taps), data)
        if first is not None:
            finding.treatments.insert(0, first)
    return finding


def sink_details(taps: list[dict[str, Any]], sinks: dict[str, Any]) -> list[str]:
    """The details: which tokens are sinks, and whether the model already has learned sinks."""
    details = []
    tokens = [
        f"{v.token_name(one.get('token'))} ({v.percent(100 * share)})"
        for one in v.table(sinks, "tokens")[:SHOWN]
        if (share := v.number(one.get("share"))) is not None
    ]
    if tokens:
        details.append("Sinks, by share of heads and sequences: " + "; ".join(tokens) + ".")
    learned = [tap for tap in taps if (v.whole(tap.get("sinks")) or 0) > 0]
    if learned:
        mass = v.mean([v.mean(tap.get("learned")) for tap in learned])
        details.append(
            f"{len(learned)} of {len(taps)} attentions have learned sinks; they take "
            f"{v.show(mass)} of the probability on average, and are not counted as keys."
        )
    return details


def sink_figures(
    taps: list[dict[str, Any]],
    sinks: dict[str, Any],
    data: dict[str, Any],
    heads: list[tuple[float, str, str]],
) -> list[Figure]:
    """Rates against the criterion, and what uniform attention would give."""
    length = v.whole(sinks.get("sink_length"))
    used = f"T = {length} here" if length is not None else ""
    first, heaviest = v.mapping(sinks, "sink_rate"), v.mapping(sinks, "heaviest_rate")
    figures = [
        Figure("sink rate of the first token", v.percent(first.get("0.3")),
               "share of heads and sequences with alpha_1 > 0.3", f"{SINK_SOURCE}; {used}"),
        Figure("the same above 0.2 and 0.1",
               f"{v.percent(first.get('0.2'))}, {v.percent(first.get('0.1'))}", "", ""),
        Figure("sink rate of the heaviest token", v.percent(heaviest.get("0.3")),
               "share with alpha_k > 0.3 for some k", SINK_SOURCE),
    ]  # fmt: skip
    causal = bool(taps) and all(tap.get("causal") is True for tap in taps)
    even = f"uniform: {v.show(v.uniform_alpha(length))}" if causal and length and length > 0 else ""
    largest = v.largest([v.largest(tap.get("alpha_first")) for tap in taps])
    figures.append(Figure("largest alpha_1 of a head", v.show(largest), even))
    if heads:
        figures.append(Figure("largest alpha of a head", v.show(heads[0][0]), "above 0.3: a sink"))
    total = v.whole(data.get("length"))
    even = f"uniform: {v.show(v.uniform_mass(total))}" if causal and total and total > 1 else ""
    mass = v.show(sinks.get("first_token_mass"))
    figures.append(Figure("attention to the first token", mass, even, "arXiv 2505.06708"))
    return figures


def drained(taps: list[dict[str, Any]]) -> list[tuple[float, str, bool]]:
    """(value ratio, key head, whether a head that reads it has a sink at the first token)."""
    found = []
    for tap in taps:
        ratios, alphas = tap.get("value_ratio"), tap.get("alpha_first")
        ratios = ratios if isinstance(ratios, list) else []
        alphas = alphas if isinstance(alphas, list) else []
        group = max(len(alphas) // len(ratios), 1) if ratios else 1
        for head, one in enumerate(ratios):
            ratio = v.number(one)
            if ratio is None:
                continue
            top = v.largest(alphas[head * group : (head + 1) * group]) or 0.0
            layer = v.whole(tap.get("layer"))
            name = f"layer {'–' if layer is None else layer} key head {head}"
            found.append((ratio, name, top > SINK_EPS))
    return sorted(found)


def value_drain(metrics: dict[str, Any]) -> Finding:
    """Found if a head with a sink at the first token has a small value there."""
    title, ident = "Value-state drain", "value-drain"
    found = drained(v.table(metrics, "attention"))
    if not found:
        return unknown(ident, title, "Values' norms were not measured.")
    small = [one for one in found if one[0] < DRAIN_MARK]
    with_sink = [one for one in small if one[2]]
    if with_sink:
        verdict = Verdict.FOUND
        heads = "1 key head" if len(with_sink) == 1 else f"{len(with_sink)} key heads"
        headline = f"The first token is a sink for {heads} and has a small value there."
    elif small:
        verdict = Verdict.WEAK
        headline = "The first token's value is small in some key heads, but none has a sink there."
    else:
        verdict = Verdict.NONE
        headline = "No value-state drain: the first token's values are not small."
    finding = Finding(ident, title, verdict, headline)
    shown = with_sink or small
    finding.where = [f"{name}: {v.show(ratio)}" for ratio, name, _ in shown[:SHOWN]]
    if len(shown) > SHOWN:
        finding.where.append(f"and {len(shown) - SHOWN} more key heads")
    finding.figures = [
        Figure("smallest value ratio", v.show(found[0][0]), f"below {DRAIN_MARK}",
               "this report's mark; arXiv 2410.13835 says far below 1"),
        Figure("median value ratio", v.show(found[len(found) // 2][0]), "1: no drain"),
    ]  # fmt: skip
    if with_sink:
        finding.treatments = [
            Treatment(
                None,
                "No rewrite here yet. A learned sink logit replaces a sink whose value is nearly "
                "zero; the error of doing so is the sink's attention times its value.",
            )
        ]
    return finding
