"""The transformer over every option: counted, causal, cached, cut into ranges of layers."""

from __future__ import annotations

import random

import pytest
import torch
from differing import differing
from random_models import random_architecture, random_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nasviz.errors import InputError
from nasviz.model.cache import KVCache
from nasviz.model.operations import relu_squared, rms_norm, rotate
from nasviz.model.parameters import parameter_kinds
from nasviz.model.rotary import RotaryTable
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.layer_sizes import LayerSizes


def some_architectures(n: int, seed: int, **fixed):
    rng = random.Random(seed)
    return [random_architecture(rng, **fixed) for _ in range(n)]


def with_differing(architectures: list[Architecture]) -> list[Architecture]:
    """Return the architectures, every third one with layers that differ."""
    rng = random.Random(len(architectures))
    return [
        each if number % 3 else differing(each, rng, n_layers=3)
        for number, each in enumerate(architectures)
    ]


def some_tokens(architecture: Architecture, batch: int = 2) -> torch.Tensor:
    return torch.randint(architecture.vocab_size, (batch, architecture.context_length))


def counted_from_sizes(a: Architecture) -> int:
    """Return the number of weights from the sizes alone, module by module."""
    queries, keys = a.n_heads * a.head_dim, a.n_kv_heads * a.head_dim
    attention = a.d_model * (2 * queries + 2 * keys)
    attention += {"none": 0, "qkv": queries + 2 * keys, "all": queries + 2 * keys + a.d_model}[
        a.biases
    ]
    attention += 2 * a.head_dim * a.qk_norm
    inner = 2 if a.gated else 1
    expert = (inner + 1) * a.d_model * a.d_ff
    expert += (inner * a.d_ff + a.d_model) * (a.biases == "all")
    feed_forward = a.experts * expert + (a.d_model * a.experts if a.experts > 1 else 0)
    norm = a.d_model * (2 if a.norm == "layernorm" and a.biases == "all" else 1)
    positions = (a.context_length + a.extra_positions) * (a.position == "learned")
    tables = a.d_model * (a.vocab_size * (1 if a.tied_embeddings else 2) + positions)
    return a.n_layers * (attention + feed_forward + 2 * norm) + norm + tables


def test_counted_weights_are_those_of_the_sizes():
    for architecture in some_architectures(200, seed=1):
        with torch.device("meta"):
            model = Transformer(architecture)
        counted = sum(parameter.numel() for parameter in model.parameters())
        assert counted == counted_from_sizes(architecture), architecture
        assert sum(each.numel() for each in model.state_dict().values()) == counted
        assert not list(model.buffers())


def test_a_layer_without_a_part_has_no_weights_and_no_cache_for_it():
    layers = (LayerSizes(4, 2, 17), LayerSizes(0, 0, 53), LayerSizes(2, 1, 0))
    model = Transformer(Architecture(3, 24, 4, 61, 13, n_kv_heads=2, layer_sizes=layers))
    parts = [{name.split(".")[0] for name, _ in each.named_parameters()} for each in model.blocks]
    attends, feeds = {"attention", "attention_norm"}, {"feed_forward", "feed_forward_norm"}
    assert parts == [attends | feeds, feeds, attends]
    cache = KVCache(model.architecture, 5)
    model.prefill(torch.zeros(1, 4, dtype=torch.long), cache)
    assert [cache.length_of(layer) for layer in range(3)] == [4, 4, 4]
    assert [tuple(cache.positions(layer).shape) for layer in range(3)] == [
        (1, 2, 4), (1, 0, 0), (1, 1, 4),
    ]  # fmt: skip
    assert cache.reserved_bytes == 2 * 5 * (2 + 1) * 6 * 4


def test_names_are_those_that_others_rely_on():
    architecture = Architecture(
        n_layers=2, d_model=24, n_heads=2, vocab_size=61, context_length=13, position="learned"
    )
    names = set(dict(Transformer(architecture).named_parameters()))
    assert {"token_embedding.weight", "position_embedding.weight"} <= names
    assert "head.weight" not in names
    assert "head.weight" in Transformer(architecture.with_(tied_embeddings=False)).state_dict()


