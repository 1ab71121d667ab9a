"""`KVQuantization`: keys and values in 8, 4 or 2 bits, the latest in full precision."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from nasviz.errors import InputError
from nasviz.space.field import choice, integer
from nasviz.space.options.option import FitRule, Option

Keys = Literal["per_channel", "per_token"]

_KIVI = "Liu et al. 2024, KIVI, arXiv:2402.02750"
_BITS = "the bits are 8, 4 or 2, or 16 for no quantisation"


def _packs(bits: Any) -> Any:
    return (bits == 16) | (bits == 8) | (bits == 4) | (bits == 2)


@dataclass(frozen=True)
class KVQuantization(Option):
    """Cached keys and values are stored in `bits` bits, with a step and a middle a group of them.

    Values share these over `group` neighbouring channels of one token. Keys do too with
    keys="per_token"; with "per_channel" they share them over `group` neighbouring tokens of one
    channel, since a few channels of keys are large everywhere. The latest `residual` tokens stay
    in full precision, and so do those behind them that don't fill a group yet, and the sinks of
    `kv_window`. A token attends to what is stored: what it reads in a prompt is what it would
    read in generation.

    Under `kv_eviction` neighbours leave at different times, so that each token is quantised by
    itself, whatever `keys` says.

    With 16 bits nothing is quantised: the static model.

    Liu et al. 2024 (KIVI, arXiv:2402.02750).
    """

    NAME = "kv_quantization"
    LABEL = "Cache bits"
    HELP = "Stores keys and values in a few bits each, all but the latest."
    REFERENCE = _KIVI
    NEUTRAL = MappingProxyType({"bits": 16})
    LAYERS_MAY_DIFFER = True
    FIELDS = (
        integer(
            "bits", "Bits", 2, 16,
            "Bits of a stored number: 8, 4 or 2; 16 leaves everything as it is.",
            _KIVI, default=4, unit="bits",
        ),
        integer(
            "group", "Group", 1, 1024,
            "How many neighbouring numbers share a step and a middle: fewer are more exact.",
            _KIVI, default=32, unit="numbers",
        ),
        integer(
            "residual", "Residual", 0, 4_194_304,
            "How many of the latest tokens stay in full precision.",
            _KIVI, default=32, unit="tokens",
        ),
        choice(
            "keys", "Keys", ("per_channel", "per_token"),
            "Whether keys share a step along the text, channel by channel, or within a token. "
            "With eviction it is always within a token.",
            _KIVI, "per_channel",
        ),
    )  # fmt: skip
    RULES = (FitRule(_BITS, (), ("bits",), _packs),)

    bits: int = 4
    group: int = 32
    residual: int = 32
    keys: Keys = "per_channel"

    def check_settings(self) -> None:
        """Raise `InputError` for bits that don't fill a byte evenly."""
        if not _packs(self.bits):
            raise InputError(f"kv_quantization.bits={self.bits}: {_BITS}")
