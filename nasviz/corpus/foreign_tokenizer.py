"""The tokenizer of a checkpoint of `transformers`, in our order: bytes first, then merges.

Any byte-level BPE can be numbered so. What is merged, and how text is cut into words before, must
be what ours does: GPT-2's pattern, no normalisation, each token made by one merge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.corpus.tokenizer import N_BYTES, TOKENIZER_FILE, Tokenizer
from nasviz.errors import InputError


def read_foreign_tokenizer(
    directory: str | Path, vocab_size: int
) -> tuple[Tokenizer, NDArray[np.int64]]:
    """Return the tokenizer in `directory` with `vocab_size` ids, and its own id of each of ours.

    The second has the shape (vocab_size,): tokens that no text is made of (special ones, padding)
    come last. Raises `InputError` for a tokenizer that cuts text in another way than ours, and for
    a missing or damaged file.
    """
    path = Path(directory) / TOKENIZER_FILE
    try:
        data = json.loads(path.read_text("utf-8"))
        model = data["model"]
        vocabulary = {str(token): int(number) for token, number in model["vocab"].items()}
        merges = [
            tuple(each.split(" ") if isinstance(each, str) else each) for each in model["merges"]
        ]
    except FileNotFoundError:
        raise InputError(
            f"{directory} has no {TOKENIZER_FILE}, which says what its tokens stand for"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no tokenizer of byte-level BPE: {error!r}") from None
    _check_cut(path, data)
    plain = Tokenizer(N_BYTES).vocabulary()
    ours = dict(plain)
    pairs = []
    for left, right in merges:
        if left not in ours or right not in ours or left + right in ours:
            raise InputError(
                f"{path}: the merge of {left!r} and {right!r} makes no new token of known ones; "
                "only tokenizers with one merge a token are read"
            )
        pairs.append((ours[left], ours[right]))
        ours[left + right] = len(ours)
    missing = [token for token in ours if token not in vocabulary]
    if missing:
        raise InputError(f"{path} has no id for {missing[0]!r}, which its merges make")
    order = [vocabulary[token] for token in ours]
    if len(set(order)) < len(order) or max(order) >= vocab_size or len(order) > vocab_size:
        raise InputError(f"{path}: its ids don't fit into the model's vocab_size={vocab_size}")
    rest = sorted(set(range(vocab_size)) - set(order))
    return Tokenizer(vocab_size, tuple(pairs)), np.array([*order, *rest], dtype=np.int64)


def _check_cut(path: Path, data: dict[str, Any]) -> None:
    """Raise `InputError` where text is cut into words otherwise than ours is."""
    before = data.get("pre_tokenizer") or {}
    same = (
        data["model"].get("type", "BPE") == "BPE"
        and not data["model"].get("byte_fallback")
        and data.get("normalizer") is None
        and before.get("type") == "ByteLevel"
        and not before.get("add_prefix_space")
        and before.get("use_regex", True)
    )
    if not same:
        raise InputError(
            f"{path} cuts text otherwise than GPT-2's byte-level BPE; only tokenizers of that kind "
            "are read"
        )
