"""The field catalogue: what is said, once, of every size and setting.

Validation, sliders, command-line help, documentation and the bad-input tests are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nasviz.errors import unknown_name
from nasviz.space.field import Field, choice, integer, real, switch
from nasviz.space.options.registry import OPTION_FIELDS

_VASWANI = "Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762"
_GPT2 = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners"
_ROPE = "Su et al. 2021, RoFormer, arXiv:2104.09864"
_GLU = "Shazeer 2020, GLU Variants Improve Transformer, arXiv:2002.05202"
_MIXTRAL = "Jiang et al. 2024, Mixtral of Experts, arXiv:2401.04088"

ARCHITECTURE_FIELDS: tuple[Field, ...] = (
    integer(
        "n_layers",
        "Layers",
        1,
        1024,
        "How many blocks are stacked. Each adds the same cost; more depth composes more steps.",
        _VASWANI,
    ),
    integer(
        "d_model",
        "Embedding size",
        2,
        262_144,
        "Width of the vector that represents a token. Weights and compute grow with its square.",
        _VASWANI,
        unit="dimensions",
    ),
    integer(
        "n_heads",
        "Attention heads",
        1,
        1024,
        "How many places a token can look at in parallel in each layer.",
        _VASWANI,
    ),
    integer(
        "vocab_size",
        "Vocabulary",
        2,
        4_194_304,
        "How many different tokens there are. 256 is plain bytes; more means fewer, longer "
        "tokens a text, and a larger embedding table.",
        "Sennrich et al. 2016, arXiv:1508.07909; Tao et al. 2024, arXiv:2407.13623",
        unit="tokens",
    ),
    integer(
        "context_length",
        "Context size",
        1,
        16_777_216,
        "The longest stretch of tokens that the model sees at once.",
        _VASWANI,
        unit="tokens",
    ),
    integer(
        "n_kv_heads",
        "Key/value heads",
        1,
        1024,
        "Heads that keep keys and values; fewer than the attention heads shrinks the cache. "
        "Default: as many as attention heads.",
        "Ainslie et al. 2023, GQA, arXiv:2305.13245",
    ),
    integer(
        "head_dim",
        "Head size",
        1,
        16_384,
        "Width of one head. Default: embedding size / heads.",
        _VASWANI,
        unit="dimensions",
    ),
    integer(
        "d_ff",
        "Feed-forward size",
        1,
        4_194_304,
        "Inner width of the feed-forward part. Default: 4 × embedding size, or 8/3 × (rounded "
        "up to a multiple of 8) for a gated one.",
        _GLU,
        unit="dimensions",
    ),
    choice(
        "position",
        "Positions",
        ("learned", "rope", "none"),
        "How a token knows where it stands: a learned table, rotated queries and keys, or not "
        "at all.",
        _ROPE,
        "rope",
    ),
    choice(
        "norm",
        "Normalisation",
        ("layernorm", "rmsnorm"),
        "What keeps activations in scale; RMSNorm leaves out the mean.",
        "Zhang & Sennrich 2019, RMSNorm, arXiv:1910.07467",
        "rmsnorm",
    ),
    choice(
        "mlp",
        "Feed-forward kind",
        ("gelu", "relu", "relu2", "swiglu", "geglu"),
        "The non-linearity; swiglu and geglu are gated and have a third matrix.",
        f"{_GLU}; So et al. 2021, Primer (relu2), arXiv:2109.08668",
        "swiglu",
    ),
    choice(
        "biases",
        "Biases",
        ("none", "qkv", "all"),
        "Which linear layers (and, with 'all', layer norms) add a bias vector.",
        _GPT2,
        "none",
    ),
    switch(
        "tied_embeddings",
        "Tied embeddings",
        "One table for reading tokens and for predicting them.",
        "Press & Wolf 2017, arXiv:1608.05859",
        True,
    ),
    switch(
        "qk_norm",
        "QK norm",
        "Normalises queries and keys per head, which keeps attention stable at high rates.",
        "Henry et al. 2020, arXiv:2010.04245; Qwen3, arXiv:2505.09388",
        True,
    ),
    switch(
        "parallel_block",
        "Parallel block",
        "Attention and feed-forward read the same input and are added together.",
        "Wang & Komatsuzaki 2021, GPT-J; Black et al. 2022, GPT-NeoX, arXiv:2204.06745",
        False,
    ),
    integer(
        "experts",
        "Experts",
        1,
        1024,
        "Feed-forward parts to choose from in each layer; 1 is an ordinary, dense model.",
        _MIXTRAL,
        default=1,
    ),
    integer(
        "experts_per_token",
        "Experts per token",
        1,
        1024,
        "How many of the experts each token goes through.",
        _MIXTRAL,
        default=1,
    ),
    real(
        "dropout",
        "Dropout",
        0.0,
        0.95,
        "Share of activations dropped in training, against learning a small text by heart.",
        "Srivastava et al. 2014, JMLR 15",
        default=0.0,
    ),
    real(
        "rotary_share",
        "Rotary share",
        0.01,
        1.0,
        "Share of each head's dimensions that is rotated.",
        "GPT-NeoX, arXiv:2204.06745",
        default=1.0,
    ),
    real(
        "rope_theta",
        "Rotary base",
        1.0,
        1e9,
        "Longest rotary wavelength: larger for longer contexts.",
        _ROPE,
        default=10_000.0,
    ),
    real(
        "rope_scaling",
        "Rotary scaling",
        1.0,
        1024.0,
        "Llama 3's stretching of slow rotations beyond 8,192 positions; 1 is none.",
        "Grattafiori et al. 2024, Llama 3, arXiv:2407.21783",
        default=1.0,
    ),
    integer(
        "extra_positions",
        "Extra positions",
        0,
        1024,
        "Unused rows at the head of a learned position table (OPT has 2).",
        "Zhang et al. 2022, OPT, arXiv:2205.01068",
        default=0,
    ),
    switch(
        "scaled_embedding",
        "Scaled embedding",
        "Multiplies embeddings by the square root of their size (Gemma).",
        f"{_VASWANI}; Gemma, arXiv:2403.08295",
        False,
    ),
    integer(
        "sliding_window",
        "Sliding window",
        0,
        16_777_216,
        "Each token attends to this many latest tokens only; 0 is all of them.",
        "Jiang et al. 2023, Mistral 7B, arXiv:2310.06825",
        default=0,
        unit="tokens",
    ),
    real(
        "norm_eps",
        "Norm epsilon",
        1e-12,
        1e-2,
        "Small number that keeps a normalisation from dividing by zero.",
        "Zhang & Sennrich 2019, arXiv:1910.07467",
        default=1e-5,
    ),
    switch(
        "gelu_tanh",
        "Tanh GELU",
        "Uses the tanh approximation of GELU, as GPT-2 and Gemma do.",
        "Hendrycks & Gimpel 2016, arXiv:1606.08415",
        False,
    ),
)

TRAINING_FIELDS: tuple[Field, ...] = (
    real(
        "learning_rate",
        "Learning rate",
        1e-7,
        10.0,
        "How far each step moves the weights; too low learns slowly, too high diverges.",
        "Bergstra & Bengio 2012, JMLR 13",
    ),
    integer(
        "batch_size",
        "Batch",
        1,
        1_048_576,
        "Sequences in one step.",
        "McCandlish et al. 2018, arXiv:1812.06162",
        unit="sequences",
    ),
    real(
        "weight_decay",
        "Weight decay",
        0.0,
        10.0,
        "Pulls weights towards zero at every step.",
        "Loshchilov & Hutter 2019, arXiv:1711.05101",
        default=0.0,
    ),
)

FIELDS: Mapping[str, Field] = MappingProxyType(
    {field.name: field for field in ARCHITECTURE_FIELDS + TRAINING_FIELDS + OPTION_FIELDS}
)


def field_named(name: str) -> Field:
    """Return the catalogue's field of that name; raises `InputError` with the nearest one."""
    try:
        return FIELDS[name]
    except KeyError:
        raise unknown_name("field", name, FIELDS) from None
