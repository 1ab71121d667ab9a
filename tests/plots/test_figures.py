"""Plots put records on axes: what they show is asked of the content, not of pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from bokeh.core.validation import check_integrity
from bokeh.document import Document

from nasviz.plots.axis import refresh
from nasviz.plots.front import Objective, SearchFront, draw_front, front_content
from nasviz.plots.hypervolume import (
    HypervolumeHistory,
    Search,
    draw_hypervolume,
    hypervolume_content,
)
from nasviz.plots.learning_curve import (
    Curve,
    LearningCurves,
    draw_learning_curve,
    learning_curve_content,
)


def curve(n: int, label: str = "trial 3") -> Curve:
    steps = np.arange(1.0, n + 1)
    scored = np.where(steps % 7 == 0, 3 / steps, np.nan)
    return Curve(label, steps * 1536, steps * 0.1, 4 / steps, scored)


CURVES = LearningCurves((curve(131), curve(17, "trial 5")), levels=(("unigram", 3.31),))
HISTORY = HypervolumeHistory((Search("nsga2", np.array([1.0, 3, 5]), np.array([0.2, 0.5, 0.6])),))
FRONT = SearchFront(
    (Objective("time", "s", log=True), Objective("bits per byte")),
    np.array([0.003, 0.001, 0.002, np.nan]),
    np.array([2.2, 2.9, 2.4, 2.0]),
    np.array([True, True, False, False]),
    ("a", "b", "c", "d"),
)


@pytest.mark.parametrize(
    ("draw", "record"),
    [
        (draw_learning_curve, CURVES),
        (draw_learning_curve, LearningCurves(())),
        (draw_hypervolume, HISTORY),
        (draw_hypervolume, HypervolumeHistory(())),
        (draw_front, FRONT),
    ],
)
def test_every_record_becomes_a_sound_figure(draw: Any, record: Any) -> None:
    drawn = draw(record)
    document = Document()
    document.add_root(drawn)
    issues = check_integrity(document.models)
    assert not issues.error
    assert document.to_json()


def test_a_refreshed_figure_is_the_figure_of_the_new_record() -> None:
    drawn = draw_learning_curve(LearningCurves((curve(5),)))
    refresh(drawn, learning_curve_content(CURVES))
    fresh = draw_learning_curve(CURVES)
    for name in ("curves", "ends", "names", "levels"):
        one, other = (each.select_one({"name": name}).data_source.data for each in (drawn, fresh))
        assert one.keys() == other.keys()
        for column in one:
            values = [
                np.concatenate([np.ravel(each) for each in data[column]]).tolist()
                for data in (one, other)
            ]
            assert values[0] == values[1]
    assert (drawn.y_range.start, drawn.y_range.end) == (fresh.y_range.start, fresh.y_range.end)


def test_a_long_curve_is_drawn_by_means_up_to_its_last_step() -> None:
    content = learning_curve_content(LearningCurves((curve(100_003),)))
    xs, ys = content.sources["curves"]["xs"][0], content.sources["curves"]["ys"][0]
    assert len(xs) == len(ys) == 1_200
    assert xs[-1] == 100_003 * 1536


def test_scores_are_only_where_a_trial_was_scored() -> None:
    content = learning_curve_content(LearningCurves((curve(23),), "seconds", "bits_per_byte"))
    assert content.sources["scores"]["x"] == pytest.approx([0.7, 1.4, 2.1])
    assert content.x.unit == "s"


def test_hypervolume_holds_until_the_next_trial() -> None:
    searches = hypervolume_content(HISTORY).sources["searches"]
    assert searches["xs"][0].tolist() == [1, 3, 3, 5, 5]
    assert searches["ys"][0].tolist() == [0.2, 0.2, 0.5, 0.5, 0.6]


def test_the_front_is_a_staircase_and_unfinished_trials_are_left_out() -> None:
    sources = front_content(FRONT).sources
    assert sources["front"]["label"] == ["b", "a"]
    assert sources["steps"]["x"].tolist() == [0.001, 0.003, 0.003]
    assert sources["steps"]["y"].tolist() == [2.9, 2.9, 2.2]
    assert sources["trials"]["label"] == ["c"]
    assert sources["latest"]["label"] == ["c"]


@pytest.mark.parametrize("ends", [[2.5], [2.5, 2.5, 2.51], [2.0, 2.0, 2.0, 3.0], [3.0] * 5, []])
def test_names_lie_on_no_curve_and_on_no_other_name(ends: list[float]) -> None:
    record = LearningCurves(
        tuple(
            Curve(f"trial {at}", *(np.array([0.0, 1e6 / (at + 1)]),) * 2,
                  np.array([4.0, end]), np.array([np.nan, np.nan]))
            for at, end in enumerate(ends)
        )
    )  # fmt: skip
    content = learning_curve_content(record)
    names = content.sources["names"]
    furthest = max((float(xs[-1]) for xs in content.sources["curves"]["xs"]), default=0.0)
    assert all(x > furthest for x in names["x"])
    assert content.x.high - content.x.low >= 1.3 * furthest  # room for the letters
    heights = sorted(names["y"])
    line = (content.y.high - content.y.low) * 0.08
    assert all(b - a >= line for a, b in pairwise(heights))
    assert all(content.y.low < each < content.y.high for each in heights)
    assert (
        np.argsort(names["y"], kind="stable").tolist() == np.argsort(ends, kind="stable").tolist()
    )


def test_hypervolume_is_a_share_of_its_box() -> None:
    search = Search("nsga2", np.array([1.0, 2.0]), np.array([0.5, 1.5]))
    content = hypervolume_content(HypervolumeHistory((search,), box=2.0))
    assert content.sources["searches"]["ys"][0].tolist() == [0.25, 0.25, 0.75]
    assert content.sources["names"]["text"] == []
    assert content.y.unit == "%"
    both = hypervolume_content(HypervolumeHistory((search, replace(search, label="tpe")), 2.0))
    assert both.sources["names"]["text"] == ["nsga2", "tpe"]
    low, high = both.sources["names"]["y"]
    assert high > low  # both end at one height, and are written at two
