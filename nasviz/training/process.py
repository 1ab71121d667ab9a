"""One process of a run of several: `python -m nasviz.training.process FOLDER`.

RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT come from whoever starts it. The first
process writes a line of JSON for every report and one for the end, and reads "pause" or "cancel"
from its standard input; when that closes, its starter is gone, and it saves and ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nasviz.errors import NasvizError
from nasviz.training.engine import leave_processes
from nasviz.training.job import read_job
from nasviz.training.loop import COMMANDS, first_model, run
from nasviz.training.progress import Command, Control


class Orders:
    """The latest command on standard input."""

    def __init__(self) -> None:
        self._latest: Command = "go"
        threading.Thread(target=self._listen, daemon=True).start()

    def __call__(self) -> Command:
        """Return "go" until told otherwise."""
        return self._latest

    def _listen(self) -> None:
        for line in sys.stdin:
            for command in COMMANDS:
                if line.strip() == command:
                    self._latest = command
        if self._latest == "go":
            self._latest = "pause"


def _go() -> Command:
    return "go"


def say(message: dict[str, Any]) -> None:
    """Write one line of JSON."""
    print(json.dumps(message), flush=True)


def main(folder: str) -> int:
    """Run this process's share of the job in `folder`; return the exit code."""
    first = os.environ["RANK"] == "0"
    job = read_job(Path(folder))
    orders: Control = Orders() if first else _go
    try:
        outcome = run(
            job, first_model(job), lambda progress: say({"progress": progress.to_json()}), orders
        )
    except NasvizError as error:
        if first:
            say({"failure": str(error), "reason": getattr(error, "reason", "failed")})
        print(error, file=sys.stderr)
        return error.exit_code
    if first:
        say({"outcome": asdict(outcome)})
    leave_processes()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
