"""Exported checkpoints have the same logits in `transformers`, for every family."""

from __future__ import annotations

import json
import random

import pytest
import torch
from random_models import OPTIONS, random_architecture, random_model

from nasviz.errors import InputError
from nasviz.model.export import FAMILIES, export_checkpoint, family_for, nearest_exportable
from nasviz.model.export.family import COMMON, FREE
from nasviz.space import presets
from nasviz.space.architecture import NAMES, Architecture

N_EACH = 20


def of_family(model_type: str, rng: random.Random) -> Architecture:
    """Return a random architecture that `family_for` exports as `model_type`."""
    (family,) = [each for each in FAMILIES if each.model_type == model_type]
    while True:
        drawn = random_architecture(rng)
        changes = {rule.name: rule.remedy(drawn) for rule in family.obstacles(drawn)}
        if None in changes.values():
            continue
        try:
            changed = drawn.with_(**changes)
        except InputError:  # a remedy that does not fit the other sizes
            continue
        if family_for(changed).model_type == model_type:
            return changed


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
def test_exported_logits_are_equal_in_transformers(family, tmp_path):
    rng = random.Random(family.model_type)
    for number in range(N_EACH):
        architecture = of_family(family.model_type, rng)
        model = random_model(architecture, seed=number)
        theirs = loaded(export_checkpoint(model, None, tmp_path / str(number)))
        assert type(theirs).__name__ == family.model_class
        tokens = torch.randint(architecture.vocab_size, (2, architecture.context_length))
        with torch.no_grad():
            expected, got = model(tokens), theirs(tokens).logits
        assert expected.std() > 0.05, "logits that are all alike would prove nothing"
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
        ours = sum(each.numel() for each in model.parameters())
        assert theirs.num_parameters() - zero_biases(theirs) == ours


def zero_biases(model):
    """Return the number of biases that were written as zeros, because we have none there."""
    biases = [each for name, each in model.named_parameters() if name.endswith("bias")]
    return sum(each.numel() for each in biases if not each.any())


def loaded(folder):
    """Return the `transformers` model in `folder`; its grouped experts refuse our odd sizes."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    experts = "num_experts_per_tok" in json.loads((folder / "config.json").read_text())
    eager = {"experts_implementation": "eager"} if experts else {}
    return transformers.AutoModelForCausalLM.from_pretrained(folder, **eager).eval()


def test_the_default_architecture_exports_as_qwen3():
    default = Architecture(n_layers=2, d_model=96, n_heads=3, vocab_size=256, context_length=64)
    assert family_for(default).model_class == "Qwen3ForCausalLM"


def test_every_preset_can_be_exported():
    classes = {name: family_for(presets.named(name)).model_class for name in presets.NAMES}
    assert [name for name, model_class in classes.items() if "LM" not in model_class] == []


def test_presets_export_as_the_class_they_were_published_with():
    published = {
        "gpt2": "GPT2LMHeadModel", "opt-125m": "OPTForCausalLM", "pythia-70m": "GPTNeoXForCausalLM",
        "llama-3.2-1b": "LlamaForCausalLM", "mistral-7b": "MistralForCausalLM",
        "mixtral-8x7b": "MixtralForCausalLM", "qwen2.5-0.5b": "Qwen2ForCausalLM",
        "qwen3-0.6b": "Qwen3ForCausalLM", "gemma-2b": "GemmaForCausalLM",
    }  # fmt: skip
    for name, model_class in published.items():
        assert family_for(presets.named(name)).model_class == model_class


def test_every_field_is_either_free_or_ruled():
    ruled = {rule.name for rule in COMMON}
    assert {"rope_scaling"} == set(NAMES) - FREE - ruled, "a new field needs a rule or freedom"
    assert not FREE & ruled


def test_what_no_family_expresses_is_refused_with_the_nearest_that_is(tmp_path):
    odd = Architecture(
        n_layers=1, d_model=24, n_heads=2, vocab_size=61, context_length=13, mlp="geglu",
        norm="layernorm", qk_norm=False,
    )  # fmt: skip
    model = random_model(odd)
    with pytest.raises(InputError) as caught:
        export_checkpoint(model, None, tmp_path / "export")
    assert str(caught.value) == (
        "no model family of transformers has norm='layernorm' beside the other sizes; the nearest, "
        "LlamaForCausalLM, needs norm='rmsnorm'"
    )
    assert not (tmp_path / "export").exists()


def test_the_nearest_choice_can_be_exported():
    rng = random.Random(5)
    for _ in range(200):
        drawn = random_architecture(rng)
        family, changes = nearest_exportable(drawn)
        assert not family.obstacles(drawn.with_(**changes))


def test_every_value_of_every_option_can_be_exported_by_some_family():
    rng = random.Random(7)
    seen = set()
    for family in FAMILIES:
        for _ in range(60):
            drawn = of_family(family.model_type, rng)
            seen |= {(name, getattr(drawn, name)) for name in ruled_names()}
    expected = {(name, value) for name in ruled_names() for value in OPTIONS[name]}
    assert expected <= seen


def ruled_names():
    """Return the fields that rules are about, but numbers of experts: families vary those."""
    return [rule.name for rule in COMMON if rule.name != "experts"]


def test_dtype_is_kept(tmp_path):
    architecture = Architecture(n_layers=1, d_model=24, n_heads=2, vocab_size=61, context_length=13)
    folder = export_checkpoint(random_model(architecture).bfloat16(), None, tmp_path / "export")
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == "bfloat16"
    assert loaded(folder).dtype == torch.bfloat16
