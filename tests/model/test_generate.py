"""Generation: greedy and drawn, cached and not, within a context and beyond it."""

from __future__ import annotations

import random

import pytest
import torch
from random_models import random_architecture, random_model

from nasviz.errors import InputError, RunError
from nasviz.model.choice import Chooser
from nasviz.model.generate import generate


def models(n: int, **fixed):
    rng = random.Random(21)
    return [random_model(random_architecture(rng, **fixed), seed=each) for each in range(n)]


def test_cached_text_is_the_text_without_a_cache():
    for model in models(30):
        prompt = [3, 1, 4, 1, 5]
        n = 2 * model.architecture.context_length  # the context fills up on the way
        cached = generate(model, prompt, n)
        assert cached == generate(model, prompt, n, cached=False)
        assert len(cached.tokens) == n
        assert cached.rereads > 0


def test_greedy_takes_the_likeliest_token():
    for model in models(5):
        tokens = [2, 7, 1]
        for token in generate(model, tokens, 6).tokens:
            with torch.no_grad():
                assert token == int(model(torch.tensor([tokens]))[0, -1].argmax())
            tokens = [*tokens, token]


def test_a_seed_gives_its_text_and_another_seed_another():
    (model,) = models(1)
    texts = [generate(model, [1], 12, temperature=1.0, seed=seed).tokens for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]


def test_a_global_seed_changes_nothing_and_is_not_touched():
    (model,) = models(1)
    torch.manual_seed(1)
    first = generate(model, [1], 12, temperature=1.0).tokens
    state = torch.get_rng_state()
    second = generate(model, [1], 12, temperature=1.0).tokens
    assert first == second
    assert torch.equal(state, torch.get_rng_state())


def test_top_1_is_greedy_and_top_k_draws_among_the_k():
    (model,) = models(1)
    greedy = generate(model, [1, 2], 9).tokens
    assert generate(model, [1, 2], 9, temperature=2.0, top_k=1).tokens == greedy
    logits = torch.tensor([0.0, 3.0, 1.0, 2.0])
    chooser = Chooser(5.0, 3)
    drawn = {chooser.choose(logits) for _ in range(200)}
    assert drawn == {1, 2, 3}


def test_draws_follow_the_softmax_at_that_temperature():
    logits = torch.tensor([0.0, 1.0, 2.0])
    chooser = Chooser(2.0)
    drawn = torch.tensor([chooser.choose(logits) for _ in range(6000)])
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    torch.testing.assert_close(shares, (logits / 2).softmax(0), atol=0.02, rtol=0)


def test_on_token_hears_of_each_token_in_order():
    (model,) = models(1)
    heard: list[int] = []
    written = generate(model, [1], 5, on_token=heard.append)
    assert tuple(heard) == written.tokens


def test_a_long_prompt_is_cut_from_the_left_and_says_so():
    (model,) = models(1, context_length=13)
    prompt = [each % 61 for each in range(20)]
    written = generate(model, prompt, 1)
    assert written.prompt_cut == 7
    assert written.tokens == generate(model, prompt[7:], 1).tokens


def test_beyond_the_context_it_goes_on_from_the_latest_half():
    prompt = list(range(13))
    for model in models(8, context_length=13):
        first, second = generate(model, prompt, 2).tokens
        latest = [*prompt, first][-6:]
        with torch.no_grad():
            assert second == int(model(torch.tensor([latest]))[0, -1].argmax())


def test_a_model_that_wrote_text_can_still_be_trained():
    for model in models(5, position="rope"):
        generate(model, [1], 3)
        model(torch.zeros(1, 11, dtype=torch.long)).sum().backward()
        assert model.token_embedding.weight.grad is not None


def test_a_model_in_training_is_given_back_in_training():
    (model,) = models(1)
    model.train()
    generate(model, [1], 1)
    assert model.training


@pytest.mark.parametrize(
    ("prompt", "settings", "message"),
    [
        ([], {}, "an empty prompt"),
        ([1, 999], {}, "token 999 at place 1 of the prompt is outside vocab_size="),
        ([-1], {}, "token -1 at place 0"),
        ([1], {"temperature": -0.1}, "temperature=-0.1"),
        ([1], {"temperature": float("nan")}, "temperature=nan"),
        ([1], {"temperature": 1e-300}, "too small to divide by"),
        ([1], {"seed": -1}, "seed=-1 is not"),
        ([1], {"seed": 2**64}, "seed=18446744073709551616 is not"),
        ([1], {"top_k": 0}, "top_k=0 leaves no token"),
    ],
)
def test_wrong_settings_are_refused(prompt, settings, message):
    (model,) = models(1)
    with pytest.raises(InputError, match=message):
        generate(model, prompt, 3, **settings)
    with pytest.raises(InputError, match="n_tokens=-1"):
        generate(model, [1], -1)


def test_a_diverged_model_fails_with_its_reason():
    (model,) = models(1)
    with torch.no_grad():
        model.head.norm.weight.fill_(torch.nan)
    with pytest.raises(RunError, match="diverged"):
        generate(model, [1], 1)
