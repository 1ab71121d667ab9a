from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nasviz.corpus.corpus import Corpus
from nasviz.corpus.fit import fit
from nasviz.corpus.tokenized import TokenizedCorpus, part_tokens, tokenize
from nasviz.corpus.tokenizer import Tokenizer
from nasviz.errors import InputError

PARTS = ("train", "search", "calibration", "test", "held_out")


@pytest.fixture(autouse=True)
def forget() -> None:
    """Each test has its own cache folder: nothing is remembered from another's."""
    tokenize.cache_clear()


@pytest.mark.parametrize("vocab_size", [256, 307, 1013])
def test_the_bytes_of_a_parts_tokens_are_the_bytes_of_its_text(
    corpus: Corpus, vocab_size: int
) -> None:
    tokenized = tokenize(corpus, vocab_size)
    for part in PARTS:
        tokens = tokenized.tokens(part)
        assert tokenized.token_bytes[tokens].sum() == corpus.part_bytes(part)
        assert tokenized.tokenizer.decode_bytes(tokens.tolist()) == corpus.part(part)


def test_tokens_are_memory_mapped_and_read_only(corpus: Corpus) -> None:
    tokens = tokenize(corpus, 307).tokens("train")
    assert isinstance(tokens, np.memmap)
    assert tokens.dtype == np.uint16
    with pytest.raises(ValueError, match="read-only"):
        tokens[0] = 1


def test_the_tokenizer_is_fitted_to_the_training_part_alone(corpus: Corpus) -> None:
    changed = Corpus.of(
        "changed", corpus.part("train") + b"Zqx jvk " * (len(corpus.part("held_out")) // 8)
    )
    train = changed.part("train")
    assert tokenize(changed, 1013).tokenizer.merges == fit(train, 65_536).cut(1013).merges
    assert b"Zqx" not in b"".join(tokenize(changed, 1013).tokenizer.pieces)


def test_the_first_character_is_plain_bytes_in_every_vocabulary(corpus: Corpus) -> None:
    tokenizer = tokenize(corpus, 1013).tokenizer
    for text in ("return", "été", "😀😀"):
        first = text[0].encode()
        tokens = part_tokens(tokenizer, text.encode())
        assert tokens[: len(first)].tolist() == list(first)
        assert tokens[len(first) :].tolist() == tokenizer.encode(text[1:])


def test_tokens_are_kept_and_damaged_ones_made_again(corpus: Corpus, cache: Path) -> None:
    first = np.array(tokenize(corpus, 307).tokens("search"))
    (kept,) = cache.glob("tokens/*.npy")
    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    kept.write_bytes(data)
    tokenize.cache_clear()
    assert (tokenize(corpus, 307).tokens("search") == first).all()


def test_equal_text_of_another_name_shares_the_kept_tokens(corpus: Corpus, cache: Path) -> None:
    tokenize(corpus, 307).tokens("test")
    other = Corpus.of("another name", corpus.text)
    tokenize(other, 307).tokens("test")
    assert len(list(cache.glob("tokens/*.npy"))) == 1
    assert len(list(cache.glob("tokenizers/bpe*.json"))) == 1


def test_bytes_per_token_is_the_parts_mean(corpus: Corpus) -> None:
    assert tokenize(corpus, 256).bytes_per_token() == 1.0
    tokenized = TokenizedCorpus(corpus, Tokenizer(256))
    assert tokenized.bytes_per_token("test") == 1.0
    assert 2 < tokenize(corpus, 1013).bytes_per_token("test") < 4


def test_wrong_names_and_sizes_are_refused(corpus: Corpus) -> None:
    with pytest.raises(InputError, match="unknown part of the corpus 'val'"):
        tokenize(corpus, 256).tokens("val")
    with pytest.raises(InputError, match="vocab_size=100 can't hold text; at least 256"):
        tokenize(corpus, 100)
