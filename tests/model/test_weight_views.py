"""Options that change the weights a pass computes with: neutral, cached, composed, harmless."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
import torch
from view_cases import (
    EXACT,
    OPTIONS,
    TOLERANCE,
    drawn_model,
    gap,
    name,
    read_step_by_step,
    tokens_for,
)

from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.dynamic.views import VIEWS
from nasviz.model.subnetwork import subnetwork
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.option import Option
from nasviz.space.options.weight_quantization import WeightQuantization

EVERY = pytest.mark.parametrize("option", OPTIONS, ids=name)
MANY = pytest.mark.parametrize("seed", range(12))


def viewed(model, *options: Option):
    for option in options:
        model = VIEWS[type(option)](model, option)
    return model


@EVERY
@MANY
@torch.inference_mode()
def test_neutral_settings_are_the_static_model_bit_for_bit(option: Option, seed: int) -> None:
    model = drawn_model(seed)
    tokens = tokens_for(model, 2)
    neutral = type(option)(**{**option.to_json(), **option.NEUTRAL})
    assert torch.equal(viewed(model, neutral)(tokens), model(tokens))


@EVERY
@MANY
@torch.inference_mode()
def test_a_view_changes_logits_and_leaves_the_model_alone(option: Option, seed: int) -> None:
    model = drawn_model(seed)
    tokens = tokens_for(model, 2)
    before = model(tokens)
    view = viewed(model, option)
    assert view.architecture == option.running(model.architecture)
    if view is not model:  # one layer, one group of heads: nothing to leave out
        assert not torch.equal(view(tokens), before)
    assert torch.equal(model(tokens), before)


@EVERY
@MANY
@pytest.mark.parametrize("batch", [1, 3])
def test_reading_token_by_token_is_reading_at_once(option: Option, seed: int, batch: int) -> None:
    model = drawn_model(seed)
    view = viewed(model, option)
    tokens = tokens_for(model, batch)
    prompt = tokens.shape[1] // 2
    with torch.inference_mode():
        at_once = view(tokens)[:, prompt - 1 :]
    stepped = read_step_by_step(view, tokens, prompt)
    assert gap(stepped, at_once) < TOLERANCE.get(type(option), EXACT)


@EVERY
@MANY
@torch.inference_mode()
def test_a_batch_is_its_texts_one_by_one(option: Option, seed: int) -> None:
    model = drawn_model(seed)
    view = viewed(model, option)
    tokens = tokens_for(model, 3)
    alone = torch.cat([view(each) for each in tokens.split(1)])
    assert gap(view(tokens), alone) < TOLERANCE.get(type(option), EXACT)


@pytest.mark.parametrize("option", [DynamicWidth(0.5, 0.5), LayerSkip(0.6)], ids=name)
@MANY
def test_a_view_has_the_weights_that_its_sizes_cost(option: Option, seed: int) -> None:
    model = drawn_model(seed)
    view = viewed(model, option)
    held = sum(each.numel() for each in view.parameters())
    assert held == estimate(option.running(model.architecture)).parameters.total


@MANY
@pytest.mark.parametrize("bits", [8, 4])
@torch.inference_mode()
def test_width_layers_and_bits_compose_in_any_order(seed: int, bits: int) -> None:
    model = drawn_model(seed)
    tokens = tokens_for(model, 2)
    options = (DynamicWidth(0.5, 0.5), WeightQuantization(bits, group_size=32), LayerSkip(0.6))
    expected = viewed(model, *options)(tokens)
    for order in permutations(options):
        if order.index(options[0]) < order.index(options[1]):  # a packed matrix can't be cut
            assert torch.equal(viewed(model, *order)(tokens), expected)


@MANY
def test_width_layers_and_inputs_together_still_read_token_by_token(seed: int) -> None:
    model = drawn_model(seed)
    view = viewed(model, DynamicWidth(0.5, 0.5), LayerSkip(0.6), ActivationSparsity(0.5))
    tokens = tokens_for(model, 1)
    with torch.inference_mode():
        at_once = view(tokens)[:, 2:]
    assert gap(read_step_by_step(view, tokens, 3), at_once) < EXACT


def test_what_can_t_be_cut_or_packed_any_more_says_what_comes_first() -> None:
    model = drawn_model(3)
    packed = viewed(model, WeightQuantization(8))
    with pytest.raises(InputError, match=r"a Packed8 is no plain matrix .* narrower model first"):
        viewed(packed, DynamicWidth(ff_share=0.2))
    with pytest.raises(InputError, match="a Packed8 is read whole"):
        viewed(packed, ActivationSparsity(0.5))
    with pytest.raises(InputError, match="SparseLinear can't be quantised any more"):
        viewed(viewed(drawn_model(0), ActivationSparsity(0.5)), WeightQuantization(8))


@EVERY
def test_a_checkpoint_of_the_model_is_that_of_the_model_without_views(
    option: Option, tmp_path: Path
) -> None:
    model = drawn_model(5)
    viewed(model, option)
    save_checkpoint(model, tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert loaded.architecture == model.architecture
    for key, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], weight)


@MANY
@torch.inference_mode()
def test_a_narrow_view_follows_what_happens_to_the_model_s_weights(seed: int) -> None:
    model = drawn_model(seed)
    view = viewed(model, DynamicWidth(0.5, 0.5), LayerSkip(0.6))
    for parameter in model.parameters():
        parameter.mul_(0.9)
    sizes = DynamicWidth(0.5, 0.5).running(model.architecture)
    fresh = viewed(subnetwork(model, sizes), LayerSkip(0.6))
    tokens = tokens_for(model, 2)
    assert torch.equal(view(tokens), fresh(tokens))
