from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nasviz.corpus.corpus import Corpus
from nasviz.corpus.standard_library import read_standard_library
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize
from nasviz.errors import InputError, RunError
from nasviz.evaluation import scoring
from nasviz.evaluation.scoring import first_words, score, score_tokens, windows
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.of("library", read_standard_library()[:60_013].decode(errors="ignore").encode())


@pytest.fixture(scope="module")
def cut(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Tokenize under a cache of this module's own."""
    folder: Path = tmp_path_factory.mktemp("cache")

    def tokenized(vocab_size: int) -> TokenizedCorpus:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NASVIZ_CACHE", str(folder))
            result = tokenize(corpus, vocab_size)
            for part in ("test", "calibration"):
                result.tokens(part)
        return result

    return tokenized


def model_of(vocab_size: int, context: int, **sizes: Any) -> Transformer:
    torch.manual_seed(7)
    model = Transformer(Architecture(2, 20, 2, vocab_size, context, **sizes))
    with torch.no_grad():  # torch's embeddings would make every guess extreme
        model.token_embedding.weight.mul_(0.1)
    return model


def slow_nats(model: nn.Module, tokens: np.ndarray, context: int, stride: int) -> list[float]:
    """Return each target's nats, one window a target, in float64."""
    model = model.double().eval()
    found = []
    for target in range(1, len(tokens)):
        # The window whose scored stretch holds the target: the first that reaches it.
        start = 0
        while start + context < target:
            start += min(stride, context)
        row = torch.from_numpy(tokens[start:target].astype(np.int64))[None]
        with torch.no_grad():
            logits = model(row)[0, -1]
        found.append(-float(torch.log_softmax(logits, -1)[int(tokens[target])]))
    return found


@pytest.mark.parametrize(("context", "stride"), [(16, 16), (17, 5), (16, 64), (23, 1)])
def test_the_score_is_the_slow_references(cut: Any, context: int, stride: int) -> None:
    tokenized = cut(277)
    tokens = first_words(tokenized, "test", 331)
    model = model_of(277, context)
    result = score(model, tokenized, "test", stride=stride, max_bytes=331)
    reference = slow_nats(model_of(277, context), tokens, context, stride)
    assert result.tokens == len(reference) == len(tokens) - 1
    assert result.nats == pytest.approx(math.fsum(reference), rel=1e-6)
    assert result.bits_per_byte == pytest.approx(
        math.fsum(reference) / math.log(2) / result.bytes, rel=1e-6
    )
    assert result.perplexity == pytest.approx(math.exp(np.mean(reference)), rel=1e-6)


def test_a_stride_as_long_as_the_context_is_the_plain_pass(cut: Any) -> None:
    """Non-overlapping windows over the whole part, each predicting its next tokens."""
    tokenized = cut(256)
    tokens = torch.from_numpy(np.array(tokenized.tokens("test"), dtype=np.int64))
    model = model_of(256, 64).eval()
    nats, right = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(tokens) - 1, 64):
            inputs = tokens[start : start + 64][: len(tokens) - 1 - start]
            targets = tokens[start + 1 : start + 65]
            logits = model(inputs[None])[0]
            losses = nn.functional.cross_entropy(logits, targets, reduction="none")
            nats += float(losses.double().sum())
            right += int((logits.argmax(-1) == targets).sum())
    result = score(model, tokenized, "test", stride=64)
    assert result.tokens == result.bytes == len(tokens) - 1
    assert result.nats == pytest.approx(nats, rel=1e-7)
    assert result.accuracy == right / (len(tokens) - 1)
    assert (result.context, result.stride, result.least_left_context) == (64, 64, 1)


def test_every_vocabulary_and_context_is_scored_on_the_same_bytes(cut: Any, corpus: Corpus) -> None:
    counted = {
        (limit, score(model_of(v, c), cut(v), "calibration", max_bytes=limit).bytes)
        for v, c in ((256, 16), (277, 16), (701, 31), (1009, 64))
        for limit in (None, 500)
    }
    assert len(counted) == 2
    assert (None, corpus.part_bytes("calibration") - 1) in counted


