"""What few bits in the cache do to a cost: fewer bytes, and numbers that are unpacked to be read.

Exactly the bytes that `nasviz.model.dynamic` stores: packed codes, a float16 step and middle for
each group, and what stays in full precision.
"""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.kv_eviction import NOTE_BYTES
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.flops import computed_pairs, reach, seen_pairs
from nasviz.cost.memory import layer_bytes
from nasviz.cost.sizes import Amount, choose, flag, half, larger, smaller

_SHARED_BYTES = 2 * 2  # a step and a middle


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with cached keys and values in a few bits each.

    A prompt is read in pieces between which nothing is quantised.
    """
    on = settings.on * flag(settings.number("bits") < 16)

    def kept_bytes(read: Amount, number_bytes: int) -> Amount:
        full_token = 2 * running.sizes.kv_width * number_bytes
        ring = _ring_bytes(settings, running, read, full_token)
        slots = _slots_bytes(settings, running, read, full_token)
        packed = choose(running.evicts, slots, ring)
        return choose(on, packed, layer_bytes(running, read, number_bytes))

    def read_pairs(tokens: Amount) -> Amount:
        one_by_one = seen_pairs(running, tokens)  # the budget's slots
        packed = choose(running.evicts, one_by_one, _ring_pairs(settings, running, tokens))
        return choose(on, packed, computed_pairs(running, tokens))

    def unpacked(read: Amount) -> Amount:
        tokens = choose(
            running.evicts, smaller(read, reach(running)), _ring_tokens(settings, running, read)[0]
        )
        return choose(on, 2 * running.sizes.kv_width * tokens, 0)

    return replace(
        running,
        read_pairs=read_pairs,
        layer_cache_bytes=kept_bytes,
        layer_unpacked=unpacked,
    )


def _ring_bytes(settings: Settings, running: Running, read: Amount, full_token: Amount) -> Amount:
    """Return the bytes of a layer's sinks, quantised groups and latest tokens (`QuantizedRing`)."""
    sizes, group = running.sizes, settings.number("group")
    channels = settings.chosen("keys", "per_channel")
    packed, full = _ring_tokens(settings, running, read)
    values = packed * _token_bytes(settings, running)
    shared_keys = packed // group * sizes.kv_width * _SHARED_BYTES
    keys = choose(channels, packed * _code_bytes(settings, running) + shared_keys, values)
    return keys + values + full * full_token


def _ring_tokens(settings: Settings, running: Running, read: Amount) -> tuple[Amount, Amount]:
    """Return how many tokens are stored quantised, and how many in full."""
    group = settings.number("group")
    window = larger(reach(running) - running.sinks, 1)
    residual = smaller(settings.number("residual"), window)
    sinks = smaller(read, running.sinks)
    behind = read - sinks
    sealed = larger(behind - residual, 0) // group
    forgotten = larger(behind - window, 0) // group
    return (sealed - forgotten) * group, sinks + behind - sealed * group


def _ring_pairs(settings: Settings, running: Running, tokens: Amount) -> Amount:
    """Return the (query, key) pairs of a prompt: of the sinks, what fills the room, and groups.

    Each piece computes all pairs of its tokens with those in sight of the first of them.
    """
    group, sinks = settings.number("group"), smaller(tokens, running.sinks)
    window = larger(reach(running) - running.sinks, 1)
    room = smaller(settings.number("residual"), window) + group
    behind = tokens - sinks
    first = smaller(behind, room)
    groups = (behind - first) // group
    rest = behind - first - groups * group
    # Group j begins after room + j · group tokens; from `passed` on some of these are out of sight.
    passed = smaller(larger(-((room - window) // group), 0), groups)
    beyond = groups - passed
    ends = groups * (sinks + room + group) + group * half(groups * (groups - 1))
    hidden = beyond * (room + 1 - window) + group * half(beyond * (passed + groups - 1))
    last = sinks + room + groups * group  # where the rest begins
    in_sight = last + rest - larger(last - sinks + 1 - window, 0)
    return sinks * sinks + first * (sinks + first) + group * (ends - hidden) + rest * in_sight


def _slots_bytes(settings: Settings, running: Running, read: Amount, full_token: Amount) -> Amount:
    """Return the bytes of a layer's slots, and of the latest tokens in full (`QuantizedSlots`)."""
    slots = smaller(read, reach(running))
    each = 2 * _token_bytes(settings, running) + NOTE_BYTES * running.sizes.n_kv_heads
    return slots * each + smaller(read, settings.number("residual")) * full_token


def _code_bytes(settings: Settings, running: Running) -> Amount:
    """Return the bytes of one token's codes, of its keys or its values."""
    sizes = running.sizes
    return sizes.n_kv_heads * -(-sizes.head_dim * settings.number("bits") // 8)


def _token_bytes(settings: Settings, running: Running) -> Amount:
    """Return the bytes of one token's codes with the steps that it has for itself."""
    sizes = running.sizes
    groups = -(-sizes.head_dim // settings.number("group"))
    return _code_bytes(settings, running) + sizes.n_kv_heads * groups * _SHARED_BYTES
