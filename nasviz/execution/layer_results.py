"""What a trained model's layers change: measured, kept with it, and which of them a policy runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasviz.corpus.tokenized import TokenizedCorpus
from nasviz.evaluation.block_influence import influence_on_text
from nasviz.model.checkpoint import save_block_influence
from nasviz.model.transformer import Transformer
from nasviz.space.candidate import Candidate
from nasviz.space.options.layer_skip import LayerSkip, resolved


def measured_layers(
    model: Transformer, candidate: Candidate, tokenized: TokenizedCorpus, directory: Path
) -> dict[str, Any]:
    """Return the block influence of `model` on the calibration part, and the layers kept by it.

    It stays with the model and in its checkpoint in `directory`, so that layer skipping which
    chooses by it runs from there on. The layers are in the result where the candidate skips some.
    """
    influence, tokens = influence_on_text(model, tokenized)
    model.block_influence = tuple(float(each) for each in influence)
    save_block_influence(directory, model.block_influence)
    found: dict[str, Any] = {
        "block_influence": {
            "part": "calibration",
            "tokens": tokens,
            "layers": list(model.block_influence),
        }
    }
    option = candidate.inference.get(LayerSkip)
    if option is not None and option.choose != "router":
        named = resolved(option, model.architecture.n_layers, model.block_influence)
        found["kept_layers"] = list(named.layers)
    return found
