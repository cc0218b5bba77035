"""The mixers of models that torch exports: those of each layer, and none in plain transformers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnxscript")

from basin.bench.recognize import exporting  # noqa: E402
from basin.bench.recognize.cases import Case  # noqa: E402

# By the kinds of two layers. A state-space layer has a short convolution before its scan.
MODELS = {
    "falcon_mamba": {"convolution": 2, "selective_scan": 2},
    "mamba2": {"convolution": 2, "linear_attention": 2},
    "rwkv": {"wkv": 2},
    "recurrent_gemma": {"convolution": 2, "linear_recurrence": 2},
    "jamba": {"convolution": 1, "selective_scan": 1},
    "lfm2": {"convolution": 1},
    "convnextv2": {"convolution": 2},
    "llama": {},
    "bert": {},
    "gpt2": {},
    "t5": {},
    "vit": {},
}


@pytest.mark.parametrize("name", MODELS)
def test_mixers_of_exports(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "lfm2":
        # Its smallest configuration has attention alone.
        arch = exporting.ARCHS[name]
        layers = {"layer_types": ["conv", "full_attention"]}
        changed = exporting.ARCHS | {name: replace(arch, extra=arch.extra | layers)}
        monkeypatch.setattr(exporting, "ARCHS", changed)
    path = tmp_path / "m.onnx"
    exporting.export(Case(name, experts="batched_mm" if name == "jamba" else ""), path)
    mixers = basin.load(path).inspect()["mixers"]
    assert Counter(one["kind"] for one in mixers) == MODELS[name]
    gated = [one["gated"] for one in mixers if one["kind"] == "convolution"]
    assert gated == [name == "lfm2"] * len(gated)
    if name != "convnextv2":
        assert all(one["causal"] in (True, None) for one in mixers)
