"""Models whose layers differ: counted by torch, and the mean of models whose layers are alike."""

from __future__ import annotations

import random
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from differing import differing
from test_flops import BATCH, counted_prefill_and_decode, on_meta
from test_grid import rates as calibrated  # noqa: F401 (a fixture)
from test_parameters import component, counted
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.columns import COST_COLUMNS, cost_columns
from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.latency import LatencyParts
from nasviz.cost.measured import Measured
from nasviz.cost.workload import Workload
from nasviz.model.cache import KVCache
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.table import CandidateTable
from nasviz.widgets.breakdown import breakdowns

LAPTOP, GPU = Hardware.named("laptop-cpu"), Hardware.named("h100-sxm")
WORKLOAD = Workload(prompt_tokens=13, generated_tokens=3, batch=BATCH)


@pytest.fixture(scope="module")
def layered(random_architectures) -> list[Architecture]:
    rng = random.Random(5)
    drawn = random_architectures(40, seed=51)
    return [differing(each, rng, n_layers=rng.randint(3, 6)) for each in drawn]


def test_weights_are_those_of_the_built_module_part_by_part(layered) -> None:
    for architecture in layered:
        parameters = estimate(architecture).parameters
        assert parameters.total == counted(architecture), architecture
        found = dict.fromkeys(
            ("embedding", "attention", "feed_forward", "router", "norm", "head"), 0
        )
        for name, weights in on_meta(architecture).named_parameters():
            found[component(name)] += weights.numel()
        assert found == {name: getattr(parameters, name) for name in found}, architecture


def test_prefill_decode_and_training_are_what_torchs_counter_counts(layered) -> None:
    for architecture in layered:
        one = Workload(prompt_tokens=13, generated_tokens=1, batch=BATCH)
        flops = estimate(architecture, one).flops
        prefill, decode = counted_prefill_and_decode(architecture, 13)
        assert (flops.prefill, BATCH * flops.decode_per_token) == (prefill, decode), architecture
        length = architecture.context_length
        tokens = torch.zeros((BATCH, length), dtype=torch.long, device="meta")
        with FlopCounterMode(display=False) as counter:
            on_meta(architecture)(tokens).sum().backward()
        assert flops.training_per_token * BATCH * length == counter.get_total_flops()


def test_cached_bytes_are_those_of_the_cache(layered) -> None:
    for architecture in layered:
        last = min(16, architecture.context_length)
        memory = estimate(architecture, WORKLOAD).memory
        cache = KVCache(architecture, last, batch=BATCH)
        assert memory.kv_cache_bytes == cache.reserved_bytes, architecture


COMPLETE = (LayerSizes(6, 3, 53), LayerSizes(2, 1, 53), LayerSizes(4, 2, 17), LayerSizes(2, 1, 17))
WHOLE = Architecture(
    4, 84, 6, 257, 61, n_kv_heads=3, d_ff=53, layer_sizes=COMPLETE, biases="all", norm="layernorm"
)
UNIFORM = [WHOLE.with_(layer_sizes=(each,) * 4) for each in COMPLETE]
# What is largest at one moment, and what depends on it.
PEAKS = ("activations_bytes", "total_bytes")


