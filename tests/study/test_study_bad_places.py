"""What can't hold a study is refused in a user's words, and left as it was."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from nasviz import Candidate, Study
from nasviz.errors import InputError, NasvizError


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "the study's address is empty"),
        ("   ", "the study's address is empty"),
        (3, "a study's address is a URL or a file's path, not 3"),
        ("mysql://host/db", "lives in SQLite or PostgreSQL, not in 'mysql'; write sqlite:///"),
        ("mysql://me:secret@host/db", "study='mysql://me:…@host/db': a study lives in"),
        ("http://example.org/x", "not in 'http'"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("/no/such/folder/study.db", "the folder /no/such/folder is not there; create it first"),
        ("/proc/study.db", "can't be (opened|written to)"),
        ("study.db?mode=ro", r"what follows a \? would be options"),
        ("a" * 400 + ".db", r"can't name a file \(File name too long\); choose another name"),
        ("a\0b.db", r"can't name a file \(embedded null byte\)"),
        ("postgresql://me:secret@host:port/x", "me:…@host:port/x' is no address .*; write postgr"),
    ],
)
def test_a_wrong_address_is_refused_with_a_remedy(url: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study.open(url)  # type: ignore[arg-type]


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name a file in it"):
        Study.open(tmp_path)


def test_an_empty_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the study's name is empty"):
        Study.open(tmp_path / "study.db", name=" ")


@pytest.mark.parametrize(
    ("name", "message"), [(5, "is text, not 5"), ("\ud800", "has a lone surrogate")]
)
def test_what_can_not_name_a_study_is_refused(tmp_path: Path, name: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study.open(tmp_path / "study.db", name=name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["s%41.db", "c#d.db", "a+b é.db"])
def test_the_file_has_the_very_name_that_was_given(
    tmp_path: Path, candidate: Candidate, name: str
) -> None:
    Study.open(tmp_path / name).add(candidate)
    assert (tmp_path / name).is_file()
    assert len(Study.open(Study.open(tmp_path / name).url)) == 1


def test_a_number_beyond_all_integers_is_no_trials_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a trial's number"):
        Study.open(tmp_path / "study.db").trial(10**22)


def test_a_text_file_is_no_study_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("remember the milk\n" * 50)
    with pytest.raises(InputError, match=r"is not a study: it is no SQLite file"):
        Study.open(path)
    assert path.read_text() == "remember the milk\n" * 50
    assert list(tmp_path.iterdir()) == [path]


def test_another_programs_database_is_no_study_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"a database of something else \(its tables: bookmarks\)"):
        Study.open(path)
    assert path.read_bytes() == before


def test_a_damaged_study_says_so(tmp_path: Path, candidate: Candidate) -> None:
    path = tmp_path / "study.db"
    study = Study.open(path)
    study.add_many([(candidate, None)] * 20)
    study.close()
    content = bytearray(path.read_bytes())
    content[100:8192] = b"\xff" * (8192 - 100)
    path.write_bytes(content)
    with pytest.raises(InputError, match="restore it from a copy, or choose a new name"):
        Study.open(path)
    assert path.read_bytes() == content


def test_a_study_of_a_newer_nasviz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    Study.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE nasviz_schema SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match=r"newer nasviz \(schema 99, this one reads up to 1\)"):
        Study.open(path)


def test_a_full_disk_is_an_input_error_and_harms_nothing(
    tmp_path: Path, candidate: Candidate
) -> None:
    path = tmp_path / "study.db"
    study = Study.open(path)
    study.add(candidate)
    with study.mirror.storage.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    # SQLite answers the same way to a full disk as to its own limit, which can be set in a test.
    for engine in (study.database.engine, study.mirror.storage.engine):
        sqlalchemy.event.listen(
            engine,
            "checkout",
            lambda raw, *_: raw.execute(f"PRAGMA max_page_count={pages}"),
        )
    with pytest.raises(InputError, match=r"the disk is full .*; free some space and try again"):
        study.add_many([(candidate, {"note": "x" * 9000})] * 50)
    assert Study.open(path).trial(0).candidate == candidate


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NasvizError) as caught:
        Study.open("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    assert "can't be reached" in str(caught.value)


def test_a_plan_that_is_none_is_refused(tmp_path: Path, candidate: Candidate) -> None:
    study = Study.open(tmp_path / "study.db")
    with pytest.raises(InputError, match="plan='fast' is no TrainingPlan"):
        study.add(candidate, "fast")
    assert len(study) == 0


def test_unknown_requests_and_states_suggest_the_nearest(
    tmp_path: Path, candidate: Candidate
) -> None:
    study = Study.open(tmp_path / "study.db")
    study.add(candidate)
    with pytest.raises(InputError, match="unknown request 'stop'"):
        study.request(0, "stop")  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match="unknown trial state 'completed'; did you mean 'complete'"
    ):
        study.trials(["completed"])  # type: ignore[list-item]


def test_importing_the_study_loads_neither_optuna_nor_sqlalchemy() -> None:
    code = (
        "import sys, nasviz.study.study\n"
        "print([name for name in ('optuna', 'sqlalchemy', 'torch') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
