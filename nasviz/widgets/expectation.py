"""`Expectation`: the quality that is expected of a candidate under the explorer's training plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasviz.cost.columns import cost_columns
from nasviz.cost.dynamic.used_share import used_share
from nasviz.cost.units import plural, quantity
from nasviz.quality.features import Features, features
from nasviz.quality.prior import Prediction, Prior, published
from nasviz.quality.records import Quality
from nasviz.space.candidate import Candidate
from nasviz.space.options.registry import OPTIONS
from nasviz.space.table import CandidateTable
from nasviz.study.corpus_name import settled_corpus
from nasviz.study.trial import Trial
from nasviz.training.plan import TrainingPlan
from nasviz.training.recipe import recipe_for
from nasviz.widgets.corpus_facts import CorpusFacts

_TOKEN_COSTS = ("parameters_active", "parameters_embedding", "flops_training_per_token")


@dataclass(frozen=True)
class Expectation:
    """A prior of quality, the plan that candidates would be trained by, and on what text.

    A candidate whose policy has tokens go through a part of the layers is expected to be as good as
    a model of that part. It is a stated guess, on the careful side: which tokens leave early is
    chosen by how easy they are. A trial measures what is really lost.
    """

    prior: Prior
    plan: TrainingPlan
    facts: CorpusFacts = field(default_factory=CorpusFacts)

    @property
    def label(self) -> str:
        """What is predicted, for how much training: it stands on the quality axis."""
        return f"predicted for {budget_words(self.plan)}"

    @property
    def source(self) -> str:
        """Where the prediction comes from: it stands in the legend."""
        n_trials = self.prior.n_trials
        if n_trials == 0:
            return "prior from published scaling laws, not measured"
        return f"prior from published scaling laws, anchored on {plural(n_trials, 'trial')}"

    def source_of(self, table: CandidateTable) -> str:
        """Return the prediction's source for the candidates of a table."""
        if not has_options(table):
            return self.source
        return f"{self.source}; with dynamic inference as of the layers that run"

    def under(self, plan: TrainingPlan) -> Expectation:
        """Return what is expected under another plan."""
        return replace(self, plan=plan)

    def of_table(self, table: CandidateTable) -> Prediction:
        """Return the bits per byte of all candidates, `(n,)` with their interval."""
        return self.prior.predict(_features(table, self.plan, self.facts))

    def of_candidate(self, candidate: Candidate) -> Quality:
        """Return the quality of one candidate, labelled as a prior."""
        return self.of_table(CandidateTable.of([candidate])).quality(0)


def has_options(table: CandidateTable) -> bool:
    """Whether some candidate of a table is run by an option of inference."""
    return any(np.any(table.columns[kind.NAME]) for kind in OPTIONS if kind.NAME in table.columns)


def budget_words(plan: TrainingPlan) -> str:
    """Return a plan's budget as people say it: "1.54 M tokens", "60 s of training"."""
    kind, amount = plan.budget
    return {
        "tokens": f"{quantity(amount)} tokens",
        "steps": f"{quantity(amount)} steps",
        "bytes": f"{quantity(amount, 'B')} of text",
        "seconds": f"{quantity(amount, 's')} of training",
        "flops": f"{quantity(amount, 'FLOP')} of training",
    }[kind]


def expectation(
    plan: TrainingPlan,
    trials: Sequence[Trial],
    corpus: str = "python",
    facts: CorpusFacts | None = None,
) -> Expectation:
    """Return what published laws expect under `plan`, re-anchored on trials that are complete.

    It reads their bits per byte of the *search* part of the text. What is expected guides which
    candidates are looked at and trained next, so the test part, which is reported, has no say in
    it. Only trials of the same `corpus` count: another text's bits say nothing of this one's. Nor
    do trials that ran under a policy, or were pruned: what early exits cost them, or what a parent
    had learnt, is no law of sizes.
    `facts` are what is known of that corpus beside its trials.
    """
    settled = settled_corpus(corpus)
    done = [
        each
        for each in trials
        if each.state == "complete"
        and each.corpus == settled
        and not each.result.get("plateau")
        and not each.candidate.inference
        and each.lineage is None
    ]
    known = (facts or CorpusFacts(corpus)).with_trials(done)
    if not done:
        return Expectation(published(), plan, known)
    table = CandidateTable.of([trial.candidate for trial in done])
    tokens = np.array([float(trial.result["tokens"]) for trial in done])
    measured = np.array([float(trial.result["search_bits_per_byte"]) for trial in done])
    anchored = published().anchored(_of_tokens(table, tokens, known), measured)
    return Expectation(anchored, plan, known)


def _features(table: CandidateTable, plan: TrainingPlan, facts: CorpusFacts) -> Features:
    kind, amount = plan.budget
    columns = cost_columns(names=_TOKEN_COSTS)(table)
    if kind == "tokens":
        tokens: Any = amount
    elif kind == "flops":
        tokens = amount / columns["flops_training_per_token"]
    elif kind == "bytes":
        tokens = amount / facts.bytes_per_token(table.columns["vocab_size"])
    else:
        # Steps and seconds come to tokens by the recipe, which follows from the context alone:
        # one look for each context is enough for any number of candidates.
        tokens = _by_context(table, plan)
    return _of_tokens(table, tokens, facts, columns)


def _of_tokens(
    table: CandidateTable,
    tokens: Any,
    facts: CorpusFacts,
    columns: dict[str, NDArray[Any]] | None = None,
) -> Features:
    known = columns or cost_columns(names=_TOKEN_COSTS)(table)
    inner = known["parameters_active"] - known["parameters_embedding"]
    if has_options(table):
        inner = inner * used_share(table)
    return features(
        table,
        np.maximum(inner, 1),
        tokens,
        corpus_bytes=facts.train_bytes,
        token_bytes=facts.bytes_per_token(table.columns["vocab_size"]),
    )


def _by_context(table: CandidateTable, plan: TrainingPlan) -> NDArray[np.float64]:
    contexts, first, places = np.unique(
        table["context_length"], return_index=True, return_inverse=True
    )
    totals = np.empty(len(contexts))
    for place, row in enumerate(first):
        recipe = recipe_for(table.row(int(row)).architecture, plan)
        totals[place] = recipe.n_steps * recipe.tokens_per_step
    return totals[places]
