"""What early exit does to a cost: fewer layers a generated token, and the checks to find out."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from operator import mul

from nasviz.cost.dynamic.observed import Observed
from nasviz.cost.dynamic.running import Running
from nasviz.cost.dynamic.settings import OneSettings, Settings
from nasviz.cost.sizes import Amount, choose, flag
from nasviz.errors import InputError
from nasviz.space.options.early_exit import EarlyExit

_READS_LOGITS = ("max_probability", "margin", "entropy", "patience")


def run(settings: Settings, running: Running, observed: Observed) -> Running:
    """Return `running` with generated tokens leaving early.

    A token that leaves after l layers was looked at by every exit up to there; where the criterion
    reads logits, each look computes them (with the exit's norm and head), and those of the exit
    that lets it go are its answer. With skipped_layers="propagate" the layers above compute its
    keys and values alone. With "recompute" they go through the layers later, together with the
    first token behind it that needs them: in the end every layer is computed for every token (an
    upper bound: the last ones of a text may never be needed), and what is saved is reading the
    weights of a layer for each token anew.
    """
    layers, looks = depth_and_looks(settings, running.sizes.n_layers, observed)
    n_layers, d_model = running.sizes.n_layers, running.sizes.d_model
    on = settings.on
    reads_logits = settings.chosen("criterion", *_READS_LOGITS)
    left_early = looks["left"]
    # Where logits are the criterion, an exit that lets go has computed the answer; the others' are
    # thrown away. Elsewhere logits are computed once, where the token leaves.
    logits = reads_logits * (looks["all"] + 1 - left_early) + (1 - reads_logits)
    gate = settings.chosen("criterion", "gate")
    propagates = settings.chosen("skipped_layers", "propagate")
    first, *others = running.decode
    changed = replace(
        first,
        layers=choose(on, layers, first.layers),
        tokens=choose(on, choose(propagates, 1, n_layers / layers), first.tokens),
        kept_layers=choose(on, propagates * (n_layers - layers), first.kept_layers),
        logits=choose(on, logits, first.logits),
        checks=choose(on, looks["all"], first.checks),
        check_flops=choose(on, gate * looks["all"] * 2 * d_model, first.check_flops),
    )
    own = settings.chosen("heads", "own")
    exits = exit_count(settings, n_layers)
    # An own head is a norm and a matrix; a gate is a row and its bias.
    norm = d_model * (1 + running.sizes.layernorm * running.sizes.all_biases)
    weights = exits * (own * (norm + d_model * running.sizes.vocab_size) + gate * (d_model + 1))
    return replace(
        running,
        decode=(changed, *others),
        additions=running.additions + on * weights,
        training_logits=running.training_logits + on * exits,
        # Forward and the weights' gradient: a gate sends none back into the stream.
        training_checks_flops=running.training_checks_flops + on * gate * exits * 4 * d_model,
    )


def exit_count(settings: Settings, n_layers: Amount) -> Amount:
    """Return how many exits there are below the last layer."""
    listed = settings.listed("layers")
    if listed:
        return len(listed)
    first, every = settings.number("first"), settings.number("every")
    return -((first - n_layers) // every)  # rounded up


def depth_and_looks(
    settings: Settings, n_layers: Amount, observed: Observed
) -> tuple[Amount, dict[str, Amount]]:
    """Return the mean layers a token goes through, and how many exits look at it.

    The looks are "all" of them, and "left": the share of tokens that leave before the end. Both
    follow from the measured exit shares, or from the prior: each exit lets a share of
    1 - threshold go of the tokens that reach it. The prior is a rule of thumb with the right ends
    (everybody leaves at threshold 0, nobody at 1), not a result.
    """
    if isinstance(settings, OneSettings) and isinstance(settings.option, EarlyExit):
        return _of_one(settings.option, int(n_layers), observed)
    exits = exit_count(settings, n_layers)
    first, every = settings.number("first"), settings.number("every")
    stays = settings.number("threshold")
    asked = flag(stays < 1)  # at threshold 1 nobody can leave, and nothing is looked at
    # Reaching exit i (from 0) has the chance stays**i; the sums are geometric.
    reaches = _geometric(stays, exits)  # 1 + t + … + t**(exits - 1)
    last = n_layers - (first + every * (exits - 1))  # layers above the last exit
    beyond = stays**exits
    depth = first + every * (reaches - 1) + last * beyond
    return depth, {"all": asked * reaches, "left": 1 - beyond}


def _of_one(
    option: EarlyExit, n_layers: int, observed: Observed
) -> tuple[float, dict[str, Amount]]:
    """Return depth and looks of one candidate, whose exits and thresholds may be any."""
    places = (*option.exits(n_layers), n_layers)
    thresholds = option.thresholds_of(n_layers)
    shares = observed.exit_shares
    if shares is None:
        reaches = [1.0, *accumulate(thresholds, mul)]
        shares = (*(here - there for here, there in pairwise(reaches)), reaches[-1])
    elif len(shares) != len(places):
        raise InputError(
            f"{len(shares)} measured exit shares for {len(places) - 1} exits and the whole model; "
            "measure the policy that is priced"
        )
    depth = sum(share * place for share, place in zip(shares, places, strict=True))
    n_exits = len(places) - 1
    looked = sum(share * min(at + 1, n_exits) for at, share in enumerate(shares))
    # At threshold 1 nobody can leave, and nothing is looked at.
    asked = int(any(threshold < 1 for threshold in thresholds))
    return depth, {"all": asked * looked, "left": 1 - shares[-1]}


def _geometric(ratio: Amount, terms: Amount) -> Amount:
    """Return 1 + ratio + … + ratio**(terms - 1)."""
    unlike = flag(ratio != 1)
    gap = 1 - ratio + (1 - unlike)
    return choose(unlike, (1 - ratio**terms) / gap, terms)
