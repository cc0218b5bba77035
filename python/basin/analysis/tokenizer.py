"""Text to token ids: a tokenizer file of the `tokenizers` library, or the testbeds' bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from basin.analysis import AnalysisError

# The testbeds' ids: bytes, and BOS where the model has an id more (basin.testbed.data).
BYTES = 256


class Tokenizer(Protocol):
    """What data needs of a tokenizer."""

    name: str
    bos: int | None

    def encode(self, text: str, whole: bool = False) -> np.ndarray:
        """Ids of a text, [T] i64: `whole` with the special tokens that belong around it."""
        ...

    def text(self, id: int) -> str | None:
        """What to show for an id."""
        ...


class ByteTokenizer:
    """Bytes of UTF-8 as ids; BOS is 256 if the model's vocabulary has it."""

    name = "bytes"

    def __init__(self, vocabulary: int | None) -> None:
        self.bos = BYTES if vocabulary is not None and vocabulary > BYTES else None

    def encode(self, text: str, whole: bool = False) -> np.ndarray:
        """Ids of a text, [T] i64; none belong around it but BOS, which is put there later."""
        return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8).astype(np.int64)

    def text(self, id: int) -> str | None:
        """The character of an ASCII byte, and its escape otherwise."""
        if id == self.bos:
            return "<bos>"
        return bytes([id]).decode("ascii", "backslashreplace") if 0 <= id < BYTES else None


class FileTokenizer:
    """A `tokenizer.json`. BOS is the special token that it puts before a text, if it does."""

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
        encoded = self._tokenizer.encode("a", add_special_tokens=True)
        special = encoded.ids and encoded.special_tokens_mask[0]
        self.bos = encoded.ids[0] if special else None

    def encode(self, text: str, whole: bool = False) -> np.ndarray:
        """Ids of a text, [T] i64: `whole` with the special tokens that belong around it."""
        ids = self._tokenizer.encode(text, add_special_tokens=whole).ids
        return np.array(ids, np.int64)

    def text(self, id: int) -> str | None:
        """The token as the vocabulary has it."""
        return self._tokenizer.id_to_token(id)


def make_tokenizer(name: str | None, vocabulary: int | None) -> Tokenizer | None:
    """The tokenizer of `--tokenizer`: `bytes` or a file. Raises AnalysisError where it is none."""
    if name is None:
        return None
    return ByteTokenizer(vocabulary) if name == "bytes" else FileTokenizer(Path(name))
