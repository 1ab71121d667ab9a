"""Tokenizers of other checkpoints: renumbered into ours, the same tokens of the same text."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from foreign_tokenizers import KINDS, write_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from nasviz.corpus.adopted_tokenizer import load_tokenizer
from nasviz.corpus.foreign_tokenizer import read_foreign_tokenizer
from nasviz.corpus.standard_library import read_standard_library
from nasviz.corpus.tokenizer import Tokenizer
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
        ({"normalizer": {"type": "Lowercase"}}, "normalizer 'Lowercase' changes the text"),
        ({"pre_tokenizer": {"type": "Split"}}, "cuts text otherwise"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "a space before each"),
        (
            {
                "pre_tokenizer": {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed"},
                        {"type": "ByteLevel", "use_regex": False},
                    ],
                }
            },
            "'Split' may lose some of the text",
        ),
        ({"added_tokens": ["<s>"]}, "no tokenizer of byte-pair encoding"),
        ({"added_tokens": [{"id": 3}]}, "no tokenizer of byte-pair encoding"),
        (
            {"model": {"type": "BPE", "vocab": {"a": float("inf")}, "merges": []}},
            "no tokenizer of byte-pair encoding",
        ),
        ({"model": {"type": "Unigram", "vocab": []}}, "no tokenizer of byte-pair encoding"),
        ({"model": {"type": "WordPiece", "vocab": {}, "merges": []}}, "its model is 'WordPiece'"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": []}}, "has no id for"),
        ({"model": {"type": "BPE", "vocab": {}, "merges": ["ab c"]}}, "no new token of known ones"),
        (
            {"model": {"type": "BPE", "vocab": {}, "merges": [], "byte_fallback": True}},
            "pre-tokenizer is not SentencePiece's",
        ),
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
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"]["vocab"] = {token: at - 9 for token, at in data["model"]["vocab"].items()}
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="ids don't fit into"):
        read_foreign_tokenizer(tmp_path, SIZE)
    (tmp_path / "tokenizer.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="no tokenizer of byte-pair encoding"):
        read_foreign_tokenizer(tmp_path, SIZE)
    _, order = read_foreign_tokenizer(folder, SIZE)
    assert order.dtype == np.int64


KIND_SIZE = 700
AWKWARD = (
    "def café(x):\n\treturn  {'a': 12345}  # 🙂👨‍👩‍👧\r\n\n\n    if x!=1:;\n",
    "   three spaces, a tab\t and\u00a0more \u3000 \u2028.  \n \n",
    "naïve e\u0301 Ångström 漢字かな 한국어 ไทย العربية \x00\x07",
    "it's we'LL 3.14159 <s> <0x41> <|begin_of_text|> ##\n\n!!\n",
)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small tokenizer of that kind, named by it."""
    text = read_standard_library()[:60_000].decode() + " café ▁▁ naïve 漢字 "
    folder = tmp_path_factory.mktemp("kinds") / request.param
    return write_tokenizer(request.param, folder, text, KIND_SIZE)


def theirs_of(folder: Path, text: str) -> list[int]:
    """Return their tokens of a text, special ones aside and no space put before it."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import normalizers

    data = json.loads((folder / "tokenizer.json").read_text())
    backend = Backend.from_str(json.dumps({**data, "added_tokens": []}))
    if folder.name == "mistral":
        backend.normalizer = normalizers.Replace(" ", "▁")
    return backend.encode(text, add_special_tokens=False).ids


def test_other_kinds_have_the_tokens_that_they_have_in_their_library(kind: Path) -> None:
    import unicodedata

    ours, order = read_foreign_tokenizer(kind, KIND_SIZE + 5)
    assert sorted(order.tolist()) == list(range(KIND_SIZE + 5))
    library = read_standard_library()[100_000:130_000].decode(errors="ignore")
    for text in (*AWKWARD, library):
        composed = unicodedata.normalize("NFC", text)
        assert order[ours.encode(composed)].tolist() == theirs_of(kind, composed)


@settings(deadline=None, max_examples=30)
@given(text=st.text(st.characters(codec="utf-8") | st.sampled_from(" \n\r▁a1'_"), max_size=80))
def test_their_tokens_are_all_bytes_of_any_text_at_any_size(kind: Path, text: str) -> None:
    whole, _ = _read(kind)
    for size in (KIND_SIZE + 5, 401, 263, 257, 256):
        ours = whole.cut(size)
        ids = ours.encode(text)
        assert max(ids, default=0) < size
        assert ours.decode_bytes(ids) == text.encode()
        assert ours.token_bytes[ids].sum() == len(text.encode())


@cache
def _read(folder: Path) -> tuple[Tokenizer, np.ndarray]:
    return read_foreign_tokenizer(folder, KIND_SIZE + 5)


def test_a_shorter_vocabulary_is_a_prefix_and_still_merges(kind: Path) -> None:
    whole, _ = _read(kind)
    text = read_standard_library()[100_000:104_000].decode(errors="ignore")
    lengths = []
    for size in (256, 420, 560, KIND_SIZE):
        assert whole.cut(size).pieces == whole.pieces[:size]
        assert whole.cut(KIND_SIZE).cut(size) == whole.cut(size)
        lengths.append(len(whole.cut(size).encode(text)))
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.6 * lengths[0]


def test_a_long_text_in_pieces_is_read_as_the_whole_is(kind: Path) -> None:
    whole, _ = _read(kind)
    text = read_standard_library()[:300_000].decode(errors="ignore").replace("▁", " ")
    assert whole._border is not None
    assert whole.encode(text) == whole._backend.encode(text).ids


def test_an_unknown_pattern_reads_every_text_as_a_whole(kind: Path, tmp_path: Path) -> None:
    if kind.name == "mistral":
        data = json.loads((kind / "tokenizer.json").read_text())
        data["model"]["vocab"]["a▁b"] = KIND_SIZE
        data["model"]["merges"] += [["a", "▁b"]]
    else:
        data = json.loads((kind / "tokenizer.json").read_text())
        data["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": r"\w+ \w+|\s"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    ours, _ = read_foreign_tokenizer(tmp_path, KIND_SIZE + 5)
    assert ours._border is None
    assert ours.decode(ours.encode(AWKWARD[0])) == AWKWARD[0]


def test_a_saved_one_is_loaded_again_and_read_alike_by_transformers(
    kind: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    ours = _read(kind)[0].cut(520)
    ours.save(tmp_path)
    assert load_tokenizer(tmp_path) == ours
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in AWKWARD:
        assert theirs(text)["input_ids"] == ours.encode(text)
        assert theirs.decode(ours.encode(text)) == text
    with pytest.raises(InputError, match="cuts text in another way than ours"):
        Tokenizer.load(tmp_path)


def test_a_byte_without_a_token_is_refused(kind: Path, tmp_path: Path) -> None:
    data = json.loads((kind / "tokenizer.json").read_text())
    data["model"]["vocab"].pop("<0xF4>" if kind.name == "mistral" else "ô")
    data["model"]["merges"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="has no id for"):
        read_foreign_tokenizer(tmp_path, KIND_SIZE + 5)
