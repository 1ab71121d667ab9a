"""Exit traces on the disk: one `.npz` file without pickles."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.errors import InputError
from nasviz.quality.exit_trace import ExitTrace
from nasviz.whole_file import whole_file

_FORMAT = 1
_ABOUT = "about"
_SCORE = "confidence."
_ARRAYS = ("log_probability", "likeliest", "target", "token_bytes", "position", "window")
_FACTS = ("layers", "part", "corpus_sha256", "context_length")


def save_exit_trace(trace: ExitTrace, path: str | Path) -> None:
    """Write `trace` to `path`, whole or not at all."""
    about = {"format": _FORMAT} | {name: getattr(trace, name) for name in _FACTS}
    arrays: dict[str, Any] = {_ABOUT: np.array(json.dumps(about))}
    arrays |= {name: getattr(trace, name) for name in _ARRAYS}
    arrays |= {_SCORE + criterion: score for criterion, score in trace.confidence.items()}
    with whole_file(Path(path)) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_exit_trace(path: str | Path) -> ExitTrace:
    """Return the trace in a file; raises `InputError` naming the file where it holds none."""
    try:
        arrays = _read(Path(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is no exit trace, or a damaged one: {error}") from error
    try:
        return _trace(arrays)
    except (KeyError, TypeError, ValueError) as error:
        said = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} is no exit trace: {said}") from error


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no .npz file")
        file.seek(0)
        with np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}


def _trace(arrays: dict[str, NDArray[Any]]) -> ExitTrace:
    about = json.loads(str(arrays[_ABOUT]))
    if about["format"] != _FORMAT:
        raise ValueError(f"its format is {about['format']!r}, and this nasviz reads {_FORMAT}")
    facts: dict[str, Any] = {name: about[name] for name in _FACTS}
    given: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
    confidence: dict[Any, Any] = {
        name.removeprefix(_SCORE): array
        for name, array in arrays.items()
        if name.startswith(_SCORE)
    }
    return ExitTrace(**facts, **given, confidence=confidence)
