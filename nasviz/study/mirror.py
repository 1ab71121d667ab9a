"""The Optuna study underneath: what samplers and `optuna-dashboard` see of each trial.

Each trial carries its candidate as one JSON attribute (a categorical's choices can't change within
an Optuna study), its sizes in words as the attribute `model`, its parameters where a strategy
proposed it, and, when it is complete, the study's objectives. The objective `bits_per_byte` is that
of the *search* part of the text, the one strategies may see; the reported figure of the test part
is the attribute `test_bits_per_byte`.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import json_to_distribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.layer_sizes import span
from nasviz.study.database import Database, engine_options, engine_url, tune

_VERBOSITY = threading.RLock()
METRICS_KEY = "study:metric_names"  # where Optuna and its dashboard look for them
# A result's name, and the attribute that shows it: Optuna calls a trial's settings "parameters".
SHOWN_RESULTS = {
    "perplexity": "perplexity",
    "accuracy": "accuracy",
    "tokens": "training_tokens",
    "seconds": "training_seconds",
    "parameters": "model_parameters",
}


class Mirror:
    """Optuna's storage of one study; every call is retried and explained by `database`."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self._storage: RDBStorage | None = None

    @property
    def storage(self) -> RDBStorage:
        """Optuna's storage, opened on first use (this is what takes time in opening a study)."""
        if self._storage is None:
            location = self.database.location
            url, options = engine_url(location), engine_options(location)
            with _quiet():
                storage = self.database.attempt(lambda: RDBStorage(url, engine_kwargs=options))
            tune(storage.engine)
            self._storage = storage
        return self._storage

    def ensure(self, objectives: Sequence[str]) -> int:
        """Return the study's id, creating it with these objectives, all minimised, if need be."""
        storage = self.storage

        def create() -> int:
            study = optuna.create_study(
                storage=storage,
                study_name=self.name,
                directions=[StudyDirection.MINIMIZE] * len(objectives),
                load_if_exists=True,
            )
            if METRICS_KEY not in storage.get_study_system_attrs(study._study_id):
                # What `study.set_metric_names` does, without its warning that it is experimental:
                # a warning can't be kept from users here, filters being those of all threads.
                storage.set_study_system_attr(study._study_id, METRICS_KEY, list(objectives))
            return int(study._study_id)

        with _quiet():
            return self.database.attempt(create)

    def add(
        self, study_id: int, attributes: Mapping[str, Any], proposal: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Store a waiting trial; return its id and its number in the study."""
        distributions = {
            name: json_to_distribution(text)
            for name, text in proposal.get("distributions", {}).items()
        }
        template = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.WAITING,
            value=None,
            datetime_start=None,
            datetime_complete=None,
            params=dict(proposal.get("params", {})),
            distributions=distributions,
            user_attrs=dict(attributes),
            system_attrs={},
            intermediate_values={},
        )
        storage = self.storage
        trial_id = self.database.attempt(lambda: storage.create_new_trial(study_id, template))
        return trial_id, storage.get_trial(trial_id).number

    def found(self, trial_id: int, candidate: Candidate) -> None:
        """Tell Optuna the candidate that a trial's own search came to."""
        self._set_attribute(trial_id, "candidate", candidate.to_json())
        self._set_attribute(trial_id, "model", in_words(candidate.architecture))

    def started(self, trial_id: int) -> None:
        """Tell Optuna that the trial runs."""
        self._set_state(trial_id, TrialState.RUNNING)

    def failed(self, trial_id: int, reason: str) -> None:
        """Tell Optuna that the trial failed or was cancelled, and why."""
        self._set_attribute(trial_id, "reason", reason)
        self._set_state(trial_id, TrialState.FAIL)

    def completed(
        self, trial_id: int, objectives: Sequence[str], result: Mapping[str, Any]
    ) -> None:
        """Tell Optuna the objectives' values; without a finite one of each, the trial failed."""
        values = [float(result.get(name, math.nan)) for name in objectives]
        if "bits_per_byte" in objectives and "search_bits_per_byte" in result:
            values[objectives.index("bits_per_byte")] = float(result["search_bits_per_byte"])
        if not all(math.isfinite(value) for value in values):
            missing = [n for n, v in zip(objectives, values, strict=True) if not math.isfinite(v)]
            self.failed(trial_id, f"no value of {', '.join(missing)}")
            return
        if "bits_per_byte" in result:
            self._set_attribute(trial_id, "test_bits_per_byte", float(result["bits_per_byte"]))
        for name, shown in SHOWN_RESULTS.items():
            if name in result:
                self._set_attribute(trial_id, shown, result[name])
        self._set_state(trial_id, TrialState.COMPLETE, values)

    def _set_state(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> None:
        storage = self.storage

        def change() -> None:
            # Optuna's record of a finished trial is final: a worker that was killed between its
            # two writes finds it so when the trial is finished again.
            with contextlib.suppress(UpdateFinishedTrialError):
                storage.set_trial_state_values(trial_id, state, values)

        self.database.attempt(change)

    def _set_attribute(self, trial_id: int, key: str, value: Any) -> None:
        storage = self.storage

        def change() -> None:
            with contextlib.suppress(UpdateFinishedTrialError):
                storage.set_trial_user_attr(trial_id, key, value)

        self.database.attempt(change)

    def close(self) -> None:
        """Close Optuna's connections."""
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()
            self._storage = None


def in_words(architecture: Architecture) -> str:
    """Return the sizes of a model for a reader: `2 layers × 128 wide, heads 4, …`."""
    return (
        f"{architecture.title}, heads {span(architecture.sizes_by_layer, 'n_heads')}, "
        f"vocabulary {architecture.vocab_size:,}, context {architecture.context_length}"
    )


def metric_names(value_json: str | None) -> tuple[str, ...]:
    """Return the objectives' names from the stored attribute; `()` where there is none."""
    return () if value_json is None else tuple(str(each) for each in json.loads(value_json))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's notes on created studies off the terminal.

    One thread at a time: the verbosity is the process's, and another would restore it too early.
    """
    with _VERBOSITY:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(verbosity)
