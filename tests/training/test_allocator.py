"""Memory that a step lets go of stays with the process, up to a bound."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

# Ten times the memory of one step, asked for and let go of, in a fresh process.
STEPS = """
import resource, sys, torch
from nasviz.training.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def step():
    return [torch.zeros(2**20) for _ in range(20)]  # 80 MB
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", STEPS, how], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own settings")
def test_ten_steps_map_fewer_pages_anew_than_one_step_has() -> None:
    pages_of_a_step = 20 * 4 * 2**20 // resource.getpagesize()
    assert page_faults("keep") < pages_of_a_step
    assert page_faults("leave") > pages_of_a_step
