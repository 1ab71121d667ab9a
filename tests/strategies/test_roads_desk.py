"""Which trials a comparison of the two roads asks for, and what an earlier run leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nasviz import Architecture, Candidate, Study
from nasviz.cost.estimate import estimate
from nasviz.errors import RunError
from nasviz.execution.prune import checked_order
from nasviz.space.lineage import Lineage
from nasviz.space.pruning import Pruning, by_method
from nasviz.space.replacement.per_layer import SCORES, PerLayer
from nasviz.strategies import attended as attending
from nasviz.strategies.roads import desk as desks
from nasviz.strategies.roads.compare import Event, RoadsRun, trials_of_a_seed
from nasviz.strategies.roads.desk import Desk
from nasviz.strategies.roads.outcome import BY_LAYER, accounts
from nasviz.strategies.roads.settings import RoadsSettings
from nasviz.strategies.roads.speed import predicted_time_s
from nasviz.strategies.roads.targets import DEPTH, DRAWS, METHODS, TARGETS
from nasviz.study import queue
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan

SIZES = Architecture(4, 24, 2, 256, 16)
PLAN = TrainingPlan(tokens=500, threads=1)


class MadeUp:
    """A desk whose trials take no time, and that remembers what was asked for."""

    def __init__(self) -> None:
        self.plans: dict[str, TrainingPlan] = {}
        self.sizes: dict[str, Architecture | PerLayer] = {}
        self.limits: list[PerLayer] = []
        self.prunings: dict[str, list[Pruning]] = {}

    def trained(self, arm: str, sizes: Architecture, plan: TrainingPlan) -> Trial:
        self.plans[arm], self.sizes[arm] = plan, sizes
        result = {"bits_per_byte": 2.0, "training_flops": plan.flops or 8e6, "tokens": 1}
        return self._trial(sizes, plan, {**result, "parameters": 2})

    def pruned(
        self,
        arm: str,
        parent: int,
        sizes: Architecture | PerLayer,
        plan: TrainingPlan,
        pruning: Pruning,
    ) -> Trial:
        assert parent == 0
        self.prunings.setdefault(arm, []).append(pruning)
        self.plans[arm], self.sizes[arm] = plan, sizes
        result = {"bits_per_byte": 2.5, "training_flops": 1e6, "tokens": 900, "parameters": 2}
        facts: dict[str, Any] = {"layers": [0], "unhealed_bits_per_byte": 4.0}
        if isinstance(sizes, PerLayer):
            self.limits.append(sizes)
            sizes, facts["flops"] = SIZES, 3e6
        elif arm == f"{DEPTH}, pruned by block influence":
            facts["flops"] = 2.5e5
        return self._trial(sizes, plan, {**result, "pruned": facts})

    def _trial(self, sizes: Architecture, plan: TrainingPlan, result: dict[str, Any]) -> Trial:
        number = len(self.plans) - 1
        return Trial(number, Candidate(sizes), plan.to_json(), "python", "complete", result=result)


def test_each_target_is_trained_from_new_on_what_the_pruned_model_took_by_every_account() -> None:
    told: list[Event] = []
    settings = RoadsSettings(9_000, 900, (4, 7), SIZES)
    run = RoadsRun(settings, "c0ffee", None, told.append)
    desk: Any = MadeUp()
    found = run._seed(desk, 1)
    assert desk.plans["parent"].tokens == 9_000
    for target, sizes in settings.targets.items():
        took = 1.25e6 if target == DEPTH else 1e6  # there choosing the layers counts
        for account, flops in accounts(took, 8e6, len(TARGETS)).items():
            arm = f"{target}, from new on {account}"
            assert (desk.plans[arm].flops, desk.sizes[arm]) == (flops, sizes)
            assert found.scratch[target][account].flops == flops
        for method in found.pruned[target]:
            arm = f"{target}, pruned by {method.replace('_', ' ')}"
            assert (desk.plans[arm].tokens, desk.sizes[arm]) == (900, sizes)
            assert desk.prunings[arm] == [by_method(method, seed=7)]
    assert tuple(found.pruned[DEPTH]) == METHODS[DEPTH]
    for target in METHODS:
        drawn = desk.prunings[f"{target}, pruned by random"]
        assert drawn[0] == by_method("random", seed=7)
        assert len(set(drawn)) == len(found.chance[target]) == DRAWS
    depth = settings.targets[DEPTH]
    for scores, asked in zip(SCORES, desk.limits, strict=True):
        assert (asked.scores, asked.max_time_per_token_s) == (scores, predicted_time_s(depth))
        # The search took three healings, and choosing the layers alike a quarter of one: those are
        # healed for as long as the rest of all four.
        assert found.as_fast[scores][BY_LAYER].flops == 4e6
        arm = f"{DEPTH}, healed as long as {scores} scores take"
        assert (desk.plans[arm].tokens, desk.sizes[arm]) == (3_375, depth)
    assert {plan.seed for plan in desk.plans.values()} == {7}
    assert {plan.threads for plan in desk.plans.values()} == {1}
    trials = trials_of_a_seed()
    assert [event.done for event in told] == list(range(trials + 1, 2 * trials + 1))
    assert {event.of for event in told} == {2 * trials}


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    opened = Study.open(tmp_path / "study.db")
    yield opened
    opened.close()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the trials that were trained, which takes no time."""
    done: list[int] = []

    def at_once(study: Study, number: int, stop: Any) -> Trial:
        if not study.trial(number).finished:
            assert queue.claim(study, worker=1) is not None
            queue.complete(study, number, {"bits_per_byte": 2.0, "time_per_output_token_s": 1.0})
            done.append(number)
        return study.trial(number)

    monkeypatch.setattr(desks, "attended", at_once)
    return done


