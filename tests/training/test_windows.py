from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nasviz.training.windows import batch, epoch_starts, windows_per_epoch


@given(st.integers(12, 400), st.integers(1, 11), st.integers(0, 5), st.integers(0, 3))
def test_windows_of_one_epoch_do_not_overlap_and_fit(n_tokens, length, seed, epoch):
    starts = np.sort(epoch_starts(n_tokens, length, seed, epoch))
    assert len(starts) == windows_per_epoch(n_tokens, length)
    assert (np.diff(starts) == length).all()
    assert starts[0] >= 0
    assert starts[-1] + length + 1 <= n_tokens


def test_targets_are_the_inputs_one_later():
    tokens = np.arange(1009, dtype=np.uint16)
    inputs, targets = batch(tokens, 17, seed=3, first=5, size=7)
    assert inputs.shape == targets.shape == (7, 17)
    assert (targets == inputs + 1).all()


def test_a_run_reads_the_same_in_parts_as_in_one_piece():
    tokens = np.arange(499, dtype=np.uint16)
    whole, _ = batch(tokens, 13, seed=1, first=0, size=120)  # goes through three epochs
    parts = [batch(tokens, 13, seed=1, first=at, size=40)[0] for at in (0, 40, 80)]
    assert (np.concatenate(parts) == whole).all()


def test_seeds_and_epochs_have_their_own_order():
    orders = {tuple(epoch_starts(997, 7, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
