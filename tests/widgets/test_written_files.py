"""What an explorer gives away: sheets that run no formula, a page that needs nothing, a picture."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from nasviz.errors import InputError
from nasviz.space.architecture import REQUIRED, Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.lineage import Lineage
from nasviz.study.trial import Trial
from nasviz.widgets.explorer import Explorer
from nasviz.widgets.export.sheet import sheet
from nasviz.widgets.export.trials_csv import trials_csv
from nasviz.widgets.export_menu import ExportMenu

HOSTILE = "=cmd|' /C calc'!A0"


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    folder = tmp_path_factory.mktemp("export")
    made = Explorer("laptop", study=str(folder / "study.db"), hardware="laptop-cpu")
    yield made
    made.close()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def page_data(page: str) -> dict[str, Any]:
    found = re.search(r'id="nasviz-data">([^<]*)<', page)
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_becomes_a_formula_and_numbers_stay_numbers(start: str) -> None:
    written = sheet([f"{start}head", "n"], [[f"{start}1+1", -2.5], ["a=1", None]])
    rows = list(csv.reader(io.StringIO(written, newline="")))
    assert rows == [[f"'{start}head", "n"], [f"'{start}1+1", "-2.5"], ["a=1", ""]]


def test_a_trials_row_says_what_was_trained_how_and_what_came_out() -> None:
    sizes = Candidate(Architecture(3, 96, 3, 257, 61))
    result = MappingProxyType({"bits_per_byte": 2.345, "device": "+SUM(A1)"})
    trials = [
        Trial(0, sizes, {"tokens": 7_000}, "python", "complete", result=result),
        Trial(
            1, sizes, {"steps": 5}, HOSTILE, "failed", reason="-1, NaN\nat step 7",
            lineage=Lineage(parent_trial=0),
        ),
    ]  # fmt: skip
    first, second = rows_of(trials_csv(trials))
    assert (first["n_layers"], first["vocab_size"], first["plan_tokens"]) == ("3", "257", "7000")
    assert (first["bits_per_byte"], first["device"]) == ("2.345", "'+SUM(A1)")
    assert (second["corpus"], second["reason"]) == (f"'{HOSTILE}", "'-1, NaN\nat step 7")
    assert (first["parent"], second["parent"]) == ("", "trial 0")
    assert (second["plan_tokens"], second["plan_steps"], second["bits_per_byte"]) == ("", "5", "")
    assert first["layer_sizes"] == "[]"
    assert rows_of(trials_csv([])) == []


def test_a_trials_row_says_the_sizes_of_each_layer_where_they_differ() -> None:
    whole = Architecture(2, 96, 3, 257, 61, d_ff=9)
    sizes = whole.with_(layer_sizes=(LayerSizes(3, 3, 0), LayerSizes(0, 0, 9)))
    (row,) = rows_of(trials_csv([Trial(0, Candidate(sizes), {"tokens": 7}, "python", "waiting")]))
    made = Architecture(
        *(int(row[name]) for name in REQUIRED), layer_sizes=json.loads(row["layer_sizes"])
    )
    assert made == sizes


def test_the_sheet_of_candidates_holds_those_that_the_sliders_leave(
    explorer: Explorer, tmp_path: Path
) -> None:
    explorer.export(tmp_path / "all.csv")  # waits for the first sample by itself
    explorer.ranges = {"n_layers": [2, 3]}
    explorer.limits = {"parameters_total": 400_000}
    rows = rows_of(explorer.export(tmp_path / "left.csv").read_text("utf-8"))
    everything = rows_of((tmp_path / "all.csv").read_text("utf-8"))
    assert 0 < len(rows) < len(everything) == 20_000
    assert {row["n_layers"] for row in rows} == {"2", "3"}
    assert max(int(row["parameters_total"]) for row in rows) <= 400_000
    bits = np.array([[float(row[name]) for row in rows] for name in
                     ("expected_low", "expected_bits_per_byte", "expected_high")])  # fmt: skip
    assert (bits[0] <= bits[1]).all()
    assert (bits[1] <= bits[2]).all()
    assert {row["quality_source"] for row in rows} == {
        "predicted for 1.54 M tokens: prior from published scaling laws, not measured"
    }
    # A row is a candidate: its fields make one, of the very cost beside them.
    made = Architecture(
        **{name: int(rows[0][name]) for name in
           ("n_layers", "d_model", "n_heads", "vocab_size", "context_length", "d_ff")},
        mlp=rows[0]["mlp"],
    )  # fmt: skip
    assert made.d_ff == int(rows[0]["d_ff"])
    explorer.ranges, explorer.limits = {}, {}


def test_the_page_needs_nothing_else_and_escapes_what_is_foreign(
    explorer: Explorer, tmp_path: Path
) -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    explorer.state.selection = Candidate(Architecture(2, 96, 3, 256, 64))
    shown = explorer._map_panel.map
    shown.marks = [*shown.marks, {"id": "preset-x", "label": hostile, "kind": "landmark",
                                  "values": {}, "intervals": {}, "note": ""}]  # fmt: skip
    page = explorer.export(tmp_path / "map.html").read_text("utf-8")
    assert hostile not in page
    assert not re.search(r"""(src|href)=["']https?://|@import|url\(["']?https?:""", page)
    data = page_data(page)
    state = data["models"][data["map"]]
    assert state["n"] == 20_000
    assert hostile in [mark["label"] for mark in state["marks"]]
    assert len(base64.b64decode(state["column_n_layers"]["data"]["base64"])) == 20_000
    assert [panel["title"] for panel in data["panels"]] == ["Search space", "Limits"]
    assert not any(name.startswith("_") and name not in ("_bokeh", "_bokeh_version")
                   for name in state)  # fmt: skip
    assert (tmp_path / "map.html").stat().st_size < 6e6


def test_the_picture_is_svg_that_stands_alone(explorer: Explorer, tmp_path: Path) -> None:
    picture = explorer.export(tmp_path / "map.svg").read_text("utf-8")
    ElementTree.fromstring(picture)
    assert "bits per byte" in picture.lower()


@pytest.mark.parametrize(
    ("name", "what", "message"),
    [
        ("map.pdf", "candidates", "end it in one of .html, .png, .svg, .csv"),
        ("map", "candidates", "no suffix to export by"),
        ("rows.csv", "trails", "did you mean 'trials'"),
        ("nowhere/map.svg", "candidates", "the folder .*nowhere is not there"),
    ],
)
def test_what_can_not_be_exported_is_said_and_nothing_is_written(
    explorer: Explorer, tmp_path: Path, name: str, what: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        explorer.export(tmp_path / name, what)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [None, 5, "a\0.csv"])
def test_what_can_not_name_a_file_is_refused(explorer: Explorer, path: Any) -> None:
    with pytest.raises(InputError, match="can't name a file; write one such as"):
        explorer.export(path)


def test_the_png_is_the_same_picture_in_pixels(explorer: Explorer, tmp_path: Path) -> None:
    picture = Image.open(explorer.export(tmp_path / "map.png"))
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    assert (width, height) == (2_000, 1_280)
    blue = (pixels[..., 2] > pixels[..., 0] + 60) & (pixels[..., 2] > 120)
    ink = pixels.max(axis=2) < 140
    frame = blue[24:-148, 116:-32]  # the cloud and its front, and nothing of them outside
    assert frame.sum() > 20_000
    assert blue[:24].sum() == 0
    assert ink[:, :100].sum() > 200  # the quality axis's name and numbers
    assert ink[-60:].sum() > 200  # the legend and the note


def test_the_menu_sends_a_file_or_says_why_not(explorer: Explorer) -> None:
    tools = explorer.view.children[1].children[-1]
    (menu,) = (each for each in tools.children if isinstance(each, ExportMenu))
    sent: list[tuple[dict[str, Any], Any]] = []
    menu.send = lambda content, buffers=None: sent.append((content, buffers))
    menu._receive(menu, {"type": "make", "kind": "trials"}, [])
    deadline = time.monotonic() + 10
    while not sent and time.monotonic() < deadline:
        time.sleep(0.02)
    content, buffers = sent[0]
    assert content == {"type": "file", "name": "nasviz-trials.csv", "mime": "text/csv"}
    assert bytes(buffers[0]).startswith(b"number,state,")
