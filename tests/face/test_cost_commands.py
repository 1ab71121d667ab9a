"""`nasviz cost` and `nasviz hardware`: keys that scripts rely on, and wrong input."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from nasviz.cli import main
from nasviz.cost.profiles import PROFILES

SIZES = {"n_layers": 2, "d_model": 96, "n_heads": 3, "vocab_size": 307, "context_length": 61}


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]):
    """Return a function that runs a command and returns the JSON it printed."""

    def run(*words: str) -> dict[str, object]:
        assert main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_the_documented_keys_are_there(printed) -> None:
    cost = printed("cost", "gpt2", "--hardware", "h100-sxm")
    assert {"total", "active", "embedding"} <= set(cost["parameters"])
    assert {"prefill", "decode_per_token", "training_per_token"} <= set(cost["flops"])
    assert {"weights_bytes", "kv_cache_bytes_per_token"} <= set(cost["memory"])
    assert {"time_to_first_token_s", "time_per_output_token_s"} <= set(cost["latency"])
    assert cost["energy_j"] > 0
    assert cost["parameters"]["total"] == 124_439_808
    assert cost["hardware"] == "h100-sxm"


def test_a_file_and_standard_input_cost_the_same(
    tmp_path: Path, printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps({"architecture": SIZES, "inference": {}})
    path = tmp_path / "candidate.json"
    path.write_text(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert printed("cost", "-") == printed("cost", str(path))


def test_twice_the_batch_reads_the_weights_once(printed) -> None:
    one = printed("cost", "gpt2", "--hardware", "h100-sxm")
    two = printed("cost", "gpt2", "--hardware", "h100-sxm", "--batch", "2")
    assert two["flops"]["prefill"] == 2 * one["flops"]["prefill"]
    assert two["memory"]["weights_bytes"] == one["memory"]["weights_bytes"]
    assert two["memory"]["kv_cache_bytes"] == 2 * one["memory"]["kv_cache_bytes"]
    step = "time_per_output_token_s"
    assert two["latency"][step] < 2 * one["latency"][step]


def test_half_the_precision_is_half_the_weights(printed) -> None:
    whole = printed("cost", "gpt2")["memory"]["weights_bytes"]
    assert printed("cost", "gpt2", "--precision", "bf16")["memory"]["weights_bytes"] == whole / 2


def test_the_table_for_people_names_the_device_and_the_weights(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["cost", "gpt2", "--hardware", "t4"]) == 0
    shown = capsys.readouterr().out
    assert "NVIDIA T4" in shown
    assert "124.4 M" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gtp2"], "did you mean 'gpt2'?"),
        (["gpt2", "--hardware", "h100"], "did you mean 'h100-"),
        (["gpt2", "--batch", "0"], "batch"),
        (["gpt2", "--batch", "-3"], "batch"),
        (["gpt2", "--batch", "1.5"], "1.5"),
        (["gpt2", "--prompt", "nan"], "nan"),
        (["gpt2", "--prompt", "1000", "--generate", "500"], "context_length=1024"),
        (["gpt2", "--precision", "fp33"], "fp33"),
        (["missing.json"], "missing.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_exit_code_2_and_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert "Traceback" not in shown.err


def test_every_profile_is_listed_with_its_source(printed) -> None:
    assert len(PROFILES) >= 15
    listed = json.dumps(printed("hardware"))
    assert [name for name in PROFILES if name not in listed] == []
    assert all(profile.source for profile in PROFILES.values())


def test_one_profile_is_shown_and_a_mistyped_one_refused(
    printed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed("hardware", "t4")["name"] == "t4"
    assert main(["hardware", "t5"]) == 2
    assert "did you mean 't4'?" in capsys.readouterr().err
