"""Options that change a pass's weights, each with settings that change something."""

from __future__ import annotations

import random

import torch
from random_models import random_architecture, random_model

from nasviz.model.cache import KVCache
from nasviz.model.transformer import Transformer
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.option import Option
from nasviz.space.options.weight_quantization import WeightQuantization

# In the order in which they act.
OPTIONS: tuple[Option, ...] = (
    DynamicWidth(ff_share=0.5, head_share=0.5),
    WeightQuantization(bits=8),
    WeightQuantization(bits=4, group_size=32),
    LayerSkip(keep=0.6),
    ActivationSparsity(keep=0.5),
)

# Products with packed weights are in 16 bits, which the next product's rounding may double.
TOLERANCE = {WeightQuantization: 0.05}
EXACT = 2e-5


def name(option: Option) -> str:
    return option.NAME + str(getattr(option, "bits", ""))


def drawn_model(seed: int) -> Transformer:
    return random_model(random_architecture(random.Random(seed)), seed)


def tokens_for(model: Transformer, batch: int) -> torch.Tensor:
    a = model.architecture
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(a.vocab_size, (batch, a.context_length), generator=generator)


@torch.inference_mode()
def read_step_by_step(model: Transformer, tokens: torch.Tensor, prompt: int) -> torch.Tensor:
    """Return the logits after a prompt and after each further token, (B, T - prompt + 1, V)."""
    cache = KVCache(model.architecture, batch=len(tokens))
    logits = [model.prefill(tokens[:, :prompt], cache)]
    logits += [model.decode(column, cache) for column in tokens[:, prompt:].unbind(1)]
    return torch.stack(logits, dim=1)


def gap(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference of logits, as a share of their spread."""
    return float((one - other).abs().max() / other.std())
