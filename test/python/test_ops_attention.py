"""basin.ops.attention on the CPU, compared with its formulas in f64; specs of kernels; refusals."""

from __future__ import annotations

import inspect

import pytest
from kernel_objects import (
    ROOT,
    OneKernel,
    basin_compile,
    compiled_specs,
    norm_kernel,
    write,
)

torch = pytest.importorskip("torch")
pytest.importorskip("basin.ops", reason="the package is not there")

import attention_reference  # noqa: E402
from basin import emulator, ops  # noqa: E402
from basin.ops import attention_ops as module  # noqa: E402
from basin.ops import kernels  # noqa: E402


def draw(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


BATCH, HEADS, KV_HEADS, QUERIES, KEYS, DIM, WIDTH = 2, 6, 2, 5, 9, 32, 64


def tensors(dtype=torch.float32):
    return (
        draw(BATCH, HEADS, QUERIES, DIM, dtype=dtype, seed=1),
        draw(BATCH, KV_HEADS, KEYS, DIM, dtype=dtype, seed=2),
        draw(BATCH, KV_HEADS, KEYS, WIDTH, dtype=dtype, seed=3),
    )


def some_mask():
    mask = draw(BATCH, 1, QUERIES, KEYS, seed=4) > 0
    mask[0, 0, 1] = False
    return mask


OPTIONS = {
    "plain": {},
    "causal": {"causal": True},
    "window": {"window": 3},
    "causal-window": {"causal": True, "window": 2},
    "keep": {"mask": some_mask()},
    "bias": {"mask": draw(QUERIES, KEYS, seed=5)},
    "hiding-bias": {"mask": torch.where(some_mask(), 0.0, -torch.inf)},
    "lengths": {"key_lengths": torch.tensor([4, 0], dtype=torch.int32)},
    "logit": {"sink_logit": torch.tensor([20.0, -20, 0, 1, -torch.inf, 2]), "causal": True},
    "rows": {
        "sink_key": draw(KV_HEADS, 3, DIM, seed=6), "sink_value": draw(KV_HEADS, 3, WIDTH, seed=7),
        "mask": some_mask(),
    },
    "no-rows": {
        "sink_key": draw(KV_HEADS, 0, DIM), "sink_value": draw(KV_HEADS, 0, WIDTH), "causal": True,
    },
    "gate": {"gate": draw(BATCH, HEADS, QUERIES, WIDTH, seed=8)},
    "sigmoid": {"gate": draw(BATCH, HEADS, QUERIES, 1, seed=9), "gate_kind": "sigmoid"},
    "cap": {"softcap": 1.5, "scale": 0.7, "mask": draw(1, HEADS, 1, KEYS, seed=10)},
    "keep-logit": {"mask": some_mask(), "sink_logit": torch.zeros(HEADS)},
}  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_attention(options):
    query, key, value = tensors()
    result, lse = ops.attention_with_lse(query, key, value, **options)
    expected, expected_lse = attention_reference.attention(query, key, value, **options)
    torch.testing.assert_close(result.double(), expected, rtol=2e-5, atol=2e-6)
    torch.testing.assert_close(lse.double(), expected_lse, rtol=2e-6, atol=2e-6)
    assert torch.equal(ops.attention(query, key, value, **options), result)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_narrow_types(dtype):
    query, key, value = tensors(dtype)
    result = ops.attention(query, key, value, causal=True)
    expected, _ = attention_reference.attention(query, key, value, causal=True)
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), expected, rtol=1e-2, atol=1e-2)


def test_unseen_values_do_not_matter():
    query, key, value = tensors()
    lengths = torch.tensor([4, 0], dtype=torch.int32)
    value[0, :, 4:] = value[1] = key[0, :, 4:] = key[1] = torch.nan
    result = ops.attention(query, key, value, key_lengths=lengths)
    assert not result.isnan().any() and (result[1] == 0).all() and (result[0] != 0).all()


def test_torch_knows_the_operator():
    """torch's own checks of schema and fake results, as torch.compile relies on them."""
    options = list((module._OPTIONS | {"causal": True, "sink_logit": draw(HEADS)}).values())
    for with_lse in (False, True):
        arguments = (*tensors(), *options, with_lse)
        checks = ("test_schema", "test_faketensor")
        torch.library.opcheck(module._attention, arguments, test_utils=checks)


