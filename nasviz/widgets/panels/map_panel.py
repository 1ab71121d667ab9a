"""The map: the sample, the trials and some known models; what is picked there is the selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np

from nasviz.cost.columns import COST_COLUMNS, cost_columns
from nasviz.cost.units import quantity
from nasviz.space import presets
from nasviz.space.candidate import Candidate
from nasviz.space.dimensions import Dimension
from nasviz.space.table import CandidateTable
from nasviz.study.family import bonds_of
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.widgets.candidate_map import CandidateMap
from nasviz.widgets.expectation import budget_words
from nasviz.widgets.html import Html, table, tag, text
from nasviz.widgets.knobs import Forward, Knobs
from nasviz.widgets.map_columns import Mark, MarkKind
from nasviz.widgets.observed import observed_of, trial_cost
from nasviz.widgets.option_space import option_of
from nasviz.widgets.origin_words import family_words
from nasviz.widgets.panels.limits_panel import LIMITED
from nasviz.widgets.panels.space_panel import sizes_of
from nasviz.widgets.policy_words import policy_phrase
from nasviz.widgets.ranges import is_numeric
from nasviz.widgets.sample import Sample
from nasviz.widgets.sample_columns import QUALITY, map_columns
from nasviz.widgets.state import ExplorerState

FIRST_COST = "time_per_output_token_s"
TRIAL, PINNED, PRESET = "trial-", "pinned-", "preset-"

# Known models are shown where they would fall, if they lie within this factor of the sample.
_LANDMARK_REACH = 3.0
_MOST_LANDMARKS = 4

MOST_FRONT_ROWS = 12


class MapPanel:
    """Brings the state to a `CandidateMap`, and picks on it back to the state."""

    def __init__(
        self, state: ExplorerState, space_knobs: Knobs, option_knobs: Knobs, limit_knobs: Knobs
    ) -> None:
        self.state = state
        self._option_knobs = option_knobs
        self.map = CandidateMap(
            x=FIRST_COST, y=QUALITY, label="map of candidates: a cost against bits per byte"
        )
        self.front = ipywidgets.HTML()
        self.view = ipywidgets.VBox([self.map, self.front])
        self._marked: dict[str, Candidate] = {}
        self._known: dict[str, Candidate] = {}
        space_knobs.forward(self.map, self._forwards(sizes_of(state.space)))
        limit_knobs.forward(self.map, {name: Forward(self.map.add_limit(name)) for name in LIMITED})
        self._link_options()
        self.map.on_tap(self._picked)
        self.map.on_lasso(self._lassoed)
        self.map.observe(lambda _change: self._show_front(), names=["front", "x"])
        state.observe(lambda _change: self._show_sample(), names="sample")
        state.observe(lambda _change: self._show_marks(), names=["study", "pinned", "prior"])
        state.observe(lambda _change: self._show_selection(), names="selection")
        state.observe(lambda _change: self._show_family(), names=["selection", "study"])
        state.observe(lambda _change: self._show_filters(), names=["ranges", "limits"])
        state.observe(lambda _change: self._link_options(), names="space")

    def _link_options(self) -> None:
        """Have the knobs of options that the space searches now filter the map."""
        searched = [
            each
            for each in self.state.space.dimensions
            if option_of(each.name) is not None and "." in each.name
        ]
        self._option_knobs.forward(self.map, self._forwards(searched))

    def _forwards(self, dimensions: Iterable[Dimension]) -> dict[str, Forward]:
        forwards = {}
        for dimension in dimensions:
            if is_numeric(dimension):
                forwards[dimension.name] = Forward(self.map.add_range(dimension.name))
            else:
                codes = tuple(int(code) for code in np.asarray(dimension.grid))
                forwards[dimension.name] = Forward(self.map.add_choices(dimension.name), codes)
        return forwards

    def _show_filters(self) -> None:
        """Bring ranges and limits that Python wrote; those of the sliders are there already."""
        ranges: dict[str, tuple[float, float]] = {}
        choices: dict[str, list[int]] = {}
        for dimension in self.state.space.dimensions:
            kept = self.state.ranges[dimension.name]
            if is_numeric(dimension):
                ranges[dimension.name] = (kept[0], kept[1])
            else:
                codes = dict(
                    zip(_values(dimension), np.asarray(dimension.grid).tolist(), strict=True)
                )
                choices[dimension.name] = [int(codes[each]) for each in kept]
        if self.map.ranges != ranges:
            self.map.ranges = ranges
        if self.map.choices != choices:
            self.map.choices = choices
        if self.map.limits != self.state.limits:
            self.map.limits = dict(self.state.limits)

    def _show_sample(self) -> None:
        sample = self.state.sample
        with self.map.hold_sync():
            self.map.set_sample(map_columns(sample, self.state.space))
            # Rows mean other candidates now: the selection is drawn by itself.
            self.map.selection = [each for each in self.map.selection if isinstance(each, str)]
        self._known = landmarks(sample)
        self._show_marks()

    def _show_marks(self) -> None:
        if self.state.sample is None:
            return
        marks: list[Mark] = []
        self._marked = {}
        for mark, candidate in (*self._trials(), *self._pinned(), *self._landmarks()):
            marks.append(mark)
            self._marked[mark.id] = candidate
        self.map.set_marks(marks)
        self._show_selection()

    def _trials(self) -> Iterator[tuple[Mark, Candidate]]:
        shown = [
            trial
            for trial in self.state.study.trials
            if trial.state in ("complete", "running", "waiting", "paused")
        ]
        for trial, values in zip(
            shown, self._values_of([trial.candidate for trial in shown]), strict=True
        ):
            if observed_of([trial]) is not None:
                cost = trial_cost(trial, self.state.workload, self.state.hardware)
                values |= {name: float(column.of(cost)) for name, column in COST_COLUMNS.items()}
            if trial.state != "complete":
                # The cloud is drawn for the plan on show; a trial has a plan of its own.
                own = self.state.prior.under(TrainingPlan.from_json(dict(trial.plan)))
                values[QUALITY] = own.of_candidate(trial.candidate).bits_per_byte
            yield trial_mark(trial, values), trial.candidate

    def _pinned(self) -> Iterator[tuple[Mark, Candidate]]:
        for candidate, values in zip(
            self.state.pinned, self._values_of(list(self.state.pinned)), strict=True
        ):
            title = candidate.architecture.title
            yield (
                Mark(f"{PINNED}{candidate.digest}", title, "landmark", values, note="pinned"),
                candidate,
            )

    def _landmarks(self) -> Iterator[tuple[Mark, Candidate]]:
        found = self._known
        note = f"predicted for {budget_words(self.state.prior.plan)}"
        for (name, candidate), values in zip(
            found.items(), self._values_of(list(found.values())), strict=True
        ):
            yield Mark(f"{PRESET}{name}", name, "landmark", values, note=note), candidate

    def _values_of(self, candidates: list[Candidate]) -> list[dict[str, float]]:
        """Return each candidate's costs and expected quality by column."""
        if not candidates:
            return []
        rows = CandidateTable.of(candidates)
        costs = cost_columns(self.state.workload, self.state.hardware)(rows)
        bits = self.state.prior.of_table(rows).bits_per_byte
        columns = {**costs, QUALITY: bits}
        return [
            {name: float(column[row]) for name, column in columns.items()}
            for row in range(len(candidates))
        ]

    def _show_selection(self) -> None:
        candidate = self.state.selection
        if candidate is None or self.state.sample is None:
            self.map.current = None
            return
        values = self._values_of([candidate])[0]
        measured = next(
            (trial for trial in self.state.study.of(candidate) if trial.state == "complete"), None
        )
        if measured is not None:
            if observed_of([measured]) is not None:
                cost = trial_cost(measured, self.state.workload, self.state.hardware)
                values |= {name: float(column.of(cost)) for name, column in COST_COLUMNS.items()}
            values[QUALITY] = float(measured.result[QUALITY])
        title = candidate.architecture.title
        self.map.current = Mark("current", title, "landmark", values).to_dict()

    def _show_family(self) -> None:
        """Join the trials of the selection's family: parent, children, twins from scratch."""
        bonds = bonds_of(self.state.study.trials, self.state.selection)
        ties = [
            {
                "from": f"{TRIAL}{bond.elder.number}",
                "to": f"{TRIAL}{bond.younger.number}",
                "kind": bond.tie,
            }
            for bond in bonds
        ]
        if self.map.ties != ties:
            self.map.ties = ties

    def _picked(self, selection: list[int | str]) -> None:
        if not selection:
            return
        last = selection[-1]
        if isinstance(last, str) and last.startswith(TRIAL):
            self.state.watched = int(last.removeprefix(TRIAL))
        for candidate in self._candidates([last]):
            self.state.select(candidate)

    def _lassoed(self, ids: list[int | str]) -> None:
        self.state.lassoed = tuple(self._candidates(ids))

    def _candidates(self, ids: list[int | str]) -> list[Candidate]:
        """Return what the map's ids stand for: marks by name, sampled candidates by row."""
        marked = [
            self._marked[each] for each in ids if isinstance(each, str) and each in self._marked
        ]
        rows = self.map.rows_of(ids)
        return [*marked, *(self.state.sample.table.row(row) for row in rows)]

    def _show_front(self) -> None:
        """Say the map's front as a table, for whoever can't see it or wants its numbers."""
        rows = self.map.rows_of(self.map.front)
        if self.state.sample is None or not rows:
            self.front.value = Html("")
            return
        step = max(1, -(-len(rows) // MOST_FRONT_ROWS))
        self.front.value = front_table(self.state.sample, rows[::step], self.map.x)


def front_table(sample: Sample, rows: Sequence[int], cost: str) -> Html:
    """Return the candidates in `rows` as a folded table: sizes, the cost on show, quality."""
    column = COST_COLUMNS[cost]
    body = []
    for row in rows:
        sizes = sample.table.row(row).architecture
        figures = (
            f"{sizes.n_layers}", f"{sizes.d_model}", f"{sizes.n_heads}", f"{sizes.vocab_size:,}",
            f"{sizes.context_length:,}", quantity(float(sample.costs[cost][row]), column.unit),
            f"{sample.bits_per_byte[row]:.3f}",
        )  # fmt: skip
        body.append([text(each) for each in figures])
    head = ("layers", "width", "heads", "vocabulary", "context", column.label, "bits/byte")
    said = f"the predicted front as a table ({sample.quality_label}: {sample.quality_source})"
    summary = tag("summary", text(said))
    return tag("details", summary, table(head, body), css="nv-more")


def _values(dimension: Any) -> list[Any]:
    return list(dimension.choices)


def trial_mark(trial: Trial, values: dict[str, float]) -> Mark:
    """Return a trial's point: measured where it is complete, expected (and hollow) before.

    Its note says after how much training: the cloud below it may stand for another budget.
    """
    name, title = f"{TRIAL}{trial.number}", trial.candidate.architecture.title
    policy = trial.candidate.inference
    run = f"; {policy_phrase(policy)}" if policy else ""
    if trial.state != "complete":
        budget = budget_words(TrainingPlan.from_json(dict(trial.plan)))
        note = f"{trial.state}; predicted for {budget}, not measured{run}"
        kind: MarkKind = "waiting"
    else:
        values = {**values, QUALITY: float(trial.result[QUALITY])}
        note = f"measured after {quantity(trial.result['tokens'])} tokens{run}"
        whole = trial.result.get("static_bits_per_byte")
        note += f", {whole:.3f} bits per byte without" if whole is not None else ""
        kind = "trained"
    label = ", ".join(filter(None, (f"trial {trial.number}: {title}", family_words(trial))))
    return Mark(name, label, kind, values, note=note, ringed=bool(policy))


def landmarks(sample: Sample) -> dict[str, Candidate]:
    """Return a few published models whose weights lie in the sample's reach, by name."""
    weights = sample.costs["parameters_total"]
    low, high = weights.min() / _LANDMARK_REACH, weights.max() * _LANDMARK_REACH
    known = {name: Candidate(presets.named(name)) for name in presets.NAMES}
    totals = cost_columns(names=("parameters_total",))(CandidateTable.of(known.values()))
    within = [
        (total, name)
        for name, total in zip(known, totals["parameters_total"].tolist(), strict=True)
        if low <= total <= high
    ]
    step = max(1, len(within) // _MOST_LANDMARKS)
    return {name: known[name] for _, name in sorted(within)[::step][:_MOST_LANDMARKS]}
