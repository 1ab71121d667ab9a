"""What queries gather from keys and values, and which positions each of them sees.

Shapes: B sequences, L queries, S keys, H query heads, K KV heads, D the size of a head.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor


def attention(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Return what `queries` (B, L, H, D) gather from `keys`, `values` (B, K, S, D): (B, L, H, D).

    `mask` (L, S) says what each query sees; None means plainly causal (S = L), or one query that
    sees all S. H / K neighbouring query heads share a KV head.
    """
    batch, rows, n_heads, head_dim = queries.shape
    n_kv_heads = keys.shape[1]
    if rows == 1 and mask is None:
        # One token sees all there is. Its heads of one group become the rows of one product, so
        # that each key is read once: 1.1 to 2.1 times faster than repeated keys.
        q = queries.view(batch, n_kv_heads, -1, head_dim)  # (B, K, H/K, D)
        y = F.scaled_dot_product_attention(q, keys, values)  # (B, K, H/K, D)
        return y.view(batch, 1, n_heads, head_dim)
    y = F.scaled_dot_product_attention(
        queries.transpose(1, 2),  # (B, H, L, D)
        keys,
        values,
        mask,
        is_causal=mask is None,
        enable_gqa=n_kv_heads < n_heads,
    )  # (B, H, L, D)
    return y.transpose(1, 2)  # (B, L, H, D)


# The layers of one pass ask for the same mask one after the other, the last one for fewer rows.
@lru_cache(maxsize=2)
def visible(
    position: int, new: int, last: int, window: int, sinks: int, device: torch.device
) -> Tensor | None:
    """Return what the `last` L of `new` tokens from `position` on see, (L, S); None as above.

    A token sees the first `sinks` positions and its own and the latest before it, `window` in all
    (0: every one). The S columns are `seen_positions`.
    """
    end = position + new
    every = not window or end <= sinks + window
    if new == 1 or (position == 0 and last == new and every):
        return None
    # Made outside inference mode, or a pass with gradients could not use a mask of one without.
    with torch.inference_mode(False):
        rows = torch.arange(end - last, end, device=device).unsqueeze(1)  # (L, 1)
        if every:
            return torch.arange(end, device=device) <= rows
        columns = seen_positions(position, end, window, sinks, device)  # (S,)
        return (columns <= rows) & ((columns > rows - window) | (columns < sinks))


def seen_positions(
    position: int, end: int, window: int, sinks: int, device: torch.device | str
) -> Tensor:
    """Return what the tokens from `position` to `end` (exclusive) see between them, rising: (S,).

    Each sees the first `sinks` positions and the latest `window` ones.
    """
    kept_sinks = min(sinks, position)
    first = max(kept_sinks, position - window + 1)
    return torch.cat(
        (torch.arange(kept_sinks, device=device), torch.arange(first, end, device=device))
    )
