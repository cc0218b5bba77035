"""What others recognize in the same exports, counted by the fused operators in their results.

ONNX Runtime's transformer optimizer takes a model type, and gets each that fits the architecture.
onnxscript's `optimize_for_ort` takes none. Their results run in ONNX Runtime on the same inputs: a
result that differs is no recognition.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx

from basin.bench.recognize.catalog import ARCHS, HEADS, HIDDEN

ATTENTION = {"Attention", "MultiHeadAttention", "GroupQueryAttention", "PackedAttention"}
LAYER = {"LayerNormalization", "SkipLayerNormalization", "EmbedLayerNormalization"}
ROOT = {"SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", "RMSNormalization"}
PEERS = ("ort-transformers", "onnxscript")
OWN_TYPE = {
    "phi": "phi", "qwen3": "qwen3", "gpt_neox": "gpt_neox", "swin": "swin", "swinv2": "swin",
    "wav2vec2-conformer": "conformer", "wav2vec2-bert": "conformer",
    "parakeet_encoder": "conformer",
    "clip_vision_model": "clip", "hand-tf2onnx-bert": "bert_tf", "hand-tf2onnx-gpt2": "gpt2_tf",
}  # fmt: skip
BY_KIND = {
    "decoder": "gpt2", "mixer": "gpt2", "seq2seq": "bart", "whisper": "bart", "image": "vit",
    "video": "vit", "pair": "clip", "features2seq": "bart",
}  # fmt: skip
T5_LIKE = ("t5", "mt5", "umt5", "t5-gated", "switch_transformers", "longt5")


def model_types(arch: str) -> list[str]:
    """The types of ONNX Runtime's optimizer that fit an architecture."""
    if arch in OWN_TYPE:
        return [OWN_TYPE[arch]]
    if arch in T5_LIKE:
        return ["t5"]
    if arch.startswith("hand-keras"):
        return ["bert_keras"]
    if arch in ARCHS:
        return [BY_KIND.get(ARCHS[arch].kind, "bert")]
    return ["gpt2"] if "llama" in arch or "gpt" in arch else ["bert"]


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += _nodes(attribute.g)
    return found


def fused_counts(model: onnx.ModelProto) -> dict[str, int]:
    """How many operators of each kind stand in a model's graph."""
    nodes = _nodes(model.graph)
    kinds = Counter(node.op_type for node in nodes)
    inside = sum(
        any(a.name == "do_rotary" and a.i for a in node.attribute)
        for node in nodes
        if node.op_type == "GroupQueryAttention"
    )
    return {
        "attention": sum(kinds[name] for name in ATTENTION),
        "layer_norms": sum(kinds[name] for name in LAYER),
        "rms_norms": sum(kinds[name] for name in ROOT),
        "rotary": kinds["RotaryEmbedding"] + 2 * inside,
    }


def _transformers(source: Path, target: Path, model_type: str, heads: int) -> None:
    from onnxruntime.transformers.optimizer import optimize_model

    hidden = HIDDEN if heads else 0
    optimized = optimize_model(str(source), model_type, num_heads=heads, hidden_size=hidden)
    optimized.save_model_to_file(str(target))


def _onnxscript(source: Path, target: Path) -> None:
    import onnx_ir
    from onnxscript.rewriter.ort_fusions import optimize_for_ort

    model, _ = optimize_for_ort(onnx_ir.load(source))
    onnx_ir.save(model, target)


def recognize(peer: str, arch: str, source: Path, target: Path) -> dict[str, Any]:
    """Counts of what a peer made of an export, and how far its results are from the export's."""
    from basin.bench.recognize import stages

    if peer == "onnxscript":
        _onnxscript(source, target)
        used = ""
    else:
        used = model_types(arch)[0]
        staged = arch in ARCHS and not ARCHS[arch].common
        _transformers(source, target, used, 0 if staged else HEADS)
    result: dict[str, Any] = {"type": used, "found": fused_counts(onnx.load(target))}
    inputs, _ = stages.example(source.with_suffix(".npz"))
    try:
        wanted = stages.run_model(source, inputs)
    except Exception:
        return result  # The export itself does not run, so that there is nothing to compare.
    try:
        far = stages.distance(stages.run_model(target, inputs), wanted)
        result["distance"] = min(far, 1e30)
    except Exception as error:
        result["does_not_run"] = " ".join(str(error).split())[:300]
    return result
