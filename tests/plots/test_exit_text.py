"""The text heat map shows every byte of every token, and lets no text become markup."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.plots.text_heat_map import TextHeatMap, draw_text_heat_map, heat_map_of
from nasviz.plots.visible_text import visible
from nasviz.quality.exit_trace import ExitTrace

LAYERS = (2, 5, 7)


def heat_map(pieces: list[bytes], said: list[bytes] | None = None) -> TextHeatMap:
    n = len(pieces)
    words = said or [b"one", b"two", b"six"]
    return TextHeatMap(
        tuple(pieces),
        np.arange(n) % 3,
        LAYERS,
        (tuple(words),) * n,
        np.tile(np.array([0.25, 0.9994], np.float32), (n, 1)),
        "max_probability",
        first=40,
    )


class Reader(HTMLParser):
    """Collects the tags, and the text of the tokens without what is shown beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[bool] = []  # whether each open element is, or is in, a list of exits
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        aside = given.get("role") == "tooltip" or given.get("class") in (
            "nasviz-heat-key", "nasviz-heat-hint",
        ) or tag == "style"  # fmt: skip
        self.open.append(aside or bool(self.open and self.open[-1]))

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open[-1]:
            self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []  # every element is closed
    return reader


@given(pieces=st.lists(st.binary(max_size=9), min_size=1, max_size=7))
def test_any_bytes_come_out_as_text_alone(pieces: list[bytes]) -> None:
    hostile = [b"<script>alert(1)</script>", b'" onclick="x', b"</span>&amp;", *pieces]
    reader = read(draw_text_heat_map(heat_map(hostile, said=hostile[:3])))
    assert {tag for tag, _ in reader.tags} == {"div", "style", "span", "i", "b", "bdi", "em"}
    assert not any(name.startswith("on") for _, given in reader.tags for name in given)
    assert reader.text == "".join(visible(each) for each in hostile)


@given(st.binary(max_size=20) | st.text(max_size=9).map(str.encode))
def test_visible_text_hides_nothing(piece: bytes) -> None:
    shown = visible(piece)
    assert shown.replace("\n", "").isprintable()
    assert shown.encode()  # no lone surrogates, and never nothing


@pytest.mark.parametrize(
    ("piece", "shown"),
    [
        (b"\n", "⏎\n"),
        (b"\t\r\x00\x7f", "⇥‹0d›‹00›‹7f›"),
        ("\u202eabc".encode(), "‹202e›abc"),  # would turn the direction of what follows
        ("\u2028\u00a0".encode(), "‹2028›‹a0›"),
        (b"", "‹›"),
        ("\u0301x".encode(), "◌\u0301x"),
        ("né".encode()[:2], "n‹c3›"),
        (b"\xa9", "‹a9›"),
        ("東🙂".encode(), "東🙂"),
    ],
)
def test_what_can_not_be_seen_is_written_out(piece: bytes, shown: str) -> None:
    assert visible(piece) == shown


def test_each_token_says_what_every_exit_would_have_said() -> None:
    html = draw_text_heat_map(heat_map([b" two", b"b", b"c\n"], said=[b" one", b" two", b"\n"]))
    tokens = re.findall(r'<span data-token="(\d+)".*?--mix:(\d+)%', html)
    assert [int(number) for number, _ in tokens] == [40, 41, 42]
    mixes = [int(mix) for _, mix in tokens]
    assert mixes == sorted(mixes)
    assert len(set(mixes)) == 3
    first = unescape(html[html.index('data-token="40"') : html.index('data-token="41"')])
    assert "<b>␣two · 2 of 7 layers</b>" in first
    assert '<span class="here"><i>2</i><bdi>␣one</bdi><em>25%</em></span>' in first
    assert '<span class="later"><i>5</i><bdi>␣two ✓</bdi><em>99.9%</em></span>' in first
    assert '<span class="later"><i>7</i><bdi>⏎</bdi><em></em></span>' in first  # no exit: unasked


def test_the_key_sums_up_this_text() -> None:
    html = draw_text_heat_map(heat_map([b"a", b"b", b"c", b"d"]))  # left after 2, 5, 7, 2 layers
    key = html[html.index('nasviz-heat-key">') : html.index('nasviz-heat-body"')]
    assert "mean <b>4.00</b>" in key
    assert re.findall(r"</i>(\d+) <b>(\d+%)</b>", key) == [("2", "50%"), ("5", "25%"), ("7", "25%")]
    assert "confidence: max probability" in key


def test_rows_of_a_trace_become_a_heat_map() -> None:
    n = 11
    target, likeliest = np.arange(n), np.arange(3 * n).reshape(n, 3) % 7
    trace = ExitTrace(
        layers=LAYERS,
        log_probability=np.full((n, 3), -1.0),
        likeliest=likeliest,
        confidence={"margin": np.linspace(0, 1, 2 * n).reshape(n, 2)},
        target=target,
        token_bytes=np.ones(n),
        position=np.zeros(n),
        window=np.zeros(n),
        part="test",
        corpus_sha256="c0ffee",
        context_length=3,
    )
    left = np.arange(n) % 3
    found = heat_map_of(trace, left, "margin", lambda id_: b"%d" % id_, range(4, 7))
    assert found.pieces == (b"4", b"5", b"6")
    assert found.left.tolist() == [1, 2, 0]
    assert found.said[0] == tuple(b"%d" % each for each in likeliest[4])
    assert found.sure.tolist() == trace.score("margin")[4:7].tolist()
    assert found.first == 4
    assert 'data-token="6"' in draw_text_heat_map(found)
