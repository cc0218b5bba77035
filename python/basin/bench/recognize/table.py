"""The results as Markdown: a table with a row for each architecture, and the misses by reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from basin.bench.recognize.cases import Case
from basin.bench.recognize.mangling import TOOLS
from basin.bench.recognize.matrix import Matrix
from basin.bench.recognize.outcomes import UNSUPPORTED, Outcome, outcomes
from basin.bench.recognize.peers import PEERS

COLUMNS: dict[str, tuple[str, ...]] = {
    "attention": ("attention",),
    "norms": ("layer_norms", "rms_norms"),
    "rotary": ("rotary",),
}
PEER_NAMES = {"ort-transformers": "ONNX Runtime", "onnxscript": "onnxscript"}
MOST_REASONS = 3


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _head(names: list[str]) -> list[str]:
    return [_row(names), "|" + "---|" * len(names)]


def ratio(rows: list[Outcome], kinds: tuple[str, ...]) -> str:
    """found/expected of some kinds, or nothing where there are none."""
    pairs = [one.matched(kinds) for one in rows]
    found, expected = (sum(side) for side in zip(*pairs)) if pairs else (0, 0)
    return f"{found}/{expected}" if expected else ""


def reasons(rows: list[Outcome]) -> str:
    """Why operators were missed, the commonest reason first."""
    counted: Counter[str] = Counter()
    for one in rows:
        if one.error:
            counted[one.error[:120]] += 1
        elif one.missing:
            given = [f"{op}: {reason}" for op, reason, _ in one.reasons]
            counted.update(given or ["no reason given"])
    shown = [text for text, _ in counted.most_common(MOST_REASONS)]
    more = len(counted) - len(shown)
    return "; ".join(shown) + (f"; {more} more" if more > 0 else "")


def _architecture(name: str, rows: list[Outcome], with_peers: bool) -> list[str]:
    refused = [one.export_error for one in rows if one.export_error]
    refused = [text for text in refused if UNSUPPORTED not in text]
    done = [one for one in rows if not one.export_error]
    sound = [one for one in done if not one.broken]
    broken = f"{len(done) - len(sound)} broken" if len(sound) < len(done) else ""
    cells = [name, " + ".join(text for text in (str(len(sound)), broken) if text)]
    cells += [ratio(sound, kinds) for kinds in COLUMNS.values()]
    cells.append(str(sum(one.false for one in sound) or ""))
    if with_peers:
        cells += [_peer_cell(sound, peer) for peer in PEERS]
    why = reasons(sound)
    if refused and not done:
        why = f"not exported: {refused[0][:120]}"
    return [*cells, why]


def _peer_cell(rows: list[Outcome], peer: str) -> str:
    """The attentions that a peer fused, of the exports that it was given."""
    given = [one for one in rows if peer in one.peers and one.expected["attention"]]
    if not given:
        return ""
    found = sum(one.peer_matched(peer, ("attention",)) for one in given)
    return f"{found}/{sum(one.expected['attention'] for one in given)}"


def by_architecture(rows: list[Outcome]) -> str:
    """The main table."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in rows:
        groups[one.case.arch].append(one)
    with_peers = any(one.peers for one in rows)
    names = ["architecture", "exports", *COLUMNS, "false"]
    names += [f"attention by {PEER_NAMES[peer]}" for peer in PEERS] if with_peers else []
    lines = _head([*names, "why not"])
    lines += [_row(_architecture(name, groups[name], with_peers)) for name in sorted(groups)]
    return "\n".join(lines)


def _whole(rows: list[Outcome]) -> str:
    whole = sum(not one.missing and not one.error for one in rows)
    return f"{whole} of {len(rows)}"


def summary(rows: list[Outcome]) -> str:
    """Basin and its peers on the same exports: those that run, and that every peer was given."""
    names = ["tool", "exports", *COLUMNS, "more than there are", "wrong result", "error"]
    lines = _head(names)
    sound = [one for one in rows if not one.export_error and not one.broken]
    compared = [one for one in sound if all(peer in one.peers for peer in PEERS)]
    for title, some in (("Basin, all sound exports", sound), ("Basin, same exports", compared)):
        cells = [title, str(len(some)), *(ratio(some, kinds) for kinds in COLUMNS.values())]
        cells += [str(sum(sum(one.more.values()) for one in some))]
        cells += [str(sum(bool(one.wrong) for one in some))]
        lines.append(_row([*cells, str(sum(bool(one.error) for one in some))]))
        if not compared:
            return "\n".join(lines)
    for peer in PEERS:
        lines.append(_row(_peer_summary(peer, compared)))
    return "\n".join(lines)


