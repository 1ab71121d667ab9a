"""The tokenizer of a checkpoint of `transformers`, in our order: bytes first, then merges.

Any byte-pair encoding that stands for every text can be numbered so. What it does besides to a text
(a space before it, a special token at its start) is left out: tokens then come to the text's bytes
exactly, which bits per byte need.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.corpus.adopted_tokenizer import AdoptedTokenizer
from nasviz.corpus.spelling import ByteSpelling, Spelling, spelling_of
from nasviz.corpus.tokenizer import N_BYTES, TOKENIZER_FILE, Tokenizer, spelled_merges
from nasviz.errors import InputError

# What reading a file raises that holds something else than it should.
_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip


def read_foreign_tokenizer(
    directory: str | Path, vocab_size: int
) -> tuple[Tokenizer, NDArray[np.int64]]:
    """Return the tokenizer in `directory` with `vocab_size` ids, and its own id of each of ours.

    The second has the shape (vocab_size,): tokens that no text is made of (special ones, padding)
    come last. Raises `InputError` for a tokenizer whose tokens don't stand for all bytes of every
    text, and for a missing or damaged file.
    """
    path = Path(directory) / TOKENIZER_FILE
    try:
        data = json.loads(path.read_text("utf-8"))
        vocabulary = {str(token): int(number) for token, number in data["model"]["vocab"].items()}
        merges = [(str(left), str(right)) for left, right in spelled_merges(data)]
        spelling = spelling_of(data)
        added = {str(each["content"]) for each in data.get("added_tokens") or ()}
    except FileNotFoundError:
        raise InputError(
            f"{directory} has no {TOKENIZER_FILE}, which says what its tokens stand for"
        ) from None
    except InputError as error:
        raise InputError(
            f"{path} cuts text otherwise than the byte-pair encodings that are read: {error}"
        ) from None
    except _DAMAGED as error:
        raise InputError(f"{path} is no tokenizer of byte-pair encoding: {error!r}") from None
    ours = _numbered(path, spelling, vocabulary, merges, added)
    order = [vocabulary[token] for token in ours]
    fitting = min(order) >= 0 and max(order) < vocab_size and len(order) <= vocab_size
    if len(set(order)) < len(order) or not fitting:
        raise InputError(f"{path}: its ids don't fit into the model's vocab_size={vocab_size}")
    rest = sorted(set(range(vocab_size)) - set(order))
    pairs = tuple((ours[left], ours[right]) for left, right in merges)
    tokenizer: Tokenizer = AdoptedTokenizer(vocab_size, pairs, tuple(ours)[N_BYTES:], spelling)
    if _is_gpt2s(data) and len(pairs) == len(tokenizer.pieces) - N_BYTES and _in_order(pairs):
        tokenizer = Tokenizer(vocab_size, pairs)
    return _checked(path, tokenizer), np.array([*order, *rest], dtype=np.int64)


def _numbered(
    path: Path,
    spelling: Spelling,
    vocabulary: dict[str, int],
    merges: list[tuple[str, str]],
    added: set[str],
) -> dict[str, int]:
    """Return our ids of all tokens that text is made of: bytes, letters, then merges in order."""
    plain = spelling.of_bytes
    ours = {token: value for value, token in enumerate(plain)}
    by_id = sorted(vocabulary, key=vocabulary.__getitem__)
    for token in spelling.letters([each for each in by_id if each not in added]):
        ours[token] = len(ours)
    for left, right in merges:
        if left + right in plain:
            raise InputError(f"{path}: the merge of {left!r} and {right!r} makes a single byte")
        ours.setdefault(left + right, len(ours))
    if isinstance(spelling, ByteSpelling) and spelling.whole_words:
        for token in by_id:
            if token not in added:
                ours.setdefault(token, len(ours))
    for left, right in merges:
        if left not in ours or right not in ours:
            raise InputError(
                f"{path}: the merge of {left!r} and {right!r} makes no new token of known ones"
            )
    missing = [token for token in ours if token not in vocabulary]
    if missing:
        raise InputError(f"{path} has no id for {missing[0]!r}, which its texts need")
    return ours


def _is_gpt2s(data: dict[str, Any]) -> bool:
    """Whether it cuts text as ours does: GPT-2's pattern, and nothing before or besides."""
    before = data.get("pre_tokenizer") or {}
    return (
        before.get("type") == "ByteLevel"
        and before.get("use_regex", True)
        and not data["model"].get("ignore_merges")
    )


def _in_order(pairs: tuple[tuple[int, int], ...]) -> bool:
    """Whether the i-th merge makes token 256 + i, of tokens before it."""
    return all(max(pair) < N_BYTES + number for number, pair in enumerate(pairs))


def _checked(path: Path, tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer after it has read a line; raises `InputError` where it can't."""
    line = "def café(x):\n\treturn  '▁', 12345  # 🙂\r\n"
    try:
        read = tokenizer.decode_bytes(tokenizer.encode(line))
    except Exception as error:  # tokenizers raises nothing narrower, for a wrong pattern say
        raise InputError(f"{path} can't be read: {error}") from None
    if read != line.encode():
        raise InputError(f"{path}: its tokens of a text are not all bytes of it")
    return tokenizer
