"""Token sequences from files, refusals, and the feeds that are made of sequences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import tokenizers
from basin.analysis import AnalysisError
from basin.analysis.batches import plan
from basin.analysis.data import load, random_tokens
from basin.analysis.feed import Feeder, vocabulary
from basin.analysis.tokenizer import make_tokenizer
from basin.inputs.signature import Facts, read_facts
from onnx import TensorProto, helper
from tokenizers import models, pre_tokenizers, processors

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
EXPORTED = ROOT / "test" / "models" / "exported"


def lists(sequences: list[np.ndarray]) -> list[list[int]]:
    """Sequences as lists."""
    return [one.tolist() for one in sequences]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A tokenizer of words that puts <s>, id 1, before a text."""
    vocab = {"<unk>": 0, "<s>": 1, "one": 2, "two": 3, "three": 4}
    made = tokenizers.Tokenizer(models.WordLevel(vocab, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(["<s>"])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair=None, special_tokens=[("<s>", 1)]
    )
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    return path


# Files


def test_npz_with_mask_keeps_real_tokens(tmp_path):
    ids = np.array([[1, 5, 6, 0], [0, 1, 7, 8]])
    np.savez(tmp_path / "a.npz", input_ids=ids, attention_mask=ids != 0, other=np.zeros(3))
    data = load(tmp_path / "a.npz", vocabulary=9)
    assert lists(data.sequences) == [[1, 5, 6], [1, 7, 8]]
    assert (data.kind, data.source, data.length, data.bos) == ("tokens", "a.npz", 3, 1)
    assert data.notes == ["all sequences begin with id 1, so it is taken for BOS"]


def test_npz_of_one_array(tmp_path):
    np.savez(tmp_path / "a.npz", tokens=np.array([[1, 2], [3, 4]], np.uint8))
    data = load(tmp_path / "a.npz")
    assert lists(data.sequences) == [[1, 2], [3, 4]]
    assert data.bos is None


def test_rows_keep_their_first_tokens(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(20, dtype=np.int32).reshape(4, 5))
    data = load(tmp_path / "a.npy", length=3, limit=2)
    assert lists(data.sequences) == [[0, 1, 2], [5, 6, 7]]


def test_a_stream_is_cut_into_windows(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10))
    assert lists(load(tmp_path / "a.npy", length=4).sequences) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with_bos = load(tmp_path / "a.npy", length=4, bos=99)
    assert lists(with_bos.sequences) == [[99, 0, 1, 2], [99, 3, 4, 5], [99, 6, 7, 8]]
    assert lists(load(tmp_path / "a.npy", length=40).sequences) == [list(range(10))]


def test_jsonl_of_ids(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('[1, 2, 3]\n\n{"input_ids": [4, 5], "text": "ignored"}\n')
    data = load(path, bos=1)
    assert lists(data.sequences) == [[1, 2, 3], [1, 4, 5]]
    assert data.kind == "tokens"


def test_jsonl_of_text_gets_the_tokenizers_bos(tmp_path, words):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one two"}\n{"text": "three"}\n')
    data = load(path, tokenizer=make_tokenizer(str(words), None))
    assert lists(data.sequences) == [[1, 2, 3], [1, 4]]
    assert (data.kind, data.bos) == ("text", 1)
    assert data.tokenizer.text(4) == "three"


def test_text_is_a_stream(tmp_path, words):
    path = tmp_path / "a.txt"
    path.write_text("one two three " * 3)
    data = load(path, tokenizer=make_tokenizer(str(words), None), length=4)
    assert lists(data.sequences) == [[1, 2, 3, 4]] * 3


def test_bytes_are_the_testbeds_ids(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("hé\n".encode())
    with_bos = load(path, tokenizer=make_tokenizer("bytes", 257))
    assert lists(with_bos.sequences) == [[256, 104, 0xC3, 0xA9, 10]]
    assert lists(load(path, tokenizer=make_tokenizer("bytes", 256)).sequences) == [
        [104, 0xC3, 0xA9, 10]
    ]
    texts = [with_bos.tokenizer.text(id) for id in (256, 104, 0xC3, 300)]
    assert texts == ["<bos>", "h", "\\xc3", None]


def test_bos_of_the_model_is_known_but_not_put_in(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[5, 6], [7, 8]]))
    data = load(tmp_path / "a.npy", model_bos=5)
    assert lists(data.sequences) == [[5, 6], [7, 8]]
    assert data.bos == 5


