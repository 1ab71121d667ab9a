from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasviz.corpus import fit as fitting
from nasviz.corpus.corpus import Corpus
from nasviz.corpus.fit import fit, fit_size, fitted_tokenizer, sample
from nasviz.corpus.tokenizer import Tokenizer, safe_pieces
from nasviz.errors import InputError

HOSTILE = [
    "",
    " ",
    "\0",
    "a\0b",
    "\r\n\r\n\t x \r",
    "e\u0301 o\u0308 \u200d\u200b\ufeff",
    "👩‍👩‍👧‍👦🇩🇪 🏳️‍🌈",
    "z" * 50_000,
    " " * 10_000,
    "\n" * 4_001 + " x",
    "a\u00a0b\u3000c\u2028d\x85e\x1cf",
    "it's we'll 'tis''s 'S",
    "Ünïcödé 中文字符 العربية ไทย",
    "\U0010ffff\ufffe\x7f\x80",
    "def f(x):\n        return x**2  # 3.14159\n" * 50,
]

texts = st.text(
    alphabet=st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(" \n\r\t'aesn0 \u00a0\u2028\u3000é中。я😀\x1c\x85"),
    ),
    max_size=300,
)


@pytest.fixture(scope="module")
def large(corpus: Corpus) -> Tokenizer:
    return fit(corpus.part("train"), 5003)


