"""The ways in which graphs write a norm over the last axis.

RMSNorm:   y = w * x / sqrt(mean(x^2) + eps)
LayerNorm: y = w * (x - mean x) / sqrt(mean((x - mean x)^2) + eps) + b
DyT:       y = w * tanh(alpha * x) + b, which stands in a norm's place; Derf with erf and a shift
Gated:     y' = act(swish(y W_down) W_up) * y after any of them

Each form is a function (builder, x, stem) -> y; the weight's name is `stem.weight`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from builder import Builder
from onnx import TensorProto

HIDDEN = 32
EPS = 1e-5


def _width(stem: str) -> int:
    return 8 if "qk" in stem else HIDDEN


def _weight(g: Builder, stem: str, dtype=None) -> str:
    return g.vector(f"{stem}.weight", _width(stem), 1.0, dtype)


def _variance(g: Builder, x: str, square: str = "pow", dtype=None) -> str:
    squared = g.op("Mul", x, x) if square == "mul" else g.op("Pow", x, g.const(2.0, dtype))
    return g.op("Add", g.mean(squared), g.const(EPS, dtype))


def pow_sqrt_div(g: Builder, x: str, stem: str) -> str:
    """Pow(x, 2), Sqrt, Div(x, root), Mul(y, w)."""
    y = g.op("Div", x, g.op("Sqrt", _variance(g, x)))
    return g.op("Mul", y, _weight(g, stem))


def mul_sqrt_div(g: Builder, x: str, stem: str) -> str:
    """Mul(x, x), Sqrt, Div(x, root), Mul(y, w)."""
    y = g.op("Div", x, g.op("Sqrt", _variance(g, x, "mul")))
    return g.op("Mul", y, _weight(g, stem))


def div_one(g: Builder, x: str, stem: str) -> str:
    """Div(1, root), Mul(x, .), Mul(w, y), as the TorchScript exporter writes rsqrt."""
    inverse = g.op("Div", g.const(1.0), g.op("Sqrt", _variance(g, x)))
    return g.op("Mul", _weight(g, stem), g.op("Mul", x, inverse))


def reciprocal(g: Builder, x: str, stem: str) -> str:
    """Reciprocal(root), commuted: Mul(., x), and eps as the first operand of Add."""
    mean = g.mean(g.op("Mul", x, x))
    root = g.op("Sqrt", g.op("Add", g.const(EPS), mean))
    return g.op("Mul", g.op("Mul", g.op("Reciprocal", root), x), _weight(g, stem))


def pow_neg_half(g: Builder, x: str, stem: str) -> str:
    """Pow(variance, -0.5), Mul(x, .)."""
    inverse = g.op("Pow", _variance(g, x), g.const(-0.5))
    return g.op("Mul", g.op("Mul", x, inverse), _weight(g, stem))


def one_plus_weight(g: Builder, x: str, stem: str) -> str:
    """Gemma's norm: the stored weight is an offset from one that is added in the graph."""
    offset = g.vector(f"{stem}.weight", _width(stem), 0.0)
    y = g.op("Div", x, g.op("Sqrt", _variance(g, x)))
    return g.op("Mul", y, g.op("Add", g.const(1.0), offset))


def no_weight(g: Builder, x: str, stem: str) -> str:
    """No weight at all."""
    return g.op("Div", x, g.op("Sqrt", _variance(g, x)))


def cast_weight_after(g: Builder, x: str, stem: str) -> str:
    """Cast to fp32, norm, Cast back, then the weight in the model's type (Llama in fp16)."""
    wide = g.op("Cast", x, to=TensorProto.FLOAT)
    root = g.op("Sqrt", _variance(g, wide, dtype=np.float32))
    y = g.op("Mul", wide, g.op("Reciprocal", root))
    return g.op("Mul", _weight(g, stem), g.op("Cast", y, to=g.elem()))


def cast_weight_before(g: Builder, x: str, stem: str) -> str:
    """Cast to fp32, norm, the weight in fp32, then Cast back (Gemma in fp16)."""
    wide = g.op("Cast", x, to=TensorProto.FLOAT)
    root = g.op("Sqrt", _variance(g, wide, dtype=np.float32))
    y = g.op("Mul", wide, g.op("Reciprocal", root))
    y = g.op("Mul", y, _weight(g, stem, np.float32))
    return g.op("Cast", y, to=g.elem())


