"""Parents of pruned trials: found by number or folder, or said why there is none. No torch."""

from __future__ import annotations

import os
from pathlib import Path

from nasviz.errors import InputError
from nasviz.space.lineage import Lineage
from nasviz.study.study import Study
from nasviz.study.trial import trial_number

# The file that every checkpoint of ours has: `nasviz.model.checkpoint.ARCHITECTURE`, without torch.
_ARCHITECTURE = "architecture.json"


def lineage_of(parent: int | str | os.PathLike[str], study: Study) -> Lineage:
    """Return the lineage of `parent`, a trial's number or a checkpoint's folder.

    Raises `InputError` where there is no such trial or folder, or the trial has no model yet.
    """
    if isinstance(parent, int):
        lineage = Lineage(parent_trial=trial_number(parent))
    else:
        lineage = Lineage(parent_folder=str(Path(parent).expanduser().resolve()))
    parent_folder(study, lineage)
    return lineage


def parent_folder(study: Study, lineage: Lineage) -> Path:
    """Return the folder of the parent's checkpoint; raises `InputError` where there is none."""
    if lineage.parent_trial is None:
        folder = Path(str(lineage.parent_folder))
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder} to prune a model of")
        return folder
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
    return folder
