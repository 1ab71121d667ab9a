"""JupyterLab, opened on the explorer."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

from nasviz.errors import InputError
from nasviz.jupyter.notebooks import copy_notebooks


def lab_command(
    notebook: str, port: int, no_browser: bool, others: Sequence[str] = ()
) -> list[str]:
    """Return the command line that opens JupyterLab on `notebook`, token security left on."""
    command = [sys.executable, "-m", "jupyterlab", notebook, f"--port={port}"]
    # The address that Jupyter prints leads to its default page, not to the notebook it was given.
    command.append(f"--LabApp.default_url=/lab/tree/{quote(Path(notebook).name)}")
    # Jupyter refuses to run as root without being told to; containers and Binder run as root.
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in others:
        command.append("--allow-root")
    if no_browser:
        command.append("--no-browser")
    return [*command, *others]


def open_lab(folder: str, port: int, no_browser: bool, others: Sequence[str]) -> NoReturn:
    """Copy the notebooks to `folder` and become JupyterLab: its signals and exit code are ours.

    Raises `InputError` for a port that is none and a folder that can't be written.
    """
    if not 0 <= port <= 65_535:
        raise InputError(f"--port={port} is no port; allowed: 0 to 65535")
    notebook = copy_notebooks(folder)
    print(f"nasviz: opening {notebook}", file=sys.stderr, flush=True)
    command = lab_command(str(notebook), port, no_browser, others)
    os.execv(command[0], command)
