"""The comparison that is shipped says what its own figures say."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from nasviz import SearchSpace, cli
from nasviz.commands.compare_joint import add_arguments
from nasviz.examples import joint_comparison

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "03_dynamic_nas.ipynb"


def test_its_figures_follow_from_its_runs() -> None:
    found = joint_comparison()
    text = files("nasviz.examples").joinpath("joint_comparison.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    assert found.verdict == stored["verdict"]
    for arm in found.arms:
        assert found.hypervolumes(arm) == pytest.approx(stored["hypervolumes"][arm])
    for other, name in (("static", "joint_minus_static"), ("in steps", "joint_minus_in_steps")):
        computed = found.difference(other)
        assert computed.outcome == stored[name]["outcome"]
        assert computed.mean == pytest.approx(stored[name]["mean"])
        assert (computed.low, computed.high) == pytest.approx(
            (stored[name]["low"], stored[name]["high"])
        )


def test_every_arm_spent_its_budget_and_was_trained_anew() -> None:
    found = joint_comparison()
    assert len(found.settings.seeds) == 5
    for runs in found.runs.values():
        assert set(runs) == set(found.arms)
        for run in runs.values():
            assert run.spent_flops >= found.declared.budget_flops
            assert 1 <= len(run.winners) <= found.settings.winners
            assert all(each.tested is not None for each in run.winners)
        assert not any(each.candidate.inference for each in runs["static"].winners)


def test_it_is_what_the_line_in_the_notebook_computes() -> None:
    line = re.search(r"nasviz compare-joint (.*?)\\n", NOTEBOOK.read_text(encoding="utf-8"))
    assert line is not None
    parser = cli._Parser()
    add_arguments(parser)
    asked = parser.parse_args(line[1].split())
    settings = joint_comparison().settings
    assert SearchSpace.named(asked.space).to_json() == settings.space.to_json()
    assert (asked.trials, asked.tokens, asked.seeds) == (14, 48_000, 5)
    assert settings.seeds == tuple(range(asked.seeds))
    for name in ("trials", "tokens", "strategy", "corpus", "first_share", "winners"):
        assert getattr(asked, name) == getattr(settings, name), name
