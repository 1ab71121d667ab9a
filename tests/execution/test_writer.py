"""The process that writes: what it reports, how it is stopped, and what a failure says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "model"))

from random_models import random_model
from waiting import eventually

from nasviz.corpus.tokenizer import Tokenizer
from nasviz.execution.writer import Writer
from nasviz.execution.written import Order, ReplayOrder, Report, WriteOrder
from nasviz.model.checkpoint import save_checkpoint
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.self_speculation import SelfSpeculation

EXITS = InferencePolicy((EarlyExit(threshold=0.05),))
STATIC = InferencePolicy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("trial")
    save_checkpoint(random_model(Architecture(4, 24, 2, 256, 96)), made)
    Tokenizer(256).save(made)
    return str(made)


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    made = Writer()
    yield made
    made.close()


def carried_out(writer: Writer, order: Order) -> list[Report]:
    """Return an order's reports, the last one ended."""
    heard: list[Report] = []
    writer.order(order, heard.append)
    eventually(lambda: heard and heard[-1].ended, "the writer")
    return heard


def test_a_text_is_its_bytes_with_a_depth_each_and_a_pace(writer: Writer, folder: str) -> None:
    reports = carried_out(writer, WriteOrder(folder, "Grüße ", 30, (EXITS,)))
    (text,) = reports[-1].texts
    assert len(text.pieces) == len(text.depths) == 30
    assert set(text.depths) <= {1, 2, 3, 4}
    assert text.token_s is not None
    assert text.tokens_per_s == 1 / text.token_s
    assert text.acceptance is None
    same = carried_out(writer, WriteOrder(folder, "Grüße ", 30, (EXITS,)))[-1].texts[0]
    other = carried_out(writer, WriteOrder(folder, "Grüße ", 30, (EXITS,), seed=1))[-1].texts[0]
    assert text.pieces == same.pieces != other.pieces


def test_a_race_writes_both_in_turn_and_says_where_they_part(writer: Writer, folder: str) -> None:
    guesses = InferencePolicy((SelfSpeculation(draft_layers=2),))
    order = WriteOrder(folder, "a", 60, (STATIC, guesses), temperature=0.0)
    reports = carried_out(writer, order)
    static, guessed = reports[-1].texts
    assert static.pieces == guessed.pieces  # greedy guesses write what the whole model writes
    assert reports[-1].parted_at is None
    assert guessed.acceptance is not None
    assert guessed.tokens_per_round is not None
    assert static.acceptance is None
    for report in reports:
        one, other = (len(text.pieces) for text in report.texts)
        assert -4 <= one - other <= 4
    deep, shallow = carried_out(writer, WriteOrder(folder, "a", 60, (STATIC, EXITS)))[-1].texts
    assert shallow.average_layers < deep.average_layers == 4


def test_a_replay_keeps_the_text_before_its_token(writer: Writer, folder: str) -> None:
    order = WriteOrder(folder, "once ", 40, (EXITS,))
    number = writer.order(order, lambda _report: None)
    reports = carried_out(writer, order)
    number += 1
    text = reports[-1].texts[0]
    unchanged = carried_out(writer, ReplayOrder(number, 11, EXITS))[-1]
    assert unchanged.begin == 11
    assert unchanged.parted_at is None
    assert [each.pieces for each in unchanged.texts] == [text.pieces] * 2
    narrow = EXITS.with_(DynamicWidth(ff_share=0.25))
    changed = carried_out(writer, ReplayOrder(number, 11, narrow))[-1]
    was, now = changed.texts
    assert was.pieces == text.pieces
    assert now.pieces[:11] == text.pieces[:11]
    assert changed.parted_at is not None
    assert changed.parted_at >= 11
    assert was.pieces[: changed.parted_at] == now.pieces[: changed.parted_at]


def test_it_stops_when_asked_and_keeps_what_there_is(writer: Writer, folder: str) -> None:
    heard: list[Report] = []
    number = writer.order(WriteOrder(folder, "a", 200_000, (STATIC,)), heard.append)
    eventually(lambda: heard and heard[-1].texts[0].pieces, "the first tokens")
    writer.stop()
    eventually(lambda: heard[-1].ended, "the end")
    assert heard[-1].stopped
    assert 0 < len(heard[-1].texts[0].pieces) < 200_000
    again = carried_out(writer, ReplayOrder(number, 0, STATIC))[-1]
    assert again.texts[1].pieces == heard[-1].texts[0].pieces


def test_what_is_wrong_is_said_and_the_next_order_is_carried_out(
    writer: Writer, folder: str, tmp_path: Path
) -> None:
    for order, said in (
        (WriteOrder(str(tmp_path), "a", 3, (STATIC,)), "is no checkpoint"),
        (WriteOrder(folder, "", 3, (STATIC,)), "an empty prompt"),
        (ReplayOrder(10**6, 0, STATIC), "write it again"),
        (
            WriteOrder(folder, "a", 3, (InferencePolicy((EarlyExit(heads="own"),)),)),
            "heads that this model was not trained with",
        ),
    ):
        assert said in carried_out(writer, order)[-1].failed
    assert carried_out(writer, WriteOrder(folder, "a", 3, (STATIC,)))[-1].done


def test_a_process_that_dies_is_said_and_another_takes_its_place(
    writer: Writer, folder: str
) -> None:
    heard: list[Report] = []
    writer.order(WriteOrder(folder, "a", 200_000, (STATIC,)), heard.append)
    eventually(lambda: heard, "the first tokens")
    assert writer._process is not None
    writer._process.kill()
    eventually(lambda: heard[-1].ended, "the end")
    assert "has ended (code -9)" in heard[-1].failed
    assert carried_out(writer, WriteOrder(folder, "a", 3, (STATIC,)))[-1].done


def test_a_closed_writer_leaves_no_process_and_starts_none(folder: str) -> None:
    made = Writer()
    carried_out(made, WriteOrder(folder, "a", 3, (STATIC,)))
    process = made._process
    assert process is not None
    made.close()
    assert process.wait(10) == -9
    made.order(WriteOrder(folder, "a", 3, (STATIC,)), lambda _report: pytest.fail("it wrote"))
    assert made._process is None


def test_it_ends_with_whoever_started_it(folder: str) -> None:
    made = Writer()
    carried_out(made, WriteOrder(folder, "a", 3, (STATIC,)))
    process = made._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0
    made.close()


def test_a_process_that_dies_in_the_middle_of_a_report_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = 'import sys; sys.stdin.readline(); sys.stdout.write(\'{"number": 1, "te\')'
    (tmp_path / "half_a_report.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("nasviz.execution.writer.MODULE", "half_a_report")
    writer, reports = Writer(), []
    try:
        writer.order(WriteOrder("nowhere", "a", 4, (InferencePolicy(),)), reports.append)
        eventually(lambda: bool(reports), "the report")
    finally:
        writer.close()
    assert "the process that writes has ended (code 0)" in reports[0].failed