def test_what_was_trained_is_found_by_all_that_it_is(study: Study, trained: list[int]) -> None:
    first = Desk(study, "python", "c0ffee").trained("parent", SIZES, PLAN)
    again = Desk(study, "python", "c0ffee").trained("parent", SIZES, PLAN)
    assert (again.number, trained) == (first.number, [0])
    # A release that knew fewer settings wrote less of a plan.
    fewer = {name: value for name, value in PLAN.to_json().items() if name in ("tokens", "threads")}
    of_it = first.origin.replace("parent", "older")
    older = study.add(Candidate(SIZES), fewer, "python", of_it).number
    assert Desk(study, "python", "c0ffee").trained("older", SIZES, PLAN).number == older
    trained.remove(older)
    others = (
        ("other arm", SIZES, PLAN, "c0ffee"),
        ("parent", SIZES.with_(n_layers=2), PLAN, "c0ffee"),
        ("parent", SIZES, PLAN.with_(seed=1), "c0ffee"),
        ("parent", SIZES, PLAN.with_(flops=123456.789), "c0ffee"),
        ("parent", SIZES, PLAN, "a file that was changed"),
    )
    for arm, sizes, plan, text in others:
        Desk(study, "python", text).trained(arm, sizes, plan)
    assert trained == [0, *range(2, 7)]
    Desk(study, "python", "c0ffee").trained("parent", SIZES, PLAN.with_(flops=123456.789))
    assert len(trained) == 6


def test_a_trial_whose_layers_were_searched_is_found_by_what_was_asked(
    study: Study, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = SimpleNamespace(lineage=Lineage(parent_trial=0), folder=None, corpus="python")
    monkeypatch.setattr(desks, "find_parent", lambda number, study: parent)
    order = partial(checked_order, sizes=SIZES)
    monkeypatch.setattr(desks, "checked_order", order)
    desk, asked = Desk(study, "python", "c0ffee"), PerLayer(max_parameters=30_000)
    first = desk.pruned("by layer", 0, asked, PLAN, Pruning())
    queue.found(study, first.number, Candidate(SIZES.with_(n_layers=2)))
    assert desk.pruned("by layer", 0, asked, PLAN, Pruning()).number == first.number
    desk.pruned("by layer", 0, replace(asked, scores="shared"), PLAN, Pruning())
    assert trained == [0, 1]


def test_a_trial_that_failed_ends_the_run_and_is_tried_again_by_the_next(
    study: Study, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(study: Study, number: int, stop: Any) -> Trial:
        queue.fail(study, number, "no memory")
        return study.trial(number)

    with monkeypatch.context() as patched:
        patched.setattr(desks, "attended", fails)
        with pytest.raises(RunError, match="parent: trial 0 failed: no memory"):
            Desk(study, "python", "c0ffee").trained("parent", SIZES, PLAN)
    assert Desk(study, "python", "c0ffee").trained("parent", SIZES, PLAN).number == 1
    assert trained == [1]


def test_an_interrupt_pauses_the_trial_and_the_next_run_goes_on_with_it(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(study: Study) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(attending, "ensure_worker", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Desk(study, "python", "c0ffee").trained("parent", SIZES, PLAN)
    assert study.trial(0).state == "paused"

    def works(study: Study) -> None:
        assert queue.claim(study, worker=1) is not None
        queue.complete(study, 0, {"bits_per_byte": 2.0, "time_per_output_token_s": 1.0})

    monkeypatch.setattr(attending, "ensure_worker", works)
    assert Desk(study, "python", "c0ffee").trained("parent", SIZES, PLAN).number == 0


def test_a_plan_in_operations_is_equal_after_it_was_stored(study: Study) -> None:
    flops = float(estimate(SIZES).flops.training_per_token) / 3
    plan = RoadsSettings(9_000, 900, (0,), SIZES).scratch_plan(0, flops)
    number = study.add(Candidate(SIZES), plan).number
    assert dict(study.trial(number).plan) == plan.to_json()
