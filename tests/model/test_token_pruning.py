"""Token pruning in the model: what an obvious loop computes, and the same however it is read."""

from __future__ import annotations

import random

import pytest
import torch
from random_models import random_architecture, random_model
from torch import Tensor

from nasviz.errors import InputError
from nasviz.model.dynamic.runner import Runner
from nasviz.model.generate import generate
from nasviz.model.operations import rotate
from nasviz.model.transformer import Block, Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.token_pruning import TokenPruning
from nasviz.space.options.weight_quantization import WeightQuantization

PROMPT, STEPS = 13, 5
SAME = {"atol": 1e-9, "rtol": 1e-9}


def deep_model(seed: int, **fixed) -> Transformer:
    rng = random.Random(seed)
    sizes = {"n_layers": 5, "context_length": 19, "sliding_window": 0, **fixed}
    return random_model(random_architecture(rng, **sizes), seed).double()


def some_text(model: Transformer, batch: int, tokens: int = PROMPT + STEPS) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(model.architecture.vocab_size, (batch, tokens), generator=generator)


def read_and_step(runner: Runner, tokens: Tensor, prompt: int = PROMPT):
    """The logits after a prompt and after each further token, (B, 1 + steps, V), and the state."""
    reading = runner.new_reading(batch=len(tokens))
    logits = [runner.read(tokens[:, :prompt], reading)]
    logits += [runner.step(each, reading) for each in tokens[:, prompt:].unbind(dim=1)]
    return torch.stack(logits, dim=1), reading


