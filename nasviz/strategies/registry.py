"""The strategies by name. A new one joins by its own file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nasviz.errors import unknown_name
from nasviz.strategies.nsga2 import nsga2
from nasviz.strategies.random import random
from nasviz.strategies.strategy import StrategyFactory
from nasviz.strategies.tpe import tpe

STRATEGIES: Mapping[str, StrategyFactory] = MappingProxyType(
    {"random": random, "tpe": tpe, "nsga2": nsga2}
)


def strategy_named(name: str) -> StrategyFactory:
    """Return the strategy's factory; raises `InputError` with the nearest name."""
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    return STRATEGIES[name]
