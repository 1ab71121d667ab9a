"""Checkpoints come back as they were, and broken ones are refused."""

from __future__ import annotations

import json
import random

import pytest
import torch
from random_models import random_architecture, random_model
from safetensors.torch import load_file, save_file

from nasviz.errors import InputError, RunError
from nasviz.model.checkpoint import ARCHITECTURE, WEIGHTS, load_checkpoint, save_checkpoint
from nasviz.model.initialise import initialise, zero_outputs
from nasviz.model.parameters import parameter_kinds
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture

SMALL = Architecture(n_layers=2, d_model=24, n_heads=2, vocab_size=61, context_length=13)


def test_a_loaded_model_has_the_saved_ones_logits(tmp_path):
    rng = random.Random(31)
    for number in range(20):
        architecture = random_architecture(rng)
        model = random_model(architecture, seed=number)
        loaded = load_checkpoint(save_checkpoint(model, tmp_path / str(number)))
        tokens = torch.randint(architecture.vocab_size, (2, architecture.context_length))
        assert loaded.architecture == architecture
        assert not loaded.training
        with torch.no_grad():
            assert torch.equal(model(tokens), loaded(tokens))


def test_a_loaded_model_learns_like_the_saved_one(tmp_path):
    model = random_model(SMALL)
    loaded = load_checkpoint(save_checkpoint(model, tmp_path))
    tokens = torch.randint(61, (2, 13))
    for each in (model, loaded):
        each(tokens).square().mean().backward()
    ours = dict(model.named_parameters())
    for name, parameter in loaded.named_parameters():
        assert parameter.requires_grad
        torch.testing.assert_close(parameter.grad, ours[name].grad)


def test_a_type_of_numbers_is_kept(tmp_path):
    loaded = load_checkpoint(save_checkpoint(random_model(SMALL).bfloat16(), tmp_path))
    assert {each.dtype for each in loaded.parameters()} == {torch.bfloat16}


def test_nothing_but_the_two_files_is_left(tmp_path):
    save_checkpoint(random_model(SMALL), tmp_path)
    save_checkpoint(random_model(SMALL, seed=1), tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {WEIGHTS, ARCHITECTURE}


def test_a_failed_write_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    model = random_model(SMALL)
    save_checkpoint(model, tmp_path)

    def full_disk(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nasviz.model.checkpoint.save_file", full_disk)
    with pytest.raises(RunError, match="No space left on device"):
        save_checkpoint(random_model(SMALL, seed=1), tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert torch.equal(loaded.token_embedding.weight, model.token_embedding.weight)
    assert {each.name for each in tmp_path.iterdir()} == {WEIGHTS, ARCHITECTURE}


def _truncate(folder):
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def _scramble(folder):
    (folder / WEIGHTS).write_bytes(b"\x80\x04not a safetensors file" * 9)


def _drop_a_weight(folder):
    weights = load_file(folder / WEIGHTS)
    del weights["blocks.0.attention.query.weight"]
    save_file(weights, folder / WEIGHTS)


def _add_a_weight(folder):
    save_file({**load_file(folder / WEIGHTS), "extra": torch.zeros(3)}, folder / WEIGHTS)


def _other_sizes(folder):
    other = SMALL.with_(d_ff=17).to_json()
    (folder / ARCHITECTURE).write_text(json.dumps(other))


def _half_json(folder):
    (folder / ARCHITECTURE).write_text('{"n_layers": 2, "d_mo')


def _deep_json(folder):
    (folder / ARCHITECTURE).write_text("[" * 100_000)


def _changed(folder, change):
    weights = load_file(folder / WEIGHTS)
    weights["head.norm.weight"] = change(weights["head.norm.weight"])
    save_file(weights, folder / WEIGHTS)


def _not_a_number(folder):
    _changed(folder, lambda norm: norm.index_fill(0, torch.tensor([3]), torch.nan))


def _whole_numbers(folder):
    _changed(folder, lambda norm: norm.int())


def _no_weights(folder):
    (folder / WEIGHTS).unlink()


def _no_architecture(folder):
    (folder / ARCHITECTURE).unlink()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_truncate, "is broken"),
        (_scramble, "is broken"),
        (_drop_a_weight, "lacks 'blocks.0.attention.query.weight'"),
        (_add_a_weight, "has 'extra'"),
        (_other_sizes, r"has shape \(64, 24\), and architecture.json asks for \(17, 24\)"),
        (_half_json, "describes no architecture"),
        (_deep_json, "describes no architecture"),
        (_not_a_number, "'head.norm.weight' holds numbers that are not finite"),
        (_whole_numbers, "'head.norm.weight' is stored as I32; weights are read as F16, BF16"),
        (_no_weights, "has no weights.safetensors"),
        (_no_architecture, "has no architecture.json"),
    ],
)
def test_a_broken_checkpoint_is_refused(tmp_path, harm, message):
    save_checkpoint(random_model(SMALL), tmp_path)
    harm(tmp_path)
    with pytest.raises(InputError, match=message):
        load_checkpoint(tmp_path)


def test_first_weights_follow_from_the_seed_alone():
    models = [Transformer(SMALL) for _ in range(3)]
    for model, seed in zip(models, (5, 5, 6), strict=True):
        torch.manual_seed(seed + 100)
        initialise(model, seed)
    first, second, third = (list(model.parameters()) for model in models)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], third[0])


def test_first_loss_is_that_of_a_uniform_guess_at_every_size():
    for d_model, n_layers in ((32, 1), (64, 8), (256, 2)):
        for tied in (False, True):
            model = Transformer(
                Architecture(
                    n_layers=n_layers, d_model=d_model, n_heads=2, vocab_size=256,
                    context_length=32, tied_embeddings=tied,
                )
            )  # fmt: skip
            initialise(model, 0)
            tokens = torch.randint(256, (8, 33))
            with torch.no_grad():
                logits = model(tokens[:, :-1]).flatten(0, 1)
            loss = torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())
            assert float(loss) == pytest.approx(5.545, abs=0.12)


def test_zeroed_outputs_make_every_block_neutral():
    rng = random.Random(33)
    for _ in range(10):
        architecture = random_architecture(rng, biases="none")
        model = Transformer(architecture)
        initialise(model, 0)
        zero_outputs(model)
        tokens = torch.randint(architecture.vocab_size, (1, 7))
        with torch.no_grad():
            hidden = model.embed(tokens)
            assert torch.equal(model.run_layers(hidden), hidden)
        kinds = parameter_kinds(model)
        for name, parameter in model.named_parameters():
            assert bool((parameter == 0).all()) == (kinds[name] == "output_matrix")
