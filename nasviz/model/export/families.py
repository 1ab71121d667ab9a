"""The families, in the order in which they are tried; each is data."""

from __future__ import annotations

from nasviz.model.export import configuration, names, rearrange
from nasviz.model.export.family import Family, Rule, one_of
from nasviz.space.architecture import Architecture
from nasviz.space.field import Value


def _even_head(a: Architecture) -> Value | None:
    return None if a.d_model % a.n_heads else a.d_model // a.n_heads


EVERY_HEAD = Rule("n_kv_heads", lambda a: a.n_kv_heads == a.n_heads, lambda a: a.n_heads)
HEADS_FILL = Rule("head_dim", lambda a: a.head_dim * a.n_heads == a.d_model, _even_head)
HEADS_DIVIDE = Rule("n_heads", lambda a: a.d_model % a.n_heads == 0, lambda a: None)
WINDOW = frozenset({"sliding_window"})
WINDOW_AND_EXPERTS = WINDOW | {"experts_per_token"}
UNGATED = one_of("mlp", "gelu", "relu", "relu2")
SEVERAL_EXPERTS = Rule("experts", lambda a: a.experts > 1, lambda a: 2)
# Gemma's configuration reads "gelu" as the tanh approximation too: the exact one has no word.
TANH_GELU = Rule("gelu_tanh", lambda a: a.mlp != "geglu" or a.gelu_tanh, lambda a: True)
EVEN_HEAD = Rule("head_dim", lambda a: a.head_dim % 2 == 0, lambda a: a.head_dim + 1)

# Families that have every bias: where an architecture has none, zeros are written.
BIASES = frozenset({"biases"})
_OLD = (one_of("norm", "layernorm"), UNGATED, EVERY_HEAD, HEADS_FILL)

FAMILIES: tuple[Family, ...] = (
    Family(
        "Llama", "llama", configuration.llama, names.LLAMA,
        rules=(one_of("biases", "none", "all"), HEADS_DIVIDE),
    ),
    Family("Qwen3", "qwen3", configuration.qwen, names.LLAMA,
           rules=(one_of("qk_norm", True),), free=WINDOW),
    Family("Mistral", "mistral", configuration.mistral, names.LLAMA, free=WINDOW),
    Family("Qwen2", "qwen2", configuration.qwen, names.LLAMA,
           rules=(one_of("biases", "qkv"),), free=WINDOW),
    Family("Mixtral", "mixtral", configuration.mixtral, names.MIXTRAL,
           rules=(SEVERAL_EXPERTS,), free=WINDOW_AND_EXPERTS),
    Family("Qwen3Moe", "qwen3_moe", configuration.qwen3_moe, names.QWEN3_MOE,
           rules=(SEVERAL_EXPERTS, one_of("qk_norm", True)), free=WINDOW_AND_EXPERTS),
    Family("Gemma", "gemma", configuration.gemma, names.LLAMA,
           rules=(one_of("scaled_embedding", True), TANH_GELU), rearranged=rearrange.gemma),
    Family(
        "Arcee", "arcee", configuration.llama, names.LLAMA,
        rules=(one_of("mlp", "relu2", "relu", "gelu"), one_of("biases", "none", "all"),
               HEADS_DIVIDE),
    ),
    Family("Apertus", "apertus", configuration.llama, names.APERTUS,
           rules=(one_of("mlp", "relu2", "relu", "gelu"), one_of("qk_norm", True))),
    Family(
        "SmolLM3", "smollm3", configuration.smollm3, names.LLAMA,
        rules=(one_of("position", "none"), one_of("biases", "none", "all"), EVEN_HEAD),
        free=WINDOW,
    ),
    Family(
        "GPT2", "gpt2", configuration.gpt2, names.GPT2,
        rules=(*_OLD, one_of("position", "learned")), free=BIASES, rearranged=rearrange.gpt2,
    ),
    Family(
        "OPT", "opt", configuration.opt, names.OPT,
        rules=(*_OLD, one_of("position", "learned"), one_of("extra_positions", 2),
               one_of("norm_eps", 1e-5)),
        free=BIASES, rearranged=rearrange.zero_biases,
    ),
    Family(
        "GPTNeoX", "gpt_neox", configuration.gpt_neox, names.GPT_NEOX,
        rules=_OLD, free=BIASES | {"parallel_block", "rotary_share"},
        rearranged=rearrange.gpt_neox,
    ),
    Family(
        "Starcoder2", "starcoder2", configuration.starcoder2, names.STARCODER2,
        rules=(one_of("norm", "layernorm"), UNGATED), free=BIASES | WINDOW,
        rearranged=rearrange.zero_biases,
    ),
)  # fmt: skip
