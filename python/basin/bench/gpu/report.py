"""Tables of results, for documentation; what was not measured says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from basin.bench.gpu.plan import (
    COPIES,
    DIMS,
    HEAD_DIMS,
    LENGTHS,
    LIMITS,
    MAIN_DIM,
    MAIN_LENGTH,
    MAIN_ROWS,
    NO_GATE,
    NO_SINK,
    NORM_PARTS,
    OURS,
    OWN,
    ROWS,
    SINK,
    VARIANTS,
    AttentionCase,
    Case,
    NormCase,
)

Results = dict[str, dict[str, Any]]
NOTHING = "not measured"


@dataclass
class Book:
    """Results by case, and the limits among them."""

    results: Results

    def seconds(self, case: Case, name: str = OWN, field: str = "seconds") -> float | None:
        """A contender's time of a case; None without one."""
        result = self.results.get(case.key)
        sample = result["times"].get(name) if result else None
        return sample[field] if sample else None

    def why(self, case: Case, name: str = OWN) -> str:
        """Why a contender has no time; one that did not take part was not measured."""
        failed = self.results.get(case.key, {"failed": {}})["failed"]
        why = failed.get(name) or failed.get("case") or failed.get("together")
        return f"failed: {why}" if why else NOTHING

    def clock(self, case: Case) -> str:
        """MHz as the case's last round ended."""
        clock = self.results.get(case.key, {}).get("clock")
        return str(clock) if clock else "-"

    def bandwidth(self) -> float | None:
        """Bytes a second of the fastest copy, which is the limit in all ratios. Others are slower
        because of where source and target lie (plan.COPY_SIZES), not because of the memory."""
        return self._best(lambda case: case.bytes, COPIES)

    def matrix_rate(self) -> float | None:
        """Operations a second of torch's product."""
        return self._best(lambda case: case.flops, LIMITS[-1:])

    def _best(self, amount: Callable[[Case], int], cases: Iterable[Case]) -> float | None:
        times = [(case, self.seconds(case, "torch")) for case in cases]
        return max((amount(case) / t for case, t in times if t), default=None)

    def fastest(self, case: Case, prefix: str) -> tuple[str, float] | None:
        """The best of the contenders whose names begin so."""
        times = self.results.get(case.key, {"times": {}})["times"]
        found = [(t["seconds"], name) for name, t in times.items() if name.startswith(prefix)]
        return (min(found)[1], min(found)[0]) if found else None


def _ratio(a: float | None, b: float | None) -> str:
    return f"{a / b:.2f}" if a and b else "-"


def _share(a: float | None, b: float | None) -> str:
    return f"{100 * a / b:.1f} %" if a and b else "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], measured: bool) -> list[str]:
    """A Markdown table; one row for all where none was measured."""
    if not measured:
        rows = [[f"all {len(rows)}", NOTHING] + [""] * (len(head) - 2)]
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _any(book: Book, cases: Iterable[Case]) -> bool:
    return any(case.key in book.results for case in cases)


# Limits

_LIMITS_TEXT = [
    "The copy bandwidth that all else is compared with is that of the fastest copy: at some sizes,",
    "powers of two above all, source and target may meet in the same channels of the memory. MHz",
    "is the clock as a case's last round ended: a chip at its power limit lowers it for some cases",
    "and not for others.",
]


def _limits(book: Book) -> list[str]:
    rows = []
    for case in LIMITS:
        time = book.seconds(case, "torch")
        label = case.key.replace("/", " of ")
        if time is None:
            rows.append([label, book.why(case, "torch"), "", ""])
            continue
        rate = f"{case.bytes / time / 1e9:.0f} GB/s, read and written"
        if case.flops:
            rate = f"{case.flops / time / 1e12:.0f} TFLOP/s"
        rows.append([label, f"{time * 1e6:.1f}", rate, book.clock(case)])
    return [*table(["by torch", "us", "rate", "MHz"], rows, _any(book, LIMITS)), "", *_LIMITS_TEXT]


def _errors(book: Book) -> list[str]:
    """The largest error of ours in each family."""
    largest: dict[str, list[float]] = {}
    for key, result in book.results.items():
        if (error := result["errors"].get(OWN)) is not None:
            largest.setdefault("/".join(key.split("/")[:2]), []).append(error)
    rows = [[name, str(len(errors)), f"{max(errors):.2g}"] for name, errors in largest.items()]
    return table(["case", "results", "largest error of a row"], rows or [[]], bool(rows))


# Norms

