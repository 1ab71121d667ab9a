"""Numbers as people write them, and round ticks; widgets/js/units.js says the same on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Scale = tuple[float, str]

_SI: tuple[Scale, ...] = (
    (1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1.0, ""), (1e3, "k"), (1e6, "M"),
    (1e9, "G"), (1e12, "T"), (1e15, "P"), (1e18, "E"), (1e21, "Z"), (1e24, "Y"),
)  # fmt: skip
_COUNTS: tuple[Scale, ...] = (
    (1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "B"), (1e12, "T"), (1e15, "Q"),
)  # fmt: skip
_TIMES: tuple[Scale, ...] = (
    (1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3_600.0, "h"),
    (86_400.0, "days"), (31_557_600.0, "years"),
)  # fmt: skip
_BYTES: tuple[Scale, ...] = (
    (1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB"), (1e15, "PB"),
)  # fmt: skip
_OWN_SCALES = {"s": _TIMES, "B": _BYTES, "bytes": _BYTES}
_PREFIXED = frozenset({"J", "FLOP", "FLOP/s", "W"})
_COUNTED = frozenset({"", "parameters", "weights"})
_PLAIN_BELOW = 1e4  # 8,192 is read more easily than 8.19 k


def scale_of(value: float, unit: str) -> Scale:
    """Return the factor and suffix in which `value` has one to three digits before the point."""
    size = abs(value)
    if unit == "%":
        return 0.01, "%"
    if unit in _OWN_SCALES:
        return _pick(_OWN_SCALES[unit], size)
    if size < _PLAIN_BELOW and unit not in _PREFIXED:
        return 1.0, unit if unit not in _COUNTED else ""
    if unit in _COUNTED:
        return _pick(_COUNTS, size)
    factor, prefix = _pick(_SI, size)
    return factor, prefix + unit


def _pick(scales: Sequence[Scale], size: float) -> Scale:
    if size == 0:
        return next(scale for scale in scales if scale[0] == 1.0)
    fitting = [scale for scale in scales if size >= scale[0] * 0.9995]
    return fitting[-1] if fitting else scales[0]


def format_value(value: float | None, unit: str = "") -> str:
    """Return three significant digits with a scaled unit; a dash for what is not a number.

    >>> format_value(0.00131, "s"), format_value(4_460_000), format_value(17e6, "B")
    ('1.31 ms', '4.46 M', '17 MB')
    >>> format_value(8192), format_value(2.3125), format_value(None)
    ('8,192', '2.31', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    factor, suffix = scale_of(value, unit)
    whole = factor == 1 and value == int(value)
    text = f"{int(value):,}" if whole else _shortest(value / factor)
    return f"{text} {suffix}" if suffix else text


def _shortest(number: float) -> str:
    if abs(number) >= 1_000:
        return f"{math.floor(number + 0.5):,}"  # 1,234.5 goes up, as on the page
    rounded = float(f"{number:.3g}")
    if rounded and abs(rounded) < 1e-6:
        mantissa, exponent = f"{rounded:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return np.format_float_positional(rounded, trim="-")


def ticks_within(
    low: float, high: float, log: bool, wanted: int = 6, unit: str = ""
) -> list[float]:
    """Return about `wanted` round ticks in [low, high]; on a log axis all are log10 of values.

    `unit` makes them round in the scale they are written in: whole minutes, not 100 s.
    """
    if not high > low:
        return []
    if not log:
        factor, _ = scale_of(max(abs(low), abs(high)), unit)
        return [tick * factor for tick in _round_ticks(low / factor, high / factor, wanted)]
    decades = high - low
    if decades < 0.7:
        ticks = _round_ticks(10**low, 10**high, wanted)
        return [math.log10(tick) for tick in ticks if tick > 0]
    steps = (1, 2, 3, 5) if decades <= 1.5 else (1, 2, 5) if decades <= wanted / 2 else (1,)
    stride = max(1, math.ceil(decades / (wanted + 2)))
    powers = [
        power
        for power in range(math.floor(low), math.floor(high) + 1)
        if len(steps) > 1 or power % stride == 0
    ]
    ticks = [power + math.log10(step) for power in powers for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _round_ticks(low: float, high: float, wanted: int) -> list[float]:
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    ticks = [float(f"{index * step:.12g}") for index in range(first, last + 1)]
    return ticks if len(ticks) > 1 else _round_ticks(low, high, 2 * wanted)


def tick_labels(ticks: Sequence[float], unit: str, log: bool) -> list[str]:
    """Return the ticks' labels, in one scale and with equal decimals where that reads well.

    >>> tick_labels([2.2, 2.4, 3.0], "", log=False)
    ['2.2', '2.4', '3.0']
    >>> tick_labels([-3.301, -3, -2.699], "s", log=True)
    ['0.5 ms', '1 ms', '2 ms']
    """
    if not ticks:
        return []
    if log:
        return _log_labels([10.0**tick for tick in ticks], unit)
    factor, suffix = scale_of(max(abs(tick) for tick in ticks), unit)
    step = abs(ticks[1] - ticks[0]) / factor if len(ticks) > 1 else 1.0
    decimals = min(6, max(0, math.ceil(-math.log10(step) - 1e-9)))
    if abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1
    texts = [f"{tick / factor:,.{decimals}f}" for tick in ticks]
    return [f"{text} {suffix}" if suffix else text for text in texts]


def _log_labels(values: list[float], unit: str) -> list[str]:
    factor, suffix = scale_of(values[len(values) // 2], unit)
    if values[0] / factor < 0.0999 or values[-1] / factor > 999:
        return [format_value(value, unit) for value in values]
    texts = [_shortest(value / factor) for value in values]
    return [f"{text} {suffix}" if suffix else text for text in texts]
