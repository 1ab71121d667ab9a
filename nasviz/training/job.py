"""`Job`: all that a process needs to train one model, as plain data and arrays."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.training.healing import Healing
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import Recipe, flops_per_token_of, recipe_for
from nasviz.training.windows import Tokens

# Two texts of one length that begin with so many equal tokens are taken for the same.
BEGINNING_TOKENS = 4_096


@dataclass(frozen=True)
class Job:
    """One run: what is trained, how, on which tokens, and where its state is kept.

    `train` and `held_out` are ids, shape (n,); `token_bytes` (vocab_size,) the bytes of each id.
    The plan's precision and threads are settled: every process gets the same. With `healing` the
    first weights are a pruned model's; else they are drawn from the plan's seed.
    """

    candidate: Candidate
    plan: TrainingPlan
    train: Tokens
    held_out: Tokens
    token_bytes: NDArray[np.int64]
    directory: Path
    healing: Healing | None = None

    @property
    def architecture(self) -> Architecture:
        """The sizes of what is trained."""
        return self.candidate.architecture

    @property
    def policy(self) -> InferencePolicy:
        """How it will be run, which its training prepares for."""
        return self.candidate.inference

    @property
    def changes_matrices(self) -> bool:
        """Whether matrices are other modules while they learn than in the model that is left."""
        holds_zeros = self.healing is not None and self.healing.holds_zeros
        return bool(self.plan.lora_rank) or self.plan.quantization_aware or holds_zeros

    @property
    def recipe(self) -> Recipe:
        """What the plan comes to for this candidate and text."""
        return recipe_for(
            self.architecture,
            self.plan,
            bytes_per_token=self.bytes_of(len(self.train)) / len(self.train),
            flops_per_token=flops_per_token_of(self.candidate),
        )

    def bytes_of(self, n_tokens: int) -> int:
        """Return about how many bytes of text `n_tokens` training tokens stand for."""
        known = self.train[: min(len(self.train), 1_000_000)]
        return round(float(self.token_bytes[known].mean()) * n_tokens)

    @property
    def owner(self) -> str:
        """Sixteen hex digits: equal for runs that may go on from each other's state.

        Threads don't count: how many cores are idle changes from one sitting to the next. The
        text counts by its length and its beginning.
        """
        plan = {name: value for name, value in self.plan.to_json().items() if name != "threads"}
        beginning = np.ascontiguousarray(self.train[:BEGINNING_TOKENS], dtype=np.int64)
        told: list[object] = [self.candidate.to_json(), plan, len(self.train), beginning.tolist()]
        if self.healing is not None:
            told.append(str(self.healing.parent.resolve()))
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def write_job(job: Job, folder: Path) -> None:
    """Write `job` into `folder` for the processes that will read it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "held_out", "token_bytes"):
        np.save(folder / f"{name}.npy", getattr(job, name), allow_pickle=False)
    description = {
        "candidate": job.candidate.to_json(),
        "plan": job.plan.to_json(),
        "directory": str(job.directory.resolve()),
        "healing": None if job.healing is None else job.healing.to_json(),
    }
    (folder / "job.json").write_text(json.dumps(description))


def read_job(folder: Path) -> Job:
    """Return the job that `write_job` wrote; its arrays are memory-mapped."""
    description = json.loads((folder / "job.json").read_text())
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("train", "held_out", "token_bytes")
    }
    healing = description["healing"]
    return Job(
        candidate=Candidate.from_json(description["candidate"]),
        plan=TrainingPlan.from_json(description["plan"]),
        directory=Path(description["directory"]),
        healing=None if healing is None else Healing.from_json(healing),
        **arrays,
    )
