"""One ECMAScript module out of several small files: anywidget wants a single text a widget.

The files stay plain modules that Node can import and test; nothing is built beforehand.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|const|class)\b)", re.MULTILINE)


@cache
def joined_module(entry: str) -> str:
    """Return the text of `entry` with every module it imports laid before it, each once.

    Only `import { a } from "./file.js";` is understood, and names must differ across files: the
    joined text has one scope.
    """
    parts: list[str] = []
    _collect(entry, parts, seen=set())
    return "".join(parts)


def _collect(name: str, parts: list[str], seen: set[str]) -> None:
    seen.add(name)
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for imported in _IMPORT.findall(text):
        if imported not in seen:
            _collect(imported, parts, seen)
    parts.append(f"// {name}\n{_EXPORT.sub('', _IMPORT.sub('', text))}\n")
