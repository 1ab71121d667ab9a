"""Layer skipping by learned gates: who skips what, what is kept of it, what it costs."""

from __future__ import annotations

import pytest
import torch
from random_models import random_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.estimate import estimate
from nasviz.cost.workload import Workload
from nasviz.errors import InputError
from nasviz.model.dynamic.additions import build_model
from nasviz.model.dynamic.runner import Runner
from nasviz.model.dynamic.walk import PlainWalk
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths
from nasviz.space.table import CandidateTable

SIZES = Architecture(5, 24, 3, 61, 19, n_kv_heads=3, d_ff=17)
OPTION = LayerSkip(keep=0.6, choose="router")
POLICY = InferencePolicy((OPTION,))
LENGTH = 11


def gated_model(bias: float | None = None) -> Transformer:
    """A model of random weights; with `bias` every gate says the same of all tokens."""
    model = build_model(SIZES, POLICY)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        if bias is not None:
            for gate in model.additions["layer_skip"].gates:
                gate.weight.zero_()
                gate.bias.fill_(bias)
    return model.eval()


def tokens(batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(61, (batch, LENGTH), generator=generator)


@torch.inference_mode()
def obviously(model: Transformer, text: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Logits (T, V) of one text, each layer run on the tokens it gets, and each token's depth."""
    stream = model.embed(text.unsqueeze(0))  # (1, T, M)
    depths = [1] * len(text)
    for layer in range(5):
        if not layer:
            stream = model.run_layers(stream, 0, 1)
            continue
        gates = model.additions["layer_skip"].gates[layer - 1](stream)[0]
        going = [place for place in range(len(text)) if gates[place] > 0]
        after = stream.clone()
        for count, place in enumerate(going, 1):
            seen = torch.tensor(going[:count])
            whole = model.run_layers(stream[:, seen], layer, layer + 1, positions=seen[None])
            weight = gates[place].sigmoid()
            after[:, place] = (1 - weight) * stream[:, place] + weight * whole[:, -1]
            depths[place] += 1
        stream = after
    return model.head(stream)[0], depths


def test_a_token_goes_through_the_layers_whose_gates_open_and_sees_those_that_went_too() -> None:
    model = gated_model()
    logits, depths = Runner(model, POLICY).logits(tokens(3))
    for row in range(3):
        expected, own = obviously(model, tokens(3)[row])
        torch.testing.assert_close(logits[row], expected, rtol=1e-4, atol=1e-4)
        assert depths[row].tolist() == own
    assert depths.float().std() > 0.3  # tokens really differ


@torch.inference_mode()
def test_prompts_read_in_parts_and_steps_decide_as_one_pass_does() -> None:
    model = gated_model()
    runner = Runner(model, POLICY)
    whole, depths = runner.logits(tokens())
    reading = runner.new_reading()
    runner.read(tokens()[:, :4], reading)
    said = runner.read(tokens()[:, 4:7], reading)
    torch.testing.assert_close(said, whole[:, 6], rtol=1e-4, atol=1e-4)
    for place in range(7, LENGTH):
        said = runner.step(tokens()[:, place], reading)
        torch.testing.assert_close(said, whole[:, place], rtol=1e-4, atol=1e-4)
        assert int(reading.depths[-1]) == int(depths[0, place])


@torch.inference_mode()
def test_what_comes_later_changes_no_decision() -> None:
    model = gated_model()
    runner = Runner(model, POLICY)
    other = tokens().clone()
    other[0, 6:] = 5
    one, another = runner.logits(tokens()), runner.logits(other)
    assert torch.equal(one[1][:, :6], another[1][:, :6])
    torch.testing.assert_close(one[0][:, :6], another[0][:, :6])
    assert not torch.equal(one[0][:, 6:], another[0][:, 6:])


@torch.inference_mode()
def test_layers_that_are_skipped_are_not_run_and_keep_no_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[int] = []
    run_layers = Transformer.run_layers

    def counted(self, hidden, start=0, stop=None, *arguments, **named):
        ran.extend(range(start, 5 if stop is None else stop))
        return run_layers(self, hidden, start, stop, *arguments, **named)

    monkeypatch.setattr(Transformer, "run_layers", counted)
    kept = {}
    for bias, layers in ((-3.0, [0]), (3.0, [0, 1, 2, 3, 4])):
        runner = Runner(gated_model(bias), POLICY)
        reading = runner.new_reading()
        runner.read(tokens()[:, :6], reading)
        ran.clear()
        runner.step(tokens()[:, 6], reading)
        assert ran == layers
        kept[bias] = reading.filled_bytes
    assert kept[-3.0] * 5 == kept[3.0]


def test_a_model_without_gates_is_refused_and_one_with_gates_can_run_static() -> None:
    with pytest.raises(InputError, match="layer_skip needs routers that this model was not"):
        Runner(random_model(SIZES), POLICY)
    assert isinstance(Runner(gated_model(), InferencePolicy()).walk, PlainWalk)
    half = Runner(gated_model(), InferencePolicy((LayerSkip(keep=0.6),)))
    assert half.model.architecture.n_layers == 3
    assert isinstance(half.walk, PlainWalk)


def test_a_router_that_keeps_all_of_one_layer_is_the_static_model() -> None:
    option = LayerSkip(keep=1.0, choose="router")
    sizes = Architecture(1, 24, 2, 64, 16)
    option.check_fits(sizes)
    policy = InferencePolicy((option,))
    routed, static = (
        estimate(Candidate(sizes, each)).flops for each in (policy, InferencePolicy())
    )
    assert routed.decode_per_token == static.decode_per_token
    assert routed.training_per_token == static.training_per_token


def test_settings_that_leave_a_router_nothing_to_decide_are_refused() -> None:
    with pytest.raises(InputError, match="leave one of them out"):
        LayerSkip(choose="router", layers=(0, 2))
    with pytest.raises(InputError, match=r"raise layer_skip\.keep"):
        Candidate(SIZES, InferencePolicy((LayerSkip(0.2, "router"),)))
    with pytest.raises(InputError, match="routed layers miss some"):
        Candidate(SIZES.with_(sliding_window=7), POLICY)
    Candidate(SIZES.with_(sliding_window=7), InferencePolicy((LayerSkip(0.2),)))


def test_only_the_router_excludes_what_a_fixed_choice_goes_together_with() -> None:
    others = OPTION.conflicts()
    assert "early_exit" in others
    assert not LayerSkip().conflicts()
    with pytest.raises(InputError, match="mixture_of_depths can't be combined with layer_skip"):
        InferencePolicy((OPTION, MixtureOfDepths()))


def counted_flops(runner: Runner, text: torch.Tensor) -> int:
    reading = runner.new_reading()
    runner.read(text[:, :6], reading)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        runner.step(text[:, 6], reading)
    return int(counter.get_total_flops())


@pytest.mark.parametrize(("bias", "share"), [(-3.0, 0.0), (3.0, 1.0)])
@torch.inference_mode()
def test_where_all_or_none_go_through_costs_are_exactly_those_counted(
    bias: float, share: float
) -> None:
    model = gated_model(bias)
    cost = estimate(Candidate(SIZES, POLICY), Workload(6, 1), observed=Observed(routed_share=share))
    assert cost.flops.decode_per_token == counted_flops(Runner(model, POLICY), tokens())
    runner = Runner(model, POLICY)
    reading = runner.new_reading()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        runner.read(tokens()[:, :6], reading)
    assert cost.flops.prefill == counter.get_total_flops()
    runner.step(tokens()[:, 6], reading)
    assert cost.memory.kv_cache_bytes == reading.filled_bytes


def test_the_prior_is_the_capacity_and_what_was_seen_takes_its_place() -> None:
    assert OPTION.capacity(5) == pytest.approx(0.5)  # two of four, and the first: 3 of 5 layers
    prior = estimate(Candidate(SIZES, POLICY)).flops.decode_per_token
    seen = estimate(Candidate(SIZES, POLICY), observed=Observed(routed_share=0.5))
    assert prior == pytest.approx(seen.flops.decode_per_token)
    less = estimate(Candidate(SIZES, POLICY), observed=Observed(routed_share=0.25))
    assert less.flops.decode_per_token < prior < estimate(SIZES).flops.decode_per_token
    assert less.latency.time_per_output_token_s < seen.latency.time_per_output_token_s


def test_a_table_s_costs_are_those_of_its_rows() -> None:
    options = (OPTION, LayerSkip(0.6), LayerSkip(1.0, "router"), LayerSkip(0.8, "router"))
    candidates = [Candidate(SIZES, InferencePolicy((each,))) for each in options]
    candidates.append(Candidate(SIZES))
    table = estimate(CandidateTable.of(candidates))
    for row, candidate in enumerate(candidates):
        alone = estimate(candidate)
        assert table.parameters.total[row] == alone.parameters.total
        for figure in ("decode_per_token", "prefill", "training_per_token"):
            found = getattr(table.flops, figure)[row]
            assert found == pytest.approx(getattr(alone.flops, figure)), (row, figure)
        assert table.latency.request_s[row] == pytest.approx(alone.latency.request_s)
        assert table.memory.kv_cache_bytes[row] == pytest.approx(alone.memory.kv_cache_bytes, abs=1)
