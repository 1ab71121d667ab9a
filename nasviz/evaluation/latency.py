"""Measured latency: time to first token and per output token of built models.

What is timed is what a user waits for: the prompt read into a fresh cache, one decode step after
the other, and the likeliest token chosen each time. Building and warming up are outside, and so is
what other processes take where one thread computes (see `nasviz.evaluation.stopwatch`).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.evaluation.stopwatch import Stopwatch, torch_threads
from nasviz.model.cache import KVCache
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class MeasuredLatency:
    """Seconds to the first token, and from one token to the next, of the whole batch."""

    time_to_first_token_s: float
    time_per_output_token_s: float


def measure(
    architectures: Sequence[Architecture],
    workload: Workload,
    *,
    threads: int | None = None,
    rounds: int = 5,
    device: str = "cpu",
    on_round: Callable[[int], object] | None = None,
) -> list[MeasuredLatency]:
    """Return the measured latency of each architecture with random weights, in order.

    Each is run once in every round, so that a slow moment of the machine touches all alike. The
    time to first token is the median of the rounds; the time per output token is the median, over
    the steps of a generation, of each step's fastest round but one. Prompt and generation must fit
    every context. `threads` None leaves torch's number. Raises `InputError` for a workload that
    doesn't fit or a precision that torch doesn't compute in.
    """
    if workload.precision not in DTYPES:
        raise InputError(
            f"precision={workload.precision!r} can't be measured; use {', '.join(DTYPES)}"
        )
    for each in architectures:
        if workload.tokens_per_request > each.context_length:
            raise InputError(
                f"{workload.tokens_per_request} tokens do not fit context_length="
                f"{each.context_length}; use workload.fitted_to({each.context_length})"
            )
    with torch_threads(threads or torch.get_num_threads()), torch.inference_mode():
        runs = [_Run(each, workload, device) for each in architectures]
        for done in range(rounds):
            for run in runs:
                run.once()
            if on_round is not None:
                on_round(done + 1)
    return [run.result() for run in runs]


class _Run:
    """One built model and the readings of its rounds."""

    def __init__(self, architecture: Architecture, workload: Workload, device: str) -> None:
        self.workload = workload
        self.stopwatch = Stopwatch(device, torch.get_num_threads())
        dtype = DTYPES[workload.precision]
        self.model = Transformer(architecture).to(device, dtype).eval()
        self.cache = KVCache(
            architecture,
            workload.tokens_per_request,
            batch=workload.batch,
            dtype=dtype,
            device=device,
        )
        shape = (workload.batch, workload.prompt_tokens)
        self.prompt = torch.randint(architecture.vocab_size, shape, device=device)
        self.first: list[float] = []
        self.steps: list[list[float]] = []
        self._pass()  # warms caches, tables and the allocator up

    def once(self) -> None:
        """Read the prompt and generate, and keep the readings."""
        first, steps = self._pass()
        self.first.append(first)
        self.steps.append(steps)

    def _pass(self) -> tuple[float, list[float]]:
        clock, wait = self.stopwatch.now, self.stopwatch.wait
        self.cache.clear()
        wait()
        start = clock()
        token = self.model.prefill(self.prompt, self.cache).argmax(dim=-1)
        wait()
        first = clock() - start
        steps = []
        for _ in range(self.workload.generated_tokens):
            start = clock()
            token = self.model.decode(token, self.cache).argmax(dim=-1)
            wait()
            steps.append(clock() - start)
        return first, steps

    def result(self) -> MeasuredLatency:
        """Return the medians of the rounds so far."""
        by_step = zip(*self.steps, strict=True)
        fast = [sorted(readings)[min(1, len(readings) - 1)] for readings in by_step]
        return MeasuredLatency(statistics.median(self.first), statistics.median(fast))
