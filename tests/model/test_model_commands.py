"""`nasviz generate` and `nasviz export` on a checkpoint's folder and on a study's trials."""

from __future__ import annotations

import json

import pytest
import torch
from random_models import random_model

from nasviz.cli import main
from nasviz.corpus.tokenizer import Tokenizer
from nasviz.model.checkpoint import save_checkpoint
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.study.study import Study

ARCHITECTURE = Architecture(
    n_layers=1, d_model=24, n_heads=2, vocab_size=263, context_length=13
)  # fmt: skip
MERGES = ((104, 101), (256, 108), (108, 111))


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a checkpoint with its tokenizer."""
    save_checkpoint(random_model(ARCHITECTURE), tmp_path / "trained")
    Tokenizer(263, MERGES).save(tmp_path / "trained")
    return tmp_path / "trained"


def test_generate_writes_the_same_text_as_json_and_as_text(folder, capsys):
    words = ["generate", str(folder), "--prompt", "hello", "--tokens", "9", "--seed", "4"]
    assert main([*words, "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert len(written["tokens"]) == 9
    assert main(words) == 0
    assert capsys.readouterr().out == f"hello{written['text']}\n"


def test_generate_says_what_it_did_not_read(folder, capsys):
    words = ["generate", str(folder), "--prompt", "a" * 20, "--tokens", "1", "--json"]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert "its first 7 were not read" in shown.err
    assert json.loads(shown.out)["prompt_cut"] == 7


def test_exported_text_and_tokens_are_those_of_transformers(folder, tmp_path, capsys):
    import transformers

    target = tmp_path / "export"
    assert main(["export", str(folder), "--to", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: Qwen3ForCausalLM\n"
    tokenizer = transformers.AutoTokenizer.from_pretrained(target)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(target)
    tokens = tokenizer("hello", return_tensors="pt").input_ids
    assert tokens[0].tolist() == Tokenizer(263, MERGES).encode("hello")
    written = theirs.generate(
        tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=8, do_sample=False
    )[0, tokens.shape[1] :]
    words = ["generate", str(folder), "--prompt", "hello", "--tokens", "8", "--temperature", "0"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens"] == written.tolist()


def test_a_trial_that_has_no_model_yet_says_its_state(tmp_path, capsys):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = Study.open(url)
    trial = study.add(Candidate(ARCHITECTURE))
    study.close()
    assert main(["generate", str(trial.number), "--prompt", "a", "--study", url]) == 2
    assert f"trial {trial.number} is waiting" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate", "nowhere", "--prompt", "a"], "neither a trial's number nor a folder"),
        (["generate", "3", "--prompt", "a"], "there is no study at"),
        (["export", "3", "--to", "."], "not an empty folder"),
        (["export", ".", "--to", "new"], "has neither architecture.json nor a config.json"),
        (["generate", "3"], "required: --prompt"),
    ],
)
def test_wrong_input_is_refused_and_nothing_is_written(
    words, message, tmp_path, monkeypatch, capsys
):
    (tmp_path / "kept").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_generating_nothing_is_wrong_input(folder, capsys):
    assert main(["generate", str(folder), "--prompt", "hello", "--tokens", "0"]) == 2
    assert "--tokens 0 leaves nothing to write; 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["taken/export", "/proc/export"])
def test_an_export_to_where_nothing_can_be_written_is_wrong_input(
    folder, tmp_path, monkeypatch, capsys, place
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    assert main(["export", str(folder), "--to", place]) == 2
    said = capsys.readouterr()
    assert f"--to {place} can't be written (" in said.err
    assert "Traceback" not in said.err


def test_an_export_to_a_folder_without_permission_is_wrong_input(
    folder, tmp_path, monkeypatch, capsys
):
    """Whoever runs this may be allowed everything, so the refusal is the system's in its words."""

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert main(["export", str(folder), "--to", str(tmp_path / "locked")]) == 2
    assert "can't be written (Permission denied); name another" in capsys.readouterr().err
