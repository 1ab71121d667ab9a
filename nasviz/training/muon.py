"""Muon: momentum whose update is made orthogonal, batched over matrices of one shape.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". The iteration's
coefficients are those of Polar Express (Amsel et al. 2025, arXiv:2505.16932), and tall or wide
matrices are iterated on as their small Gram matrix (Dao 2026, "Gram Newton-Schulz").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# Odd polynomials a·x + b·x³ + c·x⁵ that, one after the other, bring singular values from
# [0.001, 1] towards 1 fastest: table of arXiv:2505.16932, section 4, for lower bound 0.001.
POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115956949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
)
# The paper's margin against rounding: every polynomial but the last one is slightly deflated.
SAFETY = 1.01
# Below this ratio of the sides the plain iteration needs fewer products than the Gram form.
GRAM_RATIO = 1.5

Matrices = tuple[Tensor, ...]


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return the nearest orthogonal matrices, U·Vᵀ of each U·S·Vᵀ, roughly.

    `matrices` is (batch, rows, columns), fp32. Four steps keep U and V and bring singular values
    above 0.001 of the matrix's norm to between 0.42 and 1.57, smaller ones to less. So the cosine
    between the result and U·Vᵀ is at least 0.81; it is about 0.93 for random matrices.
    """
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if tall else matrices  # (batch, n, m), n <= m
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * SAFETY + 1e-7)
    wide = x.size(-1) > GRAM_RATIO * x.size(-2)
    x = _by_gram(x) if wide else _by_products(x)
    return x.mT if tall else x


def _coefficients(step: int) -> tuple[float, float, float]:
    a, b, c = POLAR_EXPRESS[step]
    if step == len(POLAR_EXPRESS) - 1:
        return a, b, c
    return a / SAFETY, b / SAFETY**3, c / SAFETY**5


def _by_products(x: Tensor) -> Tensor:
    """Return p(…p(X)) computed on X itself: 2·n²·m + n³ multiply-adds a step."""
    for step in range(len(POLAR_EXPRESS)):
        a, b, c = _coefficients(step)
        gram = torch.bmm(x, x.mT)  # (batch, n, n)
        inner = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, inner, x, beta=a)
    return x


def _by_gram(x: Tensor) -> Tensor:
    """Return p(…p(X)) as Q·X, where Q is computed on R = X·Xᵀ alone: the steps are n³."""
    last = len(POLAR_EXPRESS) - 1
    gram = torch.bmm(x, x.mT)  # (batch, n, n)
    product = gram.new_empty(0)
    for step in range(last + 1):
        a, b, c = _coefficients(step)
        inner = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # p(R)/… without its a·I
        product = (
            inner + a * torch.eye(gram.size(-1), dtype=gram.dtype, device=gram.device)
            if step == 0
            else torch.baddbmm(product, inner, product, beta=a)
        )
        if step < last:  # R ← p(R)·R·p(R); all of them commute
            half = torch.baddbmm(gram, inner, gram, beta=a)
            gram = torch.baddbmm(half, inner, half, beta=a)
    return torch.bmm(product, x)


def shape_scale(rows: int, columns: int) -> float:
    """Return what an orthogonal update is multiplied by: √(rows/columns), at least 1.

    With it the rate that suits one width suits the others (Jordan 2024; Bernstein 2025).
    """
    return float(max(1.0, rows / columns) ** 0.5)


