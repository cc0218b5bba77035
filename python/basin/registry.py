"""The steps that rewrites are made of, as the compiler's passes state them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Any

from basin import _basin

__all__ = ["GivenStep", "Option", "Requests", "Step", "Value", "as_requests", "steps"]

Value = str | Real | float | bool | os.PathLike[str] | Sequence[Any] | Mapping[Any, Any]
GivenStep = str | tuple[str, Mapping[str, Value]]
# Steps with their options as texts, which the extension takes.
Requests = list[tuple[str, list[tuple[str, str]]]]


@dataclass(frozen=True)
class Option:
    """An option of a step. `rounds` tells that a value other than 0 may change bits.

    `is_computed` tells that the value is a file that a run of the model makes if none is given.
    `promises_at_default` tells that another value than the default ends the step's promise.
    """

    name: str
    values: str
    default: str
    help: str
    is_file: bool
    rounds: bool
    is_computed: bool
    promises_at_default: bool


@dataclass(frozen=True)
class Step:
    """A rewrite with a name, options and a promise.

    `promise_kind` is bit-exact, exact (in real arithmetic), measured or changed. The examples are
    options, as words, for residual streams of at least 20 dimensions, and of at least 4;
    `examples_need_run` says that they need a file which a run of the model makes. The
    `take_over_option`, if it is not empty, says whether the new model takes sequences without the
    tokens of the option `ids`. The `hidden_rows_option`, if it is not empty, says whether rows of
    attention that see no key may change.
    """

    name: str
    pass_name: str
    summary: str
    promise_kind: str
    promise: str
    good_for: str
    not_for: str
    example: str
    small_example: str
    take_over_option: str
    hidden_rows_option: str
    examples_need_run: bool
    options: tuple[Option, ...]

    @property
    def full_promise(self) -> str:
        """The promise and when it holds."""
        return f"{self.promise_kind} {self.promise}"


@cache
def steps() -> tuple[Step, ...]:
    """All steps, sorted by name."""
    return tuple(
        Step(**entry | {"options": tuple(Option(**option) for option in entry["options"])})
        for entry in json.loads(_basin.steps_json())
    )


def keeps_function(requests: Requests) -> bool:
    """Whether the steps promise equal outputs, up to rounding if one of them is exact."""
    exact = {step.name: step for step in steps() if step.promise_kind == "exact"}
    for name, given in requests:
        values = dict(given)
        for option in exact[name].options if name in exact else ():
            value = values.get(option.name, option.default)
            if option.promises_at_default and value != option.default:
                return False
    return _basin.promise_equal_bits([one for one in requests if one[0] not in exact])


def keeps_bits(requests: Requests) -> bool:
    """Whether the steps promise outputs of equal bits."""
    return _basin.promise_equal_bits(requests)


def takes_over(name: str, options: Mapping[str, str]) -> bool:
    """Whether the step's model takes sequences without the tokens of the option `ids`."""
    return _is_on(_find(name), _find(name).take_over_option, options)


def changes_hidden_rows(requests: Requests) -> bool:
    """Whether rows of attention that see no key may change."""
    return any(
        _is_on(_find(name), _find(name).hidden_rows_option, dict(given)) for name, given in requests
    )


def _find(name: str) -> Step:
    (step,) = (one for one in steps() if one.name == name)
    return step


def _is_on(step: Step, switch: str, options: Mapping[str, str]) -> bool:
    """Whether the step's option `switch` is true, as given or by default."""
    defaults = {option.name: option.default for option in step.options}
    return bool(switch) and options.get(switch, defaults[switch]) == "true"


def find_computed_option(step: str) -> str | None:
    """The name of the step's option whose file a run of the model makes, or None."""
    found = [
        option.name
        for one in steps()
        if one.name == step
        for option in one.options
        if option.is_computed
    ]
    return found[0] if found else None


def as_requests(given: Iterable[GivenStep]) -> Requests:
    """Steps as the extension takes them, checked. Raises BasinError."""
    if isinstance(given, str):
        raise TypeError(f"expected a list of steps, but got the text '{given}'")
    requests: Requests = []
    for one in given:
        name, options = (one, {}) if isinstance(one, str) else one
        requests.append((name, [(key, as_text(value)) for key, value in options.items()]))
    _basin.check_steps(requests)
    return requests


def as_text(value: Value) -> str:
    """An option's value as the command line has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Real):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return ",".join(f"{as_text(key)}:{as_text(one)}" for key, one in value.items())
    if isinstance(value, Sequence):
        return ",".join(map(as_text, value))
    raise TypeError(f"expected a text, number, path, list or dictionary, but got {value!r}")
