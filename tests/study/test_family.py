"""Families of trials, both roads' compute, and the twin that a child gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.execution.twin import add_twin, twin_flops
from nasviz.space.lineage import Lineage
from nasviz.study import queue
from nasviz.study.family import bonds_of, children_of, twin_of
from nasviz.study.lineage_cost import lineage_cost
from nasviz.study.road_curves import both_roads
from nasviz.study.trial import Trial

PARENT = Candidate(Architecture(4, 64, 2, 256, 64))
SMALL = Candidate(Architecture(2, 64, 2, 256, 64))
TINY = Candidate(Architecture(1, 64, 2, 256, 64))
PLAN = TrainingPlan(tokens=1_000_000, learning_rate=0.01, rate_share=0.5, seed=3, threads=1)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    opened = Study.open(tmp_path / "study.db")
    yield opened
    opened.close()


def ended(
    study: Study,
    candidate: Candidate,
    tokens: int,
    *,
    flops: float,
    lineage: Lineage | None = None,
    plan: object = PLAN,
    bits: tuple[float, ...] = (3.0, 2.0),
    **result: object,
) -> Trial:
    """Store a complete trial that cost so much, with a curve of these evaluations."""
    number = study.add(candidate, plan, lineage=lineage).number
    assert queue.claim(study, worker=1) is not None
    rows = [
        {"step": at, "n_steps": len(bits), "tokens": tokens * at / len(bits), "bits_per_byte": each}
        for at, each in enumerate(bits, start=1)
    ]
    study.report(number, rows)
    measured = {"bits_per_byte": bits[-1], "search_bits_per_byte": bits[-1], "tokens": tokens,
                "seconds": 1.0, "training_flops": flops, **result}  # fmt: skip
    queue.complete(study, number, measured)
    return study.trial(number)


def family(study: Study) -> tuple[Trial, Trial, Trial]:
    """Store a parent and two children of it, the second without healing."""
    parent = ended(study, PARENT, 1000, flops=8e9)
    of = Lineage(parent_trial=parent.number)
    facts = {"parent_architecture": PARENT.architecture.to_json(), "curve_bits_per_byte": 3.5}
    plan = TrainingPlan(tokens=500, distillation=1.0)
    child = ended(
        study, SMALL, 500, flops=1e9, lineage=of, plan=plan, pruned={**facts, "flops": 5e8}
    )
    other = _unhealed(study, facts)
    return parent, child, other


def _unhealed(study: Study, facts: dict[str, object]) -> Trial:
    number = study.add(TINY, PLAN, lineage=Lineage(parent_trial=0, heal="none")).number
    assert queue.claim(study, worker=1) is not None
    queue.complete(
        study, number,
        {"bits_per_byte": 4.0, "search_bits_per_byte": 4.0, "tokens": 0, "seconds": 0.0,
         "training_flops": 0.0, "pruned": facts},
    )  # fmt: skip
    return study.trial(number)


def test_a_family_is_found_from_any_of_its_trials(study: Study) -> None:
    parent, child, other = family(study)
    twin = add_twin(study, child)
    stranger = study.add(Candidate(Architecture(3, 64, 2, 256, 64)))
    trials = tuple(study.trials())
    expected = [
        (parent.number, child.number, "pruned"), (child.number, twin.number, "twin"),
        (parent.number, other.number, "pruned"),
    ]  # fmt: skip
    for candidate in (PARENT, SMALL, TINY):
        bonds = bonds_of(trials, candidate)
        assert [(e.elder.number, e.younger.number, e.tie) for e in bonds] == expected
    assert bonds_of(trials, stranger.candidate) == ()
    assert bonds_of(trials, None) == ()
    assert children_of(trials, parent.number) == (trials[1], trials[2])
    found = twin_of(trials, child.number)
    assert found is not None
    assert found.number == twin.number
    study.request(twin.number, "cancel")
    assert twin_of(study.trials(), child.number) is None, "one that was given up leaves room"


def test_a_twin_learns_as_the_parent_did_for_what_the_child_cost(study: Study) -> None:
    parent, child, _ = family(study)
    twin = add_twin(study, child)
    assert (twin.candidate, twin.corpus) == (child.candidate, child.corpus)
    assert (twin.lineage, twin.twin_of, twin.origin) == (None, child.number, "twin")
    plan = TrainingPlan.from_json(dict(twin.plan))
    assert plan.budget == ("flops", 9.5e9)
    parents = TrainingPlan.from_json(dict(parent.plan))
    assert (plan.learning_rate, plan.rate_share) == (parents.learning_rate, parents.rate_share)
    assert not plan.needs_parent
    assert twin_flops(study, child, "share") == 1.5e9 + 8e9 / 2
    assert twin_flops(study, child, "healing") == 1.5e9


def test_a_grandchilds_twin_learns_as_the_first_parent_did(study: Study) -> None:
    parent, child, _ = family(study)
    healed = TrainingPlan(tokens=10, learning_rate=1e-5, distillation=1.0)
    lineage = Lineage(parent_trial=child.number)
    grandchild = ended(study, TINY, 10, flops=1e6, lineage=lineage, plan=healed)
    plan = TrainingPlan.from_json(dict(add_twin(study, grandchild).plan))
    assert plan.learning_rate == TrainingPlan.from_json(dict(parent.plan)).learning_rate


def test_what_has_no_twin_says_why(study: Study, tmp_path: Path) -> None:
    parent, child, other = family(study)
    with pytest.raises(InputError, match="was trained from scratch"):
        add_twin(study, parent)
    with pytest.raises(InputError, match="was not healed"):
        add_twin(study, other, "healing")
    with pytest.raises(InputError, match="unknown amount paid 'hole'"):
        add_twin(study, child, "hole")  # type: ignore[arg-type]
    waiting = study.add(SMALL, PLAN, lineage=Lineage(parent_trial=0))
    with pytest.raises(InputError, match="is waiting: what it costs in all is known when"):
        add_twin(study, waiting)
    study.request(waiting.number, "cancel")
    elsewhere = Lineage(parent_folder=str(tmp_path))
    foreign = ended(study, SMALL, 10, flops=1e6, lineage=elsewhere)
    with pytest.raises(InputError, match="nobody knows what that cost"):
        add_twin(study, foreign)
    assert add_twin(study, foreign, "healing").plan["flops"] == 1e6
    with pytest.raises(InputError, match="has no parent in this study"):
        both_roads(study, foreign, None)


def test_roads_are_in_the_compute_that_each_cost(study: Study) -> None:
    _, child, _ = family(study)
    twin_plan = TrainingPlan(flops=9e9)
    twin = ended(study, SMALL, 2000, flops=9e9, plan=twin_plan, bits=(2.6, 1.5))
    roads = both_roads(study, child, twin)
    each = float(estimate(SMALL).flops.training_per_token)
    taught = each + float(estimate(PARENT).flops.training_per_token) / 3
    np.testing.assert_allclose(roads.pruned.compute, 8.5e9 + taught * np.array([0, 250, 500]))
    np.testing.assert_allclose(roads.shared.compute, 4.5e9 + taught * np.array([0, 250, 500]))
    assert roads.pruned.bits_per_byte.tolist() == [3.5, 3.0, 2.0]
    assert roads.children == lineage_cost(study, child.number).children == 2
    assert roads.scratch is not None
    np.testing.assert_allclose(roads.scratch.compute, each * np.array([1000, 2000]))
    assert both_roads(study, child, None).overtaken is None
    assert len(roads.parent.compute) == 2
