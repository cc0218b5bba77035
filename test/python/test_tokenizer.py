"""What the tokenizer's files say about BOS, and the texts of single tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from basin.analysis import AnalysisError
from basin.analysis.data import load
from basin.analysis.token_text import Decoder
from basin.analysis.tokenizer import make_tokenizer, tokenizer_files
from basin.report.values import token_name
from tokenizers import decoders, models, pre_tokenizers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A tokenizer of words that puts nothing before a text; <s> is id 1."""
    vocab = {"<unk>": 0, "<s>": 1, "one": 2, "two": 3, "Ġthe": 4, "Ċ": 5, "é": 6}
    made = tokenizers.Tokenizer(models.WordLevel(vocab, "<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>"])
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def configured(path: Path, **config: object) -> Path:
    path.with_name("tokenizer_config.json").write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("token", ["<s>", {"content": "<s>", "lstrip": False}])
def test_bos_that_the_configuration_puts_first(path, token, tmp_path):
    made = make_tokenizer(str(configured(path, bos_token=token, add_bos_token=True)), None)
    assert (made.bos, made.named_bos, made.notes) == (1, None, [])
    assert tokenizer_files(path) == [path, path.with_name("tokenizer_config.json")]
    assert made.encode("one two", whole=True).tolist() == [1, 2, 3]
    assert made.encode("one two").tolist() == [2, 3]
    (tmp_path / "a.txt").write_text("one two " * 3)
    assert [s.tolist() for s in load(tmp_path / "a.txt", tokenizer=made, length=3).sequences] == [
        [1, 2, 3]
    ] * 3


@pytest.mark.parametrize("config", [{"add_bos_token": False}, {}])
def test_bos_that_is_only_named(path, config, tmp_path):
    """It is known, with a warning, but not added if the tokenizer itself does not add it."""
    made = make_tokenizer(str(configured(path, bos_token="<s>", **config)), None)
    assert (made.bos, made.named_bos) == (None, 1)
    (tmp_path / "a.txt").write_text("one two one two")
    data = load(tmp_path / "a.txt", tokenizer=made, length=2)
    assert [s.tolist() for s in data.sequences] == [[2, 3], [2, 3]]
    assert data.bos == 1
    assert any("--bos 1" in note for note in data.notes)
    given = load(tmp_path / "a.txt", tokenizer=made, length=3, bos=1)
    assert [s.tolist() for s in given.sequences] == [[1, 2, 3], [1, 2, 3]] and given.notes == []


@pytest.mark.parametrize("config", [{}, {"bos_token": None}, {"bos_token": "<other>"}, {"x": 1}])
def test_no_bos_in_the_configuration(path, config):
    made = make_tokenizer(str(configured(path, **config)), None)
    assert (made.bos, made.named_bos, made.notes) == (None, None, [])


def test_a_broken_configuration_is_an_error(path):
    path.with_name("tokenizer_config.json").write_text("{")
    with pytest.raises(AnalysisError, match=r"tokenizer_config\.json: not JSON"):
        make_tokenizer(str(path), None)


def test_byte_level_tokens(path):
    made = make_tokenizer(str(path), None)
    assert [made.text(id) for id in (1, 2, 4, 5)] == ["<s>", "one", " the", "\n"]
    # This byte is no character by itself.
    assert made.text(6) == "\\xe9"
    assert made.text(99) is None


@pytest.mark.parametrize(
    "decoder, token, text",
    [
        ({"type": "Metaspace", "replacement": "▁"}, "▁the", " the"),
        (
            {
                "type": "Sequence",
                "decoders": [
                    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                    {"type": "ByteFallback"},
                ],
            },
            "▁▁the",
            "  the",
        ),
        ({"type": "Sequence", "decoders": [{"type": "ByteFallback"}]}, "<0x0A>", "\n"),
        ({"type": "ByteLevel"}, "Ã©", "é"),
        # This token has no byte-level characters, so it was added as it is.
        ({"type": "ByteLevel"}, "<｜begin▁of▁sentence｜>", "<｜begin▁of▁sentence｜>"),
        ({"type": "WordPiece", "prefix": "##"}, "##ing", "##ing"),
        (None, "Ġthe", "Ġthe"),
    ],
)
def test_decoders(decoder, token, text):
    assert Decoder(decoder).text(token) == text


def test_spaces_are_visible_in_the_report():
    def name(text: str) -> str:
        return token_name({"position": 3, "id": 7, "text": text})

    assert name(" the") == "position 3, “␣the” (id 7)"
    assert name("  ") == "position 3, “␣␣” (id 7)"
    assert name("a b ") == "position 3, “a b␣” (id 7)"
    assert name("\n") == "position 3, “\\n” (id 7)"
