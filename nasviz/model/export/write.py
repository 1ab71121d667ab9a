"""`export_checkpoint`: the files that `transformers` loads, written without `transformers`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from safetensors import SafetensorError
from safetensors.torch import save_file

from nasviz.errors import RunError
from nasviz.model.export import rearrange
from nasviz.model.export.choice import family_for
from nasviz.model.export.names import renamed
from nasviz.model.export.padding import all_alike, padded, padding_bytes
from nasviz.model.transformer import Transformer
from nasviz.whole_file import whole_file


class SavedTokenizer(Protocol):
    """What is asked of a tokenizer: to write the files that `AutoTokenizer` reads."""

    def save(self, directory: str | Path, /) -> object:
        """Write `tokenizer.json` and its configuration into `directory`."""


def export_checkpoint(
    model: Transformer, tokenizer: SavedTokenizer | None, directory: str | Path
) -> Path:
    """Write `model` so that `AutoModelForCausalLM.from_pretrained(directory)` has its logits.

    The folder gets `config.json`, `model.safetensors` and, with a `tokenizer`, the files that
    `AutoTokenizer` reads; it is made and returned. Raises `InputError` before anything is written
    where no family of `transformers` has such a model, and `RunError` where the disk refuses.

    Layers that differ are padded to the largest (see `nasviz.model.export.padding`): `config.json`
    says then how many bytes of zeros that are, `nasviz_padding_bytes`, and the sizes without them,
    `nasviz_layer_sizes`.
    """
    architecture = all_alike(model.architecture)
    family = family_for(architecture)
    ours = rearrange.half_split(architecture, padded(model))
    theirs = renamed(family.rearranged(architecture, ours), family.paths)
    configuration = {
        "architectures": [family.model_class],
        "model_type": family.model_type,
        **family.configuration(architecture),
        "vocab_size": architecture.vocab_size,
        "tie_word_embeddings": architecture.tied_embeddings,
        "torch_dtype": str(model.token_embedding.weight.dtype).removeprefix("torch."),
        # Our tokenizers have no special tokens; the families' defaults point beyond small ones.
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    if model.architecture.layer_sizes:
        configuration["nasviz_padding_bytes"] = padding_bytes(model)
        configuration["nasviz_layer_sizes"] = model.architecture.to_json()["layer_sizes"]
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / "model.safetensors") as path:
            tensors = {name: tensor.cpu().contiguous() for name, tensor in theirs.items()}
            save_file(tensors, path, metadata={"format": "pt"})
        if tokenizer is not None:
            tokenizer.save(folder)
        _write_json(folder / "config.json", configuration)
    except (OSError, SafetensorError) as error:
        raise RunError(f"could not write the export to {folder}: {error}") from error
    return folder


def _write_json(path: Path, content: object) -> None:
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
