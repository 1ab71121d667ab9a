"""The load-balancing loss: its formula, what it moves, and that it balances a real training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.model.routing import Routing, recorded_routing
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.training.balance_loss import balance_loss
from nasviz.training.objective import batch_losses
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import recipe_for
from nasviz.training.trainer import train_candidate

SIZES = Architecture(3, 20, 5, 31, 13, d_ff=28, experts=7, experts_per_token=2)
PLAN = TrainingPlan(steps=1)
STATIC = InferencePolicy()


def model_and_batch(policy: InferencePolicy) -> tuple[Transformer, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    tokens = torch.randint(31, (4, 13))
    return build_model(SIZES, policy), tokens, tokens.roll(-1, 1)


def test_it_is_one_a_layer_where_all_is_even_and_the_number_of_experts_where_one_gets_all() -> None:
    even = Routing(0, torch.zeros(6, 3), torch.tensor([[0, 1], [2, 0], [1, 2]] * 2))
    assert balance_loss([even]).item() == pytest.approx(1)
    crowded = Routing(1, torch.tensor([[0.0, 50.0, 0.0]] * 6), torch.ones(6, 1, dtype=torch.int64))
    assert balance_loss([crowded]).item() == pytest.approx(3)
    assert balance_loss([even, crowded]).item() == pytest.approx(4)


def test_every_layer_counts_as_switch_transformer_writes_it() -> None:
    model, tokens, targets = model_and_batch(STATIC)
    total, own = batch_losses(model, tokens, targets, STATIC, PLAN.with_(balance_loss=0.5))
    with recorded_routing(model) as routings:
        model(tokens)
    expected = 0.0
    for routing in routings:
        sent = [[float(i in row) for row in routing.chosen.tolist()] for i in range(7)]
        f = np.mean(sent, axis=1) / 2  # of a token's two visits
        p = routing.scores.detach().softmax(dim=1).numpy().mean(axis=0)
        expected += 7 * sum(a * b for a, b in zip(f, p, strict=True))
    assert len(routings) == 3
    assert (total - own).item() == pytest.approx(0.5 * expected, rel=1e-5)


def test_weight_zero_and_models_without_experts_leave_the_loss_alone() -> None:
    model, tokens, targets = model_and_batch(STATIC)
    total, own = batch_losses(model, tokens, targets, STATIC, PLAN.with_(balance_loss=0.0))
    assert torch.equal(total, own)
    dense = build_model(SIZES.with_(experts=1, experts_per_token=1), STATIC)
    total, own = batch_losses(dense, tokens, targets, STATIC, PLAN.with_(balance_loss=0.5))
    assert torch.equal(total, own)


@pytest.mark.parametrize(
    ("policy", "layers"),
    [(InferencePolicy((MixtureOfDepths(),)), 3), (InferencePolicy((Cascade(),)), 4)],
    ids=["mixture of depths", "cascade"],
)
def test_layers_that_a_policy_runs_count_too(policy: InferencePolicy, layers: int) -> None:
    model, tokens, targets = model_and_batch(policy)
    heavy, light = (
        batch_losses(model, tokens, targets, policy, PLAN.with_(balance_loss=weight))[0].item()
        for weight in (1.0, 0.0)
    )
    assert layers * 0.9 < heavy - light < layers * 7


@pytest.mark.parametrize("recompute", [False, True])
def test_it_moves_routers_and_leaves_experts_alone(recompute: bool) -> None:
    model, tokens, targets = model_and_batch(STATIC)
    model.train()
    model.recompute_activations = recompute
    total, own = batch_losses(model, tokens, targets, STATIC, PLAN.with_(balance_loss=1.0))
    (total - own).backward()
    last = model.blocks[-1].feed_forward
    assert float(last.router.weight.grad.abs().sum()) > 0
    assert all(each.grad is None or not each.grad.any() for each in last.experts.parameters())


def test_in_training_an_expert_that_nobody_chose_has_a_gradient_of_zero() -> None:
    model, tokens, targets = model_and_batch(STATIC)
    with torch.no_grad():
        for block in model.blocks:
            block.feed_forward.router.weight[4:] = 0
            block.feed_forward.router.weight[:4] *= 1e4
    model.train()
    batch_losses(model, tokens[:1, :2], targets[:1, :2], STATIC, PLAN)[0].backward()
    gradients = [each.grad for each in model.parameters()]
    assert all(each is not None for each in gradients)
    assert any(not each.any() for each in gradients)


def test_the_recipe_records_the_weight_and_none_without_experts() -> None:
    plan = TrainingPlan(steps=1, balance_loss=0.03)
    assert recipe_for(SIZES, plan).to_json()["balance_loss"] == 0.03
    dense = SIZES.with_(experts=1, experts_per_token=1)
    assert recipe_for(dense, plan).balance_loss == 0


def shares_after(weight: float, text: object, directory: Path) -> np.ndarray:
    """Return the share of tokens that each expert gets after a real training, (layers, 6)."""
    sizes = Architecture(2, 20, 5, 31, 13, d_ff=28, experts=6)
    plan = TrainingPlan(
        steps=60, batch_size=24, threads=1, balance_loss=weight, optimizer="adamw",
        learning_rate=0.01,
    )  # fmt: skip
    result = train_candidate(Candidate(sizes), plan, text, directory=directory)
    assert result.recipe["balance_loss"] == weight
    model = load_checkpoint(directory)
    tokens = torch.tensor(text.tokens("search")[:494].astype(np.int64)).view(38, 13)
    with torch.inference_mode(), recorded_routing(model) as routings:
        model(tokens)
    return np.stack([np.bincount(each.chosen.flatten(), minlength=6) / 494 for each in routings])


def test_a_real_training_shares_tokens_out_more_evenly_with_it(text, tmp_path: Path) -> None:
    without = shares_after(0.0, text, tmp_path / "without")
    balanced = shares_after(0.3, text, tmp_path / "with")
    assert balanced.std(axis=1).mean() < 0.6 * without.std(axis=1).mean()
    assert balanced.min() > without.min()


@pytest.mark.parametrize(("optimizer", "stage"), [("muon", 1), ("muon", 2), ("adamw", 3)])
def test_experts_train_at_every_zero_stage(text, tmp_path, optimizer: str, stage: int) -> None:
    plan = TrainingPlan(steps=4, batch_size=3, threads=1, optimizer=optimizer)
    candidate = Candidate(SIZES)
    whole = train_candidate(candidate, plan, text, directory=tmp_path / "whole")
    shared = plan.with_(zero_stage=stage)
    result = train_candidate(candidate, shared, text, directory=tmp_path / "shared")
    assert result.loss == pytest.approx(whole.loss, abs=1e-4)
