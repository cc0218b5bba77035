"""Times on CUDA: events around one replay of a captured graph, with the L2 flushed before it.

The contenders of a case take turns, so that a drifting clock meets all of them. A graph keeps the
host out of the time: several kernels of one contender run without gaps. For short runs two more
times are measured, which this hides. `warm` is a launch among many of one graph, with everything
that fits into L2 left there. `call` is the host's time for one call from Python.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import cuda

SHORT = 50e-6  # seconds under which launching matters
MANY = 50  # launches of one graph
LEAST, MOST, SECONDS = 10, 100, 0.3  # rounds of a case, and how long they may take


@dataclass
class Sample:
    """Seconds: median and quartiles of `rounds` runs."""

    seconds: float
    low: float
    high: float
    rounds: int
    captured: bool
    warm: float | None = None
    call: float | None = None


class Timer(Protocol):
    """The interface of a timer."""

    def time(self, calls: Mapping[str, Callable[[], Any]]) -> dict[str, Sample]:
        """All of one case."""


def summarize(seconds: list[float], captured: bool) -> Sample:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Sample(median, low, high, len(seconds), captured)


def rounds_for(probed: float) -> int:
    """How many rounds to run, if one round of all contenders takes `probed` seconds."""
    return max(LEAST, min(MOST, int(SECONDS / max(probed, 1e-6))))


class CudaTimer:
    """A timer for the current device."""

    def __init__(self, flush: bool = True, graphs: bool = True, device: str = "cuda") -> None:
        size = 2 * cuda.get_device_properties().L2_cache_size if flush else 0
        self._flushed = torch.empty(max(size, 4), dtype=torch.int8, device=device)
        self._flush = flush
        self._graphs = graphs

    def time(self, calls: Mapping[str, Callable[[], Any]]) -> dict[str, Sample]:
        """Rounds of all contenders, then what launching costs the short ones."""
        pool = cuda.graph_pool_handle()
        graphs = {name: self._capture(call, 1, pool) for name, call in calls.items()}
        runs = {name: graphs[name].replay if graphs[name] else calls[name] for name in calls}
        seconds = self._rounds(runs, 3)
        count = rounds_for(sum(values[-1] for values in seconds.values()))
        seconds = self._rounds(runs, count)
        samples = {name: summarize(seconds[name], graphs[name] is not None) for name in calls}
        for name, sample in samples.items():
            if sample.seconds < SHORT:
                sample.warm, sample.call = self._warm(calls[name]), self._call(calls[name])
        return samples

    def _capture(self, call: Callable[[], Any], count: int, pool: Any) -> Any:
        """A graph of `count` calls, or None if it cannot be captured. Graphs of a pool share
        memory, because they run one after the other and nobody reads their results."""
        if not self._graphs:
            return None
        stream = cuda.Stream()
        stream.wait_stream(cuda.current_stream())
        with cuda.stream(stream):
            for _ in range(3):
                call()
        cuda.current_stream().wait_stream(stream)
        cuda.synchronize()
        graph = cuda.CUDAGraph()
        try:
            with cuda.graph(graph, pool=pool):
                for _ in range(count):
                    call()
        except RuntimeError:
            cuda.synchronize()
            return None
        return graph

    def _rounds(self, runs: Mapping[str, Callable[[], Any]], count: int) -> dict[str, list[float]]:
        events: dict[str, list[tuple[Any, Any]]] = {name: [] for name in runs}
        for _ in range(count):
            for name, run in runs.items():
                if self._flush:
                    self._flushed.zero_()
                events[name].append(_timed(run))
        cuda.synchronize()
        return {name: [_seconds(pair) for pair in pairs] for name, pairs in events.items()}

    def _warm(self, call: Callable[[], Any]) -> float | None:
        graph = self._capture(call, MANY, cuda.graph_pool_handle())
        if graph is None:
            return None
        pairs = [_timed(graph.replay) for _ in range(7)]
        cuda.synchronize()
        return statistics.median(_seconds(pair) for pair in pairs) / MANY

    def _call(self, call: Callable[[], Any]) -> float:
        cuda.synchronize()
        began = time.perf_counter()
        for _ in range(MANY):
            call()
        cuda.synchronize()
        return (time.perf_counter() - began) / MANY


def _timed(run: Callable[[], Any]) -> tuple[Any, Any]:
    begin, end = (cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    return begin, end


def _seconds(pair: tuple[Any, Any]) -> float:
    return pair[0].elapsed_time(pair[1]) / 1e3
