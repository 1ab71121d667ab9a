"""A search space as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from nasviz.space.dimensions import Choice, Dimension, Integer

if TYPE_CHECKING:
    from nasviz.space.search_space import SearchSpace

MAX_CHOICES = 8


def range_text(dimension: Dimension) -> str:
    """Return a dimension's values in a few words: `64 … 256 by 16`."""
    if isinstance(dimension, Choice):
        shown = [_value_text(value) for value in dimension.choices[:MAX_CHOICES]]
        return ", ".join(shown + ["…"] * (len(dimension.choices) > MAX_CHOICES))
    ends = f"{_value_text(dimension.low)} … {_value_text(dimension.high)}"
    if isinstance(dimension, Integer):
        how = ", each doubling" if dimension.log else f" by {dimension.step}" * (dimension.step > 1)
        return ends + how
    if dimension.step is not None:
        return f"{ends} by {dimension.step:g}"
    return ends + ", by logarithm" * dimension.log


def rule_texts(space: SearchSpace) -> list[str]:
    """Return the space's own constraints, limits and target, one text each."""
    lines = [rule.expression or rule.name for rule in space.constraints]
    lines += [limit.text for limit in space.limits]
    if space.target is not None:
        sizes = " and ".join(space.target.solve_for)
        near = f"within {space.target.tolerance:.0%}, by {sizes}"
        lines.append(f"{space.target.parameters:,.0f} weights {near}")
    return lines


def text_of(space: SearchSpace) -> str:
    """Return the space as lines of text."""
    width = max([len(each.name) for each in space.dimensions], default=0)
    lines = [f"SearchSpace {space.name!r}"]
    lines += [f"  {each.name:<{width}}  {range_text(each)}" for each in space.dimensions]
    if space.base:
        base = ", ".join(f"{name}={_value_text(value)}" for name, value in space.base.items())
        lines.append(f"  base: {base}")
    lines += [f"  rule: {line}" for line in rule_texts(space)]
    return "\n".join(lines)


def html_of(space: SearchSpace) -> str:
    """Return the space as a table; every name and rule is escaped."""
    rows = "".join(
        f'<tr title="{escape(each.field.help)}"><td>{escape(each.label)}</td>'
        f"<td><code>{escape(each.name)}</code></td><td>{escape(range_text(each))}</td></tr>"
        for each in space.dimensions
    )
    base = ", ".join(f"{name}={_value_text(value)}" for name, value in space.base.items())
    rules = [f"base: {base}"] if base else []
    rules += rule_texts(space)
    notes = "".join(f"<div>{escape(line)}</div>" for line in rules)
    return (
        '<div class="nasviz-space">'
        f"<strong>SearchSpace {escape(space.name)}</strong>"
        "<table><thead><tr><th>dimension</th><th>name</th><th>values</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{notes}</div>"
    )


def _value_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
