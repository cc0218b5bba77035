"""The loop: batches, losses, updates, checkpoints, and what is measured on the way.

Batches depend on the seed and the number of the update alone. On one CPU and one number of threads
a run that was interrupted and goes on has the bits of one that was not.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from basin._basin import BasinError
from basin.analysis.batch import Batch
from basin.analysis.data import Dataset
from basin.analysis.feed import Feeder
from basin.analysis.progress import steps as count_steps
from basin.finetune.settings import Settings
from basin.finetune.student import load_student
from basin.finetune.watch import watch_stream
from basin.inputs.signature import read_facts
from basin.model import load as load_model
from basin.output.files import refers_to
from basin.torch import Module, load, save
from basin.torch.roles import FIXED, LEARNABLE
from basin.verification.sessions import open_session

__all__ = ["Entry", "Outcome", "choose_parameters", "finetune"]


@dataclass(frozen=True)
class Entry:
    """What is known after an update. Losses are in nats.

    `loss` is the mean over the updates since the last entry. `held_out` is the same loss on the
    sequences that are not trained on, `cross_entropy` that of their next tokens, and `largest` the
    largest magnitude of the residual stream there, or None if no stream was found.
    """

    step: int
    loss: float | None
    held_out: float
    cross_entropy: float
    largest: float | None
    rate: float
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """The entries of a run, the first one before any update, and how much was trained."""

    entries: list[Entry]
    trained: int
    parameters: int


class _Feed:
    """Batches of token sequences as tensors, for a model that may lack the first tokens."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self._feeder = Feeder(open_session(path).get_inputs(), read_facts(path))
        self.prefix = [int(one) for one in load_model(path).inspect()["prefix"]]
        self._device = device

    def make(self, ids: np.ndarray) -> dict[str, torch.Tensor]:
        """The model's inputs for ids [B, T] that start with all tokens."""
        cut = ids[:, len(self.prefix) :]
        values = self._feeder.feed(Batch.of(cut))
        return {name: torch.from_numpy(one).to(self._device) for name, one in values.items()}


def choose_parameters(module: Module, train: str) -> list[str]:
    """The names of the parameters that are trained, and no gradients for the others.

    Raises BasinError if there are none.
    """
    chosen = []
    for name, parameter in module.named_parameters():
        role = module.roles[name]
        if train == "learnable":
            wanted = role in LEARNABLE
        elif train == "all":
            wanted = role not in FIXED
        else:
            wanted = fnmatchcase(module.names[name], train)
        parameter.requires_grad_(wanted)
        if wanted:
            chosen.append(name)
    if not chosen and train == "learnable":
        raise BasinError(
            f"{module.source}: it has no learnable parameters: insert them by a step such as "
            "insert-gated-norm, or train all or a pattern of names"
        )
    if not chosen:
        raise BasinError(f"{module.source}: no parameter is called '{train}'")
    return chosen


