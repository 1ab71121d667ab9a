"""Options of the cache: the analytic bytes and FLOPs are those that the model's cache has."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.model.dynamic.caches import new_cache
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.table import CandidateTable

BATCH = 3
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def random_candidates(random_architectures, n: int, seed: int) -> list[Candidate]:
    """Candidates with a window, eviction or neither, and bits or not."""
    rng = random.Random(seed)
    candidates = []
    for drawn in random_architectures(n, seed=seed):
        kept = rng.choice((
            KVWindow(window=rng.choice((0, 1, 3, 7, 11, 200)), sinks=rng.choice((0, 1, 4, 30))),
            KVEviction(budget=rng.choice((0, 3, 5, 12, 200)), protected=rng.choice((0, 2))),
            None,
        ))  # fmt: skip
        packed = KVQuantization(
            bits=rng.choice((16, 8, 4, 2)),
            group=rng.choice((1, 2, 3, 4, 32)),
            residual=rng.choice((0, 1, 3, 8, 40)),
            keys=rng.choice(("per_channel", "per_token")),
        )
        options = [each for each in (kept, rng.choice((packed, None))) if each is not None]
        own = {"sliding_window": 0} if isinstance(kept, KVEviction) else {}
        candidates.append(Candidate(drawn.with_(**own), InferencePolicy(tuple(options))))
    return candidates


def on_meta(architecture: Architecture) -> Transformer:
    with torch.device("meta"):
        return Transformer(architecture).eval()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_formula_s_bytes_are_those_of_the_cache(random_architectures, precision: str) -> None:
    for candidate in random_candidates(random_architectures, 30, seed=41):
        architecture = candidate.architecture
        model = on_meta(architecture).to(PRECISIONS[precision])
        cache = new_cache(candidate.inference, model, batch=BATCH)
        sizes = (BATCH, architecture.n_kv_heads, 1, architecture.head_dim)
        token = torch.zeros(sizes, dtype=PRECISIONS[precision], device="meta")
        for read in range(architecture.context_length):
            assert (cache.filled_bytes == 0) == (read == 0)
            for layer in range(architecture.n_layers):
                cache.append(layer, token, token)
            if read > 0:
                workload = Workload(read, 1, BATCH, precision)
                memory = estimate(candidate, workload).memory
                assert memory.kv_cache_bytes == cache.filled_bytes, (candidate, read)
                assert memory.kv_read_bytes == cache.filled_bytes
        assert cache.filled_bytes <= cache.reserved_bytes


def test_prompts_and_steps_take_the_flops_that_torch_counts(random_architectures) -> None:
    rng = random.Random(42)
    for candidate in random_candidates(random_architectures, 60, seed=42):
        architecture = candidate.architecture
        model = on_meta(architecture)
        prompt = rng.randint(1, architecture.context_length - 1)
        cache = new_cache(candidate.inference, model, batch=BATCH)
        tokens = torch.zeros((BATCH, prompt), dtype=torch.long, device="meta")
        with torch.inference_mode():
            with FlopCounterMode(display=False) as reading:
                model.prefill(tokens, cache)
            with FlopCounterMode(display=False) as decoding:
                model.decode(tokens[:, 0], cache)
        workload = Workload(prompt_tokens=prompt, generated_tokens=1, batch=BATCH)
        flops = estimate(candidate, workload).flops
        assert flops.prefill == reading.get_total_flops(), (prompt, candidate)
        assert BATCH * flops.decode_per_token == decoding.get_total_flops(), (prompt, candidate)


def test_a_table_s_costs_are_those_of_its_rows(random_architectures) -> None:
    candidates = random_candidates(random_architectures, 200, seed=43)
    workload = Workload(prompt_tokens=9, generated_tokens=4, batch=BATCH)
    together = estimate(CandidateTable.of(candidates), workload)
    for name, column in COST_COLUMNS.items():
        alone = [column.of(estimate(each, workload)) for each in candidates]
        found = np.broadcast_to(column.of(together), len(candidates))
        np.testing.assert_allclose(found, alone, rtol=1e-12, err_msg=name)


def test_neutral_options_cost_what_the_static_model_costs(random_architectures) -> None:
    neutral = InferencePolicy((KVWindow(window=0), KVQuantization(bits=16)))
    evicts = InferencePolicy((KVEviction(budget=0),))
    for architecture in random_architectures(20, seed=44):
        static = estimate(architecture)
        for policy in (neutral, evicts):
            cost = estimate(Candidate(architecture, policy))
            for name, column in COST_COLUMNS.items():
                assert column.of(cost) == column.of(static), name


def test_half_the_bits_and_half_the_tokens_are_about_half_the_bytes() -> None:
    architecture = Architecture(4, 256, 4, 256, 4096)
    workload = Workload(prompt_tokens=4000, generated_tokens=96, precision="bf16")

    def kept(*options) -> float:
        candidate = Candidate(architecture, InferencePolicy(options))
        return estimate(candidate, workload).memory.kv_cache_bytes

    static = kept()
    assert kept(KVWindow(window=2044, sinks=4)) * 2 == static
    # 8 bits a number, and a float16 step and middle for 32 of them: 9 bits in the mean.
    eight = kept(KVQuantization(bits=8, residual=0))
    assert eight / static == pytest.approx(9 / 16)
    assert kept(KVQuantization(bits=4, residual=0)) / static == pytest.approx(5 / 16)
    assert kept(KVQuantization(bits=2, residual=0)) / static == pytest.approx(3 / 16)


def test_unpacking_takes_time_and_a_window_saves_it() -> None:
    architecture = Architecture(4, 256, 4, 256, 4096)
    workload = Workload(prompt_tokens=4000, generated_tokens=96)

    def step_s(*options) -> float:
        candidate = Candidate(architecture, InferencePolicy(options))
        return estimate(candidate, workload).latency.time_per_output_token_s

    window, bits = KVWindow(window=60, sinks=4), KVQuantization(residual=0)
    assert step_s(window) < step_s() < step_s(bits)
    assert step_s(window) < step_s(window, bits) < step_s(bits)
    assert step_s(KVQuantization(residual=4096)) == step_s()
