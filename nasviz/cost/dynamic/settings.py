"""`Settings`: one option's settings as the cost formulas read them, of one candidate or of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nasviz.cost.sizes import Amount
from nasviz.errors import InputError
from nasviz.space.options.option import Option
from nasviz.space.table import CandidateTable, choice_code


class Settings(Protocol):
    """What a cost formula asks of an option's settings."""

    @property
    def on(self) -> Amount:
        """1 where the option is on, else 0."""

    def number(self, name: str) -> Amount:
        """Return a number or switch."""

    def chosen(self, name: str, *choices: str) -> Amount:
        """Return 1 where the setting is one of `choices`, else 0."""

    def listed(self, name: str) -> tuple[float, ...]:
        """Return a list; empty in a table, whose rows with lists are priced by themselves."""


@dataclass(frozen=True)
class OneSettings:
    """The settings of one candidate's option."""

    option: Option

    @property
    def on(self) -> int:
        """1: an option that is off has no settings."""
        return 1

    def number(self, name: str) -> Any:
        """Return a number or switch."""
        value = getattr(self.option, name)
        return int(value) if isinstance(value, bool) else value

    def chosen(self, name: str, *choices: str) -> int:
        """Return 1 where the setting is one of `choices`, else 0."""
        return int(getattr(self.option, name) in choices)

    def listed(self, name: str) -> tuple[float, ...]:
        """Return a list."""
        return tuple(getattr(self.option, name))


@dataclass(frozen=True, eq=False)
class TableSettings:
    """The settings of an option in the rows from `start` to `stop` of a table."""

    kind: type[Option]
    table: CandidateTable
    start: int
    stop: int

    @property
    def on(self) -> Amount:
        """1 where the option is on, else 0; shape `(n,)` or `(1,)`."""
        return self._column(self.kind.NAME).astype(np.float64)

    def number(self, name: str) -> Amount:
        """Return a number or switch; shape `(n,)` or `(1,)`."""
        return self._column(f"{self.kind.NAME}.{name}").astype(np.float64)

    def chosen(self, name: str, *choices: str) -> Amount:
        """Return 1 where the setting is one of `choices`, else 0; shape `(n,)` or `(1,)`."""
        full = f"{self.kind.NAME}.{name}"
        codes = [choice_code(full, choice) for choice in choices]
        return np.isin(self._column(full), codes).astype(np.float64)

    def listed(self, name: str) -> tuple[float, ...]:
        """Return `()`: see `nasviz.cost.estimate.reckoned_apart`."""
        if name not in [field.name for field in self.kind.FIELDS if field.is_list]:
            raise InputError(f"{self.kind.NAME}.{name} is no list")
        return ()

    def _column(self, name: str) -> Any:
        column = self.table.columns[name]
        return column if len(column) == 1 else column[self.start : self.stop]
