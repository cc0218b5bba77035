"""Random graphs: a fixed sample, and failures are found, named and shrunk."""

from __future__ import annotations

import onnx
import pytest

pytest.importorskip("basin._basin", reason="the extension is not built")
from random_graphs import campaign  # noqa: E402
from random_graphs.shrink import shrink  # noqa: E402

COUNT = 500
SEED = 20261129


def test_sample() -> None:
    result = campaign.run(SEED, COUNT)
    text = campaign.describe(result)
    assert not result.found, text + "\n" + "\n".join(map(str, result.found))
    assert sum(result.drawn.values()) == COUNT
    # Otherwise a sample without valid graphs, or without raised ops, would pass as well.
    for kind, drawn in result.drawn.items():
        assert result.valid[kind] > drawn // 2, text
    for what in ("attention", "rms_norm", "layer_norm", "rotary", "gate", "dyt"):
        assert result.counts[f"raised {what}"] > 5, text
    steps = ("rescale-residual", "absorb-residual", "insert-pre-affine", "insert-sink-kv")
    for rewrite in (*steps, "insert-sink-logits", "all"):
        assert result.counts[f"{rewrite} kept"] > 20, text


def test_a_seed_is_a_graph() -> None:
    first, again = (campaign.draw(7).SerializeToString() for _ in range(2))
    assert first == again and first != campaign.draw(8).SerializeToString()


def test_shrinking_keeps_the_failure() -> None:
    """Only the node that is to blame is left of a whole model."""
    seed = next(s for s in range(100) if "Tanh" in {n.op_type for n in campaign.draw(s).graph.node})

    def fails(model: onnx.ModelProto) -> bool:
        return any(node.op_type == "Tanh" for node in model.graph.node)

    small = shrink(campaign.draw(seed), fails, budget=1000)
    assert [node.op_type for node in small.graph.node] == ["Tanh"]


def test_a_crash_is_counted_and_the_rest_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies has named its graph, and another worker continues after it."""
    start = campaign._start

    def dying(first: int, stop: int):
        monkeypatch.setattr(campaign, "_start", start)
        import subprocess
        import sys

        code = f"print('{{\"start\": {first}}}', flush=True); import os; os.abort()"
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    monkeypatch.setattr(campaign, "_start", dying)
    result = campaign.run(SEED, 3)
    assert result.failures["crash"] == 1 and sum(result.drawn.values()) == 3
    assert result.found[0]["seed"] == SEED