def test_every_weight_has_one_kind_and_takes_part():
    for architecture in with_differing(some_architectures(40, seed=2)):
        model = random_model(architecture)
        kinds = parameter_kinds(model)
        assert list(kinds) == [name for name, _ in model.named_parameters()]
        for name, parameter in model.named_parameters():
            if kinds[name] in ("matrix", "output_matrix", "router"):
                assert name.startswith("blocks.")
                assert parameter.ndim == 2
            else:
                assert (parameter.ndim == 1) == (kinds[name] in ("norm", "bias"))
        sizes = architecture.sizes_by_layer
        n_outputs = sum(kind == "output_matrix" for kind in kinds.values())
        assert n_outputs == sum(each.n_heads > 0 for each in sizes) + architecture.experts * sum(
            each.d_ff > 0 for each in sizes
        )


def test_a_later_token_changes_no_earlier_logits():
    for architecture in with_differing(some_architectures(60, seed=3)):
        model = random_model(architecture)
        tokens = some_tokens(architecture)
        changed = tokens.clone()
        place = architecture.context_length // 2
        changed[:, place] = (changed[:, place] + 1) % architecture.vocab_size
        with torch.no_grad():
            before, after = model(tokens), model(changed)
        torch.testing.assert_close(before[:, :place], after[:, :place], atol=1e-5, rtol=0)
        assert not torch.allclose(before[:, place], after[:, place], atol=1e-4)


def test_a_token_beyond_the_windows_reach_changes_nothing():
    for architecture in some_architectures(20, seed=4, sliding_window=3, n_layers=2):
        model = random_model(architecture)
        tokens = some_tokens(architecture)
        changed = tokens.clone()
        changed[:, 0] = (changed[:, 0] + 1) % architecture.vocab_size
        reach = architecture.n_layers * (architecture.sliding_window - 1)
        with torch.no_grad():
            before, after = model(tokens), model(changed)
        torch.testing.assert_close(before[:, reach + 1 :], after[:, reach + 1 :])
        assert not torch.allclose(before[:, reach], after[:, reach], atol=1e-5)


def test_cached_logits_are_those_without_a_cache():
    for number, architecture in enumerate(with_differing(some_architectures(80, seed=5))):
        model = random_model(architecture, seed=number)
        tokens = some_tokens(architecture)
        cache = KVCache(architecture, batch=2)
        with torch.no_grad():
            expected = model(tokens)  # (B, T, V)
            got = {2: model.prefill(tokens[:, :3], cache)}
            for place in (3, 4, 5):
                got[place] = model.decode(tokens[:, place], cache)
            got[9] = model.prefill(tokens[:, 6:10], cache)  # a chunk on a filled cache
            for place in range(10, architecture.context_length):
                got[place] = model.decode(tokens[:, place], cache)
        for place, logits in got.items():
            torch.testing.assert_close(
                logits, expected[:, place], atol=1e-5, rtol=1e-5, msg=f"{place} of {architecture}"
            )


def test_a_window_keeps_only_its_own_tokens():
    (architecture,) = some_architectures(1, seed=6, sliding_window=7, context_length=19)
    cache = KVCache(architecture, batch=2)
    a = architecture
    assert cache.reserved_bytes == 2 * a.n_layers * 2 * 7 * a.n_kv_heads * a.head_dim * 4
    model = random_model(architecture)
    tokens = some_tokens(architecture)
    with torch.no_grad():
        model.prefill(tokens[:, :5], cache)
        assert 7 * cache.filled_bytes == 5 * cache.reserved_bytes
        model.prefill(tokens[:, 5:], cache)
    assert cache.length == 19
    assert cache.filled_bytes == cache.reserved_bytes


def test_a_full_cache_says_so():
    (architecture,) = some_architectures(1, seed=6, sliding_window=0)
    cache = KVCache(architecture, 5)
    model = random_model(architecture)
    model.prefill(torch.zeros(1, 4, dtype=torch.long), cache)
    with pytest.raises(InputError, match=r"4 \+ 2 tokens do not fit into a cache of 5"):
        model.prefill(torch.zeros(1, 2, dtype=torch.long), cache)
    with pytest.raises(InputError, match="holds nothing"):
        KVCache(architecture, 0)