class Muon(torch.optim.Optimizer):
    """Muon for the groups that say `"kind": "muon"`, fused AdamW for those with `"adamw"`.

    It is handed to DeepSpeed as a client optimizer. At ZeRO stage 0 it sees the matrices. At
    stages 1 and 2 DeepSpeed puts one flat slice of the group in their place; then gradients are
    gathered, the whole matrices orthogonalised, and this process's slice of the update is kept.
    `orthogonalised` counts the matrices that have been orthogonalised since it was set to 0.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float = 0.9) -> None:
        defaults = {"lr": 0.0, "weight_decay": 0.0, "momentum": momentum}
        super().__init__(list(groups), defaults)
        self.orthogonalised = 0
        # What ZeRO replaces by flat slices: the parameters themselves, by group.
        self._whole: dict[int, list[Tensor]] = {
            id(group): list(group["params"]) for group in self._groups("muon")
        }
        vectors = self._groups("adamw")
        self._adamw = (
            torch.optim.AdamW(vectors, lr=0.0, betas=(0.9, 0.95), eps=1e-10, fused=True)
            if vectors
            else None
        )
        if self._adamw is not None:
            # The same dictionaries, so that rates and ZeRO's replacements reach both.
            for ours, theirs in zip(vectors, self._adamw.param_groups, strict=True):
                ours.update({key: theirs[key] for key in theirs if key not in ours})
            self._adamw.param_groups = vectors
            self._adamw.state = self.state

    def _groups(self, kind: str) -> list[dict[str, Any]]:
        return [group for group in self.param_groups if group["kind"] == kind]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        ZeRO calls this once a group, with the others taken out of `param_groups`.
        """
        for group in self._groups("muon"):
            whole = self._whole[id(group)]
            if group["params"] and group["params"][0] is not whole[0]:
                self._step_flat(group, whole)
            else:
                self._step_whole(group)
        vectors = self._groups("adamw")
        if self._adamw is not None and vectors:
            self._adamw.param_groups = vectors
            self._adamw.step()

    def _step_whole(self, group: dict[str, Any]) -> None:
        """Update matrices that are all here."""
        weights = [weight for weight in group["params"] if weight.grad is not None]
        updates = [self._with_momentum(weight, group["momentum"]) for weight in weights]
        for weight, update in zip(weights, self._orthogonal(updates), strict=True):
            if group["weight_decay"]:
                weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update, alpha=-group["lr"])

    def _step_flat(self, group: dict[str, Any], whole: list[Tensor]) -> None:
        """Update this process's slice of a group that ZeRO has flattened and shared out."""
        (flat,) = group["params"]
        if flat.grad is None:
            return
        update = self._with_momentum(flat, group["momentum"])
        gathered = _gather(update)
        # ZeRO keeps each parameter as a view into the flat group, so the view says where it is.
        places = [(weight.storage_offset(), weight.shape) for weight in whole]
        views = [gathered[at : at + shape.numel()].view(shape) for at, shape in places]
        for view, orthogonal in zip(views, self._orthogonal(views), strict=True):
            view.copy_(orthogonal)
        start = flat.numel() * (dist.get_rank() if gathered.numel() > flat.numel() else 0)
        if group["weight_decay"]:
            flat.mul_(1 - group["lr"] * group["weight_decay"])
        flat.add_(gathered[start : start + flat.numel()], alpha=-group["lr"])

    def _with_momentum(self, weight: Tensor, momentum: float) -> Tensor:
        """Return the gradient led by its running mean (Nesterov), which is brought up to date."""
        gradient = weight.grad
        assert gradient is not None
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        running: Tensor = state["momentum"]
        running.lerp_(gradient, 1 - momentum)
        return gradient.lerp(running, momentum)

    def _orthogonal(self, updates: list[Tensor]) -> list[Tensor]:
        """Return scaled orthogonal updates, in order; equal shapes are computed as one batch."""
        by_shape: dict[torch.Size, list[int]] = defaultdict(list)
        for index, update in enumerate(updates):
            by_shape[update.shape].append(index)
        done: list[Tensor] = list(updates)
        for shape, indices in by_shape.items():
            rows, columns = shape[-2:]
            batch = torch.stack([updates[index] for index in indices])
            flat = batch.view(-1, rows, columns)  # experts are (experts, rows, columns)
            result = orthogonalise(flat).mul_(shape_scale(rows, columns)).view(batch.shape)
            self.orthogonalised += flat.size(0)
            for place, index in enumerate(indices):
                done[index] = result[place]
        return done


def _gather(flat: Tensor) -> Tensor:
    """Return every process's slice, one after the other."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return flat
    slices = [torch.empty_like(flat) for _ in range(dist.get_world_size())]
    dist.all_gather(slices, flat)
    return torch.cat(slices)
