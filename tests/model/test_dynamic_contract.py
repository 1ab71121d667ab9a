"""What every dynamic-inference option promises, over random architectures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from differing import differing
from random_models import random_architecture
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.flop_formulas import FLOP_FORMULAS
from nasviz.model.dynamic.runner import Runner
from nasviz.model.dynamic.walk import PlainWalk
from nasviz.model.routing import recorded_routing
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS
from nasviz.space.options.self_speculation import SelfSpeculation
from nasviz.space.options.weight_quantization import WeightQuantization

TOKENS = 12
SEEDS = pytest.mark.parametrize("seed", range(3))

# Settings under which an option really does something to texts of a dozen tokens, where its
# defaults don't.
BUSY: dict[str, dict[str, object]] = {
    "early_exit": {"threshold": 0.12},
    "cascade": {"threshold": 0.12},
    "kv_window": {"window": 4, "sinks": 1},
    "kv_eviction": {"budget": 6},
    "kv_quantization": {"group": 2, "residual": 2},
    "mixture_of_experts": {"top_p": 0.6},
}


# Packed products are padded to whole groups of inputs and rows; of these sizes none is.
SIZES: dict[str, dict[str, int]] = {
    "weight_quantization": {
        "d_model": 64,
        "n_heads": 4,
        "n_kv_heads": 2,
        "head_dim": 16,
        "d_ff": 128,
    },
    # Of three experts a token some are left out.
    "mixture_of_experts": {"experts": 5, "experts_per_token": 3},
}


def busy(kind: type[Option]) -> Option:
    known = {field.name for field in kind.FIELDS}
    settings = BUSY.get(kind.NAME, {})
    assert set(settings) <= known
    return kind(**settings)


# Every option, and settings under which one of them is another way of running.
CASES = [*(busy(kind) for kind in OPTIONS), LayerSkip(keep=0.6, choose="router")]


def case_id(option: Option) -> str:
    return f"{option.NAME}-router" if getattr(option, "choose", "") == "router" else option.NAME


EVERY = pytest.mark.parametrize("option", CASES, ids=case_id)


def sizes_for(*kinds: type[Option]) -> dict[str, int]:
    """The sizes that stay fixed where models are drawn for options."""
    sizes = {"n_layers": 4, "context_length": 24, "experts": 1}
    for kind in kinds:
        sizes |= SIZES.get(kind.NAME, {})
    return sizes


def fitting(option: Option, seed: int) -> tuple[Transformer, InferencePolicy]:
    """A random model that `option` fits, with what it learns, every weight random.

    Where it may, every other one has layers that differ.
    """
    rng = random.Random(seed)
    policy = InferencePolicy((option,))
    for _ in range(200):
        architecture = random_architecture(rng, **sizes_for(type(option)))
        if option.LAYERS_MAY_DIFFER and seed % 2:
            architecture = differing(architecture, rng)
        try:
            model = build_model(architecture, policy)
            Runner(model, policy)
        except InputError:  # a window that the option can't run with: draw again
            continue
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        return model.eval(), policy
    raise AssertionError(f"no random architecture fits {option.NAME}")


def as_neutral(option: Option) -> Option:
    return replace(option, **option.NEUTRAL)


def texts(model: Transformer, batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(model.architecture.vocab_size, (batch, TOKENS), generator=generator)


@EVERY
@SEEDS
@torch.inference_mode()
def test_neutral_settings_are_the_static_model_bit_for_bit(option: Option, seed: int) -> None:
    model, _ = fitting(option, seed)
    neutral = InferencePolicy((as_neutral(option),))
    tokens = texts(model, 2)
    logits, depths = Runner(model, neutral).logits(tokens)
    assert torch.equal(logits, model(tokens))
    assert bool((depths == 4).all())
    static = Runner(model, InferencePolicy())
    stepped = Runner(model, neutral).stepped(tokens)[0]
    assert torch.equal(stepped, static.stepped(tokens)[0])


@EVERY
@SEEDS
@torch.inference_mode()
def test_steps_say_what_one_pass_over_the_text_says(option: Option, seed: int) -> None:
    model, policy = fitting(option, seed)
    runner = Runner(model, policy)
    tokens = texts(model, 2)
    stepped, depths = runner.stepped(tokens)
    at_once = runner.at_once(tokens)
    if at_once is not None:
        assert torch.equal(at_once[1], depths)
        torch.testing.assert_close(at_once[0], stepped, rtol=1e-4, atol=1e-4)
    for length in (1, 5, TOKENS):  # what is kept from step to step is what a fresh start makes
        anew = runner.stepped(tokens[:, :length])[0]
        torch.testing.assert_close(anew, stepped[:, :length], rtol=1e-5, atol=1e-5)


@EVERY
@SEEDS
@torch.inference_mode()
def test_a_batch_is_its_sequences_one_by_one(option: Option, seed: int) -> None:
    model, policy = fitting(option, seed)
    runner = Runner(model, policy)
    tokens = texts(model, 3)
    together, depths = runner.stepped(tokens)
    for row in range(3):
        alone, own = runner.stepped(tokens[row : row + 1])
        assert torch.equal(own[0], depths[row])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-4)


def decided(
    model: Transformer, policy: InferencePolicy, depth: int, experts: tuple[float, ...]
) -> Observed:
    """What a step shows that left after so many layers, and took so many experts in each."""
    if policy.get(MixtureOfExperts) is not None:
        return Observed(experts_per_token=experts)
    if policy.get(Cascade) is not None:
        return Observed(answered_share=float(depth == 0))
    option = policy.get(EarlyExit)
    if option is None:
        return Observed()
    n_layers = policy.running(model.architecture).n_layers
    places = (*option.exits(n_layers), n_layers)
    return Observed(exit_shares=tuple(float(place == depth) for place in places))


def steps(
    model: Transformer, policy: InferencePolicy
) -> Iterator[tuple[int, int, int, int | None, tuple[float, ...]]]:
    """Yield prompt, depth, FLOPs of one step behind it, the bytes kept after it, and its experts.

    The bytes are None where a model has yet to read some of the tokens; experts are those that the
    token went through, in each layer that has several.
    """
    runner = Runner(model, policy)
    tokens = texts(model, 1)
    for prompt in range(1, TOKENS):
        reading = runner.new_reading()
        runner.read(tokens[:, :prompt], reading)
        # The counter sees nothing of a fused kernel, and of packed products only what it is told.
        counter = FlopCounterMode(display=False, custom_mapping=dict(FLOP_FORMULAS))
        with counter, sdpa_kernel(SDPBackend.MATH), recorded_routing(runner.model) as routings:
            runner.step(tokens[:, prompt], reading)
        depth = int(reading.depths[-1])
        kept = None if reading.unread else reading.filled_bytes
        experts = model.architecture.experts
        visits = tuple(float((each.chosen < experts).sum()) for each in routings)
        yield prompt, depth, counter.get_total_flops(), kept, visits


# Rounds of guesses are the generation's own steps: see test_self_speculation. What one step finds
# in each routed layer is no mean share: see test_mixture_of_depths_costs and test_layer_router.
STEPPED = pytest.mark.parametrize(
    "option",
    [
        each
        for each in CASES
        if not isinstance(each, SelfSpeculation | MixtureOfDepths)
        and case_id(each) != "layer_skip-router"
    ],
    ids=case_id,
)


@STEPPED
@SEEDS
@torch.inference_mode()
def test_a_step_s_flops_and_bytes_are_those_of_the_formulas(option: Option, seed: int) -> None:
    model, policy = fitting(option, seed)
    candidate = Candidate(model.architecture, policy)
    for prompt, depth, flops, kept, experts in steps(model, policy):
        workload = Workload(prompt_tokens=prompt, generated_tokens=1)
        cost = estimate(candidate, workload, observed=decided(model, policy, depth, experts))
        assert cost.flops.decode_per_token == pytest.approx(flops, rel=1e-9), (prompt, depth)
        assert kept is None or cost.memory.kv_cache_bytes == kept, prompt


@EVERY
@torch.inference_mode()
def test_saved_and_loaded_it_runs_the_same(option: Option, tmp_path: Path) -> None:
    model, policy = fitting(option, 1)
    save_checkpoint(model, tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert loaded.built_for == policy
    tokens = texts(model, 2)
    before = Runner(model, policy).stepped(tokens)[0]
    assert torch.equal(Runner(loaded, loaded.built_for).stepped(tokens)[0], before)


@EVERY
def test_the_cost_of_parameters_is_what_is_built(option: Option) -> None:
    model, policy = fitting(option, 2)
    cost = estimate(Candidate(model.architecture, policy))
    assert cost.parameters.total == sum(each.numel() for each in model.parameters())
    neutral = Candidate(model.architecture, InferencePolicy((as_neutral(option),)))
    static = estimate(model.architecture)
    assert estimate(neutral).flops.decode_per_token == static.flops.decode_per_token
    assert estimate(neutral).memory.kv_cache_bytes == static.memory.kv_cache_bytes


@pytest.mark.parametrize("kind", OPTIONS, ids=lambda kind: kind.NAME)
def test_a_model_whose_layers_differ_runs_with_what_treats_a_layer_by_itself(
    kind: type[Option],
) -> None:
    sizes = differing(Architecture(4, 24, 2, 61, 24, n_kv_heads=1, d_ff=53), random.Random(1))
    if kind.LAYERS_MAY_DIFFER:
        assert Candidate(sizes, InferencePolicy((kind(),))).architecture == sizes
        return
    with pytest.raises(InputError) as error:
        Candidate(sizes, InferencePolicy((kind(),)))
    said = str(error.value)
    assert said.startswith(f"{kind.NAME} can't run a model whose layers differ (layer_sizes): ")
    assert said.endswith("leave the option off, or give all layers equal sizes")


def test_bits_of_each_layer_are_refused_where_sizes_are_said_by_layer_too() -> None:
    sizes = differing(Architecture(4, 24, 2, 61, 24, n_kv_heads=1, d_ff=53), random.Random(1))
    with pytest.raises(InputError, match="layer_bits can't be combined with layers that differ"):
        Candidate(sizes, InferencePolicy((WeightQuantization(layer_bits=(8, 8, 4, 16)),)))


def test_without_options_nothing_stands_between_the_model_and_its_text() -> None:
    model, _ = fitting(EarlyExit(), 0)
    runner = Runner(model, InferencePolicy())
    assert runner.model is model
    assert isinstance(runner.walk, PlainWalk)


@SEEDS
@torch.inference_mode()
def test_options_combine(seed: int) -> None:
    """Any two that don't exclude each other run together, and a batch is still its sequences."""
    rng = random.Random(seed)
    combined = 0
    for place, one in enumerate(CASES):
        for other in CASES[place + 1 :]:
            exclude = other.NAME in one.conflicts() or one.NAME in other.conflicts()
            if exclude or one.NAME == other.NAME:
                continue
            policy = InferencePolicy((one, other))
            for _ in range(50):
                routed = [each for each in (type(one), type(other)) if each is MixtureOfExperts]
                sizes = sizes_for(*routed)
                architecture = random_architecture(rng, **sizes)
                try:
                    model = build_model(architecture, policy).eval()
                    runner = Runner(model, policy)
                    break
                except InputError:
                    continue
            else:
                raise AssertionError(f"{one.NAME} and {other.NAME} never fit together")
            tokens = texts(model, 2)
            together, depths = runner.stepped(tokens)
            alone, own = runner.stepped(tokens[1:])
            assert torch.equal(own[0], depths[1]), policy
            difference = (alone[0] - together[1]).abs().max().item()
            assert difference < 1e-5 * max(1.0, together[1].abs().max().item()), policy
            combined += 1
    assert combined >= len(OPTIONS)
