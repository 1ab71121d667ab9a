"""Numbers as a person reads them: three digits, a prefix, a unit."""

from __future__ import annotations

import math

_LARGE = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
_LONG_TIMES = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))

NOT_KNOWN = "–"


def quantity(value: float | None, unit: str = "") -> str:
    """Return `value` in three significant digits with a prefixed `unit`.

    Seconds grow to minutes, hours and days; plain counts use k, M and B (billions, as models are
    named); everything else uses SI prefixes. None and NaN read as a dash.

    >>> quantity(4_460_000), quantity(0.00131, "s"), quantity(17e6, "B"), quantity(7_200, "s")
    ('4.46 M', '1.31 ms', '17.0 MB', '2.00 h')
    """
    if value is None or math.isnan(value):
        return NOT_KNOWN
    if math.isinf(value):
        return "∞"
    if value == 0:
        return f"0 {unit}".rstrip()
    size = abs(value)
    if unit == "s" and size >= 60:
        scale, name = next(each for each in _LONG_TIMES if size >= each[0])
        return f"{three_digits(value / scale)} {name}"
    if size < 1 and unit:
        scale, prefix = next((each for each in _SMALL if size >= each[0]), _SMALL[-1])
    elif size < 1_000 and not unit:
        return three_digits(value)
    else:
        # 999.7 would be written 1,000: take the next prefix as soon as rounding reaches it.
        scale, prefix = next((each for each in _LARGE if size >= each[0] * 0.9995), _LARGE[-1])
    if not unit and prefix == "G":
        prefix = "B"
    return f"{three_digits(value / scale)} {prefix}{unit}".rstrip()


def three_digits(value: int | float) -> str:
    """Return `value` with three significant digits, whole numbers under 1,000 as they are.

    >>> three_digits(2), three_digits(2.3456), three_digits(0.01234), three_digits(456.7)
    ('2', '2.35', '0.0123', '457')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")  # 0.9997 has the digits of 1.00
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{decimals}f}"


def count(value: int) -> str:
    """Return a whole number with thousands apart: `20,000`."""
    return f"{int(value):,}"


def plural(number: int, noun: str) -> str:
    """Return `1 trial`, `2 trials`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """Return a waiting time in whole units: `48 s`, `3 min 20 s`, `1 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NOT_KNOWN
    whole = round(max(0.0, seconds))
    if whole < 100:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"
