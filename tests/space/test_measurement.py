"""Measured importance beside a model's weights: kept, read back, and refused where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.measurement import (
    METHODS,
    Measurement,
    Method,
    kinds_of,
    load_measurement,
    measurement_path,
    save_measurement,
    shape_of,
)

SIZES = Architecture(3, 22, 11, 257, 13, d_ff=17, experts=2)


def measured(method: Method, sizes: Architecture = SIZES) -> Measurement:
    drawn = np.random.default_rng(0)
    scores = {kind: drawn.random(shape_of(sizes, kind)) for kind in kinds_of(method)}
    return Measurement(method, 4096, scores)


@pytest.mark.parametrize("method", METHODS)
def test_a_measurement_is_read_back_as_it_was_kept(tmp_path: Path, method: Method) -> None:
    kept = measured(method)
    save_measurement(kept, tmp_path)
    found = load_measurement(tmp_path, method, SIZES)
    assert (found.method, found.tokens) == (method, 4096)
    assert found.scores.keys() == kept.scores.keys()
    for kind, scores in kept.scores.items():
        np.testing.assert_array_equal(found.scores[kind], scores)


def test_a_measurement_that_is_not_there_damaged_or_of_another_model_is_refused(
    tmp_path: Path,
) -> None:
    path = measurement_path(tmp_path, "taylor")
    with pytest.raises(InputError, match="No such file"):
        load_measurement(tmp_path, "taylor", SIZES)
    save_measurement(measured("taylor"), tmp_path)
    with pytest.raises(InputError, match="of another model"):
        load_measurement(tmp_path, "taylor", SIZES.with_(n_layers=2))
    path.rename(measurement_path(tmp_path, "activation"))
    with pytest.raises(InputError, match="it says that it is"):
        load_measurement(tmp_path, "activation", SIZES)
    whole = measurement_path(tmp_path, "activation").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="is no measurement of importance"):
        load_measurement(tmp_path, "taylor", SIZES)
    np.savez(path.with_suffix(""), about=np.array({"an": "object"}, dtype=object))
    with pytest.raises(InputError, match="is no measurement of importance"):
        load_measurement(tmp_path, "taylor", SIZES)  # never unpickled


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    broken = measured("perplexity_drop")
    broken.scores["layers"][1] = np.nan
    save_measurement(broken, tmp_path)
    with pytest.raises(InputError, match="no numbers"):
        load_measurement(tmp_path, "perplexity_drop", SIZES)
    with pytest.raises(InputError, match="unknown measure of importance"):
        Measurement("greedy", 0, {})  # type: ignore[arg-type]
