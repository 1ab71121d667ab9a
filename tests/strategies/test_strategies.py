"""The contract of a strategy, over all of them: a new one joins by being in the registry."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nasviz import CandidateTable, SearchSpace
from nasviz.errors import InputError
from nasviz.space.dimensions import Choice, Integer, Real
from nasviz.strategies.registry import STRATEGIES, strategy_named
from nasviz.strategies.strategy import Proposal, Strategy

BASE = {"vocab_size": 256, "context_length": 37}
SPACE = SearchSpace(
    (
        Integer("n_layers", 1, 7),
        Integer("d_model", 16, 112, 8),
        Choice("n_heads", (1, 2, 3, 5, 7)),
        Choice("mlp", ("gelu", "swiglu")),
        Choice("tied_embeddings", (True, False)),
        Real("learning_rate", 1e-4, 1e-1, log=True),
    ),
    BASE,
)
TINY = SearchSpace(
    (Integer("n_layers", 1, 3), Choice("n_heads", (1, 2, 3))), {**BASE, "d_model": 32}
)


def _values(proposal: Proposal) -> tuple[float, float]:
    """Deeper is better and dearer; there is a best learning rate."""
    architecture = proposal.candidate.architecture
    rate = float(proposal.settings.get("learning_rate", 0.01))
    quality = 5 / architecture.n_layers + abs(np.log10(rate) + 2) + 20 / architecture.d_model
    return quality, float(architecture.n_layers * architecture.d_model)


def _asked(strategy: Strategy, count: int) -> list[Proposal]:
    asked = []
    for _ in range(count):
        proposal = strategy.ask()
        strategy.tell(proposal, _values(proposal))
        asked.append(proposal)
    return asked


@pytest.fixture(params=sorted(STRATEGIES))
def make(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_is_asked_is_in_the_space(make: str) -> None:
    strategy = strategy_named(make)(SPACE, 2, 3)
    for proposal in _asked(strategy, 40):
        architecture = proposal.candidate.architecture
        assert 1 <= architecture.n_layers <= 7
        assert architecture.d_model % 8 == 0
        assert architecture.d_model % architecture.n_heads == 0
        assert architecture.n_heads in (1, 2, 3, 5, 7)
        assert architecture.mlp in ("gelu", "swiglu")
        assert set(proposal.settings) == {"learning_rate"}
        assert 1e-4 <= float(proposal.settings["learning_rate"]) <= 1e-1


def test_a_seed_fixes_the_first_candidates(make: str) -> None:
    first = _asked(strategy_named(make)(SPACE, 2, 11), 17)
    assert _asked(strategy_named(make)(SPACE, 2, 11), 17) == first
    assert _asked(strategy_named(make)(SPACE, 2, 12), 17) != first


ASK = """
import sys
sys.path.insert(0, sys.argv[2])
from test_strategies import SPACE, _asked
from nasviz.strategies.registry import strategy_named
print([proposal.key for proposal in _asked(strategy_named(sys.argv[1])(SPACE, 2, 11), 5)])
"""


@pytest.mark.slow
def test_another_process_asks_the_same(make: str, request: pytest.FixtureRequest) -> None:
    here = [proposal.key for proposal in _asked(strategy_named(make)(SPACE, 2, 11), 5)]
    command = [sys.executable, "-c", ASK, make, str(request.path.parent)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(here)


@pytest.mark.parametrize("told", [1, 13, 31])
def test_a_strategy_that_is_told_the_history_goes_on_as_if_nothing_had_been(
    make: str, told: int
) -> None:
    strategy = strategy_named(make)(SPACE, 2, 5)
    history = _asked(strategy, told)
    resumed = strategy_named(make)(SPACE, 2, 5)
    for proposal in history:
        resumed.tell(proposal, _values(proposal))
    assert _asked(resumed, 4) == _asked(strategy, 4)


def test_no_candidate_is_asked_twice_while_new_ones_are_left(make: str) -> None:
    strategy = strategy_named(make)(TINY, 2, 0)
    feasible = TINY.count().feasible
    keys = {proposal.key for proposal in _asked(strategy, feasible)}
    assert len(keys) == feasible == 6
    again = strategy.ask()
    assert again.key in keys
    assert strategy.rejected["nothing new left"] == 1


def test_a_waiting_proposal_is_not_asked_again(make: str) -> None:
    strategy = strategy_named(make)(TINY, 2, 0)
    other = strategy_named(make)(TINY, 2, 1)
    waiting = [other.ask() for _ in range(3)]
    for proposal in waiting:
        strategy.wait_for(proposal)
    keys = {strategy.ask().key for _ in range(3)}
    assert keys.isdisjoint(proposal.key for proposal in waiting)


def test_failures_may_be_told(make: str) -> None:
    strategy = strategy_named(make)(SPACE, 2, 7)
    for index in range(30):
        proposal = strategy.ask()
        failed = index % 3 == 0
        strategy.tell(proposal, None if failed else _values(proposal))
    strategy.tell(strategy.ask(), (float("nan"), 1.0))
    assert strategy.ask().candidate.architecture.n_layers >= 1


def test_the_users_own_trials_may_be_told(make: str) -> None:
    strategy = strategy_named(make)(SPACE, 2, 7)
    for index in range(15):
        table = SPACE.sample(1, seed=index)
        proposal = Proposal(table.row(0), table.training_settings(0))
        strategy.tell(proposal, _values(proposal))
    assert len(_asked(strategy, 5)) == 5


def test_rejections_are_counted_by_reason(make: str) -> None:
    strategy = strategy_named(make)(SPACE, 2, 3)
    _asked(strategy, 30)
    # 7 and 3 and 5 divide few of the widths.
    assert strategy.rejected["not in the space"] > 0


def test_limits_on_costs_are_obeyed(make: str) -> None:
    space = SPACE.limited("parameters_total", 60_000)
    strategy = strategy_named(make)(space, 2, 3)
    from nasviz import estimate

    asked = _asked(strategy, 20)
    table = CandidateTable.of([proposal.candidate for proposal in asked])
    assert estimate(table).parameters.total.max() <= 60_000


def test_one_and_three_objectives_work_too(make: str) -> None:
    for n_objectives in (1, 3):
        strategy = strategy_named(make)(SPACE, n_objectives, 3)
        asked = []
        for _ in range(15):
            proposal = strategy.ask()
            strategy.tell(proposal, (*_values(proposal), 1.0)[:n_objectives])
            asked.append(proposal.candidate)
        assert len(set(asked)) > 1


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_guided_strategies_beat_random_search_on_a_smooth_problem(name: str) -> None:
    """The mean over seeds of the last 20 of 60 qualities, one objective."""

    def mean_quality(name: str) -> float:
        totals = []
        for seed in range(4):
            strategy = strategy_named(name)(SPACE, 1, seed)
            found = []
            for _ in range(60):
                proposal = strategy.ask()
                strategy.tell(proposal, _values(proposal)[:1])
                found.append(_values(proposal)[0])
            totals.append(np.mean(found[-20:]))
        return float(np.mean(totals))

    assert mean_quality(name) < 0.7 * mean_quality("random")


def test_an_unknown_strategy_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown strategy 'nsga-2'; did you mean 'nsga2'"):
        strategy_named("nsga-2")
