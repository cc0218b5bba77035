"""A model in memory: load, run a pipeline of passes, look, save."""

from __future__ import annotations

import json
import os
from typing import Any, Literal

from basin import _basin
from basin._basin import BasinError

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

        Raises BasinError, with the model as it was, where a pass fails.
        """
        self._handle.take_diagnostics()
        self._handle.run(pipeline)
        return self._handle.take_diagnostics()

    def inspect(self) -> dict[str, Any]:
        """What recognition finds in the model; the model stays as it is.

        A number that is not finite is a string: "nan", "inf" or "-inf".
        """
        self._handle.take_diagnostics()
        found: dict[str, Any] = json.loads(self._handle.inspect_json())
        self.remarks += self._handle.take_diagnostics()
        return found

    def find_scale_mismatch(self) -> str | None:
        """None where the rewritten model is proven to compute what the loaded one did.

        A dimensional analysis of the two, which runs nothing and reads changed weights alone; else
        the reason why it is not proven. It covers rewrites by powers of two.
        """
        return self._handle.find_scale_mismatch()

    def save(self, path: Path, external_data: ExternalData = "auto") -> None:
        """Write the model; nothing is written where that fails.

        `external_data` says where tensors go that the input keeps in files of their own: `share`
        refers to those files, `copy` writes one beside the output, `embed` puts them inside,
        `auto` shares where the output stands in the input's folder and else copies.
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