def _peer_summary(peer: str, rows: list[Outcome]) -> list[str]:
    cells = [PEER_NAMES[peer], str(len(rows))]
    for kinds in COLUMNS.values():
        found = sum(one.peer_matched(peer, kinds) for one in rows)
        cells.append(f"{found}/{sum(one.matched(kinds)[1] for one in rows)}")
    more = 0
    for one in rows:
        found = one.peers[peer].get("found", {})
        more += sum(max(0, found[k] - one.expected[k]) for k in found)
    faults = [one.peer_fault(peer) for one in rows]
    failed = sum(fault.startswith("error") for fault in faults)
    return [*cells, str(more), str(sum(bool(f) for f in faults) - failed), str(failed)]


def by_form(rows: list[Outcome]) -> str:
    """A row for each exporter and opset, type, and cache."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in rows:
        case = one.case
        form = [f"{case.exporter} {case.opset}", case.attention, case.dtype]
        if not one.export_error:
            groups[", ".join(form + ["cache"] * case.cache)].append(one)
    lines = _head(["form", "exports", "broken", "recognized whole", *COLUMNS, "false"])
    for name in sorted(groups):
        some = [one for one in groups[name] if not one.broken]
        broken = len(groups[name]) - len(some)
        cells = [name, str(len(some)), str(broken or ""), _whole(some)]
        cells += [ratio(some, kinds) for kinds in COLUMNS.values()]
        lines.append(_row([*cells, str(sum(one.false for one in some) or "")]))
    return "\n".join(lines)


def by_tool(matrix: Matrix, cases: list[Case]) -> str:
    """A row for each tool that rewrote copies of the exports."""
    lines = _head(["copies by", "copies", "recognized whole", *COLUMNS, "false", "not made"])
    for tool in TOOLS:
        some = [one for one in outcomes(matrix, cases, tool) if not one.broken]
        made = [matrix.row("mangle", f"{case.id}@{tool}") for case in cases]
        failed = Counter(_short(row["error"]) for row in made if row and "error" in row)
        if not some and not failed:
            continue
        cells = [tool, str(len(some)), _whole(some)]
        cells += [ratio(some, kinds) for kinds in COLUMNS.values()]
        cells.append(str(sum(one.false for one in some) or ""))
        why = "; ".join(f"{number}: {text}" for text, number in failed.most_common(2))
        lines.append(_row([*cells, why]))
    return "\n".join(lines)


def _short(text: str) -> str:
    return text[:80]


def misses(rows: list[Outcome]) -> str:
    """Every miss, grouped by its kind and the reasons given."""
    lines = []
    for kind in ("attention", "layer_norms", "rms_norms", "rotary"):
        some = [one for one in rows if kind in one.missing and not one.broken and not one.error]
        lines.append(f"## {kind}: {sum(one.missing[kind] for one in some)} missing")
        groups: dict[str, list[Outcome]] = defaultdict(list)
        for one in some:
            given = sorted({f"{op}: {reason}" for op, reason, _ in one.reasons})
            groups[" / ".join(given) or "no reason given"].append(one)
        for reason, group in sorted(groups.items(), key=lambda item: -len(item[1])):
            lines.append(f"- {reason} ({len(group)})")
            lines += [f"    - {one.subject}: {_counts(one)}" for one in group]
    for title, some in (
        ("errors", [f"{one.subject}: {one.error}" for one in rows if one.error and not one.broken]),
        ("more than there are", [f"{one.subject}: {_counts(one)}" for one in rows if one.more]),
        ("raises that differ", [f"{one.subject}: {text}" for one in rows for text in one.wrong]),
        ("broken exports", [f"{one.subject}: {one.broken}" for one in rows if one.broken]),
        ("not exported", [f"{one.subject}: {one.export_error[:160]}" for one in rows
                          if one.export_error and UNSUPPORTED not in one.export_error]),
    ):  # fmt: skip
        lines.append(f"## {title}: {len(some)}")
        lines += [f"- {text}" for text in some]
    return "\n".join(lines)


def _counts(one: Outcome) -> str:
    pairs = ((kind, one.found.get(kind, 0), one.expected[kind]) for kind in one.expected)
    return ", ".join(f"{kind} {found}/{wanted}" for kind, found, wanted in pairs if found or wanted)
