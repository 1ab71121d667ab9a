"""The settings of a workload, in the words of the field catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nasviz.space.field import Field

_HOFFMANN = "Hoffmann et al. 2022, arXiv:2203.15556"
_BESIROGLU = "Besiroglu et al. 2024, arXiv:2404.10102"
_ZERO = "Rajbhandari et al. 2020, ZeRO, arXiv:1910.02054"

_ALL = (
    Field(
        "prompt_tokens", "Prompt", "integer", "Tokens that are read in a request.",
        "Pope et al. 2022, arXiv:2211.05102", 1, 2**24, default=256, unit="tokens",
    ),
    Field(
        "generated_tokens", "Answer", "integer", "Tokens that are written in a request.",
        "Pope et al. 2022, arXiv:2211.05102", 1, 2**24, default=128, unit="tokens",
    ),
    Field(
        "batch", "Batch", "integer", "Requests served at the same time.",
        "Pope et al. 2022, arXiv:2211.05102", 1, 2**20, default=1,
    ),
    Field(
        "precision", "Precision", "choice", "Number format in which the model is served.",
        "Micikevicius et al. 2018, arXiv:1710.03740; Frantar et al. 2023, arXiv:2210.17323",
        choices=("fp32", "bf16", "fp16", "fp8", "int8", "int4"), default="fp32",
    ),
    Field(
        "requests", "Requests", "integer",
        "Requests in the model's whole life: the more, the more a small model pays.",
        "Sardana et al. 2024, arXiv:2401.00448", 0, 10**15, default=1_000_000,
    ),
    Field(
        "training_tokens", "Training tokens", "integer",
        "Tokens that the model is trained on. Default: so many for each weight.",
        _HOFFMANN, 1, 10**18, unit="tokens",
    ),
    Field(
        "tokens_per_parameter", "Tokens a weight", "real",
        "Training tokens for each active weight, where their number is not given.",
        _HOFFMANN, 1e-6, 1e9, default=20.0, unit="tokens",
    ),
    Field(
        "target_loss", "Target loss", "real",
        "Loss that every candidate is trained to, for as long as the published law says.",
        _BESIROGLU, 1e-3, 100.0, unit="nats a token",
    ),
    Field(
        "training_precision", "Training precision", "choice",
        "Number format in which the model is trained.",
        "Micikevicius et al. 2018, arXiv:1710.03740",
        choices=("fp32", "bf16", "fp16"), default="fp32",
    ),
    Field(
        "training_batch", "Training batch", "integer",
        "Sequences of a full context that each device holds in training.",
        "McCandlish et al. 2018, arXiv:1812.06162", 1, 2**20, default=8, unit="sequences",
    ),
    Field(
        "optimizer", "Optimizer", "choice",
        "What updates the weights: Muon keeps one number for each weight of a matrix, AdamW two.",
        "Jordan et al. 2024, Muon; Loshchilov & Hutter 2019, arXiv:1711.05101",
        choices=("adamw", "muon"), default="muon",
    ),
    Field(
        "zero_stage", "ZeRO stage", "integer",
        "What devices share out: 1 the optimizer's state, 2 gradients too, 3 weights too.",
        _ZERO, 0, 3, default=0,
    ),
    Field(
        "offload", "Offload", "choice",
        "What is kept in the host's memory: nothing, the optimizer's state, or weights as well.",
        "Ren et al. 2021, ZeRO-Offload, arXiv:2101.06840",
        choices=("none", "optimizer", "all"), default="none",
    ),
    Field(
        "devices", "Devices", "integer", "Devices that share the training, all on one host.",
        _ZERO, 1, 10**6, default=1,
    ),
    Field(
        "activation_checkpointing", "Recompute activations", "switch",
        "Computes each layer a second time on the way back instead of remembering it.",
        "Chen et al. 2016, arXiv:1604.06174", default=False,
    ),
)  # fmt: skip

WORKLOAD_FIELDS: Mapping[str, Field] = MappingProxyType({field.name: field for field in _ALL})
