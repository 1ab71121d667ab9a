"""How many weights a model has, by component, and how many of them one token uses."""

from __future__ import annotations

from dataclasses import dataclass

from nasviz.cost.sizes import Amount, Sizes, where


@dataclass(frozen=True, eq=False)
class Parameters:
    """Counts of weights; the components add up to `total`.

    `embedding` is the token table and the table of learned positions; `head` is 0 where the
    output shares the token table (Press & Wolf 2017, arXiv:1608.05859). `norm` holds QK norms
    too. `active` leaves out the experts that a token doesn't visit, as in "47B total, 13B active"
    (Jiang et al. 2024, arXiv:2401.04088); the embedding counts as active. `matrices`, in none of
    the sums, are the weight matrices of attention and feed-forward: those that Muon trains.
    `additions` are what an inference policy learns: exits' own heads, gates, routers of tokens.
    """

    total: Amount
    active: Amount
    embedding: Amount
    attention: Amount
    feed_forward: Amount
    router: Amount
    norm: Amount
    head: Amount
    additions: Amount
    matrices: Amount


def count_parameters(
    sizes: Sizes, additions: Amount = 0, experts_used: Amount | None = None
) -> Parameters:
    """Return the counts, equal to those of the built module (a test counts both).

    `additions` are the weights that an inference policy learns. `experts_used` is how many experts
    a token goes through on average, where that is not the model's own number.
    """
    d_model, d_ff, n_layers = sizes.d_model, sizes.d_ff, sizes.n_layers
    query, kv = sizes.query_width, sizes.kv_width
    positions = sizes.learned * (sizes.context_length + sizes.extra_positions)
    embedding = d_model * (sizes.vocab_size + positions)

    qkv_width = query + 2 * kv
    attention_matrices = d_model * (qkv_width + query)  # q, k, v and the output projection
    attention = n_layers * (
        attention_matrices
        + sizes.qkv_bias * qkv_width
        + where(sizes.attends, sizes.all_biases * d_model)
    )

    inward = 1 + sizes.gated  # matrices from d_model to d_ff: the gate is the second one
    expert_matrices = d_ff * d_model * (inward + 1)
    expert = expert_matrices + sizes.all_biases * (inward * d_ff + where(sizes.feeds, d_model))
    feed_forward = n_layers * sizes.experts * expert
    router = n_layers * where(sizes.feeds, sizes.routed) * d_model * sizes.experts

    one_norm = d_model * (1 + sizes.all_biases * sizes.layernorm)
    qk_norm = where(sizes.attends, sizes.qk_norm) * 2 * sizes.head_dim
    norm = ((sizes.attends + sizes.feeds) * n_layers + 1) * one_norm + n_layers * qk_norm

    head = (1 - sizes.tied_embeddings) * d_model * sizes.vocab_size
    total = embedding + attention + feed_forward + router + norm + head + additions
    visited = sizes.experts_per_token if experts_used is None else experts_used
    idle = n_layers * (sizes.experts - visited) * expert
    return Parameters(
        total=total,
        active=total - idle,
        embedding=embedding,
        attention=attention,
        feed_forward=feed_forward,
        router=router,
        norm=norm,
        head=head,
        additions=additions,
        matrices=n_layers * (attention_matrices + sizes.experts * expert_matrices),
    )
