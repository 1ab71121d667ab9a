"""How long it takes to the first token with and without token pruning, for growing prompts.

Run: python tests/benchmarks/token_pruning_gain.py [--keep 0.7] [--threads 2] [--rounds 7]

Reproduces in direction what LazyLLM reports (Fu et al. 2024, arXiv:2407.14057): the longer the
prompt, the larger the gain. Weights are random, since only time is measured: how many tokens stay
behind follows from the settings alone. Static and pruned rounds alternate. Printed: milliseconds
of reading the prompt and choosing the first token (the fastest round, and the median), as the cost
model predicts them on this machine (calibrated, or an ordinary laptop), and what the fastest
rounds, the prediction and the FLOPs gain: 2 is half.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import torch

from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.model.dynamic.runner import Runner
from nasviz.model.initialise import initialise
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.token_pruning import TokenPruning


def main() -> None:
    """Measure, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", type=float, default=0.7)
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument(
        "--prompts", type=int, nargs="+", default=[32, 64, 128, 256, 512, 1024, 2048, 4096]
    )
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    sizes = Architecture(given.layers, given.width, given.width // 64, 4096, max(given.prompts))
    option = TokenPruning(keep=given.keep, every=given.every)
    hardware = Hardware.default()
    print(
        f"{sizes.title}, {option}\ntorch {torch.__version__}, {platform.processor()}, "
        f"{given.threads} threads, {given.rounds} rounds; predicted on {hardware.name}"
    )
    print(f"{'prompt':>7}{'static':>32}{'pruned':>32}{'gain':>8}{'predicted':>12}{'FLOPs':>8}")
    model = Transformer(sizes).eval()
    initialise(model, seed=1)
    for prompt in given.prompts:
        print(line(model, option, prompt, given.rounds, hardware))


@torch.inference_mode()
def line(
    model: Transformer, option: TokenPruning, prompt: int, rounds: int, hardware: Hardware
) -> str:
    """Return one line of the table."""
    policies = InferencePolicy(), InferencePolicy((option,))
    tokens = torch.randint(model.architecture.vocab_size, (1, prompt))
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for policy, found in zip(policies, seconds, strict=True):
            found.append(first_token_s(Runner(model, policy), tokens))
    workload = Workload(prompt_tokens=prompt, generated_tokens=1)
    costs = [estimate(Candidate(model.architecture, each), workload, hardware) for each in policies]
    predicted = [cost.latency.time_to_first_token_s for cost in costs]
    flops = [cost.flops.prefill for cost in costs]
    static, pruned = (each[1:] for each in seconds)  # the first warms up
    gains = min(static) / min(pruned), predicted[0] / predicted[1], flops[0] / flops[1]
    return (
        f"{prompt:7}{said(static, predicted[0])}{said(pruned, predicted[1])}"
        f"{gains[0]:8.2f}{gains[1]:12.2f}{gains[2]:8.2f}"
    )


def first_token_s(runner: Runner, tokens: torch.Tensor) -> float:
    """Return the seconds from a prompt to its first token."""
    reading = runner.new_reading(tokens.shape[1])
    start = time.perf_counter()
    runner.read(tokens, reading).argmax(dim=-1)
    return time.perf_counter() - start


def said(seconds: list[float], predicted: float) -> str:
    """Return measured and predicted milliseconds."""
    fastest, middle = 1e3 * min(seconds), 1e3 * statistics.median(seconds)
    return f"{f'{fastest:.1f} ({middle:.1f}) ~{1e3 * predicted:.1f} ms':>32}"


if __name__ == "__main__":
    main()
