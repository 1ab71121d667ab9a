from __future__ import annotations

import torch

from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.model.transformer import Transformer
from nasviz.space.table import CandidateTable


def counted(architecture) -> int:
    with torch.device("meta"):
        model = Transformer(architecture)
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_formula_counts_what_the_built_module_holds(random_architectures) -> None:
    for architecture in random_architectures(200, seed=1):
        assert estimate(architecture).parameters.total == counted(architecture), architecture


def test_each_component_is_that_of_the_built_module(random_architectures) -> None:
    for architecture in random_architectures(40, seed=2):
        with torch.device("meta"):
            model = Transformer(architecture)
        found = dict.fromkeys(
            ("embedding", "attention", "feed_forward", "router", "norm", "head"), 0
        )
        for name, parameter in model.named_parameters():
            found[component(name)] += parameter.numel()
        parameters = estimate(architecture).parameters
        assert found == {name: getattr(parameters, name) for name in found}, architecture


def component(name: str) -> str:
    if "norm" in name:
        return "norm"
    for part in ("embedding", "router", "feed_forward", "attention"):
        if part in name:
            return part
    return "head"


def test_a_tables_counts_are_those_of_its_rows(random_architectures) -> None:
    architectures = random_architectures(97, seed=3)
    table = estimate(CandidateTable.of(architectures)).parameters
    for row, architecture in enumerate(architectures):
        assert table.total[row] == estimate(architecture).parameters.total
        assert table.active[row] == estimate(architecture).parameters.active
    assert table.total.dtype == "int64"


def test_active_parameters_leave_out_exactly_the_experts_that_are_not_visited(
    random_architectures,
) -> None:
    for architecture in random_architectures(40, seed=4):
        every = architecture.with_(experts_per_token=architecture.experts)
        one_more = estimate(architecture.with_(experts_per_token=1)).parameters
        parameters = estimate(architecture).parameters
        assert estimate(every).parameters.active == parameters.total
        expert = parameters.feed_forward // architecture.experts
        assert parameters.active - one_more.active == (architecture.experts_per_token - 1) * expert


def test_counts_of_a_single_candidate_stay_exact_beyond_64_bits(random_architectures) -> None:
    architecture = random_architectures(1, seed=5)[0].with_(
        n_layers=1021, d_model=262_139, d_ff=4_194_301, experts=1024, experts_per_token=1
    )
    flops = estimate(architecture, Workload(batch=1009)).flops
    assert flops.prefill > 2**63
    assert flops.prefill % 1009 == 0
    assert flops.prefill == sum(vars(flops.prefill_parts).values())
