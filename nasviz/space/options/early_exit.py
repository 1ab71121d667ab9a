"""`EarlyExit`: tokens that are easy leave the stack of layers early."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from nasviz.errors import InputError
from nasviz.space.field import Field, choice, integer, real
from nasviz.space.options.option import FitRule, Option

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

Criterion = Literal["max_probability", "margin", "entropy", "saturation", "patience", "gate"]
Heads = Literal["shared", "own"]
SkippedLayers = Literal["recompute", "propagate"]

_CALM = "Schuster et al. 2022, CALM, arXiv:2207.07061"
_LAYERSKIP = "Elhoushi et al. 2024, LayerSkip, arXiv:2404.16710"
_EE_LLM = "Chen et al. 2023, EE-LLM, arXiv:2312.04916"
_PABEE = "Zhou et al. 2020, PABEE, arXiv:2006.04152"


@dataclass(frozen=True)
class EarlyExit(Option):
    """A generated token leaves after the first exit whose confidence is above the threshold.

    Exits stand after `first` layers and after every `every` further ones, or after those in
    `layers`. The prompt is read by all layers. Every criterion is a confidence from 0 to 1:

    max_probability: the likeliest token's probability. margin: its lead over the second.
    entropy: 1 - entropy / ln(vocab_size). saturation: the cosine between the residual stream here
    and at the exit before (at the first exit: before the first layer), 0 where negative.
    patience: the number of exits in a row, this one included, that name the same token, as a share
    of all exits. gate: a small learned classifier of the residual stream.

    With `decay` τ the threshold λ falls along the sequence as in CALM (equation 5):
    0.9 λ + 0.1 exp(-τ t / N) at position t of a context of N tokens, at most 1. `thresholds` gives
    each exit its own in place of the common one. At threshold 1 nobody leaves: the static model.

    Schuster et al. 2022 (CALM, arXiv:2207.07061), Elhoushi et al. 2024 (LayerSkip,
    arXiv:2404.16710), Chen et al. 2023 (EE-LLM, arXiv:2312.04916), Zhou et al. 2020 (PABEE,
    arXiv:2006.04152).
    """

    NAME = "early_exit"
    LABEL = "Early exit"
    HELP = "Easy tokens leave after the first layers that are sure enough; hard ones go on."
    REFERENCE = f"{_CALM}; {_LAYERSKIP}; {_EE_LLM}"
    NEUTRAL = MappingProxyType({"threshold": 1.0})
    FIELDS = (
        real(
            "threshold", "Exit threshold", 0.0, 1.0,
            "How sure an exit must be for a token to leave there; at 1 none leaves.",
            _CALM, default=0.9,
        ),
        choice(
            "criterion", "Exit criterion",
            ("max_probability", "margin", "entropy", "saturation", "patience", "gate"),
            "What counts as sure: the likeliest token's probability, its lead, little entropy, a "
            "state that no longer changes, exits that agree, or a small learned gate.",
            f"{_CALM}; {_PABEE}", "max_probability",
        ),
        integer(
            "first", "First exit", 1, 1024, "Layers below the earliest exit.",
            _LAYERSKIP, default=1, unit="layers",
        ),
        integer(
            "every", "Exit every", 1, 1024, "Layers from one exit to the next.",
            _LAYERSKIP, default=1, unit="layers",
        ),
        choice(
            "heads", "Exit heads", ("shared", "own"),
            "Whether exits use the model's own final norm and output matrix, or a norm and matrix "
            "of their own each.",
            f"{_LAYERSKIP}; {_EE_LLM}", "shared",
        ),
        choice(
            "skipped_layers", "Skipped layers", ("recompute", "propagate"),
            "What later tokens find in the layers that a token skipped: the true keys and values, "
            "computed when they are needed, or cheap ones from the state it left with.",
            f"{_EE_LLM}; {_CALM}", "propagate",
        ),
        real(
            "decay", "Threshold decay", 0.0, 100.0,
            "Lets the threshold fall along the text: early mistakes spread, late ones don't. 0 "
            "keeps it constant.",
            _CALM, default=0.0,
        ),
        Field(
            "layers", "Exit layers", "integers",
            "The layers that have an exit after them, in place of first and every.",
            _EE_LLM, 1, 1024,
        ),
        Field(
            "thresholds", "Thresholds", "reals",
            "One threshold an exit, in place of the common one.",
            _CALM, 0.0, 1.0,
        ),
    )  # fmt: skip
    RULES = (
        FitRule(
            "the first exit stands above the last layer; lower early_exit.first",
            ("n_layers",), ("first",), lambda n_layers, first: first < n_layers,
        ),
    )  # fmt: skip

    threshold: float = 0.9
    criterion: Criterion = "max_probability"
    first: int = 1
    every: int = 1
    heads: Heads = "shared"
    skipped_layers: SkippedLayers = "propagate"
    decay: float = 0.0
    layers: tuple[int, ...] = ()
    thresholds: tuple[float, ...] = ()

    def check_settings(self) -> None:
        """Raise `InputError` for exit layers out of order, and for too many or few thresholds."""
        if any(above <= below for below, above in pairwise(self.layers)):
            raise InputError(f"early_exit.layers={list(self.layers)} are not in rising order")
        if self.layers:
            object.__setattr__(self, "first", self.layers[0])
        if self.thresholds and self.layers and len(self.thresholds) != len(self.layers):
            raise InputError(
                f"early_exit has {len(self.layers)} exits and {len(self.thresholds)} thresholds; "
                "give one an exit"
            )

    def check_fits(self, architecture: Architecture) -> None:
        """Raise `InputError` for exits beyond the last layer, and thresholds that miss them."""
        super().check_fits(architecture)
        if self.layers and self.layers[-1] >= architecture.n_layers:
            raise InputError(
                f"early_exit.layers={list(self.layers)}: the last of "
                f"n_layers={architecture.n_layers} layers needs no exit; leave out those from "
                f"{architecture.n_layers} up"
            )
        exits = self.exits(architecture.n_layers)
        if self.thresholds and len(self.thresholds) != len(exits):
            raise InputError(
                f"early_exit has {len(exits)} exits in {architecture.n_layers} layers and "
                f"{len(self.thresholds)} thresholds; give one an exit"
            )

    def exits(self, n_layers: int) -> tuple[int, ...]:
        """Return after how many layers each exit stands, rising; the last layer is none.

        >>> EarlyExit(first=2, every=3).exits(12)
        (2, 5, 8, 11)
        """
        return self.layers or tuple(range(self.first, n_layers, self.every))

    def thresholds_of(self, n_layers: int) -> tuple[float, ...]:
        """Return each exit's threshold, before any decay."""
        return self.thresholds or (self.threshold,) * len(self.exits(n_layers))