def rms_op(g: Builder, x: str, stem: str) -> str:
    """The standard's RMSNormalization (opset 23)."""
    return g.op("RMSNormalization", x, _weight(g, stem), axis=-1, epsilon=EPS)


def simplified(g: Builder, x: str, stem: str) -> str:
    """ONNX Runtime's SimplifiedLayerNormalization, which it registers in the standard domain."""
    return g.op("SimplifiedLayerNormalization", x, _weight(g, stem), axis=-1, epsilon=EPS)


def layer_op(g: Builder, x: str, stem: str) -> str:
    """LayerNormalization (opset 17) with weight and bias."""
    bias = g.vector(f"{stem}.bias", HIDDEN, 0.0)
    return g.op("LayerNormalization", x, _weight(g, stem), bias, axis=-1, epsilon=EPS)


def layer_op_no_bias(g: Builder, x: str, stem: str) -> str:
    """LayerNormalization without bias."""
    return g.op("LayerNormalization", x, _weight(g, stem), axis=-1, epsilon=EPS)


def layer_decomposed(g: Builder, x: str, stem: str) -> str:
    """ReduceMean, Sub, Pow, ReduceMean, Add, Sqrt, Div, Mul, Add."""
    centred = g.op("Sub", x, g.mean(x))
    y = g.op("Div", centred, g.op("Sqrt", _variance(g, centred)))
    y = g.op("Mul", y, _weight(g, stem))
    return g.op("Add", y, g.vector(f"{stem}.bias", HIDDEN, 0.0))


def layer_decomposed_twice(g: Builder, x: str, stem: str) -> str:
    """As some exporters write it: the centred value is computed twice, square by Mul."""
    mean = g.mean(x)
    square = g.op("Sub", x, mean)
    variance = g.op("Add", g.mean(g.op("Mul", square, square)), g.const(EPS))
    y = g.op("Mul", g.op("Sub", x, mean), g.op("Reciprocal", g.op("Sqrt", variance)))
    y = g.op("Mul", y, _weight(g, stem))
    return g.op("Add", y, g.vector(f"{stem}.bias", HIDDEN, 0.0))


NormForm = Callable[[Builder, str, str], str]


def _scaled(g: Builder, x: str, stem: str) -> str:
    """PreAffine: the vector `stem.pre_affine`, away from one, times x."""
    return g.op("Mul", g.vector(f"{stem}.pre_affine", _width(stem), 1.0), x)


def pre_affine(g: Builder, x: str, stem: str) -> str:
    """A vector times x before the decomposed norm."""
    return pow_sqrt_div(g, _scaled(g, x, stem), stem)


def pre_affine_op(g: Builder, x: str, stem: str) -> str:
    """The vector before the standard's operator."""
    return rms_op(g, _scaled(g, x, stem), stem)


def pre_affine_layer(g: Builder, x: str, stem: str) -> str:
    """The vector before a decomposed LayerNorm."""
    return layer_decomposed(g, _scaled(g, x, stem), stem)


def _self_gate(g: Builder, y: str, stem: str, width: int, activation: str) -> str:
    """act(swish(y W_down) W_up) * y, of rank 4."""
    down = g.op("MatMul", y, g.weight(f"{stem}.down", HIDDEN, 4))
    low = g.op("Mul", down, g.op("Sigmoid", down))
    score = g.op("MatMul", low, g.weight(f"{stem}.up", 4, width))
    return g.op("Mul", g.op(activation, score), y)


def gated(g: Builder, x: str, stem: str) -> str:
    """GatedNorm: a sigmoid for each element."""
    return _self_gate(g, pow_sqrt_div(g, x, stem), stem, HIDDEN, "Sigmoid")


def gated_bias(g: Builder, x: str, stem: str) -> str:
    """GatedNorm with a bias after each projection, the second one before its product."""
    y = pow_sqrt_div(g, x, stem)
    down = g.op("MatMul", y, g.weight(f"{stem}.down", HIDDEN, 4))
    low = g.op("Add", down, g.vector(f"{stem}.down_bias", 4, 0.0))
    low = g.op("Mul", low, g.op("Sigmoid", low))
    score = g.op("MatMul", low, g.weight(f"{stem}.up", 4, HIDDEN))
    score = g.op("Add", g.vector(f"{stem}.up_bias", HIDDEN, 0.0), score)
    return g.op("Mul", g.op("Sigmoid", score), y)


