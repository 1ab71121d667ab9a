"""The transformer, top to bottom: every field of an `Architecture`, one forward pass.

Shapes: B sequences, T tokens read now, L of them answered for, S tokens attended to, V vocabulary,
M = d_model, H = n_heads, K = n_kv_heads, D = head_dim; H, K and d_ff are the layer's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nasviz.errors import InputError
from nasviz.model.attention import attention, visible
from nasviz.model.cache import KVCache
from nasviz.model.operations import relu_squared, rms_norm, rotate
from nasviz.model.rotary import RotaryTable
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy


class RmsNorm(nn.Module):
    """RMSNorm over the last dimension, with a weight and no bias."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` normalised, same shape."""
        return rms_norm(x, self.weight, self.eps)


def make_norm(architecture: Architecture) -> nn.Module:
    """Return the architecture's norm over d_model; a layer norm has a bias with biases='all'."""
    if architecture.norm == "rmsnorm":
        return RmsNorm(architecture.d_model, architecture.norm_eps)
    bias = architecture.biases == "all"
    return nn.LayerNorm(architecture.d_model, eps=architecture.norm_eps, bias=bias)


def activation(architecture: Architecture) -> Callable[[Tensor], Tensor]:
    """Return the feed-forward part's non-linearity (of the gate, where there is one)."""
    approximate = "tanh" if architecture.gelu_tanh else "none"

    def gelu(x: Tensor) -> Tensor:
        return F.gelu(x, approximate=approximate)

    kinds: dict[str, Callable[[Tensor], Tensor]] = {
        "gelu": gelu,
        "geglu": gelu,
        "relu": torch.relu,
        "relu2": relu_squared,
        "swiglu": F.silu,
    }
    return kinds[architecture.mlp]


class Attention(nn.Module):
    """Causal self-attention; grouped query heads share keys and values (arXiv:2305.13245)."""

    def __init__(self, architecture: Architecture, n_heads: int, n_kv_heads: int) -> None:
        super().__init__()
        a = architecture
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, a.head_dim
        qkv_bias = a.biases in ("qkv", "all")
        self.query = nn.Linear(a.d_model, n_heads * a.head_dim, bias=qkv_bias)
        self.key = nn.Linear(a.d_model, n_kv_heads * a.head_dim, bias=qkv_bias)
        self.value = nn.Linear(a.d_model, n_kv_heads * a.head_dim, bias=qkv_bias)
        self.output = nn.Linear(n_heads * a.head_dim, a.d_model, bias=a.biases == "all")
        self.query_norm = RmsNorm(a.head_dim, a.norm_eps) if a.qk_norm else None
        self.key_norm = RmsNorm(a.head_dim, a.norm_eps) if a.qk_norm else None

    def forward(
        self,
        x: Tensor,
        turns: Tensor | None,
        mask: Tensor | None,
        cache: KVCache | None,
        layer: int,
        last: int,
    ) -> Tensor:
        """Return what the `last` L of the T tokens gather, (B, L, M).

        With a `cache` they attend to all that it keeps; else to the T tokens that `mask` (L, T)
        shows them, None meaning plainly causal.
        """
        batch, new, _ = x.shape
        q = self.query(x[:, -last:]).view(batch, last, self.n_heads, self.head_dim)  # (B, L, H, D)
        k = self.key(x).view(batch, new, self.n_kv_heads, self.head_dim)  # (B, T, K, D)
        v = self.value(x).view(batch, new, self.n_kv_heads, self.head_dim)  # (B, T, K, D)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        if turns is not None:
            q, k = rotate(q, turns[..., -last:, :, :]), rotate(k, turns)
        k, v = k.transpose(1, 2), v.transpose(1, 2)  # (B, K, T, D)
        # (B, L, H, D)
        y = attention(q, k, v, mask) if cache is None else cache.attend(layer, q, k, v)
        return self.output(y.reshape(batch, last, -1))  # type: ignore[no-any-return]  # (B, L, M)

    def keep(self, x: Tensor, turns: Tensor | None, cache: KVCache, layer: int) -> None:
        """Keep the keys and values of `x` (B, T, M) in the cache, and attend to nothing."""
        batch, new, _ = x.shape
        k = self.key(x).view(batch, new, self.n_kv_heads, self.head_dim)
        v = self.value(x).view(batch, new, self.n_kv_heads, self.head_dim)
        if self.key_norm is not None:
            k = self.key_norm(k)
        if turns is not None:
            k = rotate(k, turns)
        cache.append(layer, k.transpose(1, 2), v.transpose(1, 2))


