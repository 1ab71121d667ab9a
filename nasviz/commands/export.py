"""`nasviz export`: a trained trial as a checkpoint that `transformers` loads."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from nasviz.commands.trained import add_trial_arguments, trained_folder
from nasviz.errors import InputError

HELP = """Write a trained trial as a checkpoint that transformers loads, tokenizer included.

The folder has config.json, model.safetensors and tokenizer.json:
AutoModelForCausalLM.from_pretrained(DIR) has the same logits. Its class depends on the
architecture (Qwen3 for the defaults, GPT-2, Llama, Mixtral and others)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_trial_arguments(parser)
    parser.add_argument("--to", metavar="DIR", required=True, help="a new or empty folder")


def run(arguments: argparse.Namespace) -> int:
    """Write the checkpoint and print its folder and class; returns 0."""
    target = Path(arguments.to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"--to {target} is there already and not an empty folder; name a new one")
    folder = trained_folder(arguments.trial, arguments.study)
    from nasviz.model.export import export_checkpoint, family_for, padding_bytes
    from nasviz.model.trained import load_trained

    model, tokenizer = load_trained(folder)
    family = family_for(model.architecture)  # refuses what no family has before DIR is made
    _make_folder(target)
    export_checkpoint(model, tokenizer, target)
    print(f"{target}: {family.model_class}")
    zeros = padding_bytes(model)
    if zeros:
        from nasviz.cost.units import printed

        print(
            f"nasviz: note: the layers differ, and {family.model_class} has layers that are all "
            f"alike: {printed(zeros, 'B')} of the export are zeros that fill them up",
            file=sys.stderr,
        )
    return 0


def _make_folder(target: Path) -> None:
    """Make the folder that files are written to; raises `InputError` where that is not allowed."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target):
            pass  # some places let a folder be made, or found, and no file be written
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"--to {target} can't be written ({reason}); name another") from error
