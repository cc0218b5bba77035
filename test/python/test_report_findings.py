"""Findings of the report: each appears on the right side of its threshold, and claims no more."""

from __future__ import annotations

import copy
import json

import make_stats
import pytest
from basin.report import charts, findings, heat_maps, html, terminal_summary, values
from basin.report.findings import Verdict


def verdicts(stats) -> dict[str, Verdict]:
    return {one.id: one.verdict for one in findings.find(values.clean(stats))}


def finding(stats, ident):
    return next(one for one in findings.find(values.clean(stats)) if one.id == ident)


def commands(one) -> list[str]:
    return [t.command for t in one.treatments if t.command is not None]


@pytest.fixture
def stats():
    return make_stats.without_sinks()


def test_everything_and_nothing():
    found = verdicts(make_stats.with_sinks())
    assert found.pop("f16-headroom") is Verdict.NONE
    assert set(found.values()) == {Verdict.FOUND} and len(found) == 6
    assert set(verdicts(make_stats.without_sinks()).values()) == {Verdict.NONE}
    assert set(verdicts(make_stats.minimal()).values()) == {Verdict.UNKNOWN}


@pytest.mark.parametrize(
    "alpha, rate, expected",
    [
        (0.3001, 1.0, Verdict.FOUND),
        (0.3, 1.0, Verdict.WEAK),  # the criterion is "above", and one sequence passes it
        (0.3, 0.0, Verdict.NONE),
        (0.1, 0.0, Verdict.NONE),
    ],
)
def test_attention_sink_threshold(stats, alpha, rate, expected):
    tap = stats["metrics"]["attention"][2]
    tap["heaviest"][1] = {"alpha": alpha, "token": {"position": 7, "id": 9, "text": "dot"}}
    stats["metrics"]["sinks"]["heaviest_rate"]["0.3"] = rate
    one = finding(stats, "attention-sinks")
    assert one.verdict is expected
    # The sink's token is named, even if it is not the first. No rewrite is promised.
    assert (expected is Verdict.FOUND) == any("position 7, “dot” (id 9)" in w for w in one.where)
    assert commands(one) == []
    assert all(t.good.startswith("No rewrite here yet") for t in one.treatments)


@pytest.mark.parametrize(
    ("token", "starts", "offered"),
    [
        ({"position": 0, "id": 9}, 4, True),
        ({"position": 0}, 4, False),
        ({"position": 3, "id": 9}, 4, False),
        # The first token of one sequence, and another one than BOS.
        ({"position": 0, "id": 9}, 3, False),
        ({"position": 0, "id": 8}, 4, False),
    ],
)
def test_the_first_token_can_be_absorbed(stats, token, starts, offered):
    stats["data"] |= {"bos": {"id": 9, "starts": starts}, "sequences": 4}
    command = ["basin rewrite IN.onnx OUT.onnx absorb-prefix ids=9"] if offered else []
    stats["metrics"]["attention"][2]["heaviest"][1] = {"alpha": 0.9, "token": token}
    stats["metrics"]["massive"] |= {"is_massive": True, "token": token}
    for name in ("attention-sinks", "massive-activation"):
        assert commands(finding(stats, name)) == command


def test_no_sink_states_figures_and_thresholds(stats):
    one = finding(stats, "attention-sinks")
    rate = one.figures[0]
    assert rate.value == "0 %" and "0.3" in rate.against and "2410.10781" in rate.source
    # Uniform causal attention over 64 and 128 tokens, as docs/testbeds.md has it.
    against = " ".join(figure.against for figure in one.figures)
    assert "0.0741" in against and "0.0349" in against


@pytest.mark.parametrize(
    "ratio, alpha, expected",
    [
        (0.249, 0.31, Verdict.FOUND),
        (0.249, 0.3, Verdict.WEAK),
        (0.25, 0.31, Verdict.NONE),
    ],
)
def test_value_drain_threshold(stats, ratio, alpha, expected):
    tap = stats["metrics"]["attention"][0]
    tap["value_ratio"][1] = ratio
    tap["alpha_first"][3] = alpha  # 4 heads, 2 key heads: head 3 reads key head 1
    assert finding(stats, "value-drain").verdict is expected


