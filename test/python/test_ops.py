"""basin.ops on the CPU, compared with the formulas in f64; specs of kernels; refusals."""

from __future__ import annotations

import pytest
from kernel_objects import OneKernel, compiled_specs

torch = pytest.importorskip("torch")
pytest.importorskip("basin.ops", reason="the package is not there")

from basin import ops  # noqa: E402
from basin.ops import kernels, norms  # noqa: E402

# Half a unit in the last place of y, and of h or the gate's operands before it.
TOLERANCE = {torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}
DTYPES = list(TOLERANCE)


def draw(*shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def formula(x, weight, residual, pre_affine, eps):
    """y and h in f64, one row at a time."""
    x = x.double()
    h = x if residual is None else x + residual.double()
    u = h if pre_affine is None else h * pre_affine.double()
    flat = u.reshape(-1, x.shape[-1])
    rows = [row / torch.sqrt((row * row).sum() / row.numel() + eps) for row in flat]
    y = torch.stack(rows).reshape(x.shape)
    return (y if weight is None else y * weight.double()), h


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("options", range(8))
def test_rms_norm(dtype, options):
    x = draw(3, 5, 24, dtype=dtype)
    weight = draw(24, dtype=dtype, seed=1) if options & 1 else None
    residual = draw(3, 5, 24, dtype=dtype, seed=2) if options & 2 else None
    alone = torch.float32 if not options & 1 else dtype
    pre_affine = draw(24, dtype=alone, seed=3) if options & 4 else None
    y = ops.rms_norm(x, weight, residual, pre_affine, eps=1e-2)
    expected, _ = formula(x, weight, residual, pre_affine, 1e-2)
    assert (y.dtype, y.shape) == (dtype, x.shape)
    torch.testing.assert_close(y.double(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_add_rms_norm(dtype):
    x, residual = draw(7, 16, dtype=dtype), draw(7, 16, dtype=dtype, seed=1)
    y, total = ops.add_rms_norm(x, residual)
    expected, h = formula(x, None, residual, None, 1e-6)
    assert torch.equal(total, h.to(dtype))
    torch.testing.assert_close(y.double(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


ACTIVATIONS = {
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: (torch.exp(2 * x) - 1) / (torch.exp(2 * x) + 1),
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("tensorwise", [False, True])
def test_gated_rms_norm(dtype, activation, tensorwise):
    x, weight = draw(6, 32, dtype=dtype), draw(32, dtype=dtype, seed=1)
    down = draw(8, 32, dtype=dtype, seed=2) / 8
    up = draw(1 if tensorwise else 32, 8, dtype=dtype, seed=3) / 8
    y = ops.gated_rms_norm(x, down, up, weight, eps=1e-5, activation=activation)
    norm, _ = formula(x, weight, None, None, 1e-5)
    inner = norm @ down.double().T
    inner = inner / (1 + torch.exp(-inner))
    expected = ACTIVATIONS[activation](inner @ up.double().T) * norm
    assert (y.dtype, y.shape) == (dtype, x.shape)
    torch.testing.assert_close(y.double(), expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_torch_knows_the_operators():
    """torch's own checks of schema and fake results, as torch.compile relies on them."""
    x, vector = draw(4, 8, dtype=torch.float32), draw(8, dtype=torch.float32)
    down, up = draw(8, 8, dtype=torch.float32), draw(8, 8, dtype=torch.float32)
    checks = ("test_schema", "test_faketensor")
    for call, arguments in (
        (norms._rms_norm, (x, vector, x, None, 1e-6)),
        (norms._rms_norm, (x.T, None, None, None, 1e-6)),
        (norms._add_rms_norm, (x, x, None, vector, 1e-6)),
        (norms._gated_rms_norm, (x, down, up, None, None, None, 1e-6, "tanh")),
    ):
        torch.library.opcheck(call, arguments, test_utils=checks)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.rms_norm(x, x), r"weight: expected the shape \[8\], but got \[4, 8\]"),
        (lambda x: ops.rms_norm(x.long()), "x: expected .* but got torch.int64"),
        (lambda x: ops.rms_norm(x, residual=x.half()), "residual: expected torch.float32"),
        (lambda x: ops.rms_norm(x, x[0], pre_affine=x[0].half()), "expected the same dtype"),
        (lambda x: ops.gated_rms_norm(x, x, x), r"gate_up: expected the shape \[8, 4\]"),
        (lambda x: ops.gated_rms_norm(x, x, x, activation="relu"), "expected one of sigmoid"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(draw(4, 8, dtype=torch.float32))


# The text from which basin-compile makes a norm, and the spec for which the operators look.
SPECS = {
    "dim=4096,type=bf16,eps=1e-6": (4096, torch.bfloat16, {}, None, 1e-6),
    "dim=64,type=f16,parameters=f32,residual,sum,weight,eps=1e-5": (
        64, torch.float16, {"residual": True, "sum": True, "weight": True, "pre_affine": False},
        torch.float32, 1e-5,
    ),
    "dim=8,type=f16,pre_affine,weight,gate=16,tensorwise,activation=silu,eps=0.25": (
        8, torch.float16,
        {"pre_affine": True, "weight": True, "gate": 16, "tensorwise": True, "activation": "silu"},
        None, 0.25,
    ),
    "dim=8,type=f32,parameters=f32,result=f32,gate=8,activation=sigmoid,eps=0": (
        8, torch.float32, {"gate": 8, "activation": "sigmoid"}, torch.float32, 0,
    ),
}  # fmt: skip


def test_kernel_specs(tmp_path):
    """The operators look for the specs of the kernels that basin-compile makes."""
    options = [f"--norm={text}" for text in SPECS]
    wanted = [("norm", norms.kernel_spec(*parts)) for parts in SPECS.values()]
    assert compiled_specs(tmp_path / "norms.mlir", *options) == wanted


def test_missing_kernel(monkeypatch):
    first, second = (OneKernel("norm", {"dim": dim}) for dim in (1, 2))
    monkeypatch.setattr(kernels, "_objects", [first, second])
    assert kernels.find("norm", {"dim": 1}) is first
    assert kernels.find("norm", {"dim": 2}) is second
    message = "no kernel --norm dim=3,weight: .* `basin-compile --norm dim=3,weight`"
    with pytest.raises(ops.MissingKernel, match=message):
        kernels.find("norm", {"dim": 3, "weight": True})


def test_what_a_kernel_is_given(monkeypatch):
    """The arguments of the launch, with a kernel that only records them."""
    parts = {"residual": True, "sum": True, "weight": True}
    kernel = OneKernel("norm", norms.kernel_spec(8, torch.float32, parts, None, 1e-6))
    monkeypatch.setattr(kernels, "_objects", [kernel])
    x = draw(3, 5, 8, dtype=torch.float32)
    residual = draw(8, 3, 3, dtype=torch.float32).permute(2, 1, 0)
    operands = {"residual": residual, "pre_affine": None, "weight": x[0, 0]}
    y, total = norms._launch(x[:, ::2], 1e-6, parts, x.dtype, operands, with_sum=True)
    (given,) = kernel.launched
    assert list(given) == ["x", "y", "residual", "weight", "sum", "rows"]
    assert given["rows"] == 9 and given["y"] is y and given["sum"] is total
    assert all(t.is_contiguous() for t in given.values() if isinstance(t, torch.Tensor))
    assert torch.equal(given["x"], x[:, ::2]) and y.shape == total.shape == (3, 3, 8)
