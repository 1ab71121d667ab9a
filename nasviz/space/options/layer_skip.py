"""`LayerSkip`: some layers are not run, for any token or for some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from nasviz.errors import InputError
from nasviz.space.field import Field, choice, real
from nasviz.space.options.option import ConflictWhere, FitRule, Option, SizeChange
from nasviz.space.options.shares import share_of

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

Choose = Literal["uniform", "influence", "first", "last", "router"]

_SHORTGPT = "Men et al. 2024, ShortGPT, arXiv:2403.03853"
_LAYERDROP = "Fan et al. 2019, LayerDrop, arXiv:1909.11556"
_SKIPNET = "Wang et al. 2018, SkipNet, arXiv:1711.09485"


def _left(n_layers: Any, keep: Any, choose: Any) -> Any:
    """Return how many layers a model has for what acts after: a router leaves all in place."""
    if isinstance(choose, str):
        return n_layers if choose == "router" else share_of(n_layers, keep)
    import numpy as np  # not at the top: an architecture alone needs no numpy

    return np.where(choose == "router", n_layers, share_of(n_layers, keep))


@dataclass(frozen=True)
class LayerSkip(Option):
    """Tokens go through a part of the layers, in their order: the same for all, or each its own.

    `keep` is the share of the layers that run, rounded, at least one. Which ones: "uniform" takes
    evenly spaced ones with the first and the last; "influence" those that change the residual
    stream most (block influence, ShortGPT), which has to be measured first; "first" and "last" cut
    the stack at one end. `layers` names them instead, counted from 0: `resolved` turns any of these
    choices into that, so what runs can be said exactly.

    "router" decides anew for every token: each layer but the first has a learned gate that reads
    the token's own stream before the layer, and the token skips the layer where the gate is below
    one half; else what the layer adds is multiplied by it. A skipped token leaves no keys and
    values. Nothing is read of other tokens, so prompts, generated text and training decide alike.
    In training the mean use is pulled to `keep`, which is then the routers' capacity; how many
    layers a token really takes is measured. Gates are trained with the model: one that was trained
    without them is refused.

    Men et al. 2024 (ShortGPT, arXiv:2403.03853), Fan et al. 2019 (LayerDrop, arXiv:1909.11556);
    gates as in Wang et al. 2018 (SkipNet, arXiv:1711.09485).
    """

    NAME = "layer_skip"
    LABEL = "Layer skipping"
    HELP = "Some layers are left out, the same for every token or as a router decides for each."
    REFERENCE = f"{_SHORTGPT}; {_LAYERDROP}; {_SKIPNET}"
    NEUTRAL = MappingProxyType({"keep": 1.0})
    CONFLICTS_WHERE = (
        ConflictWhere("choose", "router", MappingProxyType({
            "early_exit": "both decide which layers a token skips: an exit would read streams that "
            "the router has left at different depths, and was trained on none of them",
            "self_speculation": "wrong guesses are taken back by their place in the cache, which "
            "differs from layer to layer where tokens were skipped",
            "cascade": "the whole model reads what it missed in one pass, and the router decides "
            "token by token",
            "token_pruning": "both decide which tokens of a prompt a layer sees, and the router "
            "was trained on whole texts",
            "dynamic_width": "slices of the model are trained in full, without the router",
            "kv_window": "a window counts positions, and a layer that tokens skip would see "
            "farther back than another",
            "kv_eviction": "both choose which keys a layer keeps, and eviction counts every "
            "position",
        })),
    )  # fmt: skip
    FIELDS = (
        real(
            "keep", "Share of the layers", 0.01, 1.0,
            "The part of the layers that runs, at least one; 1 is all. With the router it is the "
            "capacity: the mean part that its gates are taught to let a token through.",
            f"{_LAYERDROP}; {_SKIPNET}", default=0.75,
        ),
        choice(
            "choose", "Which layers", ("uniform", "influence", "first", "last", "router"),
            "Evenly spaced ones, those that were measured to matter most, one end of the stack, or "
            "for each token those that learned gates pick.",
            f"{_SHORTGPT}; {_LAYERDROP}; {_SKIPNET}", "uniform",
        ),
        Field(
            "layers", "Kept layers", "integers",
            "The layers that run, counted from 0, in place of keep and choose.",
            _SHORTGPT, 0, 1023,
        ),
    )  # fmt: skip
    RULES = (
        FitRule(
            "the first layer always runs, and no other would with so low a capacity; raise "
            "layer_skip.keep",
            ("n_layers",), ("keep", "choose"),
            lambda n_layers, keep, choose:
            (n_layers * keep > 1) | (keep == 1) | (choose != "router"),
        ),
        FitRule(
            "the model's own window counts positions, and routed layers miss some; set "
            "sliding_window=0, or choose layers that are the same for every token",
            ("sliding_window", "context_length"), ("keep", "choose"),
            lambda window, context, keep, choose:
            (window == 0) | (window >= context) | (keep == 1) | (choose != "router"),
        ),
    )  # fmt: skip
    CHANGES = MappingProxyType({"n_layers": SizeChange(("keep", "choose"), _left)})

    keep: float = 0.75
    choose: Choose = "uniform"
    layers: tuple[int, ...] = ()

    def check_settings(self) -> None:
        """Raise `InputError` for kept layers out of order, or named beside a router."""
        if any(later <= earlier for earlier, later in pairwise(self.layers)):
            raise InputError(f"layer_skip.layers={list(self.layers)} are not in rising order")
        if self.layers and self.choose == "router":
            raise InputError(
                f"layer_skip.layers={list(self.layers)} would run for every token, and "
                "layer_skip.choose='router' decides for each; leave one of them out"
            )

    def check_fits(self, architecture: Architecture) -> None:
        """Raise `InputError` for a kept layer that the model doesn't have."""
        super().check_fits(architecture)
        if self.layers and self.layers[-1] >= architecture.n_layers:
            raise InputError(
                f"layer_skip.layers={list(self.layers)}: n_layers={architecture.n_layers} are "
                f"counted from 0; the last is {architecture.n_layers - 1}"
            )

    def running(self, architecture: Architecture) -> Architecture:
        """Return the sizes with as many layers as run; a router leaves them all in place."""
        if self.choose == "router":
            return architecture
        return replace(architecture, n_layers=self.kept(architecture.n_layers))

    def kept(self, n_layers: int) -> int:
        """Return how many of the layers run."""
        return len(self.layers) or int(share_of(n_layers, self.keep))

    def routed(self, n_layers: int) -> tuple[int, ...]:
        """Return the layers that have a gate, rising: all but the first, or none.

        >>> LayerSkip(choose="router").routed(4), LayerSkip().routed(4)
        ((1, 2, 3), ())
        """
        return tuple(range(1, n_layers)) if self.choose == "router" and self.keep < 1 else ()

    def capacity(self, n_layers: int) -> float:
        """Return the mean share of the routed layers that makes `keep` of all layers."""
        return (self.keep * n_layers - 1) / (n_layers - 1)


def resolved(
    option: LayerSkip, n_layers: int, influence: Sequence[float] | None = None
) -> LayerSkip:
    """Return the option with its `layers` named, for a model of `n_layers`; a router stays one.

    `influence` is what `nasviz.evaluation.block_influence` measured, one number a layer. Raises
    `InputError` where the choice needs it and it is missing or of another model.

    >>> resolved(LayerSkip(keep=0.5), 8).layers
    (0, 2, 5, 7)
    >>> resolved(LayerSkip(keep=0.5, choose="influence"), 4, [0.5, 0.1, 0.2, 0.3]).layers
    (0, 3)
    """
    if option.layers or option.choose == "router":
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
            "nasviz.evaluation.block_influence.block_influence(model, tokens) and keep them in "
            "model.block_influence, as a trained trial does by itself, or choose 'uniform'"
        )
    if len(influence) != n_layers:
        raise InputError(
            f"block influence of {len(influence)} layers doesn't fit n_layers={n_layers}; measure "
            "it on this model"
        )
    ranked = sorted(range(n_layers), key=lambda layer: (-float(influence[layer]), layer))
    return tuple(sorted(ranked[:kept]))
