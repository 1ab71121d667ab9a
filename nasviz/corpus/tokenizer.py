"""`Tokenizer`: byte-level BPE whose smaller vocabularies are prefixes of its larger ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError

N_BYTES = 256
TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"

# Pieces that are encoded at once: long enough to be fast, short enough to use both cores.
_PIECE_BYTES = 1 << 16
_PIECES_AT_ONCE = 64

# Between a character that is no white space and a space or newline, the GPT-2 pattern always ends
# a word and never looks across: text cut here is encoded as if it were whole. The pattern names
# the UTF-8 of scripts in which no character is white space (of U+3000 and its like, none).
SAFE_BORDER = re.compile(
    rb"(?:[!-~]|[\xc3-\xdf][\x80-\xbf]|\xe0[\x80-\xbf]{2}|\xe3\x80[\x81-\xbf]"
    rb"|\xe3[\x81-\xbf][\x80-\xbf]|[\xe4-\xed][\x80-\xbf]{2}|\xf0[\x80-\xbf]{3})(?=[ \n])"
)


def check_holds_text(vocab_size: int) -> None:
    """Raise `InputError` for a vocabulary that has no room for every byte."""
    if vocab_size < N_BYTES:
        raise InputError(
            f"vocab_size={vocab_size} can't hold text; at least {N_BYTES}, one for each byte"
        )


@dataclass(frozen=True)
class Tokenizer:
    """A byte-level BPE vocabulary: ids 0 to 255 are the bytes, id 256 + i is the i-th merge.

    `merges` are pairs of ids. A text that has too few pairs to merge leaves the last ids of
    `vocab_size` unused; they never occur and stand for no bytes.

    Text is split into words by GPT-2's pattern before merging (Radford et al. 2019; BPE: Sennrich
    et al. 2016, arXiv:1508.07909).
    """

    vocab_size: int
    merges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        check_holds_text(self.vocab_size)
        if len(self.merges) > self.vocab_size - N_BYTES:
            raise InputError(
                f"{len(self.merges)} merges don't fit into vocab_size={self.vocab_size}"
            )

    def cut(self, vocab_size: int) -> Tokenizer:
        """Return the tokenizer of the first `vocab_size` ids."""
        return Tokenizer(vocab_size, self.merges[: max(0, vocab_size - N_BYTES)])

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:
        """The bytes that each used id stands for, by id."""
        pieces = [bytes([value]) for value in range(N_BYTES)]
        for left, right in self.merges:
            pieces.append(pieces[left] + pieces[right])
        return tuple(pieces)

    @cached_property
    def token_bytes(self) -> NDArray[np.int64]:
        """Number of bytes of each id, shape `(vocab_size,)`; 0 for unused ids."""
        lengths = np.zeros(self.vocab_size, dtype=np.int64)
        lengths[: len(self.pieces)] = [len(piece) for piece in self.pieces]
        lengths.flags.writeable = False
        return lengths

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text`; a lone surrogate, which has no UTF-8, is an `InputError`."""
        try:
            ids: list[int] = self.encode_bytes(text.encode()).tolist()
        except UnicodeEncodeError as error:
            raise InputError(
                f"the text has a lone surrogate at character {error.start:,}, which UTF-8 has not"
            ) from None
        return ids

    def encode_bytes(self, text: bytes) -> NDArray[Any]:
        """Return the ids of UTF-8 `text`, shape `(n,)`, in the smallest fitting unsigned type."""
        if not self.merges:
            return plain_ids(text, id_type(self.vocab_size))
        return self._merged(text, SAFE_BORDER)

    def _merged(self, text: bytes, border: re.Pattern[bytes] | None) -> NDArray[Any]:
        """Return the ids of `text` by its merges; it is cut at a `border`, where there is one."""
        dtype = id_type(self.vocab_size)
        encoded = [
            np.array(encoding.ids, dtype=dtype)
            for batch in _batches(safe_pieces(text, _PIECE_BYTES, border))
            for encoding in self._backend.encode_batch_fast(batch)
        ]
        return np.concatenate([np.empty(0, dtype=dtype), *encoded])

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes that `ids` stand for; raises `InputError` for an id out of range."""
        pieces = self.pieces
        found = []
        for each in ids:
            if not 0 <= each < self.vocab_size:
                raise InputError(f"token {each} is not in a vocabulary of {self.vocab_size}")
            found.append(pieces[each] if each < len(pieces) else b"")
        return b"".join(found)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids` for display: bytes that are no UTF-8 show as U+FFFD."""
        return self.decode_bytes(ids).decode(errors="replace")

    def save(self, directory: str | Path) -> None:
        """Write `tokenizer.json` and its configuration as `transformers` reads them."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        data = json.loads(self._backend.to_str())
        (folder / TOKENIZER_FILE).write_text(json.dumps(data, ensure_ascii=False), "utf-8")
        config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "vocab_size": self.vocab_size,
        }
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2), "utf-8")

    @classmethod
    def load(cls, directory: str | Path) -> Tokenizer:
        """Return the tokenizer that `save` wrote; raises `InputError` if it isn't whole.

        Another model's, which was adopted, is read by `nasviz.corpus.adopted_tokenizer`.
        """
        folder = Path(directory)
        try:
            data = json.loads((folder / TOKENIZER_FILE).read_text("utf-8"))
            config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
            if data["pre_tokenizer"]["type"] != "ByteLevel":
                raise InputError(f"tokenizer {folder}: cuts text in another way than ours")
            vocabulary = data["model"]["vocab"]
            merges = [(vocabulary[left], vocabulary[right]) for left, right in spelled_merges(data)]
            loaded = cls(int(config["vocab_size"]), tuple(merges))
        except OSError as error:
            raise InputError(f"tokenizer {folder}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InputError(f"tokenizer {folder}: damaged ({error})") from None
        if loaded.vocabulary() != vocabulary:
            raise InputError(f"tokenizer {folder}: its ids are not bytes first, then merges")
        return loaded

    def vocabulary(self) -> dict[str, int]:
        """Return the ids by their spelling in `tokenizer.json`: a printable character a byte."""
        spelling = byte_characters()
        return {
            "".join(spelling[byte] for byte in piece): number
            for number, piece in enumerate(self.pieces)
        }

    @cached_property
    def _backend(self) -> Any:
        from tokenizers import Tokenizer as Backend
        from tokenizers import decoders, models, pre_tokenizers

        vocabulary = self.vocabulary()
        names = list(vocabulary)
        merges = [(names[left], names[right]) for left, right in self.merges]
        backend = Backend(models.BPE(vocab=vocabulary, merges=merges))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        return backend


def id_type(vocab_size: int) -> Any:
    """Return the smallest of our unsigned types that holds every id."""
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32


def plain_ids(text: bytes, dtype: Any) -> NDArray[Any]:
    """Return the bytes of `text` as ids, one each: in every vocabulary they come first."""
    return np.frombuffer(text, dtype=np.uint8).astype(dtype)


def safe_pieces(
    text: bytes, piece_bytes: int, border: re.Pattern[bytes] | None = SAFE_BORDER
) -> Iterator[bytes]:
    """Yield `text` in pieces of about `piece_bytes` that are encoded as the whole is.

    They end at a `border`; without one the whole text is a piece.
    """
    start = 0
    while start < len(text):
        found = border.search(text, start + piece_bytes) if border else None
        stop = found.end() if found else len(text)
        yield text[start:stop]
        start = stop


def _batches(pieces: Iterator[bytes]) -> Iterator[list[str]]:
    batch: list[str] = []
    for piece in pieces:
        batch.append(piece.decode("utf-8"))
        if len(batch) == _PIECES_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def spelled_merges(data: Any) -> Iterator[Sequence[str]]:
    """Yield the merges of a `tokenizer.json`, written as pairs or (before 2024) as `a b`."""
    for merge in data["model"]["merges"]:
        yield merge.split(" ") if isinstance(merge, str) else merge


def byte_characters() -> list[str]:
    """Return the printable character that byte-level BPE writes for each byte (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(N_BYTES) if byte not in table]
    table.update({byte: chr(N_BYTES + index) for index, byte in enumerate(others)})
    return [table[byte] for byte in range(N_BYTES)]
