from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nasviz.corpus.cache import cache_directory, cached
from nasviz.errors import InputError, RunError

WRITER = """
import sys
from nasviz.corpus.cache import cached
mine = sys.argv[1].encode() * 300_000
for _ in range(30):
    entry = cached("kind", "key", ".txt", lambda: mine)
    found = entry.path.read_bytes()
    assert len(set(found)) == 1 and len(found) == 300_000, "mixed or torn"
    (entry.path.parent / "key.json").unlink(missing_ok=True)
"""


def test_what_was_built_is_found_again_and_not_built_twice(cache: Path) -> None:
    first = cached("kind", "key", ".txt", lambda: b"payload")
    again = cached("kind", "key", ".txt", lambda: pytest.fail("built twice"))
    assert first == again
    assert again.path.read_bytes() == b"payload"
    assert sorted(p.suffix for p in (cache / "kind").iterdir()) == [".json", ".txt"]


def test_two_processes_may_write_one_key_at_once() -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, letter], stderr=subprocess.PIPE)
        for letter in "ab"
    ]
    for writer in writers:
        _, told = writer.communicate(timeout=60)
        assert writer.returncode == 0, told.decode()


@pytest.mark.parametrize("wrong", ["", "{", "[]", "{}", '{"sha256": "x", "n_bytes": 1}', "null"])
def test_a_damaged_index_is_built_again(cache: Path, wrong: str) -> None:
    cached("kind", "key", ".txt", lambda: b"old")
    (cache / "kind" / "key.json").write_text(wrong)
    assert cached("kind", "key", ".txt", lambda: b"new").path.read_bytes() == b"new"
    assert json.loads((cache / "kind" / "key.json").read_text())["n_bytes"] == 3


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    def fail() -> bytes:
        raise RunError("no network")

    with pytest.raises(RunError, match="no network"):
        cached("kind", "key", ".txt", fail)
    assert not list(cache.glob("**/*.*"))


def test_a_cache_that_is_a_file_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NASVIZ_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot keep prepared text in .*; set NASVIZ_CACHE to"):
        cached("kind", "key", ".txt", lambda: b"payload")


def test_a_full_disk_is_a_failed_run_and_leaves_no_half_file(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match="No space left on device; set NASVIZ_CACHE"):
        cached("kind", "key", ".txt", lambda: b"payload")
    assert not list((cache / "kind").iterdir())


def test_without_the_variable_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NASVIZ_CACHE")
    assert cache_directory().name == "nasviz"
