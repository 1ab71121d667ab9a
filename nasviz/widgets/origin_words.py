"""Where a trial came from, in words: for the table of trials, the map and the Compression tab."""

from __future__ import annotations

from nasviz.space.lineage import Lineage
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.study.trial import Trial


def origin_words(trial: Trial) -> str:
    """Return what a trial was made from and how, or who asked for it.

    A pruned trial names its parent, one with zeros says so, since no size tells; so does one that
    learned to be rounded. Of others it is "user", or a search's strategy.
    """
    if trial.lineage is not None:
        return _made_words(trial, trial.lineage)
    if trial.twin_of is not None:
        return f"twin of trial {trial.twin_of}"
    origin = trial.origin
    return origin.split(":")[1] if origin.startswith("search:") else origin


def family_words(trial: Trial) -> str:
    """Return `origin_words` of a trial that was made from another or is a twin, else nothing."""
    related = trial.lineage is not None or trial.twin_of is not None
    return origin_words(trial) if related else ""


def _made_words(trial: Trial, lineage: Lineage) -> str:
    bits = trial.candidate.inference.get(WeightQuantization)
    if lineage.sparsity is not None:
        zeros = lineage.sparsity
        share = f"{zeros.zeros:.0%}" if zeros.block is None else zeros.pattern
        return f"from {lineage.parent}, {share} zeros"
    if bits is not None:
        return f"from {lineage.parent}, for {bits.bits} bits"
    how = " layer by layer" if lineage.per_layer is not None else ""
    return f"pruned{how} from {lineage.parent}"