def test_a_uniform_model_needs_eight_bits_a_byte(cut: Any) -> None:
    class Uniform(nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            return torch.zeros(*tokens.shape, 256)

    result = score(Uniform(), cut(256), "test", context=13)
    assert result.bits_per_byte == pytest.approx(8.0, rel=1e-7)
    assert result.perplexity == pytest.approx(256.0, rel=1e-6)


def test_a_model_that_knows_what_follows_seven_tokens_needs_bits_for_the_first_alone() -> None:
    """With at least seven tokens on the left of all but the first seven targets."""
    tokens = np.random.default_rng(0).integers(0, 256, 1009)
    known = {tokens[i : i + 7].tobytes(): int(tokens[i + 7]) for i in range(len(tokens) - 7)}

    class Oracle(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            logits = torch.zeros(*inputs.shape, 256)
            for row, line in enumerate(inputs.numpy()):
                for end in range(7, len(line) + 1):
                    logits[row, end - 1, known[line[end - 7 : end].tobytes()]] = 100.0
            return logits

    nats, right = score_tokens(Oracle(), tokens, context=14, stride=8)
    assert nats == pytest.approx(6 * math.log(256))
    assert right >= len(tokens) - 7
    # One token less on the left, and every window's first target is a guess.
    blind, _ = score_tokens(Oracle(), tokens, context=14, stride=9)
    assert blind > 100 * math.log(256)


@pytest.mark.parametrize("batch_tokens", [1, 67, 500, 1_000_000])
def test_the_batch_size_changes_nothing(cut: Any, batch_tokens: int) -> None:
    model = model_of(277, 32)
    reference = score(model, cut(277), "calibration", stride=11)
    result = score(model, cut(277), "calibration", stride=11, batch_tokens=batch_tokens)
    assert result.nats == pytest.approx(reference.nats, rel=1e-6)
    assert result.accuracy == pytest.approx(reference.accuracy, abs=2 / result.tokens)


def test_few_logits_at_a_time_change_nothing(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(277, 32)
    reference = score(model, cut(277), "calibration")
    monkeypatch.setattr(scoring, "_MOST_LOGITS", 1)
    assert score(model, cut(277), "calibration").nats == pytest.approx(reference.nats, rel=1e-6)


def test_a_longer_context_has_more_on_the_left_with_one_stride(cut: Any) -> None:
    short = score(model_of(256, 16), cut(256), "calibration", stride=8)
    long = score(model_of(256, 48), cut(256), "calibration", stride=8)
    assert (short.stride, short.least_left_context) == (8, 9)
    assert (long.stride, long.least_left_context) == (8, 41)
    assert short.bytes == long.bytes


def test_a_context_shorter_than_the_stride_says_so(cut: Any) -> None:
    result = score(model_of(256, 16), cut(256), "calibration", stride=64)
    assert (result.stride, result.least_left_context) == (16, 1)


@given(n=st.integers(1, 300), context=st.integers(1, 40), stride=st.integers(1, 50))
def test_windows_score_every_target_but_the_first_token_once(
    n: int, context: int, stride: int
) -> None:
    scored = []
    for index, window in enumerate(windows(n, context, stride)):
        assert window.stop - window.start <= context
        targets = range(window.stop - window.scored + 1, window.stop + 1)
        scored += targets
        if index and window.stop < n - 1:
            assert targets[0] - window.start == context - min(stride, context) + 1
    assert scored == list(range(1, n))


def test_dropout_is_off_while_scoring_and_the_mode_comes_back(cut: Any) -> None:
    model = model_of(256, 32, dropout=0.5).train()
    first = score(model, cut(256), "calibration")
    assert score(model, cut(256), "calibration") == first
    assert model.training


def test_a_diverged_model_is_a_failed_run(cut: Any) -> None:
    model = model_of(256, 32)
    with torch.no_grad():
        model.token_embedding.weight[97] = math.nan
    with pytest.raises(RunError, match="logits are not finite: it has diverged"):
        score(model, cut(256), "calibration")
    assert model.training


def test_another_vocabulary_is_refused(cut: Any) -> None:
    with pytest.raises(InputError, match="the model has vocab_size=256 and the tokenizer 277"):
        score(model_of(256, 32), cut(277), "test")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"stride": 0}, "stride=0 is not a positive whole number"),
        ({"stride": 2.5}, "stride=2.5 is not a positive whole number"),
        ({"batch_tokens": -1}, "batch_tokens=-1 is not"),
        ({"context": 0}, "context=0 is not"),
        ({"max_bytes": 0}, "max_bytes=0 is not"),
        ({"max_bytes": 2}, "max_bytes=2 of the test part hold no whole word; raise it"),
        ({"part": "validation"}, "unknown part of the corpus 'validation'"),
    ],
)
def test_wrong_settings_are_refused(cut: Any, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as error:
        score(model_of(256, 32), cut(256), **wrong)
    assert told in str(error.value)


def test_a_model_without_sizes_needs_its_context(cut: Any) -> None:
    with pytest.raises(InputError, match="names no architecture; give its context"):
        score(nn.Linear(1, 1), cut(256), "test")


def test_a_score_is_plain_data(cut: Any) -> None:
    result = score(model_of(256, 32), cut(256), "calibration")
    data = result.to_json()
    assert data["part"] == "calibration"
    assert scoring.Score(**data) == result


def test_a_model_that_was_scored_can_be_trained_on(cut: Any) -> None:
    model = model_of(256, 32)
    score(model, cut(256), "calibration")
    model(torch.zeros(1, 31, dtype=torch.int64)).square().mean().backward()
    assert model.token_embedding.weight.grad is not None
