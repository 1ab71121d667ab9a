"""`nasviz export`: a trained trial as a checkpoint that `transformers` loads."""

from __future__ import annotations

import argparse
from pathlib import Path

from nasviz.commands.trained import add_trial_arguments, trained_folder, trained_model

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
    from nasviz.errors import InputError

    target = Path(arguments.to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"--to {target} is there already and not an empty folder; name a new one")
    folder = trained_folder(arguments.trial, arguments.study)
    from nasviz.model.export import export_checkpoint, family_for

    model, tokenizer = trained_model(folder)
    export_checkpoint(model, tokenizer, target)
    print(f"{target}: {family_for(model.architecture).model_class}")
    return 0
