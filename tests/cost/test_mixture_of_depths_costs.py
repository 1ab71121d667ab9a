"""Mixture of depths: the analytic figures are those of the model, for the same decisions."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.token_pruning import TokenPruning
from nasviz.space.table import CandidateTable
from nasviz.training.objective import batch_losses
from nasviz.training.plan import TrainingPlan

SIZES = Architecture(5, 32, 4, 61, 40, n_kv_heads=2, d_ff=53)
PROMPT = 17


def drawn_candidates(random_architectures, n: int, seed: int) -> list[Candidate]:
    rng = random.Random(seed)
    candidates = []
    for drawn in random_architectures(n, seed=seed):
        sizes = replace(drawn, n_layers=rng.randint(2, 6), sliding_window=0)
        option = MixtureOfDepths(
            capacity=rng.choice((0.01, 0.125, 0.5, 1.0)),
            first=rng.randint(1, sizes.n_layers - 1),
            every=rng.choice((1, 2, 3)),
        )
        bits = KVQuantization(bits=8, group=2, residual=3)
        some = (option, bits) if rng.random() < 0.3 else (option,)
        candidates.append(Candidate(sizes, InferencePolicy(some)))
    return candidates


def routed_model(candidate: Candidate, seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    model = build_model(candidate.architecture, candidate.inference).eval()
    with torch.no_grad():
        for parameter in model.additions.parameters():
            parameter.copy_(torch.randn(parameter.shape) if parameter.ndim > 1 else 0 * parameter)
    return model


@torch.inference_mode()
def counted(run, *arguments) -> int:
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run(*arguments)
    return counter.get_total_flops()


def seen_by_layer(reading) -> list[int]:
    cache = reading.cache
    return [cache.positions(layer).shape[2] for layer in range(cache.architecture.n_layers)]


@pytest.mark.parametrize("seed", range(5))
def test_a_prompt_s_flops_and_bytes_are_those_counted_for_the_same_decisions(seed: int) -> None:
    candidate = Candidate(
        SIZES, InferencePolicy((MixtureOfDepths(0.5, first=seed % 4 + 1, every=9),))
    )
    runner = Runner(routed_model(candidate, seed), candidate.inference)
    reading = runner.new_reading()
    tokens = torch.randint(61, (1, PROMPT))
    found = counted(runner.read, tokens, reading)
    share = min(seen_by_layer(reading)) / PROMPT
    cost = estimate(candidate, Workload(PROMPT, 1, 1), observed=Observed(routed_share=share))
    assert 0 < share < 1
    assert cost.flops.prefill == pytest.approx(found, rel=1e-12)
    runner.step(tokens[:, 0], reading)
    went = int(reading.depths[0]) == 5
    kept = reading.cache.filled_bytes + (share - went) * 2 * 16 * 4
    assert cost.memory.kv_cache_bytes == pytest.approx(kept, abs=1)


def test_steps_flops_are_those_counted_for_the_same_decisions() -> None:
    option = MixtureOfDepths(0.5, first=1, every=2)
    candidate = Candidate(SIZES, InferencePolicy((option,)))
    runner = Runner(routed_model(candidate), candidate.inference)
    reading = runner.new_reading()
    static = estimate(SIZES, Workload(PROMPT, 1, 1)).flops.decode_parts
    layer = (static.attention + static.feed_forward) // 5
    pair = static.scores // (5 * (PROMPT + 1))
    look = 2 * SIZES.d_model
    depths = set()
    for token in torch.randint(61, (30,)):
        before = seen_by_layer(reading)
        found = counted(runner.step, token.unsqueeze(0), reading)
        after = seen_by_layer(reading)
        went = [new > old for old, new in zip(before, after, strict=True)]
        routed_through = sum(went[place] for place in option.routed(5))
        expected = sum(went) * layer + static.head + (2 + routed_through) * look
        expected += sum(keys * pair for keys, through in zip(after, went, strict=True) if through)
        assert found == expected
        depths.add(sum(went))
    assert len(depths) > 1


@pytest.mark.parametrize(("bias", "share"), [(1e6, 1.0), (-1e6, 0.0)])
def test_where_all_or_none_go_through_costs_are_exactly_those_counted(
    random_architectures, bias: float, share: float
) -> None:
    for candidate in drawn_candidates(random_architectures, 15, seed=71):
        option = candidate.inference.get(MixtureOfDepths)
        model = routed_model(candidate)
        for predictor in model.additions["mixture_of_depths"].predictors:
            predictor.bias.data.fill_(bias)
        runner = Runner(model, candidate.inference)
        reading = runner.new_reading()
        tokens = torch.zeros((1, 11), dtype=torch.long)
        observed = Observed(routed_share=share)
        cost = estimate(candidate, Workload(11, 1, 1), observed=observed)
        assert cost.flops.prefill == pytest.approx(
            counted(runner.read, tokens, reading), rel=1e-12
        ), option
        assert cost.flops.decode_per_token == pytest.approx(
            counted(runner.step, tokens[:, 0], reading), rel=1e-12
        )
        assert cost.memory.kv_cache_bytes == reading.cache.filled_bytes
        assert cost.latency.time_to_first_token_s > 0


def test_training_costs_and_parameters_are_those_counted() -> None:
    policy = InferencePolicy((MixtureOfDepths(0.3, first=1, every=2),))
    with torch.device("meta"):
        model = build_model(SIZES, policy)
        tokens = torch.zeros((3, 40), dtype=torch.long)
    cost = estimate(Candidate(SIZES, policy))
    assert cost.parameters.total == sum(each.numel() for each in model.parameters())
    assert cost.parameters.additions == 4 * 33
    with FlopCounterMode(display=False) as counter:
        batch_losses(model, tokens, tokens, policy, TrainingPlan())[0].backward()
    found = counter.get_total_flops()
    assert cost.flops.training_per_token * tokens.numel() == pytest.approx(found, rel=1e-12)
    assert cost.flops.training_per_token < estimate(SIZES).flops.training_per_token


def test_a_table_s_costs_are_those_of_its_rows(random_architectures) -> None:
    candidates = drawn_candidates(random_architectures, 80, seed=73)
    candidates += [Candidate(each.architecture) for each in candidates[:20]]
    pruned = InferencePolicy((TokenPruning(keep=0.5),))
    candidates += [Candidate(each.architecture, pruned) for each in candidates[:20]]
    for workload in (Workload(9, 4, 3), Workload(1, 4, 1)):
        together = estimate(CandidateTable.of(candidates), workload)
        for name, column in COST_COLUMNS.items():
            alone = [column.of(estimate(each, workload)) for each in candidates]
            found = np.broadcast_to(column.of(together), len(candidates))
            whole = "bytes" in name  # one candidate's expected bytes are rounded up
            np.testing.assert_allclose(found, alone, rtol=1e-9, atol=int(whole), err_msg=name)


def test_full_capacity_costs_what_the_static_model_costs(random_architectures) -> None:
    neutral = InferencePolicy((MixtureOfDepths.neutral(),))
    for drawn in random_architectures(20, seed=74):
        sizes = replace(drawn, n_layers=3)
        cost, static = estimate(Candidate(sizes, neutral)), estimate(sizes)
        for name, column in COST_COLUMNS.items():
            assert column.of(cost) == column.of(static), name


def test_the_prior_is_the_capacity_and_what_was_seen_takes_its_place() -> None:
    candidate = Candidate(SIZES, InferencePolicy((MixtureOfDepths(0.25, first=1, every=1),)))
    prior = estimate(candidate).flops.decode_per_token
    seen = estimate(candidate, observed=Observed(routed_share=0.25)).flops.decode_per_token
    more = estimate(candidate, observed=Observed(routed_share=0.5)).flops.decode_per_token
    assert prior == seen < more < estimate(SIZES).flops.decode_per_token
    assert Observed.from_json(Observed(routed_share=0.5).to_json()).routed_share == 0.5
    with pytest.raises(InputError, match=r"routed_share=1\.5 is no share"):
        Observed(routed_share=1.5)
