"""Layer skipping in the model: the layers that run for every token, and no others.

Where a router decides for each token, see `nasviz.model.dynamic.routed`.
"""

from __future__ import annotations

from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.options.layer_skip import LayerSkip, resolved


def shortened(model: Transformer, option: LayerSkip) -> Transformer:
    """Return `model` without the layers that every token skips.

    Raises `InputError` where the choice rests on measured block influence and it was not given:
    name the layers first with `nasviz.space.options.layer_skip.resolved`.
    """
    option.check_fits(model.architecture)
    sizes = option.running(model.architecture)
    if sizes == model.architecture:
        return model
    return subnetwork(model, sizes, resolved(option, model.architecture.n_layers).layers)
