"""Which parameter gets which optimizer and rate: by what it is for, not by its name."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Literal

import torch

from nasviz.model.parameters import ParameterKind, parameter_kinds
from nasviz.model.transformer import Transformer
from nasviz.training.learning_rate import Rates
from nasviz.training.muon import Muon

Role = Literal["matrices", "outputs", "embeddings", "head", "vectors"]

# The role in `Rates` of each kind of parameter. A router is a small classifier, and an adapter's
# two matrices are no update of one: no Muon.
ROLES: dict[ParameterKind, Role] = {
    "matrix": "matrices",
    "output_matrix": "outputs",
    "embedding": "embeddings",
    "head": "head",
    "router": "vectors",
    "norm": "vectors",
    "bias": "vectors",
    "adapter": "vectors",
}


def build_optimizer(model: Transformer, rates: Rates, weight_decay: float) -> Muon:
    """Return the optimizer of what learns in `model`, with one group a role, at its peak rate.

    Each group keeps its `peak` rate. Weight decay falls on matrices and an untied head, not on
    embeddings, norms and biases.
    """
    members: dict[Role, list[torch.nn.Parameter]] = defaultdict(list)
    for name, kind in parameter_kinds(model).items():
        if not model.get_parameter(name).requires_grad:  # what adapters correct stays
            continue
        members[ROLES[kind]].append(model.get_parameter(name))
    groups: list[dict[str, Any]] = []
    for role, parameters in sorted(members.items()):
        muon = rates.optimizer == "muon" and role in ("matrices", "outputs")
        rate = getattr(rates, role)
        groups.append(
            {
                "params": parameters,
                "role": role,
                "kind": "muon" if muon else "adamw",
                "peak": rate,
                "lr": rate,
                "weight_decay": weight_decay if role in ("matrices", "outputs", "head") else 0.0,
            }
        )
    return Muon(groups)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to `factor` times its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
