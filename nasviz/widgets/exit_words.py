"""What the dynamic tab says: functions from records to HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nasviz.cost.units import plural, quantity
from nasviz.space.candidate import Candidate
from nasviz.space.options.early_exit import EarlyExit
from nasviz.study.trial import Trial
from nasviz.widgets.exit_reading import ExitAnswers, ExitReading, has_exits
from nasviz.widgets.html import Html, bold, heading, join, key_values, note, source_tag, tag, text
from nasviz.widgets.policy_words import policy_phrase


@dataclass(frozen=True)
class Target:
    """A quality that was asked for: at most this `share` more bits per byte than the whole model.

    `reached` is what the threshold chosen for it costs on the calibration part.
    """

    share: float
    reached: float


def outcome_words(
    reading: ExitReading, answers: ExitAnswers, index: int, target: Target | None
) -> Html:
    """Return what a threshold comes to on the test part, and how its target was kept."""
    test = answers.test
    layers, whole = test.layers[-1], float(test.bits_per_byte[-1])
    saved = 1 - float(test.average_layers[index]) / layers
    bits = float(test.bits_per_byte[index])
    lines = [
        join([
            text(f"On {reading.test.n_tokens:,} tokens of the test part: "),
            bold(f"{saved:.0%} fewer layers"), text(", bits per byte "),
            bold(signed(bits / whole - 1)), text(f" ({bits:.3f} instead of {whole:.3f})."),
        ]),
        text(
            f"{test.accuracy[index]:.1%} of next tokens right, {test.accuracy[-1]:.1%} with every "
            "layer."
        ),
    ]  # fmt: skip
    if target is not None:
        kept = bits / whole - 1 <= target.share
        said = (
            f"Chosen on the calibration part ({signed(target.reached)} there); the test part "
            f"{'stays within' if kept else 'does not stay within'} {signed(target.share)}. "
        )
        lines.append(join([text(said), source_tag("kept" if kept else "missed", _KEPT[kept])]))
    return note(*(tag("div", each) for each in lines))


_KEPT = {True: "good", False: "trained"}


def arithmetic_words(reading: ExitReading, criterion: str) -> Html:
    """Return how exact the curve is for the way in which skipped layers are handled."""
    option, result = reading.option, reading.trial.result
    if option.skipped_layers == "recompute":
        return _hint(
            "One pass over the text recorded every exit; each threshold follows by arithmetic. It "
            "is exact: skipped layers are computed later."
        )
    said = (
        "One pass over the text recorded every exit; each threshold follows by arithmetic. When it "
        "runs, later tokens see cheaper keys and values of skipped layers: "
    )
    by_sweep = _at_own_threshold(reading, criterion)
    if by_sweep is None:
        return _hint(said + "a run can be a little worse than the curve.")
    run = float(result["bits_per_byte"])
    return _hint(
        f"{said}at threshold {option.threshold:.4g} it scored {run:.3f}, the curve says "
        f"{by_sweep:.3f}."
    )


def _at_own_threshold(reading: ExitReading, criterion: str) -> float | None:
    """Return the curve's bits per byte where the trial itself ran, if it is on this curve."""
    option = reading.option
    if option.criterion != criterion or option.thresholds:
        return None
    answers = reading.answers(criterion)
    return float(answers.test.bits_per_byte[answers.index_of(option.threshold)])


def head_words(trial: Trial) -> Html:
    """Return the tab's heading: which trial is on show and how it was run."""
    said = f"trial {trial.number} · {trial.candidate.architecture.title}"
    return heading("Exits", text(said))


def empty_words(candidate: Candidate | None, trials: Sequence[Trial], problem: str) -> Html:
    """Return what is missing before there are exits to look at, and what to do."""
    if problem:
        return Html(heading("Dynamic inference") + note(text(problem)))
    others = [each.number for each in trials if has_exits(each)]
    if candidate is not None and candidate.inference.get(EarlyExit) is not None:
        steps = ["This candidate has exits; its model isn't trained yet.", "Press “Train this”."]
    else:
        steps = [
            "Exits are trained with the model, so that they come before its training:",
            "1. Open “Dynamic inference” beside the map and set “Early exit” to on.",
            "2. Pick a candidate on the map and press “Train this”.",
            "3. Its threshold, its curve and its text by depth show here.",
        ]
    if others:
        numbers = ", ".join(map(str, others[-8:]))
        steps.append(f"Or pick a trial that has exits in the Trials tab: {numbers}.")
    title = heading("Dynamic inference", text("early exit of a trained trial"))
    return Html(title + note(*(tag("div", text(each)) for each in steps)))


def measured_words(trial: Trial | None) -> Html:
    """Return what a trial measured of its policy beside the static model; nothing without one."""
    if trial is None or "static_bits_per_byte" not in trial.result:
        return Html("")
    result = trial.result
    pairs = [
        ("bits per byte", f"{result['static_bits_per_byte']:.3f}", f"{result['bits_per_byte']:.3f}",
         "Of the test part, every layer and all of the cache against the policy."),
    ]  # fmt: skip
    latency = result.get("policy_latency")
    if latency:
        pairs.append(
            ("time / token", quantity(latency["static_token_s"], "s"),
             quantity(latency["token_s"], "s"), "Measured here: one sequence, token by token.")
        )  # fmt: skip
    rows = [
        (label, join([text(f"{static} → "), bold(now)]), help_)
        for label, static, now, help_ in pairs
    ]
    speed = result.get("generation_speed") or {}
    if speed.get("acceptance") is not None:
        of = f"On {plural(speed['n_prompts'], 'text')} of {speed['n_tokens']} tokens, greedy."
        rows += [
            ("guesses kept", bold(f"{speed['acceptance']:.0%}"), of),
            ("tokens a round", bold(f"{speed['tokens_per_round']:.2f}"), of),
        ]
    return Html(
        heading("Measured", text(f"static → {policy_phrase(trial.candidate.inference)}"))
        + key_values(rows)
    )


def signed(share: float) -> str:
    """Return a change in per cent: `+0.9 %`, `−0.2 %`, `±0 %`."""
    hundred = round(100 * share, 2)
    digits = f"{abs(hundred):.2g}" if abs(hundred) < 10 else f"{abs(hundred):.0f}"
    sign = "+" if hundred > 0 else "−" if hundred < 0 else "±"
    return f"{sign}{digits} %"


def _hint(said: str) -> Html:
    return tag("div", text(said), css="nv-hint")
