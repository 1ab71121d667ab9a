"""How a candidate is run, in words: for the card, the map, the table of trials."""

from __future__ import annotations

from typing import Any

from nasviz.space.field import Field
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.option import Option
from nasviz.widgets.html import Html, text
from nasviz.widgets.labels import short_label, value_label

STATIC = "static"


def policy_phrase(policy: InferencePolicy) -> str:
    """Return a policy in a few words: each option with its main setting, or "static".

    >>> from nasviz.space.options.early_exit import EarlyExit
    >>> policy_phrase(InferencePolicy((EarlyExit(threshold=0.8),)))
    'early exit 0.8'
    """
    return " + ".join(_phrase(option) for option in policy.options) or STATIC


def policy_rows(policy: InferencePolicy) -> list[tuple[str, Html, str]]:
    """Return (option, its settings, help) for each option that is on."""
    return [
        (option.LABEL.lower(), text(" · ".join(_settings(option))), option.HELP)
        for option in policy.options
    ]


def setting_label(field: Field, value: Any) -> str:
    """Return a setting's value as a person reads it: `0.9`, `max probability`, `2, 4, 6`."""
    if isinstance(value, tuple):
        return ", ".join(setting_label(field, each) for each in value)
    return value_label(field, value).replace("_", " ")


def _phrase(option: Option) -> str:
    main = option.FIELDS[0]
    return f"{option.LABEL.lower()} {setting_label(main, getattr(option, main.name))}"


def _settings(option: Option) -> list[str]:
    """Return the main setting, and those others that are not as usual."""
    said = []
    for place, field in enumerate(option.FIELDS):
        value = getattr(option, field.name)
        if place and value == (() if field.is_list else field.default):
            continue
        said.append(f"{short_label(field).lower()} {setting_label(field, value)}")
    return said
