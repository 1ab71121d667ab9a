"""The catalogue of cost columns: what the map, the limits, the tables and the objectives name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.chunks import in_chunks
from nasviz.cost.dynamic.options import running_of
from nasviz.cost.estimate import Cost, reckoned_apart
from nasviz.cost.hardware import Hardware
from nasviz.cost.reckoning import Reckoning
from nasviz.cost.sizes import Amount, table_chunk
from nasviz.cost.workload import Workload
from nasviz.errors import unknown_name
from nasviz.space.table import CandidateTable


@dataclass(frozen=True)
class CostColumn:
    """One figure of a cost: its name, label, unit, a line of help, and how it is read.

    `of` takes a `Cost` and returns the figure: `(n,)` for a table, a number for one candidate.
    `better` says which end one would rather have; a figure that is no merit either way is neither.
    """

    name: str
    label: str
    unit: str
    help: str
    of: Callable[[Cost | Reckoning], Amount]
    better: Literal["low", "high", "neither"] = "low"


_ALL = (
    CostColumn("parameters_total", "Parameters", "", "All weights of the model.",
               lambda cost: cost.parameters.total),
    CostColumn("parameters_active", "Active parameters", "",
               "Weights that one token uses: all but the experts it doesn't visit.",
               lambda cost: cost.parameters.active),
    CostColumn("parameters_embedding", "Embedding parameters", "",
               "Weights of the token table and of learned positions.",
               lambda cost: cost.parameters.embedding),
    CostColumn("parameters_attention", "Attention parameters", "",
               "Weights of the query, key, value and output projections.",
               lambda cost: cost.parameters.attention),
    CostColumn("parameters_feed_forward", "Feed-forward parameters", "",
               "Weights of the feed-forward parts, all experts included.",
               lambda cost: cost.parameters.feed_forward),
    CostColumn("flops_prefill", "Prefill FLOPs", "FLOP",
               "Operations to read the prompt, with logits for its last position.",
               lambda cost: cost.flops.prefill),
    CostColumn("flops_decode_per_token", "Decode FLOPs a token", "FLOP",
               "Operations to generate one more token.",
               lambda cost: cost.flops.decode_per_token),
    CostColumn("flops_training_per_token", "Training FLOPs a token", "FLOP",
               "Operations of one token's forward and backward in training.",
               lambda cost: cost.flops.training_per_token),
    CostColumn("flops_request", "FLOPs a request", "FLOP",
               "Operations of one request, from prompt to last token.",
               lambda cost: cost.flops.request),
    CostColumn("weights_bytes", "Weights", "B", "Bytes of all weights in the chosen precision.",
               lambda cost: cost.memory.weights_bytes),
    CostColumn("kv_cache_bytes_per_token", "KV cache a token", "B",
               "Bytes of keys and values that one token leaves in the cache.",
               lambda cost: cost.memory.kv_cache_bytes_per_token),
    CostColumn("kv_cache_bytes", "KV cache", "B",
               "Bytes of the cache after the last generated token.",
               lambda cost: cost.memory.kv_cache_bytes),
    CostColumn("kv_read_bytes", "KV read a step", "B",
               "Bytes of keys and values read to generate one token.",
               lambda cost: cost.memory.kv_read_bytes),
    CostColumn("memory_total_bytes", "Serving memory", "B",
               "Bytes of weights, cache and activations together.",
               lambda cost: cost.memory.total_bytes),
    CostColumn("training_state_bytes", "Training state", "B",
               "Bytes of weights, gradients and optimizer on each device.",
               lambda cost: cost.memory.training_state_bytes),
    CostColumn("training_total_bytes", "Training memory", "B",
               "Bytes of training state and activations on each device.",
               lambda cost: cost.memory.training_total_bytes),
    CostColumn("time_to_first_token_s", "Time to first token", "s",
               "Seconds from the prompt to the first generated token.",
               lambda cost: cost.latency.time_to_first_token_s),
    CostColumn("time_per_output_token_s", "Time per output token", "s",
               "Seconds between two generated tokens of a sequence.",
               lambda cost: cost.latency.time_per_output_token_s),
    CostColumn("request_s", "Time a request", "s",
               "Seconds from a request's prompt to its last token.",
               lambda cost: cost.latency.request_s),
    CostColumn("tokens_per_s", "Tokens a second", "token/s",
               "Tokens generated in a second, over the whole batch.",
               lambda cost: cost.latency.tokens_per_s, better="high"),
    CostColumn("energy_j", "Energy a request", "J",
               "Joules of one request: the device's power times its seconds.",
               lambda cost: cost.energy.request_j),
    CostColumn("energy_per_token_j", "Energy a token", "J", "Joules of one generated token.",
               lambda cost: cost.energy.token_j),
    CostColumn("training_s", "Training time", "s",
               "Seconds of training on all devices, at the rate of large products.",
               lambda cost: cost.lifetime.training_s),
    CostColumn("lifetime_training_flops", "Training FLOPs", "FLOP",
               "Operations of the whole training.",
               lambda cost: cost.lifetime.training_flops),
    CostColumn("lifetime_flops", "Lifetime FLOPs", "FLOP",
               "Operations of training and of every request served.",
               lambda cost: cost.lifetime.total_flops),
    CostColumn("lifetime_energy_j", "Lifetime energy", "J",
               "Joules of training and of every request served.",
               lambda cost: cost.lifetime.total_j),
    CostColumn("lifetime_serving_share", "Serving's share", "",
               "Part of the lifetime's operations that serving takes.",
               lambda cost: cost.lifetime.serving_share, better="neither"),
)  # fmt: skip

COST_COLUMNS: Mapping[str, CostColumn] = MappingProxyType({each.name: each for each in _ALL})


def cost_column(name: str) -> CostColumn:
    """Return the column of that name; raises `InputError` with the nearest one."""
    if name not in COST_COLUMNS:
        raise unknown_name("cost", name, COST_COLUMNS)
    return COST_COLUMNS[name]


def cost_columns(
    workload: Workload | None = None,
    hardware: Hardware | None = None,
    names: Iterable[str] | None = None,
) -> Callable[[CandidateTable], dict[str, NDArray[Any]]]:
    """Return a function from a table to the named columns (all by default), `(n,)` float64 each.

    It is the fast road for many candidates: a piece of the table at a time is worked through from
    sizes to columns, and only the columns are stored. Raises `InputError` for an unknown name.
    """
    workload = Workload() if workload is None else workload
    device = Hardware.default() if hardware is None else hardware
    chosen = [cost_column(name) for name in (COST_COLUMNS if names is None else names)]

    def columns(table: CandidateTable) -> dict[str, NDArray[Any]]:
        found = {each.name: np.empty(len(table)) for each in chosen}

        def fill(start: int, stop: int) -> None:
            running = running_of(table, table_chunk(table, start, stop), rows=(start, stop))
            reckoning = Reckoning(running, workload, device)
            for each in chosen:
                found[each.name][start:stop] = each.of(reckoning)

        in_chunks(fill, len(table))
        for rows, reckoning in reckoned_apart(table, workload, device):
            for each in chosen:
                found[each.name][rows] = each.of(reckoning)
        return found

    return columns
