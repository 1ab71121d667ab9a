"""What the Compression tab says, as functions from records to HTML."""

from __future__ import annotations

from collections.abc import Sequence

from nasviz.cost.hardware import Hardware
from nasviz.cost.units import NOT_KNOWN, quantity
from nasviz.cost.workload import Workload
from nasviz.quality.crossing import Road
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.study.road_curves import BothRoads
from nasviz.study.trial import Trial
from nasviz.widgets.html import (
    Html,
    alert,
    bold,
    heading,
    join,
    note,
    source_tag,
    table,
    tag,
    text,
)
from nasviz.widgets.origin_words import family_words
from nasviz.widgets.static_cost import static_cost


def parent_head(trial: Trial) -> Html:
    """Return which trial is to be pruned."""
    return heading("Parent", text(f"trial {trial.number} · {trial.candidate.architecture.title}"))


def trial_title(trial: Trial) -> str:
    """Return a trial by number, sizes, and what it was made from: sizes alone may be alike."""
    title = f"trial {trial.number} · {trial.candidate.architecture.title}"
    return " · ".join(filter(None, (title, family_words(trial))))


def no_parent_words(selection: Candidate | None, trials: Sequence[Trial]) -> Html:
    """Return why there is no parent at hand, and what to do."""
    own = [each for each in reversed(trials) if each.candidate == selection]
    others = [each for each in trials if each.state == "complete"]
    other = " Or choose a trained parent above." if others else ""
    if not own:
        said = "This candidate is not trained yet: train it (Training), then prune it here."
        return Html(heading("Parent") + note(text(said + other)))
    last = own[0]
    if last.finished:
        why = f" ({last.reason})" if last.reason else ""
        said = f"Trial {last.number} is {last.state}{why}: it left no model to prune."
        return Html(heading("Parent") + alert(said, f"Train it again.{other}"))
    said = f"Trial {last.number} is {last.state}: its model isn't trained yet."
    return Html(heading("Parent") + alert(said, f"Wait until it is complete.{other}"))


def cost_table(
    parent: Architecture,
    child: Architecture,
    quality: tuple[float | None, float | None],
    workload: Workload,
    hardware: Hardware,
) -> Html:
    """Return what the child costs beside its parent; `quality` is both's bits per byte, if known.

    Both are of the calibration part, the child's unhealed.
    """
    before, after = (static_cost(each, workload, hardware) for each in (parent, child))
    figures = (
        ("weights", before.parameters.total, after.parameters.total, ""),
        ("their bytes", before.memory.weights_bytes, after.memory.weights_bytes, "B"),
        ("cache / token", before.memory.kv_cache_bytes_per_token,
         after.memory.kv_cache_bytes_per_token, "B"),
        ("time / token", before.latency.time_per_output_token_s,
         after.latency.time_per_output_token_s, "s"),
        ("operations / token", before.flops.decode_per_token, after.flops.decode_per_token, ""),
    )  # fmt: skip
    rows = [
        [
            text(label),
            text(quantity(float(old), unit)),
            bold(quantity(float(new), unit)),
            text(f"{float(new) / float(old):.0%}" if float(old) else NOT_KNOWN),
        ]
        for label, old, new, unit in figures
    ]
    had, has = quality
    share = NOT_KNOWN if had is None or has is None else f"{has / had:.1%}"
    rows.append(
        [
            text("bits/byte, unhealed"),
            text(NOT_KNOWN if had is None else f"{had:.3f}"),
            bold(NOT_KNOWN if has is None else f"{has:.3f}"),
            text(share),
        ]
    )
    return table(("", "parent", "pruned", "share"), rows, css="nv-ways nv-beside")


def heal_words(child: Trial | None) -> Html:
    """Return how the latest child of the parent does."""
    if child is None:
        return Html("")
    name = tag("span", text(f"trial {child.number} "), source_tag(child.state, "prior"))
    if child.state == "complete":
        facts = child.result["pruned"]
        stages = [(each, facts[f"{each}_bits_per_byte"]) for each in ("parent", "unhealed")]
        if _way(child) != "none":
            stages.append(("healed", child.result["bits_per_byte"]))
        each = [join([text(f"{stage} "), bold(f"{bits:.3f}")]) for stage, bits in stages]
        said = join([join(each, " → "), text(" bits per byte of the test part")])
        return tag("div", name, Html(": "), said, css="nv-hint")
    if child.state == "failed":
        return alert(f"Trial {child.number} failed: {child.reason}")
    if child.state == "cancelled":
        return tag("div", name, text(" was not healed to its end"), css="nv-hint")
    how = "" if child.state == "paused" else "; its curve grows below, and in Training"
    return tag("div", name, text(f" heals {_HEALED[_way(child)]}{how}"), css="nv-hint")


_HEALED = {
    "distill": "by its parent", "finetune": "on text", "lora": "by adapters", "none": "not at all",
}  # fmt: skip


def _way(child: Trial) -> str:
    return "none" if child.lineage is None else child.lineage.heal


def roads_words(roads: BothRoads, child: Trial, twin: Trial | None) -> Html:
    """Return where the road from scratch overtakes, the parent paid in full and shared."""
    if roads.scratch is None:
        said = (
            f"Trial {child.number} has no twin yet: the same sizes, trained from scratch for as "
            "much compute."
        )
        return note(text(said))
    full = "Paying the parent's training in full"
    lines = [_overtaken(roads.overtaken, roads.pruned, roads.scratch, full)]
    if roads.children > 1:
        share = f"Paying 1 of {roads.children} shares of it"
        lines.append(_overtaken(roads.overtaken_shared, roads.shared, roads.scratch, share))
    if twin is not None and not twin.finished:
        lines.append(text(f"Its twin, trial {twin.number}, is {twin.state}: this may change."))
    hint = (
        "Each line is one run under its own schedule: a shorter run would have decayed its rate "
        "earlier. Bits per byte are of the curves' sample of the search part; what was measured "
        "and scored here before healing is not counted."
    )
    return Html(note(*(tag("div", each) for each in lines)) + tag("div", text(hint), css="nv-hint"))


def _overtaken(compute: float | None, pruned: Road, scratch: Road, paid: str) -> Html:
    if not (len(pruned.compute) and len(scratch.compute)):
        return text("One of the two roads has no evaluation yet.")
    if compute is None:
        within = quantity(float(min(pruned.compute[-1], scratch.compute[-1])), "FLOP")
        return text(f"{paid}: from scratch does not overtake within {within}.")
    said, begun = bold(quantity(compute, "FLOP")), float(pruned.compute[0])
    if compute <= begun * (1 + 1e-9):
        here = text(", where the pruned model begins.")
        return join([text(f"{paid}: from scratch is ahead from the start, at "), said, here])
    times = text(f" on, {compute / begun:.2f} times what the pruned model begins with.")
    return join([text(f"{paid}: from scratch is as good from "), said, times])
