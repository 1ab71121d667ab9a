"""An explorer's state with a trained trial's exits, made without training."""

from __future__ import annotations

import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "quality"))

from exit_traces import learned_trace

from nasviz.cost.hardware import Hardware
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.search_space import SearchSpace
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.widgets.exit_reading import ExitReading
from nasviz.widgets.state import ExplorerState, StudySnapshot

HOSTILE = b"<img src=x onerror=alert(1)>"


def trial_with(
    candidate: Candidate, number: int = 0, bits_per_byte: float = 2.0, **result: Any
) -> Trial:
    """Return a complete trial of a candidate."""
    measured = {"bits_per_byte": bits_per_byte, "tokens": 100_000, "accuracy": 0.3, **result}
    plan = TrainingPlan(tokens=100_000).to_json()
    return Trial(
        number, candidate, plan, "python", "complete", result=MappingProxyType(measured)
    )  # fmt: skip


def reading(n_tokens: int = 4_001, n_exits: int = 7, threshold: float = 0.7) -> ExitReading:
    """Return a trial of `n_exits` + 1 layers whose exits know more the deeper they stand."""
    traces = {
        part: learned_trace(n_tokens, n_exits, seed, part=part)
        for seed, part in enumerate(("calibration", "test"))
    }
    sizes = Architecture(n_exits + 1, 64, 2, 997, 64)
    option = EarlyExit(threshold=threshold, skipped_layers="recompute")
    shares = [1 / (n_exits + 1)] * (n_exits + 1)
    trial = trial_with(
        Candidate(sizes, InferencePolicy((option,))),
        static_bits_per_byte=1.9,
        observed={"exit_shares": shares},
        policy_score={"average_layers": 5.0},
        exit_sweep={"thresholds": []},
    )
    pieces = tuple(HOSTILE if each % 7 == 0 else bytes([65 + each % 26]) for each in range(997))
    return ExitReading(trial, traces, pieces)


def state_of(*trials: Trial) -> ExplorerState:
    """Return an explorer's state whose study holds these trials."""
    shown = StudySnapshot("study", "sqlite:///study.db", trials)
    return ExplorerState(
        SearchSpace.laptop(), hardware=Hardware.named("laptop-cpu"), study=shown
    )  # fmt: skip
