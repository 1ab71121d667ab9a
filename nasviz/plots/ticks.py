"""Round ticks and their labels; widgets/js/units.js says the same on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nasviz.cost.units import NO_BREAK, number, quantity, scale_of


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
    r"""Return the ticks' labels, in one scale and with equal decimals where that reads well.

    >>> tick_labels([2.2, 2.4, 3.0], "", log=False)
    ['2.2', '2.4', '3.0']
    >>> tick_labels([-3.301, -3, -2.699], "s", log=True)
    ['0.5\xa0ms', '1\xa0ms', '2\xa0ms']
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
    if not suffix:
        return texts
    return [
        # No things are none in any scale: "0", not "0 k".
        "0" if tick == 0 and not unit else f"{text}{NO_BREAK}{suffix}"
        for tick, text in zip(ticks, texts, strict=True)
    ]


def _log_labels(values: list[float], unit: str) -> list[str]:
    factor, suffix = scale_of(values[len(values) // 2], unit)
    if values[0] / factor < 0.0999 or values[-1] / factor > 999:
        return [quantity(value, unit) for value in values]
    texts = [number(value / factor) for value in values]
    return [f"{text}{NO_BREAK}{suffix}" if suffix else text for text in texts]
