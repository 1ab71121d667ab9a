"""Token pruning: the analytic FLOPs and bytes are those of the model that prunes."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.dynamic.options import running_of
from nasviz.cost.dynamic.running import stages_of
from nasviz.cost.estimate import estimate
from nasviz.cost.sizes import sizes_of
from nasviz.cost.workload import Workload
from nasviz.model.dynamic.reading import Reading
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.token_pruning import TokenPruning
from nasviz.space.table import CandidateTable

BATCH = 3


def drawn_candidates(random_architectures, n: int, seed: int) -> list[Candidate]:
    """Candidates that prune, some with bits in the cache besides."""
    rng = random.Random(seed)
    candidates = []
    for drawn in random_architectures(n, seed=seed):
        sizes = replace(drawn, n_layers=rng.randint(2, 6), sliding_window=0)
        option = TokenPruning(
            keep=rng.choice((0.01, 0.3, 0.7, 0.95, 1.0)),
            first=rng.randint(1, sizes.n_layers - 1),
            every=rng.choice((1, 2, 3)),
            protected=rng.choice((0, 1, 3, 50)),
        )
        bits = KVQuantization(bits=8, group=2, residual=3)
        some = (option, bits) if rng.random() < 0.3 else (option,)
        candidates.append(Candidate(sizes, InferencePolicy(some)))
    return candidates


@torch.inference_mode()
def counted(run, tokens: torch.Tensor, reading: Reading) -> int:
    with FlopCounterMode(display=False) as counter:
        run(tokens, reading)
    return counter.get_total_flops()


@pytest.mark.parametrize("prompt", [1, 2, 13])
def test_flops_and_bytes_are_those_that_torch_counts(random_architectures, prompt: int) -> None:
    for candidate in drawn_candidates(random_architectures, 40, seed=61 + prompt):
        with torch.device("meta"):
            model = Transformer(candidate.architecture).eval()
        runner = Runner(model, candidate.inference)
        reading = runner.new_reading(batch=BATCH)
        tokens = torch.zeros((BATCH, prompt), dtype=torch.long, device="meta")
        found = counted(runner.read, tokens, reading), counted(runner.step, tokens[:, 0], reading)
        cost = estimate(candidate, Workload(prompt, 1, BATCH))
        assert cost.flops.prefill == found[0], candidate
        assert BATCH * cost.flops.decode_per_token == pytest.approx(found[1], rel=1e-12)
        assert cost.memory.kv_cache_bytes == reading.cache.filled_bytes


def test_stages_are_the_tokens_that_each_layer_reads(random_architectures) -> None:
    for candidate in drawn_candidates(random_architectures, 30, seed=62):
        option = candidate.inference.get(TokenPruning)
        n_layers = candidate.architecture.n_layers
        stages = stages_of(running_of(candidate, sizes_of(candidate)), 17)
        by_layer = [each.tokens for each in stages for _ in range(each.layers)]
        tokens, expected = 17, []
        for layer in range(n_layers):
            tokens = option.kept(tokens) if layer in option.points(n_layers) else tokens
            expected.append(tokens)
        assert by_layer == expected


def test_a_table_s_costs_are_those_of_its_rows(random_architectures) -> None:
    candidates = drawn_candidates(random_architectures, 80, seed=63)
    candidates += [Candidate(each.architecture) for each in candidates[:20]]
    for workload in (Workload(9, 4, BATCH), Workload(1, 4, 1)):
        together = estimate(CandidateTable.of(candidates), workload)
        for name, column in COST_COLUMNS.items():
            alone = [column.of(estimate(each, workload)) for each in candidates]
            found = np.broadcast_to(column.of(together), len(candidates))
            np.testing.assert_allclose(found, alone, rtol=1e-12, err_msg=name)


def test_keeping_every_token_costs_what_the_static_model_costs(random_architectures) -> None:
    neutral = InferencePolicy((TokenPruning.neutral(),))
    for drawn in random_architectures(20, seed=64):
        sizes = replace(drawn, n_layers=3)
        cost, static = estimate(Candidate(sizes, neutral)), estimate(sizes)
        for name, column in COST_COLUMNS.items():
            assert column.of(cost) == column.of(static), name


def test_half_the_tokens_are_a_quarter_of_the_pairs_and_half_the_cache() -> None:
    sizes = Architecture(9, 256, 4, 256, 4096)
    option = TokenPruning(keep=0.5, first=1, every=9)
    workload = Workload(prompt_tokens=4000, generated_tokens=1)
    pruned = estimate(Candidate(sizes, InferencePolicy((option,))), workload)
    static = estimate(sizes, workload)
    scores = pruned.flops.prefill_parts.scores / static.flops.prefill_parts.scores
    assert scores == pytest.approx((1 + 8 / 4) / 9)
    kept = pruned.memory.kv_cache_bytes / static.memory.kv_cache_bytes
    assert kept == pytest.approx((1 + 8 / 2) / 9, rel=1e-3)
    assert pruned.latency.time_to_first_token_s < static.latency.time_to_first_token_s
    assert pruned.flops.decode_per_token < static.flops.decode_per_token
    assert pruned.flops.training_per_token == static.flops.training_per_token


def test_the_share_of_time_that_is_saved_grows_with_the_prompt() -> None:
    sizes = Architecture(12, 256, 4, 256, 16_384)
    candidate = Candidate(sizes, InferencePolicy((TokenPruning(keep=0.5),)))
    shares = []
    for prompt in (64, 256, 1024, 4096, 16_000):
        workload = Workload(prompt_tokens=prompt, generated_tokens=1)
        pruned, static = (estimate(each, workload).latency for each in (candidate, sizes))
        shares.append(pruned.time_to_first_token_s / static.time_to_first_token_s)
    assert shares == sorted(shares, reverse=True)


def test_tokens_stay_behind_in_the_layers_that_run() -> None:
    sizes = Architecture(8, 64, 4, 61, 32)
    pruning = TokenPruning(keep=0.5, first=2)
    cost = estimate(Candidate(sizes, InferencePolicy((pruning, LayerSkip(0.5)))), Workload(16, 4))
    short = Candidate(LayerSkip(0.5).running(sizes), InferencePolicy((pruning,)))
    assert cost.flops.prefill == estimate(short, Workload(16, 4)).flops.prefill
    exits = EarlyExit(threshold=0.0, first=4)
    both = estimate(Candidate(sizes, InferencePolicy((pruning, exits))), Workload(16, 4))
    alone = estimate(Candidate(sizes, InferencePolicy((pruning,))), Workload(16, 4))
    assert both.flops.prefill == alone.flops.prefill
    assert both.flops.decode_per_token < alone.flops.decode_per_token
