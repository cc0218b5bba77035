"""`basin run`: a whole model, compiled for a GPU, on the emulator."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from basin.commands.reporting import fail
from basin.commands.verify import read_inputs
from basin.output.files import is_same_file, write_whole

if TYPE_CHECKING:
    import numpy as np


class Device(str, Enum):
    """Where the kernels run."""

    emulator = "emulator"


def run(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx|MODEL.bko", show_default=False)],
    inputs: Annotated[
        Path, typer.Option(help="Inputs by name, as an .npz file.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the outputs by name, as an .npz file.")
    ] = None,
    target: Annotated[
        str, typer.Option(help="The chip for which a model is compiled: sm_80 to sm_90a.")
    ] = "sm_90a",
    device: Annotated[Device, typer.Option(help="Where the kernels run.")] = Device.emulator,
) -> None:
    """Compile a whole model for a GPU and run it on inputs.

    The emulator runs the kernels on the CPU and checks each access to memory, so it takes seconds
    for a small model. A .bko must have been compiled with --emit emulator.
    """
    from basin import plan
    from basin.compiling import compile as compile_model

    if out is not None and any(is_same_file(out, one) for one in (model, inputs)):
        fail(f"--out: {out} is the same file as an input")
    values = read_inputs(inputs)
    is_object = model.suffix == ".bko"
    with plan.load(model) if is_object else compile_model(model, target, device.value) as compiled:
        results = compiled.run(values)
    for name, value in results.items():
        real = value.astype("float64")
        extent = f", {real.min():.6g} to {real.max():.6g}" if value.size else ""
        print(f"{name}: {value.dtype} {list(value.shape)}{extent}")
    if out is not None:
        _write(out, results)


def _write(path: Path, results: dict[str, np.ndarray]) -> None:
    import io

    import numpy as np

    content = io.BytesIO()
    np.savez(content, **results)  # type: ignore[arg-type]
    write_whole(path, content.getvalue())
