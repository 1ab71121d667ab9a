"""Parts while they are being chosen: what is held, what goes back, and what no model can have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Kept
from nasviz.space.parts_choice import PartsChoice

SIZES = Architecture(3, 24, 6, 256, 32, n_kv_heads=3, d_ff=5)
WHOLE = PartsChoice.whole(SIZES)


def test_the_whole_choice_keeps_everything() -> None:
    assert WHOLE.is_whole
    assert WHOLE.kept(None) == Kept.of(SIZES)


def test_a_part_that_is_taken_twice_is_there_again() -> None:
    without = WHOLE.toggled_layer(1).toggled_heads(0, (2, 3))
    assert not without.is_whole
    assert without.layers == {0, 2}
    assert without.toggled_layer(1).toggled_heads(0, (2, 3)).is_whole


def test_a_group_that_is_half_gone_is_made_whole_first() -> None:
    half = WHOLE.toggled_heads(0, (2,))
    assert half.toggled_group(0, 1) == WHOLE
    assert WHOLE.toggled_group(0, 1).heads[0] == {0, 1, 4, 5}


def test_a_layer_that_comes_back_has_the_heads_that_were_chosen() -> None:
    chosen = WHOLE.toggled_heads(1, (0, 1)).toggled_layer(1).toggled_layer(1)
    assert chosen.heads[1] == {2, 3, 4, 5}


def test_the_most_important_groups_and_units_stay() -> None:
    heads = np.array([[1, 1, 5, 0, 2, 2], [9, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0]], float)
    choice = WHOLE.with_groups(2, heads)
    assert [sorted(each) for each in choice.heads] == [[2, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 3]]
    assert choice.most_groups == 2
    units = np.array([[[3, 1, 4, 1, 5]], [[0, 1, 2, 3, 4]], [[5, 4, 3, 2, 1]]], float)
    kept = WHOLE.with_d_ff(2).kept(units)
    assert kept.ff_units == (((2, 4),), ((3, 4),), ((0, 1),))
    assert kept.architecture(SIZES).d_ff == 2


def test_layers_may_keep_other_counts_or_lack_a_part() -> None:
    choice = WHOLE.toggled_group(0, 1).toggled_feed_forward(1)
    sizes = choice.kept(None).architecture(SIZES)
    assert [(each.n_heads, each.d_ff) for each in sizes.layer_sizes] == [(4, 5), (6, 0), (6, 5)]
    assert choice.toggled_feed_forward(1).toggled_group(0, 1) == WHOLE
    # What is left is a parent itself: sliders leave its smaller layers as they are.
    again = PartsChoice.whole(sizes)
    assert again.kept(None) == Kept.of(sizes)
    fewer = again.with_groups(2, None).with_d_ff(4)
    assert [len(each) for each in fewer.heads] == [4, 4, 4]
    assert fewer.d_ff == (4, 0, 4)
    assert fewer.kept(None).architecture(sizes).d_ff == 4


def test_what_no_model_can_have_says_so() -> None:
    with pytest.raises(InputError, match="keep equally many of each group of 2"):
        WHOLE.toggled_heads(0, (2,)).kept(None)
    nothing = WHOLE.with_layers(())
    assert (nothing.most_groups, nothing.most_d_ff) == (0, 0)
    with pytest.raises(InputError):
        nothing.kept(None)


def test_a_model_without_any_head_or_feed_forward_unit_is_refused_in_words() -> None:
    headless = replace(WHOLE, heads=(frozenset(),) * len(WHOLE.heads))
    with pytest.raises(InputError, match="no layer keeps a head; keep some in one layer"):
        headless.kept(None)
    with pytest.raises(InputError, match="no layer keeps a feed-forward unit; keep some"):
        WHOLE.with_d_ff(0).kept(None)
