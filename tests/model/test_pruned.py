"""Pruned models: the parent with the rest masked, in the sizes of an ordinary architecture."""

from __future__ import annotations

import random

import pytest
import torch
from masked import masked_logits, random_kept
from random_models import random_architecture, random_model
from test_export import loaded, of_family

from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.evaluation.importance.methods import prune_to
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.early_exit import EarlyExitWalk
from nasviz.model.export import FAMILIES, export_checkpoint, family_for
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.kept import Kept
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.pruning import Pruning

KINDS = (
    "layers", "heads", "kv_groups", "experts", "ff_units", "channels", "vocab_size",
    "context_length",
)  # fmt: skip
BY_LAYER = (*KINDS, "by_layer")
CHOICES = range(50)


def tokens_for(architecture: Architecture) -> torch.Tensor:
    return torch.randint(architecture.vocab_size, (2, architecture.context_length))


def smaller(kinds: tuple[str, ...], rng: random.Random) -> tuple[Architecture, Kept]:
    """Return a random parent and parts of it of these kinds, fewer than it has."""
    while True:
        parent = random_architecture(rng)
        kept = random_kept(parent, rng, kinds)
        if kept.architecture(parent) != parent:
            return parent, kept


@pytest.mark.parametrize("kinds", [*((kind,) for kind in BY_LAYER), KINDS, BY_LAYER], ids="+".join)
def test_a_pruned_model_is_its_parent_with_the_rest_masked(kinds: tuple[str, ...]) -> None:
    for seed in CHOICES:
        parent, kept = smaller(kinds, random.Random(f"{kinds}{seed}"))
        model = random_model(parent, seed)
        child = pruned(model, kept)
        assert child.architecture == kept.architecture(parent)
        tokens = tokens_for(child.architecture)
        expected = masked_logits(model, kept, tokens)
        assert expected.std() > 0.05, "logits that are all alike would prove nothing"
        torch.testing.assert_close(child(tokens), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("importance", ["activation", "taylor", "magnitude"])
def test_parts_chosen_by_importance_leave_the_parent_with_the_rest_masked(
    importance: str,
) -> None:
    for seed in range(10):
        parent, any_parts = smaller(BY_LAYER, random.Random(f"{importance}{seed}"))
        target, model = any_parts.architecture(parent), random_model(parent, seed)
        child, kept = prune_to(model, target, Pruning(importance), tokens_for(parent))
        assert child.architecture == target
        tokens = tokens_for(target)
        expected = masked_logits(model, kept, tokens)
        torch.testing.assert_close(child(tokens), expected, atol=1e-5, rtol=1e-5)
        # And from there, where layers differ already, once more: all of them stay.
        further = random_kept(target, random.Random(seed), ("ff_units", "kv_groups", "by_layer"))
        last, again = prune_to(child, further.architecture(target), Pruning(importance), tokens)
        expected = masked_logits(model, kept.then(again), tokens)
        torch.testing.assert_close(last(tokens), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_its_weights_are_counted_by_the_cost_and_its_checkpoint_is_an_ordinary_one(
    seed: int, tmp_path
) -> None:
    parent, kept = smaller(KINDS, random.Random(seed))
    child = pruned(random_model(parent, seed), kept)
    count = sum(each.numel() for each in child.parameters())
    assert count == estimate(child.architecture).parameters.total
    again = load_checkpoint(save_checkpoint(child, tmp_path))
    tokens = tokens_for(child.architecture)
    assert torch.equal(again(tokens), child(tokens))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
def test_a_pruned_model_has_the_masked_parents_logits_in_transformers(family, tmp_path) -> None:
    rng = random.Random(family.model_type)
    for number in range(4):
        parent = of_family(family.model_type, rng)
        model = random_model(parent, number)
        kept = exportable_choice(parent, rng)
        theirs = loaded(export_checkpoint(pruned(model, kept), None, tmp_path / str(number)))
        tokens = tokens_for(kept.architecture(parent))
        with torch.no_grad():
            got, expected = theirs(tokens).logits, masked_logits(model, kept, tokens)
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def exportable_choice(parent: Architecture, rng: random.Random) -> Kept:
    """Return a random choice that leaves sizes which `transformers` has a model of."""
    while True:
        kept = random_kept(parent, rng, KINDS)
        try:
            family_for(kept.architecture(parent))
        except InputError:  # such as GPT-2's heads, which must fill its width
            continue
        return kept


def test_pruned_layers_and_a_search_for_fewer_layers_end_in_one_architecture() -> None:
    parent = Architecture(6, 96, 6, 256, 64, n_kv_heads=2, d_ff=300)
    model = random_model(parent)
    for n_layers in range(1, 6):
        found = pruned(model, Kept.of(parent, layers=range(n_layers))).architecture
        searched = parent.with_(n_layers=n_layers)
        assert found == searched
        assert found.digest == searched.digest
        assert estimate(found).to_json() == estimate(searched).to_json()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_fixed_exit_is_pruning_of_the_layers_above_but_for_the_bytes_it_holds(depth: int) -> None:
    parent = Architecture(4, 24, 2, 61, 13)
    leave = EarlyExit(layers=(depth,), threshold=0.0, skipped_layers="recompute")
    fixed = Candidate(parent, InferencePolicy((leave,)))
    model = random_model(parent)
    child = pruned(model, Kept.of(parent, layers=range(depth)))
    tokens = tokens_for(parent)
    found = EarlyExitWalk(model, leave).logits(model, tokens, None)
    assert found is not None
    logits, depths = found
    torch.testing.assert_close(logits, child(tokens), atol=1e-5, rtol=1e-5)
    assert (depths == depth).all()
    held = estimate(fixed).memory.weights_bytes - estimate(child.architecture).memory.weights_bytes
    layers = list(model.blocks)[depth:]
    assert held == 4 * sum(each.numel() for layer in layers for each in layer.parameters())


def test_pruning_in_two_steps_is_pruning_in_one() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        parent, first = smaller(BY_LAYER, rng)
        model = random_model(parent, seed)
        middle = pruned(model, first)
        second = random_kept(middle.architecture, rng, BY_LAYER)
        child = pruned(middle, second)
        tokens = tokens_for(child.architecture)
        at_once = pruned(model, first.then(second))
        torch.testing.assert_close(child(tokens), at_once(tokens), atol=1e-5, rtol=1e-5)


def test_the_parent_is_left_as_it_was_and_shares_no_memory() -> None:
    parent = Architecture(3, 24, 2, 61, 13)
    model = random_model(parent)
    tokens = tokens_for(parent)
    before = model(tokens)
    child = pruned(model, Kept.of(parent))
    with torch.no_grad():
        for parameter in child.parameters():
            parameter.zero_()
    assert torch.equal(model(tokens), before)


def test_what_was_learned_for_a_policy_is_left_behind() -> None:
    parent = Architecture(3, 24, 2, 61, 13)
    model = build_model(parent, InferencePolicy((EarlyExit(heads="own"),)))
    child = pruned(model, Kept.of(parent, layers=(0, 2)))
    assert not child.built_for
    assert type(child) is Transformer
    assert not len(child.additions)


PARENT = Architecture(3, 24, 6, 61, 13, n_kv_heads=3, head_dim=4, d_ff=10)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"layers": (1, 0)}, "kept layers: 1, 0 are not in rising order from 0 to 2"),
        ({"layers": (0, 3)}, "not in rising order from 0 to 2"),
        ({"layers": ()}, "no layers are kept; keep at least one"),
        ({"layers": (0, 1), "heads": [(0, 1)] * 3}, "of 3 layers, and 2 are kept"),
        ({"heads": [(0, 1, 2)] * 3}, "leave 1 query heads to one KV head and 2 to another"),
        ({"heads": [(0, 1), (0, 1), (0, 2)]}, "layer 2 has 1 query heads for each KV head and"),
        ({"heads": [()] * 3}, "layer_sizes: n_heads is 0 in every layer"),
        ({"ff_units": [[()]] * 3}, "layer_sizes: d_ff is 0 in every layer"),
        (
            {"heads": [(), (0,), (0,)], "ff_units": [[()], [(0,)], [(0,)]]},
            "no heads and no ff_units of layer 0 are kept: then leave it out",
        ),
        ({"ff_units": [[(0,)], [(1,)], [(12,)]]}, "not in rising order from 0 to 9"),
        ({"experts": [(1,)] * 3}, "experts of layer 0: 1 are not in rising order from 0 to 0"),
        ({"channels": (0, 0)}, "not in rising order from 0 to 23"),
        ({"vocab_size": 62}, "vocab_size=62 is not a whole number from 1 to 61"),
        ({"context_length": 0}, "context_length=0 is not a whole number from 1 to 13"),
    ],
)
def test_parts_that_are_not_there_are_refused(chosen: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Kept.of(PARENT, **chosen)


def test_kept_parts_go_to_json_and_back() -> None:
    kept = random_kept(PARENT, random.Random(1), KINDS)
    assert Kept.from_json(kept.to_json()) == kept
    with pytest.raises(InputError, match="unknown kept part 'layer'"):
        Kept.from_json({"layer": [0]})
    with pytest.raises(InputError, match="lacks layers"):
        Kept.from_json({})
