"""What `generate` and `export` mean by TRIAL: a trial's number, or a checkpoint's folder."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_trial_arguments(parser: argparse.ArgumentParser) -> None:
    """Add TRIAL and --study."""
    parser.add_argument(
        "trial", metavar="TRIAL", help="a trial's number in the study, or a checkpoint's folder"
    )
    parser.add_argument(
        "--study", metavar="URL", help="the study (default: sqlite:///nasviz.db in this folder)"
    )


def trained_folder(trial: str, study: str | None) -> Path:
    """Return the folder of the checkpoint that TRIAL names.

    Raises `InputError` where there is none, saying in which state the trial is; creates nothing.
    """
    from nasviz.errors import InputError
    from nasviz.model.checkpoint import ARCHITECTURE

    if not trial.isdecimal():
        if not Path(trial).is_dir():
            raise InputError(f"{trial!r} is neither a trial's number nor a folder that is there")
        return Path(trial)
    from nasviz.study.location import locate
    from nasviz.study.study import Study

    place = locate(study)
    if place.path is not None and not place.path.exists():
        raise InputError(f"there is no study at {place.shown}; name one with --study URL")
    opened = Study.open(study)
    try:
        found = opened.trial(int(trial))
        folder = opened.directory(found.number)
    finally:
        opened.close()
    if found.state != "complete" or not (folder / ARCHITECTURE).is_file():
        why = f" ({found.reason})" if found.reason else ""
        raise InputError(f"trial {trial} is {found.state}{why}: it has left no model in {folder}")
    return folder
