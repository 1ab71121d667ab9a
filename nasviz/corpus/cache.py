"""Files kept between runs: each is named by its own hash, so two writers can't harm one another.

`<cache>/<kind>/<key>.json` says which payload belongs to a key; the payload lies beside it as
`<sha256><suffix>`. Both are written to a temporary file and moved into place, and a payload is
believed only if its size and hash are the stated ones; whatever is not is built again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nasviz.errors import InputError, RunError
from nasviz.whole_file import whole_file

ENVIRONMENT_VARIABLE = "NASVIZ_CACHE"


@dataclass(frozen=True)
class Entry:
    """A payload in the cache: where it lies, its SHA-256 and its size."""

    path: Path
    sha256: str
    n_bytes: int


def cache_directory() -> Path:
    """Return the folder of cached files: `NASVIZ_CACHE`, or the user's cache folder."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("nasviz", appauthor=False)


def cached(kind: str, key: str, suffix: str, build: Callable[[], bytes]) -> Entry:
    """Return the entry of `key`, from the cache if it is sound there, else from `build()`.

    Raises `InputError` if the cache folder can't be made or written, `RunError` if its disk is
    full.
    """
    folder = cache_directory() / kind
    index = folder / f"{key}.json"
    found = _recall(index, suffix)
    if found is not None:
        return found
    payload = build()
    sha256 = hashlib.sha256(payload).hexdigest()
    path = folder / f"{sha256}{suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(path, payload)
        _replace(index, json.dumps({"sha256": sha256, "n_bytes": len(payload)}).encode())
    except OSError as error:
        raise _unwritable(folder, error) from error
    return Entry(path, sha256, len(payload))


def _recall(index: Path, suffix: str) -> Entry | None:
    """Return the entry that `index` names if index and payload are whole, else None."""
    try:
        stated = json.loads(index.read_bytes())
        entry = Entry(
            index.parent / f"{stated['sha256']}{suffix}", stated["sha256"], stated["n_bytes"]
        )
        sound = entry.path.stat().st_size == entry.n_bytes and _sha256(entry.path) == entry.sha256
    except (OSError, ValueError, KeyError, TypeError):
        # Absent, half-written by something else, or edited: all are mended by building anew.
        return None
    return entry if sound else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _replace(path: Path, payload: bytes) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(payload)


def _unwritable(folder: Path, error: OSError) -> InputError | RunError:
    reason = error.strerror or str(error)
    remedy = f"set {ENVIRONMENT_VARIABLE} to a folder that can hold them"
    message = f"cannot keep prepared text in {folder}: {reason}; {remedy}"
    if isinstance(error, PermissionError | FileExistsError | NotADirectoryError):
        return InputError(message)
    return RunError(message)
