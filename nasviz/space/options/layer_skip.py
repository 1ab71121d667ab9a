"""`LayerSkip`: some layers are never run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from nasviz.errors import InputError
from nasviz.space.field import Field, choice, real
from nasviz.space.options.option import Option, SizeChange
from nasviz.space.options.shares import share_of

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

Choose = Literal["uniform", "influence", "first", "last"]

_SHORTGPT = "Men et al. 2024, ShortGPT, arXiv:2403.03853"
_LAYERDROP = "Fan et al. 2019, LayerDrop, arXiv:1909.11556"


@dataclass(frozen=True)
class LayerSkip(Option):
    """Every token goes through the same subset of the layers, in their order.

    `keep` is the share of the layers that run, rounded, at least one. Which ones: "uniform" takes
    evenly spaced ones with the first and the last; "influence" those that change the residual
    stream most (block influence, ShortGPT), which has to be measured first; "first" and "last" cut
    the stack at one end. `layers` names them instead, counted from 0: `resolved` turns any choice
    into that, so what runs can be said exactly.

    Men et al. 2024 (ShortGPT, arXiv:2403.03853), Fan et al. 2019 (LayerDrop, arXiv:1909.11556).
    """

    NAME = "layer_skip"
    LABEL = "Layer skipping"
    HELP = "Some layers are left out for every token, so each token costs less."
    REFERENCE = f"{_SHORTGPT}; {_LAYERDROP}"
    NEUTRAL = MappingProxyType({"keep": 1.0})
    FIELDS = (
        real(
            "keep", "Share of the layers", 0.01, 1.0,
            "The part of the layers that runs, at least one; 1 is all.",
            _LAYERDROP, default=0.75,
        ),
        choice(
            "choose", "Which layers", ("uniform", "influence", "first", "last"),
            "Evenly spaced ones, those that were measured to matter most, or one end of the stack.",
            f"{_SHORTGPT}; {_LAYERDROP}", "uniform",
        ),
        Field(
            "layers", "Kept layers", "integers",
            "The layers that run, counted from 0, in place of keep and choose.",
            _SHORTGPT, 0, 1023,
        ),
    )  # fmt: skip
    CHANGES = MappingProxyType({"n_layers": SizeChange(("keep",), share_of)})

    keep: float = 0.75
    choose: Choose = "uniform"
    layers: tuple[int, ...] = ()

    def check_settings(self) -> None:
        """Raise `InputError` for kept layers out of order."""
        if any(later <= earlier for earlier, later in pairwise(self.layers)):
            raise InputError(f"layer_skip.layers={list(self.layers)} are not in rising order")

    def check_fits(self, architecture: Architecture) -> None:
        """Raise `InputError` for a kept layer that the model doesn't have."""
        super().check_fits(architecture)
        if self.layers and self.layers[-1] >= architecture.n_layers:
            raise InputError(
                f"layer_skip.layers={list(self.layers)}: n_layers={architecture.n_layers} are "
                f"counted from 0; the last is {architecture.n_layers - 1}"
            )

    def running(self, architecture: Architecture) -> Architecture:
        """Return the sizes with as many layers as run."""
        return replace(architecture, n_layers=self.kept(architecture.n_layers))

    def kept(self, n_layers: int) -> int:
        """Return how many of the layers run."""
        return len(self.layers) or int(share_of(n_layers, self.keep))


def resolved(
    option: LayerSkip, n_layers: int, influence: Sequence[float] | None = None
) -> LayerSkip:
    """Return the option with its `layers` named, for a model of `n_layers`.

    `influence` is what `nasviz.evaluation.block_influence` measured, one number a layer. Raises
    `InputError` where the choice needs it and it is missing or of another model.

    >>> resolved(LayerSkip(keep=0.5), 8).layers
    (0, 2, 5, 7)
    >>> resolved(LayerSkip(keep=0.5, choose="influence"), 4, [0.5, 0.1, 0.2, 0.3]).layers
    (0, 3)
    """
    if option.layers:
        return option
    kept = option.kept(n_layers)
    if option.choose == "influence" and kept < n_layers:
        return replace(option, layers=_most_influential(kept, n_layers, influence))
    starts = {"first": 0, "last": n_layers - kept}
    if option.choose in starts:
        start = starts[option.choose]
        return replace(option, layers=tuple(range(start, start + kept)))
    return replace(option, layers=_uniform(kept, n_layers))


def _uniform(kept: int, n_layers: int) -> tuple[int, ...]:
    """Return evenly spaced layers: the first, the last, and between them to the nearest one."""
    gaps = max(1, kept - 1)
    return tuple((2 * i * (n_layers - 1) + gaps) // (2 * gaps) for i in range(kept))


def _most_influential(
    kept: int, n_layers: int, influence: Sequence[float] | None
) -> tuple[int, ...]:
    if influence is None:
        raise InputError(
            "layer_skip.choose='influence' needs measured scores: take them with "
            "nasviz.evaluation.block_influence.block_influence(model, tokens) and name the layers "
            "with nasviz.space.options.layer_skip.resolved(option, n_layers, influence), or choose "
            "'uniform'"
        )
    if len(influence) != n_layers:
        raise InputError(
            f"block influence of {len(influence)} layers doesn't fit n_layers={n_layers}; measure "
            "it on this model"
        )
    ranked = sorted(range(n_layers), key=lambda layer: (-float(influence[layer]), layer))
    return tuple(sorted(ranked[:kept]))
