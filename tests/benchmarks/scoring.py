"""Scoring text, its last layer at the scored positions alone, against all positions.

Run: python tests/benchmarks/scoring.py [--tokens 8192] [--rounds 5]
Prints seconds of both for several contexts, vocabularies and depths, interleaved in one run; it
never fails on time. The sums of nats are checked to be equal.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nasviz.evaluation import scoring
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture


def naive(model: nn.Module, inputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The plain way: every layer and the head everywhere, then the scored positions of it."""
    yield model(inputs)[:, -targets.shape[1] :], targets


def all_layers(
    model: nn.Module, inputs: Tensor, targets: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every layer everywhere, the head at the scored positions."""
    assert isinstance(model, Transformer)
    yield model.head(model.run_layers(model.embed(inputs))[:, -targets.shape[1] :]), targets


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    ways = {"naive": naive, "head cut": all_layers, "nasviz": scoring._logits}
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch "
        f"{torch.__version__}; seconds of processor time for {given.tokens:,} tokens, stride "
        f"{scoring.STRIDE}, 128 wide, median of {given.rounds}"
    )
    for n_layers, vocab_size, context in (
        (4, 256, 64), (4, 256, 256), (4, 256, 512), (4, 4096, 64), (4, 4096, 256), (4, 4096, 512),
        (2, 256, 512), (8, 256, 512),
    ):  # fmt: skip
        model = Transformer(Architecture(n_layers, 128, 4, vocab_size, context))
        tokens = np.random.default_rng(0).integers(0, vocab_size, given.tokens)
        busy: dict[str, list[float]] = {name: [] for name in ways}
        nats = {}
        for _ in range(given.rounds):
            for name, way in ways.items():
                scoring._logits = way
                start = time.process_time()
                nats[name], _ = scoring.score_tokens(model, tokens, context=context)
                busy[name].append(time.process_time() - start)
        assert np.allclose(list(nats.values()), nats["naive"], rtol=1e-9)
        seconds = {name: statistics.median(each) for name, each in busy.items()}
        told = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
        print(
            f"{n_layers} layers, vocabulary {vocab_size:4}, context {context:3}: {told}; of the "
            f"naive way {seconds['nasviz'] / seconds['naive']:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
