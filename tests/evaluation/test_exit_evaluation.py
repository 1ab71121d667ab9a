"""What every exit says of a text, and the same text on the road that generation takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.evaluation.exit_trace import trace_exits
from nasviz.evaluation.policy_score import score_policy
from nasviz.evaluation.scoring import score
from nasviz.model.dynamic.additions import build_model
from nasviz.model.transformer import Transformer
from nasviz.quality.exit_rule import leave, outcome
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip

CRITERIA = ("max_probability", "margin", "entropy", "saturation", "patience", "gate")
BYTES = 500


def model_for(option: EarlyExit) -> Transformer:
    torch.manual_seed(1)
    model = build_model(Architecture(5, 32, 4, 256, 37), InferencePolicy((option,)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 1.0 if "heads" in name else 0.25  # exits that are sure, some of the time
            parameter.copy_(spread * torch.randn(parameter.shape))
    return model.eval()


@pytest.mark.parametrize(
    ("criterion", "decay"), [*((each, 0.0) for each in CRITERIA), ("entropy", 3.0)]
)
def test_the_sweep_is_the_real_generation_path_teacher_forced(
    text: TokenizedCorpus, criterion: str, decay: float
) -> None:
    option = EarlyExit(
        criterion=criterion, first=2, heads="own", skipped_layers="recompute", decay=decay
    )
    model = model_for(option)
    trace = trace_exits(model, option, text, stride=16, max_bytes=BYTES)
    for share in (0.5, 0.97):
        threshold = float(np.quantile(trace.score(criterion), share))
        at = replace(option, threshold=threshold)
        by_arithmetic = outcome(trace, leave(trace, at))
        policy = InferencePolicy((at,))
        real = score_policy(model, policy, text, stride=16, max_bytes=BYTES, stepped=True)
        assert real.score.bits_per_byte == pytest.approx(by_arithmetic.bits_per_byte, abs=1e-5)
        assert real.average_layers == pytest.approx(by_arithmetic.average_layers, abs=1e-9)
        assert real.score.accuracy == pytest.approx(by_arithmetic.accuracy, abs=1e-9)
        assert len(real.depth_shares) > 1, "the threshold divides no tokens: nothing was tested"


def test_the_last_column_of_a_trace_is_the_static_score(text: TokenizedCorpus) -> None:
    option = EarlyExit()
    model = model_for(option)
    trace = trace_exits(model, option, text, stride=16, max_bytes=BYTES)
    static = score(model, text, stride=16, max_bytes=BYTES)
    never = outcome(trace, leave(trace, replace(option, threshold=1.0)))
    assert never.bits_per_byte == pytest.approx(static.bits_per_byte, abs=1e-5)
    assert never.accuracy == static.accuracy
    assert trace.n_bytes == static.bytes
    neutral = score_policy(model, InferencePolicy(), text, stride=16, max_bytes=BYTES)
    assert neutral.score.bits_per_byte == pytest.approx(static.bits_per_byte, abs=1e-6)
    assert neutral.depth_shares == {5: 1.0}


def test_propagated_states_have_a_quality_of_their_own(text: TokenizedCorpus) -> None:
    option = EarlyExit()
    model = model_for(option)
    trace = trace_exits(model, option, text, stride=16, max_bytes=BYTES)
    threshold = float(np.median(trace.score("max_probability")))
    option = replace(option, threshold=threshold)
    scores = {}
    for skipped in ("propagate", "recompute"):
        policy = InferencePolicy((replace(option, skipped_layers=skipped),))
        scores[skipped] = score_policy(model, policy, text, stride=16, max_bytes=BYTES)
    assert scores["propagate"].score.bits_per_byte != pytest.approx(
        scores["recompute"].score.bits_per_byte, abs=1e-4
    )
    assert scores["propagate"].score.tokens == scores["recompute"].score.tokens


def test_a_trace_is_kept_and_read_back(text: TokenizedCorpus, tmp_path: Path) -> None:
    option = EarlyExit(criterion="gate")
    seen: list[float] = []
    trace = trace_exits(
        model_for(option), option, text, "calibration", max_bytes=BYTES, report=seen.append
    )
    assert seen[-1] == 1.0
    assert trace.part == "calibration"
    assert set(trace.confidence) == set(CRITERIA)
    assert trace.corpus_sha256 == text.corpus.sha256


def test_dropout_is_off_while_scoring_under_a_policy(text: TokenizedCorpus) -> None:
    torch.manual_seed(1)
    model = build_model(Architecture(3, 32, 4, 256, 37, dropout=0.5), InferencePolicy())
    policy = InferencePolicy((LayerSkip(keep=0.7),))
    inferred = score_policy(model.eval(), policy, text, stride=16, max_bytes=BYTES)
    assert score_policy(model.train(), policy, text, stride=16, max_bytes=BYTES) == inferred
    assert model.training
