from __future__ import annotations

import pytest
import torch

from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.training.engine import opened_engine
from nasviz.training.learning_rate import rates
from nasviz.training.loop import first_model
from nasviz.training.muon import POLAR_EXPRESS, SAFETY, Muon, orthogonalise, shape_scale
from nasviz.training.optimizer import build_optimizer
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import recipe_for

SIZES = Architecture(3, 20, 5, vocab_size=31, context_length=13, d_ff=28)


SHAPES = [(3, 17, 17), (2, 41, 13), (5, 11, 37), (2, 19, 23)]


def with_singular_values(shape, values) -> tuple[torch.Tensor, torch.Tensor]:
    """Return matrices of random directions with these singular values, and their U·Vᵀ."""
    generator = torch.Generator().manual_seed(0)
    count, rows, columns = shape
    left = torch.linalg.qr(torch.randn(count, rows, len(values), generator=generator))[0]
    right = torch.linalg.qr(torch.randn(count, columns, len(values), generator=generator))[0]
    return (left * values) @ right.mT, left @ right.mT


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    values = torch.logspace(0, -2.5, min(shape[1:]))  # the least is above 0.001 of the norm
    matrices, exact = with_singular_values(shape, values)
    result = orthogonalise(matrices)
    found = torch.linalg.svdvals(result)
    assert found.min() > 0.42
    assert found.max() < 1.57
    # At the worst two-valued spectrum within these bounds: 2·√(0.42·1.57) / (0.42 + 1.57).
    cosine = (result * exact).sum() / result.norm() / exact.norm()
    assert cosine > 0.816


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalised_matrices_keep_their_singular_vectors(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(3)).double()
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    x = values / values.norm(dim=-1, keepdim=True) / SAFETY
    for step, (a, b, c) in enumerate(POLAR_EXPRESS):
        shrink = SAFETY if step < len(POLAR_EXPRESS) - 1 else 1.0
        x = a * (x / shrink) + b * (x / shrink) ** 3 + c * (x / shrink) ** 5
    expected = (left * x[:, None, :]) @ right
    torch.testing.assert_close(
        orthogonalise(matrices.float()).double(), expected, atol=2e-5, rtol=1e-4
    )


def test_the_gram_form_equals_the_plain_iteration():
    torch.manual_seed(1)
    wide = torch.randn(3, 11, 37)
    from nasviz.training import muon

    x = wide / wide.norm(dim=(-2, -1), keepdim=True)
    torch.testing.assert_close(muon._by_gram(x), muon._by_products(x), atol=2e-4, rtol=1e-3)


def test_a_tall_update_is_scaled_up_and_a_wide_one_is_not():
    assert shape_scale(36, 9) == 2.0
    assert shape_scale(9, 36) == 1.0


@pytest.mark.parametrize(
    ("changes", "matrices"),
    [
        ({}, 3 * 7),
        ({"mlp": "relu2"}, 3 * 6),
        ({"tied_embeddings": False, "position": "learned"}, 3 * 7),
        ({"experts": 4, "experts_per_token": 4}, 3 * (4 + 4 * 3)),
        ({"biases": "all", "norm": "layernorm"}, 3 * 7),
    ],
)
def test_every_hidden_matrix_is_orthogonalised_and_nothing_else(changes, matrices):
    model = Transformer(SIZES.with_(**changes))
    optimizer = build_optimizer(model, rates(SIZES, TrainingPlan(steps=1)), 0.0)
    tokens = torch.randint(0, 31, (4, 13))
    model(tokens).logsumexp(-1).sum().backward()
    optimizer.step()
    assert optimizer.orthogonalised == matrices
    by_kind = {id(p): g["kind"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in model.named_parameters():
        hidden = name.startswith("blocks.") and parameter.ndim == 2 and "router" not in name
        assert (by_kind[id(parameter)] == "muon") == hidden, name


def test_with_adamw_nothing_is_orthogonalised():
    model = Transformer(SIZES)
    plan = TrainingPlan(steps=1, optimizer="adamw")
    optimizer = build_optimizer(model, rates(SIZES, plan), 0.0)
    model(torch.zeros(2, 13, dtype=torch.int64)).sum().backward()
    optimizer.step()
    assert optimizer.orthogonalised == 0


def test_equal_shapes_in_one_batch_get_what_each_would_get_alone():
    torch.manual_seed(2)
    weights = [torch.nn.Parameter(torch.randn(7, 5)) for _ in range(3)]
    gradients = [torch.randn(7, 5) for _ in range(3)]
    together = first_updates(weights, gradients)
    alone = [first_updates([w], [g])[0] for w, g in zip(weights, gradients, strict=True)]
    for ours, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(ours, theirs)


def first_updates(weights, gradients):
    copies = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
    for copy, gradient in zip(copies, gradients, strict=True):
        copy.grad = gradient.clone()
    Muon([{"params": copies, "kind": "muon", "lr": 0.1}]).step()
    return [copy.detach() - weight.detach() for copy, weight in zip(copies, weights, strict=True)]


def update_at(stage: int) -> tuple[dict[str, torch.Tensor], int]:
    plan = TrainingPlan(steps=5, batch_size=6, zero_stage=stage, threads=1)

    class OneJob:
        healing = None
        architecture = SIZES
        policy = InferencePolicy()

    OneJob.plan = plan
    model = first_model(OneJob)
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    with opened_engine(model, plan, recipe_for(SIZES, plan)) as engine:
        tokens = torch.randint(0, 31, (6, 13), generator=torch.Generator().manual_seed(5))
        loss = torch.nn.functional.cross_entropy(
            engine(tokens).flatten(0, 1), tokens.roll(-1).flatten()
        )
        engine.backward(loss)
        engine.step()
        count = engine.basic_optimizer.orthogonalised
        after = {name: each.detach() - before[name] for name, each in model.named_parameters()}
    return after, count


def test_muons_first_update_is_the_same_at_zero_stages_0_1_and_2():
    updates, count = update_at(0)
    assert count == 3 * 7
    assert updates["blocks.1.feed_forward.down.weight"].abs().max() > 1e-4
    for stage in (1, 2):
        others, counted = update_at(stage)
        assert counted == count
        for name, update in updates.items():
            torch.testing.assert_close(others[name], update, atol=1e-7, rtol=1e-4, msg=name)
