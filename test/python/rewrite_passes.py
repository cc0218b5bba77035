"""The rewrites that every suite runs, and the pipelines of the fuzzer: a new rewrite is added here.

The suites hold each to its promise on exported models, drawn graphs, models in which a wrong
rewrite shows, models with damaged nodes, and by the static proof.
"""

from __future__ import annotations

import re
from pathlib import Path

# Passes between raising and lowering, by a short name. Each works on a stream of at least 20
# dimensions, and scales by powers of two, which are exact.
REWRITES = {
    "rescale": "sink-rescale-residual{k=6}",
    "absorb": "sink-absorb-residual-sinks{scale-dims=3:1024,17:0.0625}",
    "insert": "sink-insert-pre-affine",
}
# The same for the streams of small hand-made models, which have at least 4 dimensions.
SMALL_REWRITES = REWRITES | {
    "rescale": "sink-rescale-residual{k=3}",
    "absorb": "sink-absorb-residual-sinks{scale-dims=1:8,3:0.25}",
}

_FUZZER = Path(__file__).resolve().parents[2] / "tools" / "basin-pipeline-fuzzer"


def fuzzer_pipelines(step: str) -> list[str]:
    """The fuzzer's pipelines of a step, "RAISE" or "AFTER"."""
    text = (_FUZZER / "Pipelines.inc").read_text("utf-8")
    found = re.findall(rf'^{step}\("(.+)"\)$', text, re.MULTILINE)
    assert found, f"Pipelines.inc has no {step}"
    return found
