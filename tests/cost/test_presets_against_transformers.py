"""FLOPs of presets, a few layers deep, against `transformers`' own models on the meta device."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.space import presets
from nasviz.space.architecture import Architecture

LAYERS = 3
BATCH, PROMPT = 2, 29


def gpt2(a: Architecture):
    return transformers.GPT2LMHeadModel._from_config(
        transformers.GPT2Config(
            vocab_size=a.vocab_size, n_positions=a.context_length, n_embd=a.d_model,
            n_layer=a.n_layers, n_head=a.n_heads, n_inner=a.d_ff,
        ),
        attn_implementation="sdpa",
    )  # fmt: skip


def llama_kin(config: str, model: str):
    """Return what builds a model of a family whose configuration has Llama's keys."""

    def build(a: Architecture):
        keys = {
            "vocab_size": a.vocab_size,
            "hidden_size": a.d_model,
            "intermediate_size": a.d_ff,
            "num_hidden_layers": a.n_layers,
            "num_attention_heads": a.n_heads,
            "num_key_value_heads": a.n_kv_heads,
            "head_dim": a.head_dim,
            "max_position_embeddings": a.context_length,
            "tie_word_embeddings": a.tied_embeddings,
        }
        settings = getattr(transformers, config)(**keys)
        return getattr(transformers, model)._from_config(settings, attn_implementation="sdpa")

    return build


llama = llama_kin("LlamaConfig", "LlamaForCausalLM")
qwen3 = llama_kin("Qwen3Config", "Qwen3ForCausalLM")


def neox(a: Architecture):
    return transformers.GPTNeoXForCausalLM._from_config(
        transformers.GPTNeoXConfig(
            vocab_size=a.vocab_size, hidden_size=a.d_model, intermediate_size=a.d_ff,
            num_hidden_layers=a.n_layers, num_attention_heads=a.n_heads,
            max_position_embeddings=a.context_length, rotary_pct=a.rotary_share,
        ),
        attn_implementation="sdpa",
    )  # fmt: skip


FAMILIES = [
    ("gpt2", gpt2),
    ("llama-3.2-1b", llama),
    ("tinyllama-1.1b", llama),
    ("smollm2-135m", llama),
    ("qwen3-0.6b", qwen3),
    ("pythia-70m", neox),
]


@pytest.mark.parametrize(("name", "build"), FAMILIES)
def test_flops_are_those_of_transformers_model(name: str, build) -> None:
    architecture = presets.named(name).with_(n_layers=LAYERS)
    with torch.device("meta"):
        model = build(architecture).eval()
        tokens = torch.zeros((BATCH, PROMPT), dtype=torch.long)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as prefill:
            read = model(tokens, use_cache=True, logits_to_keep=1)
        with FlopCounterMode(display=False) as decode:
            model(tokens[:, :1], past_key_values=read.past_key_values, use_cache=True)
    workload = Workload(prompt_tokens=PROMPT, generated_tokens=1, batch=BATCH)
    flops = estimate(architecture, workload).flops
    assert flops.prefill == prefill.get_total_flops()
    assert BATCH * flops.decode_per_token == decode.get_total_flops()


@pytest.mark.parametrize(("name", "build"), FAMILIES)
def test_parameters_are_those_of_transformers_model(name: str, build) -> None:
    architecture = presets.named(name).with_(n_layers=LAYERS)
    with torch.device("meta"):
        model = build(architecture)
    assert estimate(architecture).parameters.total == sum(p.numel() for p in model.parameters())
