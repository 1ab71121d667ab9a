"""What each weight of a model is for: what an optimiser, an initialisation or a count asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from torch import nn

from nasviz.model.dynamic.exits import Gate
from nasviz.model.transformer import (
    Attention,
    FeedForward,
    Head,
    RmsNorm,
    Transformer,
)

ParameterKind = Literal[
    "matrix", "output_matrix", "router", "embedding", "head", "norm", "bias", "adapter"
]

# The matrices that write into the residual stream, by the module that owns them.
_OUTPUTS: dict[type[nn.Module], str] = {Attention: "output", FeedForward: "down"}


_BY_MODULE: tuple[tuple[tuple[type[nn.Module], ...], ParameterKind], ...] = (
    ((nn.LayerNorm, RmsNorm), "norm"),
    ((nn.Embedding,), "embedding"),
    ((Head,), "head"),
)


def parameter_kinds(model: Transformer) -> dict[str, ParameterKind]:
    """Return the kind of every parameter by its name, in the model's own order.

    `matrix`: attention's and feed-forward's matrices; `output_matrix`: those among them that write
    into the residual stream; `router`: what scores experts or exits (a matrix, but a small
    classifier by use); `embedding` and `head` (no `head` with tied embeddings); `norm`: weights and
    biases of normalisations; `bias`: the other vectors; `adapter`: corrections of matrices.
    """
    found = dict(_kinds(model))
    return {name: found[name] for name, _ in model.named_parameters()}


def _kinds(model: Transformer) -> Iterator[tuple[str, ParameterKind]]:
    outputs = {
        id(getattr(module, _OUTPUTS[type(module)]))
        for module in model.modules()
        if type(module) in _OUTPUTS
    }
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            yield f"{path}.{name}", _kind(path, module, parameter.ndim, id(module) in outputs)


def _kind(path: str, module: nn.Module, ndim: int, writes_output: bool) -> ParameterKind:
    for types, kind in _BY_MODULE:
        if isinstance(module, types):
            return kind
    if ".lora_" in path:
        return "adapter"
    if ndim == 1:
        return "bias"
    if path.endswith(".router") or isinstance(module, Gate):
        return "router"
    return "output_matrix" if writes_output else "matrix"
