"""What becomes of texts that are asked for while the study is still being opened."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from waiting import eventually

from nasviz import Architecture, Candidate, InferencePolicy
from nasviz.study.trial import Trial
from nasviz.widgets import authoring
from nasviz.widgets.authoring import Asked, Authoring

TRIAL = Trial(3, Candidate(Architecture(1, 8, 1, 256, 8)), {}, "python", "complete", "user")


class Orders:
    """A writer that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def order(self, order: Any, hear: Any) -> int:
        self.told.append(order.prompt)
        return len(self.told)

    def stop(self) -> None:
        self.told.append("stop")


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> tuple[Authoring, Orders, threading.Event]:
    """An authoring whose study opens when the event is set, and what its writer is told."""
    orders, opened = Orders(), threading.Event()
    monkeypatch.setattr(authoring, "Writer", lambda: orders)

    def study() -> Any:
        opened.wait(10)
        return SimpleNamespace(directory=lambda number: f"trial {number}")

    return Authoring(cast(Any, study)), orders, opened


def write(writes: Authoring, prompt: str) -> None:
    writes.write(TRIAL, [InferencePolicy()], Asked(prompt, 8, 0.0, 0), lambda report: None)


def settled() -> bool:
    return not any(each.name == "nasviz-write" for each in threading.enumerate())


def test_a_text_that_was_stopped_before_its_study_opened_is_stopped_when_it_begins(
    opening: tuple[Authoring, Orders, threading.Event],
) -> None:
    writes, orders, opened = opening
    write(writes, "one")
    writes.stop()
    opened.set()
    eventually(settled, "the order")
    assert orders.told == ["stop", "one", "stop"]
    write(writes, "two")
    eventually(settled, "the order")
    assert orders.told[3:] == ["two"]


def test_of_two_texts_that_wait_for_their_study_only_the_latest_is_written(
    opening: tuple[Authoring, Orders, threading.Event],
) -> None:
    writes, orders, opened = opening
    write(writes, "one")
    write(writes, "two")
    opened.set()
    eventually(settled, "the orders")
    assert orders.told == ["two"]
