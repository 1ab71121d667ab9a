"""What follows a prompt, scored on the road that generation takes, under every kind of policy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import InputError
from nasviz.evaluation.prompt_score import score_after_prompt
from nasviz.evaluation.scoring import first_words
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.token_pruning import TokenPruning

PROMPT, SCORED, BYTES = 23, 7, 500


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(1)
    model = Transformer(Architecture(5, 32, 4, 256, 37))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.25 * torch.randn(parameter.shape))
    return model.eval()


def scored(model: Transformer, text: TokenizedCorpus, *options, **settings):
    policy = InferencePolicy(options)
    given = {"prompt_tokens": PROMPT, "scored_tokens": SCORED, "max_bytes": BYTES, **settings}
    return score_after_prompt(model, policy, text, **given)


def test_without_a_policy_it_is_the_static_model_s_loss(model, text) -> None:
    found = scored(model, text)
    tokens = first_words(text, "test", BYTES)
    starts = range(0, len(tokens) - PROMPT - SCORED + 1, SCORED)
    rows = np.stack([tokens[start : start + PROMPT + SCORED] for start in starts])
    ids = torch.from_numpy(rows.astype(np.int64))
    with torch.inference_mode():
        logits = model(ids[:, :-1])[:, PROMPT - 1 :]
    nats = cross_entropy(logits.flatten(0, 1), ids[:, PROMPT:].flatten(), reduction="sum")
    assert found.score.nats == pytest.approx(nats.item(), rel=1e-5)
    assert found.score.bytes == text.token_bytes[ids[:, PROMPT:]].sum()
    assert found.score.least_left_context == PROMPT
    assert found.depth_shares == {5: 1.0}
    assert found.stepped
    # Every token behind the first prompt, up to the last whole window, once.
    assert found.score.tokens == (len(tokens) - PROMPT) // SCORED * SCORED


POLICIES = {
    "pruning": (TokenPruning(keep=0.5),),
    "pruning and exits": (TokenPruning(keep=0.5), EarlyExit(threshold=0.011)),
    "recomputed exits": (EarlyExit(threshold=0.011, skipped_layers="recompute"),),
    "window": (KVWindow(window=9, sinks=1),),
    "eviction": (KVEviction(budget=11, protected=1),),
    "bits": (KVQuantization(bits=4, group=4, residual=2),),
    "width": (DynamicWidth(head_share=0.5, ff_share=0.5),),
}


@pytest.mark.parametrize("options", POLICIES.values(), ids=POLICIES)
def test_a_policy_s_score_is_that_of_reading_and_stepping_text_by_text(
    model, text, options
) -> None:
    found = scored(model, text, *options)
    assert found.score.nats != pytest.approx(scored(model, text).score.nats, rel=1e-4)
    tokens = torch.from_numpy(text.tokens("test").astype(np.int64))
    nats, depths = 0.0, []
    runner = Runner(model, InferencePolicy(options))
    with torch.inference_mode():
        for start in range(0, found.score.tokens, SCORED):
            row = tokens[start : start + PROMPT + SCORED].unsqueeze(0)
            reading = runner.new_reading()
            said = [runner.read(row[:, :PROMPT], reading)]
            said += [runner.step(row[:, t], reading) for t in range(PROMPT, PROMPT + SCORED - 1)]
            nats += cross_entropy(torch.cat(said), row[0, PROMPT:], reduction="sum").item()
            depths += [5, *(int(each) for each in reading.depths)]
    assert found.score.nats == pytest.approx(nats, rel=1e-5)
    assert found.average_layers == pytest.approx(np.mean(depths))


def test_batches_are_a_matter_of_speed_alone(model, text) -> None:
    seen: list[float] = []
    small = scored(model, text, TokenPruning(), batch_tokens=1, report=seen.append)
    assert small.score.nats == pytest.approx(scored(model, text, TokenPruning()).score.nats)
    assert len(seen) == small.score.tokens // SCORED
    assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prompt_tokens": 0}, "prompt_tokens=0 is not a positive whole number"),
        ({"scored_tokens": 0}, "scored_tokens=0 is not a positive whole number"),
        ({"prompt_tokens": 31, "scored_tokens": 8}, "context_length=37; lower one, at most 38"),
        ({"max_bytes": 20}, "more than the .* tokens of the text"),
    ],
)
def test_windows_that_can_t_be_are_refused(model, text, settings, said: str) -> None:
    with pytest.raises(InputError, match=said):
        scored(model, text, **settings)
    scored(model, text, prompt_tokens=31, scored_tokens=7)