def test_random_tokens_are_the_same_every_time():
    one, two = (random_tokens(3, 7, 50, 6) for _ in range(2))
    assert lists(one.sequences) == lists(two.sequences)
    assert one.kind == "random"
    assert {int(row[0]) for row in one.sequences} == {6}
    assert set(np.concatenate(one.sequences).tolist()) == set(range(7))
    with pytest.raises(
        AnalysisError,
        match="--bos: expected an id below 7, the rows of the model's table, but got 7",
    ):
        random_tokens(1, 7, bos=7)


# Refusals


def save_npy(array: Any) -> Any:
    """A writer of one array."""
    return lambda path: np.save(path, array)


def save_text(text: str | bytes) -> Any:
    """A writer of one text."""
    return lambda path: path.write_bytes(text if isinstance(text, bytes) else text.encode())


RAGGED = np.empty(2, object)
RAGGED[:] = [[1], [1, 2]]
REFUSED = [
    ("a.npy", save_npy(np.zeros((2, 3))), "expected whole numbers as ids, but got float64"),
    ("a.npy", save_npy(np.array([[True]])), "expected whole numbers as ids, but got bool"),
    ("a.npy", save_npy(np.array([[3, -1]])), "expected ids of at least 0, but got -1"),
    ("a.npy", save_npy(np.array([[3, 10]])), "id 10, but the model's table has 10 rows"),
    ("a.npy", save_npy(np.array([[2**63]], np.uint64)), "beyond 64-bit integers"),
    ("a.npy", save_npy(np.zeros((0, 3), int)), "expected tokens"),
    ("a.npy", save_npy(np.zeros((3, 0), int)), "expected tokens"),
    ("a.npy", save_npy(np.zeros((1, 2, 3), int)), r"shape \[N, T\] or \[T\], but got \[1, 2, 3\]"),
    ("a.npy", lambda path: np.save(path, RAGGED, allow_pickle=True), "of different lengths"),
    ("a.npy", save_text("no array"), "a.npy"),
    ("a.npz", save_text("no archive"), "a.npz"),
    ("a.npz", save_text(b""), "a.npz"),
    ("a.npz", lambda path: np.savez(path, a=[1], b=[2]), "'input_ids', but got a, b"),
    (
        "a.npz",
        lambda path: np.savez(path, input_ids=np.ones((2, 3), int), attention_mask=np.ones((2, 2))),
        r"input_ids has shape \[2, 3\], but attention_mask \[2, 2\]",
    ),
    (
        "a.npz",
        lambda path: np.savez(path, input_ids=[[1, 2]], attention_mask=[[0, 0]]),
        "expected tokens",
    ),
    ("a.jsonl", save_text("[1, 2]\n[1, 2\n"), "a.jsonl, line 2: not JSON"),
    ("a.jsonl", save_text("[1, 2]\n[1, [2]]\n"), "line 2: expected whole numbers"),
    ("a.jsonl", save_text("[1.5]\n"), "line 1: expected whole numbers"),
    ("a.jsonl", save_text("[true]\n"), "line 1: expected whole numbers"),
    ("a.jsonl", save_text(f"[{2**64}]\n"), "line 1: expected whole numbers"),
    ("a.jsonl", save_text('{"ids": [1]}\n'), "line 1: expected a list of ids"),
    ("a.jsonl", save_text('{"text": 3}\n'), "line 1: expected a string as 'text'"),
    ("a.jsonl", save_text('{"text": "one"}\n'), "line 1: text needs --tokenizer"),
    ("a.jsonl", save_text('[1]\n{"text": "one"}\n'), "line 2: expected ids or text in all lines"),
    ("a.jsonl", save_text("[1]\n[]\n"), "expected tokens"),
    ("a.jsonl", save_text("\n"), "expected tokens"),
    ("a.jsonl", save_text(b"[1]\xff"), "not UTF-8 at byte 3"),
    ("a.txt", save_text("one"), "text needs --tokenizer"),
]


@pytest.mark.parametrize(
    ("name", "write", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED]
)
def test_data_that_cannot_be_used(tmp_path, name, write, reason):
    write(tmp_path / name)
    with pytest.raises(AnalysisError, match=reason) as caught:
        load(tmp_path / name, vocabulary=10)
    assert "\n" not in str(caught.value)


def test_missing_files(tmp_path):
    with pytest.raises(AnalysisError, match="--data: no such file: .*nothing.npz"):
        load(tmp_path / "nothing.npz")
    with pytest.raises(AnalysisError, match="--tokenizer: no such file"):
        make_tokenizer(str(tmp_path / "nothing.json"), None)


