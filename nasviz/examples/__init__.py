"""Results that come with nasviz, so that they can be looked at without the hours they took."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasviz.strategies.joint.record import JointComparison
    from nasviz.strategies.roads.record import RoadsComparison


def joint_comparison() -> JointComparison:
    """Return the comparison of joint search that notebook 03 shows: five seeds, tiny models.

    `nasviz compare-joint dynamic --study joint.db --trials 14 --tokens 48000 --winners 3` computes
    it anew.
    """
    from nasviz.strategies.joint.record import JointComparison

    text = files("nasviz.examples").joinpath("joint_comparison.json").read_text(encoding="utf-8")
    return JointComparison.from_json(json.loads(text))


def roads_comparison() -> RoadsComparison:
    """Return the comparison of the two roads that notebook 04 shows: five seeds, four targets.

    `nasviz compare-roads --study roads.db --seeds 5 --tokens 250000 --healing-tokens 25000`
    computes it anew.
    """
    from nasviz.strategies.roads.record import RoadsComparison

    text = files("nasviz.examples").joinpath("roads_comparison.json").read_text(encoding="utf-8")
    return RoadsComparison.from_json(json.loads(text))
