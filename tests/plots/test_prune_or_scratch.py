"""The figure of both roads: what it shows is asked of the content, not of pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bokeh.core.validation import check_integrity
from bokeh.document import Document

from nasviz.plots.legend_row import refresh_with_legend
from nasviz.plots.prune_or_scratch import (
    PruneOrScratch,
    draw_prune_or_scratch,
    prune_or_scratch_content,
)
from nasviz.quality.crossing import Road

NOTHING = Road.of([], [])
BEGUN = PruneOrScratch(Road.of([2e9, 8e9], [9.0, 1.5]), NOTHING)
FULL = PruneOrScratch(
    Road.of([2e9, 8e9], [9.0, 1.5]),
    Road.of([8e9, 1e10], [1.8, 1.6]),
    shared=Road.of([4e9, 6e9], [1.8, 1.6]),
    scratch=Road.of([3e9, 9e9, 1e10], [2.2, 1.8, 1.5]),
    overtaken=9.5e9,
)


@pytest.mark.parametrize(
    "record", [PruneOrScratch(NOTHING, NOTHING), BEGUN, FULL, replace(FULL, overtaken=None)]
)
def test_every_record_of_two_roads_becomes_a_sound_figure(record: PruneOrScratch) -> None:
    drawn = draw_prune_or_scratch(record)
    document = Document()
    document.add_root(drawn)
    assert not check_integrity(document.models).error
    assert document.to_json()


def test_compute_is_written_in_one_unit_and_points_say_it_in_full() -> None:
    content = prune_or_scratch_content(FULL)
    assert content.x.label == "training compute in GFLOP (log)"
    np.testing.assert_allclose(content.sources["pruned"]["x"], [8, 10])
    assert "8\N{NO-BREAK SPACE}GFLOP" in content.sources["pruned_points"]["label"][0]
    np.testing.assert_allclose(content.sources["cut"]["x0"], [8])
    assert content.sources["cut"]["y1"].tolist() == [1.8]


def test_the_crossing_lies_on_the_road_from_scratch() -> None:
    crossing = prune_or_scratch_content(FULL).sources["crossing"]
    assert FULL.scratch is not None
    np.testing.assert_allclose(crossing["x"], [9.5])
    np.testing.assert_allclose(crossing["y"], FULL.scratch.at(np.array([9.5e9])))
    assert prune_or_scratch_content(replace(FULL, overtaken=None)).sources["crossing"]["x"] == []


def test_first_steps_far_above_leave_the_rest_its_room() -> None:
    content = prune_or_scratch_content(FULL)
    assert content.y.high < 3
    assert content.x.low > 2, "of what is not shown the axis needs no room"


def test_roads_grow_in_the_same_figure_and_the_legend_names_what_is_there() -> None:
    drawn = draw_prune_or_scratch(BEGUN)

    def named() -> list[str]:
        return [item.label.value for item in drawn.legend[0].items if item.visible]

    assert named() == []
    refresh_with_legend(drawn, prune_or_scratch_content(FULL))
    assert named() == ["parent", "pruned", "parent shared", "scratch", "overtakes"]
