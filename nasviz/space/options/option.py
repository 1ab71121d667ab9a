"""`Option`: what every dynamic-inference option says of itself, and how settings are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from nasviz.errors import InputError, check_names
from nasviz.space.field import Field

# Settings as JSON has them: numbers, names, switches and lists of numbers.
Setting = int | float | str | bool | tuple[int | float, ...]


@dataclass(frozen=True)
class FitRule:
    """A condition between an option's settings and the sizes of the model that it runs.

    `holds` takes the architecture's fields named in `sizes` and then the option's own named in
    `settings`, as single values or as whole columns, and says where they fit.
    """

    reason: str
    sizes: tuple[str, ...]
    settings: tuple[str, ...]
    holds: Callable[..., Any]


@dataclass(frozen=True)
class SizeChange:
    """How an option makes a size smaller that later options' rules read.

    `part` takes the size and then the option's own settings named in `settings`, as single values
    or as whole columns.
    """

    settings: tuple[str, ...]
    part: Callable[..., Any]


@dataclass(frozen=True)
class ConflictWhere:
    """What an option can't be combined with where its `setting` has this `value`.

    `others` are other options' names, each with the reason.
    """

    setting: str
    value: str
    others: Mapping[str, str]


@dataclass(frozen=True)
class Option:
    """One way of running a model that is not static: a frozen dataclass of settings.

    A subclass names itself (`NAME`, the key in JSON), describes every dataclass field in `FIELDS`
    (same names, same order) and says what it can't be combined with (`CONFLICTS`: another option's
    name → why; `CONFLICTS_WHERE` for one value of a setting), what must hold between sizes and
    settings (`RULES`), which of these sizes it changes for the options after it (`CHANGES`) and
    which values of sizes are searched with it in an explorer whose space doesn't have them
    (`BRINGS`). `LAYERS_MAY_DIFFER` where it treats each layer by itself, so that model and cost
    agree exactly whatever sizes layers have. Its defaults are useful ones; `NEUTRAL` are the
    settings that reproduce the static model exactly.

    Raises `InputError` for a setting out of range.
    """

    NAME: ClassVar[str]
    LABEL: ClassVar[str]
    HELP: ClassVar[str]
    REFERENCE: ClassVar[str]
    FIELDS: ClassVar[tuple[Field, ...]]
    NEUTRAL: ClassVar[Mapping[str, Setting]]
    CONFLICTS: ClassVar[Mapping[str, str]] = {}
    CONFLICTS_WHERE: ClassVar[tuple[ConflictWhere, ...]] = ()
    RULES: ClassVar[tuple[FitRule, ...]] = ()
    CHANGES: ClassVar[Mapping[str, SizeChange]] = {}
    BRINGS: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    LAYERS_MAY_DIFFER: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for field in self.FIELDS:
            full = replace(field, name=f"{self.NAME}.{field.name}")
            value = getattr(self, field.name)
            checked = full.check_list(value) if field.is_list else full.check(value)
            object.__setattr__(self, field.name, checked)
        self.check_settings()

    def check_settings(self) -> None:
        """Raise `InputError` where settings don't fit each other; by default all do."""

    def conflicts(self) -> Mapping[str, str]:
        """Return what the option can't be combined with as it is set: another's name → why."""
        some = [
            each.others
            for each in self.CONFLICTS_WHERE
            if getattr(self, each.setting) == each.value
        ]
        return {**self.CONFLICTS, **{name: why for each in some for name, why in each.items()}}

    def check_fits(self, architecture: Any) -> None:
        """Raise `InputError` where the option can't run a model of these sizes."""
        for rule in self.RULES:
            sizes = [getattr(architecture, name) for name in rule.sizes]
            settings = [getattr(self, name) for name in rule.settings]
            if not rule.holds(*sizes, *settings):
                said = [f"{name}={getattr(architecture, name)}" for name in rule.sizes]
                said += [f"{self.NAME}.{name}={getattr(self, name)}" for name in rule.settings]
                raise InputError(f"{', '.join(said)}: {rule.reason}")

    def check_layers(self, architecture: Any) -> None:
        """Raise `InputError` where the layers differ and the option needs them alike."""
        if architecture.layer_sizes and not self.LAYERS_MAY_DIFFER:
            raise InputError(
                f"{self.NAME} can't run a model whose layers differ (layer_sizes): what it saves "
                "depends on which of them it leaves out; leave the option off, or give all layers "
                "equal sizes"
            )

    def running(self, architecture: Any) -> Any:
        """Return the sizes that are computed with; by default all of `architecture`."""
        return architecture

    def to_json(self) -> dict[str, Any]:
        """Return every setting by name."""
        found = {field.name: getattr(self, field.name) for field in self.FIELDS}
        return {name: list(value) if isinstance(value, tuple) else value
                for name, value in found.items()}  # fmt: skip

    @classmethod
    def from_json(cls, data: object) -> Option:
        """Return the option that `data`, an object of settings, describes.

        Settings that it leaves out have their defaults. Raises `InputError` for unknown or wrong
        ones.
        """
        if not isinstance(data, Mapping):
            raise InputError(f"{cls.NAME} is an object of settings, not {data!r}")
        names = [field.name for field in cls.FIELDS]
        check_names(f"setting of {cls.NAME}", data, names)
        return cls(**data)

    @classmethod
    def neutral(cls) -> Option:
        """Return the option with the settings that reproduce the static model."""
        settings: dict[str, Any] = dict(cls.NEUTRAL)
        return cls(**settings)
