"""`config.json` of each family, in the keys that `transformers` 4.51 to 5 read."""

from __future__ import annotations

from typing import Any

from nasviz.model.rotary import HIGH_FREQUENCY, LOW_FREQUENCY, ORIGINAL_CONTEXT
from nasviz.space.architecture import Architecture

Configuration = dict[str, Any]

_ACTIVATIONS = {"relu": "relu", "relu2": "relu2", "swiglu": "silu"}


def activation(a: Architecture) -> str:
    """Return their name of the non-linearity."""
    if a.mlp in ("gelu", "geglu"):
        return "gelu_pytorch_tanh" if a.gelu_tanh else "gelu"
    return _ACTIVATIONS[a.mlp]


def _rotary(a: Architecture) -> Configuration:
    # Version 5 reads `rope_parameters`, version 4 the two others. All are said, because some
    # families' default is a scaling.
    kind: Configuration = {"rope_type": "default"}
    if a.rope_scaling != 1:
        kind = {
            "rope_type": "llama3",
            "factor": a.rope_scaling,
            "low_freq_factor": LOW_FREQUENCY,
            "high_freq_factor": HIGH_FREQUENCY,
            "original_max_position_embeddings": ORIGINAL_CONTEXT,
        }
    return {
        "rope_parameters": {**kind, "rope_theta": a.rope_theta},
        "rope_theta": a.rope_theta,
        "rope_scaling": None if a.rope_scaling == 1 else kind,
    }


def _sizes(a: Architecture) -> Configuration:
    return {
        "num_hidden_layers": a.n_layers,
        "hidden_size": a.d_model,
        "num_attention_heads": a.n_heads,
        "max_position_embeddings": a.context_length,
    }


def llama(a: Architecture) -> Configuration:
    """Return Llama's keys, which most of the later families share."""
    return {
        **_sizes(a),
        **_rotary(a),
        "num_key_value_heads": a.n_kv_heads,
        "head_dim": a.head_dim,
        "intermediate_size": a.d_ff,
        "hidden_act": activation(a),
        "rms_norm_eps": a.norm_eps,
        "attention_bias": a.biases == "all",
        "mlp_bias": a.biases == "all",
        "attention_dropout": 0.0,
    }


def mistral(a: Architecture) -> Configuration:
    """Return Llama's keys and the window."""
    return {**llama(a), "sliding_window": a.sliding_window or None}


def mixtral(a: Architecture) -> Configuration:
    """Return Mistral's keys and the experts."""
    experts = {"num_local_experts": a.experts, "num_experts_per_tok": a.experts_per_token}
    return {**mistral(a), **experts}


def qwen(a: Architecture) -> Configuration:
    """Return Llama's keys and a window that holds in every layer."""
    window = a.sliding_window
    return {
        **llama(a),
        "use_sliding_window": window > 0,
        "sliding_window": window or None,
        "max_window_layers": 0,
    }


def qwen3_moe(a: Architecture) -> Configuration:
    """Return Qwen's keys and the experts, whose shares sum to 1."""
    return {
        **qwen(a),
        "moe_intermediate_size": a.d_ff,
        "num_experts": a.experts,
        "num_experts_per_tok": a.experts_per_token,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def smollm3(a: Architecture) -> Configuration:
    """Return Qwen's keys with no layer rotated (their list says 1 where one is)."""
    return {**qwen(a), "no_rope_layers": [0] * a.n_layers}


def gemma(a: Architecture) -> Configuration:
    """Return Llama's keys, the activation under both of the names that Gemma's had."""
    return {**llama(a), "hidden_activation": activation(a)}


def starcoder2(a: Architecture) -> Configuration:
    """Return Mistral's keys under StarCoder2's names of norm and biases."""
    return {**mistral(a), "norm_epsilon": a.norm_eps, "use_bias": True}


def gpt2(a: Architecture) -> Configuration:
    """Return GPT-2's keys."""
    return {
        "n_layer": a.n_layers,
        "n_embd": a.d_model,
        "n_head": a.n_heads,
        "n_inner": a.d_ff,
        "n_positions": a.context_length,
        "activation_function": activation(a),
        "layer_norm_epsilon": a.norm_eps,
        "resid_pdrop": a.dropout,
        "embd_pdrop": a.dropout,
        "attn_pdrop": 0.0,
    }


def opt(a: Architecture) -> Configuration:
    """Return OPT's keys."""
    return {
        **_sizes(a),
        "ffn_dim": a.d_ff,
        "word_embed_proj_dim": a.d_model,
        "activation_function": activation(a),
        "do_layer_norm_before": True,
        "dropout": a.dropout,
        "attention_dropout": 0.0,
    }


def gpt_neox(a: Architecture) -> Configuration:
    """Return GPT-NeoX's keys."""
    rotary = _rotary(a)
    rotary["rope_parameters"]["partial_rotary_factor"] = a.rotary_share
    return {
        **_sizes(a),
        **rotary,
        "rotary_emb_base": a.rope_theta,
        "rotary_pct": a.rotary_share,
        "intermediate_size": a.d_ff,
        "hidden_act": activation(a),
        "layer_norm_eps": a.norm_eps,
        "use_parallel_residual": a.parallel_block,
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_dropout": a.dropout,
    }
