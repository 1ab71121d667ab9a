"""What a cascade does to a cost: a small model beside the whole one, which is asked less often."""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Beside, Running, static
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.parameters import count_parameters
from nasviz.cost.sizes import Amount, Sizes, choose, flag, larger
from nasviz.space.options.cascade import WIDTH_STEP
from nasviz.space.options.shares import share_of


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with a small model that reads everything and answers some tokens.

    Which share it answers is the measured one, or before that 1 - threshold: a prior with the right
    ends, not a result. The whole model reads every token in the end, but those that the small one
    answered together with the first that it didn't, so that its weights are read less often. An
    upper bound: what is written last may never be read by it.
    """
    threshold = settings.number("threshold")
    asked = settings.on * flag(threshold < 1)
    answered = 1 - threshold if observed.answered_share is None else observed.answered_share
    left = 1 - answered
    small = small_sizes(settings, running.stored)
    step, *others = running.decode
    step = replace(
        step,
        share=choose(asked, left * step.share, step.share),
        tokens=choose(asked, step.tokens / larger(left, 1e-9), step.tokens),
    )
    weights = count_parameters(small).total
    return replace(
        running,
        decode=(step, *others),
        additions=running.additions + settings.on * weights,
        training_also=(*running.training_also, _where(settings.on, small)),
        beside=Beside(asked, static(small)),
    )


def small_sizes(settings: Settings, sizes: Sizes) -> Sizes:
    """Return the small model's sizes (`Cascade.small`)."""
    depth, width = settings.number("depth_share"), settings.number("width_share")
    kv_heads = share_of(sizes.n_kv_heads, width)
    heads = kv_heads * (sizes.n_heads // sizes.n_kv_heads)
    return replace(
        sizes,
        n_layers=share_of(sizes.n_layers, depth),
        d_model=share_of(sizes.d_model, width, WIDTH_STEP),
        n_heads=heads,
        n_kv_heads=kv_heads,
        query_width=heads * sizes.head_dim,
        kv_width=kv_heads * sizes.head_dim,
        d_ff=share_of(sizes.d_ff, width, WIDTH_STEP),
    )


def _where(on: Amount, sizes: Sizes) -> Sizes:
    """Return sizes of which nothing is left where `on` is 0."""
    return replace(sizes, n_layers=on * sizes.n_layers, vocab_size=on * sizes.vocab_size)