def leaves(group: Any, path: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for each in fields(group):
        value = getattr(group, each.name)
        found |= (
            leaves(value, f"{path}{each.name}.")
            if is_dataclass(value)
            else {path + each.name: float(value)}
        )
    return found


@pytest.mark.parametrize("group", ["parameters", "flops", "memory", "latency", "energy"])
def test_a_cost_is_the_mean_of_uniform_models_of_each_layer_s_sizes(group: str) -> None:
    def of(architecture: Architecture) -> dict[str, float]:
        return leaves(getattr(estimate(architecture, WORKLOAD, LAPTOP), group))

    found, uniform = of(WHOLE), [of(each) for each in UNIFORM]
    for name, value in found.items():
        if name not in (*PEAKS, "tokens_per_s"):  # tokens a second are a quotient
            mean = np.mean([each[name] for each in uniform])
            assert value == pytest.approx(mean, rel=1e-12), name


def test_peaks_are_the_largest_layer_s() -> None:
    memory = estimate(WHOLE, WORKLOAD).memory
    uniform = [estimate(each, WORKLOAD).memory for each in UNIFORM]
    assert memory.activations_bytes == max(each.activations_bytes for each in uniform)
    parts = memory.weights_bytes + memory.kv_cache_bytes + memory.activations_bytes
    assert memory.total_bytes == parts
    again = Workload(activation_checkpointing=True)
    recomputed = [estimate(each, again).memory.training_activations_bytes for each in UNIFORM]
    assert estimate(WHOLE, again).memory.training_activations_bytes == max(recomputed)
    sharded = Workload(zero_stage=3, devices=4, optimizer="adamw")
    state = estimate(WHOLE, sharded).memory.training_state_bytes
    weights = estimate(WHOLE).parameters.total
    largest = max(each.numel() for each in on_meta(WHOLE).parameters())
    even = estimate(WHOLE.with_(layer_sizes=()), sharded).memory.training_state_bytes
    more = estimate(WHOLE.with_(layer_sizes=())).parameters.total - weights
    assert largest == 257 * 84  # the token table, in both
    assert even - state == more * 20 / 4  # weights, gradients, master copy and two moments in fp32


def test_tokens_a_second_joules_and_lifetime_follow_from_the_mean() -> None:
    cost = estimate(WHOLE, WORKLOAD, LAPTOP)
    step = cost.latency.time_per_output_token_s
    assert cost.latency.tokens_per_s == pytest.approx(BATCH / step)
    assert cost.energy.token_j == pytest.approx(step * LAPTOP.power_w / BATCH)
    lifetime = cost.lifetime
    assert lifetime.training_tokens == pytest.approx(20 * cost.parameters.active)
    assert lifetime.training_flops == pytest.approx(
        lifetime.training_tokens * cost.flops.training_per_token
    )


def test_a_device_that_queues_launches_takes_the_longer_of_the_two_means() -> None:
    latency = estimate(WHOLE, WORKLOAD, GPU).latency
    parts = vars(latency.decode_parts)
    busy = sum(seconds for name, seconds in parts.items() if name != "overhead_s")
    assert latency.time_per_output_token_s == pytest.approx(max(busy, parts["overhead_s"]))


def test_a_table_has_the_costs_of_its_rows_whatever_is_beside_them(
    random_architectures, layered
) -> None:
    rows: list[Candidate] = []
    alike = random_architectures(len(layered), seed=52)
    for number, pair in enumerate(zip(layered, alike, strict=True)):
        quantised = (InferencePolicy((KVQuantization(group=4, residual=2),)), InferencePolicy())
        rows += [Candidate(each, quantised[number % 2]) for each in pair]
    bits = InferencePolicy((WeightQuantization(layer_bits=(8, 4, 16)),))
    rows.append(Candidate(alike[0].with_(n_layers=3), bits))  # a row with a list, priced alone too
    table = CandidateTable.of(rows)
    assert [table.row(number) for number in range(len(rows))] == rows
    cost, fast = estimate(table, WORKLOAD, LAPTOP), cost_columns(WORKLOAD, LAPTOP)(table)
    alone = [estimate(row, WORKLOAD, LAPTOP) for row in rows]
    for name, column in COST_COLUMNS.items():
        # A mean of bytes is rounded up for one candidate.
        expected = [float(column.of(each)) for each in alone]
        np.testing.assert_allclose(column.of(cost), expected, rtol=1e-9, atol=1, err_msg=name)
        np.testing.assert_allclose(fast[name], expected, rtol=1e-9, atol=1, err_msg=name)


def test_a_layer_s_missing_part_takes_no_time(layered) -> None:
    # One layer more without attention is that layer's feed-forward part more, and nothing else.
    base = Architecture(2, 84, 6, 257, 61, n_kv_heads=3, d_ff=53)
    full, fed = LayerSizes(6, 3, 53), LayerSizes(0, 0, 53)
    attended = LayerSizes(6, 3, 0)

    def seconds(*layers: LayerSizes) -> float:
        sizes = base.with_(n_layers=len(layers), layer_sizes=layers)
        return float(estimate(sizes, WORKLOAD, LAPTOP).latency.request_s)

    both = seconds(full, full, full) - seconds(full, full)
    parts = seconds(full, full, fed, attended) - seconds(full, full)
    assert parts == pytest.approx(both, rel=1e-9)
    assert seconds(full, full) < seconds(full, full, attended) < seconds(full, full, full)


def test_on_a_calibrated_machine_too_a_missing_part_takes_no_time(calibrated) -> None:  # noqa: F811
    measured = Measured("0", "cpu", "2", 1, "2026-01-01", {"fp32": calibrated})
    machine = Hardware.from_json({**LAPTOP.to_json(), "measured": measured.to_json()})
    base = Architecture(2, 84, 6, 257, 61, n_kv_heads=3, d_ff=53)
    full, fed, attended = LayerSizes(6, 3, 53), LayerSizes(0, 0, 53), LayerSizes(6, 3, 0)

    def parts(*layers: LayerSizes) -> LatencyParts:
        sizes = base.with_(n_layers=len(layers), layer_sizes=layers)
        return estimate(sizes, WORKLOAD, machine).latency.decode_parts

    two, with_fed, with_both = parts(full, full), parts(full, full, fed), parts(full, full, full)
    assert with_fed.scores_s == pytest.approx(two.scores_s)
    assert parts(full, full, attended).scores_s == pytest.approx(with_both.scores_s)
    assert parts(full, full, fed, attended).overhead_s == pytest.approx(with_both.overhead_s)
    assert two.overhead_s < with_fed.overhead_s < with_both.overhead_s


def test_the_bars_of_the_card_add_up(layered) -> None:
    for architecture in layered[:8]:
        cost = estimate(architecture, WORKLOAD, LAPTOP)
        totals = (
            cost.parameters.total,
            cost.flops.decode_per_token,
            cost.memory.total_bytes,
            cost.latency.time_per_output_token_s,
        )
        for bar, total in zip(breakdowns(cost), totals, strict=True):
            assert sum(bar.parts.values()) == pytest.approx(total, rel=1e-12), bar.title
