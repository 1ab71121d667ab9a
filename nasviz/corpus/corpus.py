"""`Corpus`: a text, its hash and its four parts; and how one is opened by name or path."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nasviz.corpus.cache import cached
from nasviz.corpus.local import check_text, read_path
from nasviz.corpus.parts import check_part, check_size, part_bounds
from nasviz.corpus.public_sets import PUBLIC_SETS, read_public_set
from nasviz.corpus.standard_library import read_standard_library, standard_library_key
from nasviz.errors import InputError, unknown_name

PYTHON = "python"


def corpus_names() -> tuple[str, ...]:
    """Return the names that `open_corpus` knows, the default first."""
    return (PYTHON, *PUBLIC_SETS)


@dataclass(frozen=True)
class Corpus:
    """A text with its hash: equal for equal names and texts.

    `name` is the name or the path that it was opened by, `text` its UTF-8 bytes, `sha256` the
    hash of them all in hex.
    """

    name: str
    text: bytes = field(repr=False, compare=False)
    sha256: str

    @classmethod
    def of(cls, name: str, text: bytes) -> Corpus:
        """Return the corpus of `text`; raises `InputError` if it is too small or not UTF-8."""
        check_size(len(text), name)
        check_text(text, name)
        return cls(name, text, hashlib.sha256(text).hexdigest())

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole text."""
        return len(self.text)

    @cached_property
    def bounds(self) -> dict[str, tuple[int, int]]:
        """Where each part begins and ends, in bytes."""
        return part_bounds(self.text)

    def part_bytes(self, name: str) -> int:
        """Return how many bytes a part has."""
        start, stop = self.bounds[check_part(name)]
        return stop - start

    def part(self, name: str) -> bytes:
        """Return the bytes of `train`, `search`, `calibration`, `test` or `held_out`."""
        start, stop = self.bounds[check_part(name)]
        return self.text[start:stop]


def open_corpus(
    name_or_path: str | os.PathLike[str] = PYTHON, *, max_bytes: int | None = None
) -> Corpus:
    """Return the corpus of that name, or of the text file or folder at that path.

    A name wins over a path: write `./python` for a folder of that name. The text is cut to its
    first `max_bytes` where given. `python` and public sets are kept in the cache.

    Raises `InputError` if there is no such corpus or it is no UTF-8 text of a useful size, and
    `RunError` if a public set can't be fetched.
    """
    if not isinstance(name_or_path, str | os.PathLike) or not os.fspath(name_or_path):
        raise InputError(f"a corpus is a name or a path, not {name_or_path!r}")
    if max_bytes is not None and max_bytes < 1:
        raise InputError(f"max_bytes={max_bytes!r} is not a positive number of bytes")
    if name_or_path == PYTHON:
        return _cached_corpus(PYTHON, standard_library_key(), max_bytes)
    if name_or_path in PUBLIC_SETS:
        key = f"{name_or_path}-{max_bytes or 'default'}"
        return _cached_corpus(str(name_or_path), key, max_bytes)
    path = Path(name_or_path).expanduser()
    try:
        is_there = path.exists() or path.is_symlink()
    except OSError as error:  # such as a name that is too long for a file
        raise InputError(f"corpus {path}: cannot be read ({error.strerror})") from None
    if not is_there:
        raise _absent(os.fspath(name_or_path))
    return Corpus.of(os.fspath(name_or_path), read_path(path, max_bytes))


def _cached_corpus(name: str, key: str, max_bytes: int | None) -> Corpus:
    def build() -> bytes:
        if name == PYTHON:
            return read_standard_library()
        return read_public_set(name, max_bytes)

    text = cached("corpora", key, ".txt", build).path.read_bytes()
    if max_bytes is not None:
        text = text[:max_bytes].decode(errors="ignore").encode()
    return Corpus.of(name, text)


def _absent(argument: str) -> InputError:
    if os.sep in argument or "." in argument:
        return InputError(
            f"corpus {argument}: no such file or folder; a name is one of "
            f"{', '.join(corpus_names())}"
        )
    return unknown_name("corpus", argument, corpus_names())
