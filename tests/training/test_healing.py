"""Healing a pruned model by the trainer: from its weights, by text, by its parent, by adapters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from nasviz.corpus.tokenizer import Tokenizer
from nasviz.errors import InputError
from nasviz.evaluation.sparsity import density, set_zeros
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.dynamic.packed import Packed4, Packed8
from nasviz.model.dynamic.weight_quantization import quantized
from nasviz.model.initialise import initialise
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Transformer
from nasviz.quality.bits import bits_per_byte
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.kept import Kept
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.sparsity import Sparsity
from nasviz.training import adapters
from nasviz.training.distillation import Teacher, divergence
from nasviz.training.healing import KEPT, Healing, healing_plan
from nasviz.training.objective import batch_losses
from nasviz.training.plan import TrainingPlan
from nasviz.training.sample import sample_nats, spread_sample
from nasviz.training.seen_weights import Rounded
from nasviz.training.trainer import train_candidate

PARENT = Architecture(3, 20, 5, 256, 13, d_ff=28)
PLAN = TrainingPlan(steps=6, batch_size=4, threads=1, learning_rate=1e-3)


class Bytes:
    """The tiny text's tokens as bytes, whose vocabulary a checkpoint's tokenizer can have."""

    def __init__(self, text) -> None:
        self.parts = text.parts
        self.token_bytes = Tokenizer(256).token_bytes

    def tokens(self, part: str):
        return self.parts[part]


@pytest.fixture
def healing(tmp_path: Path) -> Healing:
    parent = Transformer(PARENT).eval()
    initialise(parent, 3)
    save_checkpoint(parent, tmp_path / "parent")
    Tokenizer(256).save(tmp_path / "parent")
    kept = Kept.of(PARENT, layers=(0, 2), channels=range(2, 18))
    save_checkpoint(pruned(parent, kept), tmp_path / "pruned")
    (tmp_path / "pruned" / KEPT).write_text(json.dumps(kept.to_json()))
    return Healing(tmp_path / "pruned", tmp_path / "parent")


def heal(healing: Healing, plan: TrainingPlan, text, directory: Path, **more):
    candidate = Candidate(load_checkpoint(healing.start).architecture)
    seen: list = []
    result = train_candidate(
        candidate, plan, Bytes(text), directory=directory, healing=healing, report=seen.append,
        **more,
    )  # fmt: skip
    return result, seen


def test_its_first_weights_are_the_pruned_models(healing, text, tmp_path) -> None:
    start = load_checkpoint(healing.start)
    still = PLAN.with_(steps=1, learning_rate=1e-7, warmup_share=0.0, decay_share=0.0)
    heal(healing, still, text, tmp_path / "run")
    after = load_checkpoint(tmp_path / "run").state_dict()
    for name, tensor in start.state_dict().items():
        torch.testing.assert_close(after[name], tensor, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "setting",
    [{}, {"optimizer": "adamw", "weight_decay": 0.1}, {"zero_stage": 1}, {"zero_stage": 2},
     {"zero_stage": 3, "optimizer": "adamw"}, {"activation_checkpointing": True}],
    ids=["muon", "adamw", "ZeRO 1", "ZeRO 2", "ZeRO 3", "recomputed"],
)  # fmt: skip
def test_zeros_are_held_while_everything_else_learns(setting, healing, text, tmp_path) -> None:
    start = load_checkpoint(healing.start)
    set_zeros(start, Sparsity("0.6", "magnitude"), torch.zeros(1, 3, dtype=torch.long))
    save_checkpoint(start, healing.start)
    before = start.state_dict()
    plan = healing_plan(PLAN.with_(**setting), "distill")
    sparse = replace(healing, holds_zeros=True)
    result, seen = heal(sparse, plan, text, tmp_path / "run", score=lambda model: model)
    stored = load_checkpoint(tmp_path / "run")
    sample = spread_sample(text.parts["search"], Bytes(text).token_bytes, 13)
    nats = sample_nats(stored, sample, 4, torch.device("cpu"))
    left = bits_per_byte(nats, sample.n_bytes)
    assert seen[-1].bits_per_byte == pytest.approx(left, abs=1e-5), "it learnt with its zeros"
    after = stored.state_dict()
    assert set(after) == set(before)
    for name, tensor in before.items():
        zero = tensor == 0
        assert torch.equal(after[name] == 0, zero) or not name.startswith("blocks."), name
        assert not torch.equal(after[name], tensor)
    assert density(stored) == density(start)
    tokens = torch.randint(256, (2, 13))
    assert torch.equal(result.score(tokens), stored(tokens)), "what is scored is what is left"
    assert {type(each) for each in result.score.modules()} == {
        type(each) for each in stored.modules()
    }


@pytest.mark.parametrize("bits", [8, 4])
def test_weights_are_seen_as_their_few_bits_are_and_learn_as_if_they_were_not(bits: int) -> None:
    torch.manual_seed(3)
    weight = torch.randn(11, 70, requires_grad=True)
    linear = torch.nn.Linear(70, 11, bias=False)
    linear.weight.data = weight.detach().clone()
    packed = Packed8(linear) if bits == 8 else Packed4(linear, 32)
    seen = Rounded(bits, 32)(weight)
    assert not torch.equal(seen, weight)
    # Products of the packed matrix are rounded to 16 bits.
    torch.testing.assert_close(seen, packed(torch.eye(70)).t(), atol=0.02, rtol=0.01)
    slopes = torch.randn(11, 70)
    seen.backward(slopes)
    assert torch.equal(weight.grad, slopes)


@pytest.mark.parametrize("zero_stage", [0, 2])
def test_a_model_that_learnt_for_few_bits_loses_less_in_them(
    zero_stage: int, healing, text, tmp_path
) -> None:
    architecture = load_checkpoint(healing.start).architecture
    option = WeightQuantization(bits=4, group_size=256, layer_bits=(4, 16))
    policy = InferencePolicy((option,))
    plan = PLAN.with_(steps=80, learning_rate=1e-2, zero_stage=zero_stage)
    left = []
    for aware in (False, True):
        result = train_candidate(
            Candidate(architecture, policy), plan.with_(quantization_aware=aware), Bytes(text),
            directory=tmp_path / f"{aware}", healing=healing, score=lambda model: model,
        )  # fmt: skip
        stored = load_checkpoint(tmp_path / f"{aware}")
        sample = spread_sample(text.parts["search"], Bytes(text).token_bytes, 13)
        run = quantized(stored, option)
        left.append(bits_per_byte(sample_nats(run, sample, 4, torch.device("cpu")), sample.n_bytes))
        tokens = torch.randint(256, (2, 13))
        assert torch.equal(result.score(tokens), stored(tokens)), "it is stored without rounding"
        assert not torch.equal(stored(tokens), run(tokens))
    assert left[1] < left[0]


def test_learning_for_few_bits_needs_to_know_how_many(healing, text, tmp_path) -> None:
    with pytest.raises(InputError, match="needs a policy with weight_quantization"):
        heal(healing, PLAN.with_(quantization_aware=True), text, tmp_path)
    with pytest.raises(InputError, match="drop one of lora_rank and quantization_aware"):
        PLAN.with_(quantization_aware=True, lora_rank=2)


# The first import of peft takes seconds.
LORA = pytest.param("lora", marks=pytest.mark.slow)


@pytest.mark.parametrize("way", ["finetune", "distill", LORA])
def test_every_way_of_healing_learns_and_leaves_an_ordinary_checkpoint(
    way, healing, text, tmp_path
) -> None:
    plan = healing_plan(PLAN.with_(steps=60, learning_rate=1e-2), way)
    result, seen = heal(healing, plan, text, tmp_path / "run", score=lambda model: model)
    assert result.state == "complete"
    estimates = [each.bits_per_byte for each in seen if each.bits_per_byte is not None]
    if way != "distill":  # this parent has learnt nothing that would help with the text
        assert estimates[-1] < estimates[0]
    stored = load_checkpoint(tmp_path / "run")
    assert type(stored) is Transformer
    assert set(stored.state_dict()) == set(load_checkpoint(healing.start).state_dict())
    for name, tensor in result.score.state_dict().items():
        assert torch.equal(tensor, stored.state_dict()[name])


def test_distillation_brings_the_pruned_model_nearer_to_its_parent(healing, text, tmp_path) -> None:
    tokens = torch.from_numpy(text.tokens("search")[: 13 * 20].astype("int64")).view(20, 13)
    parent = load_checkpoint(healing.parent)

    def gap(folder: Path) -> float:
        with torch.no_grad():
            return float(divergence(load_checkpoint(folder)(tokens), parent(tokens), 1.0))

    plan = healing_plan(PLAN.with_(steps=60, learning_rate=3e-3), "distill")
    heal(healing, plan, text, tmp_path / "run")
    assert gap(tmp_path / "run") < 0.5 * gap(healing.start)
    heal(healing, healing_plan(plan, "finetune").with_(distillation=0.0), text, tmp_path / "text")
    assert gap(tmp_path / "text") > gap(healing.start), "the text teaches something else"


@pytest.mark.parametrize("way", ["distill", LORA])
def test_a_paused_healing_goes_on_as_if_it_had_not_stopped(way, healing, text, tmp_path) -> None:
    plan = healing_plan(PLAN, way)
    _, whole = heal(healing, plan, text, tmp_path / "whole")
    asked = iter(["go"] * 3 + ["pause"])
    paused, _ = heal(healing, plan, text, tmp_path / "parts", control=lambda: next(asked))
    assert (paused.state, paused.steps) == ("paused", 3)
    _, seen = heal(healing, plan, text, tmp_path / "parts")
    assert seen[0].step == 4
    assert seen[-1].loss == whole[-1].loss
    ended = (load_checkpoint(tmp_path / name).state_dict() for name in ("whole", "parts"))
    for one, other in zip(*(each.values() for each in ended), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_only_adapters_learn_and_merging_changes_no_logits(healing, text) -> None:
    model = load_checkpoint(healing.start)
    tokens = torch.randint(256, (2, 13))
    before = model(tokens)
    adapters.add_adapters(model, 4, seed=1)
    torch.testing.assert_close(model(tokens), before)
    learn = {name for name, each in model.named_parameters() if each.requires_grad}
    assert learn
    assert all(".lora_" in name for name in learn)
    assert len(learn) == 2 * 7 * 2, "two factors of each of a layer's seven matrices"
    with torch.no_grad():
        for name in learn:
            model.get_parameter(name).normal_(std=0.2)
    changed = model(tokens)
    assert not torch.allclose(changed, before, atol=1e-2)
    torch.testing.assert_close(adapters.merged(model)(tokens), changed, atol=1e-5, rtol=1e-5)


def test_a_share_of_the_loss_is_the_parents_and_the_rest_the_texts(healing, text) -> None:
    parent, child = load_checkpoint(healing.parent), load_checkpoint(healing.start)
    kept = Kept.from_json(json.loads((healing.start / KEPT).read_text()))
    tokens, targets = torch.randint(256, (2, 3, 13)).unbind()
    on_text = cross_entropy(child(tokens).flatten(0, 1), targets.flatten())
    on_parent = divergence(child(tokens), parent(tokens), 1.0)
    policy = Candidate(child.architecture).inference
    for share in (0.25, 1.0):
        plan = TrainingPlan(steps=1, distillation=share)
        total, own = batch_losses(
            child, tokens, targets, policy, plan, teacher=Teacher(parent, kept, plan)
        )
        torch.testing.assert_close(own, on_text)
        torch.testing.assert_close(total, share * on_parent + (1 - share) * on_text)


def test_states_are_compared_by_their_angle_in_the_kept_channels_and_layers(healing) -> None:
    """A model pruned of the layers after the last kept one has the very states of its parent."""
    parent = load_checkpoint(healing.parent)
    kept = Kept.of(PARENT, layers=(0, 1))
    plan = TrainingPlan(steps=1, hidden_distillation=2.0)
    tokens, targets = torch.randint(256, (2, 3, 13)).unbind()
    policy = Candidate(PARENT).inference
    same = pruned(parent, kept)
    total, own = batch_losses(
        same, tokens, targets, policy, plan, teacher=Teacher(parent, kept, plan)
    )
    torch.testing.assert_close(total, own, atol=1e-5, rtol=0)
    other = pruned(parent, Kept.of(PARENT, layers=(1, 2)))
    total, own = batch_losses(
        other, tokens, targets, policy, plan, teacher=Teacher(parent, kept, plan)
    )
    assert total > own + 0.01


def test_a_parent_learns_nothing_itself(healing) -> None:
    parent, child = load_checkpoint(healing.parent), load_checkpoint(healing.start)
    kept = Kept.from_json(json.loads((healing.start / KEPT).read_text()))
    plan = TrainingPlan(steps=1, distillation=1.0, hidden_distillation=1.0)
    tokens = torch.randint(256, (3, 13))
    policy = Candidate(child.architecture).inference
    total, _ = batch_losses(
        child, tokens, tokens, policy, plan, teacher=Teacher(parent, kept, plan)
    )
    total.backward()
    assert all(each.grad is None for each in parent.parameters())
    assert all(each.grad is not None for each in child.parameters())


def test_chances_at_a_temperature_keep_the_size_of_their_gradients() -> None:
    said = torch.randn(5, 7)
    logits = torch.zeros(5, 7, requires_grad=True)
    norms = []
    for temperature in (4.0, 40.0):
        (gradient,) = torch.autograd.grad(divergence(logits, 0.1 * said, temperature), logits)
        norms.append(float(gradient.norm()))
    assert norms[0] == pytest.approx(norms[1], rel=0.02)
    assert float(divergence(said, said, 2.0)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("setting", ["distillation", "hidden_distillation", "lora_rank"])
def test_a_candidate_without_a_parent_is_not_healed(setting, candidate, text, tmp_path) -> None:
    with pytest.raises(InputError, match="need a parent"):
        train_candidate(candidate, PLAN.with_(**{setting: 1}), text, directory=tmp_path)


def test_a_plan_keeps_what_it_says_of_healing_itself() -> None:
    assert healing_plan(PLAN.with_(distillation=0.5), "distill").distillation == 0.5
    assert healing_plan(PLAN.with_(hidden_distillation=2.0), "distill").distillation == 0.0
    assert healing_plan(PLAN.with_(lora_rank=3), "lora").lora_rank == 3
    assert healing_plan(PLAN, "finetune") == PLAN
    with pytest.raises(InputError, match="lora_rank=2 adds to whole matrices"):
        TrainingPlan(optimizer="adamw", zero_stage=3, lora_rank=2)


@pytest.mark.slow
def test_two_processes_heal_as_one_does(healing, text, tmp_path) -> None:
    plan = healing_plan(PLAN.with_(optimizer="adamw", zero_stage=1), "distill")
    alone, _ = heal(healing, plan, text, tmp_path / "one")
    together, _ = heal(healing, plan.with_(devices=2), text, tmp_path / "two")
    assert together.loss == pytest.approx(alone.loss, abs=1e-4)
