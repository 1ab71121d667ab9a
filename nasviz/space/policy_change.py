"""`PolicyChange`: what is changed of a policy while a text is being written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nasviz.errors import InputError
from nasviz.space.architecture import Architecture
from nasviz.space.inference import InferencePolicy
from nasviz.space.options.dynamic_width import DynamicWidth
from nasviz.space.options.early_exit import EarlyExit
from nasviz.space.options.kv_window import KVWindow
from nasviz.space.options.option import Option


@dataclass(frozen=True)
class PolicyChange:
    """Settings that take the place of a policy's own; None leaves them as they are.

    threshold: of early exit. exit_layer: after which every token leaves, however sure; the last
    layer is no exit at all. window: of the cache, 0 is all of it. ff_share: of the feed-forward.

    Raises `InputError` for a threshold beside an exit layer.
    """

    threshold: float | None = None
    exit_layer: int | None = None
    window: int | None = None
    ff_share: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and self.exit_layer is not None:
            raise InputError(
                f"exit_layer={self.exit_layer} lets every token leave there, whatever "
                f"threshold={self.threshold:g} says; give one of the two"
            )

    def of(self, policy: InferencePolicy, architecture: Architecture) -> InferencePolicy:
        """Return `policy` with these settings.

        Raises `InputError` where options can't be combined, or don't fit a model of these sizes.
        """
        if self.threshold is not None:
            had = policy.get(EarlyExit) or EarlyExit()
            policy = policy.with_(replace(had, threshold=self.threshold, thresholds=()))
        if self.exit_layer is not None:
            policy = _leaving_after(policy, self.exit_layer, policy.running(architecture).n_layers)
        if self.window is not None:
            window = replace(policy.get(KVWindow) or KVWindow(), window=self.window)
            policy = _with(policy, window, self.window == 0)
        if self.ff_share is not None:
            width = replace(policy.get(DynamicWidth) or DynamicWidth(), ff_share=self.ff_share)
            policy = _with(policy, width, self.ff_share == width.head_share == 1)
        policy.check_fits(architecture)
        return policy


def _leaving_after(policy: InferencePolicy, layer: int, n_layers: int) -> InferencePolicy:
    """Return the policy under which every token leaves after `layer`."""
    if layer == n_layers:
        return policy.without(EarlyExit)
    had = policy.get(EarlyExit) or EarlyExit()
    # Above 0 the likeliest token's probability always is; other confidences can be 0.
    there = replace(
        had, layers=(layer,), threshold=0.0, thresholds=(), decay=0.0, criterion="max_probability"
    )
    return policy.with_(there)


def _with(policy: InferencePolicy, option: Option, neutral: bool) -> InferencePolicy:
    """Return the policy with an option, or without its kind where it is neutral."""
    return policy.without(type(option)) if neutral else policy.with_(option)
