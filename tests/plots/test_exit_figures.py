"""Figures of early exit: what they show is asked of the content, not of pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bokeh.core.validation import check_integrity
from bokeh.document import Document

from nasviz.plots.exit_histogram import (
    ExitHistogram,
    draw_exit_histogram,
    exit_histogram_content,
)
from nasviz.plots.exit_sweep import (
    ExitSweepCurve,
    ModelPoint,
    draw_exit_sweep,
    exit_sweep_content,
)
from nasviz.plots.front import Objective
from nasviz.plots.legend_row import refresh_with_legend

THRESHOLDS = np.array([1.0, 0.0, 0.5, 0.9])  # in no order
CURVE = ExitSweepCurve(
    Objective("layers a token"),
    THRESHOLDS,
    np.array([11.0, 2.0, 5.0, 7.0]),
    np.array([2.0, 9.0, 2.5, 2.1]),
    ModelPoint("whole model", 11.0, 2.0),
)
FULL = replace(
    CURVE,
    chosen=2,
    measured=(ModelPoint("run <b>", 6.0, 2.4, threshold=0.7),),
    static=(ModelPoint("trial 3", 6.0, 2.7),),
    allowed=2.02,
)
HISTOGRAM = ExitHistogram((2, 5, 8), (0.25, 0.004, 0.746), prior=(0.1, 0.2, 0.7))


@pytest.mark.parametrize(
    ("draw", "record"),
    [
        (draw_exit_sweep, CURVE),
        (draw_exit_sweep, FULL),
        (draw_exit_histogram, HISTOGRAM),
        (draw_exit_histogram, replace(HISTOGRAM, prior=None)),
        (draw_exit_histogram, ExitHistogram((3, 4), (0.0, 1.0))),
    ],
)
def test_every_record_of_early_exit_becomes_a_sound_figure(draw: Any, record: Any) -> None:
    drawn = draw(record)
    document = Document()
    document.add_root(drawn)
    assert not check_integrity(document.models).error
    assert document.to_json()


def named(drawn: Any) -> list[str]:
    return [str(item.label.value) for item in drawn.legend[0].items if item.visible]


def test_the_legend_names_what_there_is_now() -> None:
    drawn = draw_exit_sweep(CURVE)
    assert named(drawn) == ["early exit", "whole model"]
    refresh_with_legend(drawn, exit_sweep_content(FULL))
    assert named(drawn) == ["early exit", "set", "measured", "whole model", "static models"]
    assert named(draw_exit_histogram(HISTOGRAM)) == ["measured", "guessed before"]
    assert named(draw_exit_histogram(replace(HISTOGRAM, prior=None))) == []


def test_the_curve_goes_from_the_lowest_threshold_to_the_highest() -> None:
    curve = exit_sweep_content(CURVE).sources["curve"]
    assert curve["x"].tolist() == [2, 5, 7, 11]
    assert curve["y"].tolist() == [9, 2.5, 2.1, 2]
    assert curve["label"][2] == "threshold 0.9: 7\xa0layers\xa0a\xa0token, 2.1000 bits per byte"
    priced = exit_sweep_content(replace(CURVE, cost=Objective("decode", "FLOP")))
    assert priced.sources["curve"]["label"][2].startswith("threshold 0.9: 7\xa0FLOP, ")


def test_axes_show_where_one_would_choose() -> None:
    content = exit_sweep_content(CURVE)
    assert content.y.high < 3  # 9 bits at threshold 0 would flatten all the rest
    assert content.x.low < 5
    assert content.x.high > 11
    chosen = exit_sweep_content(replace(CURVE, chosen=1))
    assert chosen.y.high > 9  # unless that is what was chosen
    assert chosen.sources["chosen"]["x"].tolist() == [2]
    assert chosen.sources["chosen_name"]["text"] == ["0"]


def test_a_measured_run_is_held_against_the_curve_at_its_threshold() -> None:
    gaps = exit_sweep_content(FULL).sources["gaps"]
    assert gaps["x0"].tolist() == pytest.approx([6.0])  # 0.7 lies half-way from 0.5 to 0.9
    assert gaps["y0"].tolist() == pytest.approx([2.3])
    assert (gaps["x1"], gaps["y1"]) == ([6.0], [2.4])


def test_the_levels_are_the_whole_models_quality_and_what_is_allowed() -> None:
    sources = exit_sweep_content(FULL).sources
    assert sources["levels"]["y"] == [2.0, 2.02]
    assert sources["level_names"]["text"] == ["", "1% more"]


def test_a_bar_an_exit_and_the_mean_depth() -> None:
    content = exit_histogram_content(HISTOGRAM)
    bars = content.sources["bars"]
    assert bars["share"].tolist() == [0.25, 0.004, 0.746]
    assert (bars["width"] < 3).all()
    assert bars["label"][0] == "25.0% of the tokens went through 2 of 8 layers"
    assert bars["label"][-1] == "74.6% of the tokens went through all 8 layers"
    assert content.sources["shares"]["text"] == ["25%", "<1%", "75%"]
    assert content.sources["shares"]["y"].tolist() == [0.25, 0.2, 0.746]  # above the outlines
    assert content.sources["mean"]["x"] == pytest.approx([6.488])
    assert content.x.ticks(7) == {2.0: "2", 5.0: "5", 8.0: "all 8"}


def test_many_exits_have_as_many_ticks_as_there_is_room_for() -> None:
    layers = tuple(range(1, 49))
    content = exit_histogram_content(ExitHistogram(layers, (1 / 48,) * 48))
    ticks = content.x.ticks(7)
    assert 7 <= len(ticks) <= 15
    assert list(ticks) == sorted(ticks)
    assert ticks[48.0] == "all 48"
    assert content.sources["shares"]["text"] == ["2%"]  # 48 numbers would lie on each other
