from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.corpus.corpus import Corpus
from nasviz.corpus.parts import (
    LEAST_CORPUS_BYTES,
    epochs,
    part_bounds,
    repetition_warning,
)
from nasviz.errors import InputError

NAMES = ("train", "search", "calibration", "test")


@given(st.text(alphabet="aé€😀\n", min_size=1, max_size=400))
def test_parts_are_disjoint_cover_the_text_and_cut_no_character(text: str) -> None:
    data = text.encode()
    bounds = part_bounds(data)
    pieces = [data[slice(*bounds[name])] for name in NAMES]
    assert b"".join(pieces) == data
    for piece in pieces:
        piece.decode("utf-8")


def test_parts_have_90_4_2_and_4_percent_of_the_bytes() -> None:
    corpus = Corpus.of("letters", b"ab\n" * 100_000)
    assert [corpus.part_bytes(name) for name in NAMES] == [270_000, 12_000, 6_000, 12_000]


def test_the_held_out_part_is_the_last_tenth_in_one_piece() -> None:
    corpus = Corpus.of("letters", b"abc de\n" * 11_113)
    joined = corpus.part("search") + corpus.part("calibration") + corpus.part("test")
    assert corpus.part("held_out") == joined == corpus.text[corpus.n_bytes * 9 // 10 :]


def test_an_unknown_part_is_refused_with_the_nearest() -> None:
    corpus = Corpus.of("letters", b"abc de\n" * 11_113)
    with pytest.raises(InputError, match="unknown part of the corpus 'tset'; did you mean 'test'"):
        corpus.part("tset")


def test_a_tiny_corpus_is_refused_with_the_least_size_that_works() -> None:
    Corpus.of("just enough", b"x" * LEAST_CORPUS_BYTES)
    with pytest.raises(InputError) as error:
        Corpus.of("tiny.txt", b"x" * (LEAST_CORPUS_BYTES - 1))
    assert str(error.value) == (
        "corpus tiny.txt: 25,599 bytes are too few; at least 25,600 are needed, so that the "
        "smallest held-out part (2%) has 512 bytes"
    )


def test_an_empty_corpus_is_refused_as_empty() -> None:
    with pytest.raises(InputError, match="corpus none: empty; at least 25,600 bytes are needed"):
        Corpus.of("none", b"")


def test_repetition_is_told_from_the_fifth_pass_on() -> None:
    assert epochs(1000, 3500) == 3.5
    assert repetition_warning(1000, 4000) is None
    told = repetition_warning(1000, 12_500)
    assert told is not None
    assert "(1,000 bytes) will be repeated 12.5 times" in told
    assert "3,125 bytes of training text would do" in told
