"""Parents of pruned trials: found by number or folder, or said why there is none. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nasviz.errors import InputError
from nasviz.space.lineage import Lineage
from nasviz.study.study import Study
from nasviz.study.trial import trial_number

# The files of every checkpoint of ours: `nasviz.model.checkpoint` names them, but needs torch.
_ARCHITECTURE, _WEIGHTS = "architecture.json", "weights.safetensors"
_SHOWN = 80  # characters of what was given as a folder


@dataclass(frozen=True)
class Parent:
    """A parent that is there: its lineage's words, its checkpoint's folder, its usual text."""

    lineage: Lineage
    folder: Path
    corpus: str


def find_parent(parent: int | str | os.PathLike[str], study: Study | None) -> Parent:
    """Return what is known of `parent`, a trial's number in `study` or a checkpoint's folder.

    A folder needs no study. Raises `InputError` where there is no such trial or folder, or the
    trial has no model yet.
    """
    if isinstance(parent, str | os.PathLike):
        path = _resolved(parent)
        return Parent(Lineage(parent_folder=str(path)), _checked_folder(path), "python")
    lineage = Lineage(parent_trial=trial_number(parent))
    if study is None:
        raise InputError(f"parent={parent!r} is a trial's number; name its study")
    return Parent(lineage, parent_folder(study, lineage), study.trial(parent).corpus)


def parent_folder(study: Study, lineage: Lineage) -> Path:
    """Return the folder of the parent's checkpoint; raises `InputError` where there is none."""
    if lineage.parent_trial is None:
        return _checked_folder(Path(str(lineage.parent_folder)))
    trial = study.trial(lineage.parent_trial)
    folder = study.directory(trial.number)
    if not trial.finished:
        raise InputError(
            f"trial {trial.number} is {trial.state}: its model isn't trained yet; wait until it is "
            "complete, then prune it"
        )
    if trial.state != "complete" or not (folder / _ARCHITECTURE).is_file():
        why = f" ({trial.reason})" if trial.reason else ""
        raise InputError(f"trial {trial.number} is {trial.state}{why}: there is no model to prune")
    if not (folder / _WEIGHTS).is_file():
        raise InputError(
            f"trial {trial.number}: {folder / _WEIGHTS} is gone; put it back or train the model "
            "again, then prune it"
        )
    return folder


def _resolved(folder: str | os.PathLike[str]) -> Path:
    try:
        path = Path(folder).expanduser().resolve()
        path.is_dir()  # raises for a name that no folder can have
    except (OSError, RuntimeError, ValueError) as error:
        said = os.fspath(folder)
        said = said if len(said) <= _SHOWN else said[:_SHOWN] + "…"
        raise InputError(f"parent={said!r} names no folder: {error}") from None
    return path


def _checked_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} to prune a model of")
    return folder
