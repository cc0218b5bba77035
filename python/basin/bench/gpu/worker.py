"""The process that measures: CUDA, the prepared objects, and the driver's loop."""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import replace

import torch

from basin.bench.gpu import command, driver, objects, plan, records, supervisor, timing
from basin.bench.gpu.subject import Setup


def session(options: argparse.Namespace, kernels: objects.Objects) -> driver.Session:
    """A session on the current CUDA device."""
    setup = Setup(
        launcher=lambda kernel: kernels.kernel(kernel).launch,
        compile_mode=None if options.compile_mode == "none" else options.compile_mode,
    )
    timer = timing.CudaTimer(not options.no_flush, not options.no_graphs)
    return driver.Session(setup, timer, torch.cuda.synchronize, _clock, _say)


def _clock() -> int | None:
    """The clock of the multiprocessors in MHz, or None if NVML does not tell it."""
    try:
        return torch.cuda.clock_rate()
    except Exception:
        # torch may lack the module that this needs, and a missing clock must not fail a case.
        return None


def _say(text: str) -> None:
    print(text, flush=True)


def run(options: argparse.Namespace) -> int:
    """Measure the cases that are left. Returns the exit status for the supervisor."""
    kernels = objects.Objects(options.objects)
    found = records.Records(options.json)
    found.start(command.machine(torch.cuda.get_device_name(), kernels.manifest, options))
    warnings.filterwarnings("ignore", module="torch")
    cases = plan.plan(options.quick, options.only)
    if options.compile_mode == "none":
        cases = [replace(case, compiled=False) for case in cases]
    try:
        left = driver.run(cases, found, session(options, kernels), options.budget)
    except driver.BrokenDevice as error:
        print(f"the device is lost, a new process continues: {error}", file=sys.stderr)
        return supervisor.BROKEN
    _say(f"{len(found.results)} of {len(cases)} cases measured; {left} left out to keep the budget")
    return 0
