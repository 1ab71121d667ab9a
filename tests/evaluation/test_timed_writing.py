"""Texts written in turn: who writes next, on which clock, and where they are taken up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "model"))

from random_models import random_model

from nasviz.evaluation.timed_writing import TimedWriting, in_turn, parted_at
from nasviz.model.choice import Chooser
from nasviz.model.writing import Writing
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.self_speculation import SelfSpeculation

MODEL = random_model(Architecture(4, 24, 2, 61, 96))
EXITS = InferencePolicy((EarlyExit(layers=(2,), threshold=0.0),))
GUESSES = InferencePolicy((SelfSpeculation(draft_layers=3, draft_length=3),))


def timed(policy: InferencePolicy, counted_from: int = 0, n_tokens: int = 20) -> TimedWriting:
    writing = Writing(MODEL, [1, 2, 3], n_tokens, Chooser(1.0, seed=3), policy=policy)
    return TimedWriting(writing, counted_from)


def test_tokens_alternate_whatever_an_act_writes() -> None:
    static, guessing = timed(InferencePolicy()), timed(GUESSES)
    for _ in in_turn([static, guessing]):
        ahead = len(static.writing.tokens) - len(guessing.writing.tokens)
        assert -4 <= ahead <= 1  # a round of three guesses writes up to four
    assert static.writing.done
    assert guessing.writing.done


def test_a_token_s_time_is_the_mean_without_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    side = timed(InferencePolicy())
    ticks = iter([0.0, 100.0, 200.0, 201.0, 300.0, 303.0])  # the prompt 100 s, then 1 s and 3 s
    monkeypatch.setattr(side._stopwatch, "now", lambda: next(ticks))
    side.advance()
    assert side.token_s is None
    side.advance()
    side.advance()
    assert side.token_s == 2.0


def test_a_replay_counts_from_where_it_begins() -> None:
    side = timed(EXITS, counted_from=20)
    for _ in in_turn([side]):
        pass
    assert side.token_s is None
    assert side.average_layers == 0
    side = timed(EXITS, counted_from=5)
    for _ in in_turn([side]):
        pass
    assert side.average_layers == 2
    assert timed(EXITS).average_layers == 0


def test_a_text_is_taken_up_where_the_act_began_that_wrote_a_token() -> None:
    side = timed(GUESSES)
    lengths = [len(each.writing.tokens) for each in in_turn([side])]
    begins = [0, *lengths[:-1]]
    assert max(b - a for a, b in zip(begins, lengths, strict=True)) > 1  # some guess stayed
    for token in range(20):
        begin, state = side.taken_up_at(token)
        assert begin == max(each for each in begins if each <= token)
        chooser = Chooser(1.0)
        chooser.resume(state)
        again = Writing(
            MODEL, [1, 2, 3], 20, chooser, policy=GUESSES, dictated=side.writing.tokens[:begin]
        )
        while not again.done:
            again.advance()
        assert again.tokens == side.writing.tokens


def test_texts_part_at_the_first_token_that_differs() -> None:
    assert parted_at([1, 2, 3], [1, 2, 4]) == 2
    assert parted_at([1, 2, 3], [1, 2, 3]) is None
    assert parted_at([1, 2], [1, 2, 3]) is None
    assert parted_at([5], [6]) == 0
