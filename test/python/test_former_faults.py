"""Models that recognition once misread, or skipped without a remark."""

from __future__ import annotations

from pathlib import Path

import pytest

basin = pytest.importorskip("basin")
from basin.verification.recognition import check_recognition  # noqa: E402
from basin.verify import verify  # noqa: E402
from rewrite_passes import REWRITES, find_refusal  # noqa: E402

FOLDER = Path(__file__).resolve().parents[1] / "models" / "failing"
# What is raised now: the list, and facts about its first entry. None if the list is empty.
RAISED = {
    # A cast that does not just round.
    "att_fp8_scores": ("attention", None),
    "att_scale_int_cast": ("attention", {"scale": 0.25}),
    "norm_eps_int_cast": ("norms", {"eps": 2.0}),
    "norm_mean_cast_int": ("norms", None),
    "norm_result_cast_int": ("norms", {"weight": None}),
    # Shapes.
    "norm_high_rank_w": ("norms", {"weight": None}),
    "att_mask_rank5": ("attention", None),
    "rotary_bshd_S1D": ("rotary", None),
    "rotary_bshd_S1D_sq": ("rotary", None),
    "msrot_offset1": ("rotary", None),
    # Causality.
    "att_range_cast_bool": ("attention", {"causal": False, "hidden_rows": "nan"}),
    "att_slice_col_step": ("attention", {"causal": False}),
    "att_trilu_more_queries": ("attention", {"causal": False}),
    "mha_uni_cross": ("attention", None),
    # Rows that hide every key, and lengths.
    "att_leftpad_bool": ("attention", {"causal": False, "hidden_rows": "uniform"}),
    "att_leftpad_causal_add": ("attention", {"causal": True, "hidden_rows": None}),
    "satt_fullmask": ("attention", {"hidden_rows": "zero"}),
    "att_nan_rows_beside_sink": ("attention", {"sink_logit": True, "own_lengths": False}),
    "gqa_padded_prompt": ("attention", {"causal": True, "own_lengths": True}),
    # Other parts of the model read the shape of an inner value, before the attention ends.
    "shape-of-cast-olmo2": ("attention", {"heads": 4, "kv_heads": 2, "causal": True}),
    "shape-of-cast-modernbert": ("attention", {"heads": 4, "head_dim": 8, "causal": False}),
    "ort1-shape-of-repeated-keys-llama": ("attention", {"heads": 4, "kv_heads": 2}),
    # ONNX Runtime's operators in the places of standard ones.
    "ort2-fused-matmul-llama": ("attention", {"heads": 4, "kv_heads": 2, "causal": True}),
    # A bias beside a mask, in the order of each.
    "two-masks-t5": ("attention", {"mask_parts": ["bias", "padding"]}),
    "two-masks-alibi-mpt": (
        "attention",
        {"mask": "drop", "mask_parts": ["bias", "causal", "padding"]},
    ),
    "attention_two_masks": ("attention", {"mask": "keep", "causal": True, "hidden_rows": None}),
    "attention_mask_mul_sub": ("attention", {"causal": False, "mask_parts": ["bias"]}),
    "attention_conformer_relpos": ("attention", {"mask_parts": ["bias"]}),
    # Scores whose batch and heads are parted.
    "baddbmm-reshape-bloom": ("attention", {"heads": 4, "causal": True}),
    # Keys laid out otherwise.
    "einsum-attention": ("attention", {"heads": 4, "causal": True}),
    "seq-first-keys-nn-mha": ("attention", {"head_dim": 8, "mask_parts": ["none"]}),
    "attention_keys_perm_120": ("attention", {"head_dim": 4}),
    "attention_concat_transposed_keys": ("attention", {"heads": 4, "kv_cache": True}),
    # A sink made of a key and a value of zeros.
    "sink_by_zero_kv_last": ("attention", {"sink_logit": True, "mask_parts": ["none"]}),
    # Each element of the batch has its own number of keys.
    "attention24_nonpad": ("attention", {"mask": "keep", "causal": True}),
    # Pairs of rotary embedding.
    "interleaved-flatten-reads-shape-gptj": ("rotary", {"interleaved": True, "dim": 4}),
    "rotary-real-pairs-meta": ("rotary", {"interleaved": True, "dim": 8}),
    "rotary-mixed-pairs-deepseek": ("rotary", {"interleaved": True, "dim": 4}),
    # Norms of other frameworks.
    "layernorm_tensorflow": ("norms", {"kind": "layer", "dim": 16}),
    # A norm whose squares are quantized.
    "layernorm_with_qdq_inside_silent": ("norms", {"kind": "layer", "quantized": True}),
    # The product with values is wider than the query: the result is, too.
    "sdpa-f16-wide-product-llama": ("attention", {"heads": 4, "causal": True}),
    # Causality and windows that were not seen.
    "sdpa-is-causal-nanogpt": ("attention", {"causal": True, "mask_parts": ["causal"]}),
    "causal-by-reshape-t5": ("attention", {"causal": True, "mask_parts": ["bias", "causal"]}),
    "causal_window_mask_not_seen": ("attention", {"causal": True, "window": 4}),
}
# Those of them that are whole models, to which every rewrite applies.
WHOLE = [
    name
    for name in RAISED
    if name.startswith(("ort", "shape-of", "two-masks", "baddbmm", "einsum", "seq-first"))
    or name.startswith(("interleaved", "rotary-", "sdpa", "causal-by"))
]
# Models that are listed as not raised, with a word of the reason.
LISTED = {
    "mha_uni_cross": "as many new keys as queries",
    "msrot_offset1": "offset",
    "att_mask_rank5": "may be larger than its scores",
    "rotary_bshd_S1D_sq": "differ from head to head",
}


@pytest.mark.parametrize("name", RAISED)
def test_is_what_it_is_said_to_be(name: str) -> None:
    path = FOLDER / f"{name}.onnx"
    key, facts = RAISED[name]
    found = basin.load(path).inspect()[key]
    assert (len(found) > 0) == (facts is not None)
    if facts is not None:
        assert {what: found[0][what] for what in facts} == facts
    for op in check_recognition(path).ops:
        assert not op.differs, op.differs


@pytest.mark.parametrize("form", ["original", "functions"])
@pytest.mark.parametrize("passes", ["", *(f"{passes}," for passes in REWRITES.values())])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_models_compute_the_same_bits(
    name: str, passes: str, form: str, tmp_path: Path
) -> None:
    model = basin.load(FOLDER / f"{name}.onnx")
    chain = f"basin-raise,{passes}convert-sink-to-onnx{{form={form}}}"
    if reason := find_refusal(name, passes):
        with pytest.raises(basin.BasinError, match=reason):
            model.run(chain)
        return
    model.run(chain)
    model.save(tmp_path / "out.onnx")
    report = verify(FOLDER / f"{name}.onnx", tmp_path / "out.onnx")
    assert report.passed, str(report)


@pytest.mark.parametrize("name", LISTED)
def test_is_listed(name: str) -> None:
    unrecognized = basin.load(FOLDER / f"{name}.onnx").inspect()["unrecognized"]
    assert any(LISTED[name] in entry["reason"] for entry in unrecognized), unrecognized
