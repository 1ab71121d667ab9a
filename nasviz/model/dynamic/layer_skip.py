"""Layer skipping in the model: the layers that run for every token, and no others.

Where a router decides for each token, see `nasviz.model.dynamic.routed`.
"""

from __future__ import annotations

from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.options.layer_skip import LayerSkip, resolved


def shortened(model: Transformer, option: LayerSkip) -> Transformer:
    """Return `model` without the layers that every token skips.

    Raises `InputError` where the choice rests on block influence that was not measured of `model`.
    """
    option.check_fits(model.architecture)
    sizes = option.running(model.architecture)
    if sizes == model.architecture:
        return model
    named = resolved(option, model.architecture.n_layers, model.block_influence)
    return subnetwork(model, sizes, named.layers)
