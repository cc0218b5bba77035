"""The machine's own limits: copies and matrix products, by torch."""

from __future__ import annotations

from functools import partial

import torch

from basin.bench.gpu.plan import CopyCase, MatmulCase
from basin.bench.gpu.subject import Call, Setup, Subject, draw, row_error


def _nothing(name: str) -> float:
    return 0.0 if name == "torch" else float("nan")


def copy(case: CopyCase, setup: Setup) -> Subject:
    """torch's copy_, of numbers that do not compress."""
    source = draw((case.size // 2,), setup.device, 0)
    target = torch.empty_like(source)

    def error(results: tuple[torch.Tensor, ...]) -> float:
        return 0.0 if torch.equal(results[0], source) else float("nan")

    call: Call = lambda: (target.copy_(source),)  # noqa: E731
    return Subject({"torch": lambda: call}, error, _nothing)


def matmul(case: MatmulCase, setup: Setup) -> Subject:
    """torch's product of random bf16 matrices, some rows of it compared with f32."""
    a, b = (draw((case.size, case.size), setup.device, seed) for seed in (0, 1))
    expected = a[:64].float() @ b.float()

    def error(results: tuple[torch.Tensor, ...]) -> float:
        return row_error(results[0][:64], expected)

    def call() -> tuple[torch.Tensor, ...]:
        return (torch.matmul(a, b),)

    return Subject({"torch": lambda: call}, error, partial(lambda limit, name: limit, 1e-2))
