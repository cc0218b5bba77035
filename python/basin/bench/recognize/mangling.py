"""Copies of an export as tools that optimize graphs rewrite them.

A tool that is not installed says so in its row. What such a copy computes is what the export does.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path


def _runtime(level: str) -> Callable[[Path, Path], None]:
    def save(source: Path, target: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 4
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])

    return save


def _onnxslim(source: Path, target: Path) -> None:
    import onnx
    import onnxslim

    slim = onnxslim.slim(onnx.load(source))
    if slim is None:
        raise RuntimeError("onnxslim returned nothing")
    onnx.save(slim, target)


def _onnxsim(source: Path, target: Path) -> None:
    import onnx
    import onnxsim

    simple, same = onnxsim.simplify(onnx.load(source))
    if not same:
        raise RuntimeError("onnxsim says that its result computes something else")
    onnx.save(simple, target)


def _onnxscript(source: Path, target: Path) -> None:
    import onnx
    import onnxscript.optimizer

    onnx.save(onnxscript.optimizer.optimize(onnx.load(source)), target)


# name -> the package that it needs, and the function
TOOLS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "ort1": ("onnxruntime", _runtime("ORT_ENABLE_BASIC")),
    "ort2": ("onnxruntime", _runtime("ORT_ENABLE_EXTENDED")),
    "ort-all": ("onnxruntime", _runtime("ORT_ENABLE_ALL")),
    "onnxslim": ("onnxslim", _onnxslim),
    "onnxsim": ("onnxsim", _onnxsim),
    "onnxscript": ("onnxscript", _onnxscript),
}


def mangle(tool: str, source: Path, target: Path) -> dict[str, str]:
    """Write what `tool` makes of `source`; an error if it is not installed or fails."""
    package, function = TOOLS[tool]
    if importlib.util.find_spec(package) is None:
        return {"error": f"{package} is not installed"}
    function(source, target)
    return {}
