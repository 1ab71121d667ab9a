"""Tokenizers of other checkpoints: renumbered into ours, the same tokens of the same text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nasviz.corpus.foreign_tokenizer import read_foreign_tokenizer
from nasviz.corpus.standard_library import read_standard_library
from nasviz.errors import InputError

SIZE = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer as GPT-2's is stored: bytes in the order of their signs, a special token last."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<|endoftext|>"],
    )  # fmt: skip
    backend.train_from_iterator([read_standard_library()[:40_000].decode()], trainer)
    made = tmp_path_factory.mktemp("theirs")
    backend.save(str(made / "tokenizer.json"))
    return made


def test_its_tokens_of_a_text_are_ours_by_another_number(folder: Path) -> None:
    from tokenizers import Tokenizer as Backend

    text = (
        'def café(x):\n    return "αβγ", x  # 🙂\n'
        + read_standard_library()[50_000:55_000].decode()
    )
    ours, order = read_foreign_tokenizer(folder, SIZE + 3)
    theirs = Backend.from_file(str(folder / "tokenizer.json")).encode(text).ids
    assert order[ours.encode(text)].tolist() == theirs
    assert ours.vocab_size == SIZE + 3
    assert sorted(order.tolist()) == list(range(SIZE + 3))
    assert order[-4:].tolist() == [0, SIZE, SIZE + 1, SIZE + 2], "special and padding come last"
    assert ours.cut(270).decode(ours.cut(270).encode(text)) == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"normalizer": {"type": "NFC"}}, "cuts text otherwise"),
        ({"pre_tokenizer": {"type": "Split"}}, "cuts text otherwise"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "cuts text otherwise"),
        ({"model": {"type": "Unigram", "vocab": []}}, "no tokenizer of byte-level BPE"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": []}}, "has no id for"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": ["ab c"]}}, "no new token of known ones"),
    ],
)
def test_one_that_cuts_text_in_another_way_is_refused(
    change: dict, said: str, folder: Path, tmp_path: Path
) -> None:
    data = json.loads((folder / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps({**data, **change}))
    with pytest.raises(InputError, match=said):
        read_foreign_tokenizer(tmp_path, SIZE)


def test_a_missing_file_and_a_vocabulary_too_small_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        read_foreign_tokenizer(tmp_path, SIZE)
    with pytest.raises(InputError, match=f"don't fit into the model's vocab_size={SIZE - 1}"):
        read_foreign_tokenizer(folder, SIZE - 1)
    _, order = read_foreign_tokenizer(folder, SIZE)
    assert order.dtype == np.int64
