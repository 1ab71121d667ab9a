"""One trial from its claim to its end, in this process. The only room of execution with torch."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from nasviz.corpus.corpus import Corpus, corpus_names, open_corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.errors import NasvizError
from nasviz.evaluation.expert_load import measure_expert_load
from nasviz.evaluation.latency import measure
from nasviz.evaluation.policy_score import score_policy
from nasviz.evaluation.scoring import Score, score
from nasviz.execution.dynamic_results import dynamic_results
from nasviz.execution.memory import check_memory
from nasviz.execution.reporter import Control, Reporter
from nasviz.execution.results import plain, versions
from nasviz.execution.samples import write_samples
from nasviz.model.transformer import Transformer
from nasviz.space.candidate import Candidate
from nasviz.study import queue
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.engine import join_processes, leave_processes, load_deepspeed
from nasviz.training.plan import TrainingPlan
from nasviz.training.trainer import TrainingResult, train_candidate

# How much of each held-out part is scored (all of it where it is smaller): enough that the text's
# own spread is far below the gaps between candidates, little enough that scoring costs a fraction
# of a minute's training. The same words under every vocabulary.
SEARCH_BYTES = 1 << 15
TEST_BYTES = 1 << 16

LATENCY_ROUNDS = 3
STORE_AGAIN_S = 5.0

log = logging.getLogger("nasviz.worker")


def warm_up() -> None:
    """Load what the first trial would otherwise wait for."""
    load_deepspeed()
    join_processes()


def close() -> None:
    """Leave the process group: at the end of the process, not between its trials."""
    leave_processes()


def run_trial(study: Study, trial: Trial, stopping: Callable[[], bool]) -> None:
    """Train a claimed trial and store what comes of it: a result, or a failure with its reason.

    Raises nothing that a trial can cause. Where `stopping` turns true, the trial is put back among
    the waiting ones, to go on from its checkpoint.
    """
    log.info("trial %d: %s", trial.number, trial.candidate.architecture.title)
    reporter = Reporter(study, trial.number)
    control = Control(study, trial.number, stopping)
    try:
        state = _train(study, trial, reporter, control, stopping)
    except NasvizError as error:
        log.warning("trial %d failed: %s", trial.number, error)
        _fail(study, trial, reporter, _reason(error), stopping)
    except Exception as error:
        # Whatever a candidate brings about is its result; the log keeps the traceback.
        log.exception("trial %d failed", trial.number)
        _fail(study, trial, reporter, f"{type(error).__name__}: {error}", stopping)
    else:
        _stored(lambda: _settle(study, trial, state, stopping()), stopping)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _train(
    study: Study,
    trial: Trial,
    reporter: Reporter,
    control: Control,
    stopping: Callable[[], bool],
) -> str:
    """Return "complete" (the result is stored), "paused" or "cancelled"."""
    directory = study.directory(trial.number)
    if trial.attempts <= 1:
        # Left by a study of the same name that was deleted: none of this trial's.
        shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    architecture = trial.candidate.architecture
    corpus = _corpus(trial.corpus, _signature(trial.corpus))
    tokenized = tokenize(corpus, architecture.vocab_size)
    plan = TrainingPlan.from_json(dict(trial.plan))
    check_memory(trial.candidate, plan, tokenized.bytes_per_token())
    finish = _Finish(trial.candidate, tokenized, directory)
    outcome = train_candidate(
        trial.candidate,
        plan,
        tokenized,
        directory=directory,
        report=reporter,
        control=control,
        score=finish,
    )
    reporter.flush()
    if outcome.state == "complete":
        result = _result(trial, corpus, outcome, finish)
        _stored(lambda: queue.complete(study, trial.number, result), stopping)
    return outcome.state


def _stored(store: Callable[[], None], stopping: Callable[[], bool]) -> None:
    """Store what took long to get, tried again while the study can't be written (a full disk)."""
    while True:
        try:
            return store()
        except NasvizError as error:  # noqa: PERF203 (trying again is what the loop is for)
            if stopping():
                raise
            log.warning("not stored, trying again in %g s: %s", STORE_AGAIN_S, error)
            time.sleep(STORE_AGAIN_S)


