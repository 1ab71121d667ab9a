"""Self-speculation writes what the whole model writes, and costs what its rounds cost."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from random_models import random_architecture, random_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.model.cache import KVCache
from nasviz.model.choice import Chooser
from nasviz.model.dynamic.runner import Runner
from nasviz.model.dynamic.speculation import Speculator
from nasviz.model.generate import generate
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.self_speculation import SelfSpeculation

# Logits of one token computed alone and of several computed together differ by rounding. Two
# tokens that the whole model tells apart by less than this are a tie: either may be written.
TIE = 1e-4
PROMPTS, WRITTEN = 200, 12


def tied(model: Transformer, text: list[int], one: int, other: int) -> bool:
    """Whether the model, reading the whole text anew, hardly tells two next tokens apart."""
    context = model.architecture.context_length
    with torch.inference_mode():
        logits = model.prefill(torch.tensor([text[-context:]]))[0]
    return abs(float(logits[one] - logits[other])) < TIE


@pytest.mark.parametrize("seed", range(5))
def test_greedy_text_is_the_whole_model_s_token_for_token(seed: int) -> None:
    rng = random.Random(seed)
    architecture = random_architecture(rng, n_layers=4, context_length=32, sliding_window=0)
    model = random_model(architecture, seed)
    compared = ties = 0
    for number in range(PROMPTS):
        prompt = [rng.randrange(architecture.vocab_size) for _ in range(rng.randint(1, 8))]
        option = SelfSpeculation(draft_layers=1 + number % 3, draft_length=1 + number % 5)
        static = generate(model, prompt, WRITTEN).tokens
        guessed = generate(model, prompt, WRITTEN, policy=InferencePolicy((option,)))
        assert guessed.drafts is not None
        for place, (a, b) in enumerate(zip(static, guessed.tokens, strict=True)):
            compared += 1
            if a != b:
                assert tied(model, [*prompt, *static[:place]], a, b), (seed, number, place)
                ties += 1
                break  # from here on the texts differ
    assert compared > 0.97 * WRITTEN * PROMPTS
    assert ties < 0.02 * PROMPTS


def test_a_text_longer_than_the_context_is_the_static_one_too() -> None:
    architecture = random_architecture(random.Random(8), n_layers=3, context_length=13)
    model = random_model(replace(architecture, sliding_window=0), 8)
    policy = InferencePolicy((SelfSpeculation(draft_layers=1, draft_length=4),))
    static = generate(model, [1, 2, 3], 60)
    guessed = generate(model, [1, 2, 3], 60, policy=policy)
    assert guessed.tokens == static.tokens
    assert guessed.rereads == static.rereads > 0


def test_drawn_tokens_follow_the_whole_model_s_chances() -> None:
    torch.manual_seed(0)
    model = Transformer(Architecture(3, 24, 2, 8, 64)).eval()
    policy = InferencePolicy((SelfSpeculation(draft_layers=1, draft_length=2),))
    prompt = [1, 2, 3]
    with torch.inference_mode():
        first = model.prefill(torch.tensor([prompt]))[0].softmax(dim=-1)
        pairs = torch.zeros(8, 8)
        for token in range(8):
            after = model.prefill(torch.tensor([[*prompt, token]]))[0].softmax(dim=-1)
            pairs[token] = first[token] * after
    drawn = torch.zeros(8, 8)
    for seed in range(4_000):
        a, b = generate(model, prompt, 2, policy=policy, temperature=1.0, seed=seed).tokens
        drawn[a, b] += 1 / 4_000
    # The second token is guessed and checked. 64 cells, standard deviations of at most 0.008.
    torch.testing.assert_close(drawn, pairs, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.sum(1), first, atol=0.03, rtol=0)


def test_a_draft_that_is_the_whole_model_is_always_right() -> None:
    torch.manual_seed(1)
    model = Transformer(Architecture(4, 24, 2, 61, 64)).eval()
    with torch.no_grad():  # the upper layers add nothing, so the first one says what all say
        for block in model.blocks[1:]:
            block.attention.output.weight.zero_()
            block.feed_forward.down.weight.zero_()
    policy = InferencePolicy((SelfSpeculation(draft_layers=1, draft_length=4),))
    for temperature in (0.0, 1.0):
        written = generate(model, [1, 2], 41, policy=policy, temperature=temperature)
        assert written.drafts is not None
        assert written.drafts.acceptance == 1.0
        assert written.drafts.rounds == 8  # of five tokens each, after the first


@pytest.mark.parametrize("seed", range(4))
def test_a_round_costs_what_is_counted(seed: int) -> None:
    rng = random.Random(seed)
    architecture = random_architecture(
        rng, n_layers=3, context_length=40, sliding_window=0, experts=1
    )
    option = SelfSpeculation(draft_layers=1 + seed % 2, draft_length=3)
    policy = InferencePolicy((option,))
    model = random_model(architecture, seed)
    speculator = Speculator(model, option)
    reading = Runner(model, policy).new_reading()
    with torch.inference_mode():
        model.prefill(torch.tensor([[1] * 9]), reading.cache)
        # The counter sees nothing of a fused kernel.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            kept = speculator.round(2, reading, 3, Chooser())
    observed = Observed(tokens_per_round=len(kept))
    workload = Workload(prompt_tokens=9, generated_tokens=1)
    flops = estimate(Candidate(architecture, policy), workload, observed=observed).flops
    # The formula prices attention at the first token's keys; the round's later ones see more.
    layers, query = option.draft_layers, architecture.n_heads * architecture.head_dim
    extra = 4 * query * (layers * (1 + 2 + 3) + (3 - layers) * 4 * 3)
    counted = counter.get_total_flops()
    assert flops.decode_per_token * len(kept) + extra == pytest.approx(counted, rel=1e-12)


def test_a_draft_length_of_nought_is_the_static_model() -> None:
    policy = InferencePolicy((SelfSpeculation(draft_length=0),))
    model = random_model(random_architecture(random.Random(2), n_layers=3, sliding_window=0))
    assert generate(model, [1], 9, policy=policy).drafts is None
    static = estimate(model.architecture)
    neutral = estimate(Candidate(model.architecture, policy))
    assert neutral.flops.decode_per_token == static.flops.decode_per_token


def test_tokens_can_be_taken_back_only_while_they_are_kept() -> None:
    architecture = Architecture(2, 24, 2, 61, 32, sliding_window=4)
    cache = KVCache(architecture)
    keys = torch.zeros(1, 2, 6, 12)
    for layer in range(2):
        cache.append(layer, keys, keys)
    with pytest.raises(InputError, match="none can be taken back"):
        cache.forget_after(5)
    with pytest.raises(InputError, match="sliding window has let go"):
        Candidate(architecture, InferencePolicy((SelfSpeculation(),)))
