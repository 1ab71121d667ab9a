"""JupyterLab, opened on the explorer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from nasviz.errors import InputError
from nasviz.jupyter.notebooks import copy_notebooks


def lab_command(
    notebook: str, port: int, no_browser: bool, others: Sequence[str] = ()
) -> list[str]:
    """Return the command line that opens JupyterLab on `notebook`, token security left on."""
    command = [sys.executable, "-m", "jupyterlab", notebook, f"--port={port}"]
    # Jupyter refuses to run as root without being told to; containers and Binder run as root.
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in others:
        command.append("--allow-root")
    if no_browser:
        command.append("--no-browser")
    return [*command, *others]


def open_lab(folder: str, port: int, no_browser: bool, others: Sequence[str]) -> int:
    """Copy the notebooks to `folder`, run JupyterLab there and return its exit code."""
    if not 0 <= port <= 65_535:
        raise InputError(f"--port={port} is no port; allowed: 0 to 65535")
    notebook = copy_notebooks(folder)
    print(f"nasviz: opening {notebook}", file=sys.stderr)
    return subprocess.call(lab_command(str(notebook), port, no_browser, others))
