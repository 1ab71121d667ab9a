"""The rows of the search tab name what there is to choose."""

from __future__ import annotations

from nasviz.strategies.objectives import NAMES
from nasviz.strategies.registry import STRATEGIES
from nasviz.widgets.panels import search_tab


def test_every_strategy_can_be_chosen() -> None:
    assert set(search_tab.STRATEGIES) == set(STRATEGIES)


def test_every_cost_to_search_against_is_an_objective() -> None:
    assert set(search_tab.AGAINST) <= set(NAMES)