def gated_tensorwise(g: Builder, x: str, stem: str) -> str:
    """GatedNorm: one tanh for all elements, the product commuted, the norm one operator."""
    y = simplified(g, x, stem)
    down = g.op("MatMul", y, g.weight(f"{stem}.down", HIDDEN, 4))
    low = g.op("Mul", g.op("Sigmoid", down), down)
    return g.op("Mul", y, g.op("Tanh", g.op("MatMul", low, g.weight(f"{stem}.up", 4, 1))))


def dyt(g: Builder, x: str, stem: str) -> str:
    """Mul(alpha, x), Tanh, Mul(w, .), Add(., b)."""
    alpha = g.const([0.5], name=f"{stem}.alpha")
    y = g.op("Mul", _weight(g, stem), g.op("Tanh", g.op("Mul", alpha, x)))
    return g.op("Add", y, g.vector(f"{stem}.bias", HIDDEN, 0.0))


def derf(g: Builder, x: str, stem: str) -> str:
    """Mul(alpha, x), Add(., shift), Erf, Mul(w, .), Add(., b)."""
    inner = g.op("Mul", g.const([0.6], name=f"{stem}.alpha"), x)
    inner = g.op("Add", inner, g.const([0.2], name=f"{stem}.shift"))
    y = g.op("Mul", _weight(g, stem), g.op("Erf", inner))
    return g.op("Add", y, g.vector(f"{stem}.bias", HIDDEN, 0.0))


def gated_dyt(g: Builder, x: str, stem: str) -> str:
    """A dynamic tanh without a bias, whose alpha is a constant scalar after x, and a self-gate."""
    y = g.op("Mul", g.op("Tanh", g.op("Mul", x, g.const(0.7))), _weight(g, stem))
    return _self_gate(g, y, stem, HIDDEN, "Sigmoid")


RMS: dict[str, NormForm] = {
    f.__name__: f
    for f in (
        pow_sqrt_div,
        mul_sqrt_div,
        div_one,
        reciprocal,
        pow_neg_half,
        one_plus_weight,
        no_weight,
        cast_weight_after,
        cast_weight_before,
        rms_op,
        simplified,
        pre_affine,
        pre_affine_op,
        gated,
        gated_bias,
        gated_tensorwise,
    )
}
LAYER: dict[str, NormForm] = {
    f.__name__: f
    for f in (
        layer_op,
        layer_op_no_bias,
        layer_decomposed,
        layer_decomposed_twice,
        pre_affine_layer,
    )
}

DYT: dict[str, NormForm] = {f.__name__: f for f in (dyt, derf, gated_dyt)}


def add_norm(g: Builder, form: str, x: str, delta: str, stem: str) -> tuple[str, str]:
    """Return (x + delta, norm of it): two ops, or one Skip op whose unused outputs are empty."""
    names = [g.name("skipnorm"), "", "", g.name("stream")]
    if form.startswith("skip_simplified"):
        kind, extra = "SkipSimplifiedLayerNormalization", []
    elif form.startswith("skip_layer"):
        kind, extra = "SkipLayerNormalization", [g.vector(f"{stem}.bias", HIDDEN, 0.0)]
    else:
        total = g.op("Add", x, delta)
        return total, norm(g, form, total, stem)
    inputs = [x, delta, _weight(g, stem), *extra]
    if form.endswith("_bias"):
        inputs.append(g.vector(f"{stem}.residual_bias", HIDDEN, 0.0))
    g.op(kind, *inputs, outputs=names, domain="com.microsoft", epsilon=EPS)
    return names[3], names[0]


def norm(g: Builder, form: str, x: str, stem: str) -> str:
    """Apply a form by name. A Skip form without a residual becomes its plain op."""
    plain = form.removesuffix("_bias") if form.startswith("skip_") else form
    plain = {"skip_simplified": "simplified", "skip_layer": "layer_op"}.get(plain, plain)
    return (RMS | LAYER | DYT)[plain](g, x, stem)


def is_rms(form: str) -> bool:
    """Whether the form is an RMSNorm (else a LayerNorm)."""
    return form in RMS or form.startswith("skip_simplified")
