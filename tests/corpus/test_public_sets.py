from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nasviz.corpus import public_sets
from nasviz.corpus.corpus import corpus_names, open_corpus
from nasviz.corpus.public_sets import PublicSet, gather
from nasviz.errors import InputError

UNREACHABLE = """
from nasviz.corpus.corpus import open_corpus
from nasviz.errors import RunError
try:
    open_corpus("wikitext-2")
except RunError as error:
    print(error)
"""


def rows(*texts: str) -> list[dict[str, str]]:
    return [{"text": text} for text in texts]


def test_rows_are_joined_by_the_sets_separator_until_there_is_enough() -> None:
    documents = PublicSet("someone/documents")
    assert gather(rows("one", "two"), documents, 100) == b"one\n\ntwo"
    assert gather(rows("one", "two", "three"), documents, 6) == b"one\n\nt"
    lines = PublicSet("someone/lines", separator="")
    assert gather(rows(" a \n", " b \n"), lines, 100) == b" a \n b \n"


def test_rows_beyond_the_limit_are_not_fetched() -> None:
    def endless():  # type: ignore[no-untyped-def]
        yield from rows("x" * 100)
        pytest.fail("asked for a second row")

    assert gather(endless(), PublicSet("a/b"), 50) == b"x" * 50


def test_a_cut_leaves_no_part_of_a_character_and_no_surrogate_or_nul() -> None:
    hostile = rows("é€😀" * 5, "\ud800\0")
    for limit in range(1, 60):
        gather(hostile, PublicSet("a/b"), limit).decode("utf-8")
    assert gather(hostile, PublicSet("a/b"), 60).endswith("\n\n\ufffd\ufffd".encode())


def test_a_set_is_loaded_through_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    folder = tmp_path / "small"
    folder.mkdir()
    for split, letter in (("train", "t"), ("test", "v")):
        texts = [f"{letter}{n} " + "said the raven. " * 100 for n in range(23)]
        datasets.Dataset.from_dict({"body": texts}).to_parquet(folder / f"{split}.parquet")
    local = PublicSet(str(folder), splits=("train", "test"), column="body")
    monkeypatch.setattr(public_sets, "PUBLIC_SETS", {"tinystories": local})
    corpus = open_corpus("tinystories")
    assert corpus.text.startswith(b"t0 said the raven. ")
    assert corpus.text.count(b"\n\n") == 45
    assert b"\n\nv22 said" in corpus.text
    # The second time it comes from the cache: the set may be gone.
    monkeypatch.setattr(public_sets, "PUBLIC_SETS", {})
    assert open_corpus("tinystories") == corpus


def test_an_unreachable_hub_is_told_with_a_remedy() -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    environment["HF_HOME"] = os.environ["NASVIZ_CACHE"]
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.startswith(
        "corpus wikitext-2: Salesforce/wikitext could not be fetched from the Hugging Face hub ("
    )
    assert "use a local file, a folder, or the corpus 'python', which needs none" in done.stdout


def test_without_the_package_the_way_to_install_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"'datasets' is missing; .*pip install 'nasviz\[hub\]'"):
        open_corpus("tinystories")


def test_every_public_set_has_a_place_on_the_hub() -> None:
    assert corpus_names()[0] == "python"
    for name, public_set in public_sets.PUBLIC_SETS.items():
        assert public_set.hub_id.count("/") == 1, name
        assert public_set.splits, name
