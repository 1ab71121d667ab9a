"""Block influence: the angle by which each layer turns the residual stream."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.errors import InputError
from nasviz.evaluation.block_influence import block_influence, influence_on_text
from nasviz.model.checkpoint import load_checkpoint, save_block_influence, save_checkpoint
from nasviz.model.dynamic.runner import Runner
from nasviz.model.initialise import initialise
from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.layer_skip import LayerSkip

SIZES = Architecture(3, 24, 2, 61, 13)


@pytest.fixture
def model() -> Transformer:
    made = Transformer(SIZES).eval()
    initialise(made, seed=7)
    return made


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(61, (5, 11), generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def test_influence_is_one_less_the_mean_cosine(model: Transformer, tokens: torch.Tensor) -> None:
    states = [model.embed(tokens)]
    for layer in range(3):
        states.append(model.run_layers(states[-1], layer, layer + 1))
    expected = []
    for before, after in pairwise(states):
        x, y = (each.double().flatten(0, 1).numpy() for each in (before, after))
        cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        expected.append(1 - cosine.mean())
    np.testing.assert_allclose(block_influence(model, tokens), expected, atol=1e-6)


@torch.no_grad()
def test_a_layer_that_adds_nothing_has_no_influence(
    model: Transformer, tokens: torch.Tensor
) -> None:
    block = model.blocks[1]
    block.attention.output.weight.zero_()
    block.feed_forward.down.weight.zero_()
    influence = block_influence(model, tokens)
    assert abs(influence[1]) < 1e-6
    assert min(influence[0], influence[2]) > 0.01


def test_how_texts_are_batched_changes_nothing(model: Transformer, tokens: torch.Tensor) -> None:
    one_by_one = block_influence(model, tokens, batch_tokens=1)
    np.testing.assert_allclose(one_by_one, block_influence(model, tokens), atol=1e-6)


def test_a_model_in_training_stays_in_training(model: Transformer, tokens: torch.Tensor) -> None:
    model.train()
    block_influence(model, tokens)
    assert model.training


@pytest.mark.parametrize("shape", [(0, 5), (7,)])
def test_no_text_is_refused(model: Transformer, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"texts \(B, T\)"):
        block_influence(model, torch.zeros(shape, dtype=torch.long))


def test_on_text_it_is_that_of_whole_contexts_of_the_calibration_part(
    model: Transformer, text: TokenizedCorpus
) -> None:
    model = Transformer(SIZES.with_(vocab_size=256)).eval()
    initialise(model, seed=7)
    found, tokens = influence_on_text(model, text, max_bytes=300)
    whole = text.tokens("calibration")[:tokens].astype(np.int64).reshape(-1, 13)
    np.testing.assert_allclose(found, block_influence(model, torch.from_numpy(whole)))
    assert 250 < tokens <= 300


def test_it_stays_with_the_model_its_checkpoint_and_its_slices(
    model: Transformer, tokens: torch.Tensor, tmp_path: Path
) -> None:
    half = InferencePolicy((LayerSkip(keep=0.67, choose="influence"),))
    with pytest.raises(InputError, match="needs measured scores"):
        Runner(model, half)
    save_checkpoint(model, tmp_path)
    assert load_checkpoint(tmp_path).block_influence is None
    save_block_influence(tmp_path, (0.1, 0.3, 0.2))
    loaded = load_checkpoint(tmp_path)
    assert loaded.block_influence == (0.1, 0.3, 0.2)
    run = Runner(loaded, half).model
    assert run.block_influence == (0.3, 0.2)
    expected = subnetwork(loaded, run.architecture, (1, 2))
    assert torch.equal(run(tokens), expected(tokens))
    save_checkpoint(loaded, tmp_path / "again")
    assert load_checkpoint(tmp_path / "again").block_influence == (0.1, 0.3, 0.2)


@pytest.mark.parametrize("broken", ["[0.1, 0.2]", "{", "[null, 1, 2]", "[0.1, NaN, 0.2]"])
def test_a_broken_file_is_refused_by_name(model: Transformer, tmp_path: Path, broken: str) -> None:
    save_checkpoint(model, tmp_path)
    (tmp_path / "block_influence.json").write_text(broken)
    with pytest.raises(InputError, match=r"block_influence\.json"):
        load_checkpoint(tmp_path)
