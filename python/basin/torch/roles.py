"""What the stored tensors of a model are for, as Basin recognizes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FIXED", "LEARNABLE", "roles_of"]

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


def roles_of(inspected: Mapping[str, Any]) -> dict[str, str]:
    """The role of each float initializer by its name, from what `basin inspect` says."""
    return {one["name"]: one["role"] for one in inspected["parameters"]}
