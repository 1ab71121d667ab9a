"""Constraints as text: read without `eval`, and nothing but sums and comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.space import expression
from nasviz.space.constraints import Constraint, CostLimit

COLUMNS = {"n_layers": np.array([1, 2, 3, 5]), "d_model": np.array([24, 36, 48, 60])}

TEXTS = [
    "d_model >= 16 * n_layers",
    "1 < n_layers <= 3",
    "n_layers == 1 or d_model // n_layers > 12",
    "not (n_layers % 2 == 0) and d_model / 12 != 4",
    "-n_layers + d_model > 30 - 2",
    "True",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_means_what_it_means_in_python(text: str) -> None:
    tree = expression.parse(text)
    got = np.broadcast_to(expression.evaluate(tree, COLUMNS), (4,))
    for row in range(4):
        values = {name: int(column[row]) for name, column in COLUMNS.items()}
        assert bool(got[row]) == bool(eval(text, {}, values))


@given(st.integers(-9, 9), st.integers(1, 9))
def test_integer_division_and_remainder_round_as_pythons_do(one: int, other: int) -> None:
    tree = expression.parse("a // b * 1000 + a % b")
    assert expression.evaluate(tree, {"a": one, "b": other}) == one // other * 1000 + one % other


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("__import__('os').system('true')", "holds Call"),
        ("d_model.real > 1", "holds Attribute"),
        ("[1][0] > n_layers", "holds Subscript"),
        ("n_layers ** 9 > 1", "holds Pow"),
        ("(lambda: 1) and n_layers", "holds Lambda"),
        ("n_layers >", "can't be read"),
        ("", "can't be read"),
        ("n_layers = 2", "can't be read"),
        ("(" * 300 + "n_layers" + ")" * 300, "can't be read"),
        ("b'x' == n_layers", "holds Constant"),
    ],
)
def test_anything_else_is_refused(text: str, part: str) -> None:
    with pytest.raises(InputError, match="constraint") as caught:
        expression.parse(text)
    assert part in str(caught.value)


def test_choices_are_compared_by_name() -> None:
    rule = Constraint.of("position == 'rope' and n_layers > 1")
    columns = {"position": np.array([0, 1, 1]), "n_layers": np.array([2, 2, 1])}
    assert rule.mask(columns).tolist() == [False, True, False]


def test_a_function_reads_the_columns_that_its_parameters_name() -> None:
    rule = Constraint.of(lambda d_model, n_layers: d_model > 12 * n_layers, name="shallow")
    assert rule.columns == ("d_model", "n_layers")
    assert rule.mask(COLUMNS).tolist() == [True, True, True, False]
    assert rule.name == "shallow"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (lambda d_modle: d_modle > 1, "'d_modle'; did you mean 'd_model'"),
        ("n_layer > 1", "'n_layer'; did you mean 'n_layers'"),
        (lambda: True, "names no column"),
        ("1 < 2", "names no column"),
        (7, "is a function of columns or a text, not 7"),
    ],
)
def test_wrong_rules_are_named(rule: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Constraint.of(rule)  # type: ignore[arg-type]
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda n_layers: n_layers > 1 and n_layers < 3, "write it for arrays"),
        (lambda n_layers: n_layers + 1, "return one true or false a row"),
        (lambda n_layers: np.ones(7, dtype=bool), "failed|return one true or false a row"),
        (lambda n_layers: n_layers > "x", "write it for arrays|return one true or false a row"),
    ],
)
def test_a_rule_that_fails_on_columns_says_how_to_write_it(function: object, text: str) -> None:
    rule = Constraint.of(function)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=text):
        rule.mask(COLUMNS)


def test_a_limit_keeps_what_is_at_most_its_maximum() -> None:
    limit = CostLimit("seconds", 1.5)
    assert limit.mask({"seconds": np.array([1.0, 1.5, 1.6, np.nan])}).tolist() == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(InputError, match="unknown cost 'secnds'; did you mean 'seconds'"):
        CostLimit("secnds", 1).mask({"seconds": np.array([1.0])})
    for wrong in (float("nan"), "3", True, None):
        with pytest.raises(InputError, match="limit on seconds"):
            CostLimit("seconds", wrong)  # type: ignore[arg-type]
