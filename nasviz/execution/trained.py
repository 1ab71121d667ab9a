"""A trained model and the tokenizer that it was trained with, from the folder of their trial."""

from __future__ import annotations

from pathlib import Path

from nasviz.corpus.tokenizer import Tokenizer
from nasviz.errors import InputError
from nasviz.model.checkpoint import load_checkpoint
from nasviz.model.transformer import Transformer


def trained_model(folder: Path) -> tuple[Transformer, Tokenizer]:
    """Return the model and the tokenizer in `folder`; raises `InputError` where one is broken."""
    model = load_checkpoint(folder)
    tokenizer = Tokenizer.load(folder)
    if tokenizer.vocab_size != model.architecture.vocab_size:
        raise InputError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens and the model "
            f"{model.architecture.vocab_size}; they do not belong together"
        )
    return model, tokenizer
