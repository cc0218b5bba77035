"""Trained models whose sequences begin with a known token."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
BIGRAM = ROOT / "models" / "bigram-backcopy.onnx"
STORIES = ROOT.parent / "shared" / "models" / "stories260K.onnx"
# Models with the id that begins their sequences.
TRAINED = {
    TINY: 10,
    BIGRAM: 64,
    ROOT / "models" / "text-small.onnx": 256,
    ROOT / "models" / "text-sink.onnx": 256,
    STORIES: 1,
}
MODELS = [path for path in TRAINED if path.exists()]
