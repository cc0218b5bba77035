"""Stand-ins for a GPU: kernels by the reference on the CPU, a timer, torch.cuda."""

from __future__ import annotations

import contextlib
import inspect
from types import SimpleNamespace

import torch
from basin.bench.gpu import attention, driver, norms, plan, timing
from basin.bench.gpu.subject import Setup

ALL_PARTS = ("window", "sink_logit", "sink_kv", "gate")
SMALL_NORMS = [plan.NormCase(kind, 64, 5, True) for kind in plan.NORM_PARTS]


def small_attention(*parts, causal=True, length=24):
    return plan.AttentionCase(
        32, length, causal, parts, heads=4, kv_heads=2, batch=2, compiled=True
    )  # fmt: skip


def _options(kernel):
    parts = [part.partition("=") for part in kernel.parts.split(",")]
    return {key: value or True for key, _, value in parts}


def _norm(arguments, options):
    t = {k: v for k, v in arguments.items() if k not in ("y", "sum", "rows")}
    assert arguments["rows"] == t["x"].shape[0] and t["x"].shape[1] == int(options["dim"])
    results = norms.reference(t, "layer" in options, slice(None))
    for name, result in zip(("y", "sum"), results):
        arguments[name].copy_(result)


def _strided(arguments, name):
    """The tensor that its strides describe. A wrong stride gives wrong numbers."""
    given = arguments[name]
    strides = [arguments[f"{name}_{axis}_stride"] for axis in ("batch", "head", "row")]
    return given.as_strided(given.shape, (*strides, 1))


def _attention(arguments, options):
    parts = tuple(part for part in ("sink_logit", "sink_kv", "gate", "window") if part in options)
    assert ("window" in arguments) == ("window" in options)
    case = plan.AttentionCase(
        int(options["head_dim"]), arguments["keys"], "causal" in options, parts,
        heads=arguments["heads"], kv_heads=arguments["kv_heads"], batch=arguments["batch"],
    )  # fmt: skip
    names = ("query", "key", "value", "gate")
    t = arguments | {name: _strided(arguments, name) for name in names if name in arguments}
    _strided(arguments, "result").copy_(attention.reference(case, t))


def launcher(kernel):
    """A function that computes what the kernel computes."""
    body = _attention if kernel.family == "attention" else _norm
    return lambda arguments: body(arguments, _options(kernel))


class Timer:
    """Runs each contender once and says that the n-th takes n milliseconds."""

    def __init__(self):
        self.names = []

    def time(self, calls):
        for call in calls.values():
            call()
        self.names.append(list(calls))
        return {
            name: timing.Sample(i / 1e3, i / 1e3, i / 1e3, 3, True)
            for i, name in enumerate(calls, 1)
        }


def setup(launch=launcher):
    """Everything on the CPU, nothing compiled."""
    return Setup(launch, "cpu", None, False)


def session(launch=launcher, **more):
    """The same with a timer, silent."""
    return driver.Session(setup(launch), Timer(), **{"say": lambda text: None} | more)


class Cuda:
    """The part of torch.cuda that the timer uses. Each name must exist in the real module."""

    def __init__(self, milliseconds=0.01, capturable=True):
        self.milliseconds, self.capturable, self.replayed = milliseconds, capturable, 0
        self.is_capturing = False
        self.now = 0.0

    def __getattribute__(self, name):
        if not name.startswith("_") and name[0] != name[0].upper():
            own = ("milliseconds", "capturable", "replayed", "is_capturing", "now")
            assert name in own or hasattr(torch.cuda, name), name
        return object.__getattribute__(self, name)

    def get_device_properties(self):
        return SimpleNamespace(L2_cache_size=1024)

    def graph_pool_handle(self):
        return (0, 1)

    def synchronize(self):
        assert not self.is_capturing

    def current_stream(self):
        return self.Stream()

    def Stream(self):
        return SimpleNamespace(wait_stream=lambda stream: None)

    def stream(self, stream):
        return contextlib.nullcontext()

    def CUDAGraph(self):
        return SimpleNamespace(replay=self._replay)

    def _replay(self):
        self.replayed += 1
        self.now += self.milliseconds

    @contextlib.contextmanager
    def graph(self, graph, pool):
        inspect.signature(torch.cuda.graph.__init__).bind(None, graph, pool=pool)
        if not self.capturable:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.is_capturing = True
        yield
        self.is_capturing = False

    def Event(self, enable_timing):
        assert enable_timing
        event = SimpleNamespace(at=None)
        event.record = lambda: setattr(event, "at", self.now)
        event.elapsed_time = lambda end: end.at - event.at
        return event
