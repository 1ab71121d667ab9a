"""`Kept`: which parts of a model remain when it is pruned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from nasviz.errors import InputError, check_names
from nasviz.space.architecture import Architecture
from nasviz.space.layer_sizes import LayerSizes

Indices = tuple[int, ...]


@dataclass(frozen=True)
class Kept:
    """What remains of a model: parts by their number in the parent, from 0, in rising order.

    `heads` (query heads), `experts` and `ff_units` are said for each kept layer in turn, and
    `ff_units` for each of its kept experts (one in a dense model). Each layer has its own, heads
    and units as many as it likes: none of the one removes its attention, none of the other its
    feed-forward part. Experts are as many in all layers, and those of a layer have equally many
    units. A KV head remains where a query head of its group does, and all remaining groups have
    equally many. `channels`, those of the residual stream, are the same everywhere. Vocabulary and
    context lose their end: merges are ordered, so the first tokens are a tokenizer too. Make one
    with `Kept.of`.
    """

    layers: Indices
    heads: tuple[Indices, ...]
    experts: tuple[Indices, ...]
    ff_units: tuple[tuple[Indices, ...], ...]
    channels: Indices
    vocab_size: int
    context_length: int

    @classmethod
    def of(
        cls,
        parent: Architecture,
        *,
        layers: Sequence[int] | None = None,
        heads: Sequence[Sequence[int]] | None = None,
        experts: Sequence[Sequence[int]] | None = None,
        ff_units: Sequence[Sequence[Sequence[int]]] | None = None,
        channels: Sequence[int] | None = None,
        vocab_size: int | None = None,
        context_length: int | None = None,
    ) -> Kept:
        """Return what remains of `parent`: all of each kind that isn't named.

        Raises `InputError` for parts that it has not, or that leave no architecture.

        >>> parent = Architecture(4, 96, 3, vocab_size=256, context_length=64)
        >>> Kept.of(parent, layers=(0, 3)).architecture(parent).n_layers
        2
        """
        chosen_layers = _all(parent.n_layers) if layers is None else tuple(layers)
        _check_rising("layers", chosen_layers, parent.n_layers)
        of_layers = [parent.sizes_of(layer) for layer in chosen_layers]
        chosen = (_all(parent.experts),) * len(of_layers) if experts is None else _frozen(experts)
        if heads is None:
            heads = [_all(each.n_heads) for each in of_layers]
        if ff_units is None:
            ff_units = [
                [_all(each.d_ff)] * len(some) for each, some in zip(of_layers, chosen, strict=False)
            ]
        kept = cls(
            layers=chosen_layers,
            heads=_frozen(heads),
            experts=chosen,
            ff_units=_frozen(ff_units),
            channels=_all(parent.d_model) if channels is None else tuple(channels),
            vocab_size=parent.vocab_size if vocab_size is None else vocab_size,
            context_length=parent.context_length if context_length is None else context_length,
        )
        kept.architecture(parent)
        return kept

    def architecture(self, parent: Architecture) -> Architecture:
        """Return the sizes that remain of `parent`; everything else about it stays.

        Raises `InputError` for parts that it has not, or that leave no architecture.
        """
        self._check(parent)
        experts = len(self.experts[0])
        return parent.with_(
            n_layers=len(self.layers),
            layer_sizes=self._layer_sizes(parent),
            d_model=len(self.channels),
            experts=experts,
            experts_per_token=min(parent.experts_per_token, experts),
            vocab_size=self.vocab_size,
            context_length=self.context_length,
        )

    def _layer_sizes(self, parent: Architecture) -> tuple[LayerSizes, ...]:
        found = []
        for layer, heads, units in zip(self.layers, self.heads, self.ff_units, strict=True):
            if not heads and not units[0]:
                raise InputError(
                    f"no heads and no ff_units of layer {layer} are kept: then leave it out of the "
                    "kept layers"
                )
            found.append(LayerSizes(len(heads), len(groups_of(parent, heads)), len(units[0])))
        return tuple(found)

    def then(self, later: Kept) -> Kept:
        """Return what remains of this one's parent when `later` prunes what this one leaves."""
        heads, experts, units = [], [], []
        for place, layer in enumerate(later.layers):
            heads.append(_picked(self.heads[layer], later.heads[place]))
            experts.append(_picked(self.experts[layer], later.experts[place]))
            of_layer = zip(later.experts[place], later.ff_units[place], strict=True)
            units.append(tuple(_picked(self.ff_units[layer][one], rows) for one, rows in of_layer))
        return Kept(
            _picked(self.layers, later.layers),
            tuple(heads),
            tuple(experts),
            tuple(units),
            _picked(self.channels, later.channels),
            later.vocab_size,
            later.context_length,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the parts by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Kept:
        """Return what `data`, a mapping of all parts, says.

        Raises `InputError` for unknown or missing names; `architecture` checks the numbers.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"what is kept is an object of parts, not {data!r}")
        names = [field.name for field in fields(cls)]
        check_names("kept part", data, names)
        missing = [name for name in names if name not in data]
        if missing:
            raise InputError(f"what is kept lacks {', '.join(missing)}")
        return cls(**{name: _frozen(value) for name, value in data.items()})

    def _check(self, parent: Architecture) -> None:
        _check_rising("layers", self.layers, parent.n_layers)
        _check_rising("channels", self.channels, parent.d_model)
        _check_prefix("vocab_size", self.vocab_size, parent.vocab_size)
        _check_prefix("context_length", self.context_length, parent.context_length)
        for name in ("heads", "experts", "ff_units"):
            if len(getattr(self, name)) != len(self.layers):
                raise InputError(
                    f"kept {name} are said of {len(getattr(self, name))} layers, and "
                    f"{len(self.layers)} are kept; give as many"
                )
        for layer, heads in zip(self.layers, self.heads, strict=True):
            _check_chosen(f"heads of layer {layer}", heads, parent.sizes_of(layer).n_heads)
            _check_groups(parent, layer, heads)
        for layer, experts, units in zip(self.layers, self.experts, self.ff_units, strict=True):
            _check_rising(f"experts of layer {layer}", experts, parent.experts)
            if len(units) != len(experts):
                raise InputError(
                    f"kept ff_units of layer {layer} are said of {len(units)} experts, and "
                    f"{len(experts)} are kept; give as many"
                )
            for each in units:
                _check_chosen(f"ff_units of layer {layer}", each, parent.sizes_of(layer).d_ff)
            _check_alike(f"ff_units of layer {layer}", [len(each) for each in units], "expert")
        _check_alike("experts", [len(experts) for experts in self.experts], "layer")


def groups_of(parent: Architecture, heads: Iterable[int]) -> Indices:
    """Return the KV heads that serve these query heads, in rising order."""
    size = parent.n_heads // parent.n_kv_heads
    return tuple(sorted({head // size for head in heads}))


def _check_rising(name: str, chosen: Indices, n: int) -> None:
    if not chosen:
        raise InputError(f"no {name} are kept; keep at least one")
    _check_chosen(name, chosen, n)


def _check_chosen(name: str, chosen: Indices, n: int) -> None:
    whole = all(isinstance(each, int) and not isinstance(each, bool) for each in chosen)
    rising = whole and all(earlier < later for earlier, later in pairwise(chosen))
    if chosen and (not rising or chosen[0] < 0 or chosen[-1] >= n):
        shown = ", ".join(str(each) for each in chosen[:8]) + (", …" if len(chosen) > 8 else "")
        allowed = f"in rising order from 0 to {n - 1}" if n else "there: it has none"
        raise InputError(f"kept {name}: {shown} are not {allowed}")


def _check_alike(name: str, counts: list[int], place: str) -> None:
    if len(set(counts)) > 1:
        raise InputError(
            f"kept {name} are {min(counts)} in one {place} and {max(counts)} in another: an "
            f"architecture has equally many in each {place}"
        )


def _check_groups(parent: Architecture, layer: int, heads: Indices) -> None:
    size = parent.n_heads // parent.n_kv_heads
    left = [
        sum(head // size == group for head in heads) for group in groups_of(parent, heads)
    ]  # (groups,)
    if len(set(left)) > 1:
        raise InputError(
            f"kept heads of layer {layer} leave {min(left)} query heads to one KV head and "
            f"{max(left)} to another; keep equally many of each group of {size}"
        )


def _check_prefix(name: str, kept: int, whole: int) -> None:
    if isinstance(kept, bool) or not isinstance(kept, int) or not 1 <= kept <= whole:
        raise InputError(f"kept {name}={kept!r} is not a whole number from 1 to {whole}")


def _all(n: int) -> Indices:
    return tuple(range(n))


def _picked(of: Sequence[int], places: Iterable[int]) -> Indices:
    return tuple(of[place] for place in places)


def _frozen(value: Any) -> Any:
    """Return nested sequences as tuples."""
    return tuple(_frozen(each) for each in value) if isinstance(value, list | tuple) else value
