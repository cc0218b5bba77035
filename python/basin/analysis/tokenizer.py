"""Text to token ids: a tokenizer file of the `tokenizers` library, or the testbeds' bytes.

BOS is the special token that the tokenizer puts before a text. Many files leave that to the
`tokenizer_config.json` beside them: its `bos_token` is put first if `add_bos_token` is true.
Otherwise it is known as BOS, but not put first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from basin.analysis.token_text import Decoder
from basin.errors import AnalysisError

# The testbeds' ids: bytes, and BOS where the model has an id more (basin.testbed.data).
BYTES = 256
CONFIG = "tokenizer_config.json"


class Tokenizer(Protocol):
    """The interface of a tokenizer.

    `bos` is the id that it puts before a text. `named_bos` is an id that is BOS but is not put
    there, and `notes` say so.
    """

    name: str
    bos: int | None
    named_bos: int | None
    notes: list[str]

    def encode(self, text: str, whole: bool = False) -> np.ndarray:
        """Ids of a text, [T] i64: `whole` with the special tokens that belong around it."""
        ...

    def text(self, id: int) -> str | None:
        """The text to show for an id."""
        ...


class ByteTokenizer:
    """Bytes of UTF-8 as ids; BOS is 256 if the model's vocabulary has it."""

    name = "bytes"

    def __init__(self, vocabulary: int | None) -> None:
        self.bos = BYTES if vocabulary is not None and vocabulary > BYTES else None
        self.named_bos: int | None = None
        self.notes: list[str] = []

    def encode(self, text: str, whole: bool = False) -> np.ndarray:
        """Ids of a text, [T] i64. There are no special tokens but BOS, which is added later."""
        return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int64)

    def text(self, id: int) -> str | None:
        """The character of an ASCII byte, and its escape otherwise."""
        if id == self.bos:
            return "<bos>"
        return bytes([id]).decode("ascii", "backslashreplace") if 0 <= id < BYTES else None


class FileTokenizer:
    """A `tokenizer.json`, with the `tokenizer_config.json` beside it where there is one."""

    def __init__(self, path: Path) -> None:
        import tokenizers

        if not path.is_file():
            raise AnalysisError(f"--tokenizer: no such file: {path}")
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # The library raises plain Exception.
            raise AnalysisError(f"--tokenizer: {path}: {error}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.name = path.name
        self._decoder = Decoder(json.loads(self._tokenizer.to_str()).get("decoder"))
        encoded = self._tokenizer.encode("a", add_special_tokens=True)
        special = encoded.ids and encoded.special_tokens_mask[0]
        self.bos = encoded.ids[0] if special else None
        self.named_bos: int | None = None
        self.notes: list[str] = []
        if self.bos is None:
            self._read_config(path.with_name(CONFIG))

    def _read_config(self, path: Path) -> None:
        """BOS as the configuration has it."""
        config = _config(path)
        token = config.get("bos_token")
        token = token.get("content") if isinstance(token, dict) else token
        id = self._tokenizer.token_to_id(token) if isinstance(token, str) else None
        if id is None:
            return
        if config.get("add_bos_token") is True:
            self.bos = id
            return
        self.named_bos = id
        self.notes.append(
            f"BOS is id {id} ('{token}', {CONFIG}), but this tokenizer does not put it before "
            f"a text: give --bos {id} for that"
        )

    def encode(self, text: str, whole: bool = False) -> np.ndarray:
        """Ids of a text, [T] i64: `whole` with the special tokens that belong around it."""
        ids = self._tokenizer.encode(text, add_special_tokens=whole).ids
        # The file's special tokens around a text do not include the configuration's BOS.
        if whole and self.bos is not None and ids[:1] != [self.bos]:
            ids = [self.bos, *ids]
        return np.array(ids, np.int64)

    def text(self, id: int) -> str | None:
        """The token's text, with spaces and bytes in place of the vocabulary's signs for them."""
        token = self._tokenizer.id_to_token(id)
        return None if token is None else self._decoder.text(token)


def _config(path: Path) -> dict[str, Any]:
    """The configuration; empty without one."""
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{path}: not JSON: {getattr(error, 'msg', error)}") from None
    return config if isinstance(config, dict) else {}


def tokenizer_files(path: Path) -> list[Path]:
    """The files that a tokenizer is read from."""
    config = path.with_name(CONFIG)
    return [path, config] if config.is_file() else [path]


def make_tokenizer(name: str | None, vocabulary: int | None) -> Tokenizer | None:
    """The tokenizer of `--tokenizer`: `bytes` or a file. Raises AnalysisError if it is neither."""
    if name is None:
        return None
    return ByteTokenizer(vocabulary) if name == "bytes" else FileTokenizer(Path(name))
