"""Options that change weights: the analytic figures are those of the views that run."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.columns import COST_COLUMNS
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.model.cache import KVCache
from nasviz.model.dynamic.flop_formulas import FLOP_FORMULAS
from nasviz.model.dynamic.packed import packed_bytes
from nasviz.model.dynamic.views import view
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.option import Option
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.table import CandidateTable


def drawn_options(rng: random.Random) -> list[Option]:
    """Some of width, layers, and bits or sparse inputs."""
    some: list[Option] = []
    if rng.random() < 0.6:
        some.append(DynamicWidth(rng.choice((0.2, 0.5, 1.0)), rng.choice((0.3, 0.7, 1.0))))
    if rng.random() < 0.6:
        some.append(LayerSkip(rng.choice((0.1, 0.5, 0.8, 1.0))))
    last = rng.choice((
        None, WeightQuantization(8), WeightQuantization(4, group_size=rng.choice((32, 64))),
        WeightQuantization(16), ActivationSparsity(0.5), ActivationSparsity(0.13),
    ))  # fmt: skip
    return [*some, last] if last else some


def drawn_candidates(random_architectures, n: int, seed: int) -> list[Candidate]:
    rng = random.Random(seed)
    drawn = random_architectures(n, seed=seed)
    return [Candidate(each, InferencePolicy(tuple(drawn_options(rng)))) for each in drawn]


def on_meta(architecture: Architecture) -> Transformer:
    with torch.device("meta"):
        return Transformer(architecture).eval()


def counted(model: Transformer, prompt: int, batch: int) -> tuple[int, int]:
    """FLOPs of prompts, and of one more token of each, on the meta device."""
    cache = KVCache(model.architecture, batch=batch, device="meta")
    tokens = torch.zeros((batch, prompt), dtype=torch.long, device="meta")
    found = []
    with torch.inference_mode():
        for read in (
            lambda: model.prefill(tokens, cache),
            lambda: model.decode(tokens[:, 0], cache),
        ):
            with FlopCounterMode(display=False, custom_mapping=dict(FLOP_FORMULAS)) as counter:
                read()
            found.append(counter.get_total_flops())
    return found[0], found[1]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("prompt", [1, 13])
def test_flops_are_those_that_torch_counts_in_the_view(
    random_architectures, batch: int, prompt: int
) -> None:
    for candidate in drawn_candidates(random_architectures, 40, 51 + batch):
        if candidate.inference.get(WeightQuantization):
            continue  # at odd sizes its paddings are counted: see the next test
        model = view(on_meta(candidate.architecture), candidate.inference)
        prefill, decode = counted(model, prompt, batch)
        flops = estimate(candidate, Workload(prompt, 1, batch)).flops
        assert flops.prefill == prefill, candidate
        assert batch * flops.decode_per_token == decode, candidate


def test_packed_products_count_what_plain_ones_do_where_nothing_is_padded() -> None:
    sizes = Architecture(3, 64, 4, 61, 32, d_ff=128, n_kv_heads=2)
    for option in (WeightQuantization(8), WeightQuantization(4)):
        candidate = Candidate(sizes, InferencePolicy((option,)))
        flops = estimate(candidate, Workload(13, 1, 3)).flops
        found = counted(view(on_meta(sizes), candidate.inference), 13, 3)
        assert found == (flops.prefill, 3 * flops.decode_per_token)
        assert flops.prefill == estimate(sizes, Workload(13, 1, 3)).flops.prefill


def test_packed_bytes_are_the_formula_s_exactly(random_architectures) -> None:
    rng = random.Random(52)
    for architecture in random_architectures(20, seed=52):
        layer_bits = tuple(rng.choice((16, 8, 4)) for _ in range(architecture.n_layers))
        for option in (
            WeightQuantization(8),
            WeightQuantization(4, group_size=32),
            WeightQuantization(4, group_size=128, layer_bits=layer_bits),
        ):
            policy = InferencePolicy((option,))
            found = packed_bytes(view(on_meta(architecture), policy))
            assert estimate(Candidate(architecture, policy)).memory.weights_bytes == found


@pytest.mark.parametrize(("bits", "ratio"), [(8, 0.26), (4, 0.145)])
def test_packed_matrices_take_the_bits_that_they_are_said_to(bits: int, ratio: float) -> None:
    sizes = Architecture(4, 256, 4, 2, 32, d_ff=1024)  # next to no embedding
    static = estimate(sizes).memory.weights_bytes
    packed = estimate(Candidate(sizes, InferencePolicy((WeightQuantization(bits),))))
    assert bits / 32 < packed.memory.weights_bytes / static < ratio


def test_the_cache_shrinks_with_heads_and_layers() -> None:
    sizes = Architecture(8, 64, 4, 61, 32, n_kv_heads=4)
    half = InferencePolicy((DynamicWidth(1.0, 0.5), LayerSkip(0.5)))
    cost, static = estimate(Candidate(sizes, half)), estimate(sizes)
    assert 4 * cost.memory.kv_cache_bytes == static.memory.kv_cache_bytes
    assert cost.memory.weights_bytes == static.memory.weights_bytes
    assert cost.parameters.total == static.parameters.total
    assert cost.latency.time_per_output_token_s < static.latency.time_per_output_token_s


def test_exits_stand_in_the_layers_that_run() -> None:
    sizes = Architecture(8, 64, 4, 61, 32)
    exits = EarlyExit(threshold=1.0, first=2)
    policy = InferencePolicy((exits, LayerSkip(0.5)))
    cost = estimate(Candidate(sizes, policy))
    short = estimate(Candidate(LayerSkip(0.5).running(sizes), InferencePolicy((exits,))))
    assert cost.flops.decode_per_token == short.flops.decode_per_token


def test_a_table_s_costs_are_those_of_its_rows(random_architectures) -> None:
    candidates = drawn_candidates(random_architectures, 100, 53)
    for workload in (Workload(9, 4, 3), Workload(1, 4, 1)):
        together = estimate(CandidateTable.of(candidates), workload)
        for name, column in COST_COLUMNS.items():
            alone = [column.of(estimate(each, workload)) for each in candidates]
            found = np.broadcast_to(column.of(together), len(candidates))
            np.testing.assert_allclose(found, alone, rtol=1e-12, err_msg=name)


def test_neutral_options_cost_what_the_static_model_costs(random_architectures) -> None:
    kinds = (DynamicWidth, WeightQuantization, LayerSkip, ActivationSparsity)
    for architecture in random_architectures(20, seed=54):
        static = estimate(architecture)
        for kind in kinds:
            cost = estimate(Candidate(architecture, InferencePolicy((kind.neutral(),))))
            for name, column in COST_COLUMNS.items():
                assert column.of(cost) == column.of(static), (kind, name)
