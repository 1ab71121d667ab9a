from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.lifetime import tokens_for_loss
from nasviz.cost.workload import Workload
from nasviz.space.table import CandidateTable


def family() -> CandidateTable:
    """Models of one shape, from 4 to 43 layers and 29 M to 16 B weights."""
    layers = np.arange(4, 44)
    return CandidateTable.from_columns(
        {
            "n_layers": layers,
            "d_model": 128 * layers,
            "n_heads": layers,
            "vocab_size": 32_003,
            "context_length": 2048,
        }
    )


@pytest.mark.parametrize("figure", ["total_flops", "total_j"])
def test_the_cheapest_size_for_a_quality_shrinks_as_requests_grow(figure: str) -> None:
    """Sardana et al. 2024, arXiv:2401.00448: train smaller and longer when much is served."""
    table = family()
    best = []
    for requests in (0, 10**8, 10**9, 10**10, 10**11):
        workload = Workload(requests=requests, target_loss=2.3, precision="bf16")
        cost = estimate(table, workload, Hardware.named("h100-sxm"))
        best.append(cost.parameters.total[np.argmin(getattr(cost.lifetime, figure))])
    assert all(later <= earlier for earlier, later in pairwise(best))
    assert best[-1] < 0.5 * best[0]


def test_more_tokens_make_up_for_fewer_weights() -> None:
    small, large = tokens_for_loss(np.array([5e8, 5e9]), 2.4)
    assert small > 2 * large
    loss = 1.8172 + 482.01 / 5e8**0.3478 + 2085.43 / small**0.3658
    assert loss == pytest.approx(2.4)


def test_a_loss_that_a_size_never_reaches_costs_infinitely_many_tokens() -> None:
    assert tokens_for_loss(1e6, 2.0) == np.inf
    row = family().row(0)
    cost = estimate(row, Workload(target_loss=1.7))
    assert cost.to_json()["lifetime"]["training_tokens"] is None


def test_without_requests_only_training_costs() -> None:
    lifetime = estimate(family(), Workload(requests=0)).lifetime
    assert (lifetime.serving_flops == 0).all()
    assert (lifetime.total_flops == lifetime.training_flops).all()
    assert np.allclose(lifetime.serving_share, 0)


def test_training_tokens_follow_the_weights_unless_they_are_given() -> None:
    table = family()
    cost = estimate(table, Workload())
    assert np.array_equal(cost.lifetime.training_tokens, 20 * cost.parameters.active)
    fixed = estimate(table, Workload(training_tokens=10_007)).lifetime
    assert (fixed.training_tokens == 10_007).all()
    assert np.array_equal(fixed.training_flops, 10_007 * cost.flops.training_per_token)
