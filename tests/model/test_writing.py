"""A text in the making: act by act as `generate` writes it, and taken up at any of its tokens."""

from __future__ import annotations

import random

import pytest
from random_models import random_architecture, random_model

from nasviz.errors import InputError
from nasviz.model.choice import Chooser
from nasviz.model.generate import generate
from nasviz.model.transformer import Transformer
from nasviz.model.writing import Writing
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.self_speculation import SelfSpeculation

PROMPT, WRITTEN = [3, 1, 4, 1, 5], 24
POLICIES = {
    "static": InferencePolicy(),
    "exits that propagate": InferencePolicy((EarlyExit(threshold=0.1),)),
    "exits that recompute": InferencePolicy(
        (EarlyExit(threshold=0.1, skipped_layers="recompute"),)
    ),
    "a window": InferencePolicy((KVWindow(window=4, sinks=1),)),
    "a width": InferencePolicy((DynamicWidth(ff_share=0.5),)),
    "guesses": InferencePolicy((SelfSpeculation(draft_length=3),)),
}


def model_of(seed: int = 0, context: int = 48) -> Transformer:
    rng = random.Random(seed)
    drawn = random_architecture(rng, n_layers=3, context_length=context, sliding_window=0)
    return random_model(drawn, seed)


def write(
    model: Transformer, policy: InferencePolicy, chooser: Chooser, dictated: list[int] | None = None
) -> Writing:
    writing = Writing(model, PROMPT, WRITTEN, chooser, policy=policy, dictated=dictated or ())
    while not writing.done:
        writing.advance()
    return writing


def test_acts_together_are_what_generate_writes() -> None:
    model = model_of()
    for policy in POLICIES.values():
        writing = write(model, policy, Chooser(1.0, seed=5))
        whole = generate(model, PROMPT, WRITTEN, policy=policy, temperature=1.0, seed=5)
        assert tuple(writing.tokens) == whole.tokens
        assert tuple(writing.depths) == whole.depths
        assert writing.advance() == []


@pytest.mark.parametrize("context", [48, 13])  # 13: full on the way, its latest half read anew
@pytest.mark.parametrize("name", [each for each in POLICIES if each != "guesses"])
def test_a_text_taken_up_at_any_token_goes_on_as_it_was_written(name: str, context: int) -> None:
    model, policy = model_of(3, context), POLICIES[name]
    chooser = Chooser(1.0, seed=7)
    first = Writing(model, PROMPT, WRITTEN, chooser, policy=policy)
    states = []
    while not first.done:
        states.append(chooser.state)
        first.advance()
    for place in range(0, WRITTEN, 5):
        again = Chooser(1.0, seed=99)
        again.resume(states[place])
        second = write(model, policy, again, first.tokens[:place])
        assert second.tokens == first.tokens
        # Dictated tokens go as deep as they went when they were written.
        assert second.depths == first.depths
        assert second.rereads == first.rereads


def test_from_another_random_state_it_goes_on_differently() -> None:
    model = model_of(3)
    first = write(model, InferencePolicy(), Chooser(1.0, seed=7))
    second = write(model, InferencePolicy(), Chooser(1.0, seed=8), first.tokens[:10])
    assert second.tokens[:10] == first.tokens[:10]
    assert second.tokens != first.tokens


def test_a_guessing_policy_guesses_nothing_that_is_dictated() -> None:
    model, policy = model_of(), POLICIES["guesses"]
    first = write(model, policy, Chooser())
    second = Writing(model, PROMPT, WRITTEN, Chooser(), policy=policy, dictated=first.tokens[:9])
    while len(second.tokens) < 9:
        assert len(second.advance()) == 1
    assert second.drafts is not None
    assert second.drafts.rounds == 0
    while not second.done:
        second.advance()
    assert second.tokens == first.tokens  # greedy
    assert second.drafts.rounds > 0


def test_dictated_tokens_under_another_policy_are_read_by_that_one() -> None:
    """The new policy's own keys and values stand before the token, as if it had written it all."""
    model = model_of(5)
    text = write(model, POLICIES["static"], Chooser()).tokens
    shallow = InferencePolicy((EarlyExit(layers=(1,), threshold=0.0),))
    taken_up = write(model, shallow, Chooser(), text[:12])
    # The token behind a prompt is decided by reading it, which every layer does.
    assert taken_up.depths == [3] + [1] * (WRITTEN - 1)
    window = POLICIES["a window"]
    told = write(model, window, Chooser(), text[:12])
    assert told.tokens[:12] == text[:12]
    # The same as one that was told each token by a prompt of its own choosing: stepping is reading.
    again = write(model, window, Chooser(), told.tokens[:17])
    assert again.tokens == told.tokens


def test_a_dictated_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match="token 999 at place 1 of the dictated text is outside"):
        Writing(model_of(), PROMPT, WRITTEN, Chooser(), dictated=[1, 999])
