"""Reading the JSON or TOML file of a user: every way in which it can be wrong, said clearly."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from nasviz.errors import InputError
from nasviz.space import toml
from nasviz.space.json_mistakes import json_mistake

STDIN = "-"
MAX_BYTES = 16 * 2**20


def read_document(argument: str, kind: str, stdin: TextIO | None = None) -> tuple[Any, str]:
    """Return the data of a JSON or TOML file, or of standard input for `-`, and its place.

    `kind` says in errors what was expected (`candidate`, `space`). A file is TOML if it is called
    `*.toml`, else JSON; standard input is JSON if it starts with a brace. Raises `InputError`,
    naming the file and the line, for anything that can't be read.
    """
    if argument == STDIN:
        text = _text_of_stdin(stdin if stdin is not None else sys.stdin)
        return _parse(text, "standard input", is_toml=not text.lstrip().startswith("{")), "stdin"
    path = Path(argument).expanduser()
    return _parse(_text_of(path, kind), str(path), path.suffix.lower() == ".toml"), str(path)


def looks_like_path(argument: str) -> bool:
    """Whether an argument names a file rather than something built in."""
    path = Path(argument).expanduser()
    return (
        argument == STDIN
        or path.suffix.lower() in (".json", ".toml")
        or "/" in argument
        or path.exists()
    )


def _text_of(path: Path, kind: str) -> str:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name the {kind}'s JSON or TOML file in it")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} has {path.stat().st_size:,} bytes; that is no {kind}'s file")
        return _decoded(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; check the path") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror or error}") from None


def _text_of_stdin(stdin: TextIO) -> str:
    # A stand-in for standard input (in tests, in notebooks) has no byte stream underneath.
    stream = getattr(stdin, "buffer", None)
    return stdin.read() if stream is None else _decoded(stream.read(), "standard input")


def _decoded(data: bytes, place: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place} is not text: byte {error.start:,} is not UTF-8; a JSON or TOML file is needed"
        ) from None
    if "\0" in text:
        raise InputError(f"{place} is not text: it holds null bytes; a JSON or TOML file is needed")
    return text


def _parse(text: str, place: str, is_toml: bool) -> Any:
    if not text.strip():
        raise InputError(f"{place} is empty")
    try:
        return toml.parse(text) if is_toml else json.loads(text, object_pairs_hook=_no_repeats)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON at {json_mistake(text, error)}") from None
    except RecursionError:
        raise InputError(f"{place}: nested too deeply") from None
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    except ValueError:  # Python converts no number of more than 4,300 digits
        raise InputError(f"{place}: a number in it has thousands of digits") from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise InputError(f"key {key!r} appears twice; leave one")
        data[key] = value
    return data
