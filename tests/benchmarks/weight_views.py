"""What options that change a pass's weights save in real seconds, one text, token by token.

Run: python tests/benchmarks/weight_views.py [--threads 2] [--widths 128 256 512 768]

For each width a model of 8 layers decodes after a prompt of 64 tokens, static and under each
option, round by round in turn. Printed: the milliseconds of a token (median of rounds, with their
quartiles), time and FLOPs as shares of the static model's, and the milliseconds of the prompt.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from nasviz.model.cache import KVCache
from nasviz.model.dynamic.flop_formulas import FLOP_FORMULAS
from nasviz.model.dynamic.packed import packed_bytes
from nasviz.model.dynamic.views import VIEWS
from nasviz.model.initialise import initialise
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.option import Option
from nasviz.space.options.weight_quantization import WeightQuantization

PROMPT, TOKENS, ROUNDS = 64, 16, 15

OPTIONS: dict[str, tuple[Option, ...]] = {
    "static": (),
    "half the feed-forward": (DynamicWidth(ff_share=0.5),),
    "half of both": (DynamicWidth(ff_share=0.5, head_share=0.5),),
    "half the layers": (LayerSkip(keep=0.5),),
    "8 bits": (WeightQuantization(bits=8),),
    "4 bits": (WeightQuantization(bits=4),),
    "half the inputs": (ActivationSparsity(keep=0.5),),
    "a quarter of them": (ActivationSparsity(keep=0.25),),
    "half of both, 8 bits": (DynamicWidth(0.5, 0.5), WeightQuantization(bits=8)),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 256, 512, 768])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {platform.processor()}, {arguments.threads} threads, "
          f"{ROUNDS} rounds of {TOKENS} tokens")  # fmt: skip
    for width in arguments.widths:
        compare(Architecture(8, width, width // 64, 4096, 256))


@torch.inference_mode()
def compare(architecture: Architecture) -> None:
    """Print one line an option."""
    model = Transformer(architecture).eval()
    initialise(model, seed=1)
    views = {name: viewed(model, options) for name, options in OPTIONS.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in views}
    for _ in range(ROUNDS + 1):
        for name, view in views.items():
            seconds[name].append(timed(view))
    print(f"\n{architecture.title}, {sum(each.numel() for each in model.parameters()):,} weights")
    static_ms = 1e3 * statistics.median(step for _, step in seconds["static"][1:])
    static_flops = flops(model)
    for name, view in views.items():
        prompts, steps = zip(*seconds[name][1:], strict=True)  # the first one warms up
        low, middle, high = (1e3 * each for each in statistics.quantiles(steps))
        print(
            f"{name:24} {middle:7.3f} ms ({low:.3f} to {high:.3f})"
            f"  time {middle / static_ms:5.2f}  FLOPs {flops(view) / static_flops:5.2f}"
            f"  prompt {1e3 * statistics.median(prompts):7.2f} ms"
            f"  {packed_bytes(view) / 1e6:6.1f} MB"
        )


def viewed(model: Transformer, options: tuple[Option, ...]) -> Transformer:
    """Return the model that runs."""
    for option in options:
        model = VIEWS[type(option)](model, option)
    return model


def timed(model: Transformer) -> tuple[float, float]:
    """Return the seconds of the prompt, and of one token after it."""
    cache = KVCache(model.architecture)
    prompt = torch.arange(PROMPT).unsqueeze(0)
    start = time.perf_counter()
    model.prefill(prompt, cache)
    middle = time.perf_counter()
    for token in range(TOKENS):
        model.decode(torch.tensor([token]), cache)
    return middle - start, (time.perf_counter() - middle) / TOKENS


def flops(model: Transformer) -> int:
    """Return the counted FLOPs of one token after the prompt."""
    cache = KVCache(model.architecture)
    model.prefill(torch.arange(PROMPT).unsqueeze(0), cache)
    with FlopCounterMode(display=False, custom_mapping=dict(FLOP_FORMULAS)) as counter:
        model.decode(torch.tensor([1]), cache)
    return counter.get_total_flops()


if __name__ == "__main__":
    main()
