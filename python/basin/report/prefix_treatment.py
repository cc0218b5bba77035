"""The treatment of what the first token of all sequences carries."""

from __future__ import annotations

from typing import Any

from basin.report import values as v
from basin.report.findings import Treatment

__all__ = ["treat_first_token"]


def treat_first_token(token: Any, data: dict[str, Any]) -> Treatment | None:
    """The rewrite that leaves the token out, if it is BOS and all sequences begin with it."""
    if not isinstance(token, dict) or v.whole(token.get("position")) != 0:
        return None
    bos, ident = v.mapping(data, "bos"), v.whole(token.get("id"))
    count = v.whole(data.get("sequences"))
    begins = count is not None and count > 0 and v.whole(bos.get("starts")) == count
    if ident is None or ident < 0 or v.whole(bos.get("id")) != ident or not begins:
        return None
    return Treatment(
        f"basin rewrite IN.onnx OUT.onnx absorb-prefix ids={ident}",
        "All sequences begin with this token: a causal model keeps its keys and values as "
        "parameters and computes its activations no more. Exact.",
        "Sequences that begin with another token, and outliers of later tokens.",
    )