class FeedForward(nn.Module):
    """Two matrices around a non-linearity, or three when it is gated (arXiv:2002.05202)."""

    def __init__(self, architecture: Architecture, d_ff: int) -> None:
        super().__init__()
        a = architecture
        bias = a.biases == "all"
        self.gate = nn.Linear(a.d_model, d_ff, bias=bias) if a.gated else None
        self.up = nn.Linear(a.d_model, d_ff, bias=bias)
        self.down = nn.Linear(d_ff, a.d_model, bias=bias)
        self.activation = activation(a)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer adds, (..., M)."""
        if self.gate is None:
            inner = self.activation(self.up(x))  # (..., d_ff)
        else:
            inner = self.activation(self.gate(x)) * self.up(x)  # (..., d_ff)
        return self.down(inner)  # type: ignore[no-any-return]  # (..., M)


class TopExperts(nn.Module):
    """Sends each token to the experts that its router scores highest, always as many.

    Their scores are made to sum to 1 by a softmax over them (arXiv:2401.04088).
    """

    def __init__(self, per_token: int) -> None:
        super().__init__()
        self.per_token = per_token

    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the experts of each token and their shares: (N, experts) → (N, per_token) twice.

        Shares are float32. Another way of choosing may leave places empty: there the expert is the
        first number that none has. Of a single token it may leave them out.
        """
        best, chosen = scores.topk(self.per_token, dim=-1)
        return chosen, best.softmax(dim=-1, dtype=torch.float32)


