"""`load_trained`: a model with its tokenizer, from a checkpoint of ours or of `transformers`."""

from __future__ import annotations

from pathlib import Path

from nasviz.corpus.adopted_tokenizer import load_tokenizer
from nasviz.corpus.foreign_tokenizer import read_foreign_tokenizer
from nasviz.corpus.tokenizer import Tokenizer
from nasviz.errors import InputError
from nasviz.model.checkpoint import ARCHITECTURE, load_architecture, load_checkpoint
from nasviz.model.foreign import check_foreign, foreign_architecture_in, is_foreign, load_foreign
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture


def trained_architecture(directory: str | Path) -> Architecture:
    """Return the sizes of the checkpoint in `directory` without reading its weights.

    Raises `InputError` where there is none that can be read.
    """
    if _is_ours(directory):
        return load_architecture(directory)
    return foreign_architecture_in(directory)


def check_trained(directory: str | Path) -> Architecture:
    """Return the sizes of the checkpoint in `directory`, found whole with its tokenizer.

    Raises `InputError` where `load_trained` would; another's weights are not read, only listed.
    """
    if _is_ours(directory):
        return load_trained(directory)[0].architecture
    architecture = foreign_architecture_in(directory)
    check_foreign(directory)
    read_foreign_tokenizer(directory, architecture.vocab_size)
    return architecture


def load_trained(directory: str | Path) -> tuple[Transformer, Tokenizer]:
    """Return the model and the tokenizer of the checkpoint in `directory`, bytes numbered first.

    It is one of ours, or one that `transformers` wrote of the GPT-2 or the Llama family. Raises
    `InputError` for anything else, and where the two don't belong together.
    """
    if not _is_ours(directory):
        sizes = foreign_architecture_in(directory)
        tokenizer, order = read_foreign_tokenizer(directory, sizes.vocab_size)
        return load_foreign(directory, order.tolist()), tokenizer
    model, tokenizer = load_checkpoint(directory), load_tokenizer(directory)
    if tokenizer.vocab_size != model.architecture.vocab_size:
        raise InputError(
            f"{directory}: the tokenizer has {tokenizer.vocab_size} tokens and the model "
            f"{model.architecture.vocab_size}; they do not belong together"
        )
    return model, tokenizer


def _is_ours(directory: str | Path) -> bool:
    if (Path(directory) / ARCHITECTURE).is_file():
        return True
    if is_foreign(directory):
        return False
    raise InputError(
        f"{directory} is no checkpoint: it has neither {ARCHITECTURE} nor a config.json"
    )
