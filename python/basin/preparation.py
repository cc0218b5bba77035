"""Files that steps need and that runs of the model make.

`absorb-prefix` needs the prefix's keys and values, `compress-sinks` fitted logits, `smooth`
factors, and `quantize` calibrated magnitudes. A step gets its file from the model that the steps
before it make.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from basin.prefix import PrefixRun, follow, instrument, make_states, read_run, write_tensors
from basin.registry import Requests, find_computed_option, takes_over

if TYPE_CHECKING:
    from basin.model import Model

__all__ = ["Prepared", "complete_steps", "prepare_steps", "prepared_steps"]

# Options that name the tokens and their inputs.
_TOKEN_OPTIONS = ("ids", "tokens", "mask", "positions", "types")


@dataclass(frozen=True)
class Prepared:
    """Steps with all their files, and the tokens that they leave out, if there are such.

    `remarks` say what was found on the way.
    """

    requests: Requests
    run: PrefixRun | None = None
    remarks: tuple[str, ...] = ()


def prepare_steps(
    model: Model, requests: Requests, folder: Path, *, progress: bool = False
) -> Prepared:
    """Make the files that steps need and do not name, by runs of `model`, in `folder`.

    `progress` shows on stderr how far a long run is. Raises VerifyError where the model does not
    run, AnalysisError where it cannot run on data, and BasinError where a step is refused.
    """
    done: Requests = []
    run = None
    remarks: list[str] = []
    for number, (name, options) in enumerate(requests):
        if find_computed_option(name) == "states":
            given = dict(options)
            states = given.pop("states", None)
            instrumented = instrument(model, done, given, folder)
            run = follow(run, read_run(instrumented))
            if states is None:
                states = str(folder / f"states-{number}.onnx")
                write_tensors(make_states(instrumented, read_run(instrumented)), Path(states))
            options = [*given.items(), ("states", states)]
        elif find_computed_option(name) == "fit" and "fit" not in dict(options):
            make_fit = _find_maker(name)
            fit = folder / f"fit-{number}.onnx"
            remarks += make_fit(model, done, dict(options), fit, run, progress=progress)
            options = [*options, ("fit", str(fit))]
        elif find_computed_option(name) == "calibration" and "calibration" not in dict(options):
            from basin.quantization import make_calibration

            file = folder / f"calibration-{number}.onnx"
            made, said = make_calibration(model, done, dict(options), file, run, progress=progress)
            options = [*options, *made.items()]
            remarks += said
        elif takes_over(name, dict(options)):
            asked = {key: value for key, value in options if key in _TOKEN_OPTIONS}
            found = read_run(instrument(model, done, asked, folder, keys=False))
            run = follow(run, found)
        done.append((name, options))
    return Prepared(done, run, tuple(remarks))


def _find_maker(step: str) -> Callable[..., list[str]]:
    """What makes the file of the option `fit` of a step."""
    if step == "smooth":
        from basin import smoothing

        return smoothing.make_fit
    from basin import sink_choice

    return sink_choice.make_fit


@contextmanager
def prepared_steps(
    model: Model, requests: Requests, *, progress: bool = False
) -> Iterator[Prepared]:
    """The steps as `prepare_steps` makes them, with files that exist only inside the context.

    Other steps need no folder for files, and get by where none can be made.
    """
    if not any(_needs_run(name, dict(options)) for name, options in requests):
        yield Prepared(requests)
        return
    with tempfile.TemporaryDirectory(prefix="basin-") as folder:
        yield prepare_steps(model, requests, Path(folder), progress=progress)


def _needs_run(name: str, options: Mapping[str, str]) -> bool:
    return find_computed_option(name) is not None or takes_over(name, options)


@contextmanager
def complete_steps(model: Model, requests: Requests) -> Iterator[Prepared]:
    """The steps with all their files. Files that are made here are removed after the context."""
    missing = any(
        computed is not None and computed not in dict(options)
        for computed, options in ((find_computed_option(name), given) for name, given in requests)
    )
    if not missing:
        yield Prepared(requests)
        return
    with prepared_steps(model, requests) as prepared:
        yield prepared
