"""Models out of the house: checkpoints that `transformers` loads with the same logits."""

from __future__ import annotations

from nasviz.model.export.choice import family_for, nearest_exportable
from nasviz.model.export.families import FAMILIES
from nasviz.model.export.padding import padding_bytes
from nasviz.model.export.write import export_checkpoint

__all__ = ["FAMILIES", "export_checkpoint", "family_for", "nearest_exportable", "padding_bytes"]
