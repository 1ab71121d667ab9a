from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.model.cache import KVCache
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.table import CandidateTable

BATCH = 2


def on_meta(architecture: Architecture) -> Transformer:
    with torch.device("meta"):
        return Transformer(architecture)


def counted_prefill_and_decode(architecture: Architecture, prompt: int) -> tuple[int, int]:
    """FLOPs of BATCH prompts, and of one more token of each, on the meta device."""
    model = on_meta(architecture).eval()
    cache = KVCache(architecture, batch=BATCH, device="meta")
    tokens = torch.zeros((BATCH, prompt), dtype=torch.long, device="meta")
    with torch.inference_mode():
        with FlopCounterMode(display=False) as prefill:
            model.prefill(tokens, cache)
        with FlopCounterMode(display=False) as decode:
            model.decode(tokens[:, 0], cache)
    return prefill.get_total_flops(), decode.get_total_flops()


def test_prefill_and_decode_are_exactly_what_torchs_counter_counts(random_architectures) -> None:
    for architecture in random_architectures(50, seed=11):
        prompt = 13
        workload = Workload(prompt_tokens=prompt, generated_tokens=1, batch=BATCH)
        flops = estimate(architecture, workload).flops
        prefill, decode = counted_prefill_and_decode(architecture, prompt)
        assert flops.prefill == prefill, architecture
        assert BATCH * flops.decode_per_token == decode, architecture


def test_training_is_exactly_what_torchs_counter_counts(random_architectures) -> None:
    for architecture in random_architectures(30, seed=12):
        model = on_meta(architecture)
        length = architecture.context_length
        tokens = torch.zeros((BATCH, length), dtype=torch.long, device="meta")
        with FlopCounterMode(display=False) as counter:
            model(tokens).sum().backward()
        flops = estimate(architecture).flops.training_per_token
        assert flops * BATCH * length == counter.get_total_flops(), architecture


def test_checkpointing_runs_every_block_forward_once_more(random_architectures) -> None:
    for architecture in random_architectures(10, seed=13):
        plain = estimate(architecture).flops.training_parts
        again = estimate(architecture, Workload(activation_checkpointing=True)).flops
        assert again.training_parts.head == plain.head
        assert 3 * again.training_parts.attention == 4 * plain.attention


def test_the_causal_saving_is_that_of_the_mask_itself(random_architectures) -> None:
    for architecture in random_architectures(30, seed=14):
        tokens = min(17, architecture.context_length)
        window = architecture.sliding_window or tokens
        position = torch.arange(tokens)
        behind = position[:, None] - position[None, :]
        hidden = int((~((behind >= 0) & (behind < window))).sum())
        pair = 4 * architecture.n_layers * architecture.n_heads * architecture.head_dim
        flops = estimate(architecture, Workload(prompt_tokens=tokens)).flops
        assert flops.causal_saving == hidden * pair


def test_parts_add_up_to_their_totals(random_architectures) -> None:
    table = CandidateTable.of(random_architectures(61, seed=15))
    flops = estimate(table, Workload(batch=7)).flops
    for parts, total in (
        (flops.prefill_parts, flops.prefill),
        (flops.decode_parts, flops.decode_per_token),
        (flops.training_parts, flops.training_per_token),
    ):
        assert (sum(vars(parts).values()) == total).all()


def test_a_prompt_longer_than_the_context_is_cut_to_it(random_architectures) -> None:
    architecture = random_architectures(1, seed=16)[0]
    long = estimate(architecture, Workload(prompt_tokens=100_003)).flops.prefill
    whole = estimate(architecture, Workload(prompt_tokens=architecture.context_length)).flops
    assert long == whole.prefill


def test_a_request_is_its_prompt_and_one_step_less_than_its_tokens(random_architectures) -> None:
    architecture = random_architectures(1, seed=17)[0]
    flops = estimate(architecture, Workload(prompt_tokens=7, generated_tokens=5, batch=3)).flops
    assert flops.request == flops.prefill // 3 + 4 * flops.decode_per_token


@pytest.mark.parametrize("tokens", [1, 2, 6])
def test_the_decode_position_is_the_middle_generated_token(tokens: int) -> None:
    expected = {1: 11, 2: 11, 6: 13}
    assert Workload(prompt_tokens=10, generated_tokens=tokens).decode_position == expected[tokens]
