"""What can be changed of a policy in mid-text, and what it becomes."""

from __future__ import annotations

import pytest

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_eviction import KVEviction
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.policy_change import PolicyChange

SIZES = Architecture(6, 96, 3, 256, 64)
EXITS = InferencePolicy((EarlyExit(threshold=0.8, heads="own", first=2, every=2, decay=1.0),))


def test_no_change_is_the_policy_itself() -> None:
    assert PolicyChange().of(EXITS, SIZES) == EXITS


def test_a_threshold_takes_the_place_of_every_exit_s_own() -> None:
    each = InferencePolicy((EarlyExit(layers=(2, 4), thresholds=(0.3, 0.9), heads="own"),))
    changed = PolicyChange(threshold=0.5).of(each, SIZES).get(EarlyExit)
    assert changed == EarlyExit(layers=(2, 4), threshold=0.5, heads="own")
    added = PolicyChange(threshold=0.5).of(InferencePolicy(), SIZES)
    assert added == InferencePolicy((EarlyExit(threshold=0.5),))


def test_an_exit_layer_lets_every_token_leave_there_by_the_heads_that_were_trained() -> None:
    option = PolicyChange(exit_layer=4).of(EXITS, SIZES).get(EarlyExit)
    assert option is not None
    assert option.exits(6) == (4,)
    assert (option.threshold, option.decay, option.heads) == (0.0, 0.0, "own")


def test_the_last_layer_that_runs_is_no_exit() -> None:
    assert PolicyChange(exit_layer=6).of(EXITS, SIZES) == InferencePolicy()
    skips = InferencePolicy((LayerSkip(keep=0.5),))
    assert skips.running(SIZES).n_layers == 3
    assert PolicyChange(exit_layer=3).of(skips, SIZES) == skips
    with pytest.raises(InputError, match="first exit stands above the last layer"):
        PolicyChange(exit_layer=4).of(skips, SIZES)


def test_neutral_windows_and_widths_leave_the_policy() -> None:
    policy = InferencePolicy((KVWindow(window=8, sinks=2), DynamicWidth(ff_share=0.5)))
    assert PolicyChange(window=0, ff_share=1.0).of(policy, SIZES) == InferencePolicy()
    narrow = PolicyChange(window=16, ff_share=0.25).of(policy, SIZES)
    assert narrow.get(KVWindow) == KVWindow(window=16, sinks=2)
    assert narrow.get(DynamicWidth) == DynamicWidth(ff_share=0.25)
    heads = InferencePolicy((DynamicWidth(ff_share=0.5, head_share=0.34),))
    kept = PolicyChange(ff_share=1.0).of(heads, SIZES).get(DynamicWidth)
    assert kept == DynamicWidth(ff_share=1.0, head_share=0.34)


def test_what_cannot_be_combined_is_refused() -> None:
    evicting = InferencePolicy((KVEviction(),))
    with pytest.raises(InputError, match="both say which tokens stay"):
        PolicyChange(window=8).of(evicting, SIZES)
    with pytest.raises(InputError, match="give one of the two"):
        PolicyChange(threshold=0.5, exit_layer=2)
