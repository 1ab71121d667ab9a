"""What `SPACE` on the command line means: a named space, a file, or standard input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TextIO

from nasviz.errors import InputError, unknown_name
from nasviz.space import named_spaces
from nasviz.space.documents import STDIN, looks_like_path, read_document
from nasviz.space.search_space import SearchSpace


def read_space(argument: str, stdin: TextIO | None = None) -> SearchSpace:
    """Return the space named by `argument`: a named one, a JSON or TOML file, or `-` for stdin.

    A file without a name gives its own to the space. Raises `InputError`, naming the file, where
    there is none or something in it is wrong.
    """
    if argument in named_spaces.names():
        return SearchSpace.named(argument)
    if not looks_like_path(argument):
        raise unknown_name("space or file", argument, named_spaces.names())
    data, place = read_document(argument, "space", stdin)
    try:
        space = SearchSpace.from_json(data)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    return (
        space if "name" in data or argument == STDIN else replace(space, name=Path(argument).stem)
    )
