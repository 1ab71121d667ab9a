"""`KVWindow`: a layer keeps the first tokens and the latest ones, and lets the others go."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from nasviz.space.field import integer
from nasviz.space.options.option import Option

_STREAMING = "Xiao et al. 2023, StreamingLLM, arXiv:2309.17453"


@dataclass(frozen=True)
class KVWindow(Option):
    """A token attends to the first `sinks` positions and to the latest `window` ones, its own too.

    The first tokens collect attention that has nowhere else to go; with them kept, a window works
    far beyond its own width. Where the model slides a window of its own (`sliding_window`), the
    narrower of the two counts, and sinks stay in sight beyond it.

    Keys keep the rotary positions of the text, as in training: positions never exceed the context,
    since generation goes on from its latest half, read anew, when the context is full. (The paper
    counts positions within the cache, to stream without end.)

    A window of 0 keeps everything, as does one that spans the context of a model without its own:
    the static model.

    Xiao et al. 2023 (StreamingLLM, arXiv:2309.17453).
    """

    NAME = "kv_window"
    LABEL = "Cache window"
    HELP = "Keeps the first few and the latest tokens' keys and values, and forgets the middle."
    REFERENCE = _STREAMING
    NEUTRAL = MappingProxyType({"window": 0})
    LAYERS_MAY_DIFFER = True
    FIELDS = (
        integer(
            "window", "Window", 0, 4_194_304,
            "How many of the latest tokens a token attends to, itself included; 0 is all.",
            _STREAMING, default=64, unit="tokens",
        ),
        integer(
            "sinks", "Sinks", 0, 1024,
            "How many of the first tokens stay in sight for ever.",
            _STREAMING, default=4, unit="tokens",
        ),
    )  # fmt: skip

    window: int = 64
    sinks: int = 4
