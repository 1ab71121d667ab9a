"""What replacements use: sums that are the costs of the models they make, and limits that hold."""

from __future__ import annotations

import numpy as np
import pytest

from nasviz import Architecture, Hardware, PerLayer, Workload, estimate
from nasviz.cost.replacement import (
    Measure,
    Pricing,
    check_limits,
    forward_flops,
    memory_bytes,
    parameters,
    time_per_token_s,
)
from nasviz.errors import InputError
from nasviz.space.replacement.choices import choices_of
from nasviz.space.replacement.exact import solve

PARENT = Architecture(6, 96, 6, 257, 61, n_kv_heads=3, d_ff=200, biases="all", norm="layernorm")
LAPTOP = Hardware.named("laptop-cpu")


def priced(parent: Architecture = PARENT, hardware: Hardware = LAPTOP) -> Pricing:
    return Pricing.of(parent, choices_of(parent, "halves"), Workload(), hardware)


@pytest.mark.parametrize("measure", [parameters, memory_bytes, time_per_token_s, forward_flops])
@pytest.mark.parametrize("experts", [1, 4])
def test_base_and_choices_sum_to_the_cost_of_the_model_that_they_make(
    measure: Measure, experts: int
) -> None:
    pricing = priced(PARENT.with_(experts=experts))
    base, used = pricing.used(measure)
    generator = np.random.default_rng(0)
    for _ in range(6):
        chosen = generator.integers(9, size=6)
        chosen[0] = 0
        told = base + used[np.arange(6), chosen].sum()
        real = measure(pricing.sizes(chosen), pricing.workload, pricing.hardware)
        assert told == pytest.approx(real, rel=1e-9)


@pytest.mark.parametrize("device", ["laptop-cpu", "h100-sxm"])
def test_the_solution_keeps_its_limits_when_it_is_priced_as_a_whole(device: str) -> None:
    pricing = priced(hardware=Hardware.named(device))
    losses = np.random.default_rng(1).random((6, 9)).cumsum(axis=1)
    whole = estimate(PARENT, pricing.workload, pricing.hardware)
    asked = PerLayer(
        max_parameters=0.6 * whole.parameters.total,
        max_time_per_token_s=0.7 * whole.latency.time_per_output_token_s,
    )
    problem, chosen = pricing.solved(losses, asked)
    found = estimate(pricing.sizes(chosen), pricing.workload, pricing.hardware)
    assert found.parameters.total <= asked.limits["max_parameters"]
    assert found.latency.time_per_output_token_s <= asked.limits["max_time_per_token_s"]
    assert problem.used(chosen)["parameters"] == pytest.approx(found.parameters.total)


def test_a_device_on_which_costs_are_no_sums_keeps_its_limit_too() -> None:
    # Where launches take about as long as computing, the longer of the two is what counts.
    wide = Architecture(6, 3072, 16, 257, 61, n_kv_heads=8, d_ff=8_192)
    pricing = priced(wide, Hardware.named("h100-sxm"))
    assert pricing.hardware.queues_launches
    losses = np.random.default_rng(0).random((6, 9)).cumsum(axis=1)
    most = 0.5 * time_per_token_s(wide, pricing.workload, pricing.hardware)
    asked = PerLayer(max_time_per_token_s=most)
    as_a_sum = solve(pricing.problem(losses, asked))
    assert pricing.amounts(as_a_sum, asked)["time per token"] > 1.1 * most
    _, chosen = pricing.solved(losses, asked)
    assert 0.8 * most < pricing.amounts(chosen, asked)["time per token"] <= most


def test_a_solution_stands_where_limits_that_were_moved_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pricing = priced()
    losses = np.random.default_rng(1).random((6, 9)).cumsum(axis=1)
    most = 0.7 * parameters(PARENT, pricing.workload, pricing.hardware)
    real = iter((0.99 * most, 1e6 * most))  # first as the limit wants it, then beyond any remedy
    monkeypatch.setattr(Pricing, "amounts", lambda *_: {"parameters": next(real)})
    asked = PerLayer(max_parameters=most)
    _, chosen = pricing.solved(losses, asked)
    assert (chosen == solve(pricing.problem(losses, asked))).all()


def test_a_limit_that_no_model_of_the_parents_layers_keeps_is_named() -> None:
    least = Architecture.from_json({**PARENT.to_json(), "n_layers": 1, "n_heads": 4,
                                    "n_kv_heads": 2, "d_ff": 100})  # fmt: skip
    most = parameters(least, Workload(), LAPTOP)
    with pytest.raises(InputError, match=r"parameters of at most .* can't be reached: .* has "):
        check_limits(PARENT, PerLayer(max_parameters=0.9 * most))
    check_limits(PARENT, PerLayer(max_parameters=most + 1000))
