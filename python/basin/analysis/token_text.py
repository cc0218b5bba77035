"""Texts of a vocabulary's entries: byte-level and sentencepiece signs become bytes and spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

SPACE = "\u2581"


class Decoder:
    """Texts of single tokens, by the `decoder` of a tokenizer.json. Unknown entries are kept.

    A token may be a part of a character. Such bytes are shown as escapes.
    """

    def __init__(self, decoder: Any) -> None:
        steps = list(_steps(decoder))
        kinds = {step.get("type") for step in steps}
        self._bytes = "ByteLevel" in kinds
        self._fallback = "ByteFallback" in kinds
        self._spaces = "Metaspace" in kinds or any(
            step.get("type") == "Replace" and step.get("pattern") == {"String": SPACE}
            for step in steps
        )

    def text(self, token: str) -> str:
        """What the token stands for."""
        if self._bytes and all(character in _byte_signs() for character in token):
            return _decoded(bytes(_byte_signs()[character] for character in token))
        if self._fallback and re.fullmatch("<0x[0-9A-F]{2}>", token):
            return _decoded(bytes.fromhex(token[3:5]))
        return token.replace(SPACE, " ") if self._spaces else token


def _steps(decoder: Any) -> Iterator[dict[str, Any]]:
    """The decoder itself, or the parts of a sequence of them."""
    if not isinstance(decoder, dict):
        return
    yield decoder
    parts = decoder.get("decoders")
    for part in parts if isinstance(parts, list) else []:
        yield from _steps(part)


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


@cache
def _byte_signs() -> dict[str, int]:
    """GPT-2's signs: bytes that print stand for themselves, the others for U+0100 and up."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(shown)]
    signs = {chr(byte): byte for byte in shown}
    return signs | {chr(0x100 + i): byte for i, byte in enumerate(hidden)}
