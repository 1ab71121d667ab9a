"""Optuna's warnings are not our users' business, whichever thread makes a study."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EVERYTHING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from nasviz import Architecture, Candidate, SearchSpace, Study
from nasviz.strategies.registry import STRATEGIES
from nasviz.study import queue

def use(number):
    study = Study.open(f"{sys.argv[1]}/{number}.db")
    study.add(Candidate(Architecture(1, 22, 11, 257, 13)))
    queue.claim(study, worker=0)
    queue.complete(study, 0, {"bits_per_byte": 2.5, "time_per_output_token_s": 0.1})
    study.close()
    for make in STRATEGIES.values():
        strategy = make(SearchSpace.laptop(), 2, seed=number)
        for _ in range(14):
            strategy.tell(strategy.ask(), (2.5, 0.1))

with ThreadPoolExecutor(4) as pool:
    list(pool.map(use, range(4)))
"""


def test_studies_and_strategies_warn_of_nothing_in_any_thread(tmp_path: Path) -> None:
    """Warnings are errors here; a filter inside would be one of all threads, and would leak."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EVERYTHING, str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
