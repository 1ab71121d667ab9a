"""Measures what a model takes beyond its operations: Python, views and dispatch.

Small models are run whole, whose operations cost next to nothing; what they take beyond the
tables' sum is overhead. Deepening a model by some layers gives a layer's; switching an option on
gives the option's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nasviz.cost.dynamic.running import static
from nasviz.cost.latency import latency_on
from nasviz.cost.measured import OVERHEADS, MeasuredRates
from nasviz.cost.roofline import lookups
from nasviz.cost.sizes import sizes_of
from nasviz.cost.workload import Precision, Workload
from nasviz.evaluation.latency import measure
from nasviz.evaluation.operations import Operations
from nasviz.evaluation.stopwatch import Stopwatch
from nasviz.space.architecture import Architecture

SHALLOW, DEEP = 2, 10

PLAIN = Architecture(
    n_layers=SHALLOW, d_model=64, n_heads=2, vocab_size=256, context_length=64, position="learned",
    norm="layernorm", mlp="gelu", qk_norm=False,
)  # fmt: skip

# Each probe is the plain model with one option more; its overhead beyond the plain one's is that
# option's. Two experts a token of four: both are visited.
PROBES: dict[str, dict[str, Any]] = {
    "layer": {},
    "rope": {"position": "rope"},
    "qk_norm": {"qk_norm": True},
    "gated": {"mlp": "geglu"},
    "expert": {"experts": 4, "experts_per_token": 2},
}


def measure_overheads(
    operations: Operations, precision: Precision, stopwatch: Stopwatch
) -> MeasuredRates:
    """Return the tables completed by the overheads that the probes show."""
    workload = Workload(prompt_tokens=16, generated_tokens=16, precision=precision)
    rates = MeasuredRates(**vars(operations), overheads_s=dict.fromkeys(OVERHEADS, 0.0))
    probes = [PLAIN.with_(**changes) for changes in PROBES.values()]
    models = [model.with_(n_layers=depth) for model in probes for depth in (SHALLOW, DEEP)]
    found = measure(models, workload, device=stopwatch.device)
    clocks = lookups(rates, precision)
    beyond = []
    for model, reading in zip(models, found, strict=True):
        operations_s = latency_on(clocks, static(sizes_of(model)), workload).time_per_output_token_s
        beyond.append(reading.time_per_output_token_s - float(operations_s))
    by_layer = {
        name: (deep - shallow) / (DEEP - SHALLOW)
        for name, shallow, deep in zip(PROBES, beyond[::2], beyond[1::2], strict=True)
    }
    layer = max(0.0, by_layer["layer"])
    overheads = {name: max(0.0, each - layer) for name, each in by_layer.items()}
    overheads["layer"] = layer
    overheads["expert"] /= PROBES["expert"]["experts_per_token"]
    overheads["model"] = max(0.0, beyond[0] - SHALLOW * layer)
    return replace(rates, overheads_s=overheads)
