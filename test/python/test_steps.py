"""The registry of steps, how steps are asked for and refused, and what a model says of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

basin = pytest.importorskip("basin")
pytest.importorskip("basin._basin", reason="the extension is not built")
from basin import _basin  # noqa: E402
from basin.registry import as_requests, as_text, takes_over  # noqa: E402
from basin.verify import verify  # noqa: E402
from model_files import basin as command  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny-shakespeare.onnx"
PASSES = ROOT / "include" / "basin" / "Dialect" / "Sink" / "Transforms" / "Passes.td"
KINDS = {
    "true|false",
    "FILE",
    "INTEGER",
    "INTEGER|auto",
    "NUMBER",
    "PATTERN",
    "[STREAM/]DIMENSION:SCALE,...",
    "ID,...|@FILE",
    "WORD",
}


# The registry


def test_every_pass_that_says_so_is_a_step():
    """Those that rewrite a model for a user. The others prove, measure or compare."""
    text = PASSES.read_text("utf-8")
    defined = dict(re.findall(r': Step<"([^"]+)", "([^"]+)"', text))
    assert {step.name: step.pass_name for step in basin.steps()} == defined
    plain = set(re.findall(r': Pass<"([^"]+)"', text))
    assert plain == {
        "sink-prove-scales",
        "sink-instrument-outliers",
        "sink-instrument-prefix",
        "sink-instrument-quantization",
        "sink-instrument-ranges",
        "sink-round-to-f16",
        "sink-instrument-sinks",
        "sink-instrument-smoothing",
    }


@pytest.mark.parametrize("step", basin.steps(), ids=lambda step: step.name)
def test_every_field_is_filled(step):
    for text in (step.summary, step.promise_kind, step.promise, step.good_for, step.not_for):
        assert text and text == text.strip() and "TODO" not in text
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", step.name)
    for option in step.options:
        assert option.help and option.values in KINDS
        assert option.is_file == (option.values == "FILE")
    # The examples are steps that can be asked for.
    for example in (step.example, step.small_example):
        parsed = _basin.parse_steps([step.name, *example.split()])
        assert _basin.get_passes(parsed).startswith(step.pass_name)


def test_the_registry_has_defaults_and_kinds():
    (rescale,) = (step for step in basin.steps() if step.name == "rescale-residual")
    shown = {o.name: (o.values, o.default, o.rounds) for o in rescale.options}
    assert shown == {
        "k": ("INTEGER|auto", "auto", False),
        "stats": ("FILE", "", False),
        "bound": ("NUMBER", "0", False),
        "inexact": ("NUMBER", "0", True),
    }
    assert rescale.full_promise == "bit-exact while values stay in their type's normal range"


def test_options_that_end_a_promise():
    """Their default alone keeps it. One of them says that sequences lack their first tokens."""
    ending = {s.name: {o.name for o in s.options if o.promises_at_default} for s in basin.steps()}
    assert {name: found for name, found in ending.items() if found} == {
        "insert-sink-tokens": {"take-over", "init"},
        "smooth": {"factors"},
    }
    assert {s.name: s.take_over_option for s in basin.steps() if s.take_over_option} == {
        "insert-sink-tokens": "take-over"
    }
    assert takes_over("insert-sink-tokens", {"ids": "1"})
    assert not takes_over("insert-sink-tokens", {"ids": "1", "take-over": "false"})
    assert not takes_over("insert-pre-affine", {})


def test_examples_are_each_step_alone_and_all():
    names = [[name for name, _ in steps] for steps in _basin.list_examples()]
    # Those that need a file which a run makes are left out.
    left_out = {step.name for step in basin.steps() if step.examples_need_run}
    one = [step.name for step in basin.steps() if step.name not in left_out]
    assert left_out == {"absorb-prefix", "compress-sinks", "smooth"}
    assert names == 2 * [*([name] for name in one), one]


def test_the_list_shows_everything(tmp_path):
    result = command(tmp_path, "rewrite", "--list")
    assert (result.returncode, result.stderr) == (0, "")
    for step in basin.steps():
        part = result.stdout.split(f"{step.name}: ")[1]
        for text in (step.summary, step.full_promise, step.good_for, step.not_for):
            assert text in part
        for option in step.options:
            assert f"  {option.name}={option.values}  {option.help}" in part
    assert "(default: auto)" in result.stdout


# Asking for steps


def test_words_are_steps_with_options():
    words = "rescale-residual k=3 inexact=1e-3 insert-pre-affine".split()
    parsed = _basin.parse_steps(words)
    assert parsed == [
        ("rescale-residual", [("k", "3"), ("inexact", "1e-3")]),
        ("insert-pre-affine", []),
    ]
    assert _basin.get_passes(parsed) == (
        "sink-rescale-residual{k=3 inexact=1e-3},sink-insert-pre-affine"
    )


REFUSED = [
    ("absorb-residul", "unknown step 'absorb-residul': did you mean 'absorb-residual'? the steps"),
    ("translate", "unknown step 'translate': the steps are absorb-prefix, "),
    ("insert-pre-affine k=3", "has no option 'k': 'rescale-residual' has it"),
    (
        "insert-pre-affine stats=x",
        "has no option 'stats': 'absorb-residual', 'narrow-mask', 'quantize', 'rescale-residual' "
        "and 'smooth' have it",
    ),
    ("insert-pre-affine x=3", "has no option 'x': it takes no options"),
    ("rescale-residual bond=3", "has no option 'bond': did you mean 'bound'? its options are k"),
    ("k=3 rescale-residual", "option 'k=3' stands before any step"),
    ("rescale-residual k=3 rescale-residual k=3", "step 'rescale-residual' is given twice"),
    ("rescale-residual k=3 k=4", "option 'k' is given twice"),
    ("rescale-residual k=1.5", "expected INTEGER|auto, but got '1.5'"),
    ("rescale-residual k=", "expected INTEGER|auto, but got ''"),
    ("rescale-residual bound=big", "expected NUMBER, but got 'big'"),
    ("rescale-residual bound=nan", "expected NUMBER, but got 'nan'"),
    ("absorb-residual scale-dims=3", "expected [STREAM/]DIMENSION:SCALE,..., but got '3'"),
    ("absorb-residual scale-dims=3:4,", "expected [STREAM/]DIMENSION:SCALE,..., but got '3:4,'"),
    ("absorb-residual scale-dims=-3:4", "expected [STREAM/]DIMENSION:SCALE,..., but got '-3:4'"),
    ("absorb-residual stats=none.json", "'none.json': No such file or directory"),
    ("absorb-residual stats=.", "'.' is a folder, not a file"),
    ("rescale-residual k=3,sink-insert-pre-affine{}", "expected INTEGER|auto"),
    ("", "unknown step ''"),
]


@pytest.mark.parametrize(("words", "reason"), REFUSED)
def test_refusals_are_one_line_and_write_nothing(tmp_path, words, reason):
    result = command(tmp_path, "rewrite", TINY, "out.onnx", *(words.split() or [""]))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and reason in result.stderr
    assert os.listdir(tmp_path) == []


def test_a_file_is_no_input_and_output(tmp_path):
    (tmp_path / "s.json").write_text("{}")
    for options in (["s.json"], ["out.onnx", "--save-recipe", "s.json"]):
        result = command(tmp_path, "rewrite", TINY, *options, "absorb-residual", "stats=s.json")
        assert result.returncode == 1 and "the same file as an input" in result.stderr
    assert os.listdir(tmp_path) == ["s.json"] and (tmp_path / "s.json").read_text() == "{}"


def test_names_that_no_encoding_has(tmp_path):
    value = os.fsdecode(b"stats=\xff.json")
    result = command(tmp_path, "rewrite", TINY, "out.onnx", "absorb-residual", value)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


def test_order_is_that_of_the_words(tmp_path):
    """Vectors that are inserted first take the scales, and after them there is none to insert."""
    absorb, insert = ["absorb-residual", "scale-dims=3:4"], ["insert-pre-affine"]
    weights = []
    for name, words in (("a.onnx", [*absorb, *insert]), ("b.onnx", [*insert, *absorb])):
        result = command(tmp_path, "rewrite", TINY, name, *words)
        assert result.returncode == 0, result.stderr
        assert verify(TINY, tmp_path / name, random=1).bit_identical
        model = onnx.load(tmp_path / name)
        (recorded,) = (p.value for p in model.metadata_props if p.key == "basin.steps")
        assert [one["step"] for one in json.loads(recorded)] == [w for w in words if "=" not in w]
        weights.append([t for t in model.graph.initializer if t.name.endswith("pre_affine")])
    assert len(weights[0]) == len(weights[1]) == 7


# Python


def test_values_of_python_are_texts():
    scales = {3: 64, np.int64(17): np.float32(0.0625)}
    values = ["auto", 3, 1e-3, True, [1, 2], scales, Path("a") / "b"]
    texts = ["auto", "3", "0.001", "true", "1,2", "3:64,17:0.0625", "a/b"]
    assert list(map(as_text, values)) == texts
    given = ["insert-pre-affine", ("absorb-residual", {"scale-dims": {3: 64}})]
    assert as_requests(given) == [
        ("insert-pre-affine", []),
        ("absorb-residual", [("scale-dims", "3:64")]),
    ]
    for wrong in ("insert-pre-affine", [("absorb-residual", {"stats": None})]):
        with pytest.raises(TypeError, match="but got"):
            as_requests(wrong)


def test_a_model_is_rewritten(tmp_path):
    model = basin.load(TINY)
    before = model.text()
    with pytest.raises(basin.BasinError, match="unknown step 'absorb'"):
        model.rewrite("absorb")
    with pytest.raises(basin.BasinError, match="power of two as the scale, but got '3:3'"):
        model.rewrite(("absorb-residual", {"scale-dims": {3: 3}}))
    with pytest.raises(basin.BasinError, match="form"):
        model.rewrite(form="none")
    with pytest.raises(basin.BasinError, match="expected the name of a form"):
        model.rewrite(form="original},sink-insert-pre-affine{")
    assert model.text() == before
    steps = (("absorb-residual", {"scale-dims": {3: 64}}), ("insert-pre-affine", {}))
    assert model.rewrite(*steps, form="original") == []
    model.save(tmp_path / "a.onnx")
    assert verify(TINY, tmp_path / "a.onnx", random=1).bit_identical
    assert basin.rewrite(TINY, tmp_path / "b.onnx", steps) == []
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_what_rounds_is_measured(tmp_path):
    assert _basin.promise_equal_bits([("rescale-residual", [("k", "3"), ("inexact", "0")])])
    assert not _basin.promise_equal_bits([("rescale-residual", [("k", "3"), ("inexact", "0.1")])])
    steps = [("rescale-residual", {"k": 3, "inexact": 0.1})]
    (said,) = basin.rewrite(TINY, tmp_path / "out.onnx", steps)
    # Nothing is rounded in this model, whose weights take 2^3 exactly.
    assert said.startswith("remark: output 'logits' is at most 0 away from the original's, whose")
    assert said.endswith("the mean KL is 0 nats")
    assert basin.rewrite(TINY, tmp_path / "b.onnx", steps, verify=False) == []


# Metadata


def recorded(path: Path) -> list[dict] | None:
    """The list of steps that a model has, if any."""
    texts = [p.value for p in onnx.load(path).metadata_props if p.key == "basin.steps"]
    assert len(texts) < 2
    return json.loads(texts[0]) if texts else None


def version() -> str:
    """The version of the package."""
    (found,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    return found


def test_a_model_says_which_steps_made_it(tmp_path):
    """Once, twice, and not without steps."""
    (tmp_path / "sub").mkdir()
    stats = {"version": 1, "residual_streams": [{"max_abs": [1.0] * 63 + [64.0]}]}
    (tmp_path / "sub" / "a b.json").write_text(json.dumps(stats))
    lines = [
        ["none.onnx"],
        ["once.onnx", "absorb-residual", "stats=sub/a b.json", "inexact=0"],
        ["twice.onnx", "rescale-residual", "k=2", "insert-pre-affine"],
        ["again.onnx", "--form", "functions"],
    ]
    source: Path = TINY
    found = []
    for target, *options in lines:
        result = command(tmp_path, "rewrite", source, target, *options)
        assert result.returncode == 0, result.stderr
        source = tmp_path / target
        found.append(recorded(source))
    first = {"step": "absorb-residual", "options": {"stats": "a b.json", "inexact": "0"}}
    more = [
        {"step": "rescale-residual", "options": {"k": "2"}},
        {"step": "insert-pre-affine", "options": {}},
    ]
    once, *others = (entry | {"basin": version()} for entry in [first, *more])
    assert found == [None, [once], [once, *others], [once, *others]]
    assert (tmp_path / "none.onnx").stat().st_size <= (tmp_path / "once.onnx").stat().st_size
    shown = command(tmp_path, "inspect", "twice.onnx", "--json")
    assert json.loads(shown.stdout)["steps"] == [once, *others]
    shown = command(tmp_path, "inspect", "twice.onnx").stdout
    table = shown[shown.index("steps (3)") :]
    assert re.search(r"absorb-residual +│ inexact=0 +│ 0", table)
    assert "stats=a b.json" in table
    assert version() in table
    assert json.loads(command(tmp_path, "inspect", TINY, "--json").stdout)["steps"] == []


WRONG = ["", "{}", "[1]", "[" * 5000, '[{"step": 1}]', '[{"step": "x", "options": {"a": []}}]']


@pytest.mark.parametrize("text", WRONG)
def test_foreign_metadata_are_replaced(tmp_path, text):
    model = onnx.load(TINY)
    model.metadata_props.add(key="basin.steps", value=text)
    model.metadata_props.add(key="other", value="kept")
    onnx.save(model, tmp_path / "m.onnx")
    assert basin.load(tmp_path / "m.onnx").inspect()["steps"] == []
    said = basin.rewrite(tmp_path / "m.onnx", tmp_path / "out.onnx", ["insert-pre-affine"])
    assert any("expected a list of steps; it is replaced" in line for line in said)
    assert [one["step"] for one in recorded(tmp_path / "out.onnx")] == ["insert-pre-affine"]
    kept = {p.key: p.value for p in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert kept["other"] == "kept"


def test_an_instrumented_model_keeps_its_steps(tmp_path):
    """Each pass that adds metadata keeps those of others."""
    model = basin.load(TINY)
    model.rewrite("insert-pre-affine")
    model.run("basin-raise,sink-instrument-outliers,convert-sink-to-onnx")
    model.save(tmp_path / "m.onnx")
    keys = [p.key for p in onnx.load(tmp_path / "m.onnx").metadata_props]
    assert sorted(keys) == ["basin.statistics", "basin.steps"]


# Completion


def complete(*words: str) -> list[str]:
    """What the shell offers for the last of the words."""
    environment = os.environ | {
        "PYTHONPATH": str(Path(basin.__file__).parents[1]),
        "_BASIN_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["basin", *words]),
        "COMP_CWORD": str(len(words)),
    }
    line = [sys.executable, "-m", "basin"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    return done.stdout.split()


def test_completion():
    start = ["rewrite", "in.onnx", "out.onnx"]
    names = [step.name for step in basin.steps()]
    assert complete("rew") == ["rewrite"]
    assert complete(*start, "") == names
    assert complete(*start, "insert-p") == ["insert-pre-affine"]
    others = [name for name in names if name != "rescale-residual"]
    assert complete(*start, "rescale-residual", "") == [
        "k=", "stats=", "bound=", "inexact=", *others,
    ]  # fmt: skip
    assert complete(*start, "rescale-residual", "k=3", "b") == ["bound="]
    assert complete(*start, "rescale-residual", "k", "=", "3", "b") == ["bound="]
    others.remove("insert-pre-affine")
    assert complete(*start, "rescale-residual", "k=3", "insert-pre-affine", "") == others


def test_the_weights_change_as_asked(tmp_path):
    """A step of the command line reaches its pass: the embedding is divided by 2^6."""
    result = command(tmp_path, "rewrite", TINY, "out.onnx", "rescale-residual", "k=6")
    assert result.returncode == 0, result.stderr

    def embedding(path: Path) -> np.ndarray:
        weights = onnx.load(path).graph.initializer
        return next(onnx.numpy_helper.to_array(w) for w in weights if len(w.dims) == 2)

    np.testing.assert_array_equal(embedding(TINY) / 64, embedding(tmp_path / "out.onnx"))
