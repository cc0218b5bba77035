"""Numbers and texts of a statistics document, made safe to show.

Token texts and tensor names come from untrusted models. The template escapes them for HTML. Here
control characters, surrogates and invisible or direction-changing characters become visible
escapes, so a name can neither control a terminal nor make a file that is not UTF-8.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
SPACE = "\u2423"
# Control, format (bidi, zero width), surrogate, private use, line and paragraph separators.
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def clean_text(text: str, limit: int = 200) -> str:
    """`text` without anything that acts instead of being seen, cut to `limit` characters."""
    cut = text[:limit]
    shown = "".join(
        ESCAPES.get(c) or (f"\\u{ord(c):04x}" if unicodedata.category(c) in INVISIBLE else c)
        for c in cut
    )
    return shown + "…" if len(text) > limit else shown


def clean(value: Any) -> Any:
    """A copy of a document with every string cleaned; lists of numbers are not copied."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(one) for key, one in value.items()}
    if isinstance(value, list):
        if value and isinstance(value[0], int | float) and isinstance(value[-1], int | float):
            return value
        return [clean(one) for one in value]
    return value


def number(value: Any) -> float | None:
    """`value` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def numbers(values: Any) -> list[float]:
    """The finite numbers of a list that may be null."""
    if not isinstance(values, list):
        return []
    return [one for one in map(number, values) if one is not None]


def whole(value: Any) -> int | None:
    """`value` as an int, or None."""
    found = number(value)
    return None if found is None else int(found)


def table(metrics: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of objects at `key`; empty where it is null or absent."""
    found = metrics.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def mapping(holder: dict[str, Any], key: str) -> dict[str, Any]:
    """The object at `key`; empty where it is null or absent."""
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def mean(values: Any) -> float | None:
    """The mean of a list's numbers."""
    found = numbers(values)
    return sum(found) / len(found) if found else None


def largest(values: Any) -> float | None:
    """The largest of a list's numbers."""
    return max(numbers(values), default=None)


def smallest(values: Any) -> float | None:
    """The smallest of a list's numbers."""
    return min(numbers(values), default=None)


def show(value: Any, digits: int = 3) -> str:
    """A figure in at most `digits` significant digits, whole numbers in full; a dash for none."""
    found = number(value)
    if found is None:
        return "–"
    if found == 0:
        return "0"
    if abs(found) >= 1e7 or abs(found) < 10.0**-digits:
        return f"{found:.{digits - 1}e}"
    if found == int(found) or abs(found) >= 10**digits:
        return f"{found:.0f}"
    places = max(digits - 1 - math.floor(math.log10(abs(found))), 0)
    return f"{found:.{places}f}"


def percent(value: Any) -> str:
    """A figure that is in percent already; a rate that is not zero never reads as zero."""
    found = number(value)
    if found is None:
        return "–"
    if 0 < abs(found) < 0.1:
        return "< 0.1 %"
    return f"{found:.0f} %" if found == int(found) else f"{found:.1f} %"


def grouped(value: Any) -> str:
    """A count with thin spaces between thousands."""
    found = whole(value)
    return "–" if found is None else f"{found:,}".replace(",", "\u2009")


def token_name(token: Any) -> str:
    """A token in words: position, and text or id where known."""
    if not isinstance(token, dict):
        return "–"
    position, text, ident = whole(token.get("position")), token.get("text"), whole(token.get("id"))
    where = "" if position is None else f"position {position}"
    what = f"“{spaced(clean_text(text, 40))}”" if isinstance(text, str) else ""
    if ident is not None:
        what = f"{what} (id {ident})".strip() if what else f"id {ident}"
    return ", ".join(part for part in (where, what) if part) or "–"


def spaced(text: str) -> str:
    """`text` with its first and last spaces visible."""
    inner = text.strip(" ")
    if not inner:
        return SPACE * len(text)
    before = len(text) - len(text.lstrip(" "))
    return SPACE * before + inner + SPACE * (len(text) - before - len(inner))


def harmonic(count: int) -> float:
    """1 + 1/2 + ... + 1/count; of many by its asymptote, whose error is below 1e-9 there."""
    if count > 10_000:
        return math.log(count) + 0.5772156649015329 + 1 / (2 * count)
    return sum(1 / i for i in range(1, count + 1))


def uniform_alpha(length: int) -> float:
    """alpha_1 where every query spreads its attention evenly over the keys up to itself."""
    return harmonic(length) / length


def uniform_mass(length: int) -> float:
    """First-token mass of the same attention, over all queries but the first."""
    return (harmonic(length) - 1) / (length - 1)
