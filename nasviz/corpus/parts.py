"""The four parts of a corpus, by bytes: training first, then three disjoint held-out parts."""

from __future__ import annotations

from collections.abc import Mapping

from nasviz.errors import InputError, unknown_name

# Percent of the bytes, in the order of the text; the last three are the held-out tenth.
SHARES: Mapping[str, int] = {"train": 90, "search": 4, "calibration": 2, "test": 4}
HELD_OUT = "held_out"
PARTS = (*SHARES, HELD_OUT)

# The smallest part must hold eight windows of 64 bytes, or a threshold chosen on it is noise.
LEAST_PART_BYTES = 512
LEAST_CORPUS_BYTES = LEAST_PART_BYTES * 100 // min(SHARES.values())

# Up to about four passes, repeated text is worth nearly as much as new text:
# Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv:2305.16264.
HARMLESS_EPOCHS = 4.0


def part_bounds(text: bytes) -> dict[str, tuple[int, int]]:
    """Return where each part of UTF-8 `text` begins and ends, in bytes.

    A border that would cut a character moves back to the character's first byte. `held_out` is
    the whole last tenth, that is search, calibration and test in one piece.
    """
    bounds = {}
    start, percent = 0, 0
    for name, share in SHARES.items():
        percent += share
        stop = character_start(text, len(text) * percent // 100)
        bounds[name] = (start, stop)
        start = stop
    bounds[HELD_OUT] = (bounds["train"][1], len(text))
    return bounds


def character_start(text: bytes, position: int) -> int:
    """Return the first byte of the UTF-8 character that `position` lies in."""
    while 0 < position < len(text) and text[position] & 0b1100_0000 == 0b1000_0000:
        position -= 1
    return position


def check_part(name: str) -> str:
    """Return `name` if it names a part; raises `InputError` otherwise."""
    if name not in PARTS:
        raise unknown_name("part of the corpus", name, PARTS)
    return name


def check_size(n_bytes: int, name: str) -> None:
    """Raise `InputError` if a corpus of `n_bytes` can't be split into parts that are of use."""
    if n_bytes == 0:
        raise InputError(f"corpus {name}: empty; at least {LEAST_CORPUS_BYTES:,} bytes are needed")
    if n_bytes < LEAST_CORPUS_BYTES:
        raise InputError(
            f"corpus {name}: {n_bytes:,} bytes are too few; at least {LEAST_CORPUS_BYTES:,} are "
            f"needed, so that the smallest held-out part ({min(SHARES.values())}%) has "
            f"{LEAST_PART_BYTES} bytes"
        )


def epochs(train_bytes: int, planned_bytes: float) -> float:
    """Return how many times `planned_bytes` of training pass over a part of `train_bytes`."""
    return planned_bytes / train_bytes


def repetition_warning(train_bytes: int, planned_bytes: float) -> str | None:
    """Return what to tell who repeats a small corpus too often, or None if it is harmless."""
    passes = epochs(train_bytes, planned_bytes)
    if passes <= HARMLESS_EPOCHS:
        return None
    return (
        f"the training text ({train_bytes:,} bytes) will be repeated {passes:.1f} times; beyond "
        f"about {HARMLESS_EPOCHS:g} passes repetition teaches little and is learnt by heart "
        f"(Muennighoff et al. 2023): {planned_bytes / HARMLESS_EPOCHS:,.0f} bytes of training "
        "text would do, or a smaller budget"
    )
