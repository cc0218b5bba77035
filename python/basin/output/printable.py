"""Makes untrusted text safe for a terminal: names and messages may have control characters."""

from __future__ import annotations

import re

# Control characters of both ranges, what turns the direction of text, line and paragraph
# separators, and halves of surrogate pairs, which no encoding can print.
_UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def printable(text: str) -> str:
    """`text` with escapes for all that a terminal obeys or cannot show, except newlines."""
    return _UNPRINTABLE.sub(_escaped, text)
