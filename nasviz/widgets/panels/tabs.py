"""The tabs below the map: training, search, trials."""

from __future__ import annotations

import ipywidgets

from nasviz.widgets.panels.search_tab import SearchTab
from nasviz.widgets.panels.training_tab import TrainingTab
from nasviz.widgets.panels.trials_tab import TrialsTab
from nasviz.widgets.state import ExplorerState
from nasviz.widgets.work import Work


class Tabs:
    """The tabs, with the number of trials in the title of theirs."""

    def __init__(self, state: ExplorerState, work: Work) -> None:
        self.training = TrainingTab(state, work.train, work.request, work.generate)
        self.search = SearchTab(state, work.start_search, work.stop_search)
        self.trials = TrialsTab(state)
        self.view = ipywidgets.Tab([self.training.view, self.search.view, self.trials.view])
        self.view.add_class("nv-tabs")
        self._name(state)
        state.observe(lambda _change: self._name(state), names="study")

    def _name(self, state: ExplorerState) -> None:
        trials = len(state.study.trials)
        titles = ("Training", "Search", f"Trials {trials}" if trials else "Trials")
        if self.view.titles != titles:
            self.view.titles = titles
