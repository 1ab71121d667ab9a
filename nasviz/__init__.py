"""nasviz: interactive neural architecture search of transformer language models, in Jupyter.

The public names load on first use: `import nasviz` itself imports no numpy, torch or bokeh.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasviz.cost.estimate import Cost, estimate
    from nasviz.cost.hardware import Hardware
    from nasviz.cost.workload import Workload
    from nasviz.execution.prune import prune
    from nasviz.execution.train import train
    from nasviz.quality.records import Quality
    from nasviz.space import presets
    from nasviz.space.architecture import Architecture
    from nasviz.space.candidate import Candidate
    from nasviz.space.inference import InferencePolicy
    from nasviz.space.replacement.per_layer import PerLayer
    from nasviz.space.search_space import SearchSpace
    from nasviz.space.table import CandidateTable
    from nasviz.strategies.search import search
    from nasviz.study.study import Study
    from nasviz.study.trial import Trial
    from nasviz.training.plan import TrainingPlan
    from nasviz.widgets.explorer import Explorer

__version__ = "0.1.0"

_HOMES = {
    "Architecture": "nasviz.space.architecture",
    "Candidate": "nasviz.space.candidate",
    "CandidateTable": "nasviz.space.table",
    "Cost": "nasviz.cost.estimate",
    "Explorer": "nasviz.widgets.explorer",
    "Hardware": "nasviz.cost.hardware",
    "InferencePolicy": "nasviz.space.inference",
    "PerLayer": "nasviz.space.replacement.per_layer",
    "Quality": "nasviz.quality.records",
    "SearchSpace": "nasviz.space.search_space",
    "Study": "nasviz.study.study",
    "TrainingPlan": "nasviz.training.plan",
    "Trial": "nasviz.study.trial",
    "Workload": "nasviz.cost.workload",
    "estimate": "nasviz.cost.estimate",
    "prune": "nasviz.execution.prune",
    "search": "nasviz.strategies.search",
    "train": "nasviz.execution.train",
}

__all__ = [
    "Architecture",
    "Candidate",
    "CandidateTable",
    "Cost",
    "Explorer",
    "Hardware",
    "InferencePolicy",
    "PerLayer",
    "Quality",
    "SearchSpace",
    "Study",
    "TrainingPlan",
    "Trial",
    "Workload",
    "estimate",
    "presets",
    "prune",
    "search",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "presets":
        return import_module("nasviz.space.presets")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'nasviz' has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """Let `%load_ext nasviz` add the line `%nasviz`, which opens the explorer."""
    import_module("nasviz.jupyter.extension").load(shell)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
