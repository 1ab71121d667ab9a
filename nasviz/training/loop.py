"""The training loop: one process's share of a run, step by step through DeepSpeed's engine."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import Literal

import psutil
import torch
import torch.distributed as dist

from nasviz.errors import RunError
from nasviz.model.checkpoint import load_checkpoint, save_checkpoint
from nasviz.model.dynamic.additions import build_model
from nasviz.model.initialise import initialise, zero_outputs
from nasviz.model.transformer import Transformer
from nasviz.quality.bits import bits_per_byte
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.training import adapters, resume
from nasviz.training.allocator import keep_freed_memory
from nasviz.training.distillation import Teacher, teacher_of
from nasviz.training.engine import Engine, join_processes, opened_engine, whole_weights
from nasviz.training.failures import not_a_number, out_of_memory
from nasviz.training.job import Job
from nasviz.training.learning_rate import schedule
from nasviz.training.objective import batch_losses, held_out_logits
from nasviz.training.optimizer import set_rates
from nasviz.training.progress import Command, Control, Progress, Report
from nasviz.training.sample import sample_nats, spread_sample, unigram_nats
from nasviz.training.seen_weights import holding_zeros, rounding_weights, settle_zeros
from nasviz.training.windows import batch

State = Literal["complete", "paused", "cancelled"]

# Progress goes out at most this often, except for the first and last steps and evaluations.
REPORT_EVERY_S = 0.1
# An interrupted run loses at most about this much.
SAVE_EVERY_S = 30.0
# A final loss above this share of the unigram entropy means that nothing but letter frequencies
# was learnt.
PLATEAU_SHARE = 0.98

COMMANDS: tuple[Command, ...] = ("go", "pause", "cancel")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: after which step, in how many of its own seconds, at which mean loss.

    `plateau` says that the loss is stuck at what single-token frequencies give.
    """

    state: State
    step: int
    seconds: float
    loss: float
    plateau: bool


def first_model(job: Job) -> Transformer:
    """Return the model at its first step: drawn from the plan's seed, or the pruned one.

    Where zeros are held, or weights rounded, its matrices are multiplied so.
    """
    model = _first_weights(job)
    if job.healing is not None and job.healing.holds_zeros:
        model = holding_zeros(model)
    option = job.policy.get(WeightQuantization)
    if job.plan.quantization_aware and option is not None:
        model = rounding_weights(model, option)
    return model


def _first_weights(job: Job) -> Transformer:
    model = build_model(job.architecture, job.policy)
    initialise(model, job.plan.seed)
    if job.healing is None:
        zero_outputs(model)
        return model
    pruned = load_checkpoint(job.healing.start)
    # What the policy adds is not the parent's: it stays as it was drawn.
    model.load_state_dict({**model.state_dict(), **pruned.state_dict()})
    return model


def run(job: Job, model: Transformer, report: Report, control: Control) -> Outcome:
    """Train `model` in place from where the job's directory says it stood; return how it ended.

    In a run of several processes each calls this with the same job; `report` and `control` are
    used by the first one. A complete run leaves its weights in the job's directory.

    Raises `RunError` with a `.reason` if it can't go on.
    """
    if job.plan.threads is not None:
        torch.set_num_threads(job.plan.threads)
    keep_freed_memory()
    join_processes()
    model.recompute_activations = job.plan.activation_checkpointing
    model.set_layer_dropout(job.plan.layer_dropout)
    folder = resume.find(job.directory)
    place = None
    if folder is not None:
        place = resume.read_place(folder, job.owner, job.plan.devices)
        if not job.plan.lora_rank:  # under adapters the weights are still the first ones
            model.load_state_dict(load_checkpoint(folder).state_dict())
    if job.plan.lora_rank:
        adapters.add_adapters(model, job.plan.lora_rank, job.plan.seed)
        if folder is not None:
            adapters.load_adapters(model, folder)
    try:
        with opened_engine(model, job.plan, job.recipe) as engine:
            if folder is not None:
                resume.load_optimizer(engine, folder)
            return _Loop(job, engine, report, control, place).run()
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RunError):
            raise
        known = out_of_memory(error)
        if known is None:
            raise
        raise known from error


