"""Training: how much and how, the curve as it grows, and the text that the model writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from nasviz.cost.units import duration, quantity
from nasviz.errors import InputError
from nasviz.plots.learning_curve import Curve, LearningCurves
from nasviz.space.candidate import Candidate
from nasviz.study.trial import Request, Trial
from nasviz.training.plan import TrainingPlan
from nasviz.widgets.corpus_facts import CorpusFacts
from nasviz.widgets.figure_view import FigureView
from nasviz.widgets.html import (
    Html,
    bold,
    code,
    heading,
    join,
    note,
    source_tag,
    tag,
    text,
)
from nasviz.widgets.knobs import Knob, Knobs
from nasviz.widgets.panels.trial_actions import TrialActions
from nasviz.widgets.plan_rows import (
    CORPUS,
    corpus_of,
    place_of,
    plan_knobs,
    plan_of,
    plan_values,
    without_place,
)
from nasviz.widgets.state import ExplorerState

DEFAULT_PROMPT = "The "


class TrainingTab:
    """Budget and settings, Train, the watched trial with Pause and Cancel, samples of text.

    `train` starts a trial of the selection; `request` asks something of a trial by number;
    `generate` has a trial's model go on from a prompt and hands the text to a callback.
    """

    def __init__(
        self,
        state: ExplorerState,
        train: Callable[[], None],
        request: Callable[[int, Request], None],
        generate: Callable[[int, str, Callable[[str], None]], None],
    ) -> None:
        self.state = state
        self._generate = generate
        self._drawn: tuple[int, Any] | None = None
        self._sampled: int | None = None
        self.knobs = Knobs(plan_knobs(), plan_values(state.plan, state.corpus), title="Training")
        self.train = ipywidgets.Button(description="Train this")
        self.train.add_class("nv-first")
        self.train.on_click(lambda _button: train())
        self.cost = ipywidgets.HTML()
        self.status = ipywidgets.HTML()
        self.actions = TrialActions(state, request)
        self.figure = FigureView(
            label="Loss of the watched trial against tokens",
            height="250px",
            placeholder="no curve yet",
        )
        self.prompt = Knobs(
            [Knob("prompt", "Prompt", "text", "The model goes on from here.")],
            {"prompt": DEFAULT_PROMPT},
            title="Sample",
        )
        self.write = ipywidgets.Button(description="Write on")
        self.write.on_click(lambda _button: self._sample())
        self.sample = ipywidgets.HTML()
        self.configuration = ipywidgets.HTML()
        self.view = self._columns()
        self.knobs.on_values(self._change_plan)
        state.observe(
            lambda _change: self._show_plan(), names=["plan", "corpus", "selection", "facts"]
        )
        state.observe(lambda _change: self._show_problem(), names="corpus_problem")
        state.observe(lambda _change: self._show_trial(), names=["study", "watched", "curve"])
        self._show_plan()
        self._show_trial()

    def _columns(self) -> ipywidgets.HBox:
        start = ipywidgets.HBox([self.train])
        writing = ipywidgets.HBox([self.write])
        for row in (start, writing):
            row.add_class("nv-actions")
            row.add_class("nv-needs-kernel")
        title = ipywidgets.HTML(heading("Train", text("with DeepSpeed")))
        text_title = ipywidgets.HTML(heading("What it writes"))
        columns = [
            ipywidgets.VBox([title, self.knobs, start, self.cost]),
            ipywidgets.VBox([self.status, self.figure, self.actions.view]),
            ipywidgets.VBox([text_title, self.prompt, writing, self.sample, self.configuration]),
        ]
        for column in columns:
            column.add_class("nv-column")
        view = ipywidgets.HBox(columns)
        view.add_class("nv-tab")
        return view

    def _change_plan(self, values: dict[str, Any]) -> None:
        try:
            plan = plan_of(values)
        except InputError as problem:
            self.knobs.errors = {place_of(problem, values): without_place(problem)}
            return
        self._show_problem()
        self.state.plan = plan
        self.state.corpus = corpus_of(str(values[CORPUS]))

    def _show_plan(self) -> None:
        values = plan_values(self.state.plan, self.state.corpus)
        if self.knobs.values != values:
            self.knobs.values = values
        candidate = self.state.selection
        self.train.disabled = candidate is None
        self.configuration.value = configuration(self.state.plan, candidate, self.state.facts)

    def _show_problem(self) -> None:
        problem = self.state.corpus_problem
        self.knobs.errors = {CORPUS: problem} if problem else {}

    def _show_trial(self) -> None:
        trial = self.state.study.trial(self.state.watched)
        curve = self.state.curve
        rows = curve[1] if curve is not None and trial and curve[0] == trial.number else None
        self.status.value = trial_status(trial, rows)
        self.write.disabled = trial is None or trial.state != "complete"
        if trial is None:
            self._drawn = None
            self.figure.clear()
        elif rows is not None:
            self._draw(trial, rows)
        self._show_samples(trial)

    def _draw(self, trial: Trial, rows: Mapping[str, Any]) -> None:
        """Show the curve: a new figure for another trial, else fresh columns in the same one."""
        from nasviz.plots.axis import refresh
        from nasviz.plots.learning_curve import draw_learning_curve, learning_curve_content

        record = LearningCurves((curve_of(trial, rows),))
        if self._drawn is None or self._drawn[0] != trial.number:
            self._drawn = (trial.number, draw_learning_curve(record))
            self.figure.show(self._drawn[1])
        else:
            with self.figure.hold():
                refresh(self._drawn[1], learning_curve_content(record))

    def _show_samples(self, trial: Trial | None) -> None:
        """Show what the worker had the model write at the trial's end, until more is asked for."""
        if trial is None or trial.number != self._sampled:
            self._sampled = None if trial is None else trial.number
            self.sample.value = Html("")
        if trial is not None and not self.sample.value:
            self.sample.value = written_samples(trial.result.get("samples", ()))

    def _sample(self) -> None:
        if self.state.watched is None:
            return
        self.sample.value = note(text("writing …"))
        prompt = str(self.prompt.values.get("prompt") or DEFAULT_PROMPT)

        def show(written: str) -> None:
            self.sample.value = code(written)

        self._generate(self.state.watched, prompt, show)


