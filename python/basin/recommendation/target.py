"""Targets: the number formats in which a model is to be stored and run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from basin import _basin
from basin._basin import BasinError

__all__ = ["Target", "parse_target"]

_OPTIONS = ("scheme", "scheme-file", "residual", "residual-scale", "kv-cache", "head", "range")


@dataclass(frozen=True)
class Target:
    """Options of the step `quantize`, or f16, which has none."""

    text: str
    options: tuple[tuple[str, str], ...]
    is_f16: bool = False

    @property
    def quantizes_residual(self) -> bool:
        """Whether residual streams are stored narrow."""
        return dict(self.options).get("residual", "none") != "none"

    @property
    def quantizes_inputs(self) -> bool:
        """Whether the inputs of projections are quantized."""
        given = dict(self.options)
        if "scheme-file" in given:
            return "activations" in Path(given["scheme-file"]).read_text("utf-8")
        scheme = given.get("scheme", "none")
        return scheme != "none" and "activations" in _basin.print_scheme(scheme)


def parse_target(text: str) -> Target:
    """A target from its words: `fp16`, a scheme's name or file, and options of `quantize`.

    Examples are "int8-static", "nvfp4 residual=int8" and "residual=int8". Raises BasinError.
    """
    words = [word for word in re.split(r"[\s,]+", text) if word]
    if words == ["fp16"]:
        return Target(text, (), is_f16=True)
    options: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            is_file = word.endswith((".yaml", ".yml"))
            name, value = ("scheme-file", word) if is_file else ("scheme", word)
        if name not in _OPTIONS:
            raise BasinError(
                f"--target: expected fp16, a scheme ({', '.join(_basin.list_schemes())}), a YAML "
                f"file, or one of the options {', '.join(_OPTIONS)}, but got '{word}'"
            )
        if name in options:
            raise BasinError(f"--target: '{name}' is given twice")
        options[name] = value
    if not options:
        raise BasinError("--target: expected a scheme, options of quantize, or fp16")
    if options.get("scheme", "none") not in ("none", *_basin.list_schemes()):
        raise BasinError(
            f"--target: unknown scheme '{options['scheme']}': expected fp16, "
            f"{', '.join(_basin.list_schemes())}"
        )
    _basin.check_steps([("quantize", list(options.items()))])
    return Target(text, tuple(options.items()))
