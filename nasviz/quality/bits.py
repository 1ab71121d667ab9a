"""Bits per byte: the measure of quality that every vocabulary can be compared in."""

from __future__ import annotations

import math
from typing import Any


def bits_per_byte(nats: Any, n_bytes: Any) -> Any:
    """Return `nats` / (ln 2 × `n_bytes`), for numbers or arrays.

    `nats` is the total negative log-likelihood of a text, `n_bytes` its UTF-8 bytes (of the part
    that was scored). Plain bytes under a uniform guess come to 8.

    >>> round(bits_per_byte(math.log(256) * 1000, 1000), 12)
    8.0
    """
    return nats / (math.log(2.0) * n_bytes)
