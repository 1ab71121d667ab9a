"""Measures this machine: `python -m nasviz.evaluation.calibration` prints its profile as JSON.

Operations are measured alone over a grid of sizes; then small models are run whole, and what they
take beyond their operations is the overhead of Python and dispatch; last, a few models of ordinary
sizes tell how much slower each kind of operation is inside a model than alone.
`Hardware.calibrate()` starts this as a fresh process and keeps the result. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Sequence

import psutil
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)

from nasviz.cost.calibrated import THIS_MACHINE, machine_id
from nasviz.cost.hardware import Hardware
from nasviz.cost.measured import Measured, MeasuredRates
from nasviz.cost.workload import Precision
from nasviz.evaluation.factors import fit_factors
from nasviz.evaluation.latency import DTYPES
from nasviz.evaluation.operations import measure_operations
from nasviz.evaluation.overheads import measure_overheads
from nasviz.evaluation.stopwatch import Stopwatch, torch_threads

# A side of the square product that tells how fast a precision really is.
_PROBE = 768

# What a processor is taken to draw where nothing says so: a laptop's sustained power.
_ASSUMED_POWER_W = 28.0


def calibrate(device: str = "cpu", threads: int | None = None) -> Hardware:
    """Return the measured profile of `device`, computing with `threads` threads.

    `threads` None takes torch's number, or a single one where several are not faster: on a machine
    whose cores are busy they wait for each other.
    """
    with torch.inference_mode():
        threads = threads or faster_threads(device)
        stopwatch = Stopwatch(device, threads)
        with torch_threads(threads):
            rates: dict[str, MeasuredRates] = {}
            for name in computed_precisions(stopwatch):
                rates[name] = _rates(name, stopwatch)
            flops: dict[str, float] = {
                name: _large_matmul_flops_per_s(name, stopwatch) for name in rates
            }
            bandwidth = _bandwidth_bytes_per_s(stopwatch)
    measured = Measured(
        machine=machine_id(),
        device=device,
        torch=torch.__version__,
        threads=threads,
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        rates=rates,
    )
    return Hardware(
        name=THIS_MACHINE,
        label=f"This machine ({_device_label(device)}, {threads} thread{'s' * (threads > 1)})",
        kind="calibrated",
        flops_per_s=flops,
        bandwidth_bytes_per_s=bandwidth,
        memory_bytes=_memory_bytes(device),
        power_w=_ASSUMED_POWER_W,
        source=f"measured on {measured.date[:10]} with torch {measured.torch}; power is assumed",
        matmul_efficiency=1.0,  # the rates above are those reached, not peaks
        bandwidth_efficiency=1.0,
        op_overhead_s=rates["fp32"].streams["add"].y[0],
        measured=measured,
    )


def faster_threads(device: str) -> int:
    """Return torch's number of threads, or 1 where that is as fast for a pass of small products."""
    most = torch.get_num_threads()
    if device != "cpu" or most == 1:
        return most
    wall = Stopwatch(device, most)
    x, weights = torch.randn(128, 256), torch.randn(768, 256)

    def small_pass() -> None:
        for _ in range(20):
            F.linear(x, weights)

    with torch_threads(1):
        alone = wall.seconds(small_pass, 0.2)
    with torch_threads(most):
        together = wall.seconds(small_pass, 0.2)
    return most if together < 0.9 * alone else 1


def computed_precisions(stopwatch: Stopwatch) -> list[Precision]:
    """Return the precisions whose large products are no slower than in fp32.

    Torch computes 16-bit products on every CPU; where it only emulates them they are many times
    slower, and no model should be run so.
    """
    plain = _large_matmul_flops_per_s("fp32", stopwatch)
    # On a CPU bf16 is the 16-bit format that models are run in.
    small: tuple[Precision, ...] = ("bf16",) if stopwatch.device == "cpu" else ("bf16", "fp16")
    faster = [name for name in small if _large_matmul_flops_per_s(name, stopwatch) >= plain]
    return ["fp32", *faster]


def _rates(precision: Precision, stopwatch: Stopwatch) -> MeasuredRates:
    _say(f"measuring {precision}: products, attention, streams")
    operations = measure_operations(DTYPES[precision], stopwatch)
    _say(f"measuring {precision}: whole small models")
    rates = measure_overheads(operations, precision, stopwatch)
    return fit_factors(rates, precision, stopwatch)


def _large_matmul_flops_per_s(precision: str, stopwatch: Stopwatch) -> float:
    side = _PROBE if stopwatch.device == "cpu" else 8 * _PROBE
    x = torch.randn(side, side, device=stopwatch.device).to(DTYPES[precision])
    return 2 * side**3 / stopwatch.seconds(lambda: F.linear(x, x), 0.1)


def _bandwidth_bytes_per_s(stopwatch: Stopwatch) -> float:
    """Return bytes a second of reading memory that no cache holds."""
    numbers = torch.randn(2**26, device=stopwatch.device)  # 256 MB
    return numbers.numel() * 4 / stopwatch.seconds(numbers.sum, 0.3)


def _memory_bytes(device: str) -> float:
    if device == "cpu":
        return float(psutil.virtual_memory().total)
    return float(torch.cuda.get_device_properties(device).total_memory)


def _device_label(device: str) -> str:
    return "CPU" if device == "cpu" else torch.cuda.get_device_name(device)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the profile to stdout, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m nasviz.evaluation.calibration")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args(arguments)
    profile = calibrate(given.device, given.threads)
    json.dump(profile.to_json(), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