def curve_of(trial: Trial, rows: Mapping[str, Any]) -> Curve:
    """Return what a trial reported as the plot's record."""
    names = ("tokens", "seconds", "loss", "bits_per_byte")
    return Curve(f"trial {trial.number}", **{name: rows[name] for name in names})


def written_samples(samples: Sequence[Mapping[str, str]]) -> Html:
    """Return texts that a model wrote, each after the prompt that it was given."""
    return join(
        [
            tag("pre", bold(each["prompt"]), text(each["text"]), css="nv-code", tabindex=0)
            for each in samples
        ]
    )


def configuration(plan: TrainingPlan, candidate: Candidate | None, facts: CorpusFacts) -> Html:
    """Return the DeepSpeed configuration that a plan becomes, folded away."""
    if candidate is None:
        return Html("")
    architecture = candidate.architecture
    per_token = float(facts.bytes_per_token(architecture.vocab_size))
    made = plan.deepspeed_config(architecture, bytes_per_token=per_token)
    summary = tag("summary", text("the DeepSpeed configuration of this run"))
    return tag("details", summary, code(json.dumps(made, indent=2)), css="nv-more")


def trial_status(trial: Trial | None, rows: Mapping[str, Any] | None) -> Html:
    """Return where the watched trial stands: its state, speed and what is left."""
    if trial is None:
        hint = note(text("Pick a candidate and press Train: its curve grows here, step by step."))
        return Html(heading("Curve") + hint)
    title = heading(
        f"Trial {trial.number}",
        join([text(trial.candidate.architecture.title), source_tag(trial.state, "prior")]),
    )
    pieces = [title]
    if rows is not None and len(rows["step"]):
        last = {name: float(column[-1]) for name, column in rows.items()}
        share = last["step"] / max(1.0, last["n_steps"])
        pieces.append(
            tag(
                "div", tag("i", style=f"width:{share:.1%}"), css="nv-progress",
                role="progressbar", aria_valuenow=round(100 * share), aria_label="training",
            )
        )  # fmt: skip
        figures = [
            join([text("step "), bold(f"{last['step']:,.0f} of {last['n_steps']:,.0f}")]),
            join([bold(quantity(last["tokens_per_s"])), text(" tokens/s")]),
            join([text("memory "), bold(quantity(last["memory_bytes"], "B"))]),
        ]
        if not trial.finished:
            figures.insert(1, join([text("left "), bold(duration(last["eta_s"]))]))
        pieces.append(tag("div", join(figures, " · "), css="nv-hint"))
    if trial.reason:
        pieces.append(note(text(trial.reason)))
    if trial.state == "complete":
        pieces.append(_result(trial))
    return Html("".join(pieces))


def _result(trial: Trial) -> Html:
    result = trial.result
    plateau = " · a plateau: it learnt little more than which bytes are common"
    return tag(
        "div",
        bold(f"{result['bits_per_byte']:.3f}"),
        text(
            f" bits per byte of text that no search saw · {result['accuracy']:.1%} of tokens right"
            f" · {duration(result['seconds'])} of training"
            f"{plateau if result.get('plateau') else ''}"
        ),
        css="nv-hint",
    )