@pytest.fixture(scope="module", params=[256, 257, 311, 1009, 5003])
def tokenizer(request: pytest.FixtureRequest, large: Tokenizer) -> Tokenizer:
    return large.cut(request.param)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_and_its_bytes_add_up(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.token_bytes[ids].sum() == len(text.encode())


@settings(deadline=None)
@given(text=texts)
def test_any_text_comes_back_and_its_bytes_add_up(large: Tokenizer, text: str) -> None:
    ids = large.encode(text)
    assert large.decode(ids) == text
    assert large.token_bytes[ids].sum() == len(text.encode())


@settings(deadline=None)
@given(text=texts, piece_bytes=st.integers(0, 40))
def test_text_in_pieces_is_encoded_as_the_whole_is(
    large: Tokenizer, text: str, piece_bytes: int
) -> None:
    data = text.encode()
    pieces = list(safe_pieces(data, piece_bytes))
    assert b"".join(pieces) == data
    apart = [each for piece in pieces for each in large._backend.encode(piece.decode()).ids]
    assert apart == large._backend.encode(text).ids


def test_a_long_text_in_pieces_is_encoded_as_the_whole_is(large: Tokenizer, library: bytes) -> None:
    text = library[:1_000_003].decode(errors="ignore")
    assert len(list(safe_pieces(text.encode(), 1 << 16))) > 10
    assert large.encode(text) == large._backend.encode(text).ids


@pytest.mark.parametrize("letter", ["x", "é", "я", "ש", "क", "中", "。", "한", "😀"])
def test_lines_of_any_script_can_be_cut(letter: str) -> None:
    assert len(list(safe_pieces(f"{letter}\n".encode() * 9, 1))) > 4


@pytest.mark.parametrize("space", [chr(n) for n in range(0x10FFFF) if chr(n).isspace()])
def test_text_is_never_cut_between_two_spaces(space: str) -> None:
    assert len(list(safe_pieces(f"{space} {space}\n{space} ".encode(), 0))) == 1


def test_plain_bytes_are_their_own_ids() -> None:
    plain = Tokenizer(256)
    assert plain.encode("aé\0") == [97, 195, 169, 0]
    assert plain.token_bytes.tolist() == [1] * 256
    assert plain.encode_bytes(b"").tolist() == []


def test_a_smaller_vocabulary_is_a_prefix_of_a_larger_one(large: Tokenizer) -> None:
    for size in (256, 311, 1009):
        small = large.cut(size)
        assert small.pieces == large.pieces[:size]
        assert small.merges == large.merges[: size - 256]
        assert small.vocabulary().items() <= large.vocabulary().items()
        assert max(small.encode_bytes(b"the return of the class")) < size


def test_fits_of_two_sizes_agree_on_what_they_share(corpus: Corpus, large: Tokenizer) -> None:
    assert fit(corpus.part("train"), 701).merges == large.merges[: 701 - 256]


def test_more_merges_make_fewer_tokens(corpus: Corpus, large: Tokenizer) -> None:
    text = corpus.part("test")
    lengths = [len(large.cut(size).encode_bytes(text)) for size in (256, 311, 1009, 5003)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < len(text) / 2


def test_no_two_ids_spell_the_same_bytes() -> None:
    # Runs of one letter are spelled in many ways: `aaa` + `aa`, `aaaa` + `a`, …
    text = " ".join("a" * n for n in range(1, 60)).encode() * 40
    tokenizer = fit(text, 400)
    assert len(set(tokenizer.pieces)) == len(tokenizer.pieces) > 256
    assert tokenizer.decode(tokenizer.encode("a" * 777)) == "a" * 777


def test_ids_that_the_text_has_no_pairs_for_stay_unused() -> None:
    tokenizer = fit(b"ab ab ab ab", 300)
    assert len(tokenizer.pieces) < 300
    assert tokenizer.token_bytes.shape == (300,)
    assert tokenizer.token_bytes[299] == 0
    assert tokenizer.decode([97, 299, 98]) == "ab"


def test_half_a_character_shows_as_a_replacement_and_keeps_its_bytes() -> None:
    plain = Tokenizer(256)
    assert plain.decode([0xC3, 0x28]) == "\ufffd("
    assert plain.decode_bytes([0xC3, 0x28]) == b"\xc3\x28"


def test_transformers_reads_the_saved_tokenizer_with_equal_ids(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    tokenizer.save(tmp_path)
    for theirs in (
        PreTrainedTokenizerFast.from_pretrained(tmp_path),
        AutoTokenizer.from_pretrained(tmp_path),
    ):
        for text in HOSTILE[1:]:
            ids = theirs(text, add_special_tokens=True)["input_ids"]
            assert ids == tokenizer.encode(text)
            assert theirs.decode(ids, clean_up_tokenization_spaces=False) == text


def test_a_saved_tokenizer_loads_equal(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tokenizer.save(tmp_path)
    assert Tokenizer.load(tmp_path) == tokenizer


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("tokenizer.json", lambda text: text[:-100], "damaged ("),
        ("tokenizer_config.json", lambda _: "{}", "damaged ('vocab_size')"),
        ("tokenizer_config.json", lambda _: '{"vocab_size": 200}', "damaged (vocab_size=200"),
        (
            "tokenizer.json",
            lambda text: text.replace('"!": 33', '"!": 34'),
            "its ids are not bytes first",
        ),
    ],
)
def test_a_damaged_tokenizer_is_refused(  # type: ignore[no-untyped-def]
    tmp_path: Path, large: Tokenizer, name: str, change, told: str
) -> None:
    large.cut(311).save(tmp_path)
    path = tmp_path / name
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(InputError) as error:
        Tokenizer.load(tmp_path)
    assert f"tokenizer {tmp_path}: {told}" in str(error.value)


def test_an_absent_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Tokenizer.load(tmp_path / "none")


def test_merges_of_older_files_are_read_too(tmp_path: Path, large: Tokenizer) -> None:
    small = large.cut(311)
    small.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    data = json.loads(path.read_text("utf-8"))
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    path.write_text(json.dumps(data), "utf-8")
    assert Tokenizer.load(tmp_path) == small


def test_fewer_ids_than_bytes_are_refused() -> None:
    with pytest.raises(InputError, match="vocab_size=255 can't hold text; at least 256"):
        Tokenizer(255)


def test_a_lone_surrogate_is_refused_with_its_place(large: Tokenizer) -> None:
    with pytest.raises(InputError, match="lone surrogate at character 2"):
        large.encode("ab\ud800")


def test_an_id_out_of_range_is_refused(large: Tokenizer) -> None:
    for wrong in (-1, 5003):
        with pytest.raises(InputError, match=f"token {wrong} is not in a vocabulary of 5003"):
            large.decode([1, wrong])


def test_every_usual_size_shares_one_fit_and_larger_ones_the_next_power_of_two() -> None:
    assert [fit_size(n) for n in (257, 50_257, 65_536, 65_537, 128_256)] == [
        65_536,
        65_536,
        65_536,
        131_072,
        131_072,
    ]


def test_a_fit_is_kept_and_a_damaged_one_made_again(corpus: Corpus, cache: Path) -> None:
    first = fitted_tokenizer(corpus.part("train"), 601)
    (kept,) = [p for p in cache.glob("tokenizers/*.json") if not p.name.startswith("bpe")]
    kept.write_text("[[1, 2]]")
    assert fitted_tokenizer(corpus.part("train"), 601) == first
    assert fitted_tokenizer(corpus.part("train"), 401) == first.cut(401)


def test_a_long_text_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "FIT_BYTES", 2560)
    text = b"".join(b"%06d\n" % n for n in range(10_000))
    taken = sample(text)
    assert len(taken) == 2560
    assert taken.startswith(b"000000")
    assert taken.endswith(b"009999\n")
    assert sample(text[:2560]) == text[:2560]


def test_large_vocabularies_have_wide_ids() -> None:
    assert Tokenizer(65_536).encode_bytes(b"a").dtype == np.uint16
    assert Tokenizer(65_537).encode_bytes(b"a").dtype == np.uint32
