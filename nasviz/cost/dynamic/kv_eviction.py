"""What evicting from the cache does to a cost: fewer keys, and notes about each of them."""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.flops import computed_pairs
from nasviz.cost.memory import layer_bytes
from nasviz.cost.sizes import Amount, choose, flag, smaller

# A kept token's position (an int32) and score (a float32), in each KV head.
NOTE_BYTES = 8


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with a budget of keys in each layer and KV head.

    A prompt is read at once as far as the budget goes, and token by token from there on.
    """
    sizes, budget = running.sizes, settings.number("budget")
    on = settings.on * flag(budget > 0) * flag(budget < sizes.context_length)
    kept = sizes.context_length if running.most_keys is None else running.most_keys

    def kept_bytes(read: Amount, number_bytes: int) -> Amount:
        tokens = smaller(read, budget)
        numbers = 2 * sizes.kv_width * number_bytes
        evicted = tokens * (numbers + NOTE_BYTES * sizes.n_kv_heads)
        return choose(on, evicted, layer_bytes(running, read, number_bytes))

    def read_pairs(tokens: Amount) -> Amount:
        at_once = smaller(tokens, budget)
        evicted = at_once * at_once + (tokens - at_once) * budget
        return choose(on, evicted, computed_pairs(running, tokens))

    return replace(
        running,
        most_keys=choose(on, budget, kept),
        evicts=choose(on, 1, running.evicts),
        read_pairs=read_pairs,
        layer_cache_bytes=kept_bytes,
    )
