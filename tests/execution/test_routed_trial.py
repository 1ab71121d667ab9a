"""Trials with experts, and that route or prune tokens: trained, scored and priced as they run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nasviz
from nasviz import Architecture, Candidate, InferencePolicy, Study, TrainingPlan
from nasviz.cli import main
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.options.option import Option
from nasviz.space.options.token_pruning import TokenPruning

pytestmark = pytest.mark.slow

TEXT = "".join(f"line {number}: the cat sat on mat {number % 7}.\n" for number in range(9_000))


def trained(option: Option | None, directory: Path, **sizes: int) -> dict:
    corpus = directory / "text.txt"
    corpus.write_text(TEXT)
    options = () if option is None else (option,)
    candidate = Candidate(Architecture(4, 32, 2, 256, 32, **sizes), InferencePolicy(options))
    study = Study.open(f"sqlite:///{directory}/study.db")
    plan = TrainingPlan(tokens=20_000, threads=1)
    trial = nasviz.train(candidate, plan, corpus=str(corpus), study=study)
    assert trial.state == "complete", trial.reason
    return trial.result


def test_a_routed_trial_s_quality_is_the_causal_predictors(tmp_path: Path) -> None:
    result = trained(MixtureOfDepths(capacity=0.5), tmp_path)
    share = result["observed"]["routed_share"]
    assert 0.05 < share < 0.95
    layers = result["policy_score"]["average_layers"]
    assert layers == pytest.approx(2 + 2 * share)
    assert result["bits_per_byte"] < 4
    # All tokens through all layers is not what was trained.
    assert result["bits_per_byte"] < result["static_bits_per_byte"]
    assert result["expected_flops_per_token"] < result["static_flops_per_token"]
    assert 2 <= result["policy_latency"]["average_layers"] <= 4


def test_a_trial_whose_router_skips_layers_says_what_its_tokens_took(tmp_path: Path) -> None:
    result = trained(LayerSkip(keep=0.5, choose="router"), tmp_path)
    share = result["observed"]["routed_share"]
    assert result["policy_score"]["average_layers"] == pytest.approx(1 + 3 * share)
    assert share == pytest.approx(1 / 3, abs=0.2)  # after twenty thousand tokens
    assert result["bits_per_byte"] < 4
    assert result["expected_flops_per_token"] < result["static_flops_per_token"]


def test_a_pruned_trial_writes_as_the_static_model_where_nothing_is_a_prompt(
    tmp_path: Path,
) -> None:
    result = trained(TokenPruning(keep=0.5), tmp_path)
    assert result["bits_per_byte"] == pytest.approx(result["static_bits_per_byte"], abs=1e-6)
    assert result["expected_flops_per_token"] < result["static_flops_per_token"]
    assert result["policy_latency"]["average_layers"] == 4
    after = result["after_prompts"]
    assert after["bits_per_byte"] != after["static"]  # where there is a prompt, it tells


def test_a_trial_with_experts_says_what_each_of_them_gets(tmp_path: Path) -> None:
    result = trained(None, tmp_path, experts=4, experts_per_token=2)
    load = result["expert_load"]
    assert len(load["layers"]) == 4
    assert all(sum(layer) == pytest.approx(2) for layer in load["layers"])
    assert result["recipe"]["balance_loss"] == 0.01
    assert result["bits_per_byte"] < 4


def test_a_trial_with_dynamic_experts_is_priced_by_what_its_tokens_used(tmp_path: Path) -> None:
    result = trained(MixtureOfExperts(top_p=0.6), tmp_path, experts=4, experts_per_token=2)
    used = result["observed"]["experts_per_token"]
    assert used == pytest.approx(result["expert_load"]["experts_per_token"])
    assert all(1 <= each < 2 for each in used)
    assert result["expected_flops_per_token"] < result["static_flops_per_token"]
    assert result["bits_per_byte"] == pytest.approx(result["static_bits_per_byte"], abs=0.5)
    assert result["bits_per_byte"] != result["static_bits_per_byte"]


def generated(arguments: list[str], directory: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    study = f"sqlite:///{directory}/study.db"
    assert main(["generate", "0", "--study", study, "--prompt", "line", "--tokens", "5",
                 "--json", *arguments]) == 0  # fmt: skip
    return json.loads(capsys.readouterr().out)


def test_a_trial_that_keeps_layers_by_their_influence_measures_it_and_generates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = trained(LayerSkip(keep=0.5, choose="influence"), tmp_path)
    influence = result["block_influence"]["layers"]
    assert result["block_influence"]["part"] == "calibration"
    assert len(influence) == 4
    assert result["kept_layers"] == sorted(sorted(range(4), key=lambda i: -influence[i])[:2])
    assert result["policy_score"]["average_layers"] == 2
    written = generated([], tmp_path, capsys)
    assert written["inference"]["layer_skip"]["layers"] == result["kept_layers"]
    assert written["average_layers"] == 2
    three = generated(["--layer-skip", "keep=0.75"], tmp_path, capsys)
    assert three["average_layers"] == 3


def test_any_trial_can_be_run_by_its_layers_influence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = trained(None, tmp_path)
    assert "kept_layers" not in result
    flag = "keep=0.5,choose=influence"
    written = generated(["--layer-skip", flag], tmp_path, capsys)
    influence = result["block_influence"]["layers"]
    kept = sorted(sorted(range(4), key=lambda i: -influence[i])[:2])
    assert written["inference"]["layer_skip"]["layers"] == kept
