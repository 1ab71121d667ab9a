from __future__ import annotations

import os
from pathlib import Path

import pytest

from nasviz.corpus import local
from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.local import read_path
from nasviz.errors import InputError

TEXT = "Gregory went to the well; he found it dry.\n" * 700


def test_a_file_is_read_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(("\ufeff" + TEXT.replace("\n", "\r\n")).encode())
    assert open_corpus(path).text == path.read_bytes()


def test_a_folder_is_its_files_sorted_by_relative_path_and_joined_by_an_empty_line(
    tmp_path: Path,
) -> None:
    for name in ("b.txt", "a/z.md", "a.txt", "a/b/c"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert read_path(tmp_path) == b"a.txt\n\na/b/c\n\na/z.md\n\nb.txt"


def test_links_in_a_circle_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "one.txt").write_text("one")
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "again.txt").symlink_to(tmp_path / "sub" / "one.txt")
    assert read_path(tmp_path) == b"one"


def test_a_link_to_itself_is_refused_by_name(tmp_path: Path) -> None:
    link = tmp_path / "loop.txt"
    link.symlink_to(link)
    for path in (link, tmp_path):
        with pytest.raises(InputError, match=r"corpus .*loop.txt: cannot be read \(Too many"):
            open_corpus(path)


def test_a_broken_link_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"gone.txt: cannot be read \(No such file"):
        open_corpus(tmp_path)


def test_hidden_files_are_left_out_and_binary_ones_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("kept")
    (tmp_path / ".secret").write_text("hidden")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("hidden")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0\1")
    with pytest.warns(UserWarning, match="1 binary files left out: image.png"):
        assert read_path(tmp_path) == b"kept"


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files; a folder of UTF-8 text files is needed"):
        open_corpus(tmp_path)
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0\1")
    with pytest.raises(InputError, match="1 binary files only"):
        open_corpus(tmp_path)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (TEXT.encode() + b"\0", "binary (a NUL byte at byte 30,100); give a text file"),
        (TEXT.encode() + b"\xe9t\xe9", "not UTF-8 (0xe9 at byte 30,100); convert it to UTF-8"),
        (TEXT.encode("utf-16"), "UTF-16 text at byte 0; convert it to UTF-8"),
        (TEXT.encode() + "é".encode()[:1], "not UTF-8 (0xc3 at byte 30,100)"),
        (b"", "empty; at least 25,600 bytes are needed"),
        (b"short", "5 bytes are too few; at least 25,600 are needed"),
    ],
)
def test_what_is_no_text_is_refused_with_name_and_offset(
    tmp_path: Path, data: bytes, told: str
) -> None:
    path = tmp_path / "wrong.txt"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        open_corpus(path)
    assert f"corpus {path}: {told}" in str(error.value)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: neither a file nor a folder"):
        open_corpus(tmp_path / "pipe")


def test_max_bytes_cuts_between_characters(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a" + "é" * 20_000)
    corpus = open_corpus(path, max_bytes=30_000)
    assert corpus.n_bytes == 29_999
    corpus.text.decode("utf-8")


def test_a_text_above_the_cap_is_refused_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MAX_BYTES", 30_001)
    (tmp_path / "one.txt").write_text("x" * 20_000)
    (tmp_path / "two.txt").write_text("y" * 9_999)
    assert len(read_path(tmp_path)) == 30_001
    (tmp_path / "two.txt").write_text("y" * 10_000)
    with pytest.raises(InputError, match="more than 30,001 bytes; choose a part of it"):
        read_path(tmp_path)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("pyhton", "unknown corpus 'pyhton'; did you mean 'python'?"),
        ("wikitext2", "unknown corpus 'wikitext2'; did you mean 'wikitext-2'?"),
        ("no/such.txt", "corpus no/such.txt: no such file or folder; a name is one of python, "),
        ("a" * 300, f"corpus {'a' * 300}: cannot be read (File name too long)"),
        ("", "a corpus is a name or a path, not ''"),
        (None, "a corpus is a name or a path, not None"),
        (7, "a corpus is a name or a path, not 7"),
    ],
)
def test_what_names_no_corpus_is_refused(argument: object, told: str) -> None:
    with pytest.raises(InputError) as error:
        open_corpus(argument)  # type: ignore[arg-type]
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("wrong", [0, -1])
def test_max_bytes_must_be_positive(wrong: int) -> None:
    with pytest.raises(InputError, match=f"max_bytes={wrong} is not a positive number"):
        open_corpus("python", max_bytes=wrong)


@pytest.mark.parametrize("max_bytes", range(30_000, 30_005))
def test_a_cut_may_fall_anywhere_in_a_character(tmp_path: Path, max_bytes: int) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a" + "😀" * 10_000)
    text = open_corpus(path, max_bytes=max_bytes).text
    assert path.read_bytes().startswith(text)
    assert max_bytes - 3 <= len(text) <= max_bytes


def test_a_cut_text_may_not_be_wrong_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"a" * 29_000 + b"\xff" + b"a" * 29_000)
    with pytest.raises(InputError, match="0xff at byte 29,000"):
        open_corpus(path, max_bytes=30_000)
    assert open_corpus(path, max_bytes=28_000).n_bytes == 28_000
