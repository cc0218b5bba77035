"""The tables of the page: columns, rows, and what each cell sorts by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from basin.report import values as v
from basin.report.projection_findings import role_text

MOST_ROWS = 400
MOST_HEADS = 200


@dataclass(frozen=True)
class Cell:
    """A cell's text and its value for sorting (None sorts last)."""

    text: str
    key: float | str | None


@dataclass
class Table:
    """A table; `total` is how many rows there would be without the limit."""

    id: str
    title: str
    columns: list[tuple[str, bool]]
    rows: list[list[Cell]]
    total: int


def word(value: Any) -> Cell:
    """A text cell."""
    if value is None:
        return Cell("–", None)
    text = v.clean_text(str(value), 90)
    return Cell(text, text)


def num(value: Any, digits: int = 3) -> Cell:
    """A number cell."""
    return Cell(v.show(value, digits), v.number(value))


def token(value: Any) -> Cell:
    """A token cell, sorted by position."""
    position = v.number(value.get("position")) if isinstance(value, dict) else None
    return Cell(v.token_name(value), position)


def make(ident: str, title: str, columns: str, rows: list[list[Cell]], most: int) -> Table:
    """A table from "#number|text" columns, cut to `most` rows; columns without a value go."""
    names = [(name.lstrip("#"), name.startswith("#")) for name in columns.split("|")]
    kept = [i for i in range(len(names)) if any(row[i].key is not None for row in rows)]
    shown = [[row[i] for i in kept] for row in rows[:most]]
    return Table(ident, title, [names[i] for i in kept], shown, len(rows))


def pick(values: Any, index: int) -> Any:
    """`values[index]`, or None."""
    return values[index] if isinstance(values, list) and index < len(values) else None


def heads(metrics: dict[str, Any]) -> Table:
    """One row a head, strongest sinks first."""
    rows = []
    for tap in v.table(metrics, "attention"):
        alphas = tap.get("alpha_first")
        count = v.whole(tap.get("heads")) or len(alphas if isinstance(alphas, list) else [])
        ratios = tap.get("value_ratio")
        group = max(count // len(ratios), 1) if isinstance(ratios, list) and ratios else 1
        for head in range(min(count, 4096)):
            heaviest = pick(tap.get("heaviest"), head)
            heaviest = heaviest if isinstance(heaviest, dict) else {}
            rows.append([
                num(tap.get("layer")), num(head), num(pick(tap.get("alpha_first"), head)),
                num(heaviest.get("alpha")), token(heaviest.get("token")),
                num(pick(tap.get("first_token_mass"), head)), num(pick(tap.get("entropy"), head)),
                num(pick(tap.get("max_logit"), head)), num(pick(tap.get("learned"), head)),
                num(pick(ratios, head // group)), num(pick(tap.get("key_ratio"), head // group)),
            ])  # fmt: skip
    rows.sort(key=lambda row: -(row[3].key if isinstance(row[3].key, float) else -1.0))
    columns = (
        "#layer|#head|#alpha_1|#heaviest alpha|heaviest token|#first-token mass|#entropy, nats"
        "|#largest logit|#learned sinks|#value ratio|#key ratio"
    )
    return make("heads", "Attention heads, heaviest token first", columns, rows, MOST_HEADS)


def residual(metrics: dict[str, Any]) -> Table:
    """One row a tap of a stream."""
    words: dict[Any, str] = {True: "yes", False: "no"}
    rows = [
        [
            num(tap.get("stream")), num(tap.get("layer")), word(tap.get("place")),
            num(tap.get("max_abs")), num(tap.get("dim")), token(tap.get("token")),
            num(tap.get("median")), num(tap.get("ratio")),
            word(words.get(tap.get("massive"))), num(tap.get("peak")),
            num(tap.get("kurtosis")), num(tap.get("max_kurtosis")),
            num(tap.get("neuron_kurtosis")), word(tap.get("name")),
        ]
        for tap in v.table(metrics, "residual")
    ]  # fmt: skip
    columns = (
        "#stream|#layer|after|#max abs(x)|#dimension|token|#median|#ratio|massive|#peak"
        "|#kurtosis|#max kurtosis|#neuron kurtosis|value"
    )
    return make("residual", "Residual stream after each addition", columns, rows, MOST_ROWS)


def projections(metrics: dict[str, Any]) -> Table:
    """One row an input of matrices."""
    rows = [
        [
            num(tap.get("layer")), word(role_text(tap)), num(tap.get("max_abs")),
            num(tap.get("channel")), num(tap.get("infinity_norm")), num(tap.get("kurtosis")),
            num(tap.get("token_ratio")), num(tap.get("outlier_tokens")), word(tap.get("name")),
        ]
        for tap in v.table(metrics, "projections")
    ]  # fmt: skip
    columns = (
        "#layer|input of|#max abs(x)|#channel|#infinity norm|#kurtosis|#token ratio"
        "|#outlier tokens|value"
    )
    return make("projections", "Inputs of matrices", columns, rows, MOST_ROWS)


def norms(metrics: dict[str, Any]) -> Table:
    """One row a norm."""
    rows = []
    for tap in v.table(metrics, "norms"):
        weights = [
            one for one in v.table(tap, "suppressed") if v.number(one.get("to_median")) is not None
        ]
        least = min(weights, key=lambda one: abs(one["to_median"]), default={})
        rows.append([
            num(tap.get("layer")), word(tap.get("place")), word(tap.get("norm")),
            num(tap.get("weight_median")), num(least.get("to_median")), num(least.get("dim")),
            num(tap.get("share")), num(tap.get("bound")), num(tap.get("output_rms")),
            num(tap.get("tightness")), word(tap.get("name")),
        ])  # fmt: skip
    columns = (
        "#layer|place|kind|#median weight|#smallest / median|#at dimension|#share r|#bound"
        "|#output rms|#tightness|value"
    )
    return make("norms", "Norms", columns, rows, MOST_ROWS)


def features(metrics: dict[str, Any]) -> Table:
    """One row an outlier feature."""
    rows = [
        [num(one.get("dim")), num(one.get("layers")), num(one.get("positions"))]
        for one in v.table(metrics, "outlier_features")
    ]
    columns = "#dimension|#share of layers|#share of positions"
    return make("features", "Outlier features", columns, rows, MOST_ROWS)


def all_tables(metrics: dict[str, Any]) -> dict[str, Table]:
    """The tables with rows, by section."""
    made = {
        "attention": heads(metrics),
        "residual": residual(metrics),
        "norms": norms(metrics),
        "inputs": projections(metrics),
        "features": features(metrics),
    }
    return {name: one for name, one in made.items() if one.rows}
