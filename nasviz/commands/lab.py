"""`nasviz lab`: JupyterLab on a writable copy of the explorer notebook."""

from __future__ import annotations

import argparse
from typing import NoReturn

HELP = """Open JupyterLab on the explorer notebook.

The notebooks are copied into ./nasviz-notebooks (yours are never overwritten). Options that
nasviz does not know are handed to JupyterLab. The server keeps its usual token."""

PASSES_THE_REST_ON = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--folder", default="nasviz-notebooks", help="where the notebooks go")
    parser.add_argument("--port", type=int, default=8888, help="first port to try")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")


def run(arguments: argparse.Namespace) -> NoReturn:
    """Copy the notebooks and become JupyterLab."""
    from nasviz.jupyter.lab import open_lab

    open_lab(arguments.folder, arguments.port, arguments.no_browser, tuple(arguments.others))
