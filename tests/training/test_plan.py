from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.training.fields import BUDGETS, PLAN_FIELDS
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import recipe_for

ARCHITECTURE = Architecture(
    n_layers=3, d_model=40, n_heads=5, vocab_size=256, context_length=64, d_ff=56
)


def test_every_setting_has_a_field_in_the_catalogue_and_its_default():
    plan = TrainingPlan(steps=1)
    assert set(plan.__dataclass_fields__) == set(PLAN_FIELDS)
    for name, field in PLAN_FIELDS.items():
        if name not in BUDGETS:
            assert getattr(plan, name) == field.default, name
        assert field.help.endswith("."), name


@given(
    st.sampled_from(BUDGETS),
    st.integers(1, 10**6),
    st.sampled_from(["muon", "adamw"]),
    st.integers(0, 2),
    st.integers(0, 2**31 - 1),
)
def test_a_plan_survives_json(budget, amount, optimizer, stage, seed):
    plan = TrainingPlan(**{budget: amount}, optimizer=optimizer, zero_stage=stage, seed=seed)
    assert TrainingPlan.from_json(plan.to_json()) == plan


def test_a_new_budget_replaces_the_old_one():
    assert TrainingPlan(seconds=5).with_(bytes=999, seed=3) == TrainingPlan(bytes=999, seed=3)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"step": 5}, "unknown training setting 'step'; did you mean 'steps'?"),
        ({"steps": 5, "tokens": 7}, "one budget at a time, not tokens=7 and steps=5"),
        ({"steps": 0}, "steps=0 is out of range"),
        ({"seconds": float("nan")}, "seconds=nan is not a number"),
        ({"optimizer": "adam"}, "unknown training plan: optimizer 'adam'; did you mean 'adamw'?"),
        ({"batch_size": 2.5}, "batch_size=2.5 is not a whole number"),
        ({"zero_stage": 3}, "optimizer='muon' needs whole matrices"),
        ({"offload": True}, "offload=True needs a ZeRO stage"),
        ({"batch_size": 7, "devices": 2}, "nearest above: 8"),
        ({"warmup_share": 0.7, "decay_share": 0.6}, "their sum is at most 1"),
        ({"seed": True}, "seed=True is not a whole number"),
        ({"learning_rate": "fast"}, "learning_rate='fast' is not a number"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong_and_what_is_right(settings, text):
    with pytest.raises(InputError) as caught:
        TrainingPlan.from_json(settings)
    assert text in str(caught.value)


def test_something_else_than_an_object_is_no_plan():
    with pytest.raises(InputError, match="an object of settings"):
        TrainingPlan.from_json([1, 2])


def test_the_default_budget_and_batch_are_the_reference_ones():
    recipe = recipe_for(ARCHITECTURE, TrainingPlan())
    assert recipe.tokens_per_step * recipe.n_steps == 1_536_000


def test_budgets_of_one_size_in_different_units_make_the_same_steps():
    by_tokens = recipe_for(ARCHITECTURE, TrainingPlan(tokens=384_000))
    by_bytes = recipe_for(ARCHITECTURE, TrainingPlan(bytes=1_152_000), bytes_per_token=3.0)
    by_flops = recipe_for(ARCHITECTURE, TrainingPlan(flops=384e9), flops_per_token=1e6)
    by_steps = recipe_for(ARCHITECTURE, TrainingPlan(steps=by_tokens.n_steps))
    assert by_tokens == by_bytes == by_flops
    assert by_steps.batch_size == by_tokens.batch_size


def test_a_batch_by_rule_splits_over_devices_and_parts():
    plan = TrainingPlan(tokens=500_000, devices=3, gradient_accumulation=2)
    recipe = recipe_for(ARCHITECTURE, plan)
    assert recipe.batch_size == recipe.micro_batch_size * 6


def test_the_deepspeed_configuration_says_what_the_plan_says():
    plan = TrainingPlan(
        steps=10, batch_size=12, devices=2, gradient_accumulation=3, zero_stage=2, clipping=0.7,
        precision="bf16",
    )  # fmt: skip
    config = plan.deepspeed_config(ARCHITECTURE)
    assert config["train_batch_size"] == 12
    assert config["train_micro_batch_size_per_gpu"] == 2
    assert config["gradient_accumulation_steps"] == 3
    assert config["zero_optimization"]["stage"] == 2
    assert config["gradient_clipping"] == 0.7
    assert config["torch_autocast"] == {"enabled": True, "dtype": "bfloat16"}


def test_clipping_is_said_even_when_there_is_none():
    assert TrainingPlan(clipping=0).deepspeed_config(ARCHITECTURE)["gradient_clipping"] == 0.0


def test_a_plan_and_its_configuration_need_no_torch():
    program = (
        "import sys; from nasviz.training.plan import TrainingPlan as P;"
        "from nasviz.space.architecture import Architecture as A;"
        "P(tokens=9).deepspeed_config(A(2, 8, 2, 256, 16));"
        "print([name for name in ('torch', 'deepspeed', 'optuna') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)  # noqa: PLW1510
    assert run.stdout.strip() == "[]", run.stderr
