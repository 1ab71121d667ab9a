"""`Walk`: both roads of one seed, trial by trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from nasviz.space.pruning import Pruning, by_method
from nasviz.space.replacement.per_layer import SCORES, PerLayer, Scores
from nasviz.strategies.roads.desk import Desk
from nasviz.strategies.roads.outcome import (
    ALIKE,
    BY_LAYER,
    Outcome,
    SeedRun,
    accounts,
)
from nasviz.strategies.roads.settings import RoadsSettings
from nasviz.strategies.roads.speed import predicted_time_s
from nasviz.strategies.roads.targets import DEPTH, DRAWS, METHODS, TARGETS, USUAL
from nasviz.study.trial import Trial

# Seeds of further draws by chance: far from any seed of a comparison.
_NEXT_DRAW = 1_000_000
# What every replacement of every layer is scored on, and taught before where it is: with so little
# a search takes some times the healing's compute, and with the usual amounts more than a parent's.
_SCORED_TOKENS = 4_096
_LOCAL_STEPS = 10

Teller = Callable[[str, Trial], Outcome]


@dataclass(frozen=True)
class Walk:
    """One seed of a comparison. `tell` hears of each complete trial, and says what it came to."""

    settings: RoadsSettings
    desk: Desk
    seed: int
    tell: Teller

    def walked(self) -> SeedRun:
        """Return what the seed came to, its trials trained or found trained."""
        plan = self.settings.parent_plan(self.seed)
        parent = self.tell("parent", self.desk.trained("parent", self.settings.parent, plan))
        pruned = {
            target: {
                method: self._pruned(parent, target, by_method(method, seed=self.seed), method)
                for method in METHODS.get(target, (USUAL,))
            }
            for target in TARGETS
        }
        chance = {
            target: tuple(self._by_chance(parent, target, draw) for draw in range(DRAWS))
            for target in METHODS
        }
        scratch = {
            target: self._from_new(parent, target, next(iter(by_method.values())))
            for target, by_method in pruned.items()
        }
        uniform = next(iter(pruned[DEPTH].values()))
        as_fast: dict[str, dict[str, Outcome]] = {
            scores: self._as_fast(parent, uniform, scores) for scores in SCORES
        }
        return SeedRun(parent, pruned, chance, scratch, as_fast)

    def _pruned(self, parent: Outcome, target: str, pruning: Pruning, method: str) -> Outcome:
        arm = f"{target}, pruned by {method.replace('_', ' ')}"
        plan = self.settings.healing_plan(self.seed)
        sizes = self.settings.targets[target]
        return self.tell(arm, self.desk.pruned(arm, parent.trial, sizes, plan, pruning))

    def _by_chance(self, parent: Outcome, target: str, draw: int) -> Outcome:
        pruning = by_method("random", seed=self.seed + draw * _NEXT_DRAW)
        return self._pruned(parent, target, pruning, "random")

    def _from_new(self, parent: Outcome, target: str, healed: Outcome) -> dict[str, Outcome]:
        """Return the target's sizes trained from new on what the pruned model took, by account."""
        found = {}
        for account, flops in accounts(healed.flops, parent.flops, len(TARGETS)).items():
            arm = f"{target}, from new on {account}"
            plan = self.settings.scratch_plan(self.seed, flops)
            found[account] = self.tell(
                arm, self.desk.trained(arm, self.settings.targets[target], plan)
            )
        return found

    def _as_fast(self, parent: Outcome, uniform: Outcome, scores: Scores) -> dict[str, Outcome]:
        """Return the parent cut within the time of half of its layers, in two ways.

        Layer by layer, searched; and with layers alike, healed on as many more tokens as come to
        the search's compute: `uniform` is that model, healed for the usual time.
        """
        sizes = self.settings.targets[DEPTH]
        limit = predicted_time_s(sizes)
        asked = PerLayer(max_time_per_token_s=limit, scores=scores, local_steps=_LOCAL_STEPS)
        pruning = replace(by_method(USUAL, seed=self.seed), calibration_tokens=_SCORED_TOKENS)
        plan = self.settings.healing_plan(self.seed)
        arm = f"as fast as {DEPTH}, layer by layer, {scores} scores"
        found = self.tell(arm, self.desk.pruned(arm, parent.trial, asked, plan, pruning))

        left = found.flops - uniform.chosen_flops  # its parts are chosen again
        tokens = round(left / (uniform.flops - uniform.chosen_flops) * uniform.tokens)
        arm = f"{DEPTH}, healed as long as {scores} scores take"
        usual = by_method(METHODS[DEPTH][0], seed=self.seed)
        trial = self.desk.pruned(arm, parent.trial, sizes, plan.with_(tokens=tokens), usual)
        return {BY_LAYER: found, ALIKE: self.tell(arm, trial)}
