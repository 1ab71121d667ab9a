"""The load of experts on held-out text: counted as it is routed, a dead expert in sight."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import InputError
from nasviz.evaluation.expert_load import measure_expert_load
from nasviz.execution.results import load_words
from nasviz.model.dynamic.additions import build_model
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip

SIZES = Architecture(3, 20, 5, 256, 37, d_ff=28, experts=5, experts_per_token=2)
STATIC = InferencePolicy()


def model_for(policy: InferencePolicy = STATIC) -> Transformer:
    torch.manual_seed(3)
    return build_model(SIZES, policy).eval()


def test_shares_are_those_of_each_layer_s_own_choices(text: TokenizedCorpus) -> None:
    model = model_for()
    load = measure_expert_load(model, STATIC, text, max_bytes=1_000)
    tokens = torch.from_numpy(text.tokens("test")[: load.tokens].astype(np.int64)).view(-1, 37)
    hidden = model.embed(tokens)
    for layer, block in enumerate(model.blocks):
        attended = block.attention(block.attention_norm(hidden), model._turns(hidden, 0, None),
                                   None, None, layer, 37)  # fmt: skip
        scores = block.feed_forward.router(block.feed_forward_norm(hidden + attended))
        best = scores.argsort(dim=-1, descending=True)[..., :2].flatten()
        expected = np.bincount(best.numpy(), minlength=5) / tokens.numel()
        np.testing.assert_allclose(load.shares[layer], expected, atol=1e-12)
        hidden = model.run_layers(hidden, layer, layer + 1)
    assert 900 < load.tokens <= 1_000
    assert load.experts_per_token == pytest.approx((2, 2, 2))


def test_a_dead_expert_is_in_sight(text: TokenizedCorpus) -> None:
    model = model_for()
    with torch.no_grad():
        model.blocks[1].feed_forward_norm.weight.fill_(0)
        model.blocks[1].feed_forward.router.weight.fill_(0)  # ties: always the same experts
    load = measure_expert_load(model, STATIC, text, max_bytes=500)
    assert sorted(load.shares[1]) == [0, 0, 0, 1, 1]
    said = load.to_json()
    assert said["part"] == "test"
    assert "3 of 15 never used" in load_words(said["layers"])
    assert "0.0% to 100.0%" in load_words(said["layers"])


def test_layers_count_the_tokens_that_go_through_them(text: TokenizedCorpus) -> None:
    for policy, layers in (
        (InferencePolicy((LayerSkip(keep=0.67),)), 2),
        (InferencePolicy((EarlyExit(threshold=0.0),)), 3),
    ):
        load = measure_expert_load(model_for(policy), policy, text, max_bytes=300)
        assert load.shares.shape == (layers, 5)
        for each in load.experts_per_token:
            assert each == pytest.approx(2) or each == 0  # nothing went so deep


def test_a_model_without_experts_has_no_load(text: TokenizedCorpus) -> None:
    dense = Transformer(SIZES.with_(experts=1, experts_per_token=1))
    with pytest.raises(InputError, match="no experts"):
        measure_expert_load(dense, STATIC, text)
