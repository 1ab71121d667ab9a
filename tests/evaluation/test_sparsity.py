"""Weights set to zero: which ones, how many, and nothing else."""

from __future__ import annotations

import pytest
import torch

from nasviz.errors import InputError
from nasviz.evaluation.sparsity import density, set_zeros
from nasviz.model.dynamic.matrices import matrices_of
from nasviz.model.initialise import initialise
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.sparsity import Sparsity

DENSE = Architecture(2, 20, 5, 53, 13, d_ff=28)
EXPERTS = DENSE.with_(experts=3, experts_per_token=1)
UNEVEN = DENSE.with_(layer_sizes=(LayerSizes(5, 5, 28), LayerSizes(0, 0, 20)))


def model_of(architecture: Architecture) -> Transformer:
    model = Transformer(architecture).eval()
    initialise(model, 3)
    return model


def texts() -> torch.Tensor:
    return torch.randint(53, (7, 13), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("architecture", [DENSE, EXPERTS, UNEVEN])
@pytest.mark.parametrize("importance", ["activation", "magnitude"])
@pytest.mark.parametrize("pattern", ["0.3", "0.75", "2:4", "1:4"])
def test_every_matrix_has_its_share_of_zeros_and_the_rest_is_as_it_was(
    pattern: str, importance, architecture: Architecture
) -> None:
    before, model = model_of(architecture), model_of(architecture)
    sparsity = Sparsity(pattern, importance)
    set_zeros(model, sparsity, texts())
    theirs = dict(before.named_parameters())
    zeros = weights = 0
    for name, parameter in model.named_parameters():
        kept = parameter != 0
        assert torch.equal(parameter[kept], theirs[name][kept])
        if name.endswith("router.weight") or not name.startswith("blocks.") or parameter.ndim == 1:
            assert torch.equal(parameter, theirs[name]), name
            continue
        share = 1 - kept.double().mean()
        assert share == pytest.approx(sparsity.zeros, abs=0.03)
        zeros, weights = zeros + int((~kept).sum()), weights + parameter.numel()
        if sparsity.block is not None:
            n, size = sparsity.block
            assert (kept.reshape(-1, size).sum(dim=1) == n).all()
        elif importance == "activation":
            assert len(set(kept.sum(dim=1).tolist())) == 1, "as many in each output"
    found = density(model)
    assert (found["matrix_zeros"], found["matrix_weights"]) == (zeros, weights)
    assert found["density"] == 1 - zeros / weights < found["whole_density"] < 1


def test_magnitude_keeps_the_largest_and_activation_those_that_move_their_output_most() -> None:
    whole = model_of(DENSE)
    by_size, by_input = model_of(DENSE), model_of(DENSE)
    set_zeros(by_size, Sparsity("0.5", "magnitude"), texts())
    query = whole.blocks[0].attention.query.weight
    kept = by_size.blocks[0].attention.query.weight != 0
    assert query[kept].abs().min() >= query[~kept].abs().max()
    set_zeros(by_input, Sparsity("0.5"), texts())
    # The first layer's inputs are those of the whole model: the norm of the embeddings.
    inputs = whole.blocks[0].attention_norm(whole.embed(texts()))
    scores = query.abs() * inputs.flatten(0, 1).norm(dim=0)
    kept = by_input.blocks[0].attention.query.weight != 0
    for row, stays in zip(scores, kept, strict=True):
        assert row[stays].min() >= row[~stays].max()
    assert not torch.equal(kept, by_size.blocks[0].attention.query.weight != 0)


def test_a_later_layer_sees_what_the_zeros_before_it_leave() -> None:
    """Its inputs are those of the sparse model, which its scores are measured on."""
    sparse = model_of(DENSE)
    set_zeros(sparse, Sparsity("0.9"), texts())
    whole = model_of(DENSE)
    states = sparse.run_layers(sparse.embed(texts()), 0, 1)
    inputs = whole.blocks[1].attention_norm(states)
    scores = whole.blocks[1].attention.query.weight.abs() * inputs.flatten(0, 1).norm(dim=0)
    kept = sparse.blocks[1].attention.query.weight != 0
    for row, stays in zip(scores, kept, strict=True):
        assert row[stays].min() >= row[~stays].max()


def test_an_expert_that_no_token_visits_keeps_its_largest_weights() -> None:
    model = model_of(EXPERTS)
    with torch.no_grad():
        for block in model.blocks:
            block.feed_forward.router.weight.zero_()  # of equal scores the first expert is taken
    before = model.blocks[0].feed_forward.experts[2].up.weight.clone()
    set_zeros(model, Sparsity("0.5"), texts())
    kept = model.blocks[0].feed_forward.experts[2].up.weight != 0
    for row, stays in zip(before.abs(), kept, strict=True):
        assert row[stays].min() >= row[~stays].max()


def test_blocks_that_do_not_fill_a_matrix_are_refused() -> None:
    odd = Architecture(1, 18, 3, 53, 13, d_ff=28)
    with pytest.raises(InputError, match="whole blocks of 4 inputs, and d_model=18 has a rest"):
        Sparsity("2:4").check_fits(odd)
    with pytest.raises(InputError, match="18 inputs has no whole blocks of 4"):
        set_zeros(model_of(odd), Sparsity("2:4"), texts())
    Sparsity("0.5").check_fits(odd)
    layers = (LayerSizes(5, 5, 28), LayerSizes(0, 0, 26))
    with pytest.raises(InputError, match="d_ff=26 has a rest"):
        Sparsity("2:4").check_fits(DENSE.with_(layer_sizes=layers))
    assert len(list(matrices_of(model_of(EXPERTS).blocks[0]))) == 4 + 3 * 3


@pytest.mark.parametrize("pattern", ["0", "1", "1.5", "4:4", "0:4", "5:4", "half", "", "2:99"])
def test_a_pattern_that_leaves_nothing_or_everything_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="sparsity="):
        Sparsity(pattern)
    with pytest.raises(InputError, match="unknown importance of weights 'taylor'"):
        Sparsity("0.5", "taylor")  # type: ignore[arg-type]