def test_a_window_has_to_hold_more_than_bos(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4))
    with pytest.raises(AnalysisError, match="--length"):
        load(tmp_path / "a.npy", length=1, bos=1)


@pytest.mark.parametrize("content", ["", "{", '{"model": 3}'])
def test_tokenizers_that_are_none(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(AnalysisError, match="--tokenizer: .*tokenizer.json"):
        make_tokenizer(str(path), None)


# Feeds


def signature(*inputs: tuple[str, int, list[Any]]) -> list[ort.NodeArg]:
    """The signature of a model that returns these inputs."""
    values = [helper.make_tensor_value_info(*one) for one in inputs]
    outputs = [helper.make_tensor_value_info(n + ".out", t, s) for n, t, s in inputs]
    nodes = [helper.make_node("Identity", [n], [n + ".out"]) for n, _, _ in inputs]
    graph = helper.make_graph(nodes, "g", values, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.get_inputs()


def feeder(*inputs: tuple[str, int, list[Any]], batch: int = 2, bounds: Any = None) -> Feeder:
    """A feeder for a model with these inputs beside its ids."""
    ids = ("input_ids", TensorProto.INT64, ["batch", "seq"])
    return Feeder(signature(ids, *inputs), Facts(bounds or {}, batch, {}, [], 0))


def feed(made: Feeder, sequences: list[list[int]], pad: bool = True) -> dict[str, np.ndarray]:
    """The feed of the only batch of these sequences."""
    batches = plan([np.array(one) for one in sequences], made, 8, pad)
    assert len(batches.batches) == 1
    return made.feed(batches.make(0))


def test_ids_masks_and_positions_are_padded_on_the_right():
    made = feeder(
        ("attention_mask", TensorProto.INT64, ["batch", "total"]),
        ("position_ids", TensorProto.INT64, ["batch", "seq"]),
        ("token_type_ids", TensorProto.INT32, ["batch", "seq"]),
        ("cache_position", TensorProto.INT64, ["seq"]),
    )
    values = feed(made, [[5, 6, 7], [8]])
    assert made.pads
    assert values["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert values["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert values["position_ids"].tolist() == [[0, 1, 2], [0, 0, 0]]
    assert values["token_type_ids"].tolist() == [[0] * 3] * 2
    assert values["token_type_ids"].dtype == np.int32
    assert values["cache_position"].tolist() == [0, 1, 2]


def test_the_past_is_empty():
    made = feeder(
        ("past_key_values.0.key", TensorProto.FLOAT16, ["batch", 2, "past", 8]),
        ("past_1", TensorProto.FLOAT, [2, "batch", 4, "past", 8]),
        ("use_cache_branch", TensorProto.BOOL, [1]),
        ("seqlens_k", TensorProto.INT32, ["batch"]),
        ("total_sequence_length", TensorProto.INT32, []),
        ("attention_mask", TensorProto.INT64, ["batch", "total"]),
    )
    values = feed(made, [[5, 6, 7], [8]])
    assert values["past_key_values.0.key"].shape == (2, 2, 0, 8)
    assert values["past_key_values.0.key"].dtype == np.float16
    assert values["past_1"].shape == (2, 2, 4, 0, 8)
    assert values["use_cache_branch"].tolist() == [False]
    assert values["seqlens_k"].tolist() == [2, 0]
    assert values["total_sequence_length"] == 3


def test_additive_masks_are_causal():
    made = feeder(("mask", TensorProto.FLOAT16, ["batch", 1, "seq", "seq"]))
    mask = feed(made, [[5, 6, 7], [8, 9]])["mask"]
    lowest = np.finfo(np.float16).min
    assert mask.dtype == np.float16
    assert (mask[0, 0] == 0).tolist() == np.tril(np.ones((3, 3), bool)).tolist()
    assert mask[0, 0, 0, 1] == lowest
    assert (mask[1, 0, :2] == 0).tolist() == [[True, False, False], [True, True, False]]


def test_boolean_masks_are_true_where_seen():
    made = feeder(("mask", TensorProto.BOOL, ["batch", 1, "seq", "seq"]))
    mask = feed(made, [[5, 6]])["mask"]
    assert mask.tolist() == [[[[True, False], [True, True]]]]


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (("pixel_values", TensorProto.FLOAT, ["batch", 3, 8, 8]), "input 'pixel_values'"),
        (("past_0", TensorProto.FLOAT, ["batch", "h", "past", 8]), "input 'past_0': expected one"),
        (("past_0", TensorProto.FLOAT, ["batch", 2, 16, 8]), "input 'past_0': expected one"),
        (("decoder_ids", TensorProto.INT64, ["batch", "seq"]), "found 2"),
    ],
)
def test_inputs_that_cannot_be_filled(extra, reason):
    with pytest.raises(AnalysisError, match=reason):
        feeder(extra)


def test_models_without_token_ids_are_refused():
    inputs = signature(("embeds", TensorProto.FLOAT, ["batch", "seq", 8]))
    with pytest.raises(AnalysisError, match="found 0 among the inputs 'embeds'"):
        Feeder(inputs, Facts({}, 2, {}, [], 0))


def test_more_tokens_than_positions_are_refused():
    made = feeder(("position_ids", TensorProto.INT64, ["batch", "seq"]), bounds={"position_ids": 4})
    with pytest.raises(AnalysisError, match="at most 4 tokens.*but got 5: give --length 4"):
        feed(made, [[1, 2, 3, 4, 5]])
    assert feed(made, [[1, 2, 3, 4]])["position_ids"].tolist() == [[0, 1, 2, 3]]


# Batches


def sizes(made: Feeder, lengths: list[int], size: int, pad: bool) -> tuple[list[Any], list[str]]:
    """Lengths of the sequences of each batch, and notes."""
    batches = plan([np.arange(1, n + 1) for n in lengths], made, size, pad)
    return [[len(one) for one in batch] for batch in batches.batches], batches.notes


def test_padded_batches_follow_the_data_others_group_by_length():
    made = feeder()
    assert sizes(made, [3, 5, 3, 5, 3], 2, True)[0] == [[3, 5], [3, 5], [3]]
    assert sizes(made, [3, 5, 3, 5, 3], 2, False)[0] == [[3, 3], [3], [5, 5]]


def test_models_of_one_sequence():
    assert sizes(feeder(batch=1), [3, 3], 8, True)[0] == [[3], [3]]


def test_fixed_sizes_leave_out_what_does_not_fit():
    ids = ("input_ids", TensorProto.INT64, [2, 4])
    made = Feeder(signature(ids), Facts({}, 2, {}, [], 0))
    found, notes = sizes(made, [4, 9, 3, 5, 4, 6], 8, False)
    assert found == [[4, 4], [4, 4]]
    assert notes == [
        "the model takes 4 tokens: 3 longer sequences are cut",
        "the model takes 4 tokens: 1 shorter sequences are left out",
        "the model takes batches of 2: 1 sequences are left out",
    ]
    padded = plan([np.ones(3, int)] * 2, made, 8, True)
    assert padded.make(0).ids.shape == (2, 4)
    with pytest.raises(AnalysisError, match="batch of 2 and a length of 4"):
        sizes(made, [3, 3], 8, False)


# Models at hand


def test_vocabularies():
    assert vocabulary(read_facts(MODELS / "text-small.onnx")) == 257
    assert vocabulary(read_facts(EXPORTED / "bert-eager-script17.onnx")) == vocabulary(
        read_facts(EXPORTED / "bert-eager-dynamo18.onnx")
    )


@pytest.mark.parametrize("path", sorted(EXPORTED.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_exported_model_can_be_fed(path):
    """Two sequences of different lengths run, padded where the model has a mask."""
    if not json.loads(path.with_suffix(".expect.json").read_text()).get("ort_runs", True):
        pytest.skip("ONNX Runtime has no kernels for it")
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    made = Feeder(session.get_inputs(), read_facts(path))
    batches = plan([np.array([1, 2, 3]), np.array([4, 5])], made, 2, made.pads)
    for index in range(len(batches.batches)):
        values = made.feed(batches.make(index))
        first = session.run(None, values)[0]
        real = batches.make(index).mask
        assert np.isfinite(np.asarray(first)[: len(real)][real]).all()


def test_model_metadata_tells_bos(tmp_path):
    from basin.commands.data_options import bos_of

    model = onnx.load(MODELS / "text-small.onnx")
    entry = model.metadata_props.add()
    entry.key, entry.value = "bos_token_id", "256"
    onnx.save(model, tmp_path / "m.onnx")
    assert bos_of(read_facts(tmp_path / "m.onnx").metadata) == 256
    assert bos_of({"bos": "none"}) is None
