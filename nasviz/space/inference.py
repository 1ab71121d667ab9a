"""`InferencePolicy`: how a model is run: a composition of dynamic-inference options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from nasviz.errors import InputError
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS, option_named

if TYPE_CHECKING:
    from nasviz.space.architecture import Architecture

Kind = TypeVar("Kind", bound=Option)


@dataclass(frozen=True)
class InferencePolicy:
    """How a model is run: the `options` that are on, at most one of a kind.

    `InferencePolicy()` is neutral: every layer, every token, every weight, the whole cache.
    Raises `InputError` for two of a kind, and for options that can't be combined.

    >>> from nasviz.space.options.early_exit import EarlyExit
    >>> InferencePolicy((EarlyExit(threshold=0.8),)).get(EarlyExit).threshold
    0.8
    """

    options: tuple[Option, ...] = ()

    def __post_init__(self) -> None:
        for each in self.options:
            if not isinstance(each, OPTIONS):
                raise InputError(f"an inference policy is made of options, not {each!r}")
        names = [each.NAME for each in self.options]
        for each in self.options:
            if names.count(each.NAME) > 1:
                raise InputError(f"the policy has {each.NAME} twice; leave one")
            for other, reason in each.conflicts().items():
                if other in names:
                    raise InputError(f"{each.NAME} can't be combined with {other}: {reason}")
        ordered = sorted(self.options, key=lambda each: OPTIONS.index(type(each)))
        object.__setattr__(self, "options", tuple(ordered))

    def __bool__(self) -> bool:
        """Whether any option is on."""
        return bool(self.options)

    def get(self, kind: type[Kind]) -> Kind | None:
        """Return the option of that kind, or None where it is off."""
        return next((each for each in self.options if isinstance(each, kind)), None)

    def with_(self, option: Option) -> InferencePolicy:
        """Return the policy with this option, in the place of one of its kind."""
        rest = tuple(each for each in self.options if type(each) is not type(option))
        return InferencePolicy((*rest, option))

    def without(self, kind: type[Option]) -> InferencePolicy:
        """Return the policy with options of that kind off."""
        return InferencePolicy(tuple(each for each in self.options if type(each) is not kind))

    def check_fits(self, architecture: Architecture) -> None:
        """Raise `InputError` where an option can't run a model of these sizes.

        Each one has to fit the sizes that the options before it leave. A model whose layers differ
        runs with a window, eviction or few bits in its cache, with quantised weights and with
        sparse activations, all of which treat a layer by itself; other options leave layers out or
        share them out, and are refused.
        """
        for each in self.options:
            each.check_layers(architecture)
            each.check_fits(architecture)
            architecture = each.running(architecture)

    def running(self, architecture: Architecture) -> Architecture:
        """Return the sizes that are really computed with, of a model of these sizes."""
        for each in self.options:
            architecture = each.running(architecture)
        return architecture

    def to_json(self) -> dict[str, object]:
        """Return one key an option that is on; `{}` is the static model."""
        return {each.NAME: each.to_json() for each in self.options}

    @classmethod
    def from_json(cls, data: object) -> InferencePolicy:
        """Return the policy that `data` describes; raises `InputError` for wrong options."""
        if not isinstance(data, Mapping):
            raise InputError(f"an inference policy is an object of options, not {data!r}")
        return cls(tuple(option_named(name).from_json(each) for name, each in data.items()))
