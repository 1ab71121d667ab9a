"""What the Dynamic tab says of written texts: functions from records to HTML."""

from __future__ import annotations

from collections.abc import Sequence

from nasviz.cost.energy import joules
from nasviz.cost.hardware import Hardware
from nasviz.cost.units import NOT_KNOWN, plural, quantity
from nasviz.execution.written import Report, Written
from nasviz.space.candidate import Candidate
from nasviz.study.trial import Trial
from nasviz.widgets.authoring import Hand
from nasviz.widgets.exit_words import signed
from nasviz.widgets.html import Html, bold, heading, join, note, table, tag, text
from nasviz.widgets.policy_words import policy_phrase


def writing_head(hand: Hand | None) -> Html:
    """Return the heading of what writes: the trial and its policy."""
    if hand is None:
        return heading("Write")
    return heading("Write", text(f"trial {hand.trial.number} · {policy_phrase(hand.policy)}"))


def no_hand_words(candidate: Candidate | None, trials: Sequence[Trial]) -> Html:
    """Return why nothing can write, and what to do."""
    own = [each for each in trials if each.candidate == candidate]
    latest = own[-1] if own else None
    if latest is not None and latest.state == "failed":
        said = f"Trial {latest.number} failed and left no model that could write: {latest.reason}"
    elif latest is not None:
        said = f"Trial {latest.number} is {latest.state}; it can write once it is complete."
    else:
        said = "A trained model writes here. Press “Train this” first."
    done = [each.number for each in trials if each.state == "complete"]
    others = ""
    if done:
        others = "Or pick a trained one in the Trials tab: " + ", ".join(map(str, done[-8:])) + "."
    return note(*(tag("div", text(each)) for each in (said, others) if each))


def pace_words(written: Written) -> Html:
    """Return how a text comes along, in a line; dots before anything is timed."""
    if written.token_s is None:
        return tag("div", text("…"), css="nv-hint nv-pace")
    pieces = [join([bold(quantity(written.tokens_per_s)), text(" tokens/s")])]
    layers = bold(f"{written.average_layers:.2f}")
    pieces.append(join([layers, text(f" of {written.n_layers} layers")]))
    if written.acceptance is not None and written.tokens_per_round is not None:
        pieces.append(join([bold(f"{written.acceptance:.0%}"), text(" of guesses kept")]))
        pieces.append(join([bold(f"{written.tokens_per_round:.2f}"), text(" a round")]))
    return tag("div", join(pieces, " · "), css="nv-hint nv-pace")


def progress_words(report: Report, n_tokens: int) -> Html:
    """Return how far an order is: a bar and how many tokens."""
    made = min((len(each.pieces) for each in report.texts), default=0)
    share = (made - report.begin) / max(1, n_tokens - report.begin)
    bar = tag(
        "div", tag("i", style=f"width:{max(0.0, share):.1%}"), css="nv-progress",
        role="progressbar", aria_valuenow=round(100 * share), aria_label="writing",
    )  # fmt: skip
    if not report.texts:
        said = "starting the model …"
    elif made < report.begin:
        said = "reading the text before the token …"
    else:
        said = f"{made:,} of {plural(n_tokens, 'token')}"
    return Html(bar + tag("div", text(said), css="nv-hint"))


def ended_words(report: Report, hand: Hand, hardware: Hardware) -> Html:
    """Return what came of an order of one text, which `hand` wrote."""
    (written,) = report.texts
    said = [text(policy_phrase(hand.policy))]
    said += [text(f"{plural(len(written.pieces), 'token')}{', stopped' if report.stopped else ''}")]
    if written.token_s is not None:
        said += [
            text(f"{quantity(written.token_s, 's')} a token"),
            text(f"{quantity(joules(written.token_s, hardware), 'J')} a token, estimated"),
        ]
    lines = [tag("div", join(said, " · "), css="nv-hint"), pace_words(written)]
    lines += [tag("div", text(each), css="nv-hint") for each in context_words(written)]
    return join(lines)


def context_words(written: Written) -> list[str]:
    """Return what the model could not keep in sight; nothing where all fitted."""
    said = []
    if written.prompt_cut:
        said.append(
            f"The prompt is longer than the context: its first {written.prompt_cut} tokens were "
            "not read."
        )
    if written.rereads:
        times = "once" if written.rereads == 1 else f"{written.rereads} times"
        said.append(f"The context filled up {times}: it then went on from the latest half.")
    return said


def comparison_words(names: Sequence[str], report: Report, hardware: Hardware) -> Html:
    """Return two finished texts beside each other: time, energy, layers, guesses."""
    one, other = report.texts
    rows = [
        _row("time a token", "s", one.token_s, other.token_s),
        _row("tokens a second", "", one.tokens_per_s, other.tokens_per_s),
        _row(
            "energy a token, estimated", "J",
            *(
                None if each.token_s is None else float(joules(each.token_s, hardware))
                for each in report.texts
            ),
        ),
        _row("layers a token", "", one.average_layers, other.average_layers),
    ]  # fmt: skip
    if any(each.acceptance is not None for each in report.texts):
        kept = [_share(each.acceptance) for each in report.texts]
        rounds = [_number(each.tokens_per_round) for each in report.texts]
        rows.append([text("guesses kept"), *kept, text("")])
        rows.append([text("tokens a round"), *rounds, text("")])
    counted = (
        f"from token {report.begin + 1:,} on"
        if report.begin
        else "without the first token, which comes with reading the prompt"
    )
    basis = (
        f"Measured here, one text on one core, {counted}. Energy is estimated: "
        f"{quantity(hardware.power_w, 'W')}, the power of “{hardware.label}”, for the time it "
        "took; an upper bound."
    )
    return join([
        table(["", *names, "change"], rows, css="nv-compare"),
        tag("div", text(basis), css="nv-hint"),
    ])  # fmt: skip


def parted_words(report: Report, guessed: bool) -> Html:
    """Return where two texts part; `guessed`: one was drawn through guesses."""
    if report.stopped:
        said = "Stopped before all was written."
    elif report.parted_at is None:
        said = "Both wrote the same text, token for token."
    else:
        said = f"The texts part at token {report.parted_at + 1:,}: what is underlined differs."
        if guessed:
            said += (
                " Guesses draw random numbers too: another text, from the same probabilities. At "
                "temperature 0 it is the same."
            )
    return tag("div", text(said), css="nv-hint")


def _row(label: str, unit: str, one: float | None, other: float | None) -> list[Html]:
    change = text(signed(other / one - 1)) if one and other is not None else text("")
    return [text(label), text(quantity(one, unit)), bold(quantity(other, unit)), change]


def _share(value: float | None) -> Html:
    return text(NOT_KNOWN if value is None else f"{value:.0%}")


def _number(value: float | None) -> Html:
    return text(NOT_KNOWN if value is None else f"{value:.2f}")
