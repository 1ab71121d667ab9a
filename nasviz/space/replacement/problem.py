"""`ReplacementProblem`: one of several replacements for each block, within limits on the whole.

A multiple-choice knapsack with several limits (Bercovich et al. 2024, Puzzle, arXiv:2411.19146,
section 3). Shapes: L blocks, C choices for each of them, R rows of limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError

Floats = NDArray[np.float64]
Chosen = NDArray[np.int64]

# Sums of floating-point numbers that meet a limit may miss it by this share of what is summed.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Limit:
    """At most so much in all: `base`, whatever is chosen, and what each choice has `used` (L, C).

    `unit` is printed after amounts; without one they are counts.
    """

    name: str
    used: Floats
    most: float
    base: float = 0.0
    unit: str = ""

    def said(self, amount: float) -> str:
        """Return an amount in words, rounded up: as a limit it can be reached."""
        if not self.unit or amount >= 1e3:
            return f"{math.ceil(amount):,} {self.unit}".strip()
        digits = 3 - math.floor(math.log10(amount)) if amount > 0 else 0
        above = math.ceil(round(amount * 10.0**digits, 6))
        return f"{above / 10.0**digits:.4g} {self.unit}"


@dataclass(frozen=True, eq=False)
class ReplacementProblem:
    """What each choice for each block adds to the loss, (L, C), and what the whole may use.

    Of each of the `needs`, (L, C) of booleans, one choice at the least must be taken. The loss of a
    selection, the number of one choice for each block, is thought to be its choices' sum.

    Raises `InputError` for numbers that are not finite, and shapes that don't agree.
    """

    losses: Floats
    limits: Sequence[Limit]
    needs: Sequence[NDArray[np.bool_]] = ()

    def __post_init__(self) -> None:
        if self.losses.ndim != 2 or not self.losses.size:
            raise InputError(f"losses are (blocks, choices), not of shape {self.losses.shape}")
        _check_finite("losses", self.losses)
        for limit in self.limits:
            _check_finite(limit.name, limit.used)
            if math.isnan(limit.most):
                raise InputError(f"{limit.name}: a limit of {limit.most} is no number")
        for table in (*(limit.used for limit in self.limits), *self.needs):
            if table.shape != self.losses.shape:
                raise InputError(
                    f"losses are of shape {self.losses.shape} and a limit's of {table.shape}; give "
                    "both for the same blocks and choices"
                )

    @cached_property
    def rows(self) -> Floats:
        """What each choice uses of each limit, scaled, then of each need, (R, L, C)."""
        tables = [limit.used for limit in self.limits]
        tables += [-np.asarray(need, dtype=np.float64) for need in self.needs]
        return np.array([t / s for t, s in zip(tables, self._scales, strict=True)]).reshape(
            -1, *self.losses.shape
        )

    @cached_property
    def most(self) -> Floats:
        """The most that the rows may sum to over a selection, (R,)."""
        bounds = [limit.most - limit.base for limit in self.limits]
        bounds += [-1.0 for _ in self.needs]
        return np.array([b / s for b, s in zip(bounds, self._scales, strict=True)])

    @cached_property
    def _scales(self) -> list[float]:
        """The largest sum of each limit over a selection, so that rows are about 1 in all."""
        found = [float(np.abs(limit.used).max(axis=1).sum()) or 1.0 for limit in self.limits]
        return [*found, *(1.0 for _ in self.needs)]

    def loss(self, chosen: Chosen) -> Floats:
        """Return the sum of the losses of selections (..., L): (...)."""
        return self._picked(self.losses, chosen).sum(axis=-1)  # type: ignore[no-any-return]

    def excess(self, chosen: Chosen) -> Floats:
        """Return by how much selections (..., L) are beyond each row, scaled: (..., R)."""
        used = [self._picked(row, chosen).sum(axis=-1) for row in self.rows]
        beyond = np.stack(used, axis=-1) - self.most if used else np.zeros((*chosen.shape[:-1], 0))
        return np.where(beyond > _ROUNDING, beyond, 0.0)

    def fits(self, chosen: Chosen) -> NDArray[np.bool_]:
        """Return whether selections (..., L) keep all limits: (...)."""
        beyond: NDArray[np.bool_] = np.asarray(self.excess(chosen).any(axis=-1))
        return ~beyond

    def used(self, chosen: Chosen) -> dict[str, float]:
        """Return what one selection (L,) uses of each limit, its base included, by name."""
        return {
            limit.name: limit.base + float(self._picked(limit.used, chosen).sum())
            for limit in self.limits
        }

    def _picked(self, table: Floats, chosen: Chosen) -> Floats:
        return table[np.arange(len(self.losses)), chosen]


def _check_finite(name: str, table: Floats) -> None:
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        block, choice = wrong[0]
        raise InputError(f"{name} of block {block}, choice {choice} is {table[block, choice]}")
