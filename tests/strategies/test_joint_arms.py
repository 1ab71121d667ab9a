"""The arms of a comparison on trials that are made up, so that what they do can be checked."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from nasviz import Candidate, SearchSpace
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.errors import InputError, RunError
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.options.early_exit import EarlyExit
from nasviz.strategies.joint import points as joint_points
from nasviz.strategies.joint.arms import Arms, Road
from nasviz.strategies.joint.budget import flops_of, spent
from nasviz.strategies.joint.desk import Desk
from nasviz.strategies.joint.points import points_of
from nasviz.strategies.joint.record import ArmRun, JointComparison, Winner
from nasviz.strategies.joint.settings import Declared, JointSettings, declare
from nasviz.strategies.joint.spaces import (
    joint_space,
    settings_space,
    static_space,
    threshold_range,
)
from nasviz.strategies.strategy import Proposal
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan

SPACE = SearchSpace(
    (
        Integer("n_layers", 1, 5),
        Integer("d_model", 24, 56, 8),
        Choice("early_exit", (False, True)),
        Choice("early_exit.criterion", ("margin", "entropy")),
        Integer("early_exit.first", 1, 3),
        Real("early_exit.threshold", 0.2, 0.8, step=0.1),
    ),
    {"vocab_size": 256, "context_length": 16, "n_heads": 2, "early_exit.every": 1},
)
TOKENS = 1_000
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


def settings(**changes: Any) -> JointSettings:
    given = {"trials": 9, "tokens": TOKENS, "seeds": (3,), "winners": 3, "thresholds": 2}
    return JointSettings(SPACE, **{**given, **changes})


def sweep(candidate: Candidate, shift: float) -> dict[str, Any]:
    """Ever more tokens go through all layers, which is ever better, as the threshold rises."""
    option = candidate.inference.get(EarlyExit)
    assert option is not None
    exits = len(option.exits(candidate.architecture.n_layers))
    rows = [[(1 - t) / exits] * exits + [t] for t in GRID]
    bits = [quality(candidate) + 0.4 * (1 - t) + shift for t in GRID]
    return {"thresholds": list(GRID), "bits_per_byte": bits, "exit_shares": rows}


def quality(candidate: Candidate) -> float:
    a = candidate.architecture
    return 2 + 1 / a.n_layers + 20 / a.d_model


def sized(d_model: int) -> Candidate:
    return static_space(SPACE).fixed("d_model", d_model).sample(1).row(0)


class MadeUp:
    """A desk whose trials take no time; some fail, which are trained on 500 tokens then."""

    def __init__(
        self,
        fails: Callable[[Candidate], bool] = lambda candidate: candidate.architecture.d_model == 40,
        trained_on: tuple[float, ...] = (100.0, 500.0),
    ) -> None:
        self.asked: list[tuple[str, int, Candidate, TrainingPlan]] = []
        self.fails = fails
        self.study = SimpleNamespace(curve=lambda number: {"tokens": np.array(trained_on)})

    def trained(self, road: str, place: int, proposal: Proposal, plan: TrainingPlan) -> Trial:
        self.asked.append((road, place, proposal.candidate, plan))
        candidate = proposal.candidate
        failed = self.fails(candidate)
        result: dict[str, Any] = {
            "tokens": TOKENS,
            "held_out_inputs": 300,
            "bits_per_byte": quality(candidate) + 0.1,
            "search_bits_per_byte": quality(candidate),
            "calibration_bits_per_byte": quality(candidate) + 0.3,
        }
        if candidate.inference.get(EarlyExit) is not None:
            result["exit_sweeps"] = {
                "search": sweep(candidate, 0.0), "calibration": sweep(candidate, 0.3)
            }  # fmt: skip
        return Trial(
            len(self.asked) - 1, candidate, plan.to_json(), "python",
            "failed" if failed else "complete", road, {} if failed else result,
            "no memory" if failed else "",
            proposal={"settings": dict(proposal.settings), "memory": dict(proposal.memory)},
        )  # fmt: skip


def arms(desk: MadeUp, given: JointSettings) -> Arms:
    declared = Declared(given.trials * 3e8, (6.0, 1e6), "0" * 64)
    return Arms(given, declared, cast(Desk, desk), 3)


def test_the_arms_spaces_are_parts_of_the_joint_one() -> None:
    static = static_space(SPACE)
    assert static.names == ("n_layers", "d_model")
    assert all(not each.inference for each in map(static.sample(20).row, range(20)))
    joint = joint_space(SPACE)
    assert set(SPACE.names) - set(joint.names) == {"early_exit.threshold"}
    winner = Proposal(static.sample(1, seed=4).row(0))
    settings_of_it = settings_space(SPACE, winner)
    table = settings_of_it.sample(30, seed=1)
    assert {table.row(row).architecture for row in range(30)} == {winner.candidate.architecture}
    assert threshold_range(SPACE) == pytest.approx((0.2, 0.8))
    assert threshold_range(joint) == (0.0, 1.0)
    assert threshold_range(joint.fixed("early_exit.threshold", 0.7)) == (0.7, 0.7)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (static_space(SPACE), "no dynamic setting to search"),
        (SPACE.fixed("n_layers", 4).fixed("d_model", 24), "dynamic settings only"),
    ],
)
def test_a_space_that_leaves_nothing_to_compare_is_refused(
    space: SearchSpace, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        JointSettings(space, trials=2, tokens=10, seeds=(0,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "trials=0"),
        ({"winners": True}, "winners=True"),
        ({"first_share": 1.0}, "first_share=1.0"),
        ({"seeds": ()}, "seeds=\\[\\]"),
        ({"seeds": (1, 1)}, "seeds=\\[1, 1\\]"),
        ({"reference": (1.0, math.nan)}, "reference="),
        ({"reference": (1.0,)}, "reference=\\[1.0\\] is not two numbers"),
        ({"strategy": "nsga3"}, "did you mean 'nsga2'"),
        ({"tokens": 0}, "tokens=0"),
    ],
)
def test_settings_that_are_none_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings(**changes)


def test_what_is_declared_follows_from_space_and_text_alone(tmp_path: Any) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abcd" * 8_000)
    first = declare(settings(corpus=str(text)))
    assert first == declare(settings(corpus=str(text), seeds=(8, 9), strategy="random"))
    assert first.reference[0] == pytest.approx(2.0)  # four letters, equally often
    twice = declare(settings(corpus=str(text), trials=18))
    assert twice.budget_flops == 2 * first.budget_flops
    given = declare(settings(corpus=str(text), reference=(3.5, 2e6)))
    assert given.reference == (3.5, 2e6)
    assert given.box == 7e6


def test_a_trial_with_exits_is_a_point_for_each_threshold_that_is_allowed() -> None:
    candidate = Candidate.from_json(
        {"architecture": {"n_layers": 3, "d_model": 24, "n_heads": 2, "vocab_size": 256,
                          "context_length": 16}, "inference": {"early_exit": {}}}
    )  # fmt: skip
    trial = MadeUp().trained("joint", 0, Proposal(candidate), TrainingPlan(tokens=TOKENS))
    every = points_of(trial)
    assert [each.threshold for each in every] == list(GRID)
    some = points_of(trial, (0.2, 0.8))
    assert [each.threshold for each in some] == [0.25, 0.5, 0.75]
    assert every[0].search[1] < every[-1].search[1]
    assert every[1].calibration[0] == pytest.approx(every[1].search[0] + 0.3)
    # At threshold 1 nobody asks an exit, and the cost is the static model's.
    static = Candidate(candidate.architecture)
    alone = MadeUp().trained("static", 0, Proposal(static), TrainingPlan(tokens=TOKENS))
    assert every[-1].search[1] == points_of(alone)[0].search[1]
    assert joint_points.tested(alone) == (quality(static) + 0.1, every[-1].search[1])


@pytest.mark.parametrize("exits", [False, True])
def test_a_search_sees_no_decision_that_was_made_on_the_test_part(exits: bool) -> None:
    candidate = Candidate.from_json(
        {"architecture": {"n_layers": 3, "d_model": 24, "n_heads": 2, "vocab_size": 256,
                          "context_length": 16, "experts": 4, "experts_per_token": 3},
         "inference": {"mixture_of_experts": {}, **({"early_exit": {}} if exits else {})}}
    )  # fmt: skip
    trial = MadeUp().trained("joint", 0, Proposal(candidate), TrainingPlan(tokens=TOKENS))
    seen = {"experts_per_token": [2.5] * 3}
    decided = {"search_observed": seen, "observed": {"experts_per_token": [1.5] * 3}}
    trial = replace(trial, result={**trial.result, **decided})
    last = points_of(trial)[-1]
    observed = Observed.from_json(seen)
    if exits:
        shares = trial.result["exit_sweeps"]["search"]["exit_shares"][-1]
        observed = replace(observed, exit_shares=tuple(shares))
    expected = estimate(last.candidate, observed=observed).flops.decode_per_token
    assert last.search[1] == last.calibration[1] == expected
    tested = joint_points.tested(trial)
    assert tested is not None
    assert tested[1] < expected


def test_a_failed_trial_spends_what_it_had_trained_on() -> None:
    desk = MadeUp()
    good, bad = (
        desk.trained("static", 0, Proposal(sized(width)), TrainingPlan(tokens=TOKENS))
        for width in (24, 40)
    )
    assert (good.state, bad.state) == ("complete", "failed")
    assert spent(cast(Any, desk.study), good) == flops_of(good.candidate, TOKENS, 300)
    assert spent(cast(Any, desk.study), bad) == flops_of(bad.candidate, 500, 0)
    assert points_of(bad) == ()
    assert joint_points.tested(bad) is None


def test_every_arm_goes_on_until_its_budget_is_spent_failures_counted() -> None:
    desk = MadeUp()
    one = arms(desk, settings())
    static = one.static()
    roads = {"static": static, "in steps": one.in_steps(static), "joint": one.joint()}
    assert any(road.failed for road in roads.values())
    for road in roads.values():
        assert road.spent >= one.declared.budget_flops
        assert road.spent - road.flops[-1] < one.declared.budget_flops
        assert len(road.flops) == len(road.trials)
    assert all(not each.candidate.inference for each in static.trials)
    assert any(each.candidate.inference for each in roads["joint"].trials)


def test_what_is_told_of_an_arm_is_how_much_of_its_budget_is_spent() -> None:
    told: list[tuple[str, int, float]] = []
    one = replace(arms(MadeUp(), settings()), tell=lambda a, t, s: told.append((a, t.number, s)))
    static = one.static()
    steps = one.in_steps(static)
    shares = np.cumsum(static.flops) / one.declared.budget_flops
    assert told[: len(shares)] == [
        ("static", trial.number, share) for trial, share in zip(static.trials, shares, strict=True)
    ]
    later = told[len(shares) :]
    assert {arm for arm, _, _ in later} == {"in steps"}
    assert later[0][2] > 0.5  # what it shares with the static arm was told before
    assert later[-1][2] == steps.spent / one.declared.budget_flops >= 1


def test_search_in_steps_shares_its_first_trials_and_tries_exits_on_their_winners() -> None:
    desk = MadeUp()
    one = arms(desk, settings())
    static = one.static()
    steps = one.in_steps(static)
    dynamic = [each for each in steps.trials if each.candidate.inference]
    shared = steps.trials[: len(steps.trials) - len(dynamic)]
    assert shared == static.trials[: len(shared)]
    first = sum(steps.flops[: len(shared)])
    assert first - steps.flops[len(shared) - 1] < one.declared.budget_flops / 2 <= first
    known = Road(shared, steps.flops[: len(shared)], [
        point for point in static.points if point.trial in {each.number for each in shared}
    ])  # fmt: skip
    sizes = {each.candidate.architecture for each in one.winners(known)}
    assert {each.candidate.architecture for each in dynamic} <= sizes
    assert len({each.candidate for each in dynamic}) == len(dynamic)


def test_search_in_steps_goes_on_with_other_models_when_its_winners_have_nothing_new() -> None:
    space = SPACE.with_dimension(Choice("activation_sparsity", (False, True)))
    one = arms(MadeUp(), replace(settings(), space=space))
    flat, deep = (
        Proposal(static_space(SPACE).fixed("n_layers", n_layers).sample(1).row(0))
        for n_layers in (1, 4)
    )
    asked = list(islice(one._dynamic_versions(([flat], [deep])), 6))
    # No exit fits one layer: sparse is all that it can be.
    assert [each.candidate.architecture.n_layers for each in asked] == [1, 4, 4, 4, 4, 4]
    assert len({each.key for each in asked}) == 6


def test_a_model_enters_with_the_thresholds_that_add_most_on_the_calibration_part() -> None:
    one = arms(MadeUp(), settings())
    road = one.joint()
    by_trial: dict[int, list[float]] = {}
    for point in road.points:
        if point.threshold is not None:
            by_trial.setdefault(point.trial, []).append(point.threshold)
    assert by_trial
    assert all(len(each) <= 2 for each in by_trial.values())
    assert {t for each in by_trial.values() for t in each} <= {0.25, 0.5, 0.75}


def test_an_arm_in_which_everything_fails_comes_to_an_end() -> None:
    desk = MadeUp(fails=lambda candidate: True, trained_on=())
    with pytest.raises(RunError, match=r"20 trials in a row came to nothing, .*: no memory"):
        arms(desk, settings()).static()
    assert len(desk.asked) == 20


def test_the_same_comparison_asks_for_the_same_trials() -> None:
    def asked() -> list[tuple[str, int, Candidate, TrainingPlan]]:
        desk = MadeUp()
        one = arms(desk, settings())
        one.in_steps(one.static())
        one.joint()
        return desk.asked

    assert asked() == asked()


def test_an_arms_trials_are_told_apart_by_everything_that_matters_but_other_seeds() -> None:
    def road(seed: int = 3, arm: str = "joint", text: str = "c0ffee", **changes: Any) -> str:
        return settings(**changes).road(seed, arm, text)

    assert road(seeds=(3, 4, 5)) == road()
    others = [
        road(4), road(arm="static"), road(trials=10), road(tokens=2_000),
        road(reference=(4.0, 1e6)), road(corpus="tiny"), road(text="decaf"),
    ]  # fmt: skip
    assert len({road(), *others}) == 8


def test_a_desk_finds_what_is_there_and_refuses_another_candidate_in_its_place() -> None:
    winner, other = (Proposal(static_space(SPACE).sample(1, seed=seed).row(0)) for seed in (1, 2))
    stored = Trial(0, winner.candidate, {}, "python", "complete", "joint:static:0")
    study = SimpleNamespace(trials=lambda: [stored], trial=lambda number: stored)
    desk = Desk(cast(Any, study), "python", threading.Event())
    plan = TrainingPlan(tokens=TOKENS)
    assert desk.trained("joint:static:0", 0, winner, plan) is stored
    with pytest.raises(InputError, match="is another candidate"):
        desk.trained("joint:static:0", 0, other, plan)


def comparison() -> JointComparison:
    one = Candidate(static_space(SPACE).sample(1).row(0).architecture)

    def run(*tested: tuple[float, float] | None) -> ArmRun:
        return ArmRun(5, 1, 2e9, 1e9, tuple(Winner(one, (2.0, 5e5), each, 7) for each in tested))

    runs = {
        seed: {
            "static": run((4.0, 5e5)),
            "in steps": run((3.0, 5e5), None),
            "joint": run((3.0, 5e5), (4.5, 2.5e5 + 1e4 * seed)),
        }
        for seed in (0, 1)
    }
    declared = Declared(2e9, (6.0, 1e6), "0" * 64)
    return JointComparison(settings(seeds=(0, 1)), declared, runs, {"nasviz": "0.1.0"})


def test_hypervolumes_are_shares_of_the_box_of_what_was_tested() -> None:
    found = comparison()
    assert found.hypervolumes("static") == pytest.approx([2 * 0.5 / 6] * 2)
    assert found.hypervolumes("in steps") == pytest.approx([3 * 0.5 / 6] * 2)
    assert found.hypervolumes("joint") == pytest.approx(
        [(3 * 0.5 + 1.5 * 0.25) / 6, (3 * 0.5 + 1.5 * 0.24) / 6]
    )
    assert found.difference("static").outcome == "won"
    assert found.points("joint").shape == (4, 2)
    assert found.reached("joint").cost.tolist() == [2.5e5, 2.6e5, 5e5]


def test_a_comparison_survives_json() -> None:
    found = comparison()
    text = json.dumps(found.to_json())
    again = JointComparison.from_json(json.loads(text))
    assert again.to_json() == found.to_json()
    assert again.verdict == found.verdict
    with pytest.raises(InputError, match="format is 99"):
        JointComparison.from_json({**json.loads(text), "format": 99})