def test_value_drain_looks_at_its_own_group(stats):
    tap = stats["metrics"]["attention"][0]
    tap["value_ratio"][1], tap["alpha_first"][0] = 0.1, 0.9  # head 0 reads key head 0
    assert finding(stats, "value-drain").verdict is Verdict.WEAK


@pytest.mark.parametrize(
    "peak, massive, expected",
    [
        (1621.0, False, Verdict.WEAK),
        (100.0, False, Verdict.NONE),
        (100.1, False, Verdict.WEAK),
        (1621.0, True, Verdict.FOUND),
    ],
)
def test_massive_activation(stats, peak, massive, expected):
    stats["metrics"]["massive"] |= {"max_abs": peak, "ratio": 53.0, "is_massive": massive}
    one = finding(stats, "massive-activation")
    assert one.verdict is expected
    if expected is Verdict.WEAK:
        assert "not massive" in one.headline and "53" in one.headline


def test_massive_offers_rescaling_only_where_it_does_something(stats):
    stats["metrics"]["massive"]["is_massive"] = True
    assert commands(finding(stats, "massive-activation")) == []
    stats["metrics"]["streams"][0]["rescale"] = 3
    (command,) = commands(finding(stats, "massive-activation"))
    assert "rescale-residual stats=stats.json" in command


def test_residual_sink_offers_absorption_and_says_what_it_is_not():
    one = finding(make_stats.with_sinks(), "residual-sinks")
    assert commands(one) == [
        "basin rewrite IN.onnx OUT.onnx absorb-residual stats=stats.json",
        "basin rewrite IN.onnx OUT.onnx insert-pre-affine",
    ]
    assert "Quantizers of matrix inputs" in one.treatments[0].not_good
    assert "dimension 5" in one.headline


@pytest.mark.parametrize("weight, suppressed", [(0.499, True), (0.5, False)])
def test_norm_weights_mark(weight, suppressed):
    stats = make_stats.with_sinks()
    for sink in stats["metrics"]["streams"][0]["residual_sinks"]:
        for one in sink["weights"]:
            one["to_median"] = weight
    text = " ".join(finding(stats, "residual-sinks").details)
    assert ("Norms suppress them" in text) is suppressed


@pytest.mark.parametrize(
    "room, expected",
    [(0.999, Verdict.FOUND), (1.0, Verdict.WEAK), (1.99, Verdict.WEAK), (2.0, Verdict.NONE)],
)
def test_f16_headroom(stats, room, expected):
    stats["metrics"]["streams"][0]["f16_headroom"] = room
    one = finding(stats, "f16-headroom")
    assert one.verdict is expected
    assert bool(commands(one)) is (expected is not Verdict.NONE)


@pytest.mark.parametrize("ratio, expected", [(64.0, Verdict.NONE), (64.1, Verdict.FOUND)])
def test_outlier_tokens(stats, ratio, expected):
    stats["metrics"]["projections"][3]["token_ratio"] = ratio
    assert finding(stats, "outlier-tokens").verdict is expected


def test_outlier_features(stats):
    stats["metrics"]["outlier_features"] = [{"dim": 9, "layers": 0.25, "positions": 0.06}]
    one = finding(stats, "outlier-features")
    assert one.verdict is Verdict.FOUND and one.where == ["dimension 9: 25 % of layers, 6 % of "
                                                          "positions"]  # fmt: skip


def test_learned_sinks_are_told(stats):
    for tap in stats["metrics"]["attention"]:
        tap["sinks"], tap["learned"] = 1, [0.5] * 4
    text = " ".join(finding(stats, "attention-sinks").details)
    assert "6 of 6 attentions have learned sinks" in text and "0.500" in text


