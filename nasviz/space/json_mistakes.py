"""What is wrong with a text that is not JSON, in words that name what is missing and where."""

from __future__ import annotations

import json
import re

# A key and its colon just before the place of a mistake.
_KEY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:\s*$')
_SHOWN = 20


def json_mistake(text: str, error: json.JSONDecodeError) -> str:
    """Return place and reason of `error` in `text`: `line 1, column 17: …`."""
    rest = text[error.pos :].lstrip()
    position = len(text) - len(rest) if rest else error.pos
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"line {line}, column {column}: {_reason(text[:position], rest, error.msg)}"


def _reason(before: str, rest: str, message: str) -> str:
    """Return the reason, by Python's own `message`, which stands where we know no better."""
    if message.startswith("Unterminated string"):
        return 'the text that begins here lacks its closing ", or the file is cut off'
    missing = _missing(before, message)
    if not rest:
        return f"the file seems cut off, {missing or 'something'} is missing"
    return _misplaced(missing, rest, message)


def _misplaced(missing: str, rest: str, message: str) -> str:
    """Return what is wrong with the beginning of `rest`, where something else was waited for."""
    here = _first_word(rest)
    if message.startswith("Extra data"):
        return f"{here!r} stands after the end of the data; leave it out"
    if message.startswith("Expecting property name") and rest[0] == "}":
        return "there is a comma too many before '}'"
    if not missing:
        return message
    if message.startswith("Expecting value") and rest[0] not in "]},:":
        return f"{here!r} is no JSON value; text stands in double quotes"
    return f"{missing} is missing before {here!r}"


def _missing(before: str, message: str) -> str:
    """Return what Python waited for at the place of the mistake, "" where it isn't that."""
    if message.startswith("Expecting value"):
        key = _KEY.search(before)
        return f"the value of {key.group(1)!r}" if key else "a value"
    if message.startswith("Expecting property name"):
        return "a name in double quotes"
    if message.startswith("Expecting ':'"):
        return "':'"
    if message.startswith("Expecting ','"):
        return "a comma or a closing bracket"
    return ""


def _first_word(rest: str) -> str:
    """Return the mark or the word that `rest` begins with."""
    word = re.match(r"[\w.+-]+", rest)
    return word.group()[:_SHOWN] if word else rest[0]
