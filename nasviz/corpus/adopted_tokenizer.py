"""`AdoptedTokenizer`: another model's tokenizer, its bytes numbered first, byte for byte exact."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.corpus.spelling import Spelling, spelling_of
from nasviz.corpus.tokenizer import (
    CONFIG_FILE,
    N_BYTES,
    TOKENIZER_FILE,
    Tokenizer,
    id_type,
    plain_ids,
    spelled_merges,
)
from nasviz.errors import InputError


@dataclass(frozen=True)
class AdoptedTokenizer(Tokenizer):
    """Byte-pair encoding of another kind than ours: ids 0 to 255 are the bytes all the same.

    `tokens` are those from id 256 on, as `spelling` spells them, in the order in which merges make
    them; several merges may make one. A shorter vocabulary has the first of them, and the merges
    that need no other: it stands for every text too.
    """

    tokens: tuple[str, ...] = ()
    spelling: Spelling | None = None

    def __post_init__(self) -> None:
        if len(self.tokens) > self.vocab_size - N_BYTES:
            raise InputError(
                f"{len(self.tokens)} tokens besides the bytes don't fit into "
                f"vocab_size={self.vocab_size}"
            )

    def cut(self, vocab_size: int) -> Tokenizer:
        """Return the tokenizer of the first `vocab_size` ids; of 256 it is that of plain bytes."""
        if vocab_size <= N_BYTES:
            return Tokenizer(vocab_size)
        merges = tuple(
            (left, right)
            for left, right in self.merges
            if max(left, right, self._ids[self._spelled[left] + self._spelled[right]]) < vocab_size
        )
        return AdoptedTokenizer(
            vocab_size, merges, self.tokens[: vocab_size - N_BYTES], self.spelling
        )

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:
        """The bytes that each used id stands for, by id."""
        plain = (bytes([value]) for value in range(N_BYTES))
        return (*plain, *(self._how.piece(token) for token in self.tokens))

    def encode_bytes(self, text: bytes) -> NDArray[Any]:
        """Return the ids of UTF-8 `text`, shape `(n,)`, in the smallest fitting unsigned type."""
        escaped = self._how.escaped
        parts = text.split(escaped) if escaped else [text]
        sign = plain_ids(escaped, id_type(self.vocab_size))
        encoded = [self._merged(parts[0], self._border)]
        for part in parts[1:]:
            encoded += [sign, self._merged(part, self._border)]
        return np.concatenate(encoded)

    def vocabulary(self) -> dict[str, int]:
        """Return the ids by their spelling in `tokenizer.json`."""
        return dict(self._ids)

    @property
    def _how(self) -> Spelling:
        assert self.spelling is not None
        return self.spelling

    @cached_property
    def _spelled(self) -> tuple[str, ...]:
        return (*self._how.of_bytes, *self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self._spelled)}

    @cached_property
    def _border(self) -> Any:
        return self._how.border(self.tokens)

    @cached_property
    def _backend(self) -> Any:
        from tokenizers import Tokenizer as Backend

        merges = [[self._spelled[left], self._spelled[right]] for left, right in self.merges]
        parts = self._how.file_parts()
        model = {"type": "BPE", "vocab": self._ids, "merges": merges, **parts["model"]}
        return Backend.from_str(json.dumps({**parts, "added_tokens": [], "model": model}))


def load_tokenizer(directory: str | Path) -> Tokenizer:
    """Return the tokenizer that `save` wrote, of ours or adopted.

    Raises `InputError` if it isn't whole.
    """
    folder = Path(directory)
    try:
        data = json.loads((folder / TOKENIZER_FILE).read_text("utf-8"))
        adopted = data["pre_tokenizer"]["type"] != "ByteLevel"
    except OSError as error:
        raise InputError(f"tokenizer {folder}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"tokenizer {folder}: damaged ({error})") from None
    return _loaded(folder, data) if adopted else Tokenizer.load(folder)


def _loaded(folder: Path, data: dict[str, Any]) -> AdoptedTokenizer:
    try:
        spelling = spelling_of(data)
        config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        ids: dict[str, int] = data["model"]["vocab"]
        merges = tuple((ids[left], ids[right]) for left, right in spelled_merges(data))
        tokens = sorted(ids, key=ids.__getitem__)
        whole = [ids[token] for token in tokens] == list(range(len(tokens)))
        if not whole or tuple(tokens[:N_BYTES]) != spelling.of_bytes:
            raise InputError("its ids are not bytes first, then tokens")
        size = int(config["vocab_size"])
        return AdoptedTokenizer(size, merges, tuple(tokens[N_BYTES:]), spelling)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"tokenizer {folder}: damaged ({error})") from None
