"""The rewrites that every suite runs, and the pipelines of the fuzzer: the steps of the registry.

The suites hold each step that promises equal bits to its promise, and all of them in sequence, on
exported models, drawn graphs, models in which a wrong rewrite shows, models with damaged nodes, and
by the static proof. A step's own definition in Passes.td gives the options. Steps that change the
function have tests of their own; the fuzzers run them, too.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import _basin  # noqa: E402

_FUZZER = Path(__file__).resolve().parents[2] / "tools" / "basin-pipeline-fuzzer"


def _examples(small: bool) -> dict[str, str]:
    """The passes of each step that promises equal bits by its name, and of all these as "all"."""
    examples = _basin.list_examples()
    half = len(examples) // 2
    chosen = examples[half:] if small else examples[:half]
    alone = [steps[0] for steps in chosen if len(steps) == 1 and _basin.promise_equal_bits(steps)]
    passes = {step[0]: _basin.get_passes([step]) for step in alone}
    return passes | {"all": _basin.get_passes(alone)}


# Passes between raising and lowering. They work on a stream of at least 20 dimensions, and scale by
# powers of two, which are exact.
REWRITES = _examples(small=False)
# The same for the streams of small hand-made models, which have at least 4 dimensions.
SMALL_REWRITES = _examples(small=True)

# Steps that change the function, by their names, with options for small streams.
CHANGES = {
    steps[0][0]: _basin.get_passes(steps)
    for steps in _basin.list_examples()
    if len(steps) == 1 and not _basin.promise_equal_bits(steps)
}

# Models whose attentions are refused a gate, with words of the reason.
REFUSED_GATES = {
    "hand-mask-add_table": "are not proven to be those of the result",
    "baddbmm-reshape-bloom": "but got the layout hsd",
    "seq-first-keys-nn-mha": "but got the layout hsd",
    "mha-bias-weights-seq_first-dynamo18": "but got the layout hsd",
    "mha-both-weights-script17": "but got the layout hsd",
    "mha-zero-weights-dynamo18": "but got the layout hsd",
}


def find_refusal(stem: str, passes: str) -> str | None:
    """Words of the reason for which the passes refuse the model, or None if they do not."""
    return REFUSED_GATES.get(stem) if "insert-gated-attention" in passes else None


def fuzzer_pipelines(part: str) -> list[str]:
    """The fuzzer's pipelines of a part, "RAISE" or "AFTER", which also has the steps' examples."""
    text = (_FUZZER / "Pipelines.inc").read_text("utf-8")
    found = re.findall(rf'^{part}\("(.+)"\)$', text, re.MULTILINE)
    assert found, f"Pipelines.inc has no {part}"
    if part == "AFTER":
        every = [_basin.get_passes(steps) for steps in _basin.list_examples()]
        found += [f"{passes},convert-sink-to-onnx" for passes in every]
    return found
