"""Numbers with the units that people read: 124.4 M, 3.2 GFLOP, 1.3 ms."""

from __future__ import annotations

import math

_LARGE = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("", "m", "µ", "n", "p")
# Counts of things are read in words' letters: thousands, millions, billions, trillions.
_COUNTS = ("", "K", "M", "B", "T")


def readable(value: float, unit: str = "", digits: int = 4) -> str:
    """Return `value` in so many significant digits with a prefix that keeps it short.

    Without a unit it is a count, whose thousand millions are billions.

    >>> readable(124439808), readable(3.21e9, "FLOP"), readable(0.00132, "s"), readable(47, "B")
    ('124.4 M', '3.21 GFLOP', '1.32 ms', '47 B')
    """
    if not math.isfinite(value):
        return "∞" if value > 0 else "–"
    if value == 0:
        return f"0 {unit}".strip()
    step = math.floor(math.log10(abs(value)) / 3 + 1e-12)
    prefixes = _LARGE if unit else _COUNTS
    if step >= 0:
        step = min(step, len(prefixes) - 1)
        scaled, prefix = value / 1000**step, prefixes[step]
    elif unit in ("s", "J"):
        step = max(step, 1 - len(_SMALL))
        scaled, prefix = value / 1000**step, _SMALL[-step]
    else:
        scaled, prefix = value, ""
    text = f"{scaled:.{digits}g}"
    if "e" in text:
        text = f"{scaled:.0f}" if step >= 0 else text
    return f"{text} {prefix}{unit}".strip()
