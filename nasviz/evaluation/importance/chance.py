"""Importance by chance: what every measure of importance has to beat."""

from __future__ import annotations

import numpy as np

from nasviz.space.architecture import Architecture
from nasviz.space.importance import Importance


def random_importance(architecture: Architecture, seed: int) -> Importance:
    """Return scores that are drawn, the same ones for the same sizes and the same seed."""
    a, draw = architecture, np.random.default_rng(seed).random
    return Importance(
        layers=draw(a.n_layers),
        heads=draw((a.n_layers, a.n_heads)),
        experts=draw((a.n_layers, a.experts)),
        ff_units=draw((a.n_layers, a.experts, a.d_ff)),
        channels=draw(a.d_model),
    )
