"""Models whose layers differ in `transformers`: zeros fill the layers up, and change no logit."""

from __future__ import annotations

import json
import random

import pytest
import torch
from differing import differing
from random_models import random_model
from test_export import loaded, of_family

from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.export import FAMILIES, export_checkpoint, padding_bytes
from nasviz.space.architecture import Architecture
from nasviz.space.layer_sizes import LayerSizes

N_EACH = 4
LLAMA = Architecture(
    4, 24, 6, 61, 13, n_kv_heads=3, head_dim=6, d_ff=53, qk_norm=False,
    layer_sizes=(
        LayerSizes(6, 3, 17), LayerSizes(0, 0, 53), LayerSizes(2, 1, 0), LayerSizes(4, 2, 29),
    ),
)  # fmt: skip
GPT2 = Architecture(
    4, 24, 4, 61, 13, position="learned", norm="layernorm", mlp="gelu", biases="all", qk_norm=False,
    gelu_tanh=True,
    layer_sizes=(
        LayerSizes(4, 4, 17), LayerSizes(0, 0, 53), LayerSizes(1, 1, 0), LayerSizes(2, 2, 29),
    ),
)  # fmt: skip


def check_logits(architecture: Architecture, folder, seed: int = 0) -> None:
    model = random_model(architecture, seed)
    theirs = loaded(export_checkpoint(model, None, folder))
    tokens = torch.randint(architecture.vocab_size, (2, architecture.context_length))
    with torch.no_grad():
        expected, got = model(tokens), theirs(tokens).logits
    assert expected.std() > 0.05, "logits that are all alike would prove nothing"
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("architecture", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_layers_that_differ_have_their_logits_in_transformers(architecture, tmp_path) -> None:
    check_logits(architecture, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
def test_layers_of_every_family_may_differ(family, tmp_path) -> None:
    rng = random.Random(family.model_type)
    for number in range(N_EACH):
        check_logits(differing(of_family(family.model_type, rng), rng), tmp_path / str(number))


def test_the_export_says_how_many_bytes_are_padding(tmp_path) -> None:
    model = random_model(LLAMA)
    folder = export_checkpoint(model, None, tmp_path)
    said = json.loads((folder / "config.json").read_text())
    own = 4 * sum(each.numel() for each in model.parameters())
    theirs = 4 * sum(each.numel() for each in loaded(folder).parameters())
    assert said["nasviz_padding_bytes"] == padding_bytes(model) == theirs - own > 0
    assert said["nasviz_layer_sizes"] == LLAMA.to_json()["layer_sizes"]
    alike = random_model(LLAMA.with_(layer_sizes=()))
    assert padding_bytes(alike) == 0
    plain = json.loads((export_checkpoint(alike, None, tmp_path / "2") / "config.json").read_text())
    assert not [name for name in plain if name.startswith("nasviz")]


def test_our_own_checkpoint_keeps_the_real_sizes(tmp_path) -> None:
    model = random_model(LLAMA)
    again = load_checkpoint(save_checkpoint(model, tmp_path))
    assert again.architecture == LLAMA
    tokens = torch.randint(61, (2, 13))
    assert torch.equal(again(tokens), model(tokens))
