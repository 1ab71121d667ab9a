"""What is done with a trained model, by the plan's `measured`: everything, or quality alone."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.cost.workload import Workload
from nasviz.errors import NasvizError
from nasviz.evaluation.exit_trace import trace_exits
from nasviz.evaluation.expert_load import ExpertLoad, measure_expert_load
from nasviz.evaluation.latency import measure
from nasviz.evaluation.observe import observe
from nasviz.evaluation.policy_score import PolicyScore, score_policy
from nasviz.evaluation.scoring import STRIDE, Score, inputs_of, score
from nasviz.execution.dynamic_results import dynamic_results, sweep_json
from nasviz.execution.layer_results import measured_layers
from nasviz.execution.samples import write_samples
from nasviz.model.dynamic.caches import changes_cache
from nasviz.model.dynamic.runner import Runner
from nasviz.model.transformer import Transformer
from nasviz.quality.exit_sweep import threshold_grid
from nasviz.space.candidate import Candidate
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_experts import MixtureOfExperts

# How much of each held-out part is scored (all of it where it is smaller): enough that the text's
# own spread is far below the gaps between candidates, little enough that scoring costs a fraction
# of a minute's training. The same words under every vocabulary.
SEARCH_BYTES = 1 << 15
TEST_BYTES = 1 << 16

LATENCY_ROUNDS = 3
# Where quality alone is measured, so that passes stay a fraction of a short training.
FEW_BYTES = MappingProxyType({"search": 1 << 15, "calibration": 1 << 14, "test": 1 << 15})
# Thresholds of the sweeps that are stored with a trial whose quality alone is measured.
STORED_THRESHOLDS = 64

log = logging.getLogger("nasviz.worker")


class Finish(ABC):
    """What a trial's end leaves: the search part's score, and what else is stored by name.

    Called with the trained model it returns the test part's score, under the candidate's policy
    where it has one, and keeps the tokenizer beside the weights. `test_bytes` of the test part are
    scored: what a pruned trial's start is scored on too.
    """

    test_bytes: ClassVar[int]

    def __init__(self, candidate: Candidate, tokenized: TokenizedCorpus, directory: Path) -> None:
        self.candidate = candidate
        self.tokenized = tokenized
        self.directory = directory
        self.search: Score | None = None
        self.found: dict[str, Any] = {}

    def __call__(self, model: Any) -> Score:
        """Keep the tokenizer, measure `model`; return its score on the test part."""
        self.tokenized.tokenizer.save(self.directory)
        return self.measure(model)

    @abstractmethod
    def measure(self, model: Any) -> Score:
        """Measure `model`; return its score on the test part."""


class Everything(Finish):
    """Quality, text it writes, times, how experts share text, and what a policy does."""

    test_bytes = TEST_BYTES

    def measure(self, model: Any) -> Score:
        """Measure `model`; return its score on the test part."""
        test = score(model, self.tokenized, "test", max_bytes=TEST_BYTES)
        self.found = {"samples": [], **_latency(self.candidate)}
        if isinstance(model, Transformer):
            self.found |= measured_layers(model, self.candidate, self.tokenized, self.directory)
            self.found["samples"] = write_samples(model, self.tokenized)
            load = None
            if model.architecture.experts > 1:
                load = measure_expert_load(model, self.candidate.inference, self.tokenized)
                self.found["expert_load"] = load.to_json()
            if self.candidate.inference:
                return self._under_policy(model, test, load)
        self.search = score(model, self.tokenized, "search", max_bytes=SEARCH_BYTES)
        return test

    def _under_policy(self, model: Transformer, static: Score, load: ExpertLoad | None) -> Score:
        """Return the test part's score under the policy, and keep what else is measured of it."""
        policy, text = self.candidate.inference, self.tokenized
        self.search = score_policy(model, policy, text, "search", max_bytes=SEARCH_BYTES).score
        test = score_policy(model, policy, text, "test", max_bytes=TEST_BYTES)
        self.found |= dynamic_results(
            model, self.candidate, text, self.directory, test, static.bits_per_byte, load
        )
        return test.score


