"""Training: AdamW, fixed seeds, checkpoints to go on from, and a line of metrics now and then.

On one CPU and one number of threads a run is deterministic, and a run that was interrupted and
resumed gives the bits of one that was not: batches depend on the seed and the step alone.

arXiv 2410.13835 finds that Adam keeps enlarging the residual of the sink token where the gradient
has all but vanished, and SGD does not. What works against that growth is weight decay, a falling
rate and a large epsilon, hence the defaults: none, constant, 1e-8.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from basin.testbed import TestbedError
from basin.testbed.config import ModelConfig, TrainConfig
from basin.testbed.data import Task
from basin.testbed.measure import headline, measure
from basin.testbed.model import Decoder
from basin.testbed.record import record

# Sequences of the held-out set on which metrics are taken during training.
PROBE = 16


@dataclass
class Run:
    """A model under training: what a checkpoint holds."""

    model: Decoder
    optimizer: torch.optim.Optimizer
    config: TrainConfig
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device


def start(model_config: ModelConfig, config: TrainConfig, device: str = "cpu") -> Run:
    """A fresh run: weights from the seed."""
    torch.manual_seed(config.seed)
    model = Decoder(model_config).to(device)
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups, lr=config.lr, betas=(0.9, config.beta2), eps=config.adam_eps
    )
    return Run(model, optimizer, config)


def rate(config: TrainConfig, step: int) -> float:
    """Learning rate of update `step`, counted from 0."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.lr * (0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def loss_of(model: nn.Module, ids: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy in nats of the targets [batch, seq]."""
    return F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())


def tensors(pair: tuple[np.ndarray, np.ndarray], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and targets as tensors."""
    return torch.from_numpy(pair[0]).to(device), torch.from_numpy(pair[1]).to(device)


@torch.no_grad()
def held_out_loss(model: Decoder, task: Task, batch: int = 16) -> float:
    """Mean loss in nats over the task's held-out sequences."""
    ids, targets = tensors(task.held_out(), next(model.parameters()).device)
    parts = zip(ids.split(batch), targets.split(batch))
    losses = [loss_of(model, i, t).item() * len(i) for i, t in parts]
    return sum(losses) / len(ids)


def update(run: Run, task: Task) -> float:
    """One update; returns the loss before it. Raises TestbedError where it is not finite."""
    ids, targets = tensors(task.batch(run.step), run.device)
    for group in run.optimizer.param_groups:
        group["lr"] = rate(run.config, run.step)
    loss = loss_of(run.model, ids, targets)
    value = loss.item()
    if not math.isfinite(value):
        raise TestbedError(f"diverged: the loss of update {run.step + 1} is {value}")
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), run.config.grad_clip)
    run.optimizer.step()
    run.step += 1
    return value


def train(
    run: Run, task: Task, checkpoint: Path | None = None, say: Callable[[str], None] = print
) -> Run:
    """Train `run` to the end of its configuration; saves to `checkpoint` on the way."""
    config, losses, began = run.config, [], time.perf_counter() - run.seconds
    while run.step < config.steps:
        losses.append(update(run, task))
        run.seconds = time.perf_counter() - began
        last = run.step == config.steps
        if run.step % config.log_every == 0 or last:
            say(progress(run, task, float(np.mean(losses))))
            losses.clear()
        if checkpoint is not None and (run.step % config.save_every == 0 or last):
            save(run, checkpoint)
    return run


def probe(model: Decoder, task: Task, sequences: int = PROBE) -> dict[str, Any]:
    """The metrics of `measure` on the first held-out sequences."""
    ids = torch.from_numpy(task.held_out()[0][:sequences])
    return measure(record(model, ids.to(next(model.parameters()).device)))


def progress(run: Run, task: Task, loss: float) -> str:
    """Measure, append to the history, return the progress line."""
    report = probe(run.model, task)
    held = held_out_loss(run.model, task)
    entry = {"step": run.step, "loss": loss, "held_out": held, "seconds": round(run.seconds)}
    run.history.append(entry | {"metrics": report})
    line = f"step {run.step}/{run.config.steps}: loss {loss:.4f}, held out {held:.4f}"
    return f"{line} | {headline(report)} | {run.seconds:.0f} s"


def save(run: Run, path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    content = {
        "model_config": asdict(run.model.config),
        "train_config": asdict(run.config),
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "history": run.history,
    }
    torch.save(content, partial)
    partial.replace(path)


def load(path: Path, device: str = "cpu", config: TrainConfig | None = None) -> Run:
    """Read a checkpoint; `config` replaces the stored one, to go on with other settings.

    Raises TestbedError where `path` is no checkpoint of this module.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        stored = TrainConfig(**content["train_config"])
        run = start(ModelConfig(**content["model_config"]), config or stored, device)
        run.model.load_state_dict(content["model"])
        run.optimizer.load_state_dict(content["optimizer"])
    except OSError as error:
        raise TestbedError(f"{path}: {error.strerror or error}") from error
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise TestbedError(f"{path}: not a testbed checkpoint ({error})") from error
    run.step, run.seconds = content["step"], content["seconds"]
    run.history = content["history"]
    return run
