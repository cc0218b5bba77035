"""Progress of a run whose stderr is a file: lines, but only of long runs."""

from __future__ import annotations

from basin.analysis import progress


def test_lines_where_stderr_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    assert list(progress.steps(3, shown=True)) == [0, 1, 2]
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "basin: measured 1 of 3 batches",
        "basin: measured 2 of 3 batches",
    ]
    assert all(line.endswith(" s left") for line in lines)


def test_a_short_run_says_nothing(capsys):
    assert list(progress.steps(3, shown=True)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_nothing_is_said_unasked(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    assert list(progress.steps(3, shown=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
