"""Dynamic width in the model: the first heads and the first part of every feed-forward."""

from __future__ import annotations

from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.options.dynamic_width import DynamicWidth


def narrowed(model: Transformer, option: DynamicWidth) -> Transformer:
    """Return the narrower model inside `model`, without a copy of any weight."""
    sizes = option.running(model.architecture)
    return model if sizes == model.architecture else subnetwork(model, sizes)
