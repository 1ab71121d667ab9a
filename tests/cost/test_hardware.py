from __future__ import annotations

import json
import math

import pytest

from nasviz.cost.estimate import estimate
from nasviz.cost.hardware import Hardware
from nasviz.cost.profiles import PROFILES
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space import presets


def test_there_are_profiles_of_every_kind_with_their_sources() -> None:
    assert len(PROFILES) >= 15
    assert {each.kind for each in PROFILES.values()} == {
        "phone",
        "board",
        "laptop",
        "desktop",
        "data-centre",
    }
    assert all(len(each.source) > 10 for each in PROFILES.values())
    assert all(name == each.name for name, each in PROFILES.items())


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_survives_json(name: str) -> None:
    profile = Hardware.named(name)
    assert Hardware.from_json(json.loads(json.dumps(profile.to_json()))) == profile


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown hardware 'h100-sxn'; did you mean 'h100-sxm'"):
        Hardware.named("h100-sxn")


def test_this_machine_before_calibration_says_how_to_calibrate(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path))
    with pytest.raises(InputError, match="nasviz hardware --calibrate"):
        Hardware.named("this-machine")
    assert Hardware.default().name == "laptop-cpu"


def test_a_damaged_calibration_is_as_good_as_none(monkeypatch, tmp_path) -> None:
    from nasviz.cost.calibrated import calibrated_path, load_calibrated

    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path))
    for text in ("", "{", '{"name": 3}', "[]", "null"):
        calibrated_path().write_text(text)
        assert load_calibrated() is None


@pytest.mark.parametrize("wrong", [0, -1.0, math.nan, math.inf, "fast", None, True])
@pytest.mark.parametrize("figure", ["bandwidth_bytes_per_s", "memory_bytes", "power_w"])
def test_impossible_figures_are_refused_with_their_place(figure: str, wrong: object) -> None:
    data = Hardware.named("t4").to_json()
    with pytest.raises(InputError, match=f"t4: {figure}="):
        Hardware.from_json({**data, figure: wrong})


def test_unknown_and_missing_keys_are_named() -> None:
    data = Hardware.named("t4").to_json()
    with pytest.raises(InputError, match="did you mean 'power_w'"):
        Hardware.from_json({**data, "power": 3})
    del data["source"]
    with pytest.raises(InputError, match="lacks source"):
        Hardware.from_json(data)


def test_few_bits_are_computed_in_sixteen_and_sixteen_in_thirty_two_where_they_must() -> None:
    v100, pi = Hardware.named("v100-sxm2"), Hardware.named("raspberry-pi-5")
    assert v100.peak_flops_per_s("int8") == v100.flops_per_s["fp16"]
    assert v100.peak_flops_per_s("bf16") == v100.flops_per_s["fp32"]
    assert pi.peak_flops_per_s("int4") == pi.flops_per_s["fp32"]


def test_decoding_a_large_model_waits_for_its_weights() -> None:
    """At batch 1 a token takes the weights' bytes over the bandwidth; prefill takes its FLOPs."""
    h100 = Hardware.named("h100-sxm")
    workload = Workload(precision="bf16", prompt_tokens=2048, generated_tokens=1)
    cost = estimate(presets.named("llama-3-8b"), workload, h100)
    read = cost.memory.weights_bytes - 2 * cost.parameters.embedding
    floor = read / (h100.bandwidth_bytes_per_s * h100.bandwidth_efficiency)
    assert floor < cost.latency.time_per_output_token_s < 1.2 * floor
    flops = (cost.flops.prefill - cost.flops.causal_saving) / (
        h100.peak_flops_per_s("bf16") * h100.matmul_efficiency
    )
    assert flops < cost.latency.time_to_first_token_s < 1.2 * flops


def test_a_batch_shares_the_weights_it_reads() -> None:
    h100 = Hardware.named("h100-sxm")
    model = presets.named("llama-3-8b")
    one, many = (
        estimate(model, Workload(precision="bf16", batch=batch), h100).latency for batch in (1, 16)
    )
    assert many.time_per_output_token_s < 1.5 * one.time_per_output_token_s
    assert many.tokens_per_s > 10 * one.tokens_per_s
