"""Nodes that contradict themselves: operands, attributes and sizes that no rule of shapes expects.

Each model is one node `n` (name, operands, attributes) that can be imported. `CASES` says whether
shape inference must refuse it, and with which words. Without words it has to pass, because ONNX
leaves the check to the runtime, or because nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hostile_models import model
from onnx import ModelProto, TensorProto, helper, numpy_helper

HUGE = 1 << 62
MAX, MIN = (1 << 63) - 1, -(1 << 63)


@dataclass(frozen=True)
class Case:
    """One node."""

    name: str
    made: ModelProto
    reason: str | None


def one(op: str, *operands, outputs: int = 1, domain: str = "", **attributes) -> ModelProto:
    """A model of one node. A list is an int64 constant, and a tuple the shape of a float input."""
    inputs, initializers, names = [], [], []
    for index, operand in enumerate(operands):
        name = "" if operand is None else f"i{index}"
        names.append(name)
        if isinstance(operand, tuple):
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, operand))
        elif operand is not None:
            initializers.append(numpy_helper.from_array(np.array(operand, np.int64), name))
    results = [f"o{index}" for index in range(outputs)]
    node = helper.make_node(op, names, results, name="n", domain=domain, **attributes)
    made = model(
        [node],
        inputs=inputs,
        outputs=[helper.make_empty_tensor_value_info(name) for name in results],
        initializers=initializers,
        opsets=[("", 23), ("com.microsoft", 1)],
    )
    return made


def chain(*arithmetic: tuple) -> ModelProto:
    """A Reshape of x to a shape that the steps (op, constant) compute from x's shape."""
    nodes = [helper.make_node("Shape", ["x"], ["v0"])]
    initializers = []
    for index, (op, constant) in enumerate(arithmetic):
        initializers.append(numpy_helper.from_array(np.array(constant, np.int64), f"c{index}"))
        nodes.append(helper.make_node(op, [f"v{index}", f"c{index}"], [f"v{index + 1}"]))
    nodes.append(helper.make_node("Reshape", ["x", f"v{len(arithmetic)}"], ["y"], name="n"))
    return model(
        nodes,
        inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        outputs=[helper.make_empty_tensor_value_info("y")],
        initializers=initializers,
    )


