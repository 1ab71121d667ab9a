"""Where a trial came from, as the table of trials, the map and the card say it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from exit_readings import trial_with

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.space.inference import InferencePolicy
from nasviz.space.lineage import Lineage
from nasviz.space.options.weight_quantization import WeightQuantization
from nasviz.space.replacement.per_layer import PerLayer
from nasviz.space.sparsity import Sparsity
from nasviz.widgets.card_html import quality_rows
from nasviz.widgets.origin_words import family_words, origin_words
from nasviz.widgets.panels.map_panel import trial_mark
from nasviz.widgets.panels.trials_tab import trial_cells

SIZES = Architecture(4, 64, 4, 256, 64)
TRIAL = trial_with(Candidate(SIZES), 9)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, "pruned from trial 2"),
        ({"per_layer": PerLayer(max_parameters=100_000)}, "pruned layer by layer from trial 2"),
        ({"sparsity": Sparsity("0.5")}, "from trial 2, 50% zeros"),
        ({"sparsity": Sparsity("2:4")}, "from trial 2, 2:4 zeros"),
    ],
)
def test_what_was_made_of_a_trial_is_named_as_what_it_is(made: dict[str, Any], said: str) -> None:
    trial = replace(TRIAL, origin="prune", lineage=Lineage(parent_trial=2, **made))
    assert origin_words(trial) == family_words(trial) == said
    assert trial_cells(trial)["origin"].text == said
    assert trial_mark(trial, {}).label == f"trial 9: 4 layers × 64 wide, {said}"
    assert ("made", said) in [
        (label, str(value)) for label, value, _ in quality_rows(None, [trial])
    ]


def test_a_model_healed_for_few_bits_was_not_pruned() -> None:
    candidate = Candidate(SIZES, InferencePolicy((WeightQuantization(bits=4),)))
    trial = replace(TRIAL, candidate=candidate, lineage=Lineage(parent_trial=2))
    assert origin_words(trial) == "from trial 2, for 4 bits"


def test_other_trials_say_who_asked_for_them_or_whose_twin_they_are() -> None:
    assert origin_words(TRIAL) == "user"
    assert origin_words(replace(TRIAL, origin="search:nsga2:428afe78")) == "nsga2"
    assert family_words(TRIAL) == ""
    twin = replace(TRIAL, origin="twin", proposal=MappingProxyType({"twin_of": 4}))
    assert origin_words(twin) == "twin of trial 4"
