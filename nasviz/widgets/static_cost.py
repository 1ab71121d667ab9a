"""Costs of static models that several parts of the page show at each move of a slider."""

from __future__ import annotations

from functools import lru_cache

from nasviz.cost.estimate import Cost, estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.space.architecture import Architecture


@lru_cache(maxsize=32)
def static_cost(architecture: Architecture, workload: Workload, hardware: Hardware) -> Cost:
    """Return what a model costs without dynamic inference; the latest ones are remembered."""
    return estimate(architecture, workload, hardware)
