"""Which cache a policy asks for: a window, eviction, few bits, or what goes together of these."""

from __future__ import annotations

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.evicting import EvictingLayer
from nasviz.model.dynamic.quantized_ring import QuantizedRing
from nasviz.model.layer_cache import LayerCache, Room
from nasviz.model.ring import Ring
from nasviz.model.transformer import Transformer
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow

CACHE_OPTIONS = (KVWindow, KVEviction, KVQuantization)


def changes_cache(policy: InferencePolicy) -> bool:
    """Return whether the policy says anything about the cache, neutral or not."""
    return any(isinstance(each, CACHE_OPTIONS) for each in policy.options)


def new_cache(
    policy: InferencePolicy, model: Transformer, max_tokens: int | None = None, batch: int = 1
) -> KVCache:
    """Return an empty cache for `batch` sequences of at most `max_tokens` tokens under `policy`.

    `max_tokens` None is the model's context. Without an option of the cache, or with neutral ones,
    it is the static model's own. Raises `InputError` where these options don't fit the model.
    """
    architecture = model.architecture
    for each in policy.options:
        if isinstance(each, CACHE_OPTIONS):  # others may have made this model from a larger one
            each.check_fits(architecture)
    weight = model.token_embedding.weight
    window = _window(policy, architecture.sliding_window)
    eviction = policy.get(KVEviction)
    quantization = policy.get(KVQuantization)
    if quantization is not None and quantization.bits == 16:
        quantization = None

    if eviction is not None and not 0 < eviction.budget < architecture.context_length:
        eviction = None

    def layer_cache(layer: int, room: Room) -> LayerCache:
        if eviction is not None:
            return EvictingLayer(room, eviction, layer, quantization)
        if quantization is not None:
            return QuantizedRing(room, quantization, *window)
        return Ring(room, *window)

    return KVCache(
        architecture,
        max_tokens,
        batch=batch,
        dtype=weight.dtype,
        device=weight.device,
        layer_cache=layer_cache,
    )


def _window(policy: InferencePolicy, own: int) -> tuple[int, int]:
    """Return the width in sight and the sinks beyond it, given the model's `own` window."""
    option = policy.get(KVWindow)
    if option is None or option.window == 0:
        return own, 0
    return min(option.window, own or option.window), option.sinks