def shares_of_attention(block: Block, model: Transformer, x: Tensor, places: Tensor) -> Tensor:
    """What each row of `x` (T, M) at `places` (T,) attends to, (H, T, T), not causally masked."""
    attention = block.attention
    inner = block.attention_norm(x)
    q = attention.query(inner).view(len(x), -1, attention.head_dim)
    k = attention.key(inner).view(len(x), -1, attention.head_dim)
    if attention.query_norm is not None:
        q, k = attention.query_norm(q), attention.key_norm(k)
    if model.rotary is not None:
        turns = model.rotary.at(0, 19, x)[places]
        q, k = rotate(q[None], turns)[0], rotate(k[None], turns)[0]
    k = k.repeat_interleave(attention.n_heads // attention.n_kv_heads, dim=1)
    scores = torch.einsum("qhd,khd->hqk", q, k) / attention.head_dim**0.5
    return scores.softmax(dim=-1)


def obviously(model: Transformer, option: TokenPruning, tokens: Tensor) -> tuple[Tensor, dict]:
    """The logits (1 + steps, V) of one text by masks alone: no cache, nothing gathered."""
    n_layers, total = model.architecture.n_layers, len(tokens)
    alive = torch.arange(total)  # generated tokens go everywhere
    hidden = model.embed(tokens[None])[0]
    reach = torch.ones(n_layers, total, dtype=torch.bool)
    points = option.points(n_layers)
    before = hidden
    for layer in range(n_layers):
        if layer in points:
            prompt = alive[alive < PROMPT]
            shares = shares_of_attention(model.blocks[layer - 1], model, before[prompt], prompt)[
                :, -1
            ]
            order = shares.sum(dim=0).argsort(descending=True).tolist()
            always = {len(prompt) - 1, *[i for i, p in enumerate(prompt) if p < option.protected]}
            chosen = sorted(always)
            for place in order:
                if len(chosen) < option.kept(len(prompt)) and place not in always:
                    chosen.append(place)
            gone = [p for i, p in enumerate(prompt.tolist()) if i not in chosen]
            reach[layer:, gone] = False
            alive = torch.tensor([p for p in alive.tolist() if p not in gone])
        before = hidden
        # One row at a time: each sees those before it that reached this layer.
        after = hidden.clone()
        for place in alive.tolist():
            seen = alive[alive <= place]
            run = model.run_layers(hidden[seen][None], layer, layer + 1, positions=seen[None])
            after[place] = run[0, -1]
        hidden = after
    return model.head(hidden[PROMPT - 1 :]), {p: torch.where(reach[p, :PROMPT])[0] for p in points}


@pytest.mark.parametrize("seed", range(6))
@torch.no_grad()
def test_pruned_prompts_and_steps_are_what_an_obvious_loop_computes(seed: int) -> None:
    rng = random.Random(seed)
    model = deep_model(seed)
    option = TokenPruning(
        keep=rng.choice((0.3, 0.6, 0.8)), first=rng.choice((1, 2)), every=rng.choice((1, 2)),
        protected=rng.choice((0, 1, 3)),
    )  # fmt: skip
    tokens = some_text(model, 2)
    logits, reading = read_and_step(Runner(model, InferencePolicy((option,))), tokens)
    for row, text in enumerate(tokens):
        expected, kept = obviously(model, option, text)
        torch.testing.assert_close(logits[row], expected, **SAME)
        for point, positions in kept.items():
            assert torch.equal(reading.kept[point][row], positions)


@pytest.mark.parametrize("position", ["learned", "rope", "none"])
@torch.no_grad()
def test_layers_keep_the_keys_of_the_tokens_that_reached_them(position: str) -> None:
    model = deep_model(3, position=position)
    option = TokenPruning(keep=0.5, first=2, every=2, protected=2)
    _, reading = read_and_step(Runner(model, InferencePolicy((option,))), some_text(model, 3))
    found = [reading.cache.positions(layer).shape[2] for layer in range(5)]
    assert found == [PROMPT + STEPS, PROMPT + STEPS, 7 + STEPS, 7 + STEPS, 4 + STEPS]
    assert [reading.cache.length_of(layer) for layer in range(5)] == [PROMPT + STEPS] * 5
    for point, positions in reading.kept.items():
        assert positions.shape == (3, option.kept(PROMPT) if point == 2 else 4)
        assert (positions.diff(dim=1) > 0).all()
        assert (positions[:, :2] == torch.tensor([0, 1])).all()
        assert (positions[:, -1] == PROMPT - 1).all()


@torch.no_grad()
def test_keeping_every_token_is_the_static_model_bit_for_bit() -> None:
    for seed in range(5):
        model = deep_model(seed)
        tokens = some_text(model, 2)
        pruned, _ = read_and_step(Runner(model, InferencePolicy((TokenPruning.neutral(),))), tokens)
        static, _ = read_and_step(Runner(model, InferencePolicy()), tokens)
        assert torch.equal(pruned, static)


@torch.no_grad()
def test_text_without_a_prompt_is_read_as_ever() -> None:
    model = deep_model(1)
    tokens = some_text(model, 2)
    runner = Runner(model, InferencePolicy((TokenPruning(keep=0.1),)))
    for logits, _ in (runner.at_once(tokens), runner.stepped(tokens)):
        torch.testing.assert_close(logits, model(tokens), **SAME)


OTHERS = {
    "recomputed exits": (EarlyExit(threshold=0.04, skipped_layers="recompute"),),
    "propagated exits": (EarlyExit(threshold=0.04),),
    "bits in the cache": (KVQuantization(bits=4, group=4, residual=2),),
    "half the width": (DynamicWidth(head_share=0.5, ff_share=0.5),),
    "fewer layers": (LayerSkip(keep=0.8),),
    "bits in the weights": (WeightQuantization(bits=8),),
    "exits and bits": (
        EarlyExit(threshold=0.04, skipped_layers="recompute"),
        KVQuantization(bits=8, group=2, residual=1),
    ),
}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
@torch.no_grad()
def test_with_other_options_a_batch_is_its_texts_one_by_one(options) -> None:
    model = deep_model(4, experts=1)
    if any(isinstance(each, WeightQuantization) for each in options):
        model = model.float()
    same = {"atol": 1e-4, "rtol": 1e-4} if model.head.norm.weight.dtype == torch.float32 else SAME
    tokens = some_text(model, 3)
    policy = InferencePolicy((TokenPruning(keep=0.6), *options))
    runner = Runner(model, policy)
    together, reading = read_and_step(runner, tokens)
    for row, text in enumerate(tokens.split(1)):
        alone, own = read_and_step(runner, text)
        torch.testing.assert_close(alone[0], together[row], **same)
        depths = [int(each[row]) for each in reading.depths]
        assert depths == [int(each[0]) for each in own.depths]
    unpruned = Runner(model, policy.without(TokenPruning))
    assert not torch.allclose(read_and_step(unpruned, tokens)[0], together, atol=1e-4)


@torch.no_grad()
def test_recomputed_exits_find_the_keys_of_a_pruned_prompt() -> None:
    model = deep_model(5)
    tokens = some_text(model, 1)
    pruning = TokenPruning(keep=0.5)
    whole, _ = read_and_step(Runner(model, InferencePolicy((pruning,))), tokens)
    divided = 0
    for percent in range(1, 100, 3):
        leaves = EarlyExit(threshold=percent / 100, skipped_layers="recompute")
        runner = Runner(model, InferencePolicy((pruning, leaves)))
        logits, reading = read_and_step(runner, tokens)
        deep = [place for place, depth in enumerate(reading.depths, 1) if int(depth) == 5]
        divided += 0 < len(deep) < STEPS
        torch.testing.assert_close(logits[0, deep], whole[0, deep], **SAME)
    assert divided


@torch.no_grad()
def test_a_further_part_of_a_prompt_has_its_positions() -> None:
    model = deep_model(6)
    tokens = some_text(model, 2)
    option = TokenPruning(keep=0.5)
    runner = Runner(model, InferencePolicy((option,)))
    reading = runner.new_reading(batch=2)
    runner.read(tokens[:, :6], reading)
    runner.read(tokens[:, 6:PROMPT], reading)
    for positions in reading.kept.values():
        assert (positions.diff(dim=1) > 0).all()
        assert (positions[:, -1] == PROMPT - 1).all()
    assert reading.cache.length_of(4) == PROMPT
    reading.clear()
    assert not reading.kept
    again = runner.read(tokens[:, :PROMPT], reading)
    fresh = runner.read(tokens[:, :PROMPT], runner.new_reading(batch=2))
    assert torch.equal(again, fresh)


def test_generation_goes_on_beyond_the_context() -> None:
    model = deep_model(7)
    policy = InferencePolicy((TokenPruning(keep=0.5),))
    made = generate(model, list(range(PROMPT)), 30, policy=policy)
    assert made.rereads > 0
    assert made.tokens != generate(model, list(range(PROMPT)), 30).tokens


def test_a_model_with_a_window_of_its_own_is_refused() -> None:
    model = deep_model(8, sliding_window=7)
    with pytest.raises(InputError, match=r"sliding_window=7.*set sliding_window=0"):
        Runner(model, InferencePolicy((TokenPruning(),)))
    Runner(model, InferencePolicy((TokenPruning(keep=1.0),)))
