"""`WeightQuantization`: the layers' matrices are held in 8 or 4 bits."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nasviz.errors import InputError
from nasviz.space.field import Field, integer
from nasviz.space.options.option import FitRule, Option

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

BITS = (16, 8, 4)
GROUP_SIZES = (32, 64, 128, 256)

_INT8 = "Dettmers et al. 2022, LLM.int8(), arXiv:2208.07339"
_GPTQ = "Frantar et al. 2022, GPTQ, arXiv:2210.17323"


def _one_of(value: Any, choices: tuple[int, ...]) -> Any:
    """Return whether a number, or each of a column, is one of `choices`."""
    found = value == choices[0]
    for each in choices[1:]:
        found = found | (value == each)
    return found


@dataclass(frozen=True)
class WeightQuantization(Option):
    """The matrices of attention and feed-forward are stored in 8 or 4 bits, rounded to nearest.

    8 bits: whole numbers from -127 to 127 and one scale an output row. 4 bits: numbers from 0 to
    15, with a scale and a lowest value for each `group_size` inputs of a row. 16 bits leave a
    matrix as it is. Embeddings (and the head that is tied to them), norms, biases and routers stay
    as they are, as in the papers. `layer_bits` gives each layer bits of its own: the cheapest kind
    of mixed precision.

    Dettmers et al. 2022 (arXiv:2208.07339), Frantar et al. 2022 (GPTQ, arXiv:2210.17323), whose
    baseline, rounding to nearest by groups, this is.
    """

    NAME = "weight_quantization"
    LABEL = "Weight quantisation"
    HELP = "Weights are rounded to 8 or 4 bits: a quarter or an eighth of the bytes to read."
    REFERENCE = f"{_INT8}; {_GPTQ}"
    NEUTRAL = MappingProxyType({"bits": 16, "layer_bits": ()})
    LAYERS_MAY_DIFFER = True
    FIELDS = (
        integer(
            "bits", "Bits a weight", 4, 16,
            "8 or 4; 16 leaves the weights as they were trained.",
            f"{_INT8}; {_GPTQ}", default=8, unit="bits",
        ),
        integer(
            "group_size", "Group size", 32, 256,
            "With 4 bits: how many neighbouring weights share a scale; 32, 64, 128 or 256.",
            _GPTQ, default=64, unit="weights",
        ),
        Field(
            "layer_bits", "Bits of each layer", "integers",
            "Bits for each layer in turn, in place of one number for all.",
            _GPTQ, 4, 16, unit="bits",
        ),
    )  # fmt: skip
    RULES = (
        FitRule(
            "weights have 16, 8 or 4 bits",
            (), ("bits",), lambda bits: _one_of(bits, BITS),
        ),
        FitRule(
            "groups have 32, 64, 128 or 256 weights",
            (), ("group_size",), lambda group_size: _one_of(group_size, GROUP_SIZES),
        ),
    )  # fmt: skip

    bits: int = 8
    group_size: int = 64
    layer_bits: tuple[int, ...] = ()

    def check_settings(self) -> None:
        """Raise `InputError` for bits and group sizes that nothing computes with."""
        for name, values in (("bits", (self.bits,)), ("layer_bits", self.layer_bits)):
            for value in values:
                if value not in BITS:
                    raise InputError(
                        f"weight_quantization.{name}={value} is not 16, 8 or 4; nearest: "
                        f"{min(BITS, key=lambda bits: abs(bits - value))}"
                    )
        if self.group_size not in GROUP_SIZES:
            raise InputError(
                f"weight_quantization.group_size={self.group_size} is not 32, 64, 128 or 256"
            )

    def check_layers(self, architecture: Architecture) -> None:
        """Raise `InputError` for bits of each layer where layers differ in their sizes too."""
        if architecture.layer_sizes and self.layer_bits:
            raise InputError(
                "weight_quantization.layer_bits can't be combined with layers that differ "
                "(layer_sizes); give one number of bits for all"
            )

    def check_fits(self, architecture: Architecture) -> None:
        """Raise `InputError` for a list of bits that misses layers."""
        super().check_fits(architecture)
        if self.layer_bits and len(self.layer_bits) != architecture.n_layers:
            raise InputError(
                f"weight_quantization.layer_bits has {len(self.layer_bits)} numbers for "
                f"n_layers={architecture.n_layers}; give one a layer"
            )

    def bits_of(self, n_layers: int) -> tuple[int, ...]:
        """Return the bits of each layer's matrices."""
        return self.layer_bits or (self.bits,) * n_layers
