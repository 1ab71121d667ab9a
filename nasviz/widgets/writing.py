"""What a trial's model writes on from a prompt, for the training tab."""

from __future__ import annotations

import subprocess
import sys

from nasviz.errors import RunError
from nasviz.study.study import Study

GENERATE_S = 120.0


def written_by(study: Study, number: int, prompt: str) -> str:
    """Return `prompt` and what a trial's model writes after it.

    A process of its own generates, so that the kernel stays free of torch. Raises `RunError` with
    what that process said where it failed.
    """
    command = [sys.executable, "-m", "nasviz.cli", "generate", str(study.directory(number))]
    done = subprocess.run(
        [*command, f"--prompt={prompt}"],  # in one word: a prompt may begin with a dash
        capture_output=True,
        text=True,
        timeout=GENERATE_S,
        check=False,
    )
    if done.returncode != 0:
        raise RunError(done.stderr.strip() or f"generating ended with code {done.returncode}")
    return done.stdout
