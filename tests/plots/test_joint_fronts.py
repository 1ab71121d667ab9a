"""The fronts of a comparison: what is drawn of them, and the page that holds the figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nasviz.plots.joint_fronts import JointFronts, draw_joint_fronts, joint_fronts_content
from nasviz.plots.page import figure_page


@dataclass(frozen=True)
class Made:
    """What two seeds reach, the worse of them nothing below a cost of 2e5."""

    cost: NDArray[np.float64]
    best: NDArray[np.float64]
    middle: NDArray[np.float64]
    worst: NDArray[np.float64]


REACHED = Made(
    np.array([1e5, 2e5, 4e5]),
    np.array([3.0, 2.8, 2.5]),
    np.array([np.inf, 2.9, 2.6]),
    np.array([np.inf, 3.0, 2.7]),
)
POINTS = np.array([[3.0, 1e5], [2.8, 2e5], [2.5, 4e5], [3.0, 2e5], [2.7, 4e5]])
RECORD = JointFronts({"joint": REACHED}, {"joint": POINTS})


def test_a_band_begins_where_every_seed_reaches_something_and_goes_on_to_the_edge() -> None:
    content = joint_fronts_content(RECORD)
    band = content.sources["joint spread"]
    assert band["x"].tolist() == [2e5, 4e5, 4e5, content.x.high]
    assert band["low"].tolist() == [2.8, 2.8, 2.5, 2.5]
    assert band["high"].tolist() == [3.0, 3.0, 2.7, 2.7]
    middle = content.sources["joint middle"]
    assert middle["x"].tolist() == band["x"].tolist()
    assert middle["y"].tolist() == [2.9, 2.9, 2.6, 2.6]


def test_all_winners_are_points_with_their_figures() -> None:
    points = joint_fronts_content(RECORD).sources["joint points"]
    assert points["x"].tolist() == POINTS[:, 1].tolist()
    assert points["y"].tolist() == POINTS[:, 0].tolist()
    assert points["label"][0] == "joint: 3.0000 bits per byte, 100\N{NO-BREAK SPACE}kFLOP"


def test_an_arm_without_a_winner_is_drawn_as_nothing() -> None:
    empty = np.empty(0)
    nothing = Made(empty, empty, empty, empty)
    record = JointFronts(
        {"static": nothing, "joint": REACHED}, {"static": np.empty((0, 2)), "joint": POINTS}
    )
    content = joint_fronts_content(record)
    assert len(content.sources["static spread"]["x"]) == 0
    assert len(content.sources["static points"]["x"]) == 0


def test_each_arm_has_a_colour_a_dash_and_a_marker_of_its_own() -> None:
    record = JointFronts(
        dict.fromkeys(("static", "in steps", "joint"), REACHED),
        dict.fromkeys(("static", "in steps", "joint"), POINTS),
    )
    drawn = draw_joint_fronts(record)
    parts = {part.name: part.glyph for part in drawn.renderers}
    names = ("static", "in steps", "joint")
    assert len({parts[f"{name} middle"].line_color for name in names}) == 3
    assert len({str(parts[f"{name} middle"].line_dash) for name in names}) == 3
    assert len({parts[f"{name} points"].marker for name in names}) == 3
    assert [item.label.value for item in drawn.legend[0].items if item.visible] == list(names)


def test_the_page_is_one_file_with_the_words_as_text() -> None:
    page = figure_page(draw_joint_fronts(RECORD), "a <b> title", ["won & <i>lost</i>"])
    assert "<title>a &lt;b&gt; title</title>" in page
    assert "<p>won &amp; &lt;i&gt;lost&lt;/i&gt;</p>" in page
    assert "Bokeh" in page
    assert "<script src=" not in page
    assert "<link" not in page
