"""What token pruning does to a cost: fewer prompt tokens and fewer keys in deeper layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running, Stage, stages_of, stages_where
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import Amount, choose, flag, larger, smaller
from nasviz.space.options.shares import share_of


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with prompts that get shorter on their way up.

    How many tokens stay behind where follows from the settings alone: nothing is to be measured.
    """
    on = settings.on * flag(settings.number("keep") < 1)
    n_layers = running.sizes.n_layers

    def stages(prompt: Amount) -> tuple[Stage, ...]:
        return stages_where(on, _pruned(settings, n_layers, prompt), stages_of(running, prompt))

    return replace(running, stages=stages) if np.any(on) else running


def _pruned(settings: Settings, n_layers: Amount, prompt: Amount) -> tuple[Stage, ...]:
    """Return the stages of a prompt, tokens staying behind before each but the first."""
    keep, protected = settings.number("keep"), settings.number("protected")
    start, every = settings.number("first"), settings.number("every")
    found = [Stage(smaller(start, n_layers), prompt)]
    tokens = prompt
    while np.any(start < n_layers):
        layers = larger(smaller(n_layers - start, every), 0)
        kept = larger(share_of(tokens, keep), smaller(tokens, protected + 1))
        # Rows without a further stage ask nobody: their number of layers there is 0.
        found.append(Stage(layers, kept, chosen_from=tokens))
        tokens = choose(layers > 0, kept, tokens)
        start = start + every
    return tuple(found)
