"""Which heads the step `compress-sinks` converts, measured by runs of the whole model on data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from basin import _basin
from basin._basin import BasinError
from basin.analysis.progress import steps
from basin.errors import VerifyError
from basin.prefix import PrefixRun, write_after, write_passed, write_tensors
from basin.registry import Requests
from basin.sink_fit import HeadFit, Measured, fit_heads, mean_values
from basin.sink_trials import Conversion, InstrumentedModel, SinkAttention, Trials
from basin.step_data import Feeds, count_tokens, read_feeds

if TYPE_CHECKING:
    from basin.model import Model

__all__ = ["Group", "fit_groups", "join_groups", "make_fit"]

_STEP, _PASS = "compress-sinks", "sink-compress-sinks"


@dataclass
class Group:
    """Heads that share keys and are converted together. `harm` is the mean KL of that alone.

    `fit` is for rows of zeros, and `whole` for an attention whose rows are removed, or None.
    """

    attention: SinkAttention
    index: int
    fit: HeadFit
    whole: HeadFit | None
    values: np.ndarray | None
    harm: float = math.inf

    @property
    def heads(self) -> slice:
        """Its heads among those of the attention."""
        size = self.attention.group_size
        return slice(self.index * size, (self.index + 1) * size)

    @property
    def can_be_converted(self) -> bool:
        """Whether all its heads have a logit."""
        return bool(np.isfinite(self.fit.logits[self.heads]).all())


def make_fit(
    model: Model,
    before: Requests,
    options: dict[str, str],
    target: Path,
    prefix: PrefixRun | None,
    *,
    progress: bool = False,
) -> list[str]:
    """Write to `target` what `sink-compress-sinks` converts after the steps `before`.

    Groups of heads that share keys are converted, the least harmful first, while the mean KL of the
    whole model on the option `data` stays below `max-kl`. Returns remarks. Other files are made in
    the target's folder. Raises BasinError, AnalysisError or VerifyError.
    """
    bound = _read_bound(options)
    path = target.parent / "rows.onnx"
    write_after(model, before, path)
    instrumented = _instrument(path, options, measure=True)
    if not instrumented.attentions:
        write_tensors({}, target)
        return []
    if not options.get("data"):
        raise BasinError(
            f"step '{_STEP}': option 'data': expected a file of tokens, or of inputs by name, to "
            "which logits are fitted"
        )
    data, signature = Path(options["data"]), instrumented.session.get_inputs()
    feeds, remarks = read_feeds(_STEP, data, signature, instrumented.path, prefix)
    groups = fit_groups(instrumented, feeds, options.get("value") == "true")
    trials = Trials(_instrument(path, options, measure=False), feeds)
    possible = [group for group in groups if group.can_be_converted]
    for at in steps(len(possible), progress, "conversions"):
        possible[at].harm = trials.measure(join_groups([possible[at]]))
    chosen, reached = _choose(trials, possible, bound, progress)
    write_tensors(_as_tensors(join_groups(chosen)), target)
    heads = sum(one.heads for one in instrumented.attentions)
    size = sum(group.attention.group_size for group in chosen)
    said = (
        f"{size} of {heads} heads become logits at a mean KL of {reached:.3g} nats over "
        f"{count_tokens(feeds)} tokens of {data.name}; the bound is {bound:.3g}"
    )
    if len(chosen) < len(possible) > 1:
        said += f", and all heads at once would have {trials.measure(join_groups(possible)):.3g}"
    lines = [said, *(_describe(group, group in chosen) for group in groups)]
    return remarks + [f"remark: {_STEP}: {line}" for line in lines]


def _read_bound(options: Mapping[str, str]) -> float:
    bound = float(options.get("max-kl", "1e-4"))
    if not bound >= 0:
        raise BasinError(
            f"step '{_STEP}': option 'max-kl': expected a number of at least 0, but got "
            f"{options['max-kl']}"
        )
    return bound


def _instrument(path: Path, options: Mapping[str, str], *, measure: bool) -> InstrumentedModel:
    """The model at `path` with parameters to try conversions, and with what fits need."""
    asked = [("attentions", options["attentions"])] if "attentions" in options else []
    given = _basin.get_passes([(_STEP, asked)]).removeprefix(_PASS).removeprefix("{")
    settings = f"measure={str(measure).lower()} {given.removesuffix('}')}"
    target = path.with_name("instrumented-sinks.onnx")
    write_passed(path, f"sink-instrument-sinks{{{settings.strip()}}}", target)
    return InstrumentedModel(target)


# Fits


def fit_groups(model: InstrumentedModel, feeds: Feeds, with_value: bool) -> list[Group]:
    """The fits of all heads. Raises VerifyError for a measured value that is not finite."""
    runs = [model.run(feed, {}) for feed, _ in feeds]
    values: dict[str, np.ndarray] = {}
    if with_value:
        values = {
            one.attention: _mean_values(one, runs) for one in model.attentions if one.value_outputs
        }
        given: dict[str, np.ndarray] = {}
        for one in model.attentions:
            if one.attention in values:
                given |= model.shift_values(one, values[one.attention])
        for found, (feed, _) in zip(runs, feeds):
            again = model.run(feed, given)
            found |= {
                name: again[name] for one in model.attentions for name in one.value_outputs[1:]
            }
    masks = [mask for _, mask in feeds]
    groups: list[Group] = []
    for one in model.attentions:
        value = values.get(one.attention)
        measured = _read_measured(one, runs, masks, value)
        # Zeros in place of rows already add exp(0) each.
        fit = fit_heads(measured, math.log(one.count))
        whole = None if one.first_row is None else fit_heads(measured)
        if whole is not None and one.groups == 1:
            fit = whole
        groups += [Group(one, index, fit, whole, value) for index in range(one.groups)]
    return groups


def _mean_values(one: SinkAttention, runs: Sequence[dict[str, Any]]) -> np.ndarray:
    """The values [G, d] of one attention."""
    nothing = [None] * len(runs)
    sink, rest = (_queries(name, runs, nothing) for name in one.outputs[:2])
    sums = np.sum([run[one.value_outputs[0]].sum(axis=0) for run in runs], axis=0)
    return _finite(mean_values(sink, rest, sums, one.groups), one.value_outputs[0])


def _read_measured(
    one: SinkAttention,
    runs: Sequence[dict[str, Any]],
    masks: Sequence[np.ndarray | None],
    value: np.ndarray | None,
) -> Measured:
    sink, rest = (_queries(name, runs, masks) for name in one.outputs[:2])
    if np.isnan(sink).any() or np.isnan(rest).any() or (sink == np.inf).any():
        raise VerifyError(f"the scores of attention '{one.attention}' are not finite on the data")
    uu, uo, oo = (_finite(_queries(name, runs, masks), name) for name in one.outputs[2:])
    uv = ov = np.zeros_like(sink)
    squares = np.zeros(one.heads)
    if value is not None:
        uv, ov = (_finite(_queries(x, runs, masks), x) for x in one.value_outputs[1:])
        squares = np.repeat((value.astype(np.float64) ** 2).sum(axis=1), one.group_size)
    return Measured(sink, rest, uu, uo, oo, uv, ov, squares)


def _queries(
    name: str, runs: Sequence[dict[str, Any]], masks: Sequence[np.ndarray | None]
) -> np.ndarray:
    """An output [B, H, T] of all runs as [H, N], without the queries of padding."""
    parts = []
    for run, mask in zip(runs, masks):
        value = run[name].astype(np.float64).transpose(0, 2, 1)
        real = value[mask] if mask is not None and mask.shape == value.shape[:2] else value
        parts.append(real.reshape(-1, value.shape[-1]))
    joined: np.ndarray = np.concatenate(parts).T
    return joined


def _finite(value: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(value).all():
        raise VerifyError(f"'{name}' has elements that are not finite on the data")
    return value


# Choice


def _choose(
    trials: Trials, possible: Sequence[Group], bound: float, progress: bool
) -> tuple[list[Group], float]:
    """The groups that are converted, and the mean KL of that."""
    chosen: list[Group] = []
    reached = 0.0
    order = sorted(possible, key=lambda group: group.harm)
    below = [group for group in order if group.harm < bound]
    for at in steps(len(below), progress, "choices"):
        # The first one alone was measured.
        more = trials.measure(join_groups([*chosen, below[at]])) if chosen else below[at].harm
        if not more < bound:
            break
        chosen.append(below[at])
        reached = more
    return chosen, reached


def join_groups(groups: Sequence[Group]) -> dict[str, Conversion]:
    """The conversions of these groups, by attention."""
    out: dict[str, Conversion] = {}
    for group in groups:
        one = group.attention
        if one.attention not in out:
            values = None if group.values is None else np.zeros_like(group.values)
            out[one.attention] = Conversion(np.full(one.heads, -np.inf), values)
        given = out[one.attention]
        given.logits[group.heads] = group.fit.logits[group.heads]
        if given.values is not None and group.values is not None:
            given.values[group.index] = group.values[group.index]
        if group.whole is not None and np.isfinite(given.logits).all():
            given.logits[:] = group.whole.logits
    return out


def _as_tensors(conversions: Mapping[str, Conversion]) -> dict[str, np.ndarray]:
    """What `sink-compress-sinks` reads."""
    out: dict[str, np.ndarray] = {}
    for name, given in conversions.items():
        out[name] = given.logits.astype(np.float32)
        if given.values is not None:
            out[f"{name}.sink_value"] = given.values.astype(np.float32)
    return out


def _describe(group: Group, is_chosen: bool) -> str:
    """One group of heads, for a user."""
    heads = group.heads
    named = f"head {heads.start}"
    if group.attention.group_size > 1:
        named = f"heads {heads.start}-{heads.stop - 1}"
    where = f"attention '{group.attention.attention}', {named}"
    if not group.can_be_converted:
        return f"{where}: kept, because no query of the data sees its rows"
    done = "converted" if is_chosen else "kept"
    errors, bounds = (
        " ".join(f"{x:.2g}" for x in numbers[heads])
        for numbers in (group.fit.errors, group.fit.bounds)
    )
    return f"{where}: {done}; KL alone {group.harm:.3g}, error {errors}, bound {bounds}"
