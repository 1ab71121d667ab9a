"""Spaces and candidates as JSON and TOML, and 40 ways in which a file can be wrong."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spaces import BASE, small_space, spaces

from nasviz.errors import InputError
from nasviz.space import presets, toml
from nasviz.space.candidate import Candidate
from nasviz.space.candidate_file import read_candidate
from nasviz.space.dimensions import Real, dimension_from_json
from nasviz.space.field import Field
from nasviz.space.fields import FIELDS
from nasviz.space.search_space import SearchSpace
from nasviz.space.space_file import read_space

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
GOOD: dict[str, Any] = {"dimensions": {"n_layers": {"low": 1, "high": 3}}, "base": {
    **BASE, "d_model": 24, "n_heads": 2,
}}  # fmt: skip
SIZES = {"n_layers": 2, "d_model": 24, "n_heads": 2, **BASE}


def full_space() -> SearchSpace:
    return (
        small_space(name='a "quoted" \\ näme\n')
        .with_dimension(Real("learning_rate", 1e-5, 1e-2, log=True))
        .with_dimension(Real("ff_ratio", 1.0, 4.0, step=0.25))
        .constrained("d_model >= 16 * n_layers")
        .constrained("position == 'rope'", name="turned = [rope]")
        .limited("parameters_total", 1.5e6)
        .with_parameters(1e6, ("n_layers", "d_model"), tolerance=0.25)
    )


@some
@given(spaces())
def test_random_spaces_go_through_json_and_toml(space: SearchSpace) -> None:
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space
    assert SearchSpace.from_json(toml.parse(space.to_toml())) == space


def test_a_space_with_every_part_goes_through_json_and_toml() -> None:
    space = full_space()
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space
    assert SearchSpace.from_json(toml.parse(space.to_toml())) == space


leaves = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)  # fmt: skip
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


@some
@given(st.dictionaries(keys, values, max_size=4))
def test_what_is_written_as_toml_is_read_back(data: dict[str, Any]) -> None:
    assert toml.parse(toml.write(data)) == data


def test_a_python_rule_cant_be_stored_and_says_so() -> None:
    space = small_space().constrained(lambda n_layers: n_layers > 1, name="deep")
    with pytest.raises(InputError, match="constraint 'deep' is a Python function"):
        space.to_json()


def test_names_of_presets_and_spaces_are_read() -> None:
    assert read_candidate("gpt2") == Candidate(presets.named("gpt2"))
    assert read_space("laptop") == SearchSpace.laptop()


def test_files_are_read_as_json_or_toml(tmp_path: Path) -> None:
    as_json, as_toml = tmp_path / "one.json", tmp_path / "two.toml"
    as_json.write_text(json.dumps({"architecture": SIZES}))
    as_toml.write_text(toml.write({"architecture": SIZES}))
    assert read_candidate(str(as_json)) == read_candidate(str(as_toml))
    as_json.write_text(json.dumps(GOOD))
    as_toml.write_text(full_space().to_toml())
    assert read_space(str(as_json)).name == "one"
    assert read_space(str(as_toml)) == full_space()


def test_standard_input_is_read_as_either() -> None:
    candidate = {"architecture": SIZES}
    as_json = read_candidate("-", io.StringIO(json.dumps(candidate)))
    assert as_json == read_candidate("-", io.StringIO(toml.write(candidate)))
    assert read_space("-", io.StringIO(json.dumps(GOOD))).names == ("n_layers",)


def test_a_byte_order_mark_and_bytes_on_standard_input_are_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "windows.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"architecture": SIZES}).encode())
    assert read_candidate(str(path)).architecture.n_layers == 2
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert read_candidate("-").architecture.n_layers == 2


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("half.json", '{"architecture": {"n_layers": 2,', "not JSON at line 1, column 33"),
        ("half.json", '{"architecture": {"n_layers": 2,', "the file seems cut off"),
        ("broken.json", '{"architecture": }', "not JSON at line 1, column 18: the value of "),
        ("broken.json", '{"architecture":}', "the value of 'architecture' is missing before '}'"),
        (
            "broken.json",
            '{"architecture":\n',
            "line 2, column 1: the file seems cut off, the value",
        ),
        ("broken.json", '{\n"architecture" {}}', "line 2, column 16: ':' is missing before '{'"),
        ("broken.json", '{"architecture": tru}', "'tru' is no JSON value; text stands in double"),
        ("broken.json", '{"architecture": {"n', 'lacks its closing ", or the file is cut off'),
        ("broken.json", '{"a": {"b": 2}}}', "column 16: '}' stands after the end of the data"),
        ("broken.json", '{"a": [2 3]}', "a comma or a closing bracket is missing before '3'"),
        ("broken.json", '{"a": 2,}', "comma"),
        ("broken.json", "{'a': 2}", 'a name in double quotes is missing before "\'"'),
        ("empty.json", "  \n", "empty.json is empty"),
        ("list.json", "[1, 2]", 'a candidate is {"architecture": {…}}, not [1, 2]'),
        ("keys.json", '{"architectur": {}}', "did you mean 'architecture'"),
        ("none.json", "{}", 'a candidate needs "architecture"'),
        ("twice.json", '{"architecture": {"n_layers": 1, "n_layers": 2}}', "appears twice"),
        ("deep.json", "[" * 100_000, "nested too deeply"),
        ("endless.json", '{"a": ' + "9" * 5_000 + "}", "a number in it has thousands of digits"),
        ("endless.toml", "a = " + "9" * 5_000, "a number in it has thousands of digits"),
        ("wrong.toml", "architecture = {", "not TOML"),
        ("wrong.toml", "[architecture]\nn_layers = 2\nn_layers = 3\n", "not TOML"),
        ("field.toml", "[architecture]\nn_layer = 2\n", "did you mean 'n_layers'"),
        ("field.toml", "[architecture]\nn_layers = 2\n", "lacks d_model"),
        ("nan.json", json.dumps({"architecture": {**SIZES, "dropout": float("nan")}}), "dropout"),
    ],
)
def test_a_wrong_candidate_file_is_named_with_place_and_reason(
    tmp_path: Path, name: str, content: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_candidate(str(path))
    assert text in str(caught.value)
    assert name in str(caught.value)


def test_what_is_no_readable_file_is_named(tmp_path: Path) -> None:
    binary, null = tmp_path / "model.json", tmp_path / "null.toml"
    binary.write_bytes(b'{"a": "\xff\xfe"}')
    null.write_bytes(b"a = 1\0")
    cases = {
        str(tmp_path / "absent.json"): "there is no file",
        str(tmp_path): "is a folder; name the candidate's",
        str(binary): "is not text: byte 7 is not UTF-8",
        str(null): "it holds null bytes",
        "gpt3.json": "there is no file gpt3.json",
        "gtp2": "unknown preset or file 'gtp2'; did you mean 'gpt2'?",
    }
    for argument, text in cases.items():
        with pytest.raises(InputError) as caught:
            read_candidate(argument)
        assert text in str(caught.value)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(InputError, match="1,073,741,824 bytes; that is no candidate's file"):
        read_candidate(str(path))


def test_a_misspelt_space_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown space or file 'labtop'; did you mean 'laptop'"):
        read_space("labtop")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dimension": {}}, "unknown key of a space: 'dimension'; did you mean 'dimensions'"),
        ({"dimensions": []}, "dimensions is an object of names and values, not []"),
        ({"dimensions": {}}, "a space needs at least one dimension"),
        ({"dimensions": {"n_layer": [1]}}, "unknown field 'n_layer'; did you mean 'n_layers'"),
        ({"dimensions": {"n_layers": 3}}, "n_layers=3 is no dimension"),
        ({"dimensions": {"n_layers": {"low": 1}}}, "dimension n_layers lacks 'high'"),
        ({"dimensions": {"n_layers": {"low": 1, "hihg": 2}}}, "did you mean 'high'"),
        ({"dimensions": {"n_layers": {"low": 5, "high": 2}}}, "low=5 is above high=2"),
        ({"dimensions": {"n_layers": {"low": 0, "high": 2}}}, "n_layers=0 is out of range"),
        ({"dimensions": {"n_layers": {"low": 1.5, "high": 2}}}, "1.5 is not a whole number"),
        ({"dimensions": {"n_layers": {"low": 1, "high": 2, "step": 0}}}, "step=0"),
        ({"dimensions": {"n_layers": {"low": 1, "high": 2, "log": 1}}}, "log=1 is not true or"),
        ({"dimensions": {"n_layers": {"low": 1, "high": 4, "log": True, "step": 2}}}, "doubles"),
        ({"dimensions": {"n_layers": []}}, "an empty list leaves nothing to choose"),
        ({"dimensions": {"n_layers": [1, 1]}}, "names a value twice"),
        ({"dimensions": {"n_layers": ["1"]}}, "n_layers='1' is not a whole number"),
        ({"dimensions": {"mlp": {"low": 1, "high": 2}}}, "mlp is a choice: give a list"),
        ({"dimensions": {"mlp": ["gelu", "swigelu"]}}, "did you mean 'swiglu'"),
        ({"dimensions": {"learning_rate": {"low": 0, "high": 1, "log": True}}}, "learning_rate"),
        ({"dimensions": {"weight_decay": {"low": 0, "high": 1, "log": True}}}, "no logarithm"),
        ({"base": {}}, "the space lacks d_model, n_heads, vocab_size, context_length"),
        ({"base": {**GOOD["base"], "n_layers": 2}}, "both a dimension and in the base"),
        ({"base": {**GOOD["base"], "d_ff": 8, "ff_ratio": 2}}, "both d_ff and ff_ratio"),
        ({"base": {**GOOD["base"], "vocab_size": 1}}, "vocab_size=1 is out of range"),
        ({"constraints": "n_layers > 1"}, "constraints is a list, not 'n_layers > 1'"),
        ({"constraints": ["n_layer > 1"]}, "did you mean 'n_layers'"),
        ({"constraints": [{"nam": "x"}]}, "unknown key of a constraint: 'nam'"),
        ({"constraints": [{"name": "x"}]}, 'a constraint needs a "rule"'),
        ({"limits": {"parameters_total": "many"}}, "limit on parameters_total: 'many'"),
        ({"target": {"parameters": -1}}, "target: parameters=-1 is not a number above 0"),
        ({"target": {"parameter": 5}}, "unknown key of target: 'parameter'"),
        ({"target": {"parameters": 5}}, "d_model is fixed at 24 in this space"),
        ({"target": {"parameters": 5, "solve_for": "n_layer"}}, "did you mean 'n_layers'"),
        ({"name": 5}, "the space's name=5 is not a text"),
    ],
)
def test_a_wrong_space_file_is_named_with_place_and_reason(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(InputError) as caught:
        read_space(str(path))
    assert text in str(caught.value)
    assert "mine.json" in str(caught.value)


def wrong_dimensions(field: Field) -> list[Any]:
    """What no dimension of this field can be, made from its own entry in the catalogue."""
    if field.kind in ("choice", "switch"):
        return ["rope", [], {"low": 0, "high": 1}, [3.5], [field.name]]
    assert field.low is not None
    assert field.high is not None
    low, high = field.low, field.high
    return [
        7, [], ["x"], [high * 2 + 1], [low - 1], [low, low],
        {"low": high, "high": low}, {"low": low - 1, "high": high},
        {"low": low, "high": high * 2 + 1}, {"low": None, "high": high}, {"low": low},
        {"low": low, "high": high, "step": -1}, {"low": low, "high": float("nan")},
    ]  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_refuses_wrong_dimensions_by_name(name: str) -> None:
    for wrong in wrong_dimensions(FIELDS[name]):
        with pytest.raises(InputError, match=name):
            dimension_from_json(name, wrong)


def test_narrowing_and_changing_refuse_what_isnt_there() -> None:
    space = small_space()
    cases: list[tuple[Any, str]] = [
        (lambda: space.narrowed("n_layer", 1, 2), "unknown dimension 'n_layer'"),
        (lambda: space.narrowed("vocab_size", 1, 2), "vocab_size is fixed at 257"),
        (lambda: space.narrowed("d_model", 25, 35), "nothing lies between 25 and 35"),
        (lambda: space.narrowed("d_model", choices=[25]), "d_model=25 is not in this space"),
        (lambda: space.narrowed("d_model", 24, choices=[24]), "not by both"),
        (lambda: space.fixed("d_modle", 24), "did you mean 'd_model'"),
        (lambda: space.sample(-1), "n=-1 is not a whole number from 0 up"),
        (lambda: space.sample(1.5), "n=1.5 is not a whole number from 0 up"),  # type: ignore[arg-type]
        (lambda: space.sample(1, seed=-1), "seed=-1 is not a whole number from 0 up"),
        (lambda: space.limited("depth", 1).sample(1), "this space limits depth: pass cost="),
        (lambda: space.with_dimension(Real("dropout", 0, 0.5)).enumerate(), "is continuous"),
        (lambda: SearchSpace.named("datacenter"), "did you mean 'datacentre'"),
        (lambda: SearchSpace.datacentre().enumerate(), "too many to enumerate"),
        (lambda: Real("n_layers", 1, 2), "n_layers is no dimension of type Real; use Integer"),
    ]
    for act, text in cases:
        with pytest.raises(InputError) as caught:
            act()
        assert text in str(caught.value)
