"""Our module paths and theirs; `{}` stands for the number of a layer or an expert."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")

LLAMA: Mapping[str, str] = MappingProxyType(
    {
        "token_embedding": "model.embed_tokens",
        "blocks.{}.attention_norm": "model.layers.{}.input_layernorm",
        "blocks.{}.attention.query": "model.layers.{}.self_attn.q_proj",
        "blocks.{}.attention.key": "model.layers.{}.self_attn.k_proj",
        "blocks.{}.attention.value": "model.layers.{}.self_attn.v_proj",
        "blocks.{}.attention.output": "model.layers.{}.self_attn.o_proj",
        "blocks.{}.attention.query_norm": "model.layers.{}.self_attn.q_norm",
        "blocks.{}.attention.key_norm": "model.layers.{}.self_attn.k_norm",
        "blocks.{}.feed_forward_norm": "model.layers.{}.post_attention_layernorm",
        "blocks.{}.feed_forward.gate": "model.layers.{}.mlp.gate_proj",
        "blocks.{}.feed_forward.up": "model.layers.{}.mlp.up_proj",
        "blocks.{}.feed_forward.down": "model.layers.{}.mlp.down_proj",
        "head.norm": "model.norm",
        "head": "lm_head",
    }
)

MIXTRAL: Mapping[str, str] = MappingProxyType(
    {
        **LLAMA,
        "blocks.{}.feed_forward.router": "model.layers.{}.block_sparse_moe.gate",
        "blocks.{}.feed_forward.experts.{}.gate": "model.layers.{}.block_sparse_moe.experts.{}.w1",
        "blocks.{}.feed_forward.experts.{}.up": "model.layers.{}.block_sparse_moe.experts.{}.w3",
        "blocks.{}.feed_forward.experts.{}.down": "model.layers.{}.block_sparse_moe.experts.{}.w2",
    }
)

QWEN3_MOE: Mapping[str, str] = MappingProxyType(
    {
        **LLAMA,
        "blocks.{}.feed_forward.router": "model.layers.{}.mlp.gate",
        "blocks.{}.feed_forward.experts.{}.gate": "model.layers.{}.mlp.experts.{}.gate_proj",
        "blocks.{}.feed_forward.experts.{}.up": "model.layers.{}.mlp.experts.{}.up_proj",
        "blocks.{}.feed_forward.experts.{}.down": "model.layers.{}.mlp.experts.{}.down_proj",
    }
)

APERTUS: Mapping[str, str] = MappingProxyType(
    {
        **LLAMA,
        "blocks.{}.attention_norm": "model.layers.{}.attention_layernorm",
        "blocks.{}.feed_forward_norm": "model.layers.{}.feedforward_layernorm",
    }
)

STARCODER2: Mapping[str, str] = MappingProxyType(
    {
        **LLAMA,
        "blocks.{}.feed_forward.up": "model.layers.{}.mlp.c_fc",
        "blocks.{}.feed_forward.down": "model.layers.{}.mlp.c_proj",
    }
)

OPT: Mapping[str, str] = MappingProxyType(
    {
        "token_embedding": "model.decoder.embed_tokens",
        "position_embedding": "model.decoder.embed_positions",
        "blocks.{}.attention_norm": "model.decoder.layers.{}.self_attn_layer_norm",
        "blocks.{}.attention.query": "model.decoder.layers.{}.self_attn.q_proj",
        "blocks.{}.attention.key": "model.decoder.layers.{}.self_attn.k_proj",
        "blocks.{}.attention.value": "model.decoder.layers.{}.self_attn.v_proj",
        "blocks.{}.attention.output": "model.decoder.layers.{}.self_attn.out_proj",
        "blocks.{}.feed_forward_norm": "model.decoder.layers.{}.final_layer_norm",
        "blocks.{}.feed_forward.up": "model.decoder.layers.{}.fc1",
        "blocks.{}.feed_forward.down": "model.decoder.layers.{}.fc2",
        "head.norm": "model.decoder.final_layer_norm",
        "head": "lm_head",
    }
)

# `attention.joined` is made of query, key and value: see `rearrange`.
GPT2: Mapping[str, str] = MappingProxyType(
    {
        "token_embedding": "transformer.wte",
        "position_embedding": "transformer.wpe",
        "blocks.{}.attention_norm": "transformer.h.{}.ln_1",
        "blocks.{}.attention.joined": "transformer.h.{}.attn.c_attn",
        "blocks.{}.attention.output": "transformer.h.{}.attn.c_proj",
        "blocks.{}.feed_forward_norm": "transformer.h.{}.ln_2",
        "blocks.{}.feed_forward.up": "transformer.h.{}.mlp.c_fc",
        "blocks.{}.feed_forward.down": "transformer.h.{}.mlp.c_proj",
        "head.norm": "transformer.ln_f",
        "head": "lm_head",
    }
)

GPT_NEOX: Mapping[str, str] = MappingProxyType(
    {
        "token_embedding": "gpt_neox.embed_in",
        "blocks.{}.attention_norm": "gpt_neox.layers.{}.input_layernorm",
        "blocks.{}.attention.joined": "gpt_neox.layers.{}.attention.query_key_value",
        "blocks.{}.attention.output": "gpt_neox.layers.{}.attention.dense",
        "blocks.{}.feed_forward_norm": "gpt_neox.layers.{}.post_attention_layernorm",
        "blocks.{}.feed_forward.up": "gpt_neox.layers.{}.mlp.dense_h_to_4h",
        "blocks.{}.feed_forward.down": "gpt_neox.layers.{}.mlp.dense_4h_to_h",
        "head.norm": "gpt_neox.final_layer_norm",
        "head": "embed_out",
    }
)


def renamed(weights: Mapping[str, Tensor], paths: Mapping[str, str]) -> dict[str, Tensor]:
    """Return `weights` under their names; raises `KeyError` for a module that `paths` lacks."""
    return {renamed_one(name, paths): tensor for name, tensor in weights.items()}


def renamed_one(name: str, paths: Mapping[str, str]) -> str:
    """Return their name of one weight.

    >>> renamed_one("blocks.7.attention.query.weight", LLAMA)
    'model.layers.7.self_attn.q_proj.weight'
    """
    path, _, leaf = name.rpartition(".")
    numbers = _NUMBER.findall(f"{path}.")
    ours = _NUMBER.sub("{}", f"{path}.")[:-1]
    return f"{paths[ours].format(*numbers)}.{leaf}"
