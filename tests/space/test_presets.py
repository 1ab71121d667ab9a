"""Every preset against `transformers`' own model, from configurations written by hand here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.space import presets


def gpt2(layers: int, width: int, heads: int, **rest: Any) -> Any:
    return transformers.GPT2Config(n_layer=layers, n_embd=width, n_head=heads, **rest)


def opt(layers: int, width: int, heads: int) -> Any:
    return transformers.OPTConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        ffn_dim=4 * width,
        word_embed_proj_dim=width,
    )


def neox(layers: int, width: int, heads: int, vocabulary: int) -> Any:
    return transformers.GPTNeoXConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        vocab_size=vocabulary,
    )


def rotary(
    kind: str,
    layers: int,
    width: int,
    heads: int,
    keys: int,
    inner: int,
    vocabulary: int,
    tied: bool = False,
    **rest: Any,
) -> Any:
    return getattr(transformers, f"{kind}Config")(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        intermediate_size=inner,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
        **rest,
    )


CONFIGURATIONS: dict[str, Any] = {
    "gpt2": lambda: gpt2(12, 768, 12),
    "gpt2-medium": lambda: gpt2(24, 1024, 16),
    "gpt2-large": lambda: gpt2(36, 1280, 20),
    "gpt2-xl": lambda: gpt2(48, 1600, 25),
    "distilgpt2": lambda: gpt2(6, 768, 12),
    "cerebras-gpt-111m": lambda: gpt2(10, 768, 12, n_positions=2048),
    "cerebras-gpt-256m": lambda: gpt2(14, 1088, 17, n_positions=2048),
    "cerebras-gpt-590m": lambda: gpt2(18, 1536, 12, n_positions=2048),
    "cerebras-gpt-1.3b": lambda: gpt2(24, 2048, 16, n_positions=2048),
    "cerebras-gpt-2.7b": lambda: gpt2(32, 2560, 32, n_positions=2048),
    "cerebras-gpt-6.7b": lambda: gpt2(32, 4096, 32, n_positions=2048),
    "cerebras-gpt-13b": lambda: gpt2(40, 5120, 40, n_positions=2048),
    "opt-125m": lambda: opt(12, 768, 12),
    "opt-1.3b": lambda: opt(24, 2048, 32),
    "opt-2.7b": lambda: opt(32, 2560, 32),
    "opt-6.7b": lambda: opt(32, 4096, 32),
    "opt-13b": lambda: opt(40, 5120, 40),
    "opt-30b": lambda: opt(48, 7168, 56),
    "opt-66b": lambda: opt(64, 9216, 72),
    "pythia-70m": lambda: neox(6, 512, 8, 50304),
    "pythia-160m": lambda: neox(12, 768, 12, 50304),
    "pythia-410m": lambda: neox(24, 1024, 16, 50304),
    "pythia-1b": lambda: neox(16, 2048, 8, 50304),
    "pythia-1.4b": lambda: neox(24, 2048, 16, 50304),
    "pythia-2.8b": lambda: neox(32, 2560, 32, 50304),
    "pythia-6.9b": lambda: neox(32, 4096, 32, 50432),
    "pythia-12b": lambda: neox(36, 5120, 40, 50688),
    "gpt-neox-20b": lambda: neox(44, 6144, 64, 50432),
    "llama-7b": lambda: rotary("Llama", 32, 4096, 32, 32, 11008, 32000),
    "llama-13b": lambda: rotary("Llama", 40, 5120, 40, 40, 13824, 32000),
    "llama-30b": lambda: rotary("Llama", 60, 6656, 52, 52, 17920, 32000),
    "llama-65b": lambda: rotary("Llama", 80, 8192, 64, 64, 22016, 32000),
    "llama-2-7b": lambda: rotary("Llama", 32, 4096, 32, 32, 11008, 32000),
    "llama-2-13b": lambda: rotary("Llama", 40, 5120, 40, 40, 13824, 32000),
    "llama-2-70b": lambda: rotary("Llama", 80, 8192, 64, 8, 28672, 32000),
    "codellama-7b": lambda: rotary("Llama", 32, 4096, 32, 32, 11008, 32016),
    "codellama-34b": lambda: rotary("Llama", 48, 8192, 64, 8, 22016, 32000),
    "llama-3-8b": lambda: rotary("Llama", 32, 4096, 32, 8, 14336, 128256),
    "llama-3-70b": lambda: rotary("Llama", 80, 8192, 64, 8, 28672, 128256),
    "llama-3.1-8b": lambda: rotary("Llama", 32, 4096, 32, 8, 14336, 128256),
    "llama-3.1-70b": lambda: rotary("Llama", 80, 8192, 64, 8, 28672, 128256),
    "llama-3.1-405b": lambda: rotary("Llama", 126, 16384, 128, 8, 53248, 128256),
    "llama-3.2-1b": lambda: rotary("Llama", 16, 2048, 32, 8, 8192, 128256, True),
    "llama-3.2-3b": lambda: rotary("Llama", 28, 3072, 24, 8, 8192, 128256, True),
    "tinyllama-1.1b": lambda: rotary("Llama", 22, 2048, 32, 4, 5632, 32000),
    "open-llama-3b": lambda: rotary("Llama", 26, 3200, 32, 32, 8640, 32000),
    "yi-6b": lambda: rotary("Llama", 32, 4096, 32, 4, 11008, 64000),
    "deepseek-llm-7b": lambda: rotary("Llama", 30, 4096, 32, 32, 11008, 102400),
    "mistral-7b": lambda: rotary("Mistral", 32, 4096, 32, 8, 14336, 32000),
    "mixtral-8x7b": lambda: rotary(
        "Mixtral", 32, 4096, 32, 8, 14336, 32000, num_local_experts=8
    ),
    "mixtral-8x22b": lambda: rotary(
        "Mixtral", 56, 6144, 48, 8, 16384, 32000, num_local_experts=8
    ),
    "qwen2.5-0.5b": lambda: rotary("Qwen2", 24, 896, 14, 2, 4864, 151936, True),
    "qwen2.5-1.5b": lambda: rotary("Qwen2", 28, 1536, 12, 2, 8960, 151936, True),
    "qwen2.5-3b": lambda: rotary("Qwen2", 36, 2048, 16, 2, 11008, 151936, True),
    "qwen2.5-7b": lambda: rotary("Qwen2", 28, 3584, 28, 4, 18944, 152064),
    "qwen2.5-14b": lambda: rotary("Qwen2", 48, 5120, 40, 8, 13824, 152064),
    "qwen2.5-32b": lambda: rotary("Qwen2", 64, 5120, 40, 8, 27648, 152064),
    "qwen2.5-72b": lambda: rotary("Qwen2", 80, 8192, 64, 8, 29568, 152064),
    "qwen3-0.6b": lambda: rotary("Qwen3", 28, 1024, 16, 8, 3072, 151936, True, head_dim=128),
    "qwen3-1.7b": lambda: rotary("Qwen3", 28, 2048, 16, 8, 6144, 151936, True, head_dim=128),
    "qwen3-4b": lambda: rotary("Qwen3", 36, 2560, 32, 8, 9728, 151936, True, head_dim=128),
    "qwen3-8b": lambda: rotary("Qwen3", 36, 4096, 32, 8, 12288, 151936, head_dim=128),
    "qwen3-14b": lambda: rotary("Qwen3", 40, 5120, 40, 8, 17408, 151936, head_dim=128),
    "qwen3-32b": lambda: rotary("Qwen3", 64, 5120, 64, 8, 25600, 151936, head_dim=128),
    "qwen3-30b-a3b": lambda: rotary(
        "Qwen3Moe", 48, 2048, 32, 4, 6144, 151936,
        head_dim=128, num_experts=128, moe_intermediate_size=768,
    ),
    "qwen3-235b-a22b": lambda: rotary(
        "Qwen3Moe", 94, 4096, 64, 4, 12288, 151936,
        head_dim=128, num_experts=128, moe_intermediate_size=1536,
    ),
    "smollm2-135m": lambda: rotary("Llama", 30, 576, 9, 3, 1536, 49152, True),
    "smollm2-360m": lambda: rotary("Llama", 32, 960, 15, 5, 2560, 49152, True),
    "smollm2-1.7b": lambda: rotary("Llama", 24, 2048, 32, 32, 8192, 49152, True),
    "gemma-2b": lambda: rotary("Gemma", 18, 2048, 8, 1, 16384, 256000, True, head_dim=256),
    "gemma-7b": lambda: rotary("Gemma", 28, 3072, 16, 16, 24576, 256000, True, head_dim=256),
}  # fmt: skip

# The counts as model cards and checkpoint indices give them.
PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "distilgpt2": 81_912_576,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "pythia-410m": 405_334_016,
    "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808,
    "pythia-2.8b": 2_775_208_960,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "tinyllama-1.1b": 1_100_048_384,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "gemma-2b": 2_506_172_416,
    "gemma-7b": 8_537_680_896,
}

NANOGPT = ("nanogpt-cpu", "nanogpt-shakespeare-char")


def test_every_preset_but_nanogpts_has_a_configuration_here() -> None:
    assert set(CONFIGURATIONS) == set(presets.NAMES) - set(NANOGPT)


def test_there_are_at_least_forty_presets_and_their_names_are_lower_case() -> None:
    assert len(presets.NAMES) >= 40
    assert all(name == name.lower() for name in presets.NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_transformers_builds_a_model_of_the_presets_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(CONFIGURATIONS[name]())
    assert sum(each.numel() for each in model.parameters()) == presets.preset(name).parameters


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_count_is_the_published_one(name: str) -> None:
    assert presets.preset(name).parameters == PUBLISHED[name]


@pytest.mark.parametrize("name", presets.NAMES)
def test_the_analytic_count_is_the_presets(name: str) -> None:
    assert estimate(presets.named(name)).parameters.total == presets.preset(name).parameters


@pytest.mark.parametrize("name", presets.NAMES)
def test_the_module_has_the_presets_number_of_parameters(name: str) -> None:
    from nasviz.model.transformer import Transformer

    with torch.device("meta"):
        model = Transformer(presets.named(name))
    assert sum(each.numel() for each in model.parameters()) == presets.preset(name).parameters


@pytest.mark.parametrize("name", NANOGPT)
def test_nanogpts_count_follows_from_its_source(name: str) -> None:
    """model.py of nanoGPT: 12 width² a layer, two scale vectors, and a last one."""
    sizes = presets.named(name)
    width = sizes.d_model
    layers = sizes.n_layers * (12 * width**2 + 2 * width)
    tables = (65 + sizes.context_length) * width
    assert presets.preset(name).parameters == layers + tables + width


def test_a_misspelt_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown preset 'gtp2'; did you mean 'gpt2'\?"):
        presets.named("gtp2")


def test_every_preset_says_where_it_is_from() -> None:
    for name in presets.NAMES:
        assert "/" in presets.preset(name).source
        assert presets.preset(name).family in presets.FAMILIES
        assert presets.preset(name).paper
