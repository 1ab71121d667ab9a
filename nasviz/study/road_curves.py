"""Both roads to a smaller model as quality against compute, from the trials' own curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nasviz.errors import InputError
from nasviz.quality.crossing import Road, overtaken_at
from nasviz.study.lineage_cost import lineage_cost, training_flops_per_token
from nasviz.study.study import Study
from nasviz.study.trial import Trial


@dataclass(frozen=True, eq=False)
class BothRoads:
    """A pruned trial's road and its twin's, in training FLOPs and bits per byte.

    All are what runs reported on their curve's sample of the search part. parent: the parent's own
    training. pruned: from there on, by its healing. shared: the same road, where the parent's
    training is shared among its `children`. scratch: the twin's, None without one.
    """

    parent: Road
    pruned: Road
    shared: Road
    scratch: Road | None
    children: int

    @property
    def overtaken(self) -> float | None:
        """The compute from which on the twin is as good, the parent's training paid in full."""
        return None if self.scratch is None else overtaken_at(self.pruned, self.scratch)

    @property
    def overtaken_shared(self) -> float | None:
        """The same where the parent's training is shared among its children."""
        return None if self.scratch is None else overtaken_at(self.shared, self.scratch)


def both_roads(study: Study, child: Trial, twin: Trial | None) -> BothRoads:
    """Return the roads to a pruned trial's sizes as far as they have come.

    Raises `InputError` where the parent is no trial of the study: what it cost is not known.
    """
    lineage = child.lineage
    if lineage is None or lineage.parent_trial is None:
        raise InputError(
            f"trial {child.number} has no parent in this study, so nobody knows what its parent "
            "cost"
        )
    parent = study.trial(lineage.parent_trial)
    cost = lineage_cost(study, child.number)
    whole = float(cost.parent_flops or 0.0)
    facts = child.result.get("pruned", {})
    cutting = float(facts.get("flops", 0.0))
    sizes = parent.candidate.architecture
    own = training_flops_per_token(child.candidate, child.plan, sizes)
    begun = facts.get("curve_bits_per_byte")
    return BothRoads(
        parent=road_of(study, parent, _upstream(study, parent)),
        pruned=road_of(study, child, cutting + whole, own, begun),
        shared=road_of(study, child, cutting + whole / cost.children, own, begun),
        scratch=None if twin is None else road_of(study, twin, 0.0),
        children=cost.children,
    )


def road_of(
    study: Study,
    trial: Trial,
    before: float,
    per_token: float | None = None,
    begun: float | None = None,
) -> Road:
    """Return what a trial's curve came to after `before` FLOPs and its own.

    `per_token` are its own FLOPs a token, by itself those of training it; `begun` the bits per byte
    at its start, where it is known.
    """
    each = training_flops_per_token(trial.candidate, {}) if per_token is None else per_token
    rows = study.curve(trial.number)
    compute = before + each * rows["tokens"]
    bits = rows["bits_per_byte"]
    if begun is not None:
        compute, bits = np.append(before, compute), np.append(begun, bits)
    return Road.of(compute, bits)


def _upstream(study: Study, trial: Trial) -> float:
    """Return the FLOPs that a trial's own parents cost; 0 without any."""
    return float(lineage_cost(study, trial.number).parent_flops or 0.0)
