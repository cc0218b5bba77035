"""The treatment of what the first token of all sequences carries."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.findings import Treatment

__all__ = ["treat_first_token"]


def treat_first_token(token: Any) -> Treatment | None:
    """The rewrite that leaves the token out, if it is the first one and its id is known."""
    if not isinstance(token, dict) or v.whole(token.get("position")) != 0:
        return None
    ident = v.whole(token.get("id"))
    if ident is None or ident < 0:
        return None
    return Treatment(
        f"basin rewrite IN.onnx OUT.onnx absorb-prefix ids={ident}",
        "All sequences begin with this token: a causal model keeps its keys and values as "
        "parameters and computes its activations no more. Exact.",
        "Sequences that begin with another token, and outliers of later tokens.",
    )
