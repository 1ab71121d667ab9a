"""Servers that a test starts: installed commands, free ports, and waiting for the first answer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def installed(command: str) -> str:
    """Return the path of a command that is installed beside the running Python."""
    return str(Path(sys.executable).with_name(command))


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str],
    answers_at: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, its output in `log`, from its first answer at an address to the block's end.

    It gets this process's environment and folder unless it is given its own.

    Raises `RuntimeError` with the log's end where it does not answer within a minute.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=dict(environment or os.environ), cwd=folder, stdout=output, stderr=output
        )
        try:
            _wait_for_an_answer(answers_at, process, log)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_an_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended at once:\n{log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(url, timeout=20).close()
        except urllib.error.HTTPError:  # it wants a token: it answers
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{url} did not answer within a minute:\n{log.read_text()[-3000:]}")
