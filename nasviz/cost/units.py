"""Numbers as people read them: 124 M, 3.2 GFLOP, 1.3 ms; the one place where they are written.

`widgets/js/units.js` says the same on the page (tests/browser/test_twins.py). Counts of things use
the letters that models are named by (k, M, B, T), everything measured SI's prefixes; bytes are
decimal. A figure never leaves its unit at the end of a line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Scale = tuple[float, str]

NO_BREAK = "\N{NO-BREAK SPACE}"
NOT_KNOWN = "–"

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
_PREFIXED = frozenset({"J", "FLOP", "FLOP/s", "B/s", "W"})
_UNSAID = frozenset({"", "parameters", "weights"})  # what is counted stands beside the number
_PLAIN_BELOW = 1e4  # 8,192 is read more easily than 8.19 k


def quantity(value: float | None, unit: str = "", *, digits: int = 3, space: str = NO_BREAK) -> str:
    """Return `value` in so many significant digits with a scaled unit; a dash for no number.

    Without a unit, or with one that is a word, it is a count. `space` stands before the unit.

    >>> [quantity(*each, space=" ") for each in ((0.00131, "s"), (4_460_000,), (17e6, "B"))]
    ['1.31 ms', '4.46 M', '17 MB']
    >>> [quantity(each) for each in (8192, 2.3125, None)]
    ['8,192', '2.31', '–']
    """
    if value is None or math.isnan(value):
        return NOT_KNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    factor, suffix = scale_of(value, unit)
    whole = factor == 1 and value == int(value)
    text = f"{int(value):,}" if whole else number(value / factor, digits)
    return f"{text}{space}{suffix.replace(' ', space)}" if suffix else text


def printed(value: float, unit: str = "", digits: int = 4) -> str:
    """Return `quantity` with ordinary spaces: for a terminal, whose text is searched and cut up.

    >>> printed(124439808), printed(3.21e9, "FLOP"), printed(47, "B")
    ('124.4 M', '3.21 GFLOP', '47 B')
    """
    return quantity(value, unit, digits=digits, space=" ")


def scale_of(value: float, unit: str) -> Scale:
    """Return the factor and suffix in which `value` has one to three digits before the point."""
    size = abs(value)
    if unit == "%":
        return 0.01, "%"
    if unit in _OWN_SCALES:
        return _pick(_OWN_SCALES[unit], size)
    if unit in _PREFIXED:
        factor, prefix = _pick(_SI, size)
        return factor, prefix + unit
    word = "" if unit in _UNSAID else unit
    if size < _PLAIN_BELOW:
        return 1.0, word
    factor, prefix = _pick(_COUNTS, size)
    return factor, f"{prefix} {word}".strip()


def _pick(scales: Sequence[Scale], size: float) -> Scale:
    if size == 0:
        return next(scale for scale in scales if scale[0] == 1.0)
    # 999.7 would be written 1,000: the next scale begins as soon as rounding reaches it.
    fitting = [scale for scale in scales if size >= scale[0] * 0.9995]
    return fitting[-1] if fitting else scales[0]


def number(value: float, digits: int = 3) -> str:
    """Return a bare number in so many significant digits, without zeros at its end.

    >>> number(2.3456), number(0.01234), number(456.7), number(1234.5), number(2.0)
    ('2.35', '0.0123', '457', '1,235', '2')
    """
    if abs(value) >= 10**digits:
        return f"{math.floor(value + 0.5):,}"  # 1,234.5 goes up, as on the page
    rounded = float(f"{value:.{digits}g}")
    if rounded and abs(rounded) < 1e-6:
        mantissa, exponent = f"{rounded:.{digits - 1}e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return np.format_float_positional(rounded, trim="-")


def count(value: int) -> str:
    """Return a whole number with thousands apart: `20,000`."""
    return f"{int(value):,}"


def plural(value: int, noun: str) -> str:
    """Return `1 trial`, `2 trials`."""
    return f"{value:,} {noun}{'' if value == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """Return a waiting time in whole units: `48 s`, `3 min 20 s`, `1 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NOT_KNOWN
    whole = round(max(0.0, seconds))
    if whole < 100:
        pieces = [f"{whole} s"]
    elif whole < 3_600:
        pieces = [f"{whole // 60} min", f"{whole % 60:02d} s"]
    else:
        pieces = [f"{whole // 3_600} h", f"{whole % 3_600 // 60:02d} min"]
    return " ".join(pieces).replace(" ", NO_BREAK)
