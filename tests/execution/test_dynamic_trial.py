"""A trial with an inference policy: scored as it runs, with its exits traced beside its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nasviz
from nasviz import Architecture, Candidate, InferencePolicy, Study, TrainingPlan
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.execution.results import TRACES
from nasviz.quality.exit_rule import leave, outcome
from nasviz.quality.exit_trace_file import load_exit_trace
from nasviz.space.options.early_exit import EarlyExit

pytestmark = pytest.mark.slow

TEXT = "".join(f"line {number}: the cat sat on mat {number % 7}.\n" for number in range(9_000))


def test_a_trial_s_quality_cost_and_exits_are_those_of_its_policy(tmp_path: Path) -> None:
    corpus = tmp_path / "text.txt"
    corpus.write_text(TEXT)
    option = EarlyExit(threshold=0.6, skipped_layers="recompute", first=2)
    candidate = Candidate(Architecture(4, 32, 2, 256, 32), InferencePolicy((option,)))
    study = Study.open(f"sqlite:///{tmp_path}/study.db")
    plan = TrainingPlan(tokens=20_000, threads=1)
    trial = nasviz.train(candidate, plan, corpus=str(corpus), study=study)
    assert trial.state == "complete", trial.reason
    result = trial.result
    traces = {
        part: load_exit_trace(study.directory(trial.number) / name) for part, name in TRACES.items()
    }
    assert traces["calibration"].part == "calibration"
    # Recomputed layers: what the arithmetic says of the trace is what was scored.
    by_trace = outcome(traces["test"], leave(traces["test"], option))
    assert result["bits_per_byte"] == pytest.approx(by_trace.bits_per_byte, abs=1e-5)
    assert result["observed"]["exit_shares"] == pytest.approx(by_trace.exit_shares, abs=1e-9)
    assert result["bits_per_byte"] != result["static_bits_per_byte"]
    sweep = result["exit_sweep"]
    assert len(sweep["thresholds"]) == 200
    assert np.all(np.diff(sweep["average_layers"]) >= -1e-9)
    assert sweep["bits_per_byte"][-1] == pytest.approx(result["static_bits_per_byte"], abs=1e-5)
    observed = Observed.from_json(result["observed"])
    cost = estimate(candidate, observed=observed)
    assert result["expected_flops_per_token"] == pytest.approx(cost.flops.decode_per_token)
    latency = result["policy_latency"]
    assert latency["token_s"] == result["measured_time_per_output_token_s"]
    assert 2 <= latency["average_layers"] <= 4
