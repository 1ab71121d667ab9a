"""What `CANDIDATE` on the command line means: a preset's name, a file, or standard input."""

from __future__ import annotations

from typing import TextIO

from nasviz.errors import InputError, unknown_name
from nasviz.space import presets
from nasviz.space.candidate import Candidate
from nasviz.space.documents import looks_like_path, read_document


def read_candidate(argument: str, stdin: TextIO | None = None) -> Candidate:
    """Return the candidate named by `argument`: a preset, a JSON or TOML file, or `-` for stdin.

    Raises `InputError`, naming the file, where there is none or something in it is wrong.
    """
    if argument in presets.NAMES:
        return Candidate(presets.named(argument))
    if not looks_like_path(argument):
        raise unknown_name("preset or file", argument, presets.NAMES)
    data, place = read_document(argument, "candidate", stdin)
    try:
        return Candidate.from_json(data)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
