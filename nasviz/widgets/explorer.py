"""`Explorer`: the panels put together, and what Python reads and writes of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import ipywidgets
import traitlets

from nasviz.cost.hardware import Hardware
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.search_space import SearchSpace
from nasviz.widgets.cells import close_previous
from nasviz.widgets.code import explorer_code
from nasviz.widgets.export.exports import Exports
from nasviz.widgets.export.save import suffix_of, write
from nasviz.widgets.export_menu import ExportMenu
from nasviz.widgets.html import Html, alert
from nasviz.widgets.panels.card import Card
from nasviz.widgets.panels.dynamic_panel import TITLE, DynamicPanel
from nasviz.widgets.panels.header import Header
from nasviz.widgets.panels.limits_panel import LimitsPanel
from nasviz.widgets.panels.map_panel import MapPanel
from nasviz.widgets.panels.space_panel import SpacePanel
from nasviz.widgets.panels.tabs import Tabs
from nasviz.widgets.panels.waiting import Waiting
from nasviz.widgets.plan_rows import corpus_of
from nasviz.widgets.ranges import checked_ranges
from nasviz.widgets.state import ExplorerState, checked_limits
from nasviz.widgets.still_output import StillOutput
from nasviz.widgets.stylesheet import StyleSheet
from nasviz.widgets.work import Work


class Explorer(traitlets.HasTraits):
    """The interactive explorer of a search space.

    `space` is a `SearchSpace` or a named one, by default `laptop`; `study` an open `Study` or the
    address of one, by default `nasviz.db` in the current folder; `hardware` a `Hardware` or its
    name, by default this machine where it was calibrated; `corpus` what trials learn from.

    What is chosen on the page can be read, written and observed like any trait: `selection` (a
    `Candidate`), `ranges` and `limits` by name, and `pinned`. `lassoed` holds the candidates of the
    latest lasso, `trials` the study as it is now.

    >>> explorer = Explorer("laptop")                          # doctest: +SKIP
    >>> explorer.ranges = {"n_layers": [2, 4]}                 # doctest: +SKIP
    >>> explorer.selection = Architecture(4, 128, 4, 256, 64)  # doctest: +SKIP
    """

    selection = traitlets.Any(None, allow_none=True)
    ranges = traitlets.Dict()
    limits = traitlets.Dict()
    pinned = traitlets.Tuple()
    lassoed = traitlets.Tuple(read_only=True)
    trials = traitlets.Tuple(read_only=True)

    def __init__(
        self,
        space: SearchSpace | str | None = None,
        study: Any = None,
        hardware: Hardware | str | None = None,
        workload: Workload | None = None,
        corpus: str | os.PathLike[str] = "python",
    ) -> None:
        super().__init__()
        self._closed = False
        self.state = ExplorerState(
            _space(space),
            hardware=_hardware(hardware),
            workload=Workload() if workload is None else workload,
            corpus=_corpus(corpus),
        )
        close_previous(self)
        self._work = Work(self.state, study)
        self.view = self._build()
        self._mirror()
        self._work.start()

    def _build(self) -> ipywidgets.VBox:
        state, work = self.state, self._work
        space_panel = SpacePanel(state)
        dynamic_panel = DynamicPanel(state)
        limits_panel = LimitsPanel(state)
        knobs = (space_panel.knobs, dynamic_panel.knobs, limits_panel.knobs)
        self._map_panel = map_panel = MapPanel(state, *knobs)
        sliders = dict(zip(("Search space", TITLE, "Limits"), knobs, strict=True))
        self._exports = Exports(state, map_panel.map, sliders)
        menu = ExportMenu(map_panel.map, self._exports.by_kind, work.errand)
        header = Header(state, work.calibrate, work.switch, menu)
        self._still = StillOutput(map_panel.map)
        card = Card(state, work.train)
        self._tabs = tabs = Tabs(state, work)
        work.once_displayed(tabs.fill)
        self._problem = ipywidgets.HTML()
        state.observe(lambda change: self._tell(change.new), names="problem")
        columns = [
            ipywidgets.VBox([space_panel.view, dynamic_panel.view, limits_panel.view]),
            ipywidgets.VBox([map_panel.view]),
            card.view,
        ]
        for column, name in zip(columns, ("nv-space", "nv-middle", "nv-card"), strict=True):
            column.add_class("nv-column")
            column.add_class(name)
        main = ipywidgets.HBox([*columns, tabs.view])
        main.add_class("nv-main")
        waiting = Waiting(state, work.wake)
        view = ipywidgets.VBox([StyleSheet(), header.view, self._problem, waiting.view, main])
        view.add_class("nv-explorer")
        return view

    def _tell(self, problem: str) -> None:
        self._problem.value = alert(problem) if problem else Html("")

    def _mirror(self) -> None:
        """Keep this object's traits and the state's equal, whoever changes them."""
        state = self.state
        self.ranges, self.limits = state.ranges, state.limits
        for name in ("selection", "ranges", "limits", "pinned"):
            state.observe(lambda change: setattr(self, change.name, change.new), names=name)
        state.observe(lambda change: self.set_trait("trials", change.new.trials), names="study")
        state.observe(lambda change: self.set_trait("lassoed", change.new), names="lassoed")
        self.observe(lambda change: state.select(change.new), names="selection")
        for name in ("ranges", "limits", "pinned"):
            self.observe(lambda change: setattr(state, change.name, change.new), names=name)

    @traitlets.validate("selection")
    def _as_candidate(self, proposal: Any) -> Candidate | None:
        value = proposal["value"]
        if isinstance(value, Architecture):
            return Candidate(value)
        if value is not None and not isinstance(value, Candidate):
            raise InputError(f"selection={value!r} is no Candidate; make one of an Architecture")
        return value

    # Checked here too: a wrong value must not stay in this object when the state refuses it.
    @traitlets.validate("ranges")
    def _whole_ranges(self, proposal: Any) -> dict[str, list[Any]]:
        return checked_ranges(self.state.space, proposal["value"])

    @traitlets.validate("limits")
    def _known_limits(self, proposal: Any) -> dict[str, float]:
        return checked_limits(proposal["value"])

    def open_study(self, study: str | os.PathLike[str], name: str | None = None) -> None:
        """Show another study: an address as of `Study.open`; made where there is none.

        Raises `InputError` or `RunError` where it can't be opened; the study before then stays.

        >>> explorer.open_study("poems.db")                    # doctest: +SKIP
        """
        self._check_open()
        self._work.open_study(study, name)

    def export(
        self, path: str | os.PathLike[str], what: Literal["candidates", "trials"] = "candidates"
    ) -> Path:
        """Write what the explorer shows to `path` and return it; the suffix says in which form.

        `.html` is the map with its sliders as one page that works offline, `.png` and `.svg` are
        pictures of it. `.csv` holds the candidates that the sliders leave, with all costs, or the
        study's `trials`.

        Raises `InputError` for another suffix or a folder that is not there, `RunError` where the
        disk refuses. A file that is there already is replaced as a whole.

        >>> explorer.export("trials.csv", what="trials")       # doctest: +SKIP
        """
        self._check_open()
        make = self._exports.maker(suffix_of(path), what)
        self._work.wait_for_sample()
        return write(path, make)

    def to_code(self) -> str:
        """Return a cell that opens this explorer as it stands."""
        return explorer_code(self.state)

    def close(self) -> None:
        """Take the explorer off the page and stop its threads; trials and workers go on.

        A second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        self._work.close()
        if self._work.displayed.is_set():
            self._still.close()
        _close_tree(self.view)

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("this explorer is closed: its map is gone; make another")

    def _ipython_display_(self) -> None:
        from IPython.core.display_functions import display

        display(self.view)  # type: ignore[no-untyped-call]
        self._still.show()
        self._work.displayed.set()

    def __repr__(self) -> str:
        return f"Explorer({self.state.space.name!r}, {len(self.trials)} trials)"


def _space(given: SearchSpace | str | None) -> SearchSpace:
    if isinstance(given, SearchSpace):
        return given
    if given is None:
        return SearchSpace.laptop()
    if isinstance(given, str):
        return SearchSpace.named(given)
    raise InputError(f"space={given!r} is no SearchSpace; try SearchSpace.laptop()")


def _corpus(given: object) -> str:
    if not isinstance(given, str | os.PathLike):
        raise InputError(f"corpus={given!r} is no corpus; give a name or a path, such as 'python'")
    return corpus_of(os.fspath(given))


def _hardware(given: Hardware | str | None) -> Hardware:
    if given is None:
        return Hardware.default()
    return given if isinstance(given, Hardware) else Hardware.named(given)


def _close_tree(widget: ipywidgets.Widget) -> None:
    for child in getattr(widget, "children", ()):
        _close_tree(child)
    widget.close()
