"""The three arms of a comparison, on one budget each.

static: the strategy searches sizes alone.
in steps: a share of the budget on the static arm's own road (its first trials count for both),
    then the winners of that front are trained with dynamic settings drawn at random, in turn (and
    the other models, where the winners have no new ones left).
joint: the strategy proposes sizes and dynamic settings together.

In all of them a trial is trained once, and an inner loop takes from its exit sweep, on the
calibration part, the thresholds that add most hypervolume to the arm's archive. A strategy hears
the search part's values at the first of these. An arm begins trials until its budget is spent: it
may end beyond it by less than one trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from nasviz.cost.columns import cost_columns
from nasviz.errors import InputError, RunError
from nasviz.space.search_space import SearchSpace
from nasviz.strategies.joint.budget import spent
from nasviz.strategies.joint.desk import Desk
from nasviz.strategies.joint.points import Point, points_of
from nasviz.strategies.joint.settings import Declared, JointSettings
from nasviz.strategies.joint.spaces import (
    joint_space,
    settings_space,
    static_space,
    threshold_range,
)
from nasviz.strategies.joint.thresholds import chosen_points, greedy
from nasviz.strategies.registry import strategy_named
from nasviz.strategies.settings import proposal_of
from nasviz.strategies.strategy import Proposal, Strategy
from nasviz.study.trial import Trial

ARMS = ("static", "in steps", "joint")
# Trials that fail before they train spend nothing: without an end to them an arm would have none.
MOST_FAILURES = 20


@dataclass
class Road:
    """What an arm did so far: its trials in order, what they spent, and its archive of points."""

    trials: list[Trial] = field(default_factory=list)
    flops: list[float] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    @property
    def spent(self) -> float:
        """FLOPs of all trials, failed ones too."""
        return float(sum(self.flops))

    @property
    def failed(self) -> int:
        """Number of trials without a result."""
        return sum(trial.state != "complete" for trial in self.trials)


@dataclass(frozen=True)
class Arms:
    """The arms of one seed: what they have in common.

    `tell` hears of each trial that an arm trained, or finds trained, and which share of its budget
    is spent then.
    """

    settings: JointSettings
    declared: Declared
    desk: Desk
    seed: int
    tell: Callable[[str, Trial, float], None] = lambda arm, trial, share: None

    def road(self, arm: str) -> str:
        """Return the origin of an arm's trials."""
        return self.settings.road(self.seed, arm, self.declared.corpus_sha256)

    def static(self) -> Road:
        """Return what searching sizes alone came to."""
        return self._searched("static", static_space(self.settings.space))

    def joint(self) -> Road:
        """Return what searching sizes and dynamic settings together came to."""
        return self._searched("joint", joint_space(self.settings.space))

    def in_steps(self, static: Road) -> Road:
        """Return what dynamic settings for the winners of the first part of `static` came to."""
        road, first = Road(), self.settings.first_share * self.declared.budget_flops
        for trial in static.trials:
            if road.spent >= first:
                break
            self._enter(road, trial)
        groups = self._winners_and_others(road)
        train = partial(self.desk.trained, self.road("in steps"))
        for place, proposal in enumerate(self._dynamic_versions(groups)):
            if road.spent >= self.declared.budget_flops:
                break
            trial = train(place, proposal, self.settings.plan(self.seed))
            self._enter(road, trial)
            self.tell("in steps", trial, road.spent / self.declared.budget_flops)
        return road

    def winners(self, road: Road) -> list[Point]:
        """Return the points that a road is judged by: those that add most, on the search part."""
        values = [each.search for each in road.points]
        if not values:
            return []
        rows = greedy(values, self.declared.reference, self.settings.winners)
        return [road.points[row] for row in rows]

    def _searched(self, arm: str, space: SearchSpace) -> Road:
        """Return the road of a strategy through `space`, to the end of the budget."""
        strategy = self._strategy(self.settings.strategy, space)
        road, asked = Road(), set()
        while road.spent < self.declared.budget_flops:
            proposal = strategy.ask()
            if proposal.key in asked:
                break  # nothing new is left
            asked.add(proposal.key)
            plan = self.settings.plan(self.seed)
            trial = self.desk.trained(self.road(arm), len(road.trials), proposal, plan)
            found = self._enter(road, trial)
            self.tell(arm, trial, road.spent / self.declared.budget_flops)
            strategy.tell(proposal, found[0].search if found else None)
        return road

    def _enter(self, road: Road, trial: Trial) -> list[Point]:
        """Add a trial to a road, with the points that the inner loop takes; return these."""
        road.trials.append(trial)
        road.flops.append(spent(self.desk.study, trial))
        latest = road.trials[-MOST_FAILURES:]
        if len(latest) == MOST_FAILURES and all(each.state != "complete" for each in latest):
            raise RunError(
                f"{MOST_FAILURES} trials in a row came to nothing, the last one ({trial.number}) "
                f"because: {trial.reason}"
            )
        points = points_of(trial, threshold_range(self.settings.space))
        if not points:
            return []
        rows = chosen_points(
            [each.calibration for each in points],
            self.declared.reference,
            self.settings.thresholds,
            np.array([each.calibration for each in road.points]).reshape(-1, 2),
        )
        found = [points[row] for row in rows]
        road.points.extend(found)
        return found

    def _winners_and_others(self, road: Road) -> tuple[list[Proposal], list[Proposal]]:
        """Return the winners, as they were proposed, and the road's other models, best first."""
        trials = {trial.number: trial for trial in road.trials}
        won = [each.trial for each in self.winners(road)]
        by_quality = sorted(road.points, key=lambda point: point.search)
        others = [each.trial for each in by_quality if each.trial not in won]
        first, second = ([proposal_of(trials[n]) for n in group] for group in (won, others))
        return first, second

    def _dynamic_versions(self, groups: Sequence[Sequence[Proposal]]) -> Iterator[Proposal]:
        """Yield models in turn, each with new dynamic settings, while there are new ones.

        The second group's turn comes when all settings of the first have been tried.
        """
        for group in groups:
            streams = [self._versions_of(model) for model in group]
            while streams:
                for stream in list(streams):
                    proposal = next(stream, None)
                    if proposal is None:
                        streams.remove(stream)
                    else:
                        yield proposal

    def _versions_of(self, winner: Proposal) -> Iterator[Proposal]:
        """Yield a winner under dynamic settings drawn at random, none twice."""
        try:
            strategy = self._strategy("random", settings_space(self.settings.space, winner))
        except InputError:
            return  # no setting fits so small a model
        asked = set()
        while (proposal := strategy.ask()).key not in asked:
            asked.add(proposal.key)
            if proposal.candidate.inference:
                yield replace(proposal, settings=winner.settings)

    def _strategy(self, name: str, space: SearchSpace) -> Strategy:
        cost = cost_columns(names=space.cost_names)
        space.sample(1, cost=cost)
        return strategy_named(name)(space, 2, self.seed, cost)
