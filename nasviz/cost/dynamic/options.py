"""Which function says what an option does to a cost, and the policy as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nasviz.cost.dynamic import (
    activation_sparsity,
    cascade,
    dynamic_width,
    early_exit,
    kv_eviction,
    kv_quantization,
    kv_window,
    layer_skip,
    mixture_of_depths,
    mixture_of_experts,
    self_speculation,
    token_pruning,
    weight_quantization,
)
from nasviz.cost.dynamic.observed import NOTHING, Observed
from nasviz.cost.dynamic.running import Running, static
from nasviz.cost.dynamic.settings import OneSettings, Settings, TableSettings
from nasviz.cost.sizes import Candidates, Sizes
from nasviz.space.candidate import Candidate
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS
from nasviz.space.options.self_speculation import SelfSpeculation
from nasviz.space.options.token_pruning import TokenPruning
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.table import CandidateTable

Run = Callable[[Settings, Running, Observed], Running]

RUNS: Mapping[type[Option], Run] = MappingProxyType({
    DynamicWidth: dynamic_width.run,
    MixtureOfExperts: mixture_of_experts.run,
    WeightQuantization: weight_quantization.run,
    LayerSkip: layer_skip.run,
    ActivationSparsity: activation_sparsity.run,
    MixtureOfDepths: mixture_of_depths.run,
    TokenPruning: token_pruning.run,
    EarlyExit: early_exit.run,
    SelfSpeculation: self_speculation.run,
    Cascade: cascade.run,
    KVWindow: kv_window.run,
    KVEviction: kv_eviction.run,
    KVQuantization: kv_quantization.run,
})  # fmt: skip


def running_of(
    candidates: Candidates,
    sizes: Sizes,
    observed: Observed = NOTHING,
    rows: tuple[int, int] | None = None,
) -> Running:
    """Return what candidates of these `sizes` compute; `rows` are those of a table's piece.

    Options act in the registry's order.
    """
    running = static(sizes)
    if isinstance(candidates, CandidateTable):
        start, stop = rows if rows is not None else (0, len(candidates))
        for kind in OPTIONS:
            if kind.NAME in candidates.columns:
                settings = TableSettings(kind, candidates, start, stop)
                if np.any(settings.on):
                    running = RUNS[kind](settings, running, observed)
    elif isinstance(candidates, Candidate):
        for option in candidates.inference.options:
            running = RUNS[type(option)](OneSettings(option), running, observed)
    return running