class Experts(nn.Module):
    """Several feed-forward parts; each token goes through the few that its router likes best."""

    def __init__(self, architecture: Architecture, d_ff: int) -> None:
        super().__init__()
        self.router = nn.Linear(architecture.d_model, architecture.experts, bias=False)
        # A module without weights, so that another can stand in its place and be listened to.
        self.choice: nn.Module = TopExperts(architecture.experts_per_token)
        self.experts = nn.ModuleList(
            FeedForward(architecture, d_ff) for _ in range(architecture.experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return what each token's experts add, (B, T, M)."""
        tokens = x.reshape(-1, x.shape[-1])  # (N = B·T, M)
        chosen, shares = self.choice(self.router(tokens))  # (N, per_token) twice
        if len(tokens) == 1 and not (self.training or x.is_meta):
            return self._of_one(tokens, chosen, shares).view_as(x)
        order = chosen.flatten().argsort(stable=True)  # (N · per_token,), grouped by expert
        rows = order // chosen.shape[1]  # the token of each visit
        weights = shares.to(x.dtype).flatten()[order].unsqueeze(-1)  # (N · per_token, 1)
        result = torch.zeros_like(tokens)
        start = 0
        for expert, visits in zip(self.experts, self._visits(chosen), strict=True):
            # Experts that nobody chose cost nothing, but in training they get gradients of zero:
            # processes that share a batch then wait for the same ones.
            if visits or self.training:
                here = slice(start, start + visits)
                y = expert(tokens[rows[here]]) * weights[here]  # (visits, M)
                result = result.index_add(0, rows[here], y.to(result.dtype))
                start += visits
        return result.view_as(x)

    def _of_one(self, token: Tensor, chosen: Tensor, shares: Tensor) -> Tensor:
        """Return what the experts of one token (1, M) add: the same sum, with nothing to sort."""
        weights = shares.to(token.dtype)[0].tolist()
        result = torch.zeros_like(token)
        for expert, weight in sorted(zip(chosen[0].tolist(), weights, strict=True)):
            result = result + self.experts[expert](token) * weight
        return result

    def _visits(self, chosen: Tensor) -> list[int]:
        """Return how many tokens each expert gets: they sum to N · per_token, less empty places."""
        n_experts = len(self.experts)
        if chosen.is_meta:  # no values to route by: an even share, which counts the same FLOPs
            least, more = divmod(chosen.numel(), n_experts)
            return [least + (expert < more) for expert in range(n_experts)]
        counts: list[int] = torch.bincount(chosen.flatten(), minlength=n_experts).tolist()
        return counts[:n_experts]


class Block(nn.Module):
    """Attention and feed-forward, each added to the residual stream.

    One after the other, or both from the same input (`parallel_block`, arXiv:2204.06745). A layer
    whose sizes leave one of them out (see `LayerSizes`) has None in its place and its norm's.
    """

    def __init__(self, architecture: Architecture, layer: int) -> None:
        super().__init__()
        a, sizes = architecture, architecture.sizes_of(layer)
        self.layer = layer
        self.parallel = a.parallel_block
        self.dropout = a.dropout
        attends, feeds = sizes.n_heads > 0, sizes.d_ff > 0
        self.attention_norm = make_norm(a) if attends else None
        self.attention = Attention(a, sizes.n_heads, sizes.n_kv_heads) if attends else None
        self.feed_forward_norm = make_norm(a) if feeds else None
        kind = Experts if a.experts > 1 else FeedForward
        self.feed_forward = kind(a, sizes.d_ff) if feeds else None

    def forward(
        self,
        x: Tensor,
        turns: Tensor | None,
        mask: Tensor | None,
        cache: KVCache | None,
        last: int,
    ) -> Tensor:
        """Return the residual stream after this block, of the `last` L of T tokens: (B, L, M)."""
        rest = x[:, -last:]  # (B, L, M): the others are only attended to
        if self.attention is None or self.attention_norm is None:
            if cache is not None:
                cache.pass_over(self.layer, x.shape[1])
            return self._fed(rest, rest)
        attended = self.attention(self.attention_norm(x), turns, mask, cache, self.layer, last)
        after = rest + self._drop(attended)
        return self._fed(after, rest if self.parallel else after)

    def _fed(self, x: Tensor, read: Tensor) -> Tensor:
        """Return `x` with what the feed-forward part makes of `read` added, (B, L, M)."""
        if self.feed_forward is None or self.feed_forward_norm is None:
            return x
        return x + self._drop(self.feed_forward(self.feed_forward_norm(read)))

    def keep(self, x: Tensor, turns: Tensor | None, cache: KVCache) -> None:
        """Keep the keys and values that this block's attention has of `x` (B, T, M)."""
        if self.attention is None or self.attention_norm is None:
            cache.pass_over(self.layer, x.shape[1])
        else:
            self.attention.keep(self.attention_norm(x), turns, cache, self.layer)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout) if self.training and self.dropout else x


class Head(nn.Module):
    """The final norm and the output matrix, which is the embedding's own when they are tied."""

    def __init__(self, architecture: Architecture, embedding: nn.Embedding) -> None:
        super().__init__()
        self.norm = make_norm(architecture)
        if architecture.tied_embeddings:
            self.register_parameter("weight", None)
        else:
            shape = (architecture.vocab_size, architecture.d_model)
            self.weight = nn.Parameter(torch.randn(shape) / math.sqrt(architecture.d_model))
        self._embedding = (embedding,)  # in a tuple, so that torch doesn't list it a second time

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits of the residual stream: (..., M) → (..., V)."""
        matrix = self._embedding[0].weight if self.weight is None else self.weight  # (V, M)
        return F.linear(self.norm(hidden), matrix)


class Transformer(nn.Module):
    """A language model with exactly the sizes of `architecture`.

    Weights are torch's defaults until `initialise` or `load_checkpoint` gives better ones. Set
    `recompute_activations` to trade a second forward pass for memory in training.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        self.architecture = a
        self.recompute_activations = False
        self._layer_dropout = (0.0,) * a.n_layers
        self.token_embedding = nn.Embedding(a.vocab_size, a.d_model)
        self.position_embedding = (
            nn.Embedding(a.context_length + a.extra_positions, a.d_model)
            if a.position == "learned"
            else None
        )
        self.rotary = RotaryTable(a) if a.position == "rope" else None
        self.blocks = nn.ModuleList(Block(a, layer) for layer in range(a.n_layers))
        self.head = Head(a, self.token_embedding)
        # What a policy has learned besides: see `nasviz.model.dynamic.additions`.
        self.built_for = InferencePolicy()
        self.additions = nn.ModuleDict()
        # How much each layer changes the stream, once that was measured on text: see
        # `nasviz.evaluation.block_influence`.
        self.block_influence: tuple[float, ...] | None = None

    def forward(
        self, tokens: Tensor, through: Callable[[Transformer, Tensor], Any] | None = None
    ) -> Any:
        """Return the logits of every position's next token: (B, T) → (B, T, V).

        With `through`, return what that makes of this model and the tokens: it is called inside
        the forward pass, where an engine that shares weights out has them at hand.
        """
        if through is not None:
            return through(self, tokens)
        return self.head(self.run_layers(self.embed(tokens)))

    def prefill(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """Return the logits of the next token alone: (B, T) → (B, V).

        With a `cache`, `tokens` follow those that it holds, and are kept in it.
        """
        hidden = self.embed(tokens, 0 if cache is None else cache.length)
        logits: Tensor = self.head(self.run_layers(hidden, cache=cache)[:, -1])
        return logits

    def decode(self, tokens: Tensor, cache: KVCache) -> Tensor:
        """Return the logits after one more token a sequence: (B,) → (B, V)."""
        return self.prefill(tokens.unsqueeze(1), cache)

    def embed(self, tokens: Tensor, position: int = 0) -> Tensor:
        """Return the residual stream before the first layer: (B, T) → (B, T, M).

        `position` is that of the first token. Raises `InputError` beyond the context.
        """
        a = self.architecture
        end = position + tokens.shape[1]
        if end > a.context_length:
            raise InputError(
                f"{end} tokens do not fit into context_length={a.context_length}; "
                "cut the text from the left"
            )
        x = self.token_embedding(tokens)  # (B, T, M)
        if a.scaled_embedding:
            x = x * math.sqrt(a.d_model)
        if self.position_embedding is not None:
            first = position + a.extra_positions
            rows = torch.arange(first, end + a.extra_positions, device=tokens.device)
            x = x + self.position_embedding(rows)  # (B, T, M) + (T, M)
        return F.dropout(x, a.dropout) if self.training and a.dropout else x

    def run_layers(
        self,
        hidden: Tensor,
        start: int = 0,
        stop: int | None = None,
        cache: KVCache | None = None,
        last: int | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Return the residual stream after layers `start` to `stop` (exclusive), (B, T, M).

        With a `cache`, the tokens follow those that its layer `start` has let pass, unless
        `positions` (B, T), rising, say where they stand. With `last`, only the last so many tokens'
        are computed by the final layer and returned: the same numbers for less work, since the
        others' would be read by no later layer.
        """
        stop = len(self.blocks) if stop is None else stop
        new = hidden.shape[1]
        turns = self._turns(hidden, 0 if cache is None else cache.length_of(start), positions)
        all_rows = last is None or (cache is not None and cache.reads_queries)
        final_rows = new if last is None or all_rows else min(last, new)
        recompute = self.recompute_activations and self.training and torch.is_grad_enabled()
        for layer in range(start, stop):
            rows = final_rows if layer == stop - 1 else new
            mask = None if cache is not None else self._mask(new, rows, hidden.device)
            inputs = (hidden, turns, mask, cache, rows)
            if recompute:
                further = checkpoint(self.blocks[layer], *inputs, use_reentrant=False)
            else:
                further = self.blocks[layer](*inputs)
            hidden = self._drop_layer(layer, hidden, further) if self.training else further
        return hidden if last is None else hidden[:, -last:]

    def set_layer_dropout(self, most: float) -> None:
        """Let each sequence skip a layer in training by chance: `most` for the last layer.

        The chance rises with depth l of L layers as exp(l ln 2 / (L - 1)) - 1, from 0 at the first
        (Elhoushi et al. 2024, LayerSkip, equation 1, arXiv:2404.16710).
        """
        last = max(len(self.blocks) - 1, 1)
        rises = [math.expm1(layer * math.log(2) / last) for layer in range(len(self.blocks))]
        self._layer_dropout = tuple(most * rise for rise in rises)

    def _drop_layer(self, layer: int, before: Tensor, after: Tensor) -> Tensor:
        chance = self._layer_dropout[layer]
        if not chance:
            return after
        skips = torch.rand(len(before), 1, 1, device=before.device) < chance
        return torch.where(skips, before[:, -after.shape[1] :], after)

    def keep_only(self, hidden: Tensor, cache: KVCache, start: int) -> None:
        """Keep the keys and values of `hidden` (B, T, M) in layers `start` and above, and no more.

        So that later tokens find there what a token that left early would have shown, had the
        layers it skipped changed nothing (Elbayad et al. 2020, arXiv:1910.10073).
        """
        new = hidden.shape[1]
        turns = None if self.rotary is None else self.rotary.at(cache.length_of(start), new, hidden)
        for block in cast("list[Block]", self.blocks[start:]):
            block.keep(hidden, turns, cache)

    def _turns(self, hidden: Tensor, position: int, positions: Tensor | None) -> Tensor | None:
        """Return the turns of tokens (B, T, M) from `position` on, or of `positions` (B, T)."""
        if self.rotary is None:
            return None
        if positions is not None:
            return self.rotary.of(positions, hidden)
        return self.rotary.at(position, hidden.shape[1], hidden)

    def _mask(self, new: int, last: int, device: torch.device) -> Tensor | None:
        """Return what the `last` L of T new tokens see of all T, (L, T); None: plainly causal."""
        return visible(0, new, last, self.architecture.sliding_window, 0, device)
