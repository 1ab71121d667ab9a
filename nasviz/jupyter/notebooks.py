"""Where the shipped notebooks lie, and copies of them that a person may change."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from nasviz.errors import InputError

EXPLORER = "00_explorer.ipynb"


def shipped_notebooks() -> list[Path]:
    """Return the shipped notebooks, in order: those of the wheel, or of a source checkout."""
    packaged = files("nasviz").joinpath("notebooks")
    if packaged.is_dir():
        with as_file(packaged) as folder:
            return sorted(folder.glob("*.ipynb"))
    checkout = Path(__file__).resolve().parents[2] / "notebooks"
    return sorted(checkout.glob("*.ipynb"))


def copy_notebooks(folder: str | Path) -> Path:
    """Copy the shipped notebooks into `folder` and return the explorer's path there.

    A notebook that is already there is left as it is. Raises `InputError` where the folder can't
    be written.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for notebook in shipped_notebooks():
            if not (target / notebook.name).exists():
                shutil.copyfile(notebook, target / notebook.name)
    except OSError as error:
        raise InputError(
            f"the notebooks can't be written to {str(target)!r} ({error.strerror}); "
            "choose another place with --folder"
        ) from error
    return target / EXPLORER
