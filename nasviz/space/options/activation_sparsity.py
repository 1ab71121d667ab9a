"""`ActivationSparsity`: matrices are multiplied with the largest of their inputs alone."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from nasviz.space.field import real
from nasviz.space.options.option import Option

_TEAL = "Liu et al. 2024, TEAL, arXiv:2408.14690"
_DEJA_VU = "Liu et al. 2023, Deja Vu, arXiv:2310.17157"


@dataclass(frozen=True)
class ActivationSparsity(Option):
    """Each matrix of a layer sees the largest `keep` of a token's inputs, the others are zero.

    By magnitude, for each token and matrix anew: an exact share, so it needs no calibration and no
    token depends on another. TEAL's thresholds, calibrated on text, give that share on average.
    A token that is computed alone (one text, one token) reads the kept inputs' weights only;
    several tokens together keep different inputs, and are computed whole.

    Liu et al. 2024 (TEAL, arXiv:2408.14690), Liu et al. 2023 (Deja Vu, arXiv:2310.17157).
    """

    NAME = "activation_sparsity"
    LABEL = "Activation sparsity"
    HELP = "Small inputs of each matrix count as zero, and their weights need not be read."
    REFERENCE = f"{_TEAL}; {_DEJA_VU}"
    NEUTRAL = MappingProxyType({"keep": 1.0})
    LAYERS_MAY_DIFFER = True
    CONFLICTS = MappingProxyType({
        "weight_quantization": "packed matrices are read whole, so that leaving inputs out would "
        "cost quality and save nothing",
    })  # fmt: skip
    FIELDS = (
        real(
            "keep", "Share of the inputs", 0.01, 1.0,
            "The part of each matrix's inputs that is kept, the largest ones; 1 is all.",
            _TEAL, default=0.5,
        ),
    )  # fmt: skip

    keep: float = 0.5
