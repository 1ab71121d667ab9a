"""The process that measures parts: what it keeps and reports, and how it is stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "model"))

from random_models import random_model
from waiting import eventually

from nasviz.corpus.corpus import open_corpus
from nasviz.corpus.tokenized import tokenize_by
from nasviz.corpus.tokenizer import Tokenizer
from nasviz.evaluation.importance.methods import PARTS
from nasviz.evaluation.importance.texts import calibration_texts
from nasviz.evaluation.scoring import score
from nasviz.execution.appraised import SCORED_BYTES, Appraisal, MeasureOrder, Order, ScoreOrder
from nasviz.execution.appraiser import Appraiser
from nasviz.model.checkpoint import save_checkpoint
from nasviz.model.pruned import pruned
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Kept
from nasviz.space.measurement import load_measurement, measurement_path

SIZES = Architecture(3, 20, 5, 256, 96)
MODEL = random_model(SIZES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("trial")
    save_checkpoint(MODEL, made)
    Tokenizer(256).save(made)
    return str(made)


@pytest.fixture(scope="module")
def appraiser() -> Iterator[Appraiser]:
    made = Appraiser()
    yield made
    made.close()


def carried_out(appraiser: Appraiser, order: Order) -> list[Appraisal]:
    """Return an order's reports, the last one ended."""
    heard: list[Appraisal] = []
    appraiser.order(order, heard.append)
    eventually(lambda: heard and heard[-1].ended, "the appraiser")
    return heard


def test_parts_are_measured_on_the_calibration_text_and_kept_beside_the_weights(
    appraiser: Appraiser, folder: str, corpus: str
) -> None:
    reports = carried_out(appraiser, MeasureOrder(folder, corpus, "activation"))
    assert reports[-1].done, reports[-1].failed
    shares = [each.share for each in reports]
    assert shares == sorted(shares)
    assert len(set(shares)) > 1, "there is progress on the way"
    found = load_measurement(Path(folder), "activation", SIZES)
    text = tokenize_by(open_corpus(corpus), Tokenizer(256))
    texts = calibration_texts(text, 96, 16_384)
    assert found.tokens == texts.numel()
    at_once = PARTS["activation"](MODEL, texts, 0)
    for kind, scores in found.scores.items():
        assert scores == pytest.approx(getattr(at_once, kind), rel=1e-6), kind


def test_a_choice_is_scored_unhealed_on_the_calibration_text(
    appraiser: Appraiser, folder: str, corpus: str
) -> None:
    kept = Kept.of(SIZES, layers=(0, 2), heads=[(0, 1, 2), (2, 3, 4)])
    last = carried_out(appraiser, ScoreOrder(folder, corpus, kept))[-1]
    text = tokenize_by(open_corpus(corpus), Tokenizer(256))
    expected = score(pruned(MODEL, kept), text, "calibration", max_bytes=SCORED_BYTES)
    assert last.bits_per_byte == pytest.approx(expected.bits_per_byte, rel=1e-6)
    assert last.tokens == expected.tokens
    assert last.seconds > 0


def test_a_measurement_that_is_cancelled_leaves_nothing_behind(
    appraiser: Appraiser, folder: str, corpus: str
) -> None:
    heard: list[Appraisal] = []
    appraiser.order(MeasureOrder(folder, corpus, "perplexity_drop"), heard.append)
    appraiser.stop()
    eventually(lambda: heard and heard[-1].ended, "the appraiser")
    assert heard[-1].stopped
    assert not measurement_path(Path(folder), "perplexity_drop").exists()


def test_what_is_wrong_is_said_and_the_next_order_is_taken(
    appraiser: Appraiser, folder: str, corpus: str, tmp_path: Path
) -> None:
    (absent,) = carried_out(appraiser, MeasureOrder(str(tmp_path), corpus, "taylor"))
    assert "is no checkpoint" in absent.failed
    (no_text,) = carried_out(appraiser, MeasureOrder(folder, str(tmp_path / "no.txt"), "taylor"))
    assert "no.txt" in no_text.failed
    wrong = Kept.of(SIZES.with_(n_layers=9), layers=(8,))
    (beyond,) = carried_out(appraiser, ScoreOrder(folder, corpus, wrong))
    assert "not in rising order from 0 to 2" in beyond.failed
    assert carried_out(appraiser, MeasureOrder(folder, corpus, "magnitude"))[-1].done