class _Loop:
    """One run's state between two steps."""

    def __init__(
        self,
        job: Job,
        engine: Engine,
        report: Report,
        control: Control,
        place: resume.Place | None,
    ) -> None:
        self.job, self.engine, self.report, self.control = job, engine, report, control
        self.recipe = job.recipe
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.step = place.step if place else 0
        self.smoothed_loss = place.smoothed_loss if place else math.nan
        self.began = time.perf_counter() - (place.seconds if place else 0.0)
        self.first_step, self.first_time = self.step, time.perf_counter()
        self.saved = self.reported = time.perf_counter()
        length = job.architecture.context_length
        self.teacher: Teacher | None = teacher_of(job, engine.device)
        self.sample = spread_sample(job.held_out, job.token_bytes, length)
        self.process = psutil.Process()

    def run(self) -> Outcome:
        """Make steps until the budget is spent or somebody says stop."""
        self.engine.module.train()
        while True:
            command, share = self._agree()
            if command == "pause":
                self._save()
                return self._outcome("paused")
            if command == "cancel":
                return self._outcome("cancelled")
            if share >= 1:
                break
            self._make_step(share)
        self._save_final()
        return self._outcome("complete")

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def _share(self) -> float:
        """Return the share of the budget that is spent."""
        kind, amount = self.job.plan.budget
        return self.seconds / amount if kind == "seconds" else self.step / self.recipe.n_steps

    def _agree(self) -> tuple[Command, float]:
        """Return the first process's command and share of the budget, to all processes."""
        command = self.control() if self.rank == 0 else "go"
        share = self._share()
        if self.world == 1:
            return command, share
        said = torch.tensor([float(COMMANDS.index(command)), share], dtype=torch.float64)
        said = said.to(self.engine.device)
        dist.broadcast(said, src=0)
        return COMMANDS[int(said[0].item())], float(said[1].item())

    def _make_step(self, share: float) -> None:
        factor = schedule(share, self.recipe.warmup_share, self.recipe.decay_share)
        set_rates(self.engine.basic_optimizer, factor)
        loss = self._learn()
        self.step += 1
        horizon = min(self.step, max(10, self.recipe.n_steps // 20))
        before = loss if math.isnan(self.smoothed_loss) else self.smoothed_loss
        self.smoothed_loss = before + (loss - before) / horizon
        self._tell(loss)
        if time.perf_counter() - self.saved > SAVE_EVERY_S and self.world == 1:
            self._save()

    def _learn(self) -> float:
        """Make one update; return the loss before it, the mean over batch and processes."""
        plan, engine = self.job.plan, self.engine
        size, parts = self.recipe.micro_batch_size, plan.gradient_accumulation
        first = self.step * self.recipe.batch_size + self.rank * size * parts
        if self.job.architecture.dropout or plan.layer_dropout:
            torch.manual_seed((plan.seed * 1_000_003 + self.step) * self.world + self.rank)
        total = torch.zeros((), device=engine.device)
        for part in range(parts):
            inputs, targets = self._batch(first + part * size, size)
            policy = self.job.policy
            through = partial(
                batch_losses,
                targets=targets,
                policy=policy,
                plan=plan,
                step=self.step,
                teacher=self.teacher,
            )
            loss, own = engine(inputs, through)
            engine.backward(loss)
            engine.step()
            total += own.detach() / parts
        if self.world > 1:
            dist.all_reduce(total)
            total /= self.world
        mean = total.item()
        if not math.isfinite(mean):
            raise not_a_number(self.step + 1, self.recipe.rates.matrices)
        return mean

    def _batch(self, first: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        length = self.job.architecture.context_length
        arrays = batch(self.job.train, length, self.job.plan.seed, first, size)
        inputs, targets = (torch.from_numpy(each).to(self.engine.device) for each in arrays)
        return inputs, targets

    def _tell(self, loss: float) -> None:
        """Report, where it is time to; every process takes part in an evaluation."""
        every = self.recipe.evaluation_every
        timed = self.job.plan.budget[0] == "seconds"
        last = not timed and self.step == self.recipe.n_steps
        estimate = self._evaluate() if last or self.step % every == 0 else None
        now = time.perf_counter()
        due = now - self.reported >= REPORT_EVERY_S or self.step == self.first_step + 1
        if self.rank == 0 and (due or estimate is not None):
            self.reported = now
            self.report(self._progress(loss, estimate))

    def _evaluate(self) -> float:
        """Return bits per byte on the sample."""
        model = self.engine.module
        model.eval()
        through = partial(held_out_logits, policy=self.job.policy)
        nats = sample_nats(
            partial(self.engine, through=through),
            self.sample,
            self.recipe.micro_batch_size,
            self.engine.device,
        )
        model.train()
        return float(bits_per_byte(nats, self.sample.n_bytes))

    def _progress(self, loss: float, estimate: float | None) -> Progress:
        share = max(self._share(), 1e-9)
        here = time.perf_counter() - self.first_time
        tokens_per_s = (self.step - self.first_step) * self.recipe.tokens_per_step / here
        timed = self.job.plan.budget[0] == "seconds"
        return Progress(
            step=self.step,
            n_steps=max(self.step, round(self.step / share)) if timed else self.recipe.n_steps,
            tokens=self.step * self.recipe.tokens_per_step,
            loss=loss,
            bits_per_byte=estimate,
            tokens_per_s=tokens_per_s,
            eta_s=max(0.0, self.seconds * (1 - share) / share),
            memory_bytes=self.process.memory_info().rss,
            seconds=self.seconds,
        )

    def _save(self) -> None:
        """Write all that is needed to go on from here."""
        folder = resume.begin(self.job.directory)
        self._save_weights(folder)
        if self.job.plan.lora_rank and self.rank == 0:
            adapters.save_adapters(self._model(), folder)
        resume.save_optimizer(self.engine, folder)
        place = resume.Place(
            self.step, self.seconds, self.smoothed_loss, self.job.owner, self.job.plan.devices
        )
        resume.commit(self.job.directory, place)
        self.saved = time.perf_counter()

    def _save_final(self) -> None:
        self._save_weights(self.job.directory)

    def _save_weights(self, folder: object) -> None:
        with whole_weights(self.engine, self.job.plan):
            if self.rank == 0:
                model = self._model()
                settle_zeros(model)
                whole = adapters.merged(model) if self.job.plan.lora_rank else model
                save_checkpoint(whole, str(folder))

    def _model(self) -> Transformer:
        model = self.engine.module
        assert isinstance(model, Transformer)
        return model

    def _outcome(self, state: State) -> Outcome:
        floor = PLATEAU_SHARE * unigram_nats(self.job.train, self.job.architecture.vocab_size)
        stuck = state == "complete" and self.smoothed_loss > floor
        return Outcome(state, self.step, self.seconds, self.smoothed_loss, stuck)
