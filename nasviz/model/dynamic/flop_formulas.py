"""FLOPs of products that torch's counter doesn't know, for its `custom_mapping`.

>>> from torch.utils.flop_counter import FlopCounterMode
>>> with FlopCounterMode(display=False, custom_mapping=dict(FLOP_FORMULAS)) as counter:
...     pass
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

Shape = tuple[int, ...]


def _packed_product(rows: Shape, packed: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Return 2 operations a multiply-add of (N, in) by (out, in), paddings included."""
    return 2 * rows[0] * rows[1] * out_shape[1]


def _weighted_rows(weight: Shape, places: Shape, *_: Any, **__: Any) -> int:
    """Return 2 operations for each number of each row that is summed."""
    return 2 * places[0] * weight[1]


FLOP_FORMULAS: Mapping[Any, Callable[..., int]] = MappingProxyType(
    {
        torch.ops.aten._weight_int8pack_mm: _packed_product,
        torch.ops.aten._weight_int4pack_mm_for_cpu: _packed_product,
        torch.ops.aten._embedding_bag_forward_only: _weighted_rows,
        torch.ops.aten._embedding_bag: _weighted_rows,
    }
)
