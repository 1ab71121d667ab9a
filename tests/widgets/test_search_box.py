"""The hypervolume said in words: a share of the box between two named corners."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from nasviz.space.architecture import Architecture
from nasviz.space.candidate import Candidate
from nasviz.strategies import pareto
from nasviz.strategies.search import SearchResult
from nasviz.study.trial import Trial
from nasviz.widgets.panels.search_tab import box_words, history_record, ideal_point

NAN = float("nan")


def result(rows: list[list[float]]) -> SearchResult:
    values = np.array(rows)
    sizes = Candidate(Architecture(2, 96, 3, 256, 64))
    trials = tuple(
        Trial(number, sizes, MappingProxyType({}), "python", "complete")
        for number in range(len(rows))
    )
    reference = pareto.reference_point(values)
    best = tuple(trials[row] for row in pareto.front(values))
    history = pareto.hypervolume_history(values, reference)
    objectives = ("bits_per_byte", "time_per_output_token_s")
    return SearchResult(objectives, trials, values, best, history, reference)


def test_the_share_lies_between_nothing_and_the_whole_box() -> None:
    found = result([[2.5, 0.004], [NAN, NAN], [2.2, 0.009], [2.4, 0.005]])
    record = history_record(found)
    shares = record.searches[0].hypervolume / record.box
    assert 0 < shares[0] < shares[-1] < 1
    assert np.all(np.diff(shares) >= 0)
    assert ideal_point(found).tolist() == [2.2, 0.004]


def test_one_model_that_is_best_in_both_fills_the_box() -> None:
    record = history_record(result([[2.2, 0.004], [2.5, 0.009]]))
    assert record.searches[0].hypervolume[-1] / record.box == pytest.approx(1.0)


def test_both_corners_are_named_in_their_units() -> None:
    said = box_words(result([[2.5, 0.004], [2.2, 0.009]])).replace("\xa0", " ")
    assert "<b>2.53 bits/byte and 9.5 ms</b>" in said
    assert "<b>2.20 bits/byte and 4 ms</b>" in said
