"""Spaces as text and HTML, and the two commands that print spaces and presets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spaces import small_space

from nasviz.cli import main
from nasviz.space import presets
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.space.html import range_text
from nasviz.space.search_space import SearchSpace

HOSTILE = '<script>alert("x")</script>&'


def test_foreign_text_is_escaped_in_html() -> None:
    space = small_space(name=HOSTILE).constrained("n_layers > 1").limited(f"<b>{HOSTILE}", 3)
    space = space.constrained(lambda n_layers: n_layers > 1, name=HOSTILE)
    html = space._repr_html_()
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;" in html
    assert "n_layers &gt; 1" in html


def test_the_html_names_every_dimension_with_its_help() -> None:
    html = SearchSpace.laptop()._repr_html_()
    for dimension in SearchSpace.laptop().dimensions:
        assert f"<code>{dimension.name}</code>" in html
        assert dimension.label in html


def test_the_text_says_all_that_makes_the_space() -> None:
    space = small_space().limited("parameters_total", 2e6).with_parameters(1e6, "d_model")
    lines = repr(space).splitlines()
    assert lines == [
        "SearchSpace 'space'",
        "  n_layers  1 … 3",
        "  d_model   24 … 72 by 12",
        "  n_heads   1, 2, 3, 5, 6, 7",
        "  base: vocab_size=257, context_length=61",
        "  rule: parameters_total at most 2,000,000",
        "  rule: 1,000,000 weights within 10%, by d_model",
    ]


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        (Integer("vocab_size", 256, 4096, log=True), "256 … 4,096, each doubling"),
        (Real("learning_rate", 1e-4, 0.01, log=True), "0.0001 … 0.01, by logarithm"),
        (Real("ff_ratio", 2, 4, step=0.5), "2 … 4 by 0.5"),
        (Choice("tied_embeddings", (True, False)), "True, False"),
        (Choice("n_layers", tuple(range(1, 12))), "1, 2, 3, 4, 5, 6, 7, 8, …"),
    ],
)
def test_ranges_are_said_in_a_few_words(dimension: Integer | Real | Choice, text: str) -> None:
    assert range_text(dimension) == text


def test_the_presets_command_lists_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(presets.NAMES)
    assert rows[0]["architecture"]["n_layers"] == presets.named(rows[0]["name"]).n_layers
    assert main(["presets", "gpt2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert "124,439,808" in lines[1]


def test_an_unknown_family_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "lama"]) == 2
    said = capsys.readouterr()
    assert "unknown family 'lama'; did you mean 'llama'?" in said.err
    assert not said.out


def test_the_spaces_command_lists_counts_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spaces"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("laptop", "workstation", "datacentre"))
    assert "because n_heads does not divide d_model" in out
    assert main(["spaces", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["space"]["name"] for row in rows] == [
        "laptop",
        "workstation",
        "datacentre",
        "dynamic",
    ]
    assert all(row["feasible"] + sum(row["excluded"].values()) == row["total"] for row in rows)


def test_a_space_printed_as_toml_is_a_file_to_start_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spaces", "laptop", "--toml"]) == 0
    path = tmp_path / "mine.toml"
    path.write_text(capsys.readouterr().out)
    assert main(["spaces", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert SearchSpace.from_json(rows[0]["space"]) == SearchSpace.laptop()
    assert main(["spaces", "--toml"]) == 2
    assert main(["spaces", str(tmp_path / "absent.toml")]) == 2