SPECS = {
    "head_dim=32,value_dim=64,type=bf16,causal,sink_logit": {
        "causal": True, "sink_logit": torch.zeros(HEADS),
    },
    "head_dim=32,value_dim=64,type=bf16,window,mask=keep,key_lengths,log_sum_exp": {
        "window": 3, "mask": some_mask(), "key_lengths": torch.zeros(2, dtype=torch.int32),
        "with_lse": True,
    },
    "head_dim=32,value_dim=64,type=bf16,mask=bias": {
        "mask": torch.zeros(QUERIES, KEYS, dtype=torch.bfloat16),
    },
    "head_dim=32,value_dim=64,type=bf16,mask=bias,mask_type=f32,softcap=50,scale=0.001": {
        "mask": torch.zeros(QUERIES, KEYS), "softcap": 50.0, "scale": 0.001,
    },
    "head_dim=32,value_dim=64,type=bf16,scale=1e-07,gate=sigmoid,gate_per_head": {
        "scale": 1e-07, "gate": torch.zeros(QUERIES, 1, dtype=torch.bfloat16),
        "gate_kind": "sigmoid",
    },
    "head_dim=32,value_dim=64,type=bf16,sink_logit,sink_type=bf16,sink_kv,gate=plain": {
        "sink_logit": torch.zeros(HEADS, dtype=torch.bfloat16),
        "sink_key": draw(KV_HEADS, 3, DIM), "sink_value": draw(KV_HEADS, 3, WIDTH),
        "gate": torch.zeros(QUERIES, WIDTH, dtype=torch.bfloat16),
    },
}  # fmt: skip


def test_kernel_specs(tmp_path):
    """The operator looks for the specs of the kernels that basin-compile makes."""
    query, _, value = tensors(torch.bfloat16)
    default = module._OPTIONS | {"with_lse": False}
    wanted = [
        ("attention", module.kernel_spec(query, value, default | given)) for given in SPECS.values()
    ]
    options = [f"--attention={text}" for text in SPECS]
    assert compiled_specs(tmp_path / "attention.mlir", *options) == wanted


