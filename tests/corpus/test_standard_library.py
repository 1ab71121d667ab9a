from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.standard_library import MAX_BYTES, read_standard_library


def test_the_default_corpus_is_this_interpreters_library(library: bytes) -> None:
    corpus = open_corpus()
    assert corpus.name == "python"
    assert corpus.text == library
    assert 4_000_000 < corpus.n_bytes <= MAX_BYTES
    for words in (b'The "if" statement', b"def namedtuple(", b"Return the absolute value"):
        assert words in corpus.text


def test_the_library_reads_the_same_twice(library: bytes) -> None:
    assert read_standard_library() == library


def test_tests_are_left_out_of_the_library(library: bytes) -> None:
    assert b"class TestCase(object)" in library  # unittest itself stays
    assert library.count(b"support.run_unittest") < 5


def test_the_held_out_tenth_has_prose_and_code_as_the_rest_has(library: bytes) -> None:
    def share_of_code(text: bytes) -> float:
        lines = text.split(b"\n")
        return sum(line.startswith((b"def ", b"class ", b"import ")) for line in lines) / len(lines)

    split = len(library) * 9 // 10
    ratio = share_of_code(library[split:]) / share_of_code(library[:split])
    assert 0.5 < ratio < 2


def test_the_held_out_tenth_has_its_share_of_the_language_reference(library: bytes) -> None:
    held_out = library[len(library) * 9 // 10 :]
    inside = [text.strip().encode() in held_out for text in topics.values()]
    assert 0.02 < sum(inside) / len(inside) < 0.3


def test_a_damaged_cache_is_noticed_and_built_again(cache: Path) -> None:
    corpus = open_corpus("python")
    (kept,) = cache.glob("corpora/*.txt")
    damaged = bytearray(kept.read_bytes())
    damaged[1000] ^= 1
    kept.write_bytes(damaged)
    assert open_corpus("python") == corpus
    assert kept.read_bytes() == corpus.text
    kept.write_bytes(corpus.text[:-1])
    assert open_corpus("python").sha256 == corpus.sha256
    kept.unlink()
    assert open_corpus("python").sha256 == corpus.sha256


def test_another_interpreters_text_is_not_taken_for_this_ones(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    built = []
    monkeypatch.setattr(
        "nasviz.corpus.corpus.read_standard_library", lambda: built.append(1) or b"x" * 30_000
    )
    open_corpus("python")
    open_corpus("python")
    monkeypatch.setattr("sys.version", "9.9")
    open_corpus("python")
    assert len(built) == 2