def test_ranges_of_layers_compose_to_the_whole():
    for architecture in with_differing(some_architectures(20, seed=7, n_layers=3)):
        model = random_model(architecture)
        tokens = some_tokens(architecture)
        cache = KVCache(architecture, batch=2)
        with torch.no_grad():
            expected = model(tokens)
            for cut in range(4):
                hidden = model.run_layers(model.embed(tokens), 0, cut)
                got = model.head(model.run_layers(hidden, cut, 3))
                torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
            early = model.run_layers(model.embed(tokens), 0, 1, cache)
            assert (cache.length_of(0), cache.length_of(1)) == (architecture.context_length, 0)
            got = model.head(model.run_layers(early, 1, 3, cache))
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_the_last_tokens_alone_are_those_of_all():
    for number, architecture in enumerate(with_differing(some_architectures(60, seed=8))):
        model = random_model(architecture, seed=number)
        tokens = some_tokens(architecture)
        n_layers, context = architecture.n_layers, architecture.context_length
        with torch.no_grad():
            whole = model.run_layers(model.embed(tokens))
            for last in (1, 3, context - 1, context):
                end = model.run_layers(model.embed(tokens), last=last)
                torch.testing.assert_close(end, whole[:, -last:], atol=1e-6, rtol=1e-6)
            # After others that a cache holds, and on no layer at all.
            cache = KVCache(architecture, batch=2)
            model.run_layers(model.embed(tokens[:, :5]), cache=cache)
            rest = model.embed(tokens[:, 5:], 5)
            end = model.run_layers(rest, cache=cache, last=3)
            assert cache.length == context
            assert model.run_layers(rest, n_layers, last=3).shape == rest[:, -3:].shape
        torch.testing.assert_close(end, whole[:, -3:], atol=1e-5, rtol=1e-5)


def test_a_batch_is_its_sequences_one_by_one():
    for architecture in some_architectures(40, seed=8):
        model = random_model(architecture)
        tokens = some_tokens(architecture, batch=3)
        with torch.no_grad():
            together = model(tokens)
            alone = torch.cat([model(each.unsqueeze(0)) for each in tokens])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_each_token_goes_through_its_best_experts_with_shares_that_sum_to_one():
    (architecture,) = some_architectures(1, seed=9, experts=5, experts_per_token=3)
    experts = random_model(architecture).blocks[0].feed_forward
    x = torch.randn(2, 7, architecture.d_model)
    with torch.no_grad():
        got = experts(x)
        scores = experts.router(x)  # (B, T, experts)
        dense = torch.stack([each(x) for each in experts.experts], dim=-1)  # (B, T, M, experts)
        worst = scores.argsort(dim=-1)[..., :2]
        shares = scores.scatter(-1, worst, -torch.inf).softmax(-1)
    torch.testing.assert_close(got, (dense * shares.unsqueeze(-2)).sum(-1))


def test_dropout_acts_in_training_only():
    (architecture,) = some_architectures(1, seed=10, dropout=0.5)
    model = random_model(architecture)
    tokens = some_tokens(architecture)
    with torch.no_grad():
        assert torch.equal(model(tokens), model(tokens))
        model.train()
        assert not torch.allclose(model(tokens), model(tokens))


def test_recomputed_activations_give_the_same_gradients():
    for architecture in with_differing(some_architectures(6, seed=11)):
        model = random_model(architecture).train()
        tokens = some_tokens(architecture)
        gradients = []
        for recompute in (False, True):
            model.recompute_activations = recompute
            model.zero_grad()
            model(tokens).square().mean().backward()
            gradients.append(
                [each.grad.clone() for each in model.parameters() if each.grad is not None]
            )
        torch.testing.assert_close(*gradients)


def test_too_long_a_text_is_refused():
    (architecture,) = some_architectures(1, seed=12, context_length=13)
    with pytest.raises(InputError, match="14 tokens do not fit into context_length=13"):
        random_model(architecture)(torch.zeros(1, 14, dtype=torch.long))


def flops(model, run, math_backend: bool) -> int:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        if math_backend:
            with sdpa_kernel(SDPBackend.MATH):
                run(model)
        else:
            run(model)
    return counter.get_total_flops()


def matrix_products(a: Architecture, tokens: int) -> int:
    """Return FLOPs of a block's weights for `tokens` tokens, 2 per multiply-add."""
    heads = 2 * (a.n_heads + a.n_kv_heads) * a.head_dim
    feed_forward = (3 if a.gated else 2) * a.d_ff * a.experts_per_token
    router = a.experts if a.experts > 1 else 0
    return 2 * tokens * a.d_model * (heads + feed_forward + router)


