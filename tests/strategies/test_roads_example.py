"""The comparison of the two roads that is shipped says what its own figures say."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from statistics import fmean

import pytest

from nasviz import cli
from nasviz.commands.compare_roads import add_arguments
from nasviz.examples import roads_comparison
from nasviz.strategies.roads.outcome import ACCOUNTS
from nasviz.strategies.roads.record import RoadsComparison
from nasviz.strategies.roads.targets import DEPTH, DRAWS, METHODS, TARGETS, WIDTH

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_search_or_compress.ipynb"


def stored() -> dict:
    text = files("nasviz.examples").joinpath("roads_comparison.json").read_text(encoding="utf-8")
    return json.loads(text)


def nearly(one: object, other: object) -> bool:
    """Whether two documents are equal, numbers up to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(nearly(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(nearly, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other)
    return one == other


def test_its_figures_follow_from_its_runs() -> None:
    assert nearly(roads_comparison().to_json(), stored())


def test_every_road_was_walked_and_new_models_had_the_compute_of_the_pruned_ones() -> None:
    found = roads_comparison()
    assert len(found.settings.seeds) >= 3
    for run in found.runs.values():
        assert tuple(run.pruned) == tuple(run.scratch) == tuple(TARGETS)
        for target in TARGETS:
            for account, flops in run.compute(target).items():
                # Whole updates of the weights: the shortest runs have some dozens.
                assert run.scratch[target][account].flops == pytest.approx(flops, rel=0.02)
        for target, methods in METHODS.items():
            assert tuple(run.pruned[target]) == methods
            assert len(run.chance[target]) == DRAWS


def test_it_is_what_the_line_in_the_notebook_computes() -> None:
    line = re.search(r"nasviz compare-roads (.*?)\\n", NOTEBOOK.read_text(encoding="utf-8"))
    assert line is not None
    parser = cli._Parser()
    add_arguments(parser)
    asked, settings = parser.parse_args(line[1].split()), roads_comparison().settings
    assert settings.seeds == tuple(range(asked.seeds))
    assert (settings.parent_tokens, settings.healing_tokens) == (asked.tokens, asked.healing_tokens)
    assert settings.corpus == asked.corpus


def words() -> str:
    """All that the notebook says in words."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def means(found: RoadsComparison, account: str) -> list[float]:
    """How far apart the roads are on each target, without a sign."""
    return [abs(found.pruned_minus_scratch(target, account).mean) for target in found.targets]


def crossings(found: RoadsComparison) -> list[float]:
    """Where the roads to each target cross, as shares of the parent's training."""
    return [
        crossing.mean / found.runs[0].parent.flops
        for crossing in map(found.crossing, found.targets)
        if crossing is not None
    ]


def children(found: RoadsComparison) -> list[float]:
    """How many children pay a parent back, by target: the mean over seeds."""
    return [fmean(each or 0 for each in found.children(target)) for target in found.targets]


def test_the_words_of_the_notebook_are_its_figures() -> None:
    found, said = roads_comparison(), words()
    ends = [f"{end(means(found, account)):.2f}" for account in ACCOUNTS for end in (min, max)]
    ends += [f"{end(crossings(found)):.0%}" for end in (min, max)]
    ends += [f"{end(children(found)):.1f}" for end in (min, max)]
    depth = found.depth_minus_width()
    figures = [f"by {depth.mean:.3f} bits per byte, interval {depth.low:.4f} to {depth.high:.4f}"]
    figures.append(f"{found.time_of_depth_over_width().mean:.2f} of the other's time")
    for target, method in ((DEPTH, "block_influence"), (WIDTH, "activation")):
        before = abs(found.unhealed_method_minus_chance(target, method).mean)
        after = abs(found.method_minus_chance(target, method).mean)
        figures.append(f"{before:.2f} become {after:.2f}")
    figures.append(f"by {-found.unhealed_by_layer_minus_usual('shared').mean:.3f} bits per byte")
    shared, alike = found.by_layer_minus_usual("shared"), found.by_layer_minus_alike("shared")
    figures.append(f"(by {-shared.mean:.3f}, interval {-shared.high:.3f} to {-shared.low:.3f})")
    figures.append(f"these are better, by {alike.mean:.3f}")
    local = [found.by_layer_minus_usual("local"), found.by_layer_minus_alike("local")]
    figures.append(" and ".join(f"{each.mean:+.3f}" for each in local))
    assert [each for each in (*ends, *figures) if each not in said] == []
    by_account = [
        found.pruned_minus_scratch(target, each) for target in TARGETS for each in ACCOUNTS
    ]
    clear = (*by_account, found.time_of_depth_over_width(), shared, alike)
    assert not any(each.within_noise for each in clear)
    assert all(each.within_noise for each in (depth, *local))


def test_what_the_notebook_says_of_the_first_layer_is_so() -> None:
    found, said = roads_comparison(), words()
    drawn = [draw for run in found.runs.values() for draw in run.chance[DEPTH]]
    kept = [draw.bits_per_byte for draw in drawn if 0 in draw.layers]
    lost = [draw.bits_per_byte for draw in drawn if 0 not in draw.layers]
    assert (len(kept), len(lost)) == (7, 8)
    assert f"the seven draws that kept it healed to {fmean(kept):.3f}" in said
    assert f"the eight that lost it to {fmean(lost):.3f}" in said
    assert all(0 not in run.pruned[DEPTH]["magnitude"].layers for run in found.runs.values())
