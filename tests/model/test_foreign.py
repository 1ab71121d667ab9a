"""Checkpoints that `transformers` wrote: the same logits here, and what is refused."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path

import pytest
import torch
from random_models import random_model
from safetensors.torch import load_file, save_file
from test_export import of_family

from nasviz.errors import InputError
from nasviz.model.export import FAMILIES, export_checkpoint
from nasviz.model.foreign import READERS, check_foreign, foreign_architecture, load_foreign
from nasviz.space.architecture import Architecture

PLAIN = Architecture(2, 24, 2, 61, 13, qk_norm=False)
LLAMA = {
    "model_type": "llama", "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 13,
}  # fmt: skip

LLAMA_3 = {
    "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
}  # fmt: skip


def tokens_for(architecture: Architecture) -> torch.Tensor:
    return torch.randint(architecture.vocab_size, (2, architecture.context_length))


@pytest.mark.parametrize("name", READERS)
def test_what_is_exported_is_read_back_with_the_same_sizes_and_logits(name: str, tmp_path) -> None:
    rng = random.Random(name)
    for number in range(10):
        architecture = of_family(name, rng)
        model = random_model(architecture, number)
        back = load_foreign(export_checkpoint(model, None, tmp_path / str(number)))
        # What changes nothing is not written: the tanh of a GELU that isn't there, and so on.
        unsaid = {"gelu_tanh": back.architecture.gelu_tanh}
        if name == "gpt2":  # it has all biases, zeros where there were none
            unsaid |= {"biases": "all", "rope_theta": 10_000.0, "rope_scaling": 1.0}
            unsaid |= {"rotary_share": 1.0}
        else:
            unsaid |= {"dropout": 0.0}
        assert back.architecture == architecture.with_(**unsaid)
        tokens = tokens_for(architecture)
        torch.testing.assert_close(back(tokens), model(tokens), atol=1e-5, rtol=1e-5)


def theirs(name: str, **changes: object) -> object:
    import transformers

    sizes = {
        "gpt2": {"n_layer": 2, "n_embd": 24, "n_head": 3, "n_positions": 13},
        "llama": {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        "mistral": {"sliding_window": 5},
        "qwen2": {},
        "qwen3": {"head_dim": 10},
    }[name]
    if name != "gpt2":
        kin = {key: value for key, value in LLAMA.items() if key != "model_type"}
        sizes = {**kin, "num_key_value_heads": 1, **sizes}
    settings = {"vocab_size": 61, "bos_token_id": None, "eos_token_id": None, **sizes, **changes}
    torch.manual_seed(5)
    config = transformers.AutoConfig.for_model(name, **settings)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", READERS)
def test_what_transformers_wrote_has_its_logits_here(name: str, tied: bool, tmp_path) -> None:
    model = theirs(name, tie_word_embeddings=tied)
    model.save_pretrained(tmp_path)
    ours = load_foreign(tmp_path)
    assert ours.architecture.tied_embeddings == tied
    tokens = tokens_for(ours.architecture)
    with torch.no_grad():
        expected, got = model(tokens).logits, ours(tokens)
    assert expected.std() > 0.05
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_shards_bfloat16_and_the_body_alone_are_read_too(tmp_path) -> None:
    model = theirs("llama")
    model.save_pretrained(tmp_path / "shards", max_shard_size="10KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 2
    tokens = tokens_for(PLAIN)
    with torch.no_grad():
        got = load_foreign(tmp_path / "shards")(tokens)
        torch.testing.assert_close(got, model(tokens).logits, atol=1e-4, rtol=0)
    small = theirs("gpt2")
    expected = small(tokens).logits
    small.transformer.save_pretrained(
        tmp_path / "body"
    )  # GPT-2 was published so: no `transformer.`
    config = json.loads((tmp_path / "body" / "config.json").read_text())
    assert config["model_type"] == "gpt2"
    with torch.no_grad():
        got = load_foreign(tmp_path / "body")(tokens)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
    model.bfloat16().save_pretrained(tmp_path / "half")
    assert load_foreign(tmp_path / "half").token_embedding.weight.dtype == torch.float32


def test_tokens_come_in_the_order_that_is_asked_for(tmp_path) -> None:
    model = random_model(PLAIN)
    order = torch.randperm(61).tolist()
    back = load_foreign(export_checkpoint(model, None, tmp_path), order)
    tokens = tokens_for(PLAIN)
    theirs = torch.tensor(order)[tokens]
    torch.testing.assert_close(back(tokens), model(theirs)[..., order], atol=1e-5, rtol=1e-5)


class _Bomb:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_pickle_is_refused_unopened(name: str, tmp_path) -> None:
    exploded = tmp_path / "exploded"
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / name).write_bytes(pickle.dumps(_Bomb(exploded)))
    with pytest.raises(InputError, match=r"pickle, which can run any|no whole safetensors file"):
        load_foreign(tmp_path)
    with pytest.raises(InputError, match=r"pickle, which can run any|no whole safetensors file"):
        check_foreign(tmp_path)
    assert not exploded.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "bert"}, "model_type='bert' is another family; models of gpt2, llama"),
        ({"model_type": None}, "is another family"),
        ({"model_type": ["llama"]}, "is another family"),
        ({"hidden_act": "swish2"}, "hidden_act='swish2' is not computed here"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "only Llama 3's"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"hidden_size": "wide", "head_dim": 12}, "d_model='wide' is not a whole number"),
        ({"rope_parameters": "x"}, "rotary positions of 'x' are not computed here"),
        ({"rope_scaling": {"rope_type": "llama3", **LLAMA_3}}, "lacks 'factor'"),
        ({"hidden_act": ["silu"]}, r"hidden_act=\['silu'\] is not computed here"),
        ({"num_attention_heads": 0}, "n_heads=0"),
        ({"num_attention_heads": 10**400}, "is not a whole number"),
        ({"num_attention_heads": "4"}, "n_heads='4' is not a whole number"),
        ({"hidden_size": None}, "d_model=None is not a whole number"),
        (
            {"model_type": "gpt2", "n_embd": None, "n_layer": 2, "n_head": 2, "n_positions": 13},
            "d_model=None is not a whole number",
        ),
        ({"tie_word_embeddings": "false"}, "tied_embeddings='false'"),
        ({"mlp_bias": True}, "mlp_bias=True is not computed here; only False"),
    ],
)
def test_a_configuration_that_we_do_not_compute_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        foreign_architecture({**LLAMA, **changes})
    floats = {**LLAMA, "hidden_size": 24.0, "num_attention_heads": 2.0}
    assert foreign_architecture(floats) == foreign_architecture(LLAMA)
    without = {key: value for key, value in LLAMA.items() if key != "hidden_size"}
    with pytest.raises(InputError, match="lacks 'hidden_size'"):
        foreign_architecture(without)


def exported(tmp_path: Path) -> Path:
    return export_checkpoint(random_model(PLAIN), None, tmp_path / "export")


@pytest.mark.parametrize("read", [load_foreign, check_foreign])
def test_a_cut_file_a_missing_weight_and_a_wrong_shape_are_refused(read, tmp_path) -> None:
    folder = exported(tmp_path)
    weights, config = folder / "model.safetensors", folder / "config.json"
    whole, said = weights.read_bytes(), json.loads(config.read_text())
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="no whole safetensors file"):
        read(folder)
    weights.write_bytes(whole)
    read(folder)
    config.write_text(json.dumps({**said, "num_hidden_layers": 3}))
    with pytest.raises(InputError, match=r"lacks the weight 'model\.layers\.2"):
        read(folder)
    config.write_text(json.dumps({**said, "num_hidden_layers": 1}))
    with pytest.raises(InputError, match=r"has the weight 'model\.layers\.1"):
        read(folder)
    config.write_text(json.dumps({**said, "intermediate_size": 8}))
    with pytest.raises(InputError, match=r"has the shape .*asks for \(8, 24\)"):
        read(folder)
    config.write_text("{")
    with pytest.raises(InputError, match="can't be read"):
        read(folder)


@pytest.mark.parametrize("read", [load_foreign, check_foreign])
def test_weights_that_are_no_floating_numbers_are_refused(read, tmp_path) -> None:
    folder = exported(tmp_path)
    weights = load_file(folder / "model.safetensors")
    whole = {**weights, "model.norm.weight": weights["model.norm.weight"].int()}
    save_file(whole, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"'model\.norm\.weight' is stored as I32"):
        read(folder)


def test_weights_that_are_not_finite_are_refused(tmp_path) -> None:
    folder = exported(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] = torch.inf
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"'head\.norm\.weight' holds numbers that are not fin"):
        load_foreign(folder)


def test_an_index_names_files_of_its_own_folder_only(tmp_path) -> None:
    folder = exported(tmp_path)
    index = folder / "model.safetensors.index.json"
    for name in ("../other.safetensors", "/etc/passwd", "weights.bin"):
        index.write_text(json.dumps({"weight_map": {"a": name}}))
        with pytest.raises(InputError, match="no safetensors file there"):
            load_foreign(folder)
    index.write_text(json.dumps({"weight_map": {"a": "absent.safetensors"}}))
    with pytest.raises(InputError, match="there is no"):
        load_foreign(folder)


def test_every_family_that_is_read_is_one_that_is_written() -> None:
    assert set(READERS) <= {family.model_type for family in FAMILIES}
