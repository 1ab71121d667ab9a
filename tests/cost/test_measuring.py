"""What choosing parts costs is what torch counts of it, by every method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.measuring import measuring_flops, search_flops, zeros_flops
from nasviz.cost.replacement import Pricing
from nasviz.evaluation.importance.methods import PARTS, prune_to
from nasviz.evaluation.replacement.local import Teaching
from nasviz.evaluation.replacement.scores import block_scores, compared
from nasviz.evaluation.sparsity import set_zeros
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.pruning import METHODS, Pruning, by_method
from nasviz.space.replacement.choices import choices_of
from nasviz.space.sparsity import Sparsity

PARENT = Architecture(4, 32, 4, 128, 64, n_kv_heads=2, d_ff=64)
TARGETS = {
    "layers": PARENT.with_(n_layers=2),
    "parts": PARENT.with_(d_ff=40),
    "both": PARENT.with_(n_layers=2, d_ff=40),
}


TEXTS = torch.randint(0, PARENT.vocab_size, (8, 64), generator=torch.manual_seed(0))


def parent() -> Transformer:
    torch.manual_seed(0)
    return Transformer(PARENT).eval()


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


def counted(target: Architecture, pruning: Pruning) -> float:
    with counting() as counter:
        prune_to(parent(), target, pruning, TEXTS)
    return counter.get_total_flops() / TEXTS.numel()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", TARGETS)
def test_choosing_parts_costs_what_torch_counts(method: str, kind: str) -> None:
    pruning = by_method(method)
    told = measuring_flops(PARENT, TARGETS[kind], pruning)
    # Losses are of all tokens but the last of a text, and keys that nobody asks for cost nothing.
    assert told == pytest.approx(counted(TARGETS[kind], pruning), rel=0.05)


def test_rounds_measure_what_the_rounds_before_them_left() -> None:
    pruning = by_method("perplexity_drop", rounds=2)
    told = measuring_flops(PARENT, TARGETS["both"], pruning)
    assert told == pytest.approx(counted(TARGETS["both"], pruning), rel=0.05)
    assert told > 1.2 * measuring_flops(PARENT, TARGETS["both"], by_method("perplexity_drop"))


@pytest.mark.parametrize("importance", ["activation", "magnitude"])
def test_choosing_zeros_costs_what_torch_counts(importance: str) -> None:
    sparsity = Sparsity("0.5", importance=importance)
    with counting() as counter:
        set_zeros(parent(), sparsity, TEXTS)
    told = zeros_flops(PARENT, sparsity) * TEXTS.numel()
    assert told == pytest.approx(counter.get_total_flops(), rel=0.05)


@pytest.mark.parametrize("local", [False, True])
def test_a_search_of_the_layers_costs_what_torch_counts(local: bool) -> None:
    model, choices = parent(), choices_of(PARENT, "halves")
    importance = PARTS["magnitude"](model, TEXTS, 0)
    teaching = Teaching(TEXTS[:4], steps=3, seed=0, step_tokens=128) if local else None
    with counting() as counter:
        for _ in block_scores(model, choices, importance, TEXTS, teaching=teaching):
            pass
        compared(model, parent(), TEXTS)
    taught = (0, 0) if teaching is None else (teaching.texts.numel(), teaching.tokens)
    told = search_flops(Pricing.of(PARENT, choices), PARENT, TEXTS.numel(), *taught)
    assert told == pytest.approx(counter.get_total_flops(), rel=0.05)
