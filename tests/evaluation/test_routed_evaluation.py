"""What is observed of a routed model on text, and that its score is that of real steps."""

from __future__ import annotations

import pytest
import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.evaluation.observe import observe
from nasviz.evaluation.policy_score import score_policy
from nasviz.evaluation.prompt_score import score_after_prompt
from nasviz.model.dynamic.additions import build_model
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.mixture_of_depths import MixtureOfDepths

BYTES = 400
CANDIDATE = Candidate(
    Architecture(5, 32, 4, 256, 37), InferencePolicy((MixtureOfDepths(0.5, first=1, every=2),))
)


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(2)
    model = build_model(CANDIDATE.architecture, CANDIDATE.inference)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape))
    return model.eval()


def test_one_pass_scores_what_real_steps_score(model: Transformer, text: TokenizedCorpus) -> None:
    scores = [
        score_policy(model, CANDIDATE.inference, text, stride=16, max_bytes=BYTES, stepped=stepped)
        for stepped in (False, True)
    ]
    assert [each.stepped for each in scores] == [False, True]
    assert scores[0].score.bits_per_byte == pytest.approx(scores[1].score.bits_per_byte, abs=1e-5)
    assert scores[0].depth_shares == scores[1].depth_shares
    assert len(scores[0].depth_shares) > 1


def test_the_observed_share_is_that_of_tokens_in_routed_layers(
    model: Transformer, text: TokenizedCorpus
) -> None:
    dynamic = score_policy(model, CANDIDATE.inference, text, stride=16, max_bytes=BYTES)
    observed = observe(CANDIDATE, dynamic)
    assert observed.exit_shares is None
    assert observed.routed_share == pytest.approx((dynamic.average_layers - 3) / 2)
    assert 0 < observed.routed_share < 1


def test_prompts_are_routed_too(model: Transformer, text: TokenizedCorpus) -> None:
    policy = CANDIDATE.inference
    whole = score_after_prompt(
        model, policy, text, prompt_tokens=20, scored_tokens=10, max_bytes=BYTES
    )
    static = score_after_prompt(
        model, InferencePolicy(), text, prompt_tokens=20, scored_tokens=10, max_bytes=BYTES
    )
    assert whole.score.nats != pytest.approx(static.score.nats, rel=1e-4)
