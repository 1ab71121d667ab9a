"""CandidateMap's kernel side: columns sent once, filters as linkable traits, a still picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from nasviz.errors import InputError
from nasviz.widgets.candidate_map import CandidateMap
from nasviz.widgets.filters import Filters, passing
from nasviz.widgets.map_columns import MapColumn, Mark, wire_column
from nasviz.widgets.still_output import still_html

N = 997


def columns(seed: int = 3) -> list[MapColumn]:
    random = np.random.default_rng(seed)
    layers = random.integers(1, 17, N)
    seconds = layers * np.exp(random.normal(-7, 0.5, N))
    return [
        MapColumn("n_layers", layers, "Layers", "dimension"),
        MapColumn("mlp", layers % 3, "Kind", "dimension", choices=("gelu", "relu", "swiglu")),
        MapColumn("seconds", seconds, "time per token", "cost", unit="s", log=True),
        MapColumn("bits_per_byte", 2 + 0.001 / seconds, "bits per byte", "quality"),
    ]


@pytest.fixture
def shown() -> CandidateMap:
    return CandidateMap(columns())


def test_whole_numbers_travel_in_the_smallest_type() -> None:
    assert wire_column(np.array([0, 255]))["dtype"] == "uint8"
    assert wire_column(np.array([0, 256]))["dtype"] == "uint16"
    assert wire_column(np.array([-1, 5]))["dtype"] == "float32"
    assert wire_column(np.array([0, 70_000]))["dtype"] == "float32"
    assert wire_column(np.array([0.5]))["dtype"] == "float32"


def test_a_sample_is_binary_and_names_its_axes(shown: CandidateMap) -> None:
    assert (shown.n, shown.x, shown.y) == (N, "seconds", "bits_per_byte")
    wire = shown.get_state()["column_n_layers"]
    assert np.array_equal(np.frombuffer(wire["data"], np.uint8), shown.column("n_layers"))


def test_only_columns_that_changed_are_sent_again(
    shown: CandidateMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(CandidateMap, "send_state", lambda _self, key=None: sent.extend(key or []))
    changed = [*columns()[:-1], MapColumn("bits_per_byte", np.linspace(2, 3, N), "b", "quality")]
    shown.set_sample(changed)
    assert [name for name in sent if name.startswith("column_")] == ["column_bits_per_byte"]


def test_columns_of_other_lengths_are_refused(shown: CandidateMap) -> None:
    with pytest.raises(InputError, match=r"'x' has shape \(7,\); this sample has 997"):
        shown.set_sample([*columns(), MapColumn("x", np.ones(7), "x", "cost")])


@pytest.mark.parametrize(
    ("ids", "problem"),
    [(np.zeros(N, int), "must differ"), (np.arange(5), "997 whole numbers"),
     (np.arange(N) - 1, "from 0"), (np.arange(N) + 0.5, "whole numbers")],
)  # fmt: skip
def test_ids_that_name_nothing_are_refused(shown: CandidateMap, ids: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        shown.set_sample(columns(), ids=ids)


def test_ids_lead_back_to_rows(shown: CandidateMap) -> None:
    shown.set_sample(columns(), ids=np.arange(N)[::-1] * 3)
    assert shown.rows_of([0, 3, 1, "trial-2", (N - 1) * 3]) == [N - 1, N - 2, 0]


def test_ranges_and_their_single_traits_are_one(shown: CandidateMap) -> None:
    trait = shown.add_range("n_layers")
    assert trait == "range_n_layers"
    shown.ranges = {"n_layers": (2, 12)}
    assert shown.range_n_layers == [2, 12]
    shown.range_n_layers = [3, 5]  # what a slider linked in the browser does
    assert shown.ranges == {"n_layers": (3, 5)}
    shown.ranges = {}
    assert shown.range_n_layers is None


def test_limits_and_choices_have_linkable_traits_too(shown: CandidateMap) -> None:
    shown.limits, shown.choices = {"seconds": 0.003}, {"mlp": [0, 2]}
    assert (shown.limit_seconds, shown.choice_mlp) == (0.003, [0, 2])
    shown.limit_seconds = None
    assert shown.limits == {}


def test_unknown_columns_are_named_with_the_nearest(shown: CandidateMap) -> None:
    with pytest.raises(InputError, match="did you mean 'seconds'"):
        shown.x = "second"
    with pytest.raises(InputError, match="unknown column"):
        shown.column("nothing")
    with pytest.raises(InputError, match="viewport"):
        shown.viewport = [1, 2]


def test_a_lasso_brings_rows_and_marks(shown: CandidateMap) -> None:
    heard: list[list[Any]] = []
    shown.on_lasso(heard.append)
    rows = np.array([5.0, 7.0]).tobytes()
    shown._receive(shown, {"type": "lasso", "marks": ["trial-3"]}, [memoryview(rows)])
    assert shown.lassoed == ["trial-3", 5, 7]
    assert heard == [["trial-3", 5, 7]]
    shown._receive(shown, {"type": "lasso", "marks": []}, [memoryview(b"")])
    assert heard[-1] == []


def test_a_tap_on_the_selected_candidate_is_heard_again(shown: CandidateMap) -> None:
    heard: list[list[Any]] = []
    shown.on_tap(heard.append)
    shown.set_state({"selection": [5], "tap_revision": 1})
    shown.set_state({"selection": [5], "tap_revision": 2})
    assert heard == [[5], [5]]


def test_filters_count_their_ends_in_as_float32() -> None:
    values = {"rate": np.array([0.1, 0.3, 0.7], np.float32)}
    assert passing(values, Filters({"rate": (0.1, 0.3)})).tolist() == [True, True, False]
    assert passing(values, Filters(limits={"rate": 0.3})).tolist() == [True, True, False]
    assert passing({"kind": np.array([0, 1, 2])}, Filters(choices={"kind": [2]})).tolist() == [
        False, False, True,
    ]  # fmt: skip


def test_the_still_picture_is_escaped_svg_that_counts_what_passes(shown: CandidateMap) -> None:
    hostile = "<script>alert(1)</script>"
    places = {"seconds": 0.004, "bits_per_byte": 2.2}
    shown.set_marks([Mark("preset-a", hostile, "landmark", places)])
    shown.ranges = {"n_layers": (3, 5)}
    picture = shown.still()
    ElementTree.fromstring(picture)
    assert "<script" not in picture
    left = int(((shown.column("n_layers") >= 3) & (shown.column("n_layers") <= 5)).sum())
    assert f"{left} of 997 candidates" in picture


def test_the_still_picture_joins_a_parent_its_child_and_the_childs_twin(
    shown: CandidateMap, tmp_path: Path
) -> None:
    places = {
        "trial-0": {"seconds": 0.02, "bits_per_byte": 2.2},
        "trial-1": {"seconds": 0.006, "bits_per_byte": 2.6},
        "trial-2": {"seconds": 0.006, "bits_per_byte": 2.9},
    }
    marks = [Mark(name, name, "trained", values) for name, values in places.items()]
    shown.set_marks([*marks, Mark("preset-a", "gpt", "landmark", places["trial-0"])])
    assert "pruned from" not in shown.still()
    before = shown.still()
    shown.ties = [{"from": "trial-0", "to": "trial-1", "kind": "pruned"}]
    arrow = shown.still()
    assert "pruned from" in arrow
    assert "twin from scratch" not in arrow
    assert arrow.count("<path") == before.count("<path") + 2 * 2  # line and head, there and below
    shown.ties = [
        *shown.ties,
        {"from": "trial-1", "to": "trial-2", "kind": "twin"},
        {"from": "trial-1", "to": "trial-9", "kind": "twin"},  # of a trial that isn't on the map
    ]
    twin = shown.still()
    assert "twin from scratch" in twin
    assert twin.count("<path") > arrow.count("<path") + 2, "dashes, there and two below"
    shown.ties = [each for each in shown.ties if each["to"] != "trial-9"]
    assert shown.still().count("<path") == twin.count("<path")
    (tmp_path / "map.png").write_bytes(shown.png())
    with Image.open(tmp_path / "map.png") as drawn:
        assert drawn.size == (2000, 1280)


def test_a_map_without_a_sample_has_no_picture_yet() -> None:
    empty = CandidateMap()
    with pytest.raises(InputError, match="no sample yet"):
        empty.still()
    assert "<img" not in still_html(empty)
