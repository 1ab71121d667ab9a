from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from glob import glob
from pathlib import Path

import pytest

from nasviz import Architecture, Candidate, Study

PG_BINARIES = next(iter(sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)), None)


@pytest.fixture
def candidate() -> Candidate:
    return Candidate(
        Architecture(n_layers=3, d_model=22, n_heads=11, vocab_size=257, context_length=13)
    )


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL database: the one at NASVIZ_TEST_POSTGRES, else a server of our own."""
    given = os.environ.get("NASVIZ_TEST_POSTGRES")
    if given:
        yield given
        return
    if PG_BINARIES is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql, or set NASVIZ_TEST_POSTGRES")
    folder = Path("/tmp") / f"nasviz-postgres-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The server refuses to run as root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    user = user if os.geteuid() == 0 else []
    data = str(folder / "data")
    control = [*user, f"{PG_BINARIES}/pg_ctl", "-D", data]
    options = f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"
    init = [*user, f"{PG_BINARIES}/initdb", "-D", data, "-U", "nasviz", "-A", "trust"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
    log = str(folder / "log")
    start = [*control, "-w", "-l", log, "-o", options, "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL)
    try:
        yield f"postgresql://nasviz@127.0.0.1:{port}/postgres"
    finally:
        stop = [*control, "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Study]:
    """Opens the test's own study, anew each time, in each kind of storage."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if request.param == "sqlite":
        return lambda: Study.open(f"sqlite:///{tmp_path / 'study.db'}")
    url = request.getfixturevalue("postgres_url")
    return lambda: Study.open(url, name=request.node.name)
