"""A figure as one HTML page that needs nothing else: BokehJS is inside, nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from nasviz.plots.theme import INK, PAGE, SOFT

if TYPE_CHECKING:
    from bokeh.model import Model

_STYLE = f"""
html, body {{ height: 100%; margin: 0; background: {PAGE}; color: {INK};
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }}
main {{ box-sizing: border-box; height: 100%; max-width: 1100px; margin: auto; padding: 24px;
  display: flex; flex-direction: column; }}
h1 {{ font-size: 20px; font-weight: 600; margin: 0 0 8px; }}
p {{ margin: 0 0 8px; }}
p + p {{ color: {SOFT}; }}
.figure {{ flex: 1; min-height: 320px; }}
.figure > div {{ height: 100%; }}
"""


def figure_page(drawn: Model, title: str, words: Sequence[str]) -> str:
    """Return the page of a figure of Bokeh's under a title and some paragraphs, which are text."""
    from bokeh.embed import components
    from bokeh.resources import Resources

    script, div = components(drawn)
    paragraphs = "".join(f"<p>{escape(each)}</p>" for each in words)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"{Resources(mode='inline', components=['bokeh']).render()}</head>"
        f"<body><main><h1>{escape(title)}</h1>{paragraphs}"
        f'<div class="figure">{div}</div></main>{script}</body></html>\n'
    )
