"""Pruned trials: made of a parent by the worker's code, healed, scored and accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_tokenizers import write_tokenizer

from nasviz import Architecture, Candidate, Study, TrainingPlan
from nasviz.cli import main
from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import tokenize_by
from nasviz.corpus.tokenizer import Tokenizer
from nasviz.cost.estimate import estimate
from nasviz.errors import InputError, RunError
from nasviz.evaluation.scoring import score
from nasviz.evaluation.sparsity import density
from nasviz.execution import finish, pruned_start
from nasviz.execution.parents import find_parent
from nasviz.execution.prune import checked_order
from nasviz.execution.prune_target import fewer_layers
from nasviz.execution.results import KEYS
from nasviz.execution.runner import run_trial, tidy_cancelled
from nasviz.execution.worker import IDLE_VARIABLE, living_worker, stop_worker
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.dynamic.weight_quantization import quantized
from nasviz.model.export import export_checkpoint
from nasviz.model.pruned import pruned
from nasviz.model.trained import load_trained, trained_architecture
from nasviz.model.transformer import Transformer
from nasviz.space.candidate_file import read_candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.kept import Kept
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.lineage import Lineage
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.pruning import Pruning
from nasviz.space.sparsity import Sparsity
from nasviz.study import queue
from nasviz.study.lineage_cost import lineage_cost
from nasviz.study.trial import Trial
from nasviz.training.healing import rate_share
from nasviz.training.learning_rate import rates

pytestmark = pytest.mark.slow

PARENT = Architecture(3, 20, 5, 270, 13, d_ff=28)
TARGET = Architecture.from_json(
    {**PARENT.to_json(), "n_layers": 2, "d_ff": 20, "n_heads": 3, "n_kv_heads": 3, "d_model": 16,
     "vocab_size": 262, "context_length": 11}
)  # fmt: skip
PLAN = TrainingPlan(steps=40, batch_size=6, threads=1)


def go() -> bool:
    return False


def add_pruned(study: Study, parent: Any, *order: Any, **more: Any) -> Trial:
    """Return the waiting trial that `prune` would wait for."""
    return checked_order(find_parent(parent, study), *order, **more).add_to(study)


def worked(study: Study) -> Trial:
    """Return the next waiting trial after it was run here, as a worker runs it."""
    trial = queue.claim(study, worker=1)
    assert trial is not None
    run_trial(study, trial, go)
    return study.trial(trial.number)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, corpus: str) -> Iterator[Study]:
    """A study with one trained trial, number 0."""
    torch.set_num_threads(1)
    study = Study.open(tmp_path_factory.mktemp("study") / "study.db")
    study.add(Candidate(PARENT), TrainingPlan(steps=150, batch_size=8, threads=1), corpus)
    assert worked(study).state == "complete"
    yield study
    study.close()


def test_a_pruned_trial_is_the_parents_parts_as_an_ordinary_model(trained: Study) -> None:
    asked = add_pruned(trained, 0, TARGET, PLAN, heal="none")
    assert asked.origin == "prune"
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    assert trial.candidate.architecture == TARGET
    assert trial.lineage == Lineage(parent_trial=0, heal="none")
    folder = trained.directory(trial.number)
    model = load_checkpoint(folder)
    kept = Kept.from_json(json.loads((folder / pruned_start.KEPT).read_text()))
    by_hand = pruned(load_checkpoint(trained.directory(0)), kept)
    tokens = torch.randint(262, (2, 11))
    assert torch.equal(model(tokens), by_hand(tokens))
    assert Tokenizer.load(folder) == Tokenizer.load(trained.directory(0)).cut(262)
    facts = trial.result["pruned"]
    assert facts["removed"] == {
        "n_layers": [3, 2], "d_model": [20, 16], "n_heads": [5, 3], "n_kv_heads": [5, 3],
        "d_ff": [28, 20], "vocab_size": [270, 262], "context_length": [13, 11],
    }  # fmt: skip
    assert trial.result["bits_per_byte"] == pytest.approx(facts["unhealed_bits_per_byte"])
    parent = trained.trial(0)
    assert parent.result["bits_per_byte"] == pytest.approx(facts["parent_bits_per_byte"], abs=1e-4)
    assert (trial.result["tokens"], trial.result["training_flops"]) == (0, 0)
    assert trial.result["loss"] is None
    assert not (folder / "pruned").exists()
    json.dumps(dict(trial.result), allow_nan=False)


@pytest.mark.parametrize("way", ["distill", "finetune", "lora"])
def test_a_healed_trial_is_better_than_it_was_when_it_was_cut(trained: Study, way: Any) -> None:
    add_pruned(trained, 0, TARGET, PLAN, heal=way, pruning=Pruning("taylor", "greedy", 2))
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    facts = trial.result["pruned"]
    assert trial.result["bits_per_byte"] < facts["unhealed_bits_per_byte"]
    assert trial.result["tokens"] == 40 * 6 * 11
    own = float(estimate(TARGET).flops.training_per_token) * trial.result["tokens"]
    teacher = float(estimate(PARENT).flops.training_per_token) / 3 * trial.result["tokens"]
    expected = own + teacher if way == "distill" else own
    assert trial.result["training_flops"] == pytest.approx(expected)
    stored = load_checkpoint(trained.directory(trial.number))
    assert stored.architecture == TARGET


def usual_rate(sizes: Architecture) -> float:
    return rates(sizes, PLAN).matrices


def matrix_rate(trial: Trial) -> float:
    return float(trial.result["recipe"]["rates"]["matrices"])


def test_a_cut_model_heals_at_a_rate_that_follows_from_what_the_cut_cost(trained: Study) -> None:
    target = PARENT.with_(n_layers=2, context_length=11)

    def healed(heal: Any = "distill", plan: TrainingPlan = PLAN, **more: Any) -> Trial:
        add_pruned(trained, 0, target, plan, heal=heal, **more)
        return worked(trained)

    trial = healed()
    rise = trial.result["pruned"]["rise_bits_per_byte"]
    text = tokenize_by(open_corpus(trial.corpus), Tokenizer.load(trained.directory(0)))
    cut = load_checkpoint(trained.directory(healed("none").number))
    before = load_checkpoint(trained.directory(0))
    bits = [score(each, text, "search", max_bytes=1 << 14).bits_per_byte for each in (cut, before)]
    assert rise > 0
    assert rise == pytest.approx(bits[0] - bits[1])
    assert matrix_rate(trial) == pytest.approx(usual_rate(target) * rate_share(rise))
    zeros = healed(sparsity=Sparsity("0.9"))
    assert zeros.result["pruned"]["rise_bits_per_byte"] == pytest.approx(rise), "before the zeros"
    assert matrix_rate(zeros) >= 0.3 * usual_rate(target)
    assert matrix_rate(healed("lora")) == pytest.approx(usual_rate(target))
    named = matrix_rate(healed(plan=PLAN.with_(learning_rate=1e-3)))
    assert named == pytest.approx(1e-3)
    shared = matrix_rate(healed(plan=PLAN.with_(rate_share=0.7)))
    assert shared == pytest.approx(0.7 * usual_rate(target))


def test_zeros_change_no_size_and_are_there_after_healing(trained: Study) -> None:
    add_pruned(trained, 0, None, PLAN, sparsity=Sparsity("2:4"))
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    parent = trained.trial(0)
    assert trial.candidate == parent.candidate
    assert matrix_rate(trial) >= 0.3 * usual_rate(PARENT)
    for name in ("parameters", "flops_decode_per_token", "time_per_output_token_s"):
        assert trial.result[name] == parent.result[name], "no invented saving"
    facts = trial.result["pruned"]
    assert facts["removed"] == {}
    assert facts["parent_bits_per_byte"] < facts["unhealed_bits_per_byte"]
    assert trial.result["bits_per_byte"] < facts["unhealed_bits_per_byte"]
    stored = load_checkpoint(trained.directory(trial.number))
    said = {key: facts["sparsity"].pop(key) for key in ("pattern", "importance")}
    assert said == {"pattern": "2:4", "importance": "activation"}
    assert facts["sparsity"] == density(stored)
    assert facts["sparsity"]["density"] == 0.5
    # Smaller and sparse at once: the texts that it is measured on are the smaller vocabulary's.
    add_pruned(trained, 0, TARGET, PLAN, sparsity=Sparsity("0.3"), heal="none")
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    left = density(load_checkpoint(trained.directory(trial.number)))
    assert left["density"] == pytest.approx(0.7, abs=0.03)


def test_a_model_is_healed_for_few_bits_and_run_in_them(trained: Study) -> None:
    add_pruned(trained, 0, None, PLAN, heal_for_bits=4)
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    assert trial.candidate.architecture == PARENT
    assert trial.candidate.inference == InferencePolicy((WeightQuantization(bits=4),))
    assert trial.plan["quantization_aware"] is True
    assert matrix_rate(trial) == pytest.approx(0.1 * usual_rate(PARENT))
    facts = trial.result["pruned"]
    assert facts["removed"] == {}
    whole = load_checkpoint(trained.directory(0))
    text = tokenize_by(open_corpus(trial.corpus), load_trained(trained.directory(0))[1])
    in_bits = score(quantized(whole, WeightQuantization(bits=4)), text, "test", max_bytes=1 << 16)
    assert facts["unhealed_bits_per_byte"] == pytest.approx(in_bits.bits_per_byte)
    assert facts["unhealed_bits_per_byte"] > facts["parent_bits_per_byte"]
    assert trial.result["bits_per_byte"] < facts["unhealed_bits_per_byte"]
    assert trial.result["parameters"] == trained.trial(0).result["parameters"]
    with pytest.raises(InputError, match="would round the zeros of sparsity="):
        add_pruned(trained, 0, None, sparsity=Sparsity("0.5"), heal_for_bits=4)
    for bits in (5, 16):
        with pytest.raises(InputError, match=f"heal_for_bits={bits} is not 8 or 4"):
            add_pruned(trained, 0, None, heal_for_bits=bits)
    with pytest.raises(InputError, match="drop one of lora_rank and quantization_aware"):
        add_pruned(trained, 0, None, heal="lora", heal_for_bits=8)


def test_sizes_of_each_layer_from_a_file_are_pruned_to_healed_and_pruned_again(
    trained: Study, tmp_path: Path
) -> None:
    layers = (LayerSizes(4, 4, 20), LayerSizes(0, 0, 28), LayerSizes(2, 2, 0))
    file = tmp_path / "target.json"
    said = {"architecture": PARENT.with_(layer_sizes=layers).to_json()}
    file.write_text(json.dumps(said), "utf-8")
    target = read_candidate(str(file)).architecture
    add_pruned(trained, 0, target, PLAN, heal="distill", pruning=Pruning(rounds=2))
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    model = load_checkpoint(trained.directory(trial.number))
    assert model.architecture.layer_sizes == layers
    assert trial.result["parameters"] == sum(each.numel() for each in model.parameters())
    assert trial.result["pruned"]["removed"] == {
        "n_heads": [5, 4], "n_kv_heads": [5, 4], "n_heads_in_all": [15, 6],
        "n_kv_heads_in_all": [15, 6], "d_ff_in_all": [84, 48],
    }  # fmt: skip
    assert trial.result["bits_per_byte"] < trial.result["pruned"]["unhealed_bits_per_byte"]
    with pytest.raises(InputError, match="the parent's layers differ in their sizes: say what"):
        fewer_layers(target, 2)
    kept = Kept.of(target, layers=(0, 2))
    add_pruned(trained, trial.number, None, PLAN, heal="none", kept=kept)
    again = worked(trained)
    assert again.state == "complete", again.reason
    stored = load_checkpoint(trained.directory(again.number))
    assert stored.architecture == again.candidate.architecture == target.only_layers((0, 2))
    assert stored.architecture.layer_sizes == (layers[0], layers[2])


def test_what_a_pruned_trial_cost_has_its_parent_in_it_whole_or_shared(trained: Study) -> None:
    first = add_pruned(trained, 0, TARGET, PLAN, heal="finetune").number
    worked(trained)
    second = add_pruned(trained, first, TARGET.with_(n_layers=1), PLAN, heal="finetune").number
    worked(trained)
    parent = lineage_cost(trained, 0)
    assert (parent.parent_flops, parent.children) == (0, 1)
    assert parent.total_flops == trained.trial(0).result["training_flops"]
    child = lineage_cost(trained, first)
    children = [each for each in trained.trials(["complete"])
                if each.lineage is not None and each.lineage.parent_trial == 0]  # fmt: skip
    assert child.children == len(children)
    assert child.total_flops == child.own_flops + parent.own_flops
    assert child.amortised_flops == child.own_flops + parent.own_flops / len(children)
    assert child.own_seconds > trained.trial(first).result["seconds"], "cutting took time too"
    grandchild = lineage_cost(trained, second)
    assert grandchild.total_flops == grandchild.own_flops + child.total_flops
    assert grandchild.amortised_flops == grandchild.total_flops, "an only child"


def test_a_pruned_trial_that_was_paused_goes_on_without_pruning_again(trained: Study) -> None:
    number = add_pruned(trained, 0, TARGET, PLAN.with_(steps=60)).number
    trial = queue.claim(trained, worker=1)
    assert trial is not None
    asked = iter([False] * 3)
    run_trial(trained, trial, lambda: next(asked, True))
    assert trained.trial(number).state == "waiting"
    facts = trained.directory(number) / "pruned" / "facts.json"
    marked = {**json.loads(facts.read_text()), "seconds": 123.0}
    facts.write_text(json.dumps(marked))
    again = worked(trained)
    assert again.state == "complete", again.reason
    assert again.result["pruned"]["seconds"] == 123.0


def test_what_a_trial_would_have_gone_on_from_is_let_go_of_when_it_is_cancelled(
    trained: Study,
) -> None:
    number = add_pruned(trained, 0, TARGET, PLAN.with_(steps=60)).number
    trial = queue.claim(trained, worker=1)
    assert trial is not None
    asked = iter([False] * 3)
    run_trial(trained, trial, lambda: next(asked, True))
    folder = trained.directory(number)
    tidy_cancelled(trained)
    assert {"pruned", "unfinished"} <= {each.name for each in folder.iterdir()}, "it only waits"
    trained.request(number, "cancel")
    assert trained.trial(number).state == "cancelled"
    tidy_cancelled(trained)
    assert not {"pruned", "unfinished"} & {each.name for each in folder.iterdir()}


def test_a_failed_trial_leaves_no_model_that_it_was_to_start_from(
    trained: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_order: Any, **_more: Any) -> None:
        raise RunError("the machine is gone")

    monkeypatch.setattr("nasviz.execution.runner.train_candidate", fails)
    number = add_pruned(trained, 0, TARGET, PLAN).number
    assert worked(trained).state == "failed"
    assert not (trained.directory(number) / "pruned").exists()


def test_parts_chosen_by_hand_are_the_parts_that_stay(trained: Study) -> None:
    # In each layer other heads and other units than their importance would choose alike.
    kept = Kept.of(
        PARENT, layers=(0, 2), heads=[(1, 2, 4), (0, 3, 4)],
        ff_units=[[tuple(range(0, 28, 2))], [tuple(range(14, 28))]],
    )  # fmt: skip
    asked = add_pruned(trained, 0, None, kept=kept, heal="none")
    assert asked.candidate.architecture == kept.architecture(PARENT)
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    assert trial.lineage == Lineage(parent_trial=0, heal="none", kept=kept)
    folder = trained.directory(trial.number)
    assert Kept.from_json(json.loads((folder / pruned_start.KEPT).read_text())) == kept
    by_hand = pruned(load_checkpoint(trained.directory(0)), kept)
    tokens = torch.randint(270, (2, 11))
    assert torch.equal(load_checkpoint(folder)(tokens), by_hand(tokens))
    assert trial.result["pruned"]["layers"] == [0, 2]


def test_a_healing_curve_begins_where_the_cut_model_stands_on_the_same_sample(
    trained: Study,
) -> None:
    kept = Kept.of(PARENT, layers=(0, 2))
    plan = PLAN.with_(steps=1, evaluation_every=1, learning_rate=1e-7)
    add_pruned(trained, 0, None, plan, kept=kept, heal="finetune")
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    # One step of next to nothing: the first evaluation is of the very model that was cut.
    first = trained.curve(trial.number)["bits_per_byte"][0]
    assert first == pytest.approx(trial.result["pruned"]["curve_bits_per_byte"], abs=1e-5)


def gpt2_of_transformers(folder: Path, text: str) -> Path:
    """Write a small GPT-2 with its tokenizer as `transformers` does: its bytes in another order."""
    import transformers
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers, trainers

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([text], trainer)
    torch.manual_seed(3)
    config = transformers.GPT2Config(
        vocab_size=281, n_positions=13, n_embd=20, n_layer=3, n_head=5, bos_token_id=None,
        eos_token_id=None,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    backend.save(str(folder / "tokenizer.json"))
    return folder


def test_a_gpt2_of_transformers_is_pruned_healed_and_loaded_there_again(
    trained: Study, corpus: str, tmp_path: Path
) -> None:
    import transformers

    theirs = gpt2_of_transformers(tmp_path / "theirs", Path(corpus).read_text())
    parent = trained_architecture(theirs)
    assert parent.position == "learned"
    sizes = {"n_layers": 2, "d_model": 16, "n_heads": 4, "n_kv_heads": 4, "d_ff": 40}
    target = Architecture.from_json({**parent.to_json(), **sizes, "vocab_size": 265})
    number = add_pruned(trained, theirs, target, PLAN, corpus=corpus).number
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    assert trial.lineage is not None
    assert trial.lineage.parent_folder == str(theirs.resolve())
    cost = lineage_cost(trained, number)
    assert (cost.parent_flops, cost.total_flops, cost.amortised_flops) == (None, None, None)
    ours, tokenizer = load_trained(trained.directory(number))
    out = export_checkpoint(ours, tokenizer, tmp_path / "out")
    again = transformers.AutoModelForCausalLM.from_pretrained(out).eval()
    assert type(again).__name__ == "GPT2LMHeadModel"
    words = "the cat sat on a mat"
    ids = transformers.AutoTokenizer.from_pretrained(out)(words)["input_ids"]
    assert ids == tokenizer.encode(words)
    tokens = torch.tensor([ids[:13]])
    with torch.no_grad():
        torch.testing.assert_close(again(tokens).logits, ours(tokens), atol=1e-4, rtol=0)


FAMILIES = {"llama-3": "llama", "qwen": "qwen3", "mistral": "mistral"}


@pytest.mark.parametrize("kind", FAMILIES)
def test_models_of_other_tokenizers_are_pruned_and_loaded_there_again(
    kind: str, trained: Study, corpus: str, tmp_path: Path
) -> None:
    import transformers

    theirs = write_tokenizer(kind, tmp_path / "theirs", Path(corpus).read_text(), 330)
    torch.manual_seed(4)
    config = transformers.AutoConfig.for_model(
        FAMILIES[kind], vocab_size=333, hidden_size=20, num_hidden_layers=3, num_attention_heads=5,
        num_key_value_heads=5, head_dim=4, intermediate_size=28, max_position_embeddings=13,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(theirs)
    parent = trained_architecture(theirs)
    target = Architecture.from_json({**parent.to_json(), "n_layers": 2, "vocab_size": 301})
    add_pruned(trained, theirs, target, PLAN.with_(steps=10), corpus=corpus, heal="finetune")
    trial = worked(trained)
    assert trial.state == "complete", trial.reason
    assert trial.result["bits_per_byte"] < trial.result["pruned"]["unhealed_bits_per_byte"]
    score = trial.result["test_score"]
    ours, tokenizer = load_trained(trained.directory(trial.number))
    assert tokenizer.vocab_size == 301
    assert score["bytes"] > 1000
    out = export_checkpoint(ours, tokenizer, tmp_path / "out")
    again = transformers.AutoModelForCausalLM.from_pretrained(out).eval()
    words = "the cat sat on 1 mat;\n  it's 🙂"
    ids = transformers.AutoTokenizer.from_pretrained(out)(words)["input_ids"]
    assert ids == tokenizer.encode(words)
    tokens = torch.tensor([ids[:13]])
    with torch.no_grad():
        torch.testing.assert_close(again(tokens).logits, ours(tokens), atol=1e-4, rtol=0)


def test_a_wrong_parent_or_target_is_refused_before_anything_is_stored(
    trained: Study, corpus: str, tmp_path: Path
) -> None:
    n_trials = len(trained)
    with pytest.raises(InputError, match="no such trial"):
        add_pruned(trained, 99, TARGET)
    with pytest.raises(InputError, match="is not a trial's number"):
        add_pruned(trained, trained.trial(0), TARGET)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="there is no folder"):
        add_pruned(trained, tmp_path / "absent", TARGET)
    with pytest.raises(InputError, match=r"neither architecture\.json nor a config\.json"):
        add_pruned(trained, tmp_path, TARGET)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for nowhere in (loop, "a\0b", "a" * 300, "~nobody-of-that-name/x"):
        with pytest.raises(InputError, match=r"names no folder|there is no folder"):
            add_pruned(trained, nowhere, TARGET)
    with pytest.raises(InputError, match="vocab_size=255 can't hold text"):
        add_pruned(trained, 0, TARGET.with_(vocab_size=255))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
    with pytest.raises(InputError, match="model_type='t5' is another family"):
        add_pruned(trained, tmp_path, TARGET)
    with pytest.raises(InputError, match="n_layers=4 can't be reached"):
        add_pruned(trained, 0, PARENT.with_(n_layers=4))
    with pytest.raises(InputError, match="say what pruning leaves once"):
        add_pruned(trained, 0, TARGET, kept=Kept.of(PARENT))
    with pytest.raises(InputError, match="say what pruning leaves once"):
        add_pruned(trained, 0, None)
    with pytest.raises(InputError, match="leaves pruning nothing to choose"):
        add_pruned(trained, 0, None, kept=Kept.of(PARENT), pruning=Pruning("taylor"))
    too_many = Kept.of(PARENT.with_(n_layers=4), layers=(3,))
    with pytest.raises(InputError, match=r"kept layers: 3 are not in rising order from 0 to 2"):
        add_pruned(trained, 0, None, kept=too_many)
    with pytest.raises(InputError, match="unknown way of healing 'distil'; did you mean 'distill'"):
        add_pruned(trained, 0, TARGET, heal="distil")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no such file"):
        add_pruned(trained, 0, TARGET, corpus="./absent.txt")
    assert len(trained) == n_trials
    waiting = trained.add(Candidate(PARENT), PLAN, corpus).number
    with pytest.raises(
        InputError, match=f"trial {waiting} is waiting: its model isn't trained yet"
    ):
        add_pruned(trained, waiting, TARGET)
    claimed = queue.claim(trained, worker=1)
    assert claimed is not None
    with pytest.raises(InputError, match="is running: its model isn't trained yet"):
        add_pruned(trained, waiting, TARGET)
    queue.fail(trained, waiting, "not a number: it diverged")
    with pytest.raises(InputError, match=r"is failed \(not a number: it diverged\): there is no"):
        add_pruned(trained, waiting, TARGET)


def test_adapters_without_their_package_are_refused_before_anything_is_stored(
    trained: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_trials = len(trained)
    monkeypatch.setattr("nasviz.execution.check.find_spec", lambda _name: None)
    with pytest.raises(InputError, match="need the package peft, which is not installed: pip"):
        add_pruned(trained, 0, TARGET, PLAN, heal="lora")
    assert len(trained) == n_trials


def test_a_parent_that_went_away_meanwhile_is_the_trials_failure(
    trained: Study, tmp_path: Path, corpus: str
) -> None:
    save_checkpoint(Transformer(PARENT), tmp_path / "parent")
    Tokenizer.load(trained.directory(0)).save(tmp_path / "parent")
    add_pruned(trained, tmp_path / "parent", TARGET, PLAN, corpus=corpus)
    weights = tmp_path / "parent" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    trial = worked(trained)
    assert trial.state == "failed"
    assert "is broken" in trial.reason


def test_a_trial_whose_weights_were_deleted_is_no_parent(trained: Study) -> None:
    weights = trained.directory(0) / "weights.safetensors"
    away = weights.rename(weights.with_suffix(".away"))
    try:
        with pytest.raises(InputError, match=r"weights\.safetensors is gone; put it back or train"):
            add_pruned(trained, 0, TARGET)
    finally:
        away.rename(weights)


@pytest.fixture
def worker(trained: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker may come for the study, and leaves with the test."""
    monkeypatch.setenv(IDLE_VARIABLE, "60")
    yield
    if living_worker(trained) is not None:
        stop_worker(trained, wait_s=90)


