"""What the stored tensors of a model are for, as Basin recognizes it."""

from __future__ import annotations

from pathlib import Path

from basin.model import load

__all__ = ["FIXED", "LEARNABLE", "find_roles"]

# What steps insert to be learned.
LEARNABLE = (
    "alpha",
    "attention_gate",
    "gate",
    "pre_affine",
    "prefix_key",
    "prefix_value",
    "sink_key",
    "sink_logit",
    "sink_tokens",
    "sink_value",
)
# What a training leaves as it is: tables of angles, masks, scales of quantized numbers, and single
# numbers such as an eps.
FIXED = ("constant", "mask", "scale", "table")


def find_roles(path: Path) -> dict[str, str]:
    """The role of each float initializer by its name. Raises BasinError."""
    found: dict[str, str] = {}
    for one in load(path).inspect()["parameters"]:
        found[one["name"]] = one["role"]
    return found
