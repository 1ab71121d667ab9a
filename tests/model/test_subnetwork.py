"""Smaller models inside a larger one: slices that share storage, count right and learn."""

from __future__ import annotations

import random

import pytest
import torch
from differing import differing
from random_models import random_architecture, random_model

from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.model.pruned import pruned
from nasviz.model.shallow import shallow_copy
from nasviz.model.subnetwork import SLICED, subnetwork
from nasviz.model.transformer import Experts, Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Kept

MANY = range(40)


def smaller(whole: Architecture, rng: random.Random, names: tuple[str, ...]) -> Architecture:
    """Return sizes drawn below those of `whole`; heads in whole groups."""
    sizes = {name: rng.randint(1, getattr(whole, name)) for name in names if name in SLICED}
    sizes = {name: max(2, size) if "head" not in name else size for name, size in sizes.items()}
    sizes["n_layers"] = rng.randint(1, whole.n_layers) if "n_layers" in names else whole.n_layers
    n_kv_heads = sizes.get("n_kv_heads", whole.n_kv_heads)
    n_heads = n_kv_heads * whole.n_heads // whole.n_kv_heads
    return Architecture(
        **{**whole.to_json(), **sizes, "n_heads": n_heads, "n_kv_heads": n_kv_heads}
    )


def drawn(seed: int, names: tuple[str, ...] = SLICED) -> tuple[Transformer, Architecture]:
    rng = random.Random(seed)
    whole = random_architecture(rng)
    return random_model(whole, seed), smaller(whole, rng, names)


def tokens_for(architecture: Architecture, batch: int = 2) -> torch.Tensor:
    return torch.randint(architecture.vocab_size, (batch, architecture.context_length))


@torch.no_grad()
def masked(model: Transformer, part: Architecture, layers: range | list[int]) -> Transformer:
    """Return a copy of `model` in which what `part` lacks adds nothing to the residual stream."""
    copy = Transformer(model.architecture).eval()
    copy.load_state_dict(model.state_dict())
    for layer, block in enumerate(copy.blocks):
        several = isinstance(block.feed_forward, Experts)
        experts = block.feed_forward.experts if several else [block.feed_forward]
        block.attention.output.weight[:, part.n_heads * part.head_dim :] = 0
        outputs = [block.attention.output, *(each.down for each in experts)]
        for expert in experts:
            expert.down.weight[:, part.d_ff :] = 0
        if layer not in layers:
            for output in outputs:
                for parameter in output.parameters():
                    parameter.zero_()
    return copy


