"""Text from this machine's disk: one file, or every text file of a folder."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

from nasviz.errors import InputError

# A larger corpus is refused rather than cut in silence; `max_bytes` cuts it on purpose.
MAX_BYTES = 1 << 30
SEPARATOR = b"\n\n"

# As Git does: a NUL byte this near the beginning marks a file as binary.
_SNIFFED_BYTES = 8192
_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_path(path: Path, max_bytes: int | None = None) -> bytes:
    """Return the UTF-8 text of a file, or of a folder's text files sorted by relative path.

    Files of a folder are joined by an empty line. Hidden files are left out, and binary ones are
    with a warning; links are followed, each file and folder once. The text is cut to `max_bytes`
    if given, and otherwise refused above `MAX_BYTES` (1 GiB).

    Raises `InputError` for what is not there, not readable, or not UTF-8 text.
    """
    limit = MAX_BYTES if max_bytes is None else max_bytes
    text = _read_folder(path, limit) if path.is_dir() else _read_file(path, limit)
    if max_bytes is not None:
        return text[:max_bytes].decode(errors="ignore").encode()
    if len(text) > MAX_BYTES:
        raise InputError(
            f"corpus {path}: more than {MAX_BYTES:,} bytes; choose a part of it, or cut it with "
            "max_bytes"
        )
    return text


def check_text(data: bytes, name: str) -> None:
    """Raise `InputError`, with the offset, if `data` is not UTF-8 text."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            raise InputError(f"corpus {name}: {encoding} text at byte 0; convert it to UTF-8")
    zero = data.find(b"\0")
    if zero >= 0:
        raise InputError(f"corpus {name}: binary (a NUL byte at byte {zero:,}); give a text file")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = data[error.start]
        raise InputError(
            f"corpus {name}: not UTF-8 (0x{wrong:02x} at byte {error.start:,}); convert it to UTF-8"
        ) from None


def _read_folder(folder: Path, limit: int) -> bytes:
    texts: list[bytes] = []
    binary: list[str] = []
    size = 0
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if _looks_binary(path):
            binary.append(name)
            continue
        texts.append(_read_file(path, limit))
        size += len(texts[-1]) + len(SEPARATOR)
        if size > limit + len(SEPARATOR):
            break
    if not texts:
        found = f"{len(binary)} binary files only" if binary else "no files"
        raise InputError(f"corpus {folder}: {found}; a folder of UTF-8 text files is needed")
    if binary:
        shown = ", ".join(binary[:3]) + (", …" if len(binary) > 3 else "")
        warnings.warn(
            f"corpus {folder}: {len(binary)} binary files left out: {shown}", stacklevel=4
        )
    return SEPARATOR.join(texts)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files under `folder`, each once, whatever links lead to it or in a circle."""
    seen: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        if not _is_new(Path(root), seen):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root, name)
            if not name.startswith(".") and _is_regular(path) and _is_new(path, seen):
                yield path


def _is_new(path: Path, seen: set[tuple[int, int]]) -> bool:
    status = path.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _is_regular(path: Path) -> bool:
    """Return whether `path` is a file with contents; broken and circular links are errors."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise _unreadable(path, error) from error


def _looks_binary(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"\0" in file.read(_SNIFFED_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_file(path: Path, limit: int) -> bytes:
    if path.exists() and not _is_regular(path):
        raise InputError(f"corpus {path}: neither a file nor a folder")
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(data) > limit and _ends_within_character(data):
        data = data.decode(errors="ignore").encode()
    check_text(data, str(path))
    return data


def _ends_within_character(data: bytes) -> bool:
    """Return whether `data` is UTF-8 but for a last character that was cut."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"corpus {path}: cannot be read ({error.strerror or error})")


def _refuse(error: OSError) -> None:
    raise _unreadable(Path(str(error.filename)), error) from error
