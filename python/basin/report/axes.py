"""The places and texts of ticks on axes."""

from __future__ import annotations

import math

PREFIXES = ("layer ", "head ", "key ", "query ", "dimension ", "position ")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def linear_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between `low` and `high`, about that many."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten between `low` and `high`, and 2 and 5 times them if there are few."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    powers = [10.0**p for p in range(first, last + 1)]
    inside = [p for p in powers if low * 0.999 <= p <= high * 1.001]
    if len(inside) > 2:
        step = math.ceil(len(inside) / most)
        return inside[::step]
    finer = [p * m for p in powers for m in (1, 2, 5) if low * 0.999 <= p * m <= high * 1.001]
    if len(finer) >= 2:
        return finer
    return linear_ticks(low, high, 4)


def tick_text(value: float) -> str:
    """A tick's number: plain where short, a power of ten else."""
    if value == 0:
        return "0"
    size = abs(value)
    if 0.001 <= size < 100000:
        return f"{value:.6g}"
    power = math.floor(math.log10(size) + 1e-9)
    lead = value / 10.0**power
    base = "" if abs(lead - 1) < 1e-6 else f"{lead:.3g}·"
    return f"{base}10{str(power).translate(SUPERSCRIPT)}"


def short_label(label: str, limit: int = 13) -> str:
    """A row's or column's name as its axis shows it, without what the axis's title says."""
    for prefix in PREFIXES:
        label = label.removeprefix(prefix)
    label = label.replace(" and later", "+")
    return label if len(label) <= limit else label[: limit - 1] + "…"


def thinned(count: int, room: float, each: float) -> range:
    """Which of `count` labels fit into `room` where each takes `each`."""
    most = max(int(room / each), 1)
    step = max(math.ceil(count / most), 1)
    if step > 5:  # steps that read as round numbers
        step = next(s for s in (10, 20, 25, 50, 100, 200, 500, 1000, 10**6) if s >= step)
    return range(0, count, step)
