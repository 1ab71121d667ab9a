"""Policies of the cache on the road that generation takes, alone and with early exit."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from kv_policies import model_for, one_by_one, random_policy, some_text
from random_models import random_architecture, random_model

from nasviz.model.dynamic.runner import Runner
from nasviz.model.generate import generate
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit, SkippedLayers
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow

SAME = {"atol": 1e-9, "rtol": 1e-9}
CACHES = {
    "window": (KVWindow(window=4, sinks=1),),
    "eviction": (KVEviction(budget=6, protected=1),),
    "bits": (KVQuantization(bits=4, group=4, residual=2),),
    "window in bits": (KVWindow(window=7, sinks=1), KVQuantization(bits=8, group=2, residual=1)),
}
EVERY = pytest.mark.parametrize("options", CACHES.values(), ids=CACHES)


def deep_model(seed: int) -> Transformer:
    rng = random.Random(seed)
    sizes = {"n_layers": 4, "context_length": 19, "sliding_window": 0, "experts": 1}
    return random_model(random_architecture(rng, **sizes), seed).double()


def some_leave(model: Transformer, options, skipped_layers: SkippedLayers) -> InferencePolicy:
    """The policy at a threshold at which some tokens leave early and some don't."""
    tokens = some_text(model.architecture)
    for percent in range(1, 100):
        option = EarlyExit(threshold=percent / 100, skipped_layers=skipped_layers)
        policy = InferencePolicy((option, *options))
        depths = Runner(model, policy).stepped(tokens)[1]
        if 0 < int((depths < 4).sum()) < depths.numel():
            return policy
    raise AssertionError("no threshold divides these tokens")


@torch.no_grad()
def test_one_pass_over_a_text_says_what_steps_say() -> None:
    rng = random.Random(81)
    for _ in range(30):
        policy = random_policy(rng)
        model = model_for(policy, rng)
        tokens = some_text(model.architecture)
        expected, _ = one_by_one(model, policy, tokens)
        runner = Runner(model, policy)
        for logits, depths in (runner.at_once(tokens), runner.stepped(tokens)):
            torch.testing.assert_close(logits, expected, **SAME)
            assert (depths == model.architecture.n_layers).all()


@EVERY
@torch.no_grad()
def test_recomputed_exits_find_the_same_cache_at_once_and_in_steps(options) -> None:
    model = deep_model(82)
    tokens = some_text(model.architecture)
    runner = Runner(model, some_leave(model, options, "recompute"))
    at_once, depths = runner.at_once(tokens)
    stepped, stepped_depths = runner.stepped(tokens)
    assert torch.equal(depths, stepped_depths)
    torch.testing.assert_close(at_once, stepped, **SAME)


@EVERY
@torch.no_grad()
def test_propagated_exits_find_the_same_cache_at_once_unless_it_learns_from_queries(
    options,
) -> None:
    model = deep_model(87)
    tokens = some_text(model.architecture)
    runner = Runner(model, some_leave(model, options, "propagate"))
    at_once = runner.at_once(tokens)
    if any(isinstance(each, KVEviction) for each in options):
        assert at_once is None
        return
    stepped, depths = runner.stepped(tokens)
    assert torch.equal(at_once[1], depths)
    torch.testing.assert_close(at_once[0], stepped, **SAME)


@EVERY
@pytest.mark.parametrize("skipped_layers", ["propagate", "recompute"])
@torch.no_grad()
def test_with_exits_a_batch_is_its_texts_one_by_one(options, skipped_layers) -> None:
    model = deep_model(83)
    tokens = some_text(model.architecture, batch=3)
    runner = Runner(model, some_leave(model, options, skipped_layers))
    together, depths = runner.stepped(tokens)
    for row, text in enumerate(tokens.split(1)):
        alone, own = runner.stepped(text)
        assert torch.equal(own[0], depths[row])
        torch.testing.assert_close(alone[0], together[row], **SAME)


@EVERY
def test_generation_beyond_the_context_reads_the_latest_half_anew(options) -> None:
    model = deep_model(84)
    policy = InferencePolicy(options)
    made = generate(model, [3, 1, 4, 1, 5], 40, policy=policy)
    assert made.rereads > 0
    # What follows a re-reading depends on the text that was read anew alone.
    text = [3, 1, 4, 1, 5, *made.tokens]
    context = model.architecture.context_length
    read_anew = text[: context + 1][-(context // 2) :]
    again = generate(model, read_anew, 4, policy=policy)
    assert again.tokens == tuple(text[context + 1 : context + 5])


@EVERY
def test_generation_differs_from_the_static_model_s(options) -> None:
    changed = [replace(each, residual=0, bits=2) if isinstance(each, KVQuantization) else each
               for each in options]  # fmt: skip
    prompt = list(range(12))
    differs = 0
    for seed in range(85, 91):
        model = deep_model(seed)
        static = generate(model, prompt, 7).tokens
        differs += (
            generate(model, prompt, 7, policy=InferencePolicy(tuple(changed))).tokens != static
        )
    assert differs