@pytest.mark.parametrize("seed", MANY)
def test_a_subnetwork_has_exactly_the_sizes_and_logits_of_its_weights(seed: int) -> None:
    model, sizes = drawn(seed)
    part = subnetwork(model, sizes)
    assert part.architecture == sizes
    assert sum(each.numel() for each in part.parameters()) == estimate(sizes).parameters.total
    built = Transformer(sizes).eval()
    built.load_state_dict(part.state_dict())
    tokens = tokens_for(sizes)
    torch.testing.assert_close(part(tokens), built(tokens), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", MANY)
def test_fewer_heads_rows_and_layers_are_the_model_with_the_others_masked(seed: int) -> None:
    model, sizes = drawn(seed, ("n_layers", "n_kv_heads", "d_ff"))
    n_layers = model.architecture.n_layers
    layers = sorted(random.Random(seed).sample(range(n_layers), sizes.n_layers))
    part = subnetwork(model, sizes, layers)
    tokens = tokens_for(sizes)
    expected = masked(model, sizes, layers)(tokens)
    torch.testing.assert_close(part(tokens), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", MANY)
def test_every_weight_lies_in_the_model_s_own_memory(seed: int) -> None:
    model, sizes = drawn(seed)
    memory = {each.untyped_storage().data_ptr() for each in model.parameters()}
    for name, weight in subnetwork(model, sizes).named_parameters():
        assert weight.untyped_storage().data_ptr() in memory, name


@pytest.mark.parametrize("seed", MANY)
def test_the_model_is_left_as_it_was(seed: int) -> None:
    model, sizes = drawn(seed)
    tokens = tokens_for(model.architecture)
    before, logits = (
        {name: each.clone() for name, each in model.state_dict().items()},
        model(tokens),
    )
    part = subnetwork(model, sizes)
    part.train()
    assert not any(each.training for each in model.modules())
    assert [block.layer for block in model.blocks] == list(range(len(model.blocks)))
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert torch.equal(model(tokens), logits)


@pytest.mark.parametrize("seed", MANY)
def test_a_subnetwork_of_a_subnetwork_is_one_of_the_model(seed: int) -> None:
    model, middle = drawn(seed)
    small = smaller(middle, random.Random(seed + 1), SLICED)
    tokens = tokens_for(small)
    twice = subnetwork(subnetwork(model, middle), small)
    assert torch.equal(twice(tokens), subnetwork(model, small)(tokens))


@pytest.mark.parametrize("seed", MANY)
def test_gradients_arrive_at_the_model_and_its_steps_at_the_subnetwork(seed: int) -> None:
    model, sizes = drawn(seed, ("n_layers", "n_kv_heads", "d_ff"))
    layers = range(sizes.n_layers)
    part = subnetwork(model, sizes)
    tokens = tokens_for(sizes)
    for _ in range(2):  # the second time through weights that a step has changed in place
        model.zero_grad()
        part(tokens).square().mean().backward()
        twin = masked(model, sizes, layers)
        twin(tokens).square().mean().backward()
        for layer in layers:  # inward matrices: what is masked gets no gradient
            for path in ("attention.query", "attention.value"):
                mine = model.blocks[layer].get_submodule(path).weight.grad
                theirs = twin.blocks[layer].get_submodule(path).weight.grad
                torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.1 * parameter.grad)
    fresh = subnetwork(model, sizes)
    assert torch.equal(part(tokens), fresh(tokens))


@pytest.mark.parametrize("seed", range(20))
def test_slices_may_differ_by_layer_and_lack_parts(seed: int) -> None:
    rng = random.Random(seed)
    whole = random_architecture(rng, n_layers=3)
    sizes = differing(whole, rng, n_layers=3)
    model = random_model(whole, seed)
    part = subnetwork(model, sizes)
    first = Kept.of(
        whole,
        heads=[range(each.n_heads) for each in sizes.layer_sizes],
        ff_units=[[range(each.d_ff)] * whole.experts for each in sizes.layer_sizes],
    )
    tokens = tokens_for(sizes)
    torch.testing.assert_close(part(tokens), pruned(model, first)(tokens), atol=1e-6, rtol=1e-6)
    smaller_still = part.architecture.only_layers((0, 2))
    twice = subnetwork(part, smaller_still, (0, 2))
    assert torch.equal(twice(tokens), subnetwork(model, smaller_still, (0, 2))(tokens))
    with pytest.raises(InputError, match=r"(n_heads|d_ff)=\d+ is more than layer \d of the model"):
        subnetwork(part, whole)


def test_the_first_heads_of_one_group_are_a_slice_too() -> None:
    whole = Architecture(2, 24, 6, 61, 13, n_kv_heads=1, head_dim=6)
    sizes = Architecture(**{**whole.to_json(), "n_heads": 2})
    model = random_model(whole)
    tokens = tokens_for(whole)
    expected = masked(model, sizes, range(2))(tokens)
    torch.testing.assert_close(subnetwork(model, sizes)(tokens), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head_dim": 4}, "head_dim=4 is no slice of a model with head_dim=6"),
        ({"norm": "layernorm"}, "norm='layernorm' is no slice"),
        ({"d_ff": 500}, "d_ff=500 is more than the model's 53"),
        ({"n_heads": 3}, "has 1 heads a group, the model 2: .* take n_heads=6"),
        ({"n_layers": 4}, "n_layers=4 is more than the model's 3"),
    ],
)
def test_sizes_that_are_no_slice_are_refused(changes: dict, said: str) -> None:
    whole = Architecture(3, 24, 6, 61, 13, n_kv_heads=3, head_dim=6, d_ff=53)
    with pytest.raises(InputError, match=said):
        subnetwork(random_model(whole), Architecture(**{**whole.to_json(), **changes}))


@pytest.mark.parametrize("layers", [[1, 0], [0, 3], [-1, 0], [0, 1, 2], [1, 1]])
def test_layers_are_named_in_rising_order_and_as_many_as_there_are(layers: list[int]) -> None:
    whole = Architecture(3, 24, 2, 61, 13)
    sizes = Architecture(**{**whole.to_json(), "n_layers": 2})
    with pytest.raises(InputError, match="layers"):
        subnetwork(random_model(whole), sizes, layers)


def test_a_shallow_copy_keeps_one_module_one() -> None:
    model = random_model(Architecture(2, 24, 2, 61, 13, tied_embeddings=True))
    copy = shallow_copy(model)
    assert copy.head._embedding[0] is copy.token_embedding
    assert copy.token_embedding is not model.token_embedding
    assert [*map(id, copy.parameters())] == [*map(id, model.parameters())]
