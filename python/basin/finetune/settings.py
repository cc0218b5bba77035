"""What a training is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from basin._basin import BasinError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """`train` is learnable, all, or a pattern of names. `quantize` has options of that step, and is
    empty where nothing is quantized. `warmup` updates raise the rate to `lr`, and the rest lowers
    it to a tenth by half a cosine, or keeps it with the schedule constant. `clip` bounds the norm
    of the gradients, and 0 leaves them. `held_out` sequences at the end are measured and not
    trained on.
    """

    train: str = "learnable"
    quantize: dict[str, str] = field(default_factory=dict)
    steps: int = 200
    batch: int = 8
    lr: float = 1e-3
    schedule: str = "cosine"
    warmup: int = 10
    weight_decay: float = 0.0
    clip: float = 1.0
    precision: str = "f32"
    seed: int = 0
    held_out: int = 8
    log_every: int = 20
    save_every: int = 100

    def check(self) -> None:
        """Raises BasinError for a value that means nothing."""
        for name in ("steps", "batch", "held_out", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise BasinError(f"{name.replace('_', '-')}: expected at least 1")
        for name in ("warmup", "weight_decay", "clip"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BasinError(f"{name.replace('_', '-')}: expected at least 0")
        if not 0 < self.lr < math.inf:
            raise BasinError("lr: expected a number above 0")
        if self.schedule not in ("cosine", "constant"):
            raise BasinError(f"schedule: expected cosine or constant, but got '{self.schedule}'")
        if self.precision not in ("f32", "bf16"):
            raise BasinError(f"precision: expected f32 or bf16, but got '{self.precision}'")

    def rate(self, step: int) -> float:
        """The learning rate of an update, counted from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.lr
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))
