"""The tabs below the map: training, dynamic inference, compression, search, trials."""

from __future__ import annotations

import ipywidgets

from nasviz.widgets.panels.compression_tab import CompressionTab
from nasviz.widgets.panels.dynamic_tab import DynamicTab
from nasviz.widgets.panels.search_tab import SearchTab
from nasviz.widgets.panels.training_tab import TrainingTab
from nasviz.widgets.panels.trials_tab import TrialsTab
from nasviz.widgets.state import ExplorerState
from nasviz.widgets.work import Work


class Tabs:
    """The tabs, with the number of trials in the title of theirs.

    They are empty at first: `fill` makes their panels once the sliders and the map are on the page,
    which some seventy more widgets would keep waiting.
    """

    def __init__(self, state: ExplorerState, work: Work) -> None:
        self.state = state
        self.work = work
        self.view = ipywidgets.Tab()
        self.view.add_class("nv-tabs")

    def fill(self) -> None:
        """Make the panels."""
        state, work = self.state, self.work
        training = TrainingTab(state, work.train, work.request, work.generate)
        self.dynamic = dynamic = DynamicTab(state, work.authoring)
        self.compression = CompressionTab(state, work.compressing, work.appraiser)
        search = SearchTab(state, work.start_search, work.stop_search)
        trials = TrialsTab(state, work.request)
        with self.view.hold_sync():
            self.view.children = (
                training.view, dynamic.view, self.compression.view, search.view, trials.view,
            )  # fmt: skip
            self._name()
            self.view.selected_index = 0
        state.observe(lambda _change: self._name(), names="study")

    def _name(self) -> None:
        trials = len(self.state.study.trials)
        named = f"Trials {trials}" if trials else "Trials"
        titles = ("Training", "Dynamic", "Compression", "Search", named)
        if self.view.titles != titles:
            self.view.titles = titles
