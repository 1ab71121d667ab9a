"""A worker that is killed in mid-trial: the explorer says so, and one press trains to the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest
from waiting import eventually

from nasviz.execution.worker import living_worker, stop_worker
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.study.study import Study
from nasviz.training.plan import TrainingPlan
from nasviz.widgets.explorer import Explorer

pytestmark = pytest.mark.slow

STEPS = 250


def buttons(explorer: Explorer, label: str) -> list[ipywidgets.Button]:
    """Return the explorer's buttons of that label, in the order of the page."""

    def below(widget: ipywidgets.Widget) -> list[ipywidgets.Button]:
        own = [widget] if isinstance(widget, ipywidgets.Button) else []
        return own + [each for child in getattr(widget, "children", ()) for each in below(child)]

    return [each for each in below(explorer.view) if each.description == label]


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[Explorer, Study]]:
    """Return an explorer whose worker was killed while it trained trial 0, and its study."""
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{n} plus {n} makes {2 * n}.\n" for n in range(2_000)))
    url = tmp_path / "study.db"
    explorer = Explorer("laptop", study=str(url), hardware="laptop-cpu", corpus=str(text))
    study = Study.open(url)
    eventually(lambda: explorer.state.study.name)
    explorer.selection = Candidate(Architecture(2, 64, 2, 256, 64))
    explorer.state.plan = TrainingPlan(steps=STEPS, batch_size=8)
    buttons(explorer, "Train this")[0].click()
    eventually(lambda: len(explorer.trials) == 1 and explorer.trials[0].state == "running")
    eventually(lambda: len(study.curve(0)["step"]) > 0)
    worker = living_worker(study)
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    yield explorer, study
    stop_worker(study, wait_s=90)
    explorer.close()
    study.close()


@pytest.mark.parametrize("label", ["Resume", "Start a worker"])
def test_a_trial_whose_worker_was_killed_is_trained_to_its_end_by_one_press(
    killed: tuple[Explorer, Study], label: str
) -> None:
    explorer, study = killed
    waiting = explorer.view.children[3]
    eventually(lambda: explorer.state.study.worker == "lost")
    eventually(lambda: explorer.trials[0].state == "waiting")
    eventually(lambda: waiting.layout.display != "none")
    assert "The worker was lost" in waiting.children[0].value
    assert "1 trial waits" in waiting.children[0].value
    pressed = buttons(explorer, label)
    assert len(pressed) == (2 if label == "Resume" else 1)
    eventually(lambda: not any(button.disabled for button in pressed))
    pressed[-1].click()
    eventually(lambda: explorer.trials[0].state == "complete", 120)
    assert explorer.state.problem == ""
    assert explorer.trials[0].attempts == 2
    assert study.curve(0)["step"][-1] == STEPS
    eventually(lambda: waiting.layout.display == "none")
