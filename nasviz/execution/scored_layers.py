"""How far the search of a trial's layers is, seen from the outside. No torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

# In a trial's folder while it is being pruned, and in that its scores, written layer by layer.
FOLDER = "pruned"
SCORES = "scores.json"

OnScored = Callable[[int, int], Any]


class ScoredLayers:
    """Tells, each time it is called and there are more, how many of so many layers are scored."""

    def __init__(self, directory: Path, n_layers: int, tell: OnScored) -> None:
        self._path = directory / FOLDER / SCORES
        self._n_layers = n_layers
        self._tell = tell
        self._told = 0

    def __call__(self) -> None:
        """Look, and tell if there is something new."""
        if self._told == self._n_layers:
            return
        try:
            scored = len(json.loads(self._path.read_text(encoding="utf-8"))["layers"])
        except FileNotFoundError:  # not begun, or over
            return
        if scored > self._told:
            self._told = scored
            self._tell(scored, self._n_layers)
