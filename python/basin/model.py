"""A model in memory: load, run a pipeline of passes, look, save."""

from __future__ import annotations

import json
import os
from typing import Any, Literal

from basin import _basin
from basin._basin import BasinError
from basin.registry import GivenStep, as_requests

__all__ = ["BasinError", "ExternalData", "Model", "load", "roundtrip"]

ExternalData = Literal["auto", "share", "copy", "embed"]
Path = str | os.PathLike[str]


class Model:
    """An ONNX model as MLIR. Made by `load`; weights stay in the mapped file."""

    def __init__(self, handle: _basin.Model) -> None:
        self._handle = handle
        # Warnings and remarks of reading and inspecting the model.
        self.remarks: list[str] = handle.take_diagnostics()

    def run(self, pipeline: str) -> list[str]:
        """Run a textual pass pipeline and return its warnings and remarks.

        If a pass fails, raises BasinError and leaves the model as it was.
        """
        self._handle.take_diagnostics()
        self._handle.run(pipeline)
        return self._handle.take_diagnostics()

    def rewrite(
        self,
        *steps: GivenStep,
        form: str = "original",
        cache: str = "copy",
        strict: bool = False,
    ) -> list[str]:
        """Apply steps in their order, write the result in a form, and return warnings and remarks.

        A step is its name, or a pair of the name and a dictionary of options; `basin.steps` lists
        them. `absorb-prefix` runs the model on the prefix, in ONNX Runtime, unless `states` are
        given, and `compress-sinks` on its data, unless a `fit` is given. The model's metadata tell
        later which steps made it. Raises BasinError and leaves the model as it was if a step is
        wrong or refused, VerifyError if the model does not run, or AnalysisError if it does not
        take the data.
        """
        from basin.preparation import complete_steps

        requests = as_requests(steps)
        self._handle.take_diagnostics()
        with complete_steps(self, requests) as complete:
            self._handle.rewrite(complete.requests, form, cache, strict)
        return [*complete.remarks, *self._handle.take_diagnostics()]

    def inspect(self) -> dict[str, Any]:
        """Return what recognition finds in the model, which is not changed.

        A number that is not finite is a string: "nan", "inf" or "-inf".
        """
        self._handle.take_diagnostics()
        found: dict[str, Any] = json.loads(self._handle.inspect_json())
        self.remarks += self._handle.take_diagnostics()
        return found

    def find_scale_mismatch(self) -> str | None:
        """None if the rewritten model provably computes the same as the loaded one, else why not.

        The proof is a dimensional analysis of both models. It runs nothing, and reads only changed
        weights. It covers rewrites by powers of two.
        """
        return self._handle.find_scale_mismatch()

    def save(self, path: Path, external_data: ExternalData = "auto") -> None:
        """Write the model, or nothing if that fails.

        `external_data` says where tensors go that the input has in files of their own: `share`
        refers to those files, `copy` writes one beside the output, `embed` puts them inside, and
        `auto` shares if the output is in the input's folder and copies otherwise.
        """
        self._handle.save(os.fspath(path), external_data)

    def text(self, large: bool = False) -> str:
        """The model as MLIR text; `large` prints the bytes of large tensors, too."""
        return self._handle.text(not large)


def load(path: Path) -> Model:
    """Read the ONNX model at `path`. Raises BasinError where it is not valid."""
    return Model(_basin.load(os.fspath(path)))


def roundtrip(source: Path, target: Path) -> None:
    """Read `source` and write it to `target`, unchanged."""
    load(source).save(target)
