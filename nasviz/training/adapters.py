"""Low-rank adapters through `peft`: added for training, merged for good, kept for a pause.

Hu et al. 2022, LoRA, arXiv:2106.09685.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nasviz.errors import InputError
from nasviz.model.dynamic.additions import build_model
from nasviz.model.transformer import Transformer

ADAPTERS = "adapters.safetensors"

_MATRICES = r"blocks\..*\.(query|key|value|output|gate|up|down)"
_BASE = ".base_layer."


def add_adapters(model: Transformer, rank: int, seed: int) -> None:
    """Let every matrix of the layers learn a correction of that rank, and nothing else.

    The first corrections are zero; half of their factors are drawn from `seed`. Raises `InputError`
    where `peft` is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise InputError(
            "low-rank adapters (lora) need the package peft, which is not installed: "
            "pip install peft"
        ) from None
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_MATRICES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)


def merged(model: Transformer) -> Transformer:
    """Return a plain model whose matrices are those of `model` with their corrections added."""
    weights = {
        name.replace(_BASE, "."): tensor
        for name, tensor in model.state_dict().items()
        if not _is_adapter(name)
    }
    for path, module in model.named_modules():
        if path and hasattr(module, "get_delta_weight"):
            layer: Any = module
            with torch.no_grad():
                weights[f"{path}.weight"] = layer.weight + layer.get_delta_weight("default")
    with torch.device("meta"):
        plain = build_model(model.architecture, model.built_for)
    plain.load_state_dict({name: each.detach() for name, each in weights.items()}, assign=True)
    return plain.eval()


def save_adapters(model: Transformer, folder: Path) -> None:
    """Write the corrections alone into `folder`."""
    save_file({name: each.contiguous() for name, each in _own(model).items()}, folder / ADAPTERS)


def load_adapters(model: Transformer, folder: Path) -> None:
    """Read the corrections that `save_adapters` wrote."""
    stored = load_file(folder / ADAPTERS)
    with torch.no_grad():
        for name, tensor in _own(model).items():
            tensor.copy_(stored[name])


def _own(model: Transformer) -> dict[str, Tensor]:
    return {name: each for name, each in model.state_dict().items() if _is_adapter(name)}


def _is_adapter(name: str) -> bool:
    return ".lora_" in name
