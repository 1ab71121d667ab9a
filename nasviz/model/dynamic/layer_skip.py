"""Layer skipping in the model: the layers that run, and no others."""

from __future__ import annotations

from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.options.layer_skip import LayerSkip, resolved


def shortened(model: Transformer, option: LayerSkip) -> Transformer:
    """Return `model` without the layers that are skipped.

    Raises `InputError` where the choice rests on measured block influence and it was not given:
    name the layers first with `nasviz.space.options.layer_skip.resolved`.
    """
    option.check_fits(model.architecture)
    sizes = option.running(model.architecture)
    if sizes == model.architecture:
        return model
    return subnetwork(model, sizes, resolved(option, model.architecture.n_layers).layers)
