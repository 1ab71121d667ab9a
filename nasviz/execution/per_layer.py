"""The search of a pruned trial whose layers may differ: scored, solved and cut, in the worker.

Scores are kept in the trial's folder layer by layer, with the blocks that were taught, so that a
trial that was paused or killed meanwhile goes on where it was.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.cost.measuring import parts_flops, search_flops
from nasviz.cost.replacement import Pricing
from nasviz.evaluation.importance.methods import PARTS
from nasviz.evaluation.importance.texts import windows_of
from nasviz.evaluation.replacement.local import Teaching
from nasviz.evaluation.replacement.scores import BlockScore, block_scores, compared
from nasviz.execution.scored_layers import SCORES
from nasviz.model.pruned import pruned
from nasviz.model.transformer import Transformer
from nasviz.space.kept import Kept
from nasviz.space.pruning import Pruning
from nasviz.space.replacement.chance import by_chance
from nasviz.space.replacement.choices import Choices, choices_of, kept_by, picked
from nasviz.space.replacement.greedy import greedy
from nasviz.space.replacement.per_layer import PerLayer
from nasviz.space.replacement.problem import Chosen, Floats, ReplacementProblem
from nasviz.training.progress import Control
from nasviz.whole_file import whole_file

BLOCKS = "blocks"
# How many selections by chance the solution is shown beside.
SAMPLES = 1000

log = logging.getLogger("nasviz.worker")


@dataclass(frozen=True, eq=False)
class Searched:
    """The pruned model, what is kept of its parent, what the search took, and its `facts`.

    `facts`: `layers` (what each of the parent's became: its sizes, or None), `used` of each limit,
    the solution's `divergence` by its scores and those of greedy and random selections, the
    `measured_divergence` and `measured_rise` of the loss of the model that it is, and all `scores`.
    """

    model: Transformer
    kept: Kept
    facts: dict[str, Any]
    seconds: float
    flops: float

    def to_json(self) -> dict[str, Any]:
        """Return what is stored with the pruned trial."""
        return {"per_layer": self.facts, "flops": self.flops, "seconds": self.seconds}


@dataclass(frozen=True, eq=False)
class LayerSearch:
    """A parent whose layers are searched, the text that it is measured on, and where scores go."""

    model: Transformer
    asked: PerLayer
    pruning: Pruning
    text: TokenizedCorpus
    folder: Path
    seed: int

    def run(self, control: Control) -> Searched | None:
        """Return the best that the limits leave of the parent; None where `control` stops it.

        Raises `InputError` for limits that can't be kept.
        """
        began = time.perf_counter()
        parent = self.model.architecture
        choices = choices_of(parent, self.asked.grid)
        most = self.pruning.calibration_tokens
        texts = windows_of(self.text, "calibration", parent.context_length, most)
        importance = PARTS[self.pruning.importance](self.model, texts, self.pruning.seed)
        stored = _Stored.read(self.folder)
        teaching = None
        if self.asked.scores == "local":
            taught_on = windows_of(self.text, "train", parent.context_length, most)
            teaching = Teaching(taught_on, self.asked.local_steps, self.seed)
        scores = block_scores(
            self.model, choices, importance, texts, first=len(stored.layers), teaching=teaching
        )
        spent = stored.seconds
        for row in _by_layer(scores, len(choices[0]), self._keep_block, control):
            stored.layers.append(row)
            stored.seconds = spent + time.perf_counter() - began
            stored.write(self.folder)
            log.info("scored layer %d of %d", len(stored.layers), parent.n_layers)
        if len(stored.layers) < parent.n_layers:
            return None
        losses = np.array([row["divergence"] for row in stored.layers])
        pricing = Pricing.of(parent, choices)
        problem, chosen = pricing.solved(losses, self.asked)
        kept = kept_by(parent, importance, picked(choices, chosen.tolist()))
        child = self._assembled(kept, chosen)
        divergence, rise = compared(self.model, child, texts)
        facts = {
            **_solution(problem, chosen, self.seed),
            "layers": [
                None if each is None else each.to_json()
                for each in picked(choices, chosen.tolist())
            ],
            "used": pricing.amounts(chosen, self.asked),
            "measured_divergence": divergence,
            "measured_rise": rise,
            "scores": {"choices": _choices_json(choices), "layers": stored.layers},
        }
        taught = (0, 0) if teaching is None else (teaching.texts.numel(), teaching.tokens)
        flops = search_flops(pricing, child.architecture, texts.numel(), *taught)
        flops += parts_flops(parent, self.pruning.importance) * texts.numel()
        return Searched(child, kept, facts, spent + time.perf_counter() - began, flops)

    def _keep_block(self, score: BlockScore) -> None:
        if score.block is None:
            return
        (self.folder / BLOCKS).mkdir(parents=True, exist_ok=True)
        weights = {name: each.contiguous() for name, each in score.block.state_dict().items()}
        with whole_file(self._block_file(score.layer, score.choice)) as path:
            save_file(weights, path)

    def _block_file(self, layer: int, choice: int) -> Path:
        return self.folder / BLOCKS / f"{layer:04d}_{choice:04d}.safetensors"

    def _assembled(self, kept: Kept, chosen: Chosen) -> Transformer:
        """Return the parts of the parent that are kept, with the blocks that were taught."""
        child = pruned(self.model, kept)
        for place, layer in enumerate(kept.layers):
            path = self._block_file(layer, int(chosen[layer]))
            if path.is_file():
                child.blocks[place].load_state_dict(load_file(path))
        return child


@dataclass
class _Stored:
    """Scores of the first layers, by choice, and the seconds that they took."""

    layers: list[dict[str, list[float | None]]]
    seconds: float

    @classmethod
    def read(cls, folder: Path) -> _Stored:
        path = folder / SCORES
        return cls(**json.loads(path.read_text("utf-8"))) if path.is_file() else cls([], 0.0)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / SCORES) as path:
            path.write_text(json.dumps(vars(self)), encoding="utf-8")


def _by_layer(
    scores: Iterator[BlockScore],
    n_choices: int,
    keep: Callable[[BlockScore], None],
    control: Control,
) -> Iterator[dict[str, list[float | None]]]:
    """Yield the scores of each whole layer by name, until `control` stops it."""
    row: list[BlockScore] = []
    for score in scores:
        keep(score)
        row.append(score)
        if len(row) == n_choices:
            names = ("divergence", "rise", "left_over")
            yield {name: [getattr(each, name) for each in row] for name in names}
            row = []
        if control() != "go":
            return


def _solution(problem: ReplacementProblem, chosen: Chosen, seed: int) -> dict[str, Any]:
    """Return the divergence that the scores promise, beside greedy's and chance's."""
    stepwise, chance = greedy(problem), by_chance(problem, SAMPLES, seed)
    by_luck: Floats = problem.loss(chance)
    return {
        "divergence": float(problem.loss(chosen)),
        "greedy_divergence": None if stepwise is None else float(problem.loss(stepwise)),
        "random_divergence": float(by_luck.min()) if len(by_luck) else None,
        "random_mean_divergence": float(by_luck.mean()) if len(by_luck) else None,
    }


def _choices_json(choices: Choices) -> list[list[dict[str, int] | None]]:
    return [[None if each is None else each.to_json() for each in layer] for layer in choices]
