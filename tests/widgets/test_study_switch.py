"""Another study in the same explorer: it is followed, and what can't be opened harms nothing."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import eventually

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.study import queue
from nasviz.study.found import name_at, studies_in
from nasviz.study.study import Study
from nasviz.widgets.explorer import Explorer
from nasviz.widgets.panels.study_panel import offers, study_label
from nasviz.widgets.state import StudySnapshot
from nasviz.widgets.study_menu import StudyMenu


def sizes(n_layers: int) -> Candidate:
    return Candidate(Architecture(n_layers, 96, 3, 256, 64))


def filled(path: Path, n_trials: int, bits: float, name: str = "nasviz") -> str:
    """Return the address of a new study with that many complete trials."""
    study = Study.open(path, name)
    for number in range(n_trials):
        study.add(sizes(number + 1), {"tokens": 1_000})
        queue.claim(study, worker=0)
        study.report(number, [{"step": step, "n_steps": 3, "tokens": step, "loss": 5.0 - step}
                              for step in (1, 2, 3)])  # fmt: skip
        result = {"bits_per_byte": bits, "search_bits_per_byte": bits, "tokens": 1_000}
        queue.complete(study, number, {**result, "accuracy": 0.3, "seconds": 2.0})
    study.close()
    return str(path)


@pytest.fixture
def explorer(tmp_path: Path) -> Iterator[Explorer]:
    made = Explorer("laptop", study=filled(tmp_path / "one.db", 1, 2.9), hardware="laptop-cpu")
    eventually(lambda: len(made.trials) == 1)
    yield made
    made.close()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def menu_of(explorer: Explorer) -> StudyMenu:
    (menu,) = (each for each in explorer.view.children[1].children if isinstance(each, StudyMenu))
    return menu


def trial_marks(explorer: Explorer) -> dict[str, float]:
    marks = explorer._map_panel.map.marks
    return {
        mark["id"]: mark["values"]["bits_per_byte"]
        for mark in marks
        if mark["id"].startswith("trial-")
    }


def test_map_trials_curve_and_selection_are_the_other_studys(
    explorer: Explorer, tmp_path: Path
) -> None:
    eventually(lambda: trial_marks(explorer) == {"trial-0": 2.9})
    explorer.open_study(filled(tmp_path / "two.db", 3, 2.1))
    assert len(explorer.trials) == 3
    assert explorer.selection == sizes(3)
    assert explorer.state.watched == 2
    eventually(lambda: explorer.state.curve is not None and explorer.state.curve[0] == 2)
    assert trial_marks(explorer) == {"trial-0": 2.1, "trial-1": 2.1, "trial-2": 2.1}
    # What the map predicts is anchored on the trials of the study on show.
    eventually(lambda: explorer.state.prior.prior.n_trials == 3)


def test_a_trial_that_comes_later_comes_from_the_other_study(
    explorer: Explorer, tmp_path: Path
) -> None:
    other = Study.open(filled(tmp_path / "two.db", 1, 2.1))
    explorer.open_study(tmp_path / "two.db")
    other.add(sizes(5), {"tokens": 1_000})
    eventually(lambda: [each.state for each in explorer.trials] == ["complete", "waiting"])
    first = Study.open(tmp_path / "one.db")
    first.add(sizes(6), {"tokens": 1_000})
    time.sleep(1.5)  # longer than the pause between two looks
    assert len(explorer.trials) == 2
    other.close()
    first.close()


def test_what_is_no_study_is_said_in_the_menu_and_nothing_changes(
    explorer: Explorer, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.db"
    notes.write_text("these are my notes")
    kitchen = tmp_path / "kitchen.db"
    with sqlite3.connect(kitchen) as connection:
        connection.execute("CREATE TABLE recipes (title TEXT)")
    before = {path: digest(path) for path in (notes, kitchen, tmp_path / "one.db")}
    menu = menu_of(explorer)
    shown = explorer.state.study
    for wrong, said in (
        (str(notes), "is not a study"),
        (str(kitchen), "its tables: recipes"),
        (str(tmp_path / "nowhere" / "study.db"), "the folder"),
        ("mysql://me:secret@host/db", "not in 'mysql'"),
        (str(tmp_path), "is a folder"),
    ):
        menu._receive(menu, {"type": "open", "url": wrong, "name": None}, [])
        eventually(lambda said=said: said in menu.problem)  # type: ignore[misc]
        assert "secret" not in menu.problem
        assert explorer.state.study == shown
    eventually(lambda: not menu.busy)
    assert {path: digest(path) for path in before} == before
    assert len(explorer.trials) == 1
    with pytest.raises(InputError, match="is not a study"):
        explorer.open_study(notes)
    assert explorer.state.study == shown


def test_the_menu_lists_the_folders_studies_and_opens_one_by_a_press(
    explorer: Explorer, tmp_path: Path
) -> None:
    filled(tmp_path / "two.db", 2, 2.1)
    filled(tmp_path / "two.db", 1, 2.5, name="poems")
    (tmp_path / "notes.db").write_text("no database")
    menu = menu_of(explorer)
    menu._receive(menu, {"type": "look"}, [])
    listed = [(each["label"], each["note"], each["current"]) for each in menu.found]
    assert listed == [
        ("one.db", "1 trial", True),
        ("two.db", "2 trials", False),
        ("two.db: poems", "1 trial", False),
    ]
    chosen = menu.found[2]
    menu._receive(menu, {"type": "open", "url": chosen["url"], "name": chosen["name"]}, [])
    eventually(lambda: menu.title == "two.db: poems")
    assert explorer.state.study.name == "poems"
    assert menu.problem == ""
    menu._receive(menu, {"type": "look"}, [])
    assert [each["current"] for each in menu.found] == [False, False, True]


def test_a_study_is_not_left_while_a_search_runs_in_it(explorer: Explorer, tmp_path: Path) -> None:
    explorer.state.searching = True
    with pytest.raises(InputError, match="stop it first"):
        explorer.open_study(filled(tmp_path / "two.db", 1, 2.1))
    assert len(explorer.trials) == 1
    assert explorer.state.study.url.endswith("one.db")


def test_a_study_given_as_an_object_stays_open_for_whoever_gave_it(tmp_path: Path) -> None:
    mine = Study.open(filled(tmp_path / "mine.db", 2, 2.4))
    explorer = Explorer("laptop", study=mine, hardware="laptop-cpu")
    eventually(lambda: len(explorer.trials) == 2)
    explorer.open_study(filled(tmp_path / "two.db", 1, 2.1))
    assert len(mine.trials()) == 2
    explorer.close()
    mine.close()


def test_a_file_that_could_not_be_opened_gives_way_to_one_that_can(tmp_path: Path) -> None:
    wrong = tmp_path / "notes.db"
    wrong.write_text("these are my notes")
    explorer = Explorer("laptop", study=str(wrong), hardware="laptop-cpu")
    eventually(lambda: explorer.state.problem != "")
    explorer.open_study(filled(tmp_path / "two.db", 1, 2.1))
    assert explorer.state.problem == ""
    assert len(explorer.trials) == 1
    explorer.close()


def test_a_file_with_one_study_needs_no_name_and_one_with_several_does(tmp_path: Path) -> None:
    filled(tmp_path / "a.db", 1, 2.1, name="poems")
    assert name_at(str(tmp_path / "a.db")) == "poems"
    assert name_at(str(tmp_path / "new.db")) == "nasviz"
    filled(tmp_path / "a.db", 1, 2.1, name="prose")
    with pytest.raises(InputError, match="name one of them: poems, prose"):
        name_at(str(tmp_path / "a.db"))
    assert [(each.path.name, each.name, each.n_trials) for each in studies_in(tmp_path)] == [
        ("a.db", "poems", 1),
        ("a.db", "prose", 1),
    ]


def test_a_studys_label_is_its_file_and_shows_no_password() -> None:
    assert study_label("sqlite:////srv/poems.db", "nasviz") == "poems.db"
    address = "postgresql+psycopg://ada:secret@host/team"
    assert study_label(address, "week 3") == "team: week 3"
    assert offers([], StudySnapshot("nasviz", address)) == []


def test_what_is_no_address_is_refused(explorer: Explorer) -> None:
    with pytest.raises(InputError, match="a URL or a file's path, not 5"):
        explorer.open_study(5)  # type: ignore[arg-type]


def test_a_closed_explorer_opens_and_exports_nothing(explorer: Explorer, tmp_path: Path) -> None:
    explorer.close()
    with pytest.raises(InputError, match="this explorer is closed"):
        explorer.open_study(tmp_path / "two.db")
    with pytest.raises(InputError, match="this explorer is closed"):
        explorer.export(tmp_path / "map.html")
    assert not (tmp_path / "two.db").exists()
