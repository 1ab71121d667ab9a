"""The sandwich rule: which narrower models share a step, and that it makes slices work."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from nasviz.model.initialise import initialise
from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.training.nested_width import sandwich

SIZES = Architecture(2, 32, 4, 31, 24, n_kv_heads=4, d_ff=64)
QUARTER = DynamicWidth(ff_share=0.25, head_share=0.25)


def test_each_step_has_the_narrowest_and_one_between() -> None:
    narrowest = QUARTER.running(SIZES)
    seen = set()
    for step in range(60):
        sizes = sandwich(SIZES, QUARTER, seed=1, step=step)
        assert sizes[-1] == narrowest
        assert len(sizes) == len(set(sizes)) <= 2
        assert SIZES not in sizes
        seen.update((each.d_ff, each.n_heads) for each in sizes)
    assert len(seen) > 10


def test_a_step_s_widths_follow_from_seed_and_step_alone() -> None:
    forward = [sandwich(SIZES, QUARTER, seed=3, step=step) for step in range(9)]
    backward = [sandwich(SIZES, QUARTER, seed=3, step=step) for step in reversed(range(9))]
    assert forward == backward[::-1]
    assert forward != [sandwich(SIZES, QUARTER, seed=4, step=step) for step in range(9)]


def test_full_width_adds_nothing_to_a_step() -> None:
    assert sandwich(SIZES, DynamicWidth(1.0, 1.0), seed=0, step=0) == ()


def test_a_slice_of_a_nested_model_beats_that_of_a_plain_one() -> None:
    narrow = QUARTER.running(SIZES)
    plain, nested = trained(nest=False), trained(nest=True)
    losses = {name: loss(subnetwork(model, narrow), step=1_000_003)
              for name, model in (("plain", plain), ("nested", nested))}  # fmt: skip
    assert losses["nested"] < losses["plain"] - 0.5
    assert loss(nested, step=1_000_003) < losses["nested"] + 0.05


def trained(*, nest: bool) -> Transformer:
    model = Transformer(SIZES)
    initialise(model, seed=5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(120):
        optimizer.zero_grad()
        extra = sandwich(SIZES, QUARTER, seed=2, step=step) if nest else ()
        for part in (model, *(subnetwork(model, sizes) for sizes in extra)):
            loss_tensor(part, step).backward()
        optimizer.step()
    return model


def loss_tensor(model: Transformer, step: int) -> torch.Tensor:
    """Return the loss on texts that count upwards from a random number, modulo the vocabulary."""
    generator = torch.Generator().manual_seed(step)
    starts = torch.randint(31, (16, 1), generator=generator)
    tokens = (starts + torch.arange(24)) % 31  # (16, 24)
    logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


@torch.no_grad()
def loss(model: Transformer, step: int) -> float:
    return float(loss_tensor(model, step))
