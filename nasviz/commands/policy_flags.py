"""Inference policies on the command line: one flag an option, `--early-exit threshold=0.8`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from nasviz.errors import InputError, unknown_name
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.option import Option
from nasviz.space.options.registry import OPTIONS


def add_policy_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every option, and --static."""
    group = parser.add_argument_group(
        "inference policy",
        "How the model runs; by itself, as its trial was trained to. A flag switches an option on "
        "with its settings (the rest as trained, or by default), `off` switches it off.",
    )
    group.add_argument("--static", action="store_true", help="every option off")
    for kind in OPTIONS:
        settings = ", ".join(field.name for field in kind.FIELDS)
        group.add_argument(
            _flag(kind),
            nargs="?",
            const="",
            metavar="SETTING=VALUE,…",
            help=f"{kind.HELP} Settings: {settings}.".replace("%", "%%"),
        )


def policy_of(arguments: argparse.Namespace, own: InferencePolicy) -> InferencePolicy:
    """Return the policy asked for; `own` is what the model was trained for.

    Raises `InputError`, naming flag and setting, for what no option knows.
    """
    policy = InferencePolicy() if arguments.static else own
    for kind in OPTIONS:
        said = getattr(arguments, kind.NAME)
        if said is None:
            continue
        if said == "off":
            policy = policy.without(kind)
            continue
        before = policy.get(kind) or own.get(kind) or kind()
        policy = policy.with_(kind(**{**before.to_json(), **_settings(kind, said)}))
    return policy


def _settings(kind: type[Option], said: str) -> dict[str, Any]:
    """Return the settings of `threshold=0.8,criterion=margin`; a list is `layers=2+4+6`."""
    fields = {field.name: field for field in kind.FIELDS}
    found: dict[str, Any] = {}
    for part in said.split(",") if said else []:
        name, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"{_flag(kind)} {said!r}: {part!r} is not SETTING=VALUE")
        if name not in fields:
            raise unknown_name(f"setting of {_flag(kind)}", name, fields)
        field = fields[name]
        if field.is_list:
            found[name] = tuple(_plain(each) for each in value.split("+"))
        else:
            found[name] = value if field.kind == "choice" else _plain(value)
    return found


def _plain(text: str) -> Any:
    """Return the number or truth value that a text writes, or the text: its field then refuses."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _flag(kind: type[Option]) -> str:
    return "--" + kind.NAME.replace("_", "-")
