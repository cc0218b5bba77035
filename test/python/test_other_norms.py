"""Norms that no sink op is get their own names, in the exports of both of torch's exporters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

basin = pytest.importorskip("basin")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

SHAPE = (2, 8, 4, 6)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class ChannelsFirst(nn.Module):
    """ConvNeXt's LayerNorm over axis 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(8)), nn.Parameter(torch.rand(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


def response(x: torch.Tensor) -> torch.Tensor:
    """ConvNeXt V2's: lengths scale the image, but each by their mean."""
    length = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
    return x * (length / (length.mean(-1, keepdim=True) + 1e-6)) + x


@dataclass(frozen=True)
class Expected:
    """A module, and what it is: the kind, the axes and the groups. Without a kind, it is none."""

    make: Callable[[], nn.Module]
    kind: str | None
    axes: tuple[int, ...] = ()
    groups: int | None = None
    eps: float | None = None


NORMS = {
    "group": Expected(lambda: nn.GroupNorm(4, 8, eps=1e-4), "group_norm", (1, 2, 3), 4, 1e-4),
    "group-plain": Expected(lambda: nn.GroupNorm(2, 8, affine=False), "group_norm", (1, 2, 3), 2),
    "instance": Expected(lambda: nn.InstanceNorm2d(8), "instance_norm", (2, 3)),
    "instance-affine": Expected(
        lambda: nn.InstanceNorm2d(8, eps=1e-3, affine=True), "instance_norm", (2, 3), eps=1e-3
    ),
    "batch": Expected(lambda: nn.BatchNorm2d(8, eps=1e-3), "batch_norm", (), eps=1e-3),
    "layer": Expected(lambda: nn.LayerNorm([8, 4, 6]), "layer_norm", (1, 2, 3)),
    "channels-first": Expected(ChannelsFirst, "layer_norm", (1,), eps=1e-6),
    "normalize": Expected(lambda: Function(functional.normalize), "l2_norm", (1,), eps=1e-12),
    "normalize-last": Expected(
        lambda: Function(lambda x: functional.normalize(x, dim=-1)), "l2_norm", (3,), eps=1e-12
    ),
    "length": Expected(
        lambda: Function(lambda x: x / x.norm(dim=-1, keepdim=True)), "l2_norm", (3,)
    ),
    "root": Expected(
        lambda: Function(lambda x: x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-6)),
        "l2_norm", (3,), eps=1e-6,
    ),
    "power": Expected(
        lambda: Function(lambda x: x / x.pow(2).sum(-1, keepdim=True).pow(0.5)), "l2_norm", (3,)
    ),
    "response": Expected(lambda: Function(response), None),
}  # fmt: skip


@pytest.mark.parametrize("is_dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("exporter", ["script", "dynamo"])
@pytest.mark.parametrize("name", NORMS)
def test_is_named(name: str, exporter: str, is_dynamic: bool, tmp_path: Path) -> None:
    expected = NORMS[name]
    if is_dynamic and name == "layer":
        pytest.skip("its parameters have the size of the image")
    dims = {0: "batch", 2: "height", 3: "width"}
    options = {}
    if is_dynamic and exporter == "script":
        options = {"dynamic_axes": {"x": dims}, "input_names": ["x"]}
    elif is_dynamic:
        options = {"dynamic_shapes": (dims,)}
    path = tmp_path / "norm.onnx"
    torch.manual_seed(0)
    module = nn.Sequential(nn.Identity(), expected.make()).eval()
    torch.onnx.export(
        module,
        (torch.rand(SHAPE),),
        str(path),
        dynamo=exporter == "dynamo",
        verbose=False,
        **options,
    )
    found = basin.load(path).inspect()
    assert found["norms"] == []
    facts = [(row["kind"], tuple(row["axes"]), row["groups"]) for row in found["other_norms"]]
    if expected.kind is None:
        assert facts == []
        return
    assert facts == [(expected.kind, expected.axes, expected.groups)]
    if expected.eps is not None:
        assert found["other_norms"][0]["eps"] == pytest.approx(expected.eps, rel=1e-6)
    # It has a name, so it needs no reason why it is no sink op.
    assert found["unrecognized"] == []
    assert found["other_norms"][0]["output"] in _outputs(path)


def _outputs(path: Path) -> set[str]:
    import onnx

    return {value.name for value in onnx.load(path).graph.output}


def test_last_axis_between_transposes_is_a_sink_op(tmp_path: Path) -> None:
    """The other form of ConvNeXt's norm: it is over the last axis of what it reads."""
    function = Function(
        lambda x: functional.layer_norm(x.permute(0, 2, 3, 1), (8,)).permute(0, 3, 1, 2)
    )
    torch.onnx.export(function, (torch.rand(SHAPE),), str(tmp_path / "m.onnx"), dynamo=False)
    found = basin.load(tmp_path / "m.onnx").inspect()
    assert [(row["kind"], row["dim"]) for row in found["norms"]] == [("layer", 8)]
    assert found["other_norms"] == []
