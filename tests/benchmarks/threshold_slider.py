"""How long the kernel takes to answer the Dynamic tab's threshold slider, figures included.

Run: python tests/benchmarks/threshold_slider.py [--tokens 100000] [--exits 8] [--rounds 60]
Prints milliseconds and their spread for each cost that the curve is drawn in; it never fails on
time. What is timed is from the slider's value in Python to the last message for the page: words,
curve, histogram, and the colours of a page of text. The page's own part is not in it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import bokeh
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "widgets"))

from exit_readings import reading, state_of

from nasviz.study.study import Study
from nasviz.widgets.authoring import Authoring
from nasviz.widgets.exit_costs import COSTS
from nasviz.widgets.panels.dynamic_tab import DynamicTab


def nothing_is_written() -> Study:
    raise AssertionError("nobody pressed Write")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--exits", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}; bokeh {bokeh.__version__}, numpy {np.__version__}, "
        f"python {platform.python_version()}; {given.tokens:,} tokens, {given.exits} exits"
    )
    exits = reading(given.tokens, given.exits)
    state = state_of(exits.trial)
    tab = DynamicTab(state, Authoring(nothing_is_written))
    state.select(exits.trial.candidate)
    start = time.perf_counter()
    state.exits = exits
    print(f"taken up in {(time.perf_counter() - start) * 1e3:.0f} ms, once a trial")
    thresholds = tab.controls.slider.knobs[0]["values"]
    for cost in COSTS:
        tab.controls.choices.values = {**tab.controls.choices.values, "cost": cost}
        taken = []
        for place in np.linspace(20, 180, given.rounds).astype(int):
            start = time.perf_counter()
            tab.controls.slider.values = {"threshold": thresholds[place]}
            taken.append((time.perf_counter() - start) * 1e3)
        print(
            f"slider, cost in {cost:<12} {statistics.median(taken):7.2f} ms (fastest "
            f"{min(taken):.2f}, slowest {max(taken):.2f}, n={len(taken)})"
        )


if __name__ == "__main__":
    main()
