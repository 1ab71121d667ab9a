"""Models into the house: checkpoints of `transformers`, read without it and without pickles."""

from __future__ import annotations

from nasviz.model.foreign.configuration import READERS, foreign_architecture
from nasviz.model.foreign.load import (
    check_foreign,
    foreign_architecture_in,
    is_foreign,
    load_foreign,
)

__all__ = [
    "READERS",
    "check_foreign",
    "foreign_architecture",
    "foreign_architecture_in",
    "is_foreign",
    "load_foreign",
]
