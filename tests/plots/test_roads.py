"""Two roads to a model: what is drawn of them, and the page that holds all figures."""

from __future__ import annotations

import numpy as np

from nasviz.plots.page import figure_page
from nasviz.plots.roads import Roads, draw_all_roads, roads_content
from nasviz.quality.crossing import Road
from nasviz.quality.road_over_seeds import RoadOverSeeds

COMPUTE = np.array([1e9, 4e9, 9e9])
SCRATCH = RoadOverSeeds(COMPUTE, np.array([[3.0, 2.6, 2.4], [3.2, 2.8, 2.5]]))
PRUNED = RoadOverSeeds(COMPUTE, np.array([[2.5] * 3, [2.6] * 3]))
RECORD = Roads({"pruned": PRUNED, "new": SCRATCH}, 6e9)


def test_a_band_goes_from_the_best_to_the_worst_seed_and_the_line_is_their_mean() -> None:
    sources = roads_content(RECORD).sources
    assert sources["new spread"]["low"].tolist() == [3.0, 2.6, 2.4]
    assert sources["new spread"]["high"].tolist() == [3.2, 2.8, 2.5]
    np.testing.assert_allclose(sources["new mean"]["y"], [3.1, 2.7, 2.45])


def test_every_seed_is_a_point_with_its_figures() -> None:
    content = roads_content(RECORD)
    points = content.sources["new points"]
    assert content.x.label == "training compute in GFLOP (log)"
    assert points["x"].tolist() == [1, 4, 9] * 2
    assert points["y"].tolist() == [3.0, 2.6, 2.4, 3.2, 2.8, 2.5]
    assert points["label"][5] == "new: 2.5000 bits per byte, 9\N{NO-BREAK SPACE}GFLOP"


def test_the_crossing_is_marked_where_there_is_one() -> None:
    content = roads_content(RECORD)
    assert content.sources["crossing"]["x"] == [6]
    assert content.sources["crossing"]["low"] == [content.y.low]
    never = roads_content(Roads(RECORD.roads))
    assert never.sources["crossing"]["x"] == []
    drawn = draw_all_roads({"half": RECORD, "narrow": Roads(RECORD.roads)})
    titles = [each.title.text for each, *_ in drawn.children]
    assert titles == ["half\nas good from 6\N{NO-BREAK SPACE}GFLOP on", "narrow"]


def test_seeds_whose_compute_differs_by_rounding_are_one_road() -> None:
    road = RoadOverSeeds.of([Road.of([10, 20], [3.0, 2.0]), Road.of([10, 22], [3.1, 2.2])])
    assert road.compute.tolist() == [10, 21]
    assert road.bits_per_byte.tolist() == [[3.0, 2.0], [3.1, 2.2]]


def test_all_figures_are_on_one_page_under_their_names() -> None:
    drawn = draw_all_roads({"half <b>": RECORD, "narrow": RECORD, "thin": RECORD})
    page = figure_page(drawn, "Roads", ["Each point is a model."])
    assert "narrow" in page
    assert "half <b>" not in page
    assert not any(foreign in page for foreign in ("<script src=", "<link"))
