"""The trials of a study as CSV: what was trained, how, and what came out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from nasviz.space.architecture import ALL_NAMES, NAMES
from nasviz.study.trial import Trial
from nasviz.widgets.export.sheet import sheet

ABOUT = (
    "number", "state", "origin", "corpus", "reason", "attempts", "created", "started", "ended",
)  # fmt: skip
RESULTS = (
    "bits_per_byte", "static_bits_per_byte", "search_bits_per_byte", "perplexity", "accuracy",
    "loss", "tokens", "bytes", "epochs", "steps", "seconds", "parameters",
    "time_per_output_token_s", "measured_time_per_output_token_s", "cost_hardware", "device",
    "threads", "seed", "plateau", "corpus_sha256",
)  # fmt: skip


def trials_csv(trials: Sequence[Trial]) -> str:
    """Return `trials` one a row: about it, its candidate, its plan as `plan_…`, its result.

    `parent` is what a pruned trial was made from. The columns of sizes are followed by
    `layer_sizes`, those of each layer as JSON (`[]` where all are alike), and `inference`, the
    policy as JSON (`{}` is static).
    """
    plans = sorted({name for trial in trials for name in trial.plan})
    named = (*ALL_NAMES, "inference")
    head = [*ABOUT, "parent", *named, *(f"plan_{name}" for name in plans), *RESULTS]
    return sheet(head, (_row(trial, plans) for trial in trials))


def _row(trial: Trial, plans: Sequence[str]) -> list[Any]:
    about = [_said(getattr(trial, name)) for name in ABOUT]
    sizes = trial.candidate.architecture.to_json()
    return [
        *about,
        "" if trial.lineage is None else trial.lineage.parent,
        *(sizes[name] for name in NAMES),
        json.dumps(sizes.get("layer_sizes", [])),
        json.dumps(trial.candidate.inference.to_json()),
        *(trial.plan.get(name) for name in plans),
        *(trial.result.get(name) for name in RESULTS),
    ]


def _said(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
