"""What choosing parts costs is what torch counts of it, by every method."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.measuring import measuring_flops
from nasviz.evaluation.importance.methods import prune_to
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.pruning import METHODS, Pruning, by_method

PARENT = Architecture(4, 32, 4, 128, 64, n_kv_heads=2, d_ff=64)
TARGETS = {
    "layers": PARENT.with_(n_layers=2),
    "parts": PARENT.with_(d_ff=40),
    "both": PARENT.with_(n_layers=2, d_ff=40),
}


def counted(target: Architecture, pruning: Pruning) -> float:
    texts = torch.randint(0, PARENT.vocab_size, (8, 64), generator=torch.manual_seed(0))
    torch.manual_seed(0)
    model = Transformer(PARENT).eval()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        prune_to(model, target, pruning, texts)
    return counter.get_total_flops() / texts.numel()


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
