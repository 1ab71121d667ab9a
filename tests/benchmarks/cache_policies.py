"""What policies of the cache cost and save: seconds, bytes, and bits per byte of a trained model.

Run: python tests/benchmarks/cache_policies.py [--threads 1] [--contexts 256 1024]
     python tests/benchmarks/cache_policies.py --trial DIRECTORY [--corpus python] [--bytes 40000]

The first: for each context a model of 4 layers × 256 with random weights decodes at the context's
end, static and under each policy, round by round in turn. Printed: microseconds of a token (median
of rounds with their quartiles), as a share of the static model's, the milliseconds of the prompt,
and what is kept. The second: for each layer of a trial's checkpoint the share of its attention that
goes to the first four tokens of the text, beside what an even look at all tokens would give: where
the two are alike, no sinks formed (Xiao et al. 2023, arXiv:2309.17453); then bits per byte under
policies of equal budget, on the first bytes of the corpus's test part, each token scored as if it
had been generated.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize
from nasviz.evaluation.policy_score import score_policy
from nasviz.model import transformer
from nasviz.model.attention import attention
from nasviz.model.cache import KVCache
from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.dynamic.caches import new_cache
from nasviz.model.initialise import initialise
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_quantization import KVQuantization
from nasviz.space.options.kv_window import KVWindow

TOKENS, ROUNDS = 40, 5
SINKS = 4

TIMED = {
    "static": InferencePolicy(),
    "window 60, 4 sinks": InferencePolicy((KVWindow(60, 4),)),
    "heavy hitters 64": InferencePolicy((KVEviction(64),)),
    "8 bits": InferencePolicy((KVQuantization(8),)),
    "4 bits": InferencePolicy((KVQuantization(4),)),
    "2 bits": InferencePolicy((KVQuantization(2),)),
    "window, 4 bits": InferencePolicy((KVWindow(60, 4), KVQuantization(4))),
    "heavy hitters, 4 bits": InferencePolicy((KVEviction(64), KVQuantization(4))),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--contexts", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--trial", type=Path)
    parser.add_argument("--corpus", default="python")
    parser.add_argument("--bytes", type=int, default=40_000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {platform.processor()}, {arguments.threads} threads")
    if arguments.trial is not None:
        score_all(load_checkpoint(arguments.trial), arguments.corpus, arguments.bytes)
        return
    for context in arguments.contexts:
        time_all(Architecture(4, 256, 4, 512, context))


@torch.inference_mode()
def time_all(architecture: Architecture) -> None:
    """Print one line a policy."""
    model = Transformer(architecture).eval()
    initialise(model, seed=1)
    caches = {name: new_cache(policy, model) for name, policy in TIMED.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in caches}
    for _ in range(ROUNDS + 1):
        for name, cache in caches.items():
            seconds[name].append(timed(model, cache))
    print(f"\n{architecture.title}, context {architecture.context_length}, {ROUNDS} rounds of "
          f"{TOKENS} tokens")  # fmt: skip
    static_us = 1e6 * statistics.median(step for _, step in seconds["static"][1:])
    for name, cache in caches.items():
        prompts, steps = zip(*seconds[name][1:], strict=True)  # the first one warms up
        low, middle, high = (1e6 * each for each in statistics.quantiles(steps))
        kept = cache.filled_bytes / caches["static"].filled_bytes
        print(
            f"{name:22} {middle:6.0f} µs ({low:.0f} to {high:.0f})  time {middle / static_us:5.2f}"
            f"  bytes {kept:5.3f}  prompt {1e3 * statistics.median(prompts):7.1f} ms"
        )


def timed(model: Transformer, cache: KVCache) -> tuple[float, float]:
    """Return the seconds of a prompt that leaves room for `TOKENS`, and of the median token."""
    cache.clear()
    prompt = torch.arange(model.architecture.context_length - TOKENS).unsqueeze(0) % 512
    start = time.perf_counter()
    token = model.prefill(prompt, cache).argmax(dim=-1)
    first = time.perf_counter() - start
    steps = []
    for _ in range(TOKENS):
        start = time.perf_counter()
        token = model.decode(token, cache).argmax(dim=-1)
        steps.append(time.perf_counter() - start)
    return first, statistics.median(steps)


def score_all(model: Transformer, corpus: str, n_bytes: int) -> None:
    """Print the bits per byte under each policy, budgets an eighth and a quarter of the context."""
    context = model.architecture.context_length
    text = tokenize(open_corpus(corpus), model.architecture.vocab_size)
    print(f"{model.architecture.title}, context {context}, {n_bytes:,} bytes of {corpus}")
    print_sinks(model, text)
    for name, policy in scored(context):
        score = score_policy(model, policy, text, "test", max_bytes=n_bytes).score
        print(f"{name:44} {score.bits_per_byte:.4f}", flush=True)


@torch.inference_mode()
def print_sinks(model: Transformer, text: TokenizedCorpus, texts: int = 32) -> None:
    """Print which share of each layer's attention the first `SINKS` tokens of texts get."""
    context = model.architecture.context_length
    tokens = torch.from_numpy(text.tokens("test")[: texts * context].astype("int64"))
    shares: list[float] = []

    def watched(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        groups = queries.shape[2] // keys.shape[1]
        scores = torch.einsum("blhd,bhsd->bhls", queries, keys.repeat_interleave(groups, dim=1))
        causal = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        weights = (scores / queries.shape[-1] ** 0.5).masked_fill(~causal, -torch.inf).softmax(-1)
        shares.append(float(weights[..., context // 2 :, :SINKS].sum(dim=-1).mean()))
        return attention(queries, keys, values, mask)

    with patch.object(transformer, "attention", watched):
        model(tokens.view(-1, context))
    even = sum(SINKS / seen for seen in range(context // 2 + 1, context + 1)) / (context // 2)
    said = " ".join(f"{share:.3f}" for share in shares)
    print(f"\nattention to the first {SINKS} tokens, from the second half of a context, by layer:")
    print(f"{said}; an even look: {even:.3f}\n")


def scored(context: int) -> Iterator[tuple[str, InferencePolicy]]:
    """Yield policies that are compared with each other, and their names."""
    yield "static", InferencePolicy()
    for budget in (context // 4, context // 8):
        for sinks in (0, 4):
            window = KVWindow(budget - sinks, sinks)
            yield f"{budget} keys, window with {sinks} sinks", InferencePolicy((window,))
            for policy in ("heavy_hitters", "random"):
                for recent in (0.5, 0.9):
                    option = KVEviction(budget, policy, recent, protected=sinks)
                    said = f"{policy}, {recent:.0%} recent, {sinks} protected"
                    yield f"{budget} keys, {said}", InferencePolicy((option,))
    for bits in (8, 4, 2):
        for keys in ("per_channel", "per_token"):
            few = KVQuantization(bits, residual=16, keys=keys)
            yield f"{bits} bits, keys {keys}", InferencePolicy((few,))


if __name__ == "__main__":
    main()