def test_counted_flops_are_those_of_the_sizes():
    for architecture in some_architectures(50, seed=13):
        a, prompt, read = architecture, 11, 11
        head = 2 * a.d_model * a.vocab_size
        dense_attention = 4 * prompt**2 * a.n_heads * a.head_dim
        prefill = a.n_layers * (matrix_products(a, prompt) + dense_attention) + head
        seen = min(read + 1, a.sliding_window) if a.sliding_window else read + 1
        decode = a.n_layers * (matrix_products(a, 1) + 4 * seen * a.n_heads * a.head_dim) + head
        for device, math_backend in (("meta", False), ("cpu", True)):
            model = Transformer(a).eval().to(device)
            cache = KVCache(a, device=device)
            tokens = torch.zeros(1, prompt, dtype=torch.long, device=device)
            first = flops(model, lambda m, t=tokens, c=cache: m.prefill(t, c), math_backend)
            second = flops(model, lambda m, t=tokens, c=cache: m.decode(t[:, 0], c), math_backend)
            assert (first, second) == (prefill, decode), (device, architecture)


def test_operations_have_the_values_and_gradients_of_the_plain_formulas():
    x = torch.randn(3, 5, 7, 14, requires_grad=True)
    weight = torch.randn(14, requires_grad=True)
    table = RotaryTable(
        Architecture(
            n_layers=1, d_model=14, n_heads=1, vocab_size=2, context_length=5, rotary_share=0.6
        )
    )
    turns = table.at(0, 5, x)
    assert turns.shape == (5, 1, 4)

    def plain_rotation(x, _):
        a, b, rest = x[..., 0:8:2], x[..., 1:8:2], x[..., 8:]
        pairs = (a * turns.real - b * turns.imag, b * turns.real + a * turns.imag)
        return torch.cat((torch.stack(pairs, dim=-1).flatten(-2), rest), dim=-1)

    pairs = {
        "rms_norm": (
            lambda x, w: rms_norm(x, w, 1e-3),
            lambda x, w: x * (x.square().mean(-1, keepdim=True) + 1e-3).rsqrt() * w,
        ),
        "relu_squared": (lambda x, w: relu_squared(x), lambda x, w: x.clamp(min=0) ** 2),
        "rotate": (lambda x, w: rotate(x, turns), plain_rotation),
    }
    upstream = torch.randn(3, 7, 5, 14).transpose(1, 2)  # not contiguous, as attention's is
    for name, (ours, plain) in pairs.items():
        results = []
        for function in (ours, plain):
            y = function(x, weight)
            gradients = torch.autograd.grad(y, (x, weight), upstream, allow_unused=True)
            results.append((y, *(each for each in gradients if each is not None)))
        torch.testing.assert_close(*results, msg=lambda text, name=name: f"{name}: {text}")
        with torch.no_grad():
            torch.testing.assert_close(ours(x, weight), plain(x, weight))


def test_rotary_attention_depends_on_distance_alone():
    architecture = Architecture(
        n_layers=1, d_model=16, n_heads=1, vocab_size=2, context_length=64, rope_scaling=8.0
    )
    table = RotaryTable(architecture)
    q, k = torch.randn(16), torch.randn(16)

    def product(query_place: int, key_place: int) -> float:
        turned = [
            rotate(each.view(1, 1, 1, -1), table.at(place, 1, each))
            for each, place in ((q, query_place), (k, key_place))
        ]
        return float((turned[0] * turned[1]).sum())

    assert product(9, 4) == pytest.approx(product(49, 44), abs=1e-4)
    assert product(9, 4) != pytest.approx(product(9, 5), abs=1e-3)


def test_bfloat16_logits_are_near_those_in_full_precision():
    for architecture in some_architectures(20, seed=14):
        model = random_model(architecture)
        tokens = some_tokens(architecture)
        with torch.no_grad():
            full = model(tokens)
            small = model.bfloat16()(tokens)
        assert small.dtype == torch.bfloat16
        # Routing is a choice: a rounded score may pick another expert.
        if architecture.experts == 1:
            assert (small - full).abs().mean() < 0.05 * full.std()
