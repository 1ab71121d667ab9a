"""Pruned trials whose layers were searched: scored, solved, cut and healed by the worker's code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nasviz import Architecture, PerLayer, Study, TrainingPlan
from nasviz.cli import main
from nasviz.commands.prune import _as_text
from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import tokenize
from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.execution.parents import find_parent
from nasviz.execution.prune import checked_order
from nasviz.execution.runner import run_trial
from nasviz.execution.scored_layers import ScoredLayers
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.initialise import initialise
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Transformer
from nasviz.space.kept import Kept
from nasviz.space.pruning import Pruning
from nasviz.study import queue
from nasviz.study.lineage_cost import lineage_cost
from nasviz.study.trial import Trial

pytestmark = pytest.mark.slow

PARENT = Architecture(3, 20, 5, 270, 13, d_ff=28)
PLAN = TrainingPlan(steps=4, batch_size=6, threads=1, measured="quality")
WHOLE = float(estimate(PARENT).parameters.total)
LIMITS = {"max_parameters": 0.7 * WHOLE, "local_steps": 10}
FEW = Pruning(calibration_tokens=260)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, corpus: str) -> Path:
    """A checkpoint whose layers do something, though it was never trained."""
    torch.set_num_threads(1)
    model = Transformer(PARENT).eval()
    initialise(model, 7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2 if parameter.ndim > 1 else 1)
    folder = save_checkpoint(model, tmp_path_factory.mktemp("parent"))
    tokenize(open_corpus(corpus), 270).tokenizer.save(folder)
    return folder


@pytest.fixture
def ordered(study: Study, parent: Path, corpus: str) -> Callable[..., Trial]:
    """What `prune` would wait for: adds a waiting trial with its layers searched."""

    def order(scores: str = "shared", **more: Any) -> Trial:
        asked = PerLayer.from_json({**LIMITS, "scores": scores})
        more = {"pruning": FEW, "corpus": corpus, **more}
        return checked_order(find_parent(parent, study), asked, PLAN, **more).add_to(study)

    return order


def worked(study: Study, stopping: Callable[[], bool] = lambda: False) -> Trial:
    """Return the next waiting trial after it was run here, as a worker runs it."""
    trial = queue.claim(study, worker=1)
    assert trial is not None
    run_trial(study, trial, stopping)
    return study.trial(trial.number)


@pytest.mark.parametrize("scores", ["shared", "local"])
def test_a_searched_trial_keeps_its_limit_and_starts_from_its_blocks(
    ordered: Callable[..., Trial], study: Study, parent: Path, scores: str
) -> None:
    asked = ordered(scores, heal="none")
    assert asked.candidate.architecture == PARENT, "until its own sizes are found"
    trial = worked(study)
    assert trial.state == "complete", trial.reason
    found, sizes = trial.result["pruned"]["per_layer"], trial.candidate.architecture
    assert trial.result["parameters"] <= LIMITS["max_parameters"]
    assert found["used"] == {"parameters": trial.result["parameters"]}
    left = [each for each in found["layers"] if each is not None]
    assert left == [each.to_json() for each in sizes.sizes_by_layer]
    best = found["divergence"]
    assert best <= found["greedy_divergence"]
    assert best <= found["random_divergence"] < found["random_mean_divergence"]
    scored = np.array([row["divergence"] for row in found["scores"]["layers"]])
    assert scored.shape == (3, 9)
    chosen = [choices.index(each) for choices, each
              in zip(found["scores"]["choices"], found["layers"], strict=True)]  # fmt: skip
    assert best == pytest.approx(scored[range(3), chosen].sum())
    folder = study.directory(trial.number)
    kept = Kept.from_json(json.loads((folder / "kept.json").read_text()))
    assert kept.architecture(PARENT) == sizes == load_checkpoint(folder).architecture
    plain = pruned(load_checkpoint(parent), kept).state_dict()
    taught = {
        int(name.split(".")[1])
        for name, weights in load_checkpoint(folder).state_dict().items()
        if not torch.equal(weights, plain[name])
    }
    learnt = {
        kept.layers.index(layer)
        for layer, left in enumerate(found["layers"])
        if left is not None and left != PARENT.sizes_of(layer).to_json()
    }
    assert taught == (learnt if scores == "local" else set())
    assert learnt
    assert not (folder / "pruned").exists()
    cost = lineage_cost(study, trial.number)
    assert cost.own_flops == trial.result["pruned"]["flops"] > 0
    assert cost.own_seconds >= trial.result["pruned"]["seconds"] > 0
    assert trial.lineage is not None
    assert trial.lineage.per_layer == PerLayer.from_json({**LIMITS, "scores": scores})
    json.dumps(dict(trial.result), allow_nan=False)


def test_a_search_that_was_paused_is_healed_without_scoring_a_layer_again(
    ordered: Callable[..., Trial], study: Study
) -> None:
    number = ordered("local").number
    asked = iter([False] * 13)  # within the second layer
    assert worked(study, lambda: next(asked, True)).state == "waiting"
    stored = study.directory(number) / "pruned" / "scores.json"
    half = json.loads(stored.read_text())
    assert len(half["layers"]) == 1
    half["layers"][0]["divergence"][1] = 123.0
    stored.write_text(json.dumps({**half, "seconds": 1000.0}))
    trial = worked(study)
    assert trial.state == "complete", trial.reason
    facts = trial.result["pruned"]
    assert facts["per_layer"]["scores"]["layers"][0]["divergence"][1] == 123.0
    assert facts["seconds"] > 1000
    assert trial.result["tokens"] == 4 * 6 * 13
    assert trial.result["parameters"] <= LIMITS["max_parameters"]


def test_a_search_is_cancelled_between_two_choices(
    ordered: Callable[..., Trial], study: Study
) -> None:
    number = ordered().number
    trial = queue.claim(study, worker=1)
    assert trial is not None
    study.request(number, "cancel")
    run_trial(study, trial, lambda: False)
    assert study.trial(number).state == "cancelled"
    assert not (study.directory(number) / "pruned" / "facts.json").exists()


def test_each_layer_that_was_scored_is_told_once(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    look = ScoredLayers(tmp_path, 3, lambda *scored: told.append(scored))
    look()
    (tmp_path / "pruned").mkdir()
    for scored in (1, 1, 3):
        (tmp_path / "pruned" / "scores.json").write_text(json.dumps({"layers": [{}] * scored}))
        look()
    shutil.rmtree(tmp_path / "pruned")
    look()
    assert told == [(1, 3), (3, 3)]


def test_what_cannot_be_reached_is_refused_before_anything_is_stored(
    study: Study, parent: Path, corpus: str
) -> None:
    found = find_parent(parent, study)
    with pytest.raises(InputError, match=r"parameters of at most 100 can't be reached: .* has 6,"):
        checked_order(found, PerLayer(max_parameters=100), PLAN, corpus=corpus)
    with pytest.raises(InputError, match=r"memory of at most 9000 can't be reached: .* has .* B$"):
        checked_order(found, PerLayer(max_parameters=WHOLE, max_memory_bytes=9e3), PLAN)
    assert len(study) == 0


def test_the_command_searches_layers_and_says_what_became_of_each(
    study: Study, parent: Path, corpus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prune", str(parent), "--per-layer", "shared", "--max-parameters", str(0.7 * WHOLE),
             "--corpus", corpus, "--study", study.url, "--heal", "none"]  # fmt: skip
    assert main([*words, "--json"]) == 0
    *scored, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert {each["event"] for each in scored} <= {"scored"}
    assert all(1 <= each["layers"] <= each["n_layers"] == 3 for each in scored)
    assert last["lineage"]["per_layer"]["scores"] == "shared"
    assert last["parameters"] <= 0.7 * WHOLE
    assert last["pruned"]["per_layer"]["used"] == {"parameters": last["parameters"]}
    told = _as_text(last)
    assert "nats a token from the parent (greedy" in told
    for number, left in enumerate(last["pruned"]["per_layer"]["layers"]):
        had = PARENT.sizes_of(number)
        assert (f"layer {number}: left out" in told) == (left is None)
        if left is not None and left["n_heads"] != had.n_heads:
            assert f"layer {number}: heads {had.n_heads} → {left['n_heads']}" in told
        assert (f"layer {number}:" in told) == (left != had.to_json())