REFUSED = [
    ({"mask": draw(3, KEYS)}, r"mask: expected to broadcast to \[2, 6, 5, 9\], but got \[3, 9\]"),
    ({"sink_logit": draw(5)}, r"sink_logit: expected the shape \[6\], but got \[5\]"),
    ({"sink_logit": draw(6).half()}, "sink_logit: expected torch.float32"),
    ({"sink_key": draw(2, 3, 32)}, "sink_key, sink_value: expected both or neither"),
    ({"gate": draw(5, 64).half()}, "gate: expected torch.float32, but got torch.float16"),
    ({"gate_kind": "tanh"}, "gate_kind: expected plain or sigmoid, but got 'tanh'"),
    ({"key_lengths": torch.zeros(2)}, "key_lengths: expected torch.int32, but got torch.float32"),
    ({"window": -1}, "window: expected a number of keys, but got -1"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=lambda x: str(x)[:24])
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ops.attention(*tensors(), **options)


def test_refused_operands():
    query, key, value = tensors()
    with pytest.raises(ValueError, match="expected heads in multiples of the keys' 2, but got 5"):
        ops.attention(query[:, :5], key, value)
    with pytest.raises(ValueError, match=r"value: expected the shape \[2, 2, 9, 64\]"):
        ops.attention(query, key, value[:, :, :4])
    with pytest.raises(ValueError, match="key: expected torch.float32, but got torch.float16"):
        ops.attention(query, key.half(), value)
    with pytest.raises(ValueError, match="query: expected .* of floats, but got torch.float64"):
        ops.attention(query.double(), key, value)
    with pytest.raises(
        TypeError, match="unknown option 'is_causal'; expected one of causal, window"
    ):
        ops.attention(query, key, value, is_causal=True)


def test_what_a_kernel_is_given(monkeypatch):
    """Strides are passed on, broadcast axes have stride 0, and rows that do not fit are copied."""
    parts = {"head_dim": 32, "value_dim": 64, "type": "f16", "mask": "keep"}
    kernel = OneKernel("attention", parts | {"gate": "plain", "gate_per_head": True})
    monkeypatch.setattr(kernels, "_objects", [kernel])
    packed = draw(BATCH, KEYS, 12, 32, dtype=torch.float16)
    query, key = packed[:, :QUERIES, :HEADS].transpose(1, 2), packed[:, :, 6:8].transpose(1, 2)
    value = draw(BATCH, KV_HEADS, KEYS, 65, dtype=torch.float16)[..., :64]
    given = module._OPTIONS | {
        "mask": some_mask()[0, 0],
        "gate": draw(HEADS, 1, 1, dtype=torch.float16),
        "with_lse": False,
    }
    result, _ = module._launch(query, key, value, **given)
    (arguments,) = kernel.launched
    assert arguments["query"] is query and arguments["key"] is key
    assert arguments["value"].is_contiguous() and torch.equal(arguments["value"], value)
    assert arguments["result"] is result and result.shape == (BATCH, HEADS, QUERIES, 64)
    names = ("query", "key", "value", "mask", "gate", "result")
    strides = {n: [arguments[f"{n}_{w}_stride"] for w in ("batch", "head", "row")] for n in names}
    assert strides == {
        "query": [3456, 32, 384], "key": [3456, 32, 384], "value": [1152, 576, 64],
        "mask": [0, 0, 9], "gate": [0, 1, 0], "result": [1920, 64, 384],
    }  # fmt: skip
    sizes = {n: arguments[n] for n in ("batch", "heads", "kv_heads", "queries", "keys")}
    assert sizes == {"batch": 2, "heads": 6, "kv_heads": 2, "queries": 5, "keys": 9}
    assert arguments["mask"].dtype == torch.int8


# The parts of the specs of OPTIONS' kernels.
COMPILED = {
    "plain": "", "causal": ",causal", "window": ",window", "causal-window": ",causal,window",
    "keep": ",mask=keep", "bias": ",mask=bias,mask_type=f32",
    "hiding-bias": ",mask=bias,mask_type=f32", "lengths": ",key_lengths",
    "logit": ",causal,sink_logit", "rows": ",sink_kv,mask=keep", "no-rows": ",causal,sink_kv",
    "gate": ",gate=plain", "sigmoid": ",gate=sigmoid,gate_per_head",
    "cap": ",softcap=1.5,scale=0.7,mask=bias,mask_type=f32", "keep-logit": ",mask=keep,sink_logit",
}  # fmt: skip


def as_half(value):
    is_float = isinstance(value, torch.Tensor) and value.dtype == torch.float32
    return value.half() if is_float else value


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """The kernels of COMPILED on the emulator."""
    options = [
        f"--attention=head_dim=32,value_dim=64,type=f16,log_sum_exp{text}"
        for text in dict.fromkeys(COMPILED.values())
    ]
    path = tmp_path_factory.mktemp("attention") / "kernels.mlir"
    path.write_text(basin_compile(*options, "--target=sm_80", "--emit=mlir", "-o", "-"))
    return emulator.load(path)


@pytest.mark.parametrize("name", OPTIONS)
def test_launches_on_the_emulator(name, emulated, monkeypatch):
    """The kernel computes what the operator would give it on CUDA."""
    monkeypatch.setattr(kernels, "_objects", [emulated])
    keep = ("mask", "sink_logit")  # they may be f32
    options = {
        key: value if key in keep else as_half(value) for key, value in OPTIONS[name].items()
    }
    query, key, value = tensors(torch.float16)
    given = module._OPTIONS | options
    result, lse = module._launch(query, key, value, **given, with_lse=True)
    expected, expected_lse = attention_reference.attention(query, key, value, **options)
    torch.testing.assert_close(result.double(), expected, rtol=3e-3, atol=3e-3)
    torch.testing.assert_close(lse.double(), expected_lse, rtol=1e-5, atol=1e-4)


def attend(path, q, k, v, sinks, gate):
    ops.use(path)
    return ops.attention(q, k, v, causal=True, sink_logit=sinks, gate=gate, gate_kind="sigmoid")


def test_documentation(tmp_path, monkeypatch):
    """docs/runtime.md shows code that runs."""
    monkeypatch.setattr(kernels, "_objects", [])
    path = write(tmp_path / "attention.bko", [norm_kernel()])
    q, k, v = tensors()
    sinks, gate = draw(HEADS), draw(BATCH, HEADS, QUERIES, WIDTH)
    result = attend(path, q, k, v, sinks, gate)
    options = {"causal": True, "sink_logit": sinks, "gate": gate, "gate_kind": "sigmoid"}
    expected, _ = attention_reference.attention(q, k, v, **options)
    torch.testing.assert_close(result.double(), expected, rtol=2e-5, atol=2e-6)
    assert inspect.getsource(attend) in (ROOT / "docs" / "runtime.md").read_text()
