"""What weight quantisation does to a cost: fewer bytes of weights.

Exactly the bytes that `nasviz.model.dynamic.packed` stores, paddings included. Seconds stay those
of the workload's own precision: measured, a token takes from 1.2 times as long (128 wide) to 0.4 of
it (4 bits, 512 wide), and a prompt up to 1.3 times (`tests/benchmarks/weight_views.py`).
"""

from __future__ import annotations

from dataclasses import replace

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import Settings
from nasviz.cost.sizes import Amount, Sizes, choose

_BLOCK = 16  # 8 bits: inputs a row are filled up to a multiple; 4 bits: outputs
_SCALE_BYTES = 2


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with the layers' matrices in their bits, whatever part of them runs."""
    sizes, group = running.stored, settings.number("group_size")
    listed = settings.listed("layer_bits")

    def matrix_bytes(number_bytes: float) -> Amount:
        if listed:
            return sum(_layer_bytes(sizes, each, group, number_bytes) for each in listed)
        bits = choose(settings.on, settings.number("bits"), 16)
        return sizes.n_layers * _layer_bytes(sizes, bits, group, number_bytes)

    return replace(running, matrix_bytes=matrix_bytes)


def _layer_bytes(sizes: Sizes, bits: Amount, group: Amount, number_bytes: float) -> Amount:
    """Return the bytes of one layer's matrices, those of every expert included."""

    def matrix(outputs: Amount, inputs: Amount) -> Amount:
        return _matrix_bytes(outputs, inputs, bits, group, number_bytes)

    d_model = sizes.d_model
    inward = (1 + sizes.gated) * matrix(sizes.d_ff, d_model)
    return (
        matrix(sizes.query_width, d_model)
        + 2 * matrix(sizes.kv_width, d_model)
        + matrix(d_model, sizes.query_width)
        + sizes.experts * (inward + matrix(d_model, sizes.d_ff))
    )


def _matrix_bytes(
    outputs: Amount, inputs: Amount, bits: Amount, group: Amount, number_bytes: float
) -> Amount:
    eight = outputs * (_filled(inputs, _BLOCK) + _SCALE_BYTES)
    groups = _filled(inputs, group) // group
    four = _filled(outputs, _BLOCK) * groups * (group // 2 + 2 * _SCALE_BYTES)
    whole = outputs * inputs * number_bytes
    return choose(bits == 16, whole, choose(bits == 8, eight, four))


def _filled(size: Amount, multiple: Amount) -> Amount:
    """Return `size`, rounded up to a multiple."""
    return -(-size // multiple) * multiple