@pytest.mark.usefixtures("worker")
def test_the_command_prints_json_lines_and_last_the_result(
    trained: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prune", "0", "--keep-layers", "2", "--importance", "last", "--study", trained.url]
    assert main([*words, "--heal", "finetune", "--steps", "10", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"] for line in lines[:-1]} == {"progress"}
    last = lines[-1]
    assert set(KEYS) <= set(last)
    assert last["lineage"]["parent_trial"] == 0
    assert last["pruned"]["removed"] == {"n_layers": [3, 2]}
    assert last["lineage_cost"] == lineage_cost(trained, last["trial"]).to_json()
    assert last["candidate"]["architecture"] == PARENT.with_(n_layers=2).to_json()
    layer = load_checkpoint(trained.directory(0)).blocks[2]
    held = 4 * sum(each.numel() for each in layer.parameters())
    assert last["idle_layer_bytes"] == held
    assert main([*words, "--heal", "none"]) == 0
    said = capsys.readouterr().out
    assert "n_layers 3 → 2; layers kept: 0, 1" in said
    assert "with its parent's training" in said
    assert "a fixed exit of the parent after 2 layers" in said
    zeros = ["prune", "0", "--sparsity", "2:4", "--importance", "magnitude", "--heal", "none"]
    assert main([*zeros, "--study", trained.url]) == 0
    said = capsys.readouterr().out
    assert "zeros (2:4, by magnitude): 50.0% of the matrices' weights" in said
    assert "sizes, bytes and the FLOPs of dense kernels are as before" in said
    assert "nasviz multiplies them densely" in said
    bits = ["prune", "0", "--heal-for-bits", "8", "--heal", "none", "--study", trained.url]
    assert main(bits) == 0
    assert "with the layers' weights in 8 bits, its parent without" in capsys.readouterr().out
    assert main(["prune", "0", "--study", trained.url]) == 2
    assert "say what is left: --keep-layers" in capsys.readouterr().err
    for whole in (zeros, bits):
        assert main([*whole, "--rounds", "2", "--study", trained.url]) == 2
        assert "takes parts away, and here no part goes" in capsys.readouterr().err
    assert main([*zeros[:3], "2:3", "--study", trained.url]) == 2
    assert "whole blocks of 3 inputs, and d_model=20" in capsys.readouterr().err


def test_before_and_after_healing_the_same_text_is_scored(
    trained: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "FEW_BYTES", {"search": 500, "calibration": 500, "test": 500})
    monkeypatch.setattr(finish.QualityAlone, "test_bytes", 500)
    add_pruned(trained, 0, TARGET, PLAN.with_(measured="quality"), heal="none")
    result = worked(trained).result
    assert result["bits_per_byte"] == pytest.approx(result["pruned"]["unhealed_bits_per_byte"])