def test_warnings():
    stats = make_stats.without_sinks()
    assert findings.warnings(stats) == ["random tokens: no text is like them"]
    stats["notes"] = []
    (only,) = findings.warnings(stats)
    assert only.startswith("Random tokens: ")
    stats = make_stats.with_sinks()
    assert findings.warnings(stats) == []
    stats["data"]["bos"]["starts"] = 60
    stats["notes"] = ["one"]
    first, second = findings.warnings(stats)
    assert first.startswith("4 of 64 sequences do not begin") and second == "one"


def null_paths(value, path=()):
    """Every path in a document, lists by their first entry."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield (*path, key)
            yield from null_paths(one, (*path, key))
    if isinstance(value, list) and value:
        yield (*path, 0)
        yield from null_paths(value[0], (*path, 0))


@pytest.mark.parametrize("replacement", [None, []], ids=["null", "empty"])
def test_any_part_may_be_missing(replacement):
    whole = json.loads(json.dumps(make_stats.with_sinks()))
    for path in list(null_paths(whole["metrics"])):
        stats = {**whole, "metrics": copy.deepcopy(whole["metrics"])}
        holder = stats["metrics"]
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = replacement
        found = findings.find(stats)
        assert len(found) == 7, path
        heat_maps.all_grids(stats["metrics"])
        charts.all_charts(stats["metrics"], 128)


@pytest.mark.parametrize("name", ["with_sinks", "without_sinks", "minimal", "hostile", "large"])
def test_terminal_summary(name):
    text = terminal_summary(getattr(make_stats, name)())
    assert max(len(line) for line in text.splitlines()) <= 100
    assert all(c == "\n" or c.isprintable() or c == "\u2009" for c in text)
    text.encode("utf-8")
    for one in findings.find(values.clean(getattr(make_stats, name)())):
        assert one.title.split()[0] in text and one.verdict.value in text
    assert ("random tokens" in text) is (name == "without_sinks")


def test_show():
    for value, text in [
        (0, "0"), (1621.4, "1621"), (0.0123, "0.0123"), (65504, "65504"), (1.0, "1"),
        (14.83, "14.8"), (1e-9, "1.00e-09"), (None, "–"), (float("nan"), "–"), (True, "–"),
        (-0.5, "-0.500"), ("7", "–"), ([], "–"),
    ]:  # fmt: skip
        assert values.show(value) == text
    assert values.percent(0.0) == "0 %" and values.percent(0.01) == "< 0.1 %"


def test_uniform_attention():
    exact = sum(1 / i for i in range(1, 20_001))
    assert values.harmonic(20_000) == pytest.approx(exact, abs=1e-9)
    assert values.uniform_alpha(64) == pytest.approx(0.0741, abs=1e-4)
    assert values.uniform_mass(128) == pytest.approx(0.0349, abs=1e-4)


def test_numbers_out_of_bounds(stats):
    """A file with absurd numbers neither hangs the report nor fills the memory."""
    stats["metrics"]["sinks"]["sink_length"] = stats["data"]["length"] = 10**15
    residual = stats["metrics"]["residual"]
    residual[0]["histogram"] = {"first": 10**12, "counts": [1]}
    residual[1] |= {"max_abs": 1e308, "median": 5e-324, "layer": 10**9}
    stats["metrics"]["attention"][0] |= {"heads": 10**12, "layer": -5}
    stats["metrics"]["streams"][0]["order"] = [10**9, -1, 0]
    stats["metrics"]["sinks"]["sink_rate"] = {"0.3": float("nan")}
    assert "<h2>Findings</h2>" in html.render(stats)


def test_counts_of_sinks_and_of_scaled_dimensions_are_told_apart():
    stats = make_stats.with_sinks()
    stream = stats["metrics"]["streams"][0]
    stream["absorb"] = [{"dim": dim, "exponent": 1} for dim in range(50)]
    text = " ".join(finding(stats, "residual-sinks").details)
    assert "3 dimensions are sinks, 50 are scaled: " in text and "1.41 times" in text
    stream["absorb"], stream["residual_sinks"] = stream["absorb"][:1], stream["residual_sinks"][:1]
    assert "1 dimension is a sink, 1 is scaled: " in " ".join(
        finding(stats, "residual-sinks").details
    )
