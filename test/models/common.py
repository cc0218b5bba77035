"""Parts of the two model generators: the spec of a model, the writer, the command line.

A generator owns a registry `name -> Spec`. For each one the writer stores `NAME.onnx`, fixed inputs
in `NAME.inputs.npz`, and `NAME.expect.json`. The last one says what recognition must find, derived
from the configuration alone and never from a tool's output. README.md says what each count means.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort


class Skip(Exception):
    """An exporter or a runtime cannot make this model; the message says why, in one line."""


@dataclass(frozen=True)
class Built:
    """A model and inputs (name -> array) that ONNX Runtime accepts for it."""

    model: onnx.ModelProto
    inputs: dict[str, np.ndarray]


@dataclass(frozen=True)
class Spec:
    """One model of a registry.

    `runs` is false if ONNX Runtime's CPU provider lacks a kernel. `shipped` marks the part of the
    matrix whose results are committed. `metadata` keeps the exporter's metadata of each node.
    """

    build: Callable[[], Built]
    expect: dict[str, Any]
    exporter: str
    opset: int
    runs: bool = True
    shipped: bool = True
    metadata: bool = True


@dataclass
class Summary:
    """The models that a run of a generator wrote, and those that it skipped as (name, reason)."""

    written: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def expectation(
    *,
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    attention: int,
    causal: bool,
    streams: int = 1,
    rms_norms: int = 0,
    layer_norms: int = 0,
    rotary: int = 0,
    **extra: Any,
) -> dict[str, Any]:
    """Return the content of an expect.json; `extra` adds keys that only some models need."""
    counts = {
        "attention": attention,
        "rms_norms": rms_norms,
        "layer_norms": layer_norms,
        "rotary": rotary,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "hidden": hidden,
        "causal": causal,
        "streams": streams,
    }
    return counts | extra


_INSTALL_PATH = re.compile(r"[^\s\"']*/(?:site|dist)-packages/")
_CHECKOUT_PATH = re.compile(r"[^\s\"']*/test/models/")


def clean_metadata(model: onnx.ModelProto, keep: bool) -> None:
    """Drop the metadata of nodes and values unless `keep`, and absolute paths from what is kept.

    The dynamo exporter stores Python stack traces of several kilobytes for each node, with absolute
    paths of the machine that exported. Of every stack trace the key and the innermost frame are
    kept, without the directory, so the metadata that the importer must carry has the exporter's own
    form.
    """

    def clean(nodes: Any) -> None:
        for node in nodes:
            if not keep:
                del node.metadata_props[:]
            for entry in node.metadata_props:
                text = entry.value
                if entry.key.endswith("stack_trace"):
                    text = text[max(text.rfind("File "), 0) :].strip()
                entry.value = _CHECKOUT_PATH.sub("", _INSTALL_PATH.sub("", text))
            node.doc_string = _CHECKOUT_PATH.sub("", _INSTALL_PATH.sub("", node.doc_string))
            for attribute in node.attribute:
                for graph in [attribute.g, *attribute.graphs]:
                    clean(graph.node)

    clean(model.graph.node)
    for function in model.functions:
        clean(function.node)
    if not keep:
        graph = model.graph
        for item in [*graph.value_info, *graph.initializer, *graph.input, *graph.output]:
            del item.metadata_props[:]


def run_model(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Run `model` on the CPU, one thread, optimizations off; raises what ONNX Runtime raises."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def write_one(name: str, spec: Spec, out: Path, max_bytes: int | None) -> str:
    """Build, run and write one model; return its line of the listing. Raises Skip."""
    built = spec.build()
    clean_metadata(built.model, spec.metadata)
    data = built.model.SerializeToString(deterministic=True)
    if max_bytes is not None and len(data) > max_bytes:
        raise Skip(f"{len(data)} bytes, over the limit of {max_bytes}")
    if spec.runs:
        outputs = run_model(built.model, built.inputs)
        for index, value in enumerate(outputs):
            if not np.all(np.isfinite(np.asarray(value, dtype=np.float64))):
                raise Skip(f"output {index} is not finite")
    (out / f"{name}.onnx").write_bytes(data)
    np.savez(out / f"{name}.inputs.npz", **built.inputs)
    text = json.dumps(spec.expect | {"ort_runs": spec.runs}, indent=1) + "\n"
    (out / f"{name}.expect.json").write_text(text)
    opsets = {o.domain or "ai.onnx": o.version for o in built.model.opset_import}
    return (
        f"{name}: {len(built.model.graph.node)} nodes, {len(data)} bytes, {spec.exporter}, "
        f"opset {opsets.get('ai.onnx', '-')}"
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error that is not empty, at most 160 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:160]


def write_all(registry: dict[str, Spec], out: Path, max_bytes: int | None) -> Summary:
    """Write every model of the registry. Prints a line for each, and then the skipped ones."""
    out.mkdir(parents=True, exist_ok=True)
    summary = Summary()
    for name, spec in registry.items():
        try:
            print(write_one(name, spec, out, max_bytes), flush=True)
            summary.written.append(name)
        except Exception as error:  # an exporter may raise anything; the reason is reported
            summary.skipped.append((name, first_line(error)))
            print(f"{name}: skipped, {first_line(error)}", flush=True)
    print(f"\nwritten: {len(summary.written)}, skipped: {len(summary.skipped)}")
    for name, reason in summary.skipped:
        print(f"  {name:40} {reason}")
    return summary


def main(registry: dict[str, Spec], description: str) -> None:
    """Run the command line of a generator. Exits with 1 if nothing was written."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, help="folder to write to")
    parser.add_argument("--only", default="*", help="glob over names")
    parser.add_argument("--shipped", action="store_true", help="only what is committed")
    parser.add_argument("--max-bytes", type=int, help="skip models that are larger")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_args()
    chosen = {
        name: spec
        for name, spec in registry.items()
        if fnmatch.fnmatch(name, options.only) and (spec.shipped or not options.shipped)
    }
    if options.list:
        for name, spec in chosen.items():
            print(f"{name}: {spec.exporter}, opset {spec.opset}")
        return
    if options.out is None:
        parser.error("--out is required unless --list is given")
    summary = write_all(chosen, options.out, options.max_bytes)
    if not summary.written:
        sys.exit(1)
