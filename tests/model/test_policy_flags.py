"""`nasviz generate` under an inference policy: its flags, its defaults, and what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nasviz.cli import main
from nasviz.corpus.tokenizer import Tokenizer
from nasviz.model.checkpoint import load_policy, save_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.early_exit import EarlyExit

OWN = InferencePolicy((EarlyExit(threshold=0.3, criterion="margin", first=2),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    model = build_model(Architecture(6, 24, 2, 256, 64), OWN)
    save_checkpoint(model, tmp_path / "trained")
    Tokenizer(256, ()).save(tmp_path / "trained")
    return tmp_path / "trained"


def written(folder: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> dict[str, Any]:
    words = ["generate", str(folder), "--prompt", "hello", "--tokens", "12", "--json", *flags]
    assert main(words) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_model_runs_as_it_was_trained_to_unless_told_otherwise(folder, capsys):
    assert load_policy(folder) == OWN
    assert written(folder, capsys)["inference"] == OWN.to_json()
    static = written(folder, capsys, "--static")
    assert static["inference"] == {}
    assert static["depths"] == [6] * 12
    assert written(folder, capsys, "--early-exit", "off") == {
        **static,
        "tokens_per_s": pytest.approx(static["tokens_per_s"], rel=1e3),
    }


def test_flags_change_single_settings_and_depths_follow(folder, capsys):
    found = written(folder, capsys, "--early-exit", "threshold=0")
    assert found["inference"]["early_exit"]["threshold"] == 0
    assert found["inference"]["early_exit"]["criterion"] == "margin"
    assert found["depths"] == [6] + [2] * 11  # the prompt is read by all layers
    assert found["average_layers"] == pytest.approx((6 + 2 * 11) / 12)
    found = written(folder, capsys, "--early-exit", "layers=1+4,thresholds=1+0")
    assert set(found["depths"][1:]) == {4}


def test_layers_and_speed_are_said_to_a_person(folder, capsys):
    assert main(["generate", str(folder), "--prompt", "hello", "--tokens", "4"]) == 0
    said = capsys.readouterr().err
    assert "of 6 layers a token" in said
    assert "tokens/s" in said


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("threshold=2", "early_exit.threshold=2 is out of range"),
        ("threshold", "'threshold' is not SETTING=VALUE"),
        ("treshold=1", "did you mean 'threshold'"),
        ("first=9", "lower early_exit.first"),
        ("criterion=gate", "gates that this model was not trained with"),
        ("criterion=guess", "unknown early_exit.criterion 'guess'"),
    ],
)
def test_wrong_flags_are_wrong_input(folder, capsys, flag, reason):
    words = ["generate", str(folder), "--prompt", "hello", "--early-exit", flag]
    assert main(words) == 2
    shown = capsys.readouterr()
    assert reason in shown.err
    assert shown.out == ""