class _Finish:
    """What is done with the trained model, the `score` of `train_candidate`.

    Scores the search part, which strategies see, and the test part, which is reported, under the
    candidate's policy where it has one, and how its experts share the text; keeps the tokenizer
    beside the weights, and some generated text.
    """

    def __init__(self, candidate: Candidate, tokenized: TokenizedCorpus, directory: Path) -> None:
        self.candidate = candidate
        self.tokenized = tokenized
        self.directory = directory
        self.search: Score | None = None
        self.samples: list[dict[str, str]] = []
        self.dynamic: dict[str, Any] = {}
        self.experts: dict[str, Any] = {}

    def __call__(self, model: Any) -> Score:
        self.tokenized.tokenizer.save(self.directory)
        test = score(model, self.tokenized, "test", max_bytes=TEST_BYTES)
        if isinstance(model, Transformer):
            self.samples = write_samples(model, self.tokenized)
            if model.architecture.experts > 1:
                load = measure_expert_load(model, self.candidate.inference, self.tokenized)
                self.experts = {"expert_load": load.to_json()}
            if self.candidate.inference:
                return self._under_policy(model, test)
        self.search = score(model, self.tokenized, "search", max_bytes=SEARCH_BYTES)
        return test

    def _under_policy(self, model: Transformer, static: Score) -> Score:
        """Return the test part's score under the policy, and keep what else is measured of it."""
        policy, text = self.candidate.inference, self.tokenized
        self.search = score_policy(model, policy, text, "search", max_bytes=SEARCH_BYTES).score
        test = score_policy(model, policy, text, "test", max_bytes=TEST_BYTES)
        self.dynamic = dynamic_results(
            model, self.candidate, text, self.directory, test, static.bits_per_byte
        )
        return test.score


def _result(
    trial: Trial, corpus: Corpus, outcome: TrainingResult, finish: _Finish
) -> dict[str, Any]:
    """Return the result as it is stored: plain JSON values."""
    test, search = outcome.score, finish.search
    assert isinstance(test, Score)
    assert search is not None
    observed = Observed.from_json(finish.dynamic.get("observed", {}))
    cost = estimate(trial.candidate, observed=observed)
    return {
        "bits_per_byte": test.bits_per_byte,
        "perplexity": test.perplexity,
        "accuracy": test.accuracy,
        "tokens": outcome.tokens,
        "bytes": outcome.bytes,
        "epochs": outcome.epochs,
        "seconds": outcome.seconds,
        "parameters": outcome.parameters,
        "corpus_sha256": corpus.sha256,
        "seed": outcome.seed,
        "trial": trial.number,
        "search_bits_per_byte": search.bits_per_byte,
        "test_score": test.to_json(),
        "search_score": search.to_json(),
        "steps": outcome.steps,
        "loss": outcome.loss,
        "plateau": outcome.plateau,
        "recipe": outcome.recipe,
        "time_per_output_token_s": plain(cost.latency.time_per_output_token_s),
        "cost_hardware": cost.hardware.name,
        **_measured(trial),
        "versions": {**versions(), **outcome.versions},
        "device": outcome.device,
        "threads": outcome.threads,
        "samples": finish.samples,
        **finish.experts,
        **finish.dynamic,
    }


def _measured(trial: Trial) -> dict[str, Any]:
    """Return the time per token measured on this device, as a result; `{}` where it can't be.

    For the default workload, cut to the candidate's context. Whatever else the machine does then is
    in it.
    """
    architecture = trial.candidate.architecture
    workload = Workload().fitted_to(architecture.context_length)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        (found,) = measure([architecture], workload, rounds=LATENCY_ROUNDS, device=device)
    except NasvizError as error:
        log.warning("trial %d: its latency was not measured: %s", trial.number, error)
        return {}
    return {"measured_time_per_output_token_s": found.time_per_output_token_s}


def _settle(study: Study, trial: Trial, state: str, leaving: bool) -> None:
    if state == "paused" and leaving:
        queue.wait_again(study, trial.number, ("running",))
    elif state == "paused":
        queue.pause(study, trial.number)
    elif state == "cancelled":
        queue.cancel(study, trial.number)
    log.info("trial %d: %s", trial.number, state)


def _fail(
    study: Study, trial: Trial, reporter: Reporter, reason: str, stopping: Callable[[], bool]
) -> None:
    reporter.flush()
    _stored(lambda: queue.fail(study, trial.number, reason), stopping)


def _reason(error: NasvizError) -> str:
    """Return what is stored of a failure: its short reason first, where it has one."""
    short = getattr(error, "reason", "")
    return f"{short}: {error}" if short else str(error)


def _signature(corpus: str) -> tuple[int, int]:
    """Return what changes when a corpus's file does; a folder is read anew each time."""
    if corpus in corpus_names():
        return (0, 0)
    status = os.stat(corpus)
    return (status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2)
def _file_corpus(name: str, signature: tuple[int, int]) -> Corpus:
    return open_corpus(name)


def _corpus(name: str, signature: tuple[int, int]) -> Corpus:
    """Return the corpus, kept from trial to trial unless it is a folder, which may change."""
    return open_corpus(name) if os.path.isdir(name) else _file_corpus(name, signature)