_PEERS = ("torch", "torch.compile", "Triton", "copy", NO_GATE)


def _norm_row(book: Book, case: NormCase) -> list[str]:
    time, bandwidth = book.seconds(case), book.bandwidth()
    label = [f"{case.kind}, {case.dim}"]
    if time is None:
        return [*label, book.why(case), *[""] * (3 + len(_PEERS))]
    limit = case.bytes / bandwidth if bandwidth else None
    return [
        *label,
        f"{time * 1e6:.1f}",
        f"{limit * 1e6:.1f}" if limit else "-",
        f"{case.bytes / time / 1e9:.0f}",
        _share(limit, time),
        *(_ratio(book.seconds(case, name), time) for name in _PEERS),
    ]


def _norms(book: Book) -> list[str]:
    cases = [NormCase(kind, dim, MAIN_ROWS) for kind in NORM_PARTS for dim in DIMS]
    head = ["norm, dim", "us", "limit us", "GB/s", "of copy bandwidth"]
    head += [f"{name}: times as long" for name in _PEERS]
    rows = [_norm_row(book, case) for case in cases]
    return table(head, rows, _any(book, cases))


def _sweep(book: Book) -> list[str]:
    """Times of a cold launch, among many launches of a graph, and called from Python."""
    kinds = ("rms", "add_rms", "gated")
    cases = [[NormCase(kind, MAIN_DIM, rows) for kind in kinds] for rows in ROWS]
    rows = []
    for line in cases:
        cells = []
        for case in line:
            times = [book.seconds(case, field=field) for field in ("seconds", "warm", "call")]
            known = " / ".join(f"{t * 1e6:.1f}" if t else "-" for t in times)
            cells.append(known if times[0] else book.why(case))
            cells.append(_ratio(book.seconds(case, "torch"), times[0]))
        rows.append([str(line[0].rows), *cells])
    head = ["rows"]
    for kind in kinds:
        head += [f"{kind}: us, warm, call", "torch"]
    return table(head, rows, _any(book, [case for line in cases for case in line]))


# Attention


def _tflops(case: AttentionCase, time: float | None) -> str:
    return f"{case.flops / time / 1e12:.0f}" if time else "-"


def _attention_row(book: Book, case: AttentionCase, label: str) -> list[str]:
    time = book.seconds(case)
    if time is None:
        return [label, book.why(case), *[""] * 6]
    best, rate = book.fastest(case, "SDPA"), book.matrix_rate()
    return [
        label,
        _tflops(case, time),
        _share(case.flops / time, rate),
        book.clock(case),
        f"{_tflops(case, best[1])} ({best[0].removeprefix('SDPA ')})" if best else "-",
        _ratio(best[1] if best else None, time),
        _tflops(case, book.seconds(case, "FlexAttention")),
        _ratio(book.seconds(case, "FlexAttention"), time),
    ]


_ATTENTION = [
    "TFLOP/s", "of matmul", "MHz", "best SDPA", "times as long", "FlexAttention", "times as long",
    "with a sink logit",
]  # fmt: skip


def _with_sink(book: Book, case: AttentionCase) -> str:
    """The time of our kernel with the sink logit over the time without it, in one case."""
    time, without = book.seconds(case), book.seconds(case, NO_SINK)
    if time and without:
        return _ratio(time, without)
    return book.why(case, NO_SINK if time else OWN)


def _lengths(book: Book) -> list[str]:
    cases = [
        AttentionCase(dim, length, causal)
        for dim in HEAD_DIMS
        for causal in (False, True)
        for length in LENGTHS
    ]
    rows = []
    for case in cases:
        name = f"{case.head_dim}, {case.length}" + ", causal" * case.causal
        sink = AttentionCase(case.head_dim, case.length, case.causal, SINK)
        rows.append([*_attention_row(book, case, name), _with_sink(book, sink)])
    return table(["head dim, length", *_ATTENTION], rows, _any(book, cases))


def _variants(book: Book) -> list[str]:
    cases = [
        AttentionCase(dim, MAIN_LENGTH, causal, SINK)
        for dim in HEAD_DIMS
        for causal in (False, True)
    ]
    cases += [
        AttentionCase(dim, MAIN_LENGTH, True, parts) for dim in HEAD_DIMS for parts in VARIANTS
    ]
    for causal in (False, True):
        for parts in ((), SINK):
            cases.append(AttentionCase(128, MAIN_LENGTH, causal, parts, heads=64, kv_heads=8))
    rows = []
    for case in cases:
        name = f"{case.head_dim}: " + (" + ".join(case.parts) or "plain") + ", causal" * case.causal
        if case.heads != case.kv_heads:
            name += f", {case.heads} and {case.kv_heads} heads"
        with_sink = _with_sink(book, case) if "sink_logit" in case.parts else ""
        rows.append([*_attention_row(book, case, name), with_sink])
    return table([f"length {MAIN_LENGTH}", *_ATTENTION], rows, _any(book, cases))


