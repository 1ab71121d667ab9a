"""`WrittenText`: a text on the page as a model writes it, its tokens coloured by their depth.

Words are put on the page as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anywidget
import traitlets

from nasviz.execution.written import Written
from nasviz.plots import text_heat_map
from nasviz.plots.text_heat_map import depth_mix
from nasviz.plots.visible_text import visible
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.cascade import Cascade
from nasviz.space.options.early_exit import EarlyExit
from nasviz.widgets.esm import joined_module

_HERE = Path(__file__).parent


class WrittenText(anywidget.AnyWidget):
    """Shows a `Written` as it grows; `tapped` is the number of the token that was clicked last.

    Where `taps` is off, tokens only say how deep they went.
    """

    _esm = joined_module("written_text.js")
    _css = Path(text_heat_map.__file__).with_suffix(".css").read_text(encoding="utf-8") + (
        _HERE / "written_text.css"
    ).read_text(encoding="utf-8")

    text = traitlets.Dict().tag(sync=True)
    label = traitlets.Unicode("a written text by depth").tag(sync=True)
    taps = traitlets.Bool(False).tag(sync=True)
    tapped = traitlets.Int(None, allow_none=True).tag(sync=True)

    def show(
        self,
        prompt: str,
        written: Written,
        places: Sequence[int],
        *,
        kept: int = 0,
        parted_at: int | None = None,
    ) -> None:
        """Show a prompt and what is written after it.

        `places` are the depths that tokens can have. The first `kept` tokens are those of a text
        before; from `parted_at` on it differs from another one.
        """
        known = sorted({*places, *written.depths})
        self.text = {
            "prompt": visible(prompt.encode()),
            "words": [visible(each) for each in written.pieces],
            "depths": list(written.depths),
            "layers": written.n_layers,
            "mixes": {each: depth_mix(known.index(each), tuple(known)) for each in known},
            "kept": kept,
            "parted": parted_at,
        }

    def clear(self) -> None:
        """Take the text off the page."""
        with self.hold_sync():
            self.text, self.tapped = {}, None


def places_of(policy: InferencePolicy, n_layers: int) -> tuple[int, ...]:
    """Return the depths that tokens can have under a policy, rising; `n_layers` are all there are.

    0 is a token that the whole model was not asked for.
    """
    option = policy.get(EarlyExit)
    if option is not None:
        return (*option.exits(n_layers), n_layers)
    if policy.get(Cascade) is not None:
        return (0, n_layers)
    return tuple(range(1, n_layers + 1))
