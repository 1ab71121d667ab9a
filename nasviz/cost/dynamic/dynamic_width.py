"""What dynamic width does to a cost: fewer heads, a narrower feed-forward, a smaller cache."""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import Amount, Sizes, choose, flag
from nasviz.space.options.dynamic_width import FF_STEP
from nasviz.space.options.shares import share_of


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with narrower layers; all weights stay in memory, for other requests.

    In training each step adds the loss of the narrowest model and of one drawn between it and the
    whole (`nasviz.training.nested_width`), which is priced at its mean width.
    """
    on, sizes = settings.on, running.sizes
    kv_heads = share_of(sizes.n_kv_heads, settings.number("head_share"))
    kv_heads = choose(on, kv_heads, sizes.n_kv_heads)
    heads = kv_heads * (sizes.n_heads // sizes.n_kv_heads)
    d_ff = choose(on, share_of(sizes.d_ff, settings.number("ff_share"), FF_STEP), sizes.d_ff)
    narrow = _with_widths(sizes, heads, kv_heads, d_ff)
    between = _with_widths(
        sizes,
        (sizes.n_heads + heads) / 2,
        (sizes.n_kv_heads + kv_heads) / 2,
        (sizes.d_ff + d_ff) / 2,
    )
    trained = flag((heads < sizes.n_heads) | (d_ff < sizes.d_ff)) * on
    also = tuple(
        replace(each, n_layers=trained * each.n_layers, vocab_size=trained * each.vocab_size)
        for each in (narrow, between)
    )
    return replace(running, sizes=narrow, training_also=running.training_also + also)


def _with_widths(sizes: Sizes, heads: Amount, kv_heads: Amount, d_ff: Amount) -> Sizes:
    return replace(
        sizes,
        n_heads=heads,
        n_kv_heads=kv_heads,
        query_width=heads * sizes.head_dim,
        kv_width=kv_heads * sizes.head_dim,
        d_ff=d_ff,
    )