# Aims


@dataclass
class Aim:
    """`value` of the times it `needs`, a case and a contender each; `good` says whether it is
    reached."""

    label: str
    needs: tuple[tuple[Case, str], ...]
    value: float | None
    good: Callable[[float], bool]
    unit: str = ""

    def row(self, book: Book) -> list[str]:
        """Aim, measured, pass or fail."""
        if self.value is not None:
            verdict = "pass" if self.good(self.value) else "fail"
            return [self.label, f"{self.value:.3g}{self.unit}", verdict]
        missing = [need for need in self.needs if book.seconds(*need) is None]
        why = book.why(*missing[0]) if missing else NOTHING
        # If a peer failed, we did not miss the aim.
        ours = bool(missing) and missing[0][1] in OURS
        return [self.label, why, "fail" if ours and why != NOTHING else ""]


def _quotient(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _norm_aims(book: Book) -> list[Aim]:
    rms, gated = (NormCase(kind, MAIN_DIM, MAIN_ROWS) for kind in ("rms", "gated"))
    limit = _quotient(rms.bytes, book.bandwidth())
    share = _quotient(limit, book.seconds(rms))
    cost = _quotient(book.seconds(gated), book.seconds(gated, NO_GATE))
    gain = _quotient(book.seconds(gated, "torch.compile"), book.seconds(gated))
    at_most = "GatedNorm in at most 1.25 times the plain norm's time"
    faster = "GatedNorm 3 times as fast as torch.compile"
    return [
        Aim("RMSNorm at 0.9 of copy bandwidth", ((rms, OWN),), share, lambda x: x >= 0.9),
        Aim(at_most, ((gated, OWN), (gated, NO_GATE)), cost, lambda x: x <= 1.25),
        Aim(faster, ((gated, OWN), (gated, "torch.compile")), gain, lambda x: x >= 3),
    ]


def _attention_aims(book: Book, causal: bool) -> list[Aim]:
    mask = ", causal" * causal
    plain, sink = (AttentionCase(128, MAIN_LENGTH, causal, parts) for parts in ((), SINK))
    rate = _quotient(plain.flops / 1e12, book.seconds(plain))
    more = _quotient(book.seconds(sink), book.seconds(sink, NO_SINK))
    fast = f"attention at 350 TFLOP/s, head dim 128{mask}"
    free = f"a sink logit in less than 1.01 times the time{mask}"
    return [
        Aim(fast, ((plain, OWN),), rate, lambda x: x >= 350, " TFLOP/s"),
        Aim(free, ((sink, OWN), (sink, NO_SINK)), more, lambda x: x < 1.01),
    ]


def aims(book: Book) -> list[list[str]]:
    """The aims at the main sizes, and whether they were reached."""
    found = [*_norm_aims(book), *_attention_aims(book, False), *_attention_aims(book, True)]
    return [aim.row(book) for aim in found]


def _failures(book: Book) -> list[str]:
    lines = []
    for key, result in book.results.items():
        lines += [f"- {key}: {name}: {why}" for name, why in result["failed"].items()]
    return lines


def markdown(results: Results, machine: dict[str, Any] | None = None) -> str:
    """All tables."""
    book = Book(results)
    parts: list[tuple[str, list[str]]] = [
        ("", table(["aim", "measured", ""], aims(book), True)),
        ("Limits", _limits(book)),
        (f"Norms, {MAIN_ROWS} rows, bf16", _norms(book)),
        (f"Norms by rows, dim {MAIN_DIM}", _sweep(book)),
        ("Attention forward, bf16", _lengths(book)),
        ("Attention with sinks, gates and windows", _variants(book)),
    ]
    if book.results:
        parts.append(("Errors, relative", _errors(book)))
    if failures := _failures(book):
        parts.append(("Without a time", failures))
    lines = []
    if machine:
        shown = {k: v for k, v in machine.items() if k != "kind"}
        lines += ["; ".join(f"{name} {value}" for name, value in shown.items()), ""]
    for title, body in parts:
        lines += [f"### {title}", ""] if title else []
        lines += [*body, ""]
    return "\n".join(lines)
