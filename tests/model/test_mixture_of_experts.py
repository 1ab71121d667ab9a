"""Dynamic experts: who is left out, how the others are weighed, what it costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import random_model

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.model.dynamic.mixture_of_experts import FewestExperts
from nasviz.model.dynamic.runner import Runner
from nasviz.model.subnetwork import subnetwork
from nasviz.model.transformer import FeedForward, TopExperts, Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.mixture_of_experts import MixtureOfExperts
from nasviz.space.table import CandidateTable

SIZES = Architecture(3, 24, 3, 61, 19, d_ff=17, experts=7, experts_per_token=4)


def policy(top_p: float) -> InferencePolicy:
    return InferencePolicy((MixtureOfExperts(top_p=top_p),))


def tokens(batch: int = 2) -> torch.Tensor:
    return torch.randint(61, (batch, 11), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("top_p", [0.3, 0.5, 0.8, 0.97])
def test_a_token_takes_the_fewest_of_its_experts_that_reach_the_share(top_p: float) -> None:
    scores = 2 * torch.randn(200, 7, generator=torch.Generator().manual_seed(0))
    chosen, shares = FewestExperts(4, top_p)(scores)
    used = set()
    for row in range(200):
        order = np.argsort(-scores[row].numpy())[:4]
        weights = np.exp(scores[row].numpy()[order].astype(np.float64))
        weights /= weights.sum()
        count = next(n for n in range(1, 5) if weights[:n].sum() >= top_p - 1e-7)
        used.add(count)
        assert chosen[row].tolist() == [*order[:count], *[7] * (4 - count)]
        expected = weights[:count] / weights[:count].sum()
        np.testing.assert_allclose(shares[row][:count], expected, rtol=1e-5)
        assert not shares[row][count:].any()
        alone, its_shares = FewestExperts(4, top_p)(scores[row : row + 1])
        assert alone[0].tolist() == order[:count].tolist()
        torch.testing.assert_close(its_shares[0], shares[row][:count])
    assert len(used) > 1


def test_where_one_expert_is_enough_it_is_the_model_with_one_expert_a_token() -> None:
    model = random_model(SIZES)
    single = random_model(SIZES.with_(experts_per_token=1))
    single.load_state_dict(model.state_dict())
    with torch.inference_mode():
        logits, _ = Runner(model, policy(0.01)).logits(tokens())
        torch.testing.assert_close(logits, single(tokens()), rtol=1e-5, atol=1e-5)


def test_all_experts_that_are_taken_are_weighed_as_in_the_static_model_bit_for_bit() -> None:
    scores = torch.randn(50, 7)
    for dynamic, static in zip(FewestExperts(4, 1.1)(scores), TopExperts(4)(scores), strict=True):
        assert torch.equal(dynamic, static)


def test_one_token_is_computed_as_it_is_among_others_bit_for_bit() -> None:
    experts = random_model(SIZES).blocks[0].feed_forward
    tokens = torch.randn(3, 1, 24, generator=torch.Generator().manual_seed(2))
    sorted_way = torch.cat([experts.train()(token.unsqueeze(0)) for token in tokens])
    assert torch.equal(
        torch.cat([experts.eval()(token.unsqueeze(0)) for token in tokens]), sorted_way
    )


def test_experts_that_are_left_out_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(SIZES)
    rows: list[int] = []
    forward = FeedForward.forward

    def counted(self: FeedForward, x: torch.Tensor) -> torch.Tensor:
        rows.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(FeedForward, "forward", counted)
    counts = {}
    for top_p in (0.01, 0.6, 1.0):
        rows.clear()
        runner = Runner(model, policy(top_p))
        with torch.inference_mode():
            runner.step(torch.tensor([5]), runner.new_reading(3))
        counts[top_p] = sum(rows)
    assert counts[0.01] == 3
    assert counts[0.01] < counts[0.6] < counts[1.0] == 12


def test_the_model_itself_stays_as_it_is_and_layers_can_still_be_taken_from_it() -> None:
    model = random_model(SIZES)
    before = model(tokens())
    runner = Runner(model, policy(0.3))
    assert not torch.equal(runner.logits(tokens())[0], before)
    assert torch.equal(model(tokens()), before)
    shorter = subnetwork(runner.model, SIZES.with_(n_layers=2), (0, 2))
    assert isinstance(shorter.blocks[1].feed_forward.choice, FewestExperts)


@pytest.mark.parametrize(
    "sizes", [{"experts": 1, "experts_per_token": 1}, {"experts_per_token": 1}]
)
def test_a_model_whose_tokens_have_one_expert_is_refused(sizes: dict[str, int]) -> None:
    dense = SIZES.with_(**sizes)
    with pytest.raises(InputError, match=r"no experts to choose among; set experts and"):
        Candidate(dense, policy(0.5))
    with pytest.raises(InputError, match=r"mixture_of_experts\.top_p=0\.5"):
        Runner(Transformer(dense), policy(0.5))


def test_the_cost_is_that_of_the_experts_that_were_used() -> None:
    workload = Workload(prompt_tokens=5, generated_tokens=3)
    candidate = Candidate(SIZES, policy(0.5))
    seen = estimate(candidate, workload, observed=Observed(experts_per_token=(1.0, 2.0, 3.0)))
    two = estimate(SIZES.with_(experts_per_token=2), workload)
    assert seen.flops.decode_per_token == two.flops.decode_per_token
    assert seen.flops.prefill == two.flops.prefill
    assert seen.parameters.active == two.parameters.active
    assert seen.parameters.total == two.parameters.total
    assert seen.latency.time_per_output_token_s == pytest.approx(
        two.latency.time_per_output_token_s
    )
    # All four experts learn, whatever is used later.
    static = estimate(SIZES, workload)
    assert seen.flops.training_per_token == static.flops.training_per_token
    assert seen.lifetime.training_tokens == static.lifetime.training_tokens


def test_before_a_measurement_the_share_of_its_experts_is_the_prior_and_one_the_least() -> None:
    expected = {0.01: 1, 0.5: 2, 0.75: 3, 1.0: 4}
    for top_p, used in expected.items():
        cost = estimate(Candidate(SIZES, policy(top_p)))
        same = estimate(SIZES.with_(experts_per_token=used))
        assert cost.flops.decode_per_token == pytest.approx(same.flops.decode_per_token)
        assert cost.parameters.active == same.parameters.active


def test_a_table_is_priced_as_its_candidates_are() -> None:
    candidates = [Candidate(SIZES, policy(top_p)) for top_p in (0.3, 0.8, 1.0)]
    candidates.append(Candidate(SIZES.with_(experts=1, experts_per_token=1)))
    table = estimate(CandidateTable.of(candidates))
    for row, candidate in enumerate(candidates):
        alone = estimate(candidate)
        assert table.flops.decode_per_token[row] == pytest.approx(alone.flops.decode_per_token)
        assert table.parameters.active[row] == int(alone.parameters.active)
        assert table.latency.request_s[row] == pytest.approx(alone.latency.request_s)


def test_what_was_observed_goes_to_json_and_back_and_is_checked() -> None:
    observed = Observed(experts_per_token=(1.5, 2.0))
    assert Observed.from_json(observed.to_json()) == observed
    with pytest.raises(InputError, match=r"experts_per_token=\(0\.5,\)"):
        Observed(experts_per_token=(0.5,))
