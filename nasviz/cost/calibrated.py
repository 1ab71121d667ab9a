"""The calibrated profile of this machine: measured in a process of its own, kept in a file."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import platformdirs

from nasviz.cost.hardware import Hardware
from nasviz.errors import InputError, RunError
from nasviz.whole_file import whole_file

THIS_MACHINE = "this-machine"

# Longest that a calibration may take; it needs about 20 seconds on two cores.
_TIMEOUT_S = 300


def machine_id() -> str:
    """Return sixteen hex digits that name this kind of machine: its system, processor and cores.

    Moving to another machine with the same home folder thus asks for another calibration.
    """
    text = "|".join((platform.system(), platform.machine(), _processor(), str(os.cpu_count() or 1)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def calibrated_path() -> Path:
    """Return the file of this machine's calibration, in the user's cache folder."""
    return Path(platformdirs.user_cache_dir("nasviz")) / f"hardware-{machine_id()}.json"


def load_calibrated() -> Hardware | None:
    """Return this machine's calibrated profile, or None where there is none (or none readable).

    A damaged file is as good as none: calibrating again replaces it.
    """
    path = calibrated_path()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, InputError):
        return None


@lru_cache(maxsize=1)
def _read(path: Path, written_ns: int) -> Hardware | None:
    """Return the profile in `path`; `written_ns`, when it was written, tells an old one apart."""
    found = Hardware.from_json(json.loads(path.read_text(encoding="utf-8")))
    return found if found.measured is not None else None


def calibrate(*, threads: int | None = None) -> Hardware:
    """Measure this machine in a fresh process, keep and return its profile.

    A fresh process, because what this one has loaded and runs would be measured with it. Progress
    goes to stderr. Raises `RunError` where measuring fails, `InputError` for a wrong thread count.
    """
    if threads is not None and not (isinstance(threads, int) and 1 <= threads <= 1024):
        raise InputError(f"threads={threads!r} is not a whole number from 1 to 1024")
    command = [sys.executable, "-m", "nasviz.evaluation.calibration"]
    if threads is not None:
        command += ["--threads", str(threads)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=_TIMEOUT_S, check=False, encoding="utf-8"
        )
    except subprocess.TimeoutExpired as error:
        raise RunError(
            f"calibrating took longer than {_TIMEOUT_S} s; is the machine busy?"
        ) from error
    if done.returncode != 0:
        raise RunError(
            f"calibrating failed with exit code {done.returncode}; see the messages above"
        )
    try:
        hardware = Hardware.from_json(json.loads(done.stdout))
    except (json.JSONDecodeError, InputError) as error:
        raise RunError(f"calibrating gave no profile: {error}") from error
    _keep(hardware)
    return hardware


def _keep(hardware: Hardware) -> None:
    path = calibrated_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps(hardware.to_json()), encoding="utf-8")
    except OSError as error:
        raise RunError(f"the calibration can't be kept in {path}: {error}") from error


def _processor() -> str:
    """Return the processor's name, as the system tells it."""
    told_by_linux = Path("/proc/cpuinfo")
    lines = told_by_linux.read_text(encoding="utf-8").splitlines() if told_by_linux.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
