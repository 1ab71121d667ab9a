"""Numbers as people write them (tests/browser/test_twins.py: the page writes them alike)."""

from __future__ import annotations

import pytest

from nasviz.cost.units import NO_BREAK, duration, number, plural, printed, quantity

SPOKEN = [
    (0.00131, "s", "1.31 ms"), (95.4e-6, "s", "95.4 µs"), (2.5e-7, "s", "250 ns"),
    (7_200, "s", "2 h"), (0, "s", "0 s"), (float("nan"), "s", "–"), (float("inf"), "s", "∞"),
    (4_460_000, "", "4.46 M"), (999_700, "", "1 M"), (7e9, "parameters", "7 B"), (256, "", "256"),
    (2.3125, "", "2.31"), (8192, "", "8,192"), (1234.5, "", "1,235"), (0, "J", "0 J"),
    (17e6, "B", "17 MB"), (7e9, "B", "7 GB"), (9.4e6, "FLOP", "9.4 MFLOP"), (0.018, "J", "18 mJ"),
    (1e21, "FLOP", "1 ZFLOP"), (123_456, "token/s", "123 k token/s"), (0.417, "%", "41.7 %"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "unit", "text"), SPOKEN)
def test_a_number_reads_as_people_write_it(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text.replace(" ", NO_BREAK)


def test_a_terminal_gets_four_digits_and_ordinary_spaces() -> None:
    assert printed(124_439_808) == "124.4 M"
    assert printed(3_214_000_000, "FLOP") == "3.214 GFLOP"
    assert printed(123_456, "token/s") == "123.5 k token/s"


def test_bare_numbers_durations_and_plurals() -> None:
    assert [number(each) for each in (0.01234, 456.7, 2.0, 1e-9)] == ["0.0123", "457", "2", "1e-9"]
    spoken = [duration(each).replace(NO_BREAK, " ") for each in (48.4, 200, 3_900, None)]
    assert spoken == ["48 s", "3 min 20 s", "1 h 05 min", "–"]
    assert (plural(1, "trial"), plural(1_200, "trial")) == ("1 trial", "1,200 trials")
