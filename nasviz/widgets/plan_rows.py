"""The rows of a training plan: from its settings to knobs, and from what was typed to a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nasviz.errors import InputError
from nasviz.study.corpus_name import settled_corpus
from nasviz.training.fields import BUDGET_FIELDS, BUDGETS, PLAN_FIELDS
from nasviz.training.plan import DEFAULT_TOKENS, TrainingPlan
from nasviz.widgets.knobs import Knob, knob_of
from nasviz.widgets.labels import short_label, value_label

SETTINGS = (
    "batch_size",
    "optimizer",
    "learning_rate",
    "precision",
    "zero_stage",
    "offload",
    "activation_checkpointing",
    "seed",
)
BUDGET, AMOUNT, CORPUS = "budget", "amount", "corpus"


def plan_knobs() -> list[Knob]:
    """Return the rows of a training plan, from the catalogue of its settings."""
    rows = [
        Knob(
            BUDGET,
            "Budget in",
            "select",
            help="What is fixed: "
            + " ".join(f"{each.label}: {each.help}" for each in BUDGET_FIELDS),
            values=BUDGETS,
        ),
        Knob(AMOUNT, "Amount", "number", help="How much of it."),
    ]
    for name in SETTINGS:
        field = PLAN_FIELDS[name]
        if field.kind == "choice":
            rows.append(knob_of(field, "select", field.choices, field.choices))
        elif field.kind == "switch":
            rows.append(knob_of(field, "switch", (), ()))
        elif name == "zero_stage":
            stages = tuple(range(int(field.low or 0), int(field.high or 0) + 1))
            rows.append(
                knob_of(field, "select", stages, [value_label(field, stage) for stage in stages])
            )
        else:
            rows.append(knob_of(field, "number", (), ("by itself",)))
    rows.append(
        Knob(
            CORPUS,
            "Text",
            "text",
            help="What it learns from: python (this Python's own library), a file, a folder, or a "
            "public data set's name.",
        )
    )
    return [_shortened(row) for row in rows]


def _shortened(row: Knob) -> Knob:
    field = PLAN_FIELDS.get(row.name)
    if field is None:
        return row
    return replace(row, label=short_label(field), unit="")


def plan_values(plan: TrainingPlan, corpus: str) -> dict[str, Any]:
    """Return a plan as the values of its rows."""
    budget, amount = plan.budget
    settings = {name: getattr(plan, name) for name in SETTINGS}
    return {BUDGET: budget, AMOUNT: amount, **settings, CORPUS: corpus}


_USUAL = {
    "tokens": DEFAULT_TOKENS,
    "bytes": 1_500_000,
    "steps": 1_000,
    "seconds": 60,
    "flops": 1e13,
}


def plan_of(values: Mapping[str, Any]) -> TrainingPlan:
    """Return the plan that the rows describe; raises `InputError` for what is none."""
    amount = values[AMOUNT]
    if amount is None:
        amount = _USUAL[values[BUDGET]]
    settings = {name: values[name] for name in SETTINGS if values.get(name) is not None}
    return TrainingPlan(**{values[BUDGET]: amount}, **settings)


def corpus_of(typed: str) -> str:
    """Return the corpus that was typed: a name, else the whole path of a file or folder."""
    return settled_corpus(typed.strip() or "python")


def place_of(problem: InputError, values: Mapping[str, Any]) -> str:
    """Return the row that an error is about: the one whose name it says, else the amount."""
    said = str(problem)
    return next((name for name in values if f"{name}=" in said), AMOUNT)


def without_place(problem: InputError) -> str:
    """Return an error's text as it stands under a row, where the place is plain."""
    return str(problem).removeprefix("training plan: ")
