from __future__ import annotations

import pytest

from nasviz.space.architecture import Architecture
from nasviz.training.learning_rate import REFERENCE_DEPTH, REFERENCE_WIDTH, rates, schedule
from nasviz.training.plan import TrainingPlan


def sizes(depth: int, width: int) -> Architecture:
    return Architecture(depth, width, 4, vocab_size=256, context_length=64)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_rules_agree_at_the_reference_sizes(optimizer):
    reference = sizes(REFERENCE_DEPTH, REFERENCE_WIDTH)
    found = {
        (each.matrices, each.outputs, each.embeddings, each.head, each.vectors)
        for rule in ("standard", "width", "width_depth")
        for each in [rates(reference, plan_of(optimizer, rule))]
    }
    assert len(found) == 1


def plan_of(optimizer: str, rule: str) -> TrainingPlan:
    return TrainingPlan(steps=9, optimizer=optimizer, learning_rate_rule=rule)


def test_adamws_matrices_learn_slower_in_a_wider_model_and_its_embeddings_do_not():
    narrow = rates(sizes(4, 128), plan_of("adamw", "width"))
    wide = rates(sizes(4, 512), plan_of("adamw", "width"))
    assert wide.matrices == pytest.approx(narrow.matrices / 4)
    assert wide.head == pytest.approx(narrow.head / 4)
    assert wide.embeddings == narrow.embeddings


def test_with_depth_only_what_a_block_adds_is_slowed():
    shallow = rates(sizes(4, 128), plan_of("muon", "width_depth"))
    deep = rates(sizes(12, 128), plan_of("muon", "width_depth"))
    assert deep.outputs == pytest.approx(shallow.outputs / 3)
    assert deep.matrices == shallow.matrices


def test_a_given_rate_is_used_as_it_is_and_the_others_follow():
    default = rates(sizes(6, 64), plan_of("muon", "standard"))
    plan = TrainingPlan(steps=9, learning_rate=2 * default.matrices)
    given = rates(sizes(6, 64), plan)
    assert given.rule == "given"
    assert given.matrices == 2 * default.matrices
    assert given.embeddings == pytest.approx(2 * default.embeddings)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("given", [None, 0.02])
def test_a_share_multiplies_every_rate_under_every_rule(optimizer: str, given: float | None):
    for rule in ("standard", "width", "width_depth"):
        plan = plan_of(optimizer, rule).with_(learning_rate=given)
        whole, part = (rates(sizes(6, 512), each) for each in (plan, plan.with_(rate_share=0.25)))
        for role in ("matrices", "outputs", "embeddings", "head", "vectors"):
            assert getattr(part, role) == pytest.approx(getattr(whole, role) / 4)


def test_the_schedule_rises_stays_and_falls_to_zero():
    factors = [schedule(step / 100, 0.1, 0.5) for step in range(101)]
    assert factors[0] == 0
    assert factors[-1] == 0
    assert set(factors[10:51]) == {1.0}
    assert factors[:11] == sorted(factors[:11])
    assert factors[50:] == sorted(factors[50:], reverse=True)


def test_a_schedule_without_warm_up_starts_at_the_peak():
    assert schedule(0.0, 0.0, 0.5) == 1.0