def _find_logits(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """The logits [B, T, vocabulary] among the outputs."""
    if "logits" in outputs:
        return outputs["logits"]
    found = [one for one in outputs.values() if one.dim() == 3 and one.is_floating_point()]
    if len(found) != 1:
        raise BasinError(f"expected one output of logits, but got {', '.join(outputs)}")
    return found[0]


class _Run:
    """A student, perhaps with a teacher, and the data."""

    def __init__(
        self,
        source: Path,
        teacher: Path | None,
        data: Dataset,
        settings: Settings,
        device: str,
        folder: Path,
    ) -> None:
        self.settings = settings
        self.device = torch.device(device)
        self._feed = _Feed(source, self.device)
        size = len(self._feed.prefix)
        self._sequences, self._held_out = _split(data, settings.held_out, size)
        for number, one in enumerate(data.sequences):
            if one[:size].tolist() != self._feed.prefix:
                raise BasinError(
                    f"{data.source}: expected sequences that start with {self._feed.prefix}, which "
                    f"{source} has absorbed, but sequence {number} does not"
                )
        tokens = folder / "tokens.jsonl"
        lines = [json.dumps(one[size:].tolist()) for one in self._sequences[:16]]
        tokens.write_text("\n".join(lines) + "\n", "utf-8")
        student, _ = load_student(source, settings.quantize, tokens, folder)
        self.student: Module = student.to(self.device)
        self.chosen = choose_parameters(self.student, settings.train)
        self._teacher: Module | None = None
        if teacher is not None:
            self._teacher = load(teacher).to(self.device).requires_grad_(False)
            self._teacher_feed = _Feed(teacher, self.device)
        self._groups = _group(self._sequences)
        self.optimizer = torch.optim.AdamW(
            [self.student.get_parameter(name) for name in self.chosen],
            lr=settings.lr,
            weight_decay=settings.weight_decay,
        )
        self._stream = watch_stream(self.student, source)

    def batch(self, step: int) -> np.ndarray:
        """The ids [B, T] of an update."""
        rng = np.random.default_rng([self.settings.seed, step])
        sizes = np.array([len(group) for group in self._groups], float)
        group = self._groups[int(rng.choice(len(self._groups), p=sizes / sizes.sum()))]
        count = min(self.settings.batch, len(group))
        return np.stack([self._sequences[i] for i in rng.choice(group, count, replace=False)])

    def losses(self, ids: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss that is trained, and the cross entropy of the next tokens, in nats a token."""
        narrow = self.settings.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=narrow):
            logits = _find_logits(self.student(**self._feed.make(ids))).float()
        targets = torch.from_numpy(ids).to(self.device)[:, ids.shape[1] - logits.shape[1] :]
        entropy = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())
        if self._teacher is None:
            return entropy, entropy
        with torch.no_grad():
            wanted = _find_logits(self._teacher(**self._teacher_feed.make(ids))).float()
        if wanted.shape[-1] != logits.shape[-1]:
            raise BasinError(
                f"expected a teacher with {logits.shape[-1]} logits, but got {wanted.shape[-1]}"
            )
        count = min(wanted.shape[1], logits.shape[1])
        p = F.log_softmax(wanted[:, -count:], dim=-1).flatten(0, 1)
        q = F.log_softmax(logits[:, -count:], dim=-1).flatten(0, 1)
        return F.kl_div(q, p, reduction="batchmean", log_target=True), entropy

    def update(self, step: int) -> float:
        """One update; returns the loss before it. Raises BasinError where it is not finite."""
        rate = self.settings.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, _ = self.losses(self.batch(step))
        value = loss.item()
        if not math.isfinite(value):
            raise BasinError(f"the loss of update {step + 1} is {value}: lower the learning rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.clip:
            chosen = [self.student.get_parameter(name) for name in self.chosen]
            torch.nn.utils.clip_grad_norm_(chosen, self.settings.clip)
        self.optimizer.step()
        return value

    @torch.no_grad()
    def measure(self) -> tuple[float, float, float | None]:
        """The losses on the held-out sequences, and the largest magnitude of the stream."""
        found, weights = [], []
        with self._stream as stream:
            for ids in self._held_out:
                one, other = self.losses(ids[None])
                found.append((one.item(), other.item()))
                # The last token has no next one.
                predicted = len(ids) - len(self._feed.prefix) - 1
                weights.append((predicted + (self._teacher is not None), predicted))
        loss, entropy = np.average(found, axis=0, weights=np.array(weights, float)).tolist()
        return loss, entropy, stream.largest


def _split(data: Dataset, held_out: int, prefix: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The sequences to train on, and the last ones. All have a token to predict after a prefix of
    that many tokens.
    """
    sequences = [one for one in data.sequences if len(one) > prefix + 1]
    if len(sequences) <= held_out:
        raise BasinError(
            f"{data.source}: expected more than {held_out} sequences of {prefix + 2} or more "
            f"tokens, as {held_out} are held out, but got {len(sequences)}"
        )
    return sequences[:-held_out], sequences[-held_out:]


def _group(sequences: Sequence[np.ndarray]) -> list[list[int]]:
    """The numbers of sequences of equal length, which can run together."""
    groups: dict[int, list[int]] = {}
    for number, one in enumerate(sequences):
        groups.setdefault(len(one), []).append(number)
    return list(groups.values())


def _key(source: Path, teacher: Path | None, data: Dataset, settings: Settings) -> str:
    """What a checkpoint belongs to: checksums of models and data, and the settings."""
    digest = hashlib.sha256()
    for model in (source, teacher):
        for path in [] if model is None else refers_to(model, read_facts(model).files):
            with open(path, "rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    digest.update(repr([one.tolist() for one in data.sequences]).encode())
    digest.update(json.dumps(asdict(settings), sort_keys=True).encode())
    return digest.hexdigest()


class _Checkpoint:
    """A file from which an interrupted run goes on."""

    def __init__(self, path: Path | None, key: str) -> None:
        self._path, self._key = path, key

    def read(self, run: _Run) -> tuple[int, list[Entry], list[float], float]:
        """Updates that are done, entries, losses since the last one, and seconds. Raises
        BasinError for a file of another run.
        """
        if self._path is None or not self._path.exists():
            return 0, [], [], 0.0
        try:
            found = torch.load(self._path, map_location=run.device, weights_only=True)
            key, state = found["key"], found["state"]
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BasinError(f"{self._path}: expected a checkpoint: {reason}") from None
        if key != self._key:
            raise BasinError(
                f"{self._path}: it is of another model, other data or other settings; give another "
                "file"
            )
        with torch.no_grad():
            for name, value in state.items():
                run.student.get_parameter(name).copy_(value)
        run.optimizer.load_state_dict(found["optimizer"])
        entries = [Entry(**one) for one in found["entries"]]
        return found["step"], entries, found["losses"], found["seconds"]

    def write(
        self, run: _Run, step: int, entries: list[Entry], losses: list[float], seconds: float
    ) -> None:
        """Write it, whole or not at all."""
        if self._path is None:
            return
        content = {
            "key": self._key,
            "state": {name: run.student.get_parameter(name).detach() for name in run.chosen},
            "optimizer": run.optimizer.state_dict(),
            "step": step,
            "entries": [asdict(one) for one in entries],
            "losses": losses,
            "seconds": seconds,
        }
        partial = self._path.with_name(f".{self._path.name}.part")
        torch.save(content, partial)
        partial.replace(self._path)


def finetune(
    source: Path,
    target: Path,
    data: Dataset,
    settings: Settings,
    *,
    teacher: Path | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    progress: bool = False,
    say: Callable[[Entry], None] = lambda entry: None,
) -> Outcome:
    """Train the model at `source` on token sequences, and write it to `target`.

    The loss is the KL to the model `teacher` if there is one, and else the cross entropy of the
    next tokens. What is written has the trained weights as they are, not quantized. `checkpoint`
    keeps the run's state, and a run that has one goes on there. `say` gets each entry. Raises
    BasinError, AnalysisError or VerifyError, and then writes no model.
    """
    settings.check()
    with tempfile.TemporaryDirectory(prefix="basin-") as name:
        kept = _Checkpoint(checkpoint, _key(source, teacher, data, settings))
        try:
            run = _Run(source, teacher, data, settings, device, Path(name))
            entries = _train(run, kept, progress, say)
        except RuntimeError as error:
            # The module names its node, and torch a device or a memory that is not there.
            raise BasinError(" ".join(str(error).split())) from error
        save(run.student, target)
    trained = sum(run.student.get_parameter(one).numel() for one in run.chosen)
    total = sum(one.numel() for one in run.student.parameters())
    return Outcome(entries, trained, total)


def _train(
    run: _Run, checkpoint: _Checkpoint, progress: bool, say: Callable[[Entry], None]
) -> list[Entry]:
    """The entries of a run that is trained to its end."""
    settings = run.settings
    done, entries, losses, before = checkpoint.read(run)
    start = time.monotonic() - before

    def enter(step: int) -> None:
        mean = float(np.mean(losses)) if losses else None
        rate = settings.rate(max(step - 1, 0))
        entries.append(Entry(step, mean, *run.measure(), rate, time.monotonic() - start))
        losses.clear()
        say(entries[-1])

    if not entries:
        enter(0)
    else:
        for one in entries:
            say(one)
    for index in count_steps(settings.steps - done, progress, "updates"):
        losses.append(run.update(done + index))
        step = done + index + 1
        last = step == settings.steps
        if step % settings.log_every == 0 or last:
            enter(step)
        if step % settings.save_every == 0 or last:
            checkpoint.write(run, step, entries, losses, time.monotonic() - start)
    return entries
