"""Small causal decoders of token ids, drawn at random, some with an op that mixes tokens.

What exporters vary is drawn: how positions reach the model (learned, rotary by table or computed,
ALiBi, given or counted), how the mask is made (comparison, Trilu, table, padding, window, flags),
layouts, grouped heads, packed projections, rows of batch and tokens as one axis. `mixing` names an
op beside attention by which a token sees others. A prefix must not be absorbed past it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from builder import INT64, Builder, value  # noqa: E402

VOCABULARY, TABLE = 13, 24


class Decoder:
    """One drawn decoder. Its inputs are `input_ids` and some of a mask and positions."""

    def __init__(self, seed: int, mixing: str | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        self.g = Builder(int(self.rng.choice([14, 17, 18])))
        self.g._random = np.random.default_rng(seed)
        self.mixing = mixing
        self.groups = int(self.rng.choice([1, 2]))
        self.heads = 2 * self.groups
        self.head = 4
        self.dim = self.heads * self.head
        self.inputs = [value("input_ids", INT64, "batch", "seq")]
        self.padded = self.chance(0.4)
        if self.padded:
            self.inputs.append(value("attention_mask", INT64, "batch", "seq"))
        self.position = self.pick("none", "learned", "table", "computed", "alibi")
        self.given = self.position in ("learned", "table", "computed") and self.chance(0.4)
        if self.given:
            self.inputs.append(value("position_ids", INT64, "batch", "seq"))
        self.mask_kind = self.pick("less", "trilu", "table", "window", "flags")

    def pick(self, *choices: str) -> str:
        return str(self.rng.choice(choices))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    # Positions and masks.

    def length(self) -> str:
        """The number of tokens, a scalar."""
        source = "input_ids" if self.chance(0.6) else self.embedded
        return self.g.dim(source, 1)

    def counted(self) -> str:
        """Positions of the tokens, from 0: [seq]."""
        g = self.g
        if self.padded and self.chance(0.3) and self.position != "alibi":
            # Positions that count what the mask keeps: [batch, seq].
            summed = g.op("CumSum", "attention_mask", g.const(1))
            return g.op("Max", g.op("Sub", summed, g.const(1)), g.const(0))
        return g.op("Range", g.const(0), self.length(), g.const(1))

    def positions(self) -> str:
        return "position_ids" if self.given else self.counted()

    def mask(self) -> str:
        """What is added to the scores: [batch or 1, 1, seq, seq]."""
        g = self.g
        low = float(self.rng.choice([-1e9, np.finfo(np.float32).min]))
        hidden, shown = g.const(low), g.const(0.0)
        row = g.op("Range", g.const(0), self.length(), g.const(1))
        keys, queries = g.unsqueeze(row, [0]), g.unsqueeze(row, [1])
        if self.mask_kind in ("less", "flags"):
            seen = g.op("LessOrEqual", keys, queries) if g.opset >= 16 else g.op(
                "Not", g.op("Greater", keys, queries))  # fmt: skip
        elif self.mask_kind == "window":
            near = g.op("Less", g.op("Sub", queries, keys), g.const(3))
            seen = g.op("And", near, g.op("Not", g.op("Less", queries, keys)))
        elif self.mask_kind == "table":
            table = g.const(np.tril(np.ones((1, 1, TABLE, TABLE))).astype(bool), np.bool_)
            n = g.unsqueeze(self.length(), [0])
            for axis in (2, 3):
                table = g.op("Slice", table, g.const([0]), n, g.const([axis]))
            seen = table
        else:
            n = g.unsqueeze(self.length(), [0])
            square = g.op("Expand", hidden, g.op("Concat", n, n, axis=0))
            mask = g.unsqueeze(g.op("Trilu", square, g.const(1), upper=1), [0, 1])
            return self.pad(mask, hidden, shown)
        if self.mask_kind != "table":
            seen = g.unsqueeze(seen, [0, 1])
        if self.padded and self.chance(0.5):
            kept = g.op("Cast", "attention_mask", to=TensorProto.BOOL)
            seen = g.op("And", seen, g.unsqueeze(kept, [1, 2]))
            return g.op("Where", seen, shown, hidden)
        return self.pad(g.op("Where", seen, shown, hidden), hidden, shown)

    def pad(self, mask: str, hidden: str, shown: str) -> str:
        g = self.g
        if not self.padded:
            return mask
        kept = g.op("Cast", g.unsqueeze("attention_mask", [1, 2]), to=TensorProto.BOOL)
        return g.op("Add", mask, g.op("Where", kept, shown, hidden))

    def tables(self) -> tuple[str, str]:
        """cos and sin, broadcast to [batch, heads, seq, head]."""
        g, positions = self.g, self.positions()
        rates = 50.0 ** -(np.arange(0, self.head, 2) / self.head)
        rank = 2 if self.given or "max" in positions else 1
        if self.position == "table":
            angles = np.outer(np.arange(TABLE), np.concatenate([rates, rates]))
            rows = [g.op("Gather", g.const(f(angles)), positions, axis=0) for f in (np.cos, np.sin)]
        else:
            wide = g.op("Cast", g.unsqueeze(positions, [rank]), to=g.elem())
            half = g.op("Mul", wide, g.const(rates))
            angles = g.op("Concat", half, half, axis=-1)
            rows = [g.op(kind, angles) for kind in ("Cos", "Sin")]
        cos, sin = (g.unsqueeze(one, [1] if rank == 2 else [0, 1]) for one in rows)
        return cos, sin

    # The layers.

    def project(self, x: str, name: str, width: int) -> str:
        g = self.g
        weight = g.weight(name, self.dim, width)
        kind = self.pick("matmul", "gemm", "bias", "sequence first")
        if kind == "sequence first":
            # As torch's MultiheadAttention multiplies by its last matrix.
            turned = g.op("Transpose", x, perm=[1, 0, 2])
            flat = g.op("Gemm", g.reshape(turned, [-1, self.dim]), weight)
            sizes = g.op("Slice", g.op("Shape", turned), g.const([0]), g.const([2]))
            back = g.op("Reshape", flat, g.op("Concat", sizes, g.const([width]), axis=0))
            return g.op("Transpose", back, perm=[1, 0, 2])
        if kind == "gemm":
            flat = g.op("Gemm", g.reshape(x, [-1, self.dim]), weight)
            sizes = g.op("Slice", g.op("Shape", x), g.const([0]), g.const([2]))
            return g.op("Reshape", flat, g.op("Concat", sizes, g.const([width]), axis=0))
        y = g.op("MatMul", x, weight)
        return g.op("Add", y, g.vector(f"{name}.b", width, 0.0)) if kind == "bias" else y

    def rotate(self, x: str) -> str:
        g, half = self.g, self.head // 2
        low, high = g.slice(x, 0, half, 3), g.slice(x, half, self.head, 3)
        turned = g.op("Concat", g.op("Neg", high), low, axis=-1)
        return g.op("Add", g.op("Mul", x, self.cos), g.op("Mul", turned, self.sin))

    def to_heads(self, x: str, heads: int) -> str:
        g = self.g
        return g.op("Transpose", g.reshape(x, [0, 0, heads, self.head]), perm=[0, 2, 1, 3])

    def repeat(self, x: str) -> str:
        """Each key head for its group of query heads."""
        g = self.g
        if self.groups == 1:
            return x
        sizes = g.op("Shape", x)
        parts = [g.op("Slice", sizes, g.const([a]), g.const([b])) for a, b in ((0, 2), (2, 4))]
        wide = g.op("Concat", parts[0], g.const([self.groups]), parts[1], axis=0)
        repeated = g.op("Expand", g.unsqueeze(x, [2]), wide)
        return g.reshape(repeated, [0, self.heads, -1, self.head])

    def attention(self, x: str, stem: str) -> str:
        g, kv = self.g, self.heads // self.groups * self.head
        if self.groups == 1 and self.chance(0.4):
            packed = self.project(x, f"{stem}.qkv", 3 * self.dim)
            attrs = {"num_outputs": 3} if g.opset >= 18 else {}
            q, k, v = g.op("Split", packed, outputs=3, axis=2, **attrs)
        else:
            q = self.project(x, f"{stem}.q", self.dim)
            k, v = (self.project(x, f"{stem}.{name}", kv) for name in "kv")
        q = self.to_heads(q, self.heads)
        k, v = (self.to_heads(y, kv // self.head) for y in (k, v))
        if self.position in ("table", "computed"):
            q, k = self.rotate(q), self.rotate(k)
        k, v = self.repeat(k), self.repeat(v)
        scale = g.const(self.head**-0.5)
        if self.chance(0.5):
            q = g.op("Mul", q, scale)
        scores = g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = g.op("Mul", scores, scale)
        if self.mixing == "temperature":
            # Scaled by the number of tokens, so the prefix's rows depend on it.
            count = g.op("Cast", self.length(), to=g.elem())
            scores = g.op("Mul", scores, g.op("Log", g.op("Add", count, g.const(1.0))))
        if self.mixing == "relative bias":
            count = g.op("Cast", self.length(), to=g.elem())
            row = g.op("Cast", g.op("Range", g.const(0), self.length(), g.const(1)), to=g.elem())
            scores = g.op("Add", scores, g.op("Div", g.unsqueeze(row, [0]), count))
        if self.position == "alibi":
            slopes = g.const(2.0 ** -np.arange(1, self.heads + 1).reshape(1, -1, 1, 1))
            row = g.op("Cast", g.op("Range", g.const(0), self.length(), g.const(1)), to=g.elem())
            far = g.op("Sub", g.unsqueeze(row, [0]), g.unsqueeze(row, [1]))
            scores = g.op("Add", scores, g.op("Mul", slopes, g.unsqueeze(far, [0, 1])))
        scores = g.op("Add", scores, self.shared_mask or self.mask())
        mixed = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
        flat = g.reshape(g.op("Transpose", mixed, perm=[0, 2, 1, 3]), [0, 0, self.dim])
        return self.project(flat, f"{stem}.o", self.dim)

    def norm(self, x: str, name: str) -> str:
        g = self.g
        mean = g.mean(g.op("Mul", x, x))
        root = g.op("Sqrt", g.op("Add", mean, g.const(1e-3)))
        return g.op("Mul", g.op("Div", x, root), g.vector(name, self.dim, 1.0))

    def build(self) -> onnx.ModelProto:
        g = self.g
        x = g.op("Gather", g.weight("table", VOCABULARY, self.dim), "input_ids", axis=0)
        self.embedded = x
        if self.position == "learned":
            rows = g.op("Gather", g.weight("places", TABLE, self.dim), self.positions(), axis=0)
            x = g.op("Add", x, rows)
        if self.position in ("table", "computed"):
            self.cos, self.sin = self.tables()
        self.shared_mask = self.mask() if self.chance(0.6) else None
        place = int(self.rng.integers(0, 3))
        for layer in range(2):
            if self.mixing in MIXING and place == layer:
                x = MIXING[self.mixing](g, x)
            x = g.op("Add", x, self.attention(self.norm(x, f"{layer}.n"), str(layer)))
            up = self.project(self.norm(x, f"{layer}.m"), f"{layer}.up", self.dim)
            act = g.op(self.pick("Relu", "Tanh", "Sigmoid"), up)
            x = g.op("Add", x, self.project(act, f"{layer}.down", self.dim))
        if self.mixing in MIXING and place == 2:
            x = MIXING[self.mixing](g, x)
        x = self.norm(x, "n")
        outputs = [value("logits", g.elem(), "batch", "seq", VOCABULARY)]
        g.op("MatMul", x, g.weight("head", self.dim, VOCABULARY), outputs=["logits"])
        if self.chance(0.3):
            last = g.slice(x, -1, np.iinfo(np.int64).max, 1)
            g.op("MatMul", last, g.weight("head2", self.dim, 3), outputs=["last"])
            outputs.append(value("last", g.elem(), "batch", 1, 3))
        return g.model(self.inputs, outputs)


def _sum_of_all(g: Builder, x: str) -> str:
    return g.op("Add", x, g.axes_op("ReduceMean", x, [1], 18, keepdims=1))


def _running_sum(g: Builder, x: str) -> str:
    return g.op("Add", x, g.op("CumSum", x, g.const(1)))


def _reversed(g: Builder, x: str) -> str:
    return g.op("Add", x, g.slice(x, -1, np.iinfo(np.int64).min, 1, -1))


def _first(g: Builder, x: str) -> str:
    return g.op("Add", x, g.slice(x, 0, 1, 1))


def _softmax_of_tokens(g: Builder, x: str) -> str:
    return g.op("Add", x, g.op("Softmax", x, axis=1))


def _convolution(g: Builder, x: str) -> str:
    turned = g.op("Transpose", x, perm=[0, 2, 1])
    taps = g.const(np.array([[[0.5, 0.5]]]).repeat(_width(g, x), 0))
    y = g.op("Conv", turned, taps, pads=[1, 0], group=_width(g, x), kernel_shape=[2])
    return g.op("Add", x, g.op("Transpose", y, perm=[0, 2, 1]))


def _width(g: Builder, x: str) -> int:
    return int(g.initializers["table"].dims[1])


def _number_of_tokens(g: Builder, x: str) -> str:
    """The square root of the number of tokens, which absorbing must count with the prefix."""
    count = g.op("Cast", g.dim(x, 1), to=g.elem())
    return g.op("Mul", x, g.op("Div", g.op("Sqrt", count), g.const(3.0)))


def _gram(g: Builder, x: str) -> str:
    """Products of all pairs of tokens, with no softmax."""
    scores = g.op("MatMul", x, g.op("Transpose", x, perm=[0, 2, 1]))
    return g.op("Add", x, g.op("MatMul", g.op("Mul", scores, g.const(0.1)), x))


def _largest_of_all(g: Builder, x: str) -> str:
    return g.op("Sub", x, g.axes_op("ReduceMax", x, [1, 2], 18, keepdims=1))


def _regrouped(g: Builder, x: str) -> str:
    """Sums over a Reshape in which tokens and dimensions are one axis."""
    flat = g.reshape(x, [0, -1])
    mean = g.axes_op("ReduceMean", flat, [1], 18, keepdims=1)
    return g.op("Add", x, g.unsqueeze(mean, [2]))


# Ops by which a token sees others, or their number.
def _parted_elsewhere(g: Builder, x: str) -> str:
    """Sequence and batch are joined with the sequence first, and parted with the batch first."""
    flat = g.reshape(g.op("Transpose", x, perm=[1, 0, 2]), [-1, _width(g, x)])
    return g.op("Add", x, g.op("Reshape", flat, g.op("Shape", x)))


MIXING: dict[str, Callable[[Builder, str], str]] = {
    "mean": _sum_of_all,
    "cumsum": _running_sum,
    "reversed": _reversed,
    "first": _first,
    "softmax": _softmax_of_tokens,
    "convolution": _convolution,
    "count": _number_of_tokens,
    "gram": _gram,
    "max": _largest_of_all,
    "regrouped": _regrouped,
    "parted elsewhere": _parted_elsewhere,
}

# The scores of attention depend on the number of tokens.
SCORES = ("temperature", "relative bias")

# Of these, a token sees none after it, so that the prefix's keys may be constant.
CAUSAL = {"cumsum", "first"}
