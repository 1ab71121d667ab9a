"""What a second model adds to a cost: its passes, its time and its cache."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from nasviz.cost.flops import Flops
from nasviz.cost.latency import Latency
from nasviz.cost.memory import Memory
from nasviz.cost.sizes import Amount
from nasviz.cost.workload import Workload

Group = TypeVar("Group", Flops, Latency)


def flops_with(own: Flops, other: Flops, on: Amount) -> Flops:
    """Return the FLOPs of both; training is the first one's, which counts the second's already."""
    whole = _sum(own, other, on)
    return replace(
        whole, training_per_token=own.training_per_token, training_parts=own.training_parts
    )


def latency_with(own: Latency, other: Latency, on: Amount, workload: Workload) -> Latency:
    """Return the seconds of both, one after the other."""
    whole = _sum(own, other, on)
    return replace(whole, tokens_per_s=workload.batch / whole.time_per_output_token_s)


def memory_with(own: Memory, other: Memory, on: Amount) -> Memory:
    """Return the bytes of both: the second one's cache; its weights are counted already."""
    cache = on * other.kv_cache_bytes
    return replace(
        own,
        kv_cache_bytes_per_token=own.kv_cache_bytes_per_token + on * other.kv_cache_bytes_per_token,
        kv_cache_bytes=own.kv_cache_bytes + cache,
        kv_read_bytes=own.kv_read_bytes + on * other.kv_read_bytes,
        total_bytes=own.total_bytes + cache,
    )


def _sum(own: Group, other: Group, on: Amount) -> Group:
    values = {}
    for each in fields(own):
        mine, theirs = getattr(own, each.name), getattr(other, each.name)
        values[each.name] = _sum(mine, theirs, on) if is_dataclass(mine) else mine + on * theirs
    return type(own)(**values)
