"""From the `config.json` of a model family to an `Architecture`: the inverse of the export's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nasviz.errors import InputError
from nasviz.model.rotary import HIGH_FREQUENCY, LOW_FREQUENCY, ORIGINAL_CONTEXT
from nasviz.space.architecture import Architecture
from nasviz.space.field import Value

Configuration = Mapping[str, Any]
Sizes = dict[str, Value]

# Their activations: our feed-forward kind without and with a gate ("": none), the tanh of GELU.
_ACTIVATIONS: Mapping[str, tuple[str, str, bool]] = MappingProxyType(
    {
        "gelu": ("gelu", "geglu", False),
        "gelu_new": ("gelu", "geglu", True),
        "gelu_pytorch_tanh": ("gelu", "geglu", True),
        "relu": ("relu", "", False),
        "relu2": ("relu2", "", False),
        "silu": ("", "swiglu", False),
    }
)


def foreign_architecture(configuration: Configuration) -> Architecture:
    """Return the sizes that a `config.json` of the GPT-2 or the Llama family describes.

    Raises `InputError` for another family, a missing or wrong value, and whatever would change the
    logits that we don't compute, naming the key.
    """
    model_type = configuration.get("model_type")
    if not isinstance(model_type, str) or model_type not in READERS:
        raise InputError(
            f"model_type={model_type!r} is another family; models of {', '.join(READERS)} are read"
        )
    if configuration.get("quantization_config") is not None:
        raise InputError("quantization_config is set: its weights are packed; use the plain ones")
    sizes = READERS[model_type](configuration)
    return Architecture.from_json(
        {
            "vocab_size": _required(configuration, "vocab_size"),
            "tied_embeddings": configuration.get("tie_word_embeddings", model_type == "gpt2"),
            "qk_norm": False,
            **sizes,
        }
    )


def _gpt2(c: Configuration) -> Sizes:
    _only(c, "scale_attn_weights", True)
    _only(c, "scale_attn_by_inverse_layer_idx", False)
    _only(c, "add_cross_attention", False)
    width = _required(c, "n_embd")
    return {
        **_activation(c, "activation_function", "gelu_new", gated=False),
        "n_layers": _required(c, "n_layer"),
        "d_model": width,
        "n_heads": _required(c, "n_head"),
        "d_ff": c.get("n_inner") or (4 * width if _is_number(width) else width),
        "context_length": _required(c, "n_positions"),
        "position": "learned",
        "norm": "layernorm",
        "biases": "all",
        "norm_eps": c.get("layer_norm_epsilon", 1e-5),
        "dropout": c.get("resid_pdrop", 0.1),
    }


def _llama_block(c: Configuration) -> Sizes:
    """Return what Llama and its kin say in the same words."""
    heads = _required(c, "num_attention_heads")
    width = _required(c, "hidden_size")
    return {
        **_activation(c, "hidden_act", "silu", gated=True),
        **_rotary(c),
        "n_layers": _required(c, "num_hidden_layers"),
        "d_model": width,
        "n_heads": heads,
        "n_kv_heads": c.get("num_key_value_heads") or heads,
        "head_dim": c.get("head_dim") or _share(width, heads),
        "d_ff": _required(c, "intermediate_size"),
        "context_length": _required(c, "max_position_embeddings"),
        "position": "rope",
        "norm": "rmsnorm",
        "norm_eps": c.get("rms_norm_eps", 1e-6),
    }


def _llama(c: Configuration) -> Sizes:
    biases = bool(c.get("attention_bias", False))
    _only(c, "mlp_bias", biases, default=False)
    return {**_llama_block(c), "biases": "all" if biases else "none"}


def _mistral(c: Configuration) -> Sizes:
    return {**_llama_block(c), "sliding_window": c.get("sliding_window") or 0}


def _qwen2(c: Configuration) -> Sizes:
    return {**_llama_block(c), **_qwen_window(c), "biases": "qkv"}


def _qwen3(c: Configuration) -> Sizes:
    _only(c, "attention_bias", False)
    return {**_llama_block(c), **_qwen_window(c), "qk_norm": True}


def _qwen_window(c: Configuration) -> Sizes:
    if not c.get("use_sliding_window", False):
        return {}
    _only(c, "max_window_layers", 0, default=28)  # with more, the first layers have no window
    return {"sliding_window": c.get("sliding_window") or 0}


def _rotary(c: Configuration) -> Sizes:
    # Version 5 writes `rope_parameters`, version 4 the two others.
    said = c.get("rope_parameters") or c.get("rope_scaling") or {}
    if not isinstance(said, Mapping):
        raise InputError(f"rotary positions of {said!r} are not computed here; only Llama 3's")
    theta: Any = said.get("rope_theta", c.get("rope_theta", 10_000.0))
    kind = said.get("rope_type", said.get("type", "default"))
    if kind == "default":
        return {"rope_theta": theta}
    known = {
        "low_freq_factor": LOW_FREQUENCY,
        "high_freq_factor": HIGH_FREQUENCY,
        "original_max_position_embeddings": ORIGINAL_CONTEXT,
    }
    if kind != "llama3" or any(said.get(name) != value for name, value in known.items()):
        raise InputError(f"rotary positions of {dict(said)} are not computed here; only Llama 3's")
    return {"rope_theta": theta, "rope_scaling": _required(said, "factor")}


def _activation(c: Configuration, key: str, default: str, *, gated: bool) -> Sizes:
    name = c.get(key, default)
    known = name if isinstance(name, str) else ""
    plain, with_gate, tanh = _ACTIVATIONS.get(known, ("", "", False))
    mlp = with_gate if gated else plain
    if not mlp:
        raise InputError(f"{key}={name!r} is not computed here; known: {', '.join(_ACTIVATIONS)}")
    return {"mlp": mlp, "gelu_tanh": tanh}


def _share(width: Any, heads: Any) -> Any:
    """Return the width of a head; of what are no sizes, the width, which is refused by its name."""
    return width // heads if _is_number(width) and _is_number(heads) and heads > 0 else width


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_ABSENT: Any = object()


def _only(c: Configuration, key: str, allowed: Value, default: Any = _ABSENT) -> None:
    """Raise `InputError` where `key` has a value that we don't compute."""
    value = c.get(key, allowed if default is _ABSENT else default)
    if value != allowed:
        raise InputError(f"{key}={value!r} is not computed here; only {allowed!r}")


def _required(c: Configuration, key: str) -> Any:
    if key not in c:
        raise InputError(f"the configuration lacks {key!r}")
    return c[key]


READERS: Mapping[str, Callable[[Configuration], Sizes]] = MappingProxyType(
    {
        "gpt2": _gpt2,
        "llama": _llama,
        "mistral": _mistral,
        "qwen2": _qwen2,
        "qwen3": _qwen3,
    }
)
