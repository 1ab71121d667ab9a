"""What a comparison of the two roads says, from runs that are made up."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest

from nasviz import Architecture
from nasviz.commands.compare_roads import as_text
from nasviz.cost.estimate import estimate
from nasviz.errors import InputError
from nasviz.space.layer_sizes import LayerSizes
from nasviz.space.replacement.per_layer import SCORES
from nasviz.strategies.roads.outcome import ACCOUNTS, ALIKE, BY_LAYER, Outcome, SeedRun, accounts
from nasviz.strategies.roads.record import RoadsComparison, searched
from nasviz.strategies.roads.settings import PARENT, RoadsSettings
from nasviz.strategies.roads.speed import Speed
from nasviz.strategies.roads.targets import DEPTH, METHODS, TARGETS, WIDTH, targets_of

PARENT_FLOPS, HEALING_FLOPS = 1_600.0, 100.0


def outcome(bits: float, flops: float, unhealed: float | None = None) -> Outcome:
    return Outcome(0, bits, flops, 10, 20, unhealed, () if unhealed is None else (0, 2))


def seed_run(shift: float, healed: float, scratch: tuple[float, float, float]) -> SeedRun:
    """One seed whose pruned models all come to `healed`, and those from new to `scratch`."""
    compute = accounts(HEALING_FLOPS, PARENT_FLOPS, len(TARGETS))
    return SeedRun(
        outcome(2.0 + shift, PARENT_FLOPS),
        {
            target: {
                method: outcome(healed + shift + 0.1 * place, HEALING_FLOPS, healed + 1 + place)
                for place, method in enumerate(METHODS.get(target, ("activation",)))
            }
            for target in TARGETS
        },
        {
            target: tuple(
                outcome(healed + shift + 0.2 + draw, 1.0, healed + 3 + draw)
                for draw in (0, 0.1, 0.2)
            )
            for target in METHODS
        },
        {
            target: {
                account: outcome(bits + shift, flops)
                for (account, flops), bits in zip(compute.items(), scratch, strict=True)
            }
            for target in TARGETS
        },
        {
            scores: {
                BY_LAYER: outcome(healed + shift - 0.2, 300.0, healed + 2),
                ALIKE: outcome(healed + shift - 0.3, 300.0, healed + 1),
            }
            for scores in SCORES
        },
    )


def comparison(*runs: SeedRun) -> RoadsComparison:
    settings = RoadsSettings(1_000, 100, tuple(range(len(runs))))
    by_layer = [searched(scores, seed) for scores in SCORES for seed in range(len(runs))]
    names = ("parent", *settings.targets, *by_layer)
    measured = {name: tuple(1.0 + place + seed for seed in range(len(runs)))
                for place, name in enumerate(names)}  # fmt: skip
    speed = Speed(dict.fromkeys(names, 1.0), measured, "a machine")
    return RoadsComparison(settings, "c0ffee", dict(enumerate(runs)), speed, {"nasviz": "0"})


USUAL = comparison(
    seed_run(0.0, 2.5, (3.0, 2.6, 2.4)),
    seed_run(0.1, 2.5, (3.0, 2.6, 2.4)),
    seed_run(0.3, 2.5, (3.0, 2.6, 2.4)),
)


def test_half_of_the_layers_and_half_of_every_layer_are_as_many_weights() -> None:
    targets = targets_of(PARENT)
    weights = {name: int(estimate(each).parameters.total) for name, each in targets.items()}
    assert weights[DEPTH] == pytest.approx(weights[WIDTH], rel=0.01)
    assert len(set(targets.values())) == len(targets) == 4
    assert all(each.head_dim == PARENT.head_dim for each in targets.values())


@pytest.mark.parametrize("sizes", [(5, 64, 4), (6, 64, 1), (2, 64, 4)])
def test_a_parent_that_leaves_nothing_to_halve_is_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"can't be halved|leaves little to cut"):
        RoadsSettings(1_000, 100, (0,), Architecture(*sizes, 256, 16))


def test_a_parent_whose_layers_differ_is_refused() -> None:
    layers = (LayerSizes(4, 4, 176), LayerSizes(4, 4, 60)) * 3
    parent = Architecture.from_json({**PARENT.to_json(), "layer_sizes": [*map(asdict, layers)]})
    with pytest.raises(InputError, match="layer_sizes differ by layer"):
        RoadsSettings(1_000, 100, (0,), parent)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": ()}, r"seeds=\[\]"),
        ({"seeds": (1, 1)}, r"seeds=\[1, 1\]"),
        ({"parent_tokens": 0}, "tokens=0"),
        ({"healing_tokens": -1}, "tokens=-1"),
    ],
)
def test_settings_that_are_none_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(USUAL.settings, **changes)


def test_a_pruned_model_is_charged_with_nothing_a_share_or_all_of_its_parent() -> None:
    assert list(accounts(HEALING_FLOPS, PARENT_FLOPS, 4).values()) == [100, 500, 1_700]
    road = USUAL.pruned_road(0, DEPTH)
    assert road.compute.tolist() == [100, 500, 1_700]
    assert road.bits_per_byte.tolist() == [2.5] * 3


def test_differences_are_paired_so_that_what_a_seed_has_in_common_drops_out() -> None:
    means = [USUAL.pruned_minus_scratch(DEPTH, account) for account in ACCOUNTS]
    assert [each.mean for each in means] == pytest.approx([-0.5, -0.1, 0.1])
    assert not any(each.within_noise for each in means)


def test_the_crossing_lies_between_the_runs_in_the_logarithm_of_compute() -> None:
    halfway = math.sqrt(500 * 1_700)  # 2.6 to 2.4, and pruned is 2.5
    assert USUAL.crossings(WIDTH) == pytest.approx([halfway] * 3)
    found = USUAL.crossing(WIDTH)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx([halfway] * 3)
    assert USUAL.children(WIDTH) == pytest.approx([PARENT_FLOPS / (halfway - 100)] * 3)


def test_where_training_from_new_never_catches_up_one_child_is_enough() -> None:
    found = comparison(seed_run(0.0, 2.3, (3.0, 2.6, 2.4)), seed_run(0.0, 2.5, (3.0, 2.6, 2.4)))
    assert found.crossings(DEPTH)[0] is None
    assert found.children(DEPTH)[0] == 1.0
    assert found.crossing(DEPTH) is None  # one of the seeds has none
    assert "as good within that in 1 of 2 seeds, and ahead from the start in 0" in as_text(found)


def test_where_training_from_new_leads_from_the_start_no_number_of_children_pays() -> None:
    found = comparison(seed_run(0.0, 3.1, (3.0, 2.6, 2.4)), seed_run(0.0, 2.5, (3.0, 2.6, 2.4)))
    assert found.crossings(DEPTH) == [None, USUAL.crossings(DEPTH)[0]]
    assert found.children(DEPTH)[0] is None
    assert found.crossing(DEPTH) is None  # an end of the range is no place where they cross
    assert "as good within that in 1 of 2 seeds, and ahead from the start in 1" in as_text(found)


def test_a_crossing_at_the_healings_own_compute_is_paid_by_no_number_of_children() -> None:
    run = seed_run(0.0, 3.0, (3.0 + 1e-9, 2.5, 2.4))
    start = {**run.scratch[DEPTH], ACCOUNTS[0]: outcome(3.0 + 1e-9, 99.0)}
    found = comparison(replace(run, scratch={**run.scratch, DEPTH: start}))
    assert found.crossings(DEPTH) == [pytest.approx(100.0, rel=1e-6)]
    assert found.children(DEPTH) == [None]


def test_methods_are_held_against_the_mean_of_chance_before_and_after_healing() -> None:
    first = METHODS[DEPTH][0]
    assert USUAL.method_minus_chance(DEPTH, first).mean == pytest.approx(-0.3)
    assert USUAL.unhealed_method_minus_chance(DEPTH, first).mean == pytest.approx(-2.1)
    assert USUAL.method_minus_chance(DEPTH, "magnitude").mean == pytest.approx(-0.1)


def test_layers_that_were_searched_are_held_against_layers_alike_twice() -> None:
    for place, scores in enumerate(SCORES):
        assert USUAL.by_layer_minus_usual(scores).mean == pytest.approx(-0.2)
        assert USUAL.unhealed_by_layer_minus_usual(scores).mean == pytest.approx(1.0)
        assert USUAL.by_layer_minus_alike(scores).mean == pytest.approx(0.1)
        # Names are measured 1, 2, 3 … s and a second more each time: means are 1 s later.
        seeds = [(7 + 3 * place + seed) / 3 for seed in range(3)]
        assert USUAL.time_by_layer_over_alike(scores).mean == pytest.approx(sum(seeds) / 3)


def test_the_text_says_who_is_better_and_what_is_noise() -> None:
    lines = as_text(USUAL).splitlines()
    of_target = [line for line in lines if line.startswith(f"{DEPTH}, at ")]
    assert [line.rsplit("  ", 1)[1] for line in of_target] == [
        "pruning is better", "pruning is better", "training from new is better",
    ]  # fmt: skip
    noisy = comparison(seed_run(0.0, 2.3, (2.4,) * 3), seed_run(0.0, 2.5, (2.4,) * 3))
    assert as_text(noisy).count("within noise") >= 12
    alone = as_text(comparison(seed_run(0.0, 2.3, (2.4,) * 3)))
    assert "without an interval" in alone


def test_a_comparison_goes_to_json_and_back() -> None:
    data = json.loads(json.dumps(USUAL.to_json(), allow_nan=False))
    again = RoadsComparison.from_json(data)
    assert again == USUAL
    assert again.to_json() == data
    with pytest.raises(InputError, match="format is 7"):
        RoadsComparison.from_json({**data, "format": 7})
