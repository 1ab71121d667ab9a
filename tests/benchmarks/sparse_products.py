"""What zeros in a matrix save where it is multiplied: dense, as compressed rows, and as 2:4.

    python tests/benchmarks/sparse_products.py [--rounds 30]

One matrix of a feed-forward part times a token and times 64, half of its weights zero in the
pattern 2:4. The 2:4 kernel is `torch.sparse.to_sparse_semi_structured`, of CUDA alone.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

SIZES = ((256, 1024), (768, 3072), (2048, 8192))


def microseconds(product: Callable[[], Tensor], rounds: int, cuda: bool) -> float:
    """Return the median time of one product."""
    found = []
    for _ in range(rounds + 3):
        began = time.perf_counter()
        product()
        if cuda:
            torch.cuda.synchronize()
        found.append(1e6 * (time.perf_counter() - began))
    return statistics.median(found[3:])


def main() -> None:
    """Print one line a size and number of tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    cuda = torch.cuda.is_available()
    torch.set_num_threads(1)
    device = "cuda" if cuda else "cpu"
    name = torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine()
    print(f"{name}, torch {torch.__version__}, medians of {rounds} rounds, microseconds")
    print("inputs × outputs   tokens    dense  compressed rows" + ("      2:4" if cuda else ""))
    for inputs, outputs in SIZES:
        weight = torch.randn(outputs, inputs, device=device).reshape(-1, 4)
        kept = torch.zeros_like(weight).scatter_(1, weight.abs().topk(2, dim=1).indices, 1.0)
        weight = (weight * kept).reshape(outputs, inputs)
        if cuda:
            weight = weight.half()
        rows = weight.to_sparse_csr()
        for tokens in (1, 64):
            x = torch.randn(inputs, tokens, device=device, dtype=weight.dtype)
            ways: list[Callable[[], Tensor]] = [
                partial(torch.matmul, each, x) for each in (weight, rows)
            ]
            if cuda:
                two_of_four = torch.sparse.to_sparse_semi_structured(weight)
                ways.append(partial(torch.matmul, two_of_four, x))
            times = "".join(f"{microseconds(each, rounds, cuda):12.0f}" for each in ways)
            print(f"{inputs:6} × {outputs:<8} {tokens:6} {times}")


if __name__ == "__main__":
    main()