X = (2, 3)
MS = "com.microsoft"
CASES = [
    Case(*case)
    for case in [
        ("reshape_two_open", one("Reshape", X, [-1, -1]), "one -1 at most"),
        ("reshape_negative", one("Reshape", X, [-2]), "-2 at index 0"),
        ("reshape_count", one("Reshape", X, [4]), "expected 6 elements"),
        ("reshape_open_count", one("Reshape", X, [4, -1]), "divides by 4"),
        ("reshape_open_of_nothing", one("Reshape", (0, 3), [0, -1], allowzero=1), None),
        ("reshape_copies_beyond", one("Reshape", X, [2, 3, 0]), "dim to copy at index 2"),
        ("reshape_overflows", one("Reshape", (HUGE, HUGE), [HUGE, -1]), None),
        ("reshape_to_huge", one("Reshape", X, [HUGE, 4]), None),
        ("reshape_by_matrix", one("Reshape", X, [[2, 3]]), "rank 1"),
        ("reshape_by_scalar", one("Reshape", X, 6), "rank 1"),
        ("reshape_by_floats", one("Reshape", X, (2,)), None),
        ("shape_divided_by_zero", chain(("Div", [0, 0])), None),
        ("shape_modulo_zero", chain(("Mod", [0, 0])), None),
        ("shape_least_by_minus_one", chain(("Mul", MIN // 2), ("Div", -1)), None),
        ("shape_overflows", chain(("Mul", [HUGE, HUGE]), ("Add", [MAX, MAX])), None),
        ("shape_gather_beyond", chain(("Gather", [7])), None),
        ("shape_gather_before", chain(("Gather", [-3])), None),
        ("shape_long_chain", chain(*[("Mul", [1, 1])] * 20_000), None),
        ("slice_step_zero", one("Slice", X, [0], [1], [0], [0]), "other than 0"),
        ("slice_extremes", one("Slice", X, [MAX], [MIN], [1], [MIN]), None),
        ("slice_step_least", one("Slice", (MAX,), [MAX], [MIN], [0], [-1]), None),
        ("slice_axis_beyond", one("Slice", X, [0], [1], [2]), "axis from -2 to 1"),
        ("slice_axis_twice", one("Slice", X, [0, 0], [1, 1], [0, -2]), "distinct axes"),
        ("slice_counts", one("Slice", X, [0, 0], [1], [0]), "as many ends"),
        ("slice_of_scalar", one("Slice", (), [0], [1]), "axis"),
        ("gather_scalar", one("Gather", (), [0]), "axis"),
        ("gather_axis", one("Gather", X, [0], axis=5), "axis from -2 to 1"),
        ("gather_axis_extreme", one("Gather", X, [0], axis=MIN), "axis from -2 to 1"),
        ("split_sizes", one("Split", X, [1, 1], outputs=2, axis=1), "sum to 3"),
        ("split_count", one("Split", X, [1, 2], outputs=3, axis=1), "3 split sizes"),
        ("split_negative", one("Split", X, [-1, 4], outputs=2, axis=1), "at least 0"),
        ("split_overflows", one("Split", X, [HUGE, HUGE], outputs=2, axis=1), None),
        ("split_num_outputs", one("Split", X, outputs=2, num_outputs=0), "0 results"),
        ("split_without_outputs", one("Split", X, outputs=0), None),
        ("transpose_twice", one("Transpose", X, perm=[0, 0]), "distinct axes"),
        ("transpose_negative", one("Transpose", X, perm=[-3, 0]), "axis from -2 to 1"),
        ("transpose_rank", one("Transpose", X, perm=[0, 1, 2]), "rank 3"),
        ("concat_axis", one("Concat", X, X, axis=2), "axis from -2 to 1"),
        ("concat_ranks", one("Concat", X, (2,), axis=0), "one rank"),
        ("concat_overflows", one("Concat", (MAX,), (MAX,), axis=0), None),
        ("concat_nothing", one("Concat", axis=0), None),
        ("concat_scalars", one("Concat", (), (), axis=0), "axis"),
        ("squeeze_three", one("Squeeze", X, [1]), "dim of 1 at axis 1"),
        ("squeeze_twice", one("Squeeze", (1, 1), [0, -2]), "distinct axes"),
        ("unsqueeze_twice", one("Unsqueeze", X, [1, 1]), "distinct axes"),
        ("unsqueeze_beyond", one("Unsqueeze", X, [9]), "axis from -3 to 2"),
        ("matmul_sizes", one("MatMul", X, (4, 5)), "3 and 4"),
        ("matmul_scalars", one("MatMul", (), ()), "MatMul"),
        ("gemm_ranks", one("Gemm", (3,), X), "rank 2"),
        ("softmax_axis", one("Softmax", X, axis=2), "axis"),
        ("mean_axis", one("ReduceMean", X, [2]), "axis from -2 to 1"),
        ("norm_axis", one("LayerNormalization", X, (3,), axis=7), "axis"),
        ("rms_axis", one("RMSNormalization", X, (3,), axis=MIN), None),
        ("lp_axis", one("LpNormalization", X, axis=MIN), None),
        ("flatten_axis", one("Flatten", X, axis=3), "axis"),
        ("expand_negative", one("Expand", X, [-1, 3]), None),
        ("expand_mismatch", one("Expand", X, [2, 4]), "broadcast"),
        ("tile_overflows", one("Tile", X, [MAX, MAX]), None),
        ("tile_negative", one("Tile", X, [-1, 1]), None),
        ("tile_count", one("Tile", X, [1]), "2 repeats"),
        ("pad_below_nothing", one("Pad", X, [-9, 0, 0, 0]), "at least 0"),
        ("pad_overflows", one("Pad", X, [MAX, 0, MAX, 0]), None),
        ("pad_count", one("Pad", X, [1]), "4 pads"),
        ("range_step_zero", one("Range", 0, 5, 0), None),
        ("range_extremes", one("Range", MIN, MAX, 1), None),
        ("range_least_step", one("Range", MAX, MIN, MIN), None),
        ("fill_negative", one("ConstantOfShape", [-5]), "at least 0"),
        ("fill_huge", one("ConstantOfShape", [HUGE, HUGE]), None),
        ("cast_to_nothing", one("Cast", X, to=999), "got 999"),
        ("one_hot_depth", one("OneHot", [1], -4, (2,)), None),
        ("top_k_huge", one("TopK", X, [MAX], outputs=2), "at most 3"),
        ("top_k_negative", one("TopK", X, [-1], outputs=2), None),
        ("quantize_block_zero", one("DequantizeLinear", X, (3,), block_size=0, axis=1), None),
        ("einsum_nonsense", one("Einsum", X, X, equation="ij,,->...->k"), "2 input terms"),
        ("conv_stride_zero", one("Conv", (1, 1, 5), (1, 1, 3), strides=[0]), "at least 1"),
        ("conv_extremes", one("Conv", (1, 1, 5), (1, 1, 3), dilations=[MAX],
                              pads=[MAX, MAX]), None),
        ("attention_no_heads", one("Attention", (1, 2, 8), (1, 2, 8), (1, 2, 8),
                                   q_num_heads=0, kv_num_heads=0), "multiple"),
        ("attention_negative_heads", one("Attention", (1, 2, 8), (1, 2, 8), (1, 2, 8),
                                         q_num_heads=-1, kv_num_heads=-1), None),
        ("attention_rank_one", one("Attention", (8,), (8,), (8,)), "rank 3 or 4"),
        ("multi_head_no_heads", one("MultiHeadAttention", (1, 2, 8), (1, 2, 8), (1, 2, 8),
                                    domain=MS, num_heads=0), "multiple"),
        ("grouped_no_heads", one("GroupQueryAttention", (1, 2, 8), (1, 2, 8), (1, 2, 8), None,
                                 None, [1], 2, domain=MS, num_heads=0, kv_num_heads=0), "multiple"),
        ("rotary_no_heads", one("RotaryEmbedding", (1, 2, 8), (2, 4), (2, 4), num_heads=0), None),
        ("nbits_no_block", one("MatMulNBits", X, (4, 1, 8), (4,), domain=MS, K=3, N=4, bits=0,
                               block_size=0), None),
        ("rank_of_many", one("Add", (1,) * 300, X), None),
        ("zero_sizes", one("MatMul", (0, 0), (0, 0)), None),
    ]
]  # fmt: skip
