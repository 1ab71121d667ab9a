"""FigureView's kernel side: one message a hold, a state that is always the document's own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from bokeh.plotting import figure

from nasviz.widgets.bokeh_source import bokeh_version, gzipped_bokehjs, shared_source
from nasviz.widgets.esm import joined_module
from nasviz.widgets.figure_view import FigureView


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the messages that figures send from here on, each with its buffers."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        FigureView,
        "send",
        lambda _self, content, buffers=None: messages.append({**content, "buffers": buffers}),
    )
    return messages


def a_figure() -> tuple[Any, Any]:
    drawn = figure(title="first")
    return drawn, drawn.line([1.0, 2.0, 3.0], [2.0, 3.0, 5.0]).data_source


def test_a_hold_is_one_message_with_raw_buffers(sent: list[dict[str, Any]]) -> None:
    drawn, source = a_figure()
    view = FigureView(drawn)
    sent.clear()
    with view.hold():
        source.data = {"x": np.arange(7.0), "y": np.arange(7.0)}
        source.data = {"x": np.arange(11.0), "y": np.arange(11.0)}
        drawn.title.text = "second"
    assert [message["type"] for message in sent] == ["patch"]
    assert {len(buffer) for buffer in sent[0]["buffers"]} == {11 * 8}
    assert len(sent[0]["ids"]) == len(sent[0]["buffers"]) == 2
    assert "second" in sent[0]["json"]


def test_each_message_has_the_next_revision(sent: list[dict[str, Any]]) -> None:
    drawn, _ = a_figure()
    view = FigureView(drawn)
    drawn.title.text = "second"
    drawn.title.text = "third"
    assert [message["revision"] for message in sent] == [1, 2, 3]
    assert view.revision == 3


def test_the_state_is_made_from_the_document_when_it_is_asked_for() -> None:
    drawn, _ = a_figure()
    view = FigureView(drawn)
    drawn.title.text = "changed after the display"
    document = view.get_state()["_document"]
    assert "changed after the display" in document["json"]
    assert document["revision"] == view.revision
    assert json.loads(document["json"])["roots"]


def test_a_page_that_missed_a_message_gets_the_whole_document(sent: list[dict[str, Any]]) -> None:
    drawn, _ = a_figure()
    view = FigureView(drawn)
    sent.clear()
    view._receive(view, {"type": "hello", "revision": view.revision}, [])
    assert sent == []
    view._receive(view, {"type": "hello", "revision": 0}, [])
    assert [message["type"] for message in sent] == ["document"]


def test_what_a_page_did_reaches_python_and_the_other_views(sent: list[dict[str, Any]]) -> None:
    drawn, source = a_figure()
    view = FigureView(drawn)
    seen: list[object] = []
    source.selected.on_change("indices", lambda _attr, _old, new: seen.append(new))
    sent.clear()
    event = {"kind": "ModelChanged", "model": {"id": source.selected.id}, "attr": "indices",
             "new": [2]}  # fmt: skip
    patch = {"type": "patch", "origin": "page 1", "json": json.dumps({"events": [event]})}
    view._receive(view, patch, [])
    assert seen == [[2]]
    assert source.selected.indices == [2]
    assert [message["origin"] for message in sent] == ["page 1"]


def test_a_view_may_be_shown_before_it_has_a_figure() -> None:
    view = FigureView(label="nothing yet")
    assert view.get_state()["_document"] is None
    view.show(a_figure()[0])
    assert view.get_state()["_document"]["revision"] == 1


def test_another_figure_takes_the_place_of_the_first(sent: list[dict[str, Any]]) -> None:
    first, _ = a_figure()
    view = FigureView(first)
    view.show(figure(title="other"))
    sent.clear()
    first.title.text = "no longer on show"
    assert sent == []


def test_all_views_share_one_bokehjs_of_the_installed_package() -> None:
    one, other = FigureView(), FigureView()
    assert one._bokeh == other._bokeh == shared_source().model_id
    assert one._bokeh_version == bokeh_version()
    assert 200_000 < len(gzipped_bokehjs()) < 500_000


def test_importing_the_widgets_loads_no_bokeh() -> None:
    check = (
        "import sys; import nasviz.widgets.figure_view, nasviz.widgets.candidate_map; "
        "print('bokeh' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize("entry", ["figure_view.js", "candidate_map.js"])
def test_a_joined_module_has_each_file_once_and_imports_nothing(entry: str) -> None:
    text = joined_module(entry)
    assert "\nimport " not in text
    assert text.count("// bokeh_loader.js\n") == 1
    assert text.count("export default") == 1
