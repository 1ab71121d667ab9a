"""The corpus `python`: the prose and the source of the running interpreter's standard library.

It is on every machine, needs no network, and mixes English with code. Documents are put in an
order that a hash of their names decides, so the held-out tenth has the same kind of text.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from nasviz.corpus.local import SEPARATOR

MAX_BYTES = 16 << 20

# Tests repeat each other; encodings and pydoc_data are tables (the topics come as prose below).
_LEFT_OUT = frozenset(
    {
        *("test", "tests", "idle_test", "__pycache__", "site-packages", "dist-packages"),
        *("encodings", "pydoc_data", "_bundled"),
    }
)
_LEFT_OUT_PREFIXES = ("_sysconfigdata", "sitecustomize", "usercustomize", "config-", "LICENSE")


def standard_library_key() -> str:
    """Return a name that changes whenever the text may: version, place and builder."""
    told = f"{sys.version} {sysconfig.get_path('stdlib')} {MAX_BYTES} 1"
    return f"python-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def read_standard_library() -> bytes:
    """Return the text, UTF-8, at most `MAX_BYTES` (16 MiB)."""
    documents = {**_sources(), **_topics(), **_builtin_docs()}
    chosen: list[bytes] = []
    size = 0
    for name in sorted(documents, key=lambda name: hashlib.sha256(name.encode()).digest()):
        document = documents[name]
        if document and size + len(document) + len(SEPARATOR) <= MAX_BYTES:
            chosen.append(document)
            size += len(document) + len(SEPARATOR)
    return SEPARATOR.join(chosen)


def _sources() -> dict[str, bytes]:
    """Return the library's own source files by relative path."""
    root = Path(sysconfig.get_path("stdlib"))
    sources = {}
    for path in _python_files(root) if root.is_dir() else ():  # it may be inside an archive
        data = path.read_bytes().strip()
        # A few old modules declare Latin-1: they are left out, since a corpus is UTF-8.
        if b"\0" not in data and _is_utf8(data):
            sources[path.relative_to(root).as_posix()] = data
    return sources


def _python_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT or path.name.startswith(_LEFT_OUT_PREFIXES):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _python_files(path)
        elif path.suffix == ".py" and path.is_file():
            yield path


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _topics() -> dict[str, bytes]:
    """Return the language reference's chapters that `help()` shows, if they are installed."""
    if find_spec("pydoc_data") is None or find_spec("pydoc_data.topics") is None:
        return {}
    topics: dict[str, str] = import_module("pydoc_data.topics").topics
    return {f"topic {name}": text.strip().encode() for name, text in topics.items()}


def _builtin_docs() -> dict[str, bytes]:
    """Return the documentation of built-in functions and types, which no source file holds."""
    builtins = import_module("builtins")
    documents = {}
    for name in sorted(vars(builtins)):
        member = getattr(builtins, name)
        if callable(member) and not name.startswith("_"):
            parts = [inspect.getdoc(member), *_method_docs(member)]
            documents[f"builtin {name}"] = "\n\n".join(p for p in parts if p).encode()
    return documents


def _method_docs(member: object) -> list[str | None]:
    if not isinstance(member, type):
        return []
    methods = [name for name in sorted(vars(member)) if not name.startswith("_")]
    return [f"{name}\n{inspect.getdoc(vars(member)[name])}" for name in methods]