class QualityAlone(Finish):
    """Bits per byte of the three held-out parts, and early exit's sweep: no times, no text.

    A tenth of a second to some seconds where `Everything` takes most of a minute: for comparisons
    of many small models by what can be computed. `held_out_inputs` counts the tokens that all its
    passes read, so that they can be paid for.
    """

    test_bytes = FEW_BYTES["test"]

    def measure(self, model: Any) -> Score:
        """Measure `model`; return its score on the test part."""
        if self.candidate.inference and isinstance(model, Transformer):
            return self._under_policy(model)
        text = self.tokenized
        test = score(model, text, "test", max_bytes=FEW_BYTES["test"])
        self.search = score(model, text, "search", max_bytes=FEW_BYTES["search"])
        calibration = score(model, text, "calibration", max_bytes=FEW_BYTES["calibration"])
        self._keep(test, self.search, calibration)
        self.found["calibration_bits_per_byte"] = calibration.bits_per_byte
        return test

    def _under_policy(self, model: Transformer) -> Score:
        policy, text = self.candidate.inference, self.tokenized
        layers: dict[str, Any] = {}
        skipping = policy.get(LayerSkip)
        if skipping is not None and skipping.choose == "influence":
            layers = measured_layers(model, self.candidate, text, self.directory)
        test = score_policy(model, policy, text, "test", max_bytes=FEW_BYTES["test"])
        search = score_policy(model, policy, text, "search", max_bytes=FEW_BYTES["search"])
        self.search = search.score
        option = policy.get(EarlyExit)
        if option is not None and not changes_cache(policy):
            # Other options that go together with exits are views of the weights.
            seen = Runner(model, policy).model
            self._keep(test.score, self.search)
            self.found["exit_sweeps"] = {
                part: self._sweep(seen, option, part) for part in ("search", "calibration")
            }
        else:
            calibration = score_policy(
                model, policy, text, "calibration", max_bytes=FEW_BYTES["calibration"]
            )
            self._keep(test.score, self.search, calibration.score)
            self.found["calibration_bits_per_byte"] = calibration.score.bits_per_byte
        if layers:
            self.found |= layers
            self.found["held_out_inputs"] += layers["block_influence"]["tokens"]
        self.found["policy_score"] = test.to_json()
        self.found["observed"] = self._observed(model, test, "test")
        # What a search sees of a cost may not come from the part that it is judged by.
        self.found["search_observed"] = self._observed(model, search, "search")
        return test.score

    def _observed(self, model: Transformer, scored: PolicyScore, part: str) -> dict[str, Any]:
        """Return what the policy decided on one part; what is read for it is counted."""
        policy, load = self.candidate.inference, None
        if policy.get(MixtureOfExperts) is not None:
            load = measure_expert_load(model, policy, self.tokenized, part)
            self.found["held_out_inputs"] += load.tokens
        return observe(self.candidate, scored, load=load).to_json()

    def _sweep(self, model: Transformer, option: EarlyExit, part: str) -> dict[str, Any]:
        """Return the sweep of one part; what its pass read is counted."""
        trace = trace_exits(model, option, self.tokenized, part, max_bytes=FEW_BYTES[part])
        self.found["held_out_inputs"] += inputs_of(trace.n_tokens, trace.context_length, STRIDE)
        return sweep_json(trace, option, threshold_grid(STORED_THRESHOLDS))

    def _keep(self, *scores: Score) -> None:
        inputs = [inputs_of(each.tokens, each.context, each.stride) for each in scores]
        self.found = {"held_out_inputs": sum(inputs)}


# By the plan's `measured`.
FINISHES: Mapping[str, type[Finish]] = MappingProxyType(
    {"everything": Everything, "quality": QualityAlone}
)


def _latency(candidate: Candidate) -> dict[str, float]:
    """Return the time per token measured on this device, as a result; `{}` where it can't be.

    For the default workload, cut to the candidate's context. Whatever else the machine does then is
    in it.
    """
    architecture = candidate.architecture
    workload = Workload().fitted_to(architecture.context_length)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        (found,) = measure([architecture], workload, rounds=LATENCY_ROUNDS, device=device)
    except NasvizError as error:
        log.warning("latency was not measured: %s", error)
        return {}
    return {"measured_time_per_output_token_s": found.time_per_output_token_s}
