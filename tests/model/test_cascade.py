"""A cascade answers with one of two models, each of which has read the whole text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.confidence import from_logits
from nasviz.model.dynamic.runner import Runner
from nasviz.model.generate import generate
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.cascade import Cascade
from nasviz.space.table import CandidateTable
from nasviz.training.objective import batch_losses
from nasviz.training.plan import TrainingPlan

SIZES = Architecture(4, 48, 4, 97, 24, n_kv_heads=2)


def model_for(option: Cascade) -> Transformer:
    torch.manual_seed(3)
    model = build_model(SIZES, InferencePolicy((option,)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape))
    return model.eval()


def texts(batch: int, length: int = 20) -> torch.Tensor:
    return torch.randint(97, (batch, length), generator=torch.Generator().manual_seed(batch))


def median_threshold(model: Transformer, tokens: torch.Tensor) -> Cascade:
    small = model.additions["cascade"]
    sure = from_logits("max_probability", small(tokens))
    return Cascade(threshold=float(sure.median()))


@torch.inference_mode()
def test_each_answer_is_that_of_a_model_that_read_everything() -> None:
    model = model_for(Cascade())
    tokens = texts(3)
    option = median_threshold(model, tokens)
    logits, depths = Runner(model, InferencePolicy((option,))).stepped(tokens)
    small = model.additions["cascade"](tokens)
    whole = model(tokens)
    asked = depths == 4
    assert 0.2 < float(asked.float().mean()) < 0.8
    assert bool((depths[~asked] == 0).all())
    torch.testing.assert_close(logits[asked], whole[asked], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits[~asked], small[~asked], rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_what_was_missed_is_read_at_once_and_costs_what_is_counted() -> None:
    model = model_for(Cascade())
    never = InferencePolicy((Cascade(threshold=0.0),))
    tokens = texts(1)
    runner = Runner(model, never)
    reading = runner.new_reading()
    runner.read(tokens[:, :9], reading)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        for place in range(9, 12):
            runner.step(tokens[:, place], reading)
    small = Workload(prompt_tokens=10, generated_tokens=1)
    flops = estimate(Candidate(SIZES, never), small, observed=Observed(answered_share=1.0)).flops
    assert counter.get_total_flops() == 3 * flops.decode_per_token
    assert reading.length == 12
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        after = runner.read(tokens[:, 12:], reading)
    assert not reading.unread
    torch.testing.assert_close(after, model(tokens)[:, -1], rtol=1e-4, atol=1e-4)


def test_both_models_are_counted() -> None:
    option = Cascade(depth_share=0.5, width_share=0.5)
    policy = InferencePolicy((option,))
    candidate = Candidate(SIZES, policy)
    small, whole = estimate(option.small(SIZES)), estimate(SIZES)
    workload = Workload(prompt_tokens=8, generated_tokens=8)
    both = estimate(candidate, workload, observed=Observed(answered_share=0.25))
    small, whole = estimate(option.small(SIZES), workload), estimate(SIZES, workload)
    assert both.parameters.total == whole.parameters.total + small.parameters.total
    assert both.flops.prefill == whole.flops.prefill + small.flops.prefill
    # The whole model reads every token in the end, and answers three of four.
    expected = whole.flops.decode_per_token + small.flops.decode_per_token
    expected -= 0.25 * whole.flops.decode_parts.head
    assert both.flops.decode_per_token == pytest.approx(expected)
    cache = whole.memory.kv_cache_bytes + small.memory.kv_cache_bytes
    assert both.memory.kv_cache_bytes == cache
    assert both.flops.training_per_token == (
        whole.flops.training_per_token + small.flops.training_per_token
    )
    seconds = small.latency.time_per_output_token_s
    assert both.latency.time_per_output_token_s > seconds
    table = CandidateTable.of([Candidate(SIZES), candidate])
    rows = estimate(table, workload).flops.decode_per_token
    assert rows[0] == whole.flops.decode_per_token
    assert rows[1] == pytest.approx(estimate(candidate, workload).flops.decode_per_token)


def test_training_costs_what_is_counted() -> None:
    policy = InferencePolicy((Cascade(),))
    with torch.device("meta"):
        model = build_model(SIZES, policy)
        tokens = torch.zeros((2, 24), dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        batch_losses(model, tokens, tokens, policy, TrainingPlan(steps=1))[0].backward()
    flops = estimate(Candidate(SIZES, policy)).flops.training_per_token
    assert flops * tokens.numel() == counter.get_total_flops()


def test_generation_reads_on_past_the_context() -> None:
    model = model_for(Cascade())
    option = median_threshold(model, texts(1))
    written = generate(model, [1, 2, 3], 60, policy=InferencePolicy((option,)))
    assert len(written.tokens) == 60
    assert written.rereads > 0
    assert set(written.depths) == {0, 4}


def test_another_small_model_than_the_trained_one_is_refused() -> None:
    model = model_for(Cascade())
    with pytest.raises(InputError, match="another small model than the one that was trained"):
        Runner(model, InferencePolicy((Cascade(width_share=0.25),)))
    static = build_model(SIZES, InferencePolicy())
    with pytest.raises(InputError, match="needs a small model that was trained beside"):
        Runner(static, InferencePolicy((Cascade(),)))


def test_the_small_model_fits_every_whole_one() -> None:
    for sizes in (SIZES, replace(SIZES, n_layers=1), replace(SIZES, d_model=8, d_ff=8)):
        small = Cascade(depth_share=0.01, width_share=0.01).small(sizes)
        assert small.n_layers == 1
        assert small.vocab_size == sizes.vocab_size
        Transformer(small)
