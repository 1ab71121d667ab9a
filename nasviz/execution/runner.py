"""One trial from its claim to its end, in this process. The only room of execution with torch."""

from __future__ import annotations

import logging
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from nasviz.corpus.corpus import Corpus, corpus_names, open_corpus
from nasviz.corpus.tokenized import tokenize
from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.errors import NasvizError
from nasviz.evaluation.scoring import Score
from nasviz.execution import pruned_start
from nasviz.execution.finish import FINISHES, Finish
from nasviz.execution.memory import check_memory
from nasviz.execution.reporter import Control, Reporter
from nasviz.execution.results import plain, versions
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.space.architecture import Architecture
from nasviz.study import queue
from nasviz.study.lineage_cost import training_flops_per_token
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training import resume
from nasviz.training.engine import join_processes, leave_processes, load_deepspeed
from nasviz.training.plan import TrainingPlan
from nasviz.training.threads import idle_cores
from nasviz.training.trainer import TrainingResult, left_as_it_is, train_candidate

STORE_AGAIN_S = 5.0

log = logging.getLogger("nasviz.worker")


def warm_up() -> None:
    """Load what the first trial would otherwise wait for."""
    load_deepspeed()
    join_processes()


def close() -> None:
    """Leave the process group: at the end of the process, not between its trials."""
    leave_processes()


def tidy_cancelled(study: Study) -> None:
    """Let go of what cancelled trials would have gone on from: some were while no worker was by."""
    for trial in study.trials(states=("cancelled",)):
        pruned_start.tidy(study.directory(trial.number))
        resume.forget(study.directory(trial.number))


def run_trial(study: Study, trial: Trial, stopping: Callable[[], bool]) -> None:
    """Train a claimed trial and store what comes of it: a result, or a failure with its reason.

    Raises nothing that a trial can cause. Where `stopping` turns true, the trial is put back among
    the waiting ones, to go on from its checkpoint.
    """
    log.info("trial %d: %s", trial.number, trial.candidate.architecture.title)
    reporter = Reporter(study, trial.number)
    control = Control(study, trial.number, stopping)
    state = "failed"
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
    if state != "paused":
        pruned_start.tidy(study.directory(trial.number))
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
    plan = TrainingPlan.from_json(dict(trial.plan))
    start = None
    if trial.lineage is not None:
        # Training settles this too, but cutting computes before, and would do so as the last trial.
        torch.set_num_threads(plan.threads or idle_cores())
        test_bytes = FINISHES[plan.measured].test_bytes
        start = pruned_start.prepare(study, trial, corpus, directory, test_bytes, control)
        if start is None:
            return "cancelled" if control.command == "cancel" else "paused"
        if start.sizes != architecture:
            trial = _with_sizes(study, trial, start.sizes, stopping)
    tokenized = tokenize(corpus, architecture.vocab_size) if start is None else start.tokenized
    finish = FINISHES[plan.measured](trial.candidate, tokenized, directory)
    if start is not None and trial.lineage is not None and trial.lineage.heal == "none":
        save_checkpoint(load_checkpoint(start.healing.start), directory)
        outcome = left_as_it_is(directory, finish)
    else:
        parent = None if start is None else start.parent
        plan = plan if start is None else start.settled(plan)
        check_memory(trial.candidate, plan, tokenized.bytes_per_token(), parent)
        outcome = train_candidate(
            trial.candidate,
            plan,
            tokenized,
            directory=directory,
            report=reporter,
            control=control,
            score=finish,
            healing=None if start is None else start.healing,
        )
    reporter.flush()
    if outcome.state == "complete":
        result = _result(trial, corpus, outcome, finish, {} if start is None else start.facts)
        pruned_start.leave_kept(directory)
        _stored(lambda: queue.complete(study, trial.number, result), stopping)
    return outcome.state


def _with_sizes(
    study: Study, trial: Trial, sizes: Architecture, stopping: Callable[[], bool]
) -> Trial:
    """Return the trial with the sizes that a search of its layers came to, stored."""
    candidate = replace(trial.candidate, architecture=sizes)
    _stored(lambda: queue.found(study, trial.number, candidate), stopping)
    return replace(trial, candidate=candidate)


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


def _result(
    trial: Trial,
    corpus: Corpus,
    outcome: TrainingResult,
    finish: Finish,
    pruned: dict[str, Any],
) -> dict[str, Any]:
    """Return the result as it is stored: plain JSON values."""
    test, search = outcome.score, finish.search
    assert isinstance(test, Score)
    assert search is not None
    observed = Observed.from_json(finish.found.get("observed", {}))
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
        "loss": outcome.loss if math.isfinite(outcome.loss) else None,
        "plateau": outcome.plateau,
        "recipe": outcome.recipe,
        "time_per_output_token_s": plain(cost.latency.time_per_output_token_s),
        "flops_decode_per_token": plain(cost.flops.decode_per_token),
        "cost_hardware": cost.hardware.name,
        "training_flops": _training_flops(trial, outcome.tokens, pruned),
        **({"pruned": pruned} if pruned else {}),
        "versions": {**versions(), **outcome.versions},
        "device": outcome.device,
        "threads": outcome.threads,
        **finish.found,
    }


def _training_flops(trial: Trial, tokens: int, pruned: dict[str, Any]) -> float:
    """Return the FLOPs of the training's forward and backward passes, its teacher's included."""
    parent = Architecture.from_json(pruned["parent_architecture"]) if pruned else None
    return training_flops_per_token(trial.candidate, trial.plan, parent) * tokens


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
