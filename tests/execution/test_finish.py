"""What is measured of a trained model where its quality alone is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nasviz import Architecture, Candidate, InferencePolicy
from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize
from nasviz.evaluation.exit_trace import trace_exits
from nasviz.evaluation.expert_load import measure_expert_load
from nasviz.evaluation.observe import observe
from nasviz.evaluation.policy_score import score_policy
from nasviz.evaluation.scoring import score
from nasviz.execution.finish import FEW_BYTES, FINISHES, STORED_THRESHOLDS, QualityAlone
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.runner import Runner
from nasviz.model.initialise import initialise
from nasviz.model.transformer import Transformer
from nasviz.quality.exit_sweep import sweep
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.mixture_of_experts import MixtureOfExperts

ARCHITECTURE = Architecture(3, 22, 11, 256, 16, position="learned", norm="layernorm")
EXITS = EarlyExit(heads="own", skipped_layers="recompute")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TokenizedCorpus:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(f"line {n}: the cat sat on mat {n % 7}.\n" for n in range(1_500)))
    return tokenize(open_corpus(path), 256)


def made(policy: InferencePolicy, sizes: Architecture = ARCHITECTURE) -> Transformer:
    model = build_model(sizes, policy)
    initialise(model, 5)
    return model.eval()


def finished(
    policy: InferencePolicy, text: TokenizedCorpus, folder: Path
) -> tuple[QualityAlone, Transformer]:
    model = made(policy)
    finish = FINISHES["quality"](Candidate(ARCHITECTURE, policy), text, folder)
    assert isinstance(finish, QualityAlone)
    test = finish(model)
    under = score_policy(model, policy, text, "test", max_bytes=FEW_BYTES["test"])
    assert test.bits_per_byte == under.score.bits_per_byte
    return finish, model


def test_a_static_model_is_scored_on_three_parts_which_are_counted(
    text: TokenizedCorpus, tmp_path: Path
) -> None:
    finish, model = finished(InferencePolicy(), text, tmp_path)
    parts = {part: score(model, text, part, max_bytes=FEW_BYTES[part]) for part in FEW_BYTES}
    assert finish.search == parts["search"]
    assert finish.found == {
        "calibration_bits_per_byte": parts["calibration"].bits_per_byte,
        # Windows of 16 tokens that don't overlap read each scored token once.
        "held_out_inputs": sum(each.tokens for each in parts.values()),
    }


@pytest.mark.parametrize("others", [(), (ActivationSparsity(keep=0.4),)])
def test_exits_leave_the_sweep_of_what_the_model_says_under_the_other_options(
    others: tuple[ActivationSparsity, ...], text: TokenizedCorpus, tmp_path: Path
) -> None:
    policy = InferencePolicy((EXITS, *others))
    before = trace_exits(Runner(made(policy), policy).model, EXITS, text, "search")
    half = float(np.median(before.score("max_probability")))
    option = replace(EXITS, threshold=half)
    policy = policy.with_(option)
    finish, model = finished(policy, text, tmp_path)
    sweeps = finish.found["exit_sweeps"]
    assert set(sweeps) == {"search", "calibration"}
    assert len(sweeps["search"]["thresholds"]) == STORED_THRESHOLDS
    # Recomputed: at the policy's threshold the arithmetic says what the scoring pass says.
    trace = trace_exits(Runner(model, policy).model, option, text, "search")
    own = sweep(trace, "max_probability", [half])
    assert finish.search is not None
    assert 0 < own.exit_shares[0, -1] < 1
    assert own.bits_per_byte[0] == pytest.approx(finish.search.bits_per_byte, abs=1e-5)
    stored = sweep(trace, "max_probability", sweeps["search"]["thresholds"])
    assert sweeps["search"]["bits_per_byte"] == stored.bits_per_byte.tolist()
    assert finish.found["held_out_inputs"] > 2 * trace.n_tokens


def test_exits_beside_an_option_that_changes_the_cache_are_scored_as_they_are(
    text: TokenizedCorpus, tmp_path: Path
) -> None:
    finish, _ = finished(InferencePolicy((EXITS, KVWindow(window=5))), text, tmp_path)
    assert "exit_sweeps" not in finish.found
    assert finish.found["calibration_bits_per_byte"] > 0


def test_what_a_search_sees_of_decisions_is_of_the_search_part(
    text: TokenizedCorpus, tmp_path: Path
) -> None:
    policy = InferencePolicy((MixtureOfExperts(top_p=0.6),))
    candidate = Candidate(replace(ARCHITECTURE, experts=4, experts_per_token=3), policy)
    model = made(policy, candidate.architecture)
    finish = FINISHES["quality"](candidate, text, tmp_path)
    finish(model)
    read = finish.found["held_out_inputs"]
    for part, name in (("search", "search_observed"), ("test", "observed")):
        scored = score_policy(model, policy, text, part, max_bytes=FEW_BYTES[part])
        load = measure_expert_load(model, policy, text, part)
        assert finish.found[name] == observe(candidate, scored, load=load).to_json()
        read -= scored.score.tokens + load.tokens
    assert finish.found["search_observed"] != finish.found["observed"]
    calibration = score_policy(
        model, policy, text, "calibration", max_bytes=FEW_BYTES["calibration"]
    )
    assert read == calibration.score.tokens
