"""Random small spaces, and what is feasible in them by brute force: shared by the tests here."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.dimensions import Choice, Dimension, Integer, Real
from nasviz.space.ff_ratio import d_ff_of
from nasviz.space.fields import FIELDS
from nasviz.space.search_space import SearchSpace
from nasviz.space.table import CandidateTable

BASE: dict[str, Any] = {"vocab_size": 257, "context_length": 61}
RULES = ("d_model >= 16 * n_layers", "n_layers + n_heads != 4", "not (position == 'none')")


def small_space(**changes: Any) -> SearchSpace:
    """Return 3 × 5 × 6 points, of which heads leave some out."""
    parts: dict[str, Any] = {
        "dimensions": (
            Integer("n_layers", 1, 3),
            Integer("d_model", 24, 72, step=12),
            Choice("n_heads", (1, 2, 3, 5, 6, 7)),
        ),
        "base": BASE,
    }
    return SearchSpace(**{**parts, **changes})


def weights(table: CandidateTable) -> dict[str, Any]:
    """Return cost columns that are easy to check by hand."""
    per_layer = 4 * table["d_model"] ** 2 + 3 * table["d_model"] * table["d_ff"]
    return {
        "parameters_total": table["vocab_size"] * table["d_model"] + table["n_layers"] * per_layer,
        "depth": table["n_layers"].astype(float),
    }


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Return spaces of at most some thousand points, over all kinds of dimensions."""
    low = draw(st.integers(1, 3))
    dimensions: list[Dimension] = [
        Integer("n_layers", low, low + draw(st.integers(0, 2))),
        Integer("d_model", draw(st.sampled_from([8, 12, 20])), draw(st.sampled_from([48, 60])),
                step=draw(st.sampled_from([4, 8, 12]))),
        Choice("n_heads", tuple(draw(st.sets(st.integers(1, 7), min_size=1, max_size=4)))),
    ]  # fmt: skip
    options: dict[str, Dimension] = {
        "kv": Choice("n_kv_heads", tuple(draw(st.sets(st.integers(1, 4), min_size=1)))),
        "vocabulary": Integer("vocab_size", 64, 300, log=True),
        "ratio": Real("ff_ratio", 1.0, draw(st.sampled_from([1.0, 2.0])), step=0.5),
        "position": Choice("position", ("rope", "none")),
        "experts": Choice("experts", (1, 3)),
        "per_token": Integer("experts_per_token", 1, 2),
        "tied": Choice("tied_embeddings", (True, False)),
        "share": Choice("rotary_share", (0.25, 1.0)),
    }
    picked = draw(st.sets(st.sampled_from(sorted(options)), max_size=3))
    dimensions += [options[name] for name in sorted(picked)]
    names = {each.name for each in dimensions}
    base = {name: value for name, value in BASE.items() if name not in names}
    space = SearchSpace(tuple(draw(st.permutations(dimensions))), base)
    for rule in draw(st.sets(st.sampled_from(RULES), max_size=2)):
        space = space.constrained(rule)
    return space


def values_of(dimension: Dimension) -> list[Any]:
    """Return a dimension's values as a person writes them."""
    if isinstance(dimension, Choice):
        return list(dimension.choices)
    assert dimension.grid is not None
    return dimension.grid.tolist()


def feasible_points(space: SearchSpace) -> Iterator[tuple[dict[str, Any], Architecture]]:
    """Yield every feasible point with its architecture, found one by one with plain Python."""
    for values in itertools.product(*[values_of(each) for each in space.dimensions]):
        point = dict(zip(space.names, values, strict=True))
        sizes = {**space.base, **point}
        if "ff_ratio" in sizes:
            sizes["d_ff"] = int(d_ff_of(sizes.pop("ff_ratio"), sizes["d_model"]))
        try:
            architecture = Architecture(**{k: v for k, v in sizes.items() if k in FIELDS})
        except InputError:
            continue
        read = architecture.to_json()
        rules = [rule.expression or "True" for rule in space.constraints]
        if all(eval(rule, {}, read) for rule in rules):
            yield point, architecture
