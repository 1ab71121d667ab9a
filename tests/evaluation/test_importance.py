"""Importance by every method: what it is, and that it tells what matters from what doesn't."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.evaluation.importance.activation import activation_importance
from nasviz.evaluation.importance.magnitude import magnitude_importance
from nasviz.evaluation.importance.methods import LAYERS, PARTS, prune_to
from nasviz.evaluation.importance.piecewise import measured_piecewise
from nasviz.evaluation.importance.removed_layers import greedy_layers, perplexity_drop
from nasviz.evaluation.importance.taylor import taylor_importance
from nasviz.evaluation.importance.texts import calibration_texts, mean_nats, nats_on
from nasviz.model.initialise import initialise
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Kept
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.measurement import METHODS, Method
from nasviz.space.pruning import PRUNING_FIELDS, Pruning, by_method

SIZES = Architecture(3, 24, 4, 61, 13, n_kv_heads=2, d_ff=10)
KINDS = {
    "dense": SIZES,
    "experts": SIZES.with_(experts=3, experts_per_token=2),
    "gpt2": SIZES.with_(n_kv_heads=4, norm="layernorm", mlp="gelu", biases="all"),
    "parallel": SIZES.with_(parallel_block=True, tied_embeddings=False),
}
DIFFERING = SIZES.with_(
    layer_sizes=(LayerSizes(4, 2, 10), LayerSizes(0, 0, 7), LayerSizes(2, 1, 0))
)


def made(architecture: Architecture, seed: int = 7) -> Transformer:
    model = Transformer(architecture).eval()
    initialise(model, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2 if parameter.ndim > 1 else 1)
    return model


@pytest.fixture
def texts() -> torch.Tensor:
    return torch.randint(61, (6, 13), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("kind", [*KINDS, "differing"])
@pytest.mark.parametrize("method", PARTS)
def test_scores_have_a_place_for_every_part(kind: str, method: str, texts: torch.Tensor) -> None:
    a = KINDS.get(kind, DIFFERING)
    found = PARTS[method](made(a), texts, 0)
    assert found.layers.shape == (a.n_layers,)
    assert found.heads.shape == (a.n_layers, a.n_heads)
    assert found.experts.shape == (a.n_layers, a.experts)
    assert found.ff_units.shape == (a.n_layers, a.experts, a.d_ff)
    assert found.channels.shape == (a.d_model,)
    for name in ("layers", "heads", "ff_units", "channels"):
        assert np.isfinite(getattr(found, name)).all()
        assert getattr(found, name).std() > 0, name


@pytest.mark.parametrize("kind", ["dense", "gpt2", "parallel"])
@pytest.mark.parametrize("method", [each for each in PARTS if each != "random"])
def test_parts_that_add_nothing_come_last(kind: str, method: str, texts: torch.Tensor) -> None:
    a = KINDS[kind]
    model = made(a)
    attention, part = model.blocks[1].attention, model.blocks[2].feed_forward
    with torch.no_grad():
        attention.output.weight[:, 2 * a.head_dim : 3 * a.head_dim] *= 1e-4
        for matrix in (attention.query, attention.key, attention.value):
            group = a.n_heads // (matrix.out_features // a.head_dim)
            first = 2 // group * a.head_dim
            matrix.weight[first : first + a.head_dim] *= 1e-4
        part.down.weight[:, 5] *= 1e-4
        for inward in (part.gate, part.up):
            if inward is not None:
                inward.weight[5] *= 1e-4
        model.token_embedding.weight[:, 11] *= 1e-4
        for norm in (model.head.norm, model.blocks[0].attention_norm):
            norm.weight[11] *= 1e-4
    found = PARTS[method](model, texts, 0)
    assert found.heads[1].argmin() == 2
    assert found.ff_units[2, 0].argmin() == 5


@pytest.mark.parametrize("method", ["block_influence", "perplexity_drop", "greedy", "taylor",
                                    "magnitude"])  # fmt: skip
def test_a_layer_that_adds_nothing_goes_first(method: str, texts: torch.Tensor) -> None:
    model = made(SIZES)
    block = model.blocks[1]
    with torch.no_grad():
        block.attention.output.weight.zero_()
        block.feed_forward.down.weight.zero_()
        for name in ("query", "key", "value"):
            getattr(block.attention, name).weight.mul_(0.1)
        block.feed_forward.up.weight.mul_(0.1)
        block.feed_forward.gate.weight.mul_(0.1)
    assert LAYERS[method](model, own_text(model, texts), 2, 0) == (0, 2)


@torch.no_grad()
def own_text(model: Transformer, texts: torch.Tensor) -> torch.Tensor:
    """Return what the model itself writes: text that it predicts better than any other."""
    written = texts[:, :1]
    while written.shape[1] < texts.shape[1]:
        written = torch.cat((written, model(written)[:, -1:].argmax(dim=-1)), dim=1)
    return written


def test_activation_of_a_head_and_a_unit_is_the_mean_length_of_what_they_add(
    texts: torch.Tensor,
) -> None:
    model = made(SIZES)
    found = activation_importance(model, texts)
    gathered, inner = {}, {}
    block = model.blocks[1]
    block.attention.output.register_forward_pre_hook(lambda m, i: gathered.update(x=i[0]))
    block.feed_forward.down.register_forward_pre_hook(lambda m, i: inner.update(x=i[0]))
    with torch.no_grad():
        model(texts)
        for head in range(4):
            here = slice(head * SIZES.head_dim, (head + 1) * SIZES.head_dim)
            added = gathered["x"][..., here] @ block.attention.output.weight[:, here].T
            assert found.heads[1, head] == pytest.approx(float(added.norm(dim=-1).mean()), rel=1e-4)
        added = inner["x"][..., 3:4] @ block.feed_forward.down.weight[:, 3:4].T
        assert found.ff_units[1, 0, 3] == pytest.approx(float(added.norm(dim=-1).mean()), rel=1e-4)


def test_experts_share_every_token_among_them(texts: torch.Tensor) -> None:
    found = activation_importance(made(KINDS["experts"]), texts)
    np.testing.assert_allclose(found.experts.sum(axis=1), 1, atol=1e-9)


def test_taylor_is_the_square_of_the_losss_derivative_by_a_gate(texts: torch.Tensor) -> None:
    model = made(SIZES)
    found = taylor_importance(model, texts)  # few enough tokens for one batch
    gate = torch.ones(SIZES.d_ff, requires_grad=True)
    model.blocks[2].feed_forward.down.register_forward_pre_hook(lambda m, i: (i[0] * gate,))
    (slope,) = torch.autograd.grad(mean_nats(model, texts), gate)
    np.testing.assert_allclose(found.ff_units[2, 0], slope.square().numpy(), rtol=1e-3)


def test_magnitude_is_the_norm_of_the_weights_that_go_with_a_part() -> None:
    model = made(SIZES)
    part = model.blocks[0].feed_forward
    squares = [part.gate.weight[4], part.up.weight[4], part.down.weight[:, 4]]
    expected = torch.cat(squares).norm().item()
    assert magnitude_importance(model).ff_units[0, 0, 4] == pytest.approx(expected, rel=1e-5)


def test_a_layers_perplexity_drop_is_the_loss_of_the_model_pruned_by_it(
    texts: torch.Tensor,
) -> None:
    model = made(SIZES)
    dropped = perplexity_drop(model, texts)
    for layer in range(3):
        rest = pruned(model, Kept.of(SIZES, layers=[each for each in range(3) if each != layer]))
        expected = nats_on(rest, texts) - nats_on(model, texts)
        assert dropped[layer] == pytest.approx(expected, abs=1e-5)


def test_greedy_looks_again_after_each_layer_that_went(texts: torch.Tensor) -> None:
    model = made(Architecture(5, 24, 4, 61, 13))
    one_less = greedy_layers(model, texts, 4)
    rest = pruned(model, Kept.of(model.architecture, layers=one_less))
    expected = tuple(one_less[layer] for layer in greedy_layers(rest, texts, 3))
    assert greedy_layers(model, texts, 3) == expected


@pytest.mark.parametrize("method", PARTS)
def test_measuring_changes_nothing(method: str, texts: torch.Tensor) -> None:
    model = made(SIZES)
    before = copy.deepcopy(model.state_dict())
    model.train()
    PARTS[method](model, texts, 0)
    assert model.training
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())


@pytest.mark.parametrize("method", METHODS)
def test_a_piece_at_a_time_comes_to_the_same_scores(method: Method) -> None:
    model = made(KINDS["experts"])
    drawn = torch.Generator().manual_seed(5)
    texts = torch.randint(61, (150, 13), generator=drawn)  # of several pieces, the last one short
    shares = []
    for share, found in measured_piecewise(model, method, texts):
        shares.append(share)
        last = found
    assert shares == sorted(set(shares))
    assert shares[-1] == 1
    last.check_of(model.architecture)
    if method == "perplexity_drop":
        assert len(shares) > 1
        np.testing.assert_allclose(last.scores["layers"], perplexity_drop(model, texts), atol=1e-6)
        return
    whole = PARTS[method](model, texts, 0)
    for kind, scores in last.scores.items():
        np.testing.assert_allclose(scores, getattr(whole, kind), rtol=1e-5, atol=1e-9)


def test_every_method_of_the_catalogue_is_there() -> None:
    assert tuple(PARTS) == PRUNING_FIELDS["importance"].choices
    assert tuple(LAYERS) == PRUNING_FIELDS["layer_importance"].choices


def test_chance_chooses_by_its_seed_alone(texts: torch.Tensor) -> None:
    target = SIZES.with_(n_layers=2, d_ff=4)

    def kept(model: Transformer, seed: int) -> Kept:
        return prune_to(model, target, by_method("random", seed=seed), texts)[1]

    first = kept(made(SIZES), 3)
    assert first == kept(made(SIZES, seed=8), 3)
    others = [kept(made(SIZES), seed) for seed in range(4, 12)]
    assert len({each.layers for each in others}) > 1
    assert len({each.ff_units for each in (first, *others)}) == 9


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_pruning_to_a_target_gives_its_sizes_and_what_was_kept(
    kind: str, rounds: int, texts: torch.Tensor
) -> None:
    model = made(KINDS[kind])
    sizes = {"n_layers": 2, "d_model": 14, "d_ff": 6, "vocab_size": 50, "context_length": 9}
    sizes |= {"n_heads": 2, "n_kv_heads": 2}
    target = Architecture.from_json({**model.architecture.to_json(), **sizes})
    child, kept = prune_to(model, target, Pruning("activation", "uniform", rounds), texts)
    assert child.architecture == target
    tokens = texts[:, :9] % 50
    at_once = pruned(model, kept)
    torch.testing.assert_close(child(tokens), at_once(tokens), atol=1e-5, rtol=1e-4)


def test_calibration_texts_are_of_the_calibration_part_and_as_many_as_asked(
    text: TokenizedCorpus,
) -> None:
    part = text.tokens("calibration")
    found = calibration_texts(text, 32, 200)
    assert found.shape == (6, 32)
    assert found[0].tolist() == part[:32].tolist()
    assert found[-1].tolist() == part[-32:].tolist()
    assert calibration_texts(text, 32, 10**8).shape == (len(part) // 32, 32)
    assert calibration_texts(text, 10**6, 10).shape == (1, len(part))
