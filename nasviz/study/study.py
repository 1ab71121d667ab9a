"""`Study`: a named, stored set of trials, an Optuna study underneath."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasviz.errors import InputError, unknown_name
from nasviz.space.candidate import Candidate
from nasviz.study.location import locate
from nasviz.study.trial import REQUESTS, STATES, Request, Trial, TrialState, trial_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nasviz.space.lineage import Lineage
    from nasviz.study.database import Database
    from nasviz.study.mirror import Mirror
    from nasviz.study.workers import Worker

OBJECTIVES = ("bits_per_byte", "time_per_output_token_s")
LOOK_FOR_DEAD_S = 1.0  # how often reading trials also looks whether their worker lives


class Study:
    """A named, stored set of trials; get one with `Study.open`.

    Everything is in the database, nothing in this object: any number of processes and threads may
    hold the same study open, and each read shows what all of them wrote.

    >>> study = Study.open("sqlite:////tmp/doctest.db")              # doctest: +SKIP
    >>> trial = study.add(candidate, corpus="python")                # doctest: +SKIP
    >>> study.trial(trial.number).state                              # doctest: +SKIP
    'waiting'
    """

    def __init__(
        self,
        name: str,
        id: int,
        objectives: tuple[str, ...],
        database: Database,
        mirror: Mirror,
    ) -> None:
        self.name = name
        self.id = id
        self.objectives = objectives
        self.database = database
        self.mirror = mirror
        self._looked = 0.0

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str] | None = None,
        name: str = "nasviz",
        *,
        objectives: Sequence[str] = OBJECTIVES,
    ) -> Study:
        """Return the study `name` at `url`, made if it is not there.

        `url` is `sqlite:///file.db`, a file's path, `postgresql://…`, or None for `nasviz.db` in
        the current folder. `objectives` name what a new study minimises; an existing one keeps
        its own. Raises `InputError` for an address that can't hold a study, and leaves whatever
        is there unharmed.
        """
        _check_name(name)
        location = locate(url)
        # SQLAlchemy and Optuna load here, so that importing this module stays light.
        from nasviz.study.database import Database
        from nasviz.study.mirror import Mirror
        from nasviz.study.schema import prepare

        database = Database(location)
        mirror = Mirror(database, name)
        study_id, stored = prepare(database, mirror, name, tuple(objectives))
        return cls(name, study_id, stored, database, mirror)

    @property
    def url(self) -> str:
        """The database's URL, with an absolute path: what another process opens."""
        return self.database.location.url

    @property
    def home(self) -> Path:
        """The folder of this study's checkpoints, logs and locks; made when it is first needed."""
        base = self.database.location.directory
        return base if self.name == "nasviz" else base / re.sub(r"[^\w.-]", "_", self.name)

    def directory(self, number: int) -> Path:
        """Return the folder of a trial's checkpoint, tokenizer and samples; not made here.

        Raises `InputError` where there is no such trial.
        """
        self.trial_id(number)
        return self.home / f"{number:06d}"

    def add(
        self,
        candidate: Candidate,
        plan: object = None,
        corpus: str = "python",
        origin: str = "user",
        *,
        proposal: Mapping[str, Any] | None = None,
        lineage: Lineage | None = None,
    ) -> Trial:
        """Store a waiting trial and return it; a worker that serves the study takes it.

        `plan` is a `TrainingPlan` or its JSON; a corpus that is a path is stored as an absolute
        one; with a `lineage` the candidate is not trained from new but pruned from a parent. Safe
        while other processes write.
        """
        return self.add_many(
            [(candidate, plan)], corpus, origin, proposals=[proposal or {}], lineages=[lineage]
        )[0]

    def add_many(
        self,
        rows: Iterable[tuple[Candidate, object]],
        corpus: str = "python",
        origin: str = "user",
        *,
        proposals: Sequence[Mapping[str, Any]] | None = None,
        lineages: Sequence[Lineage | None] | None = None,
    ) -> list[Trial]:
        """Store a waiting trial for each `(candidate, plan)`; return them in order."""
        from nasviz.study.corpus_name import settled_corpus
        from nasviz.study.mirror import in_words
        from nasviz.study.tables import TRIALS

        given = list(rows)
        corpus = settled_corpus(corpus)
        remembered = list(proposals) if proposals is not None else [{} for _ in given]
        parents = list(lineages) if lineages is not None else [None] * len(given)
        records: list[dict[str, Any]] = []
        for (candidate, plan), proposal, lineage in zip(given, remembered, parents, strict=True):
            plan_json = _plan_json(plan)
            attributes = {
                "candidate": candidate.to_json(),
                "model": in_words(candidate.architecture),
                "corpus": corpus,
                "origin": origin,
            }
            if lineage is not None:
                attributes["lineage"] = lineage.to_json()
            trial_id, number = self.mirror.add(self.id, attributes, proposal)
            now = time.time()
            records.append(
                {
                    "trial_id": trial_id,
                    "study_id": self.id,
                    "number": number,
                    "state": "waiting",
                    "plan": plan_json,
                    "corpus": corpus,
                    "origin": origin,
                    "proposal": json.dumps(dict(proposal)),
                    "created": now,
                    "updated": now,
                }
            )
        if records:
            self.database.write(lambda connection: connection.execute(TRIALS.insert(), records))
        return self.trials(numbers=[record["number"] for record in records])

    def trials(
        self,
        states: Sequence[TrialState] | None = None,
        *,
        numbers: Sequence[int] | None = None,
    ) -> list[Trial]:
        """Return the trials by number, only those in `states` or of these `numbers` where given."""
        from nasviz.study.rows import read_trials

        for state in states or ():
            if state not in STATES:
                raise unknown_name("trial state", state, STATES)
        self._look_for_dead_workers()
        return self.database.read(
            lambda connection: read_trials(connection, self.id, states, numbers)
        )

    def trial(self, number: int) -> Trial:
        """Return the trial of that number; raises `InputError` where there is none."""
        found = self.trials(numbers=[trial_number(number)])
        if not found:
            raise self._no_such_trial(number)
        return found[0]

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return all trials as arrays, shape `(n,)` each: see `nasviz.study.columns`."""
        from nasviz.study.columns import read_columns

        self._look_for_dead_workers()
        return self.database.read(lambda connection: read_columns(connection, self.id))

    def curve(self, number: int, *, after_step: int = -1) -> dict[str, NDArray[np.float64]]:
        """Return what a trial reported, shape `(n_rows,)` each, ordered by `step`.

        `step`, `n_steps`, `tokens`, `loss` (nats a token), `bits_per_byte` (NaN between two
        evaluations), `tokens_per_s`, `eta_s`, `memory_bytes`, `seconds`. `after_step` leaves out
        what was read before.
        """
        from nasviz.study.curves import read_curve

        trial_id = self.trial_id(number)
        return self.database.read(lambda connection: read_curve(connection, trial_id, after_step))

    def report(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store a batch of a trial's curve: one mapping a row, with the names of `curve`."""
        from nasviz.study.curves import write_rows

        trial_id = self.trial_id(number)
        self.database.write(lambda connection: write_rows(connection, trial_id, rows))

    def request(self, number: int, request: Request) -> Trial:
        """Ask to "pause", "resume" or "cancel" a trial; return it as it is then.

        A waiting or paused trial changes at once, a running one when its worker sees the request.
        Raises `InputError` where the trial's state leaves nothing to pause, resume or cancel.
        """
        from nasviz.study import queue

        if request not in REQUESTS:
            raise unknown_name("request", request, REQUESTS)
        self.trial_id(number)
        if request == "pause":
            done = queue.pause(self, number, ("waiting",)) or queue.ask(self, number, "pause")
        elif request == "resume":
            done = queue.wait_again(self, number) or queue.ask(self, number, "")
        else:
            done = queue.ask(self, number, "cancel") or queue.cancel(self, number)
        trial = self.trial(number)
        if not done:
            raise InputError(
                f"trial {number} is {trial.state}: there is nothing to {request}; "
                "train its candidate again to have another trial"
            )
        return trial

    def workers(self) -> list[Worker]:
        """Return the workers that serve this study or did, oldest first."""
        from nasviz.study.workers import read_workers

        return self.database.read(lambda connection: read_workers(connection, self.id))

    def revision(self) -> tuple[int, float]:
        """Return a value that changes whenever a trial does: one cheap read, for those who poll."""
        import sqlalchemy

        from nasviz.study.tables import TRIALS

        query = sqlalchemy.select(
            sqlalchemy.func.count(), sqlalchemy.func.max(TRIALS.c.updated)
        ).where(TRIALS.c.study_id == self.id)
        count, updated = self.database.read(lambda connection: connection.execute(query).one())
        return int(count), float(updated or 0.0)

    def trial_id(self, number: int) -> int:
        """Return Optuna's id of a trial; raises `InputError` where there is no such trial."""
        import sqlalchemy

        from nasviz.study.tables import TRIALS

        query = sqlalchemy.select(TRIALS.c.trial_id).where(
            TRIALS.c.study_id == self.id, TRIALS.c.number == trial_number(number)
        )
        found = self.database.read(lambda connection: connection.execute(query).scalar())
        if found is None:
            raise self._no_such_trial(number)
        return int(found)

    def close(self) -> None:
        """Close the connections; they open again on the next use."""
        self.database.close()
        self.mirror.close()

    def _no_such_trial(self, number: int) -> InputError:
        place = self.database.location.shown
        return InputError(
            f"trial={number!r}: no such trial in study {self.name!r} of {place}; it has {len(self)}"
        )

    def _look_for_dead_workers(self) -> None:
        if time.monotonic() - self._looked < LOOK_FOR_DEAD_S:
            return
        self._looked = time.monotonic()
        from nasviz.study.queue import notice_dead_workers

        notice_dead_workers(self)

    def __len__(self) -> int:
        return self.revision()[0]

    def __repr__(self) -> str:
        return f"Study({self.database.location.shown!r}, name={self.name!r})"


def _check_name(name: object) -> None:
    """Raise `InputError` for what can't name a study."""
    if not isinstance(name, str):
        raise InputError(f"a study's name is text, not {name!r}; the default is 'nasviz'")
    if not name.strip():
        raise InputError("the study's name is empty; the default is 'nasviz'")
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise InputError(f"the study's name {name!r} has a lone surrogate, which UTF-8 has not")


def _plan_json(plan: object) -> str:
    """Return the stored text of a plan given as None, a mapping or an object with `to_json`."""
    to_json = getattr(plan, "to_json", None)
    data = to_json() if callable(to_json) else plan
    if data is None:
        return "{}"
    if not isinstance(data, Mapping):
        raise InputError(f"plan={plan!r} is no TrainingPlan; leave it out for the default one")
    return json.dumps(dict(data))
