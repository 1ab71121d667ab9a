from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch

from nasviz.cost.estimate import estimate
from nasviz.cost.sizes import sizes_of
from nasviz.cost.training_memory import largest_layer
from nasviz.cost.workload import PRECISIONS, Workload
from nasviz.errors import InputError
from nasviz.model.cache import KVCache
from nasviz.model.transformer import Transformer
from nasviz.space import presets
from nasviz.space.table import CandidateTable


def with_deepspeed():
    """DeepSpeed's estimators; it writes to stdout while it is imported."""
    with redirect_stdout(io.StringIO()):
        from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs as three
        from deepspeed.runtime.zero.stage_1_and_2 import (
            estimate_zero2_model_states_mem_needs as two,
        )
    return two, three


@pytest.mark.parametrize("name", ["gpt2", "llama-3.2-1b", "pythia-70m"])
@pytest.mark.parametrize("devices", [1, 3, 8])
def test_zero_2_and_3_are_what_deepspeed_estimates(name: str, devices: int) -> None:
    two, three = with_deepspeed()
    architecture = presets.named(name)
    total = estimate(architecture).parameters.total
    largest = largest_layer(sizes_of(architecture))

    def ours(stage: int, offload: str) -> tuple[int, int]:
        memory = estimate(
            architecture,
            Workload(
                training_precision="bf16",
                optimizer="adamw",
                zero_stage=stage,
                offload=offload,
                devices=devices,
            ),
        ).memory
        return memory.training_host_bytes, memory.training_state_bytes

    host, device = two(total, devices, cpu_offload=True)
    assert ours(2, "optimizer") == pytest.approx((host, device), abs=2)
    assert ours(2, "none")[1] == pytest.approx(two(total, devices, cpu_offload=False)[1], abs=2)
    host, device, _ = three(total, largest, devices, cpu_offload=True, cpu_offload_params=True)
    assert ours(3, "all") == pytest.approx((host, device), abs=2)
    host, device, _ = three(total, largest, devices, cpu_offload=True, cpu_offload_params=False)
    assert ours(3, "optimizer") == pytest.approx((host, device), abs=2)
    device = three(total, largest, devices, cpu_offload=False)[1]
    assert ours(3, "none")[1] == pytest.approx(device, abs=2)


def test_the_largest_layer_is_that_of_the_built_module(random_architectures) -> None:
    for architecture in random_architectures(30, seed=21):
        with torch.device("meta"):
            model = Transformer(architecture)
        assert largest_layer(sizes_of(architecture)) == max(
            weights.numel() for weights in model.parameters()
        )


def test_fp32_state_is_what_torchs_optimizer_holds(random_architectures) -> None:
    for architecture in random_architectures(5, seed=22):
        model = Transformer(architecture)
        optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
        for weights in model.parameters():
            weights.grad = torch.zeros_like(weights)
        optimizer.step()
        held = sum(
            4 * value.numel()
            for state in optimizer.state.values()
            for value in state.values()
            if value.numel() > 1
        )
        weights_and_gradients = sum(8 * weights.numel() for weights in model.parameters())
        workload = Workload(optimizer="adamw", zero_stage=0)
        expected = estimate(architecture, workload).memory.training_state_bytes
        assert expected == held + weights_and_gradients


def test_muon_keeps_one_number_less_for_each_weight_of_a_matrix(random_architectures) -> None:
    architecture = random_architectures(1, seed=23)[0]
    adam, muon = (estimate(architecture, Workload(optimizer=name)) for name in ("adamw", "muon"))
    saved = adam.memory.training_state_bytes - muon.memory.training_state_bytes
    assert saved == 4 * adam.parameters.matrices


def test_each_zero_stage_holds_less_on_a_device(random_architectures) -> None:
    table = CandidateTable.of(random_architectures(17, seed=24))
    states = [
        estimate(
            table, Workload(zero_stage=stage, devices=64, training_precision="bf16")
        ).memory.training_state_bytes
        for stage in (0, 1, 2)
    ]
    assert (states[1] < states[0]).all()
    assert (states[2] < states[1]).all()


def test_the_cache_is_what_the_models_cache_reserves(random_architectures) -> None:
    for architecture in random_architectures(20, seed=25):
        workload = Workload(prompt_tokens=9, generated_tokens=4, batch=3)
        cache = KVCache(architecture, 13, batch=3)
        memory = estimate(architecture, workload).memory
        one_token = KVCache(architecture, 1, batch=3)
        assert memory.kv_cache_bytes_per_token * 3 == one_token.reserved_bytes
        assert memory.kv_cache_bytes == cache.reserved_bytes


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_take_their_bits(precision: str) -> None:
    bits = {"fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4}[precision]
    memory = estimate(presets.named("gpt2"), Workload(precision=precision)).memory
    assert memory.weights_bytes == 124_439_808 * bits // 8
    assert isinstance(memory.weights_bytes, int)


def test_checkpointing_keeps_less_and_a_deeper_model_more(random_architectures) -> None:
    for architecture in random_architectures(10, seed=26):
        deep = architecture.with_(n_layers=13)
        plain = estimate(deep).memory.training_activations_bytes
        assert (
            estimate(
                deep, Workload(activation_checkpointing=True)
            ).memory.training_activations_bytes
            < plain
        )
        assert estimate(architecture).memory.training_activations_bytes < plain


def test_offloading_needs_a_stage_that_can() -> None:
    with pytest.raises(InputError, match="offload='all' needs zero_stage 3 or more, not 1"):
        Workload(offload="all", zero_stage=1)


def test_totals_are_the_sum_of_what_is_held(random_architectures) -> None:
    memory = estimate(CandidateTable.of(random_architectures(7, seed=27))).memory
    held = memory.weights_bytes + memory.kv_cache_bytes + memory.activations_bytes
    assert np.array_equal(memory.total_bytes, held)
