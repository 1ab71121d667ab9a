"""The short names by which a narrow panel calls the fields of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nasviz.cost.units import NO_BREAK, count, number
from nasviz.space.ff_ratio import FF_RATIO, space_field
from nasviz.space.field import Field
from nasviz.space.fields import FIELDS

_SHORT = {
    "d_model": "Embedding",
    "n_heads": "Heads",
    "n_kv_heads": "KV heads",
    "context_length": "Context",
    "d_ff": "Feed-forward",
    "ff_ratio": "Feed-forward",
    "mlp": "FFN kind",
    "norm": "Norm",
    "tied_embeddings": "Tied",
    "experts_per_token": "Experts used",
    "parallel_block": "Parallel",
    "rotary_share": "Rotary",
    "sliding_window": "Window",
    "learning_rate": "Rate",
    "learning_rate_rule": "Rate rule",
    "gradient_accumulation": "Accumulate",
    "activation_checkpointing": "Recompute",
}


# "Share of the inputs" is "Inputs share" where there is no room.
_SHARE = re.compile(r"Share of the (.+)")


def short_label(field: Field) -> str:
    """Return a label of about a dozen letters for a row of knobs."""
    return _SHORT.get(field.name, _SHARE.sub(_share_first, field.label))


def _share_first(found: re.Match[str]) -> str:
    return f"{found[1].capitalize()} share"


def value_label(field: Field, value: Any) -> str:
    """Return a field's value as a row shows it: `4,096`, `2.67 ×`, `on`."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return value
    if field.name == "ff_ratio":
        return f"{number(float(value))}{NO_BREAK}×"
    if isinstance(value, int):
        return count(value)
    return f"{value:.3g}"


def worded(sentence: str, costs: Mapping[str, str]) -> str:
    """Return a reason of the space's with the names of fields and costs as a person says them.

    `costs` maps the names of cost columns to their labels.

    >>> worded("n_heads does not divide d_model", {})
    "heads don't divide embedding"
    """

    def said(found: re.Match[str]) -> str:
        name = found[0]
        if name in costs:
            return costs[name].lower()
        if name in FIELDS or name == FF_RATIO.name:
            return short_label(space_field(name)).lower()
        return name

    plural = sentence.replace("heads does not", "heads don't")
    return re.sub(r"[a-z]+(?:[_.][a-z]+)+", said, plural)
