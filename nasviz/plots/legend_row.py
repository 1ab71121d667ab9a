"""A legend in one row above a figure, which names what there is to tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasviz.plots.axis import Content, refresh

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure  # noqa: N812


def add_legend_row(drawn: Figure, labels: Mapping[str, str]) -> None:
    """Put a row above the figure that names its parts: `labels` maps a part's name to its label."""
    from bokeh.models.annotations import Legend, LegendItem

    parts: dict[str, Any] = {
        label: drawn.select_one({"name": name}) for name, label in labels.items()
    }
    legend = Legend(
        items=[LegendItem(label=label, renderers=[part]) for label, part in parts.items()],
        orientation="horizontal", border_line_width=0, border_line_color=None,
        background_fill_alpha=0, label_text_font_size="11px", label_standoff=4, margin=4,
        spacing=14, glyph_width=16, glyph_height=16,
    )  # fmt: skip
    drawn.add_layout(legend, "above")


def refresh_with_legend(drawn: Figure, content: Content) -> None:
    """Bring the figure to `content`, its legend to the parts in it; a single one needs no name."""
    refresh(drawn, content)
    items: Any = drawn.legend[0].items
    seen = [
        any(len(values) for values in content.sources[item.renderers[0].name].values())
        for item in items
    ]
    for item, is_seen in zip(items, seen, strict=True):
        item.visible = is_seen and sum(seen) > 1
