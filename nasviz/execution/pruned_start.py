"""Where a pruned trial starts: its parent found, measured and cut, in the worker."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nasviz.corpus.corpus import Corpus
from nasviz.corpus.tokenized import TokenizedCorpus, tokenize_by
from nasviz.cost.measuring import measuring_flops, zeros_flops
from nasviz.evaluation.importance.methods import prune_to
from nasviz.evaluation.importance.texts import calibration_texts
from nasviz.evaluation.scoring import BATCH_TOKENS, score
from nasviz.evaluation.sparsity import density, set_zeros
from nasviz.execution.memory import check_room_for
from nasviz.execution.parents import parent_folder
from nasviz.execution.per_layer import LayerSearch
from nasviz.execution.scored_layers import FOLDER
from nasviz.model.checkpoint import load_architecture, save_checkpoint
from nasviz.model.dynamic.runner import Runner
from nasviz.model.pruned import pruned
from nasviz.model.trained import load_trained, trained_architecture
from nasviz.model.transformer import Transformer
from nasviz.quality.bits import bits_per_byte
from nasviz.space.architecture import Architecture
from nasviz.space.importance import PRUNED
from nasviz.space.kept import Kept
from nasviz.space.layer_sizes import NAMES
from nasviz.space.lineage import Lineage
from nasviz.study.study import Study
from nasviz.study.trial import Trial
from nasviz.training.healing import KEPT, Healing, gentle_plan, rate_share
from nasviz.training.plan import TrainingPlan
from nasviz.training.progress import Control
from nasviz.training.sample import sample_nats, spread_sample
from nasviz.whole_file import whole_file

FACTS = "facts.json"
# What a cut cost is measured on, to choose the rate of healing by it.
_RATE_BYTES = 1 << 14


@dataclass(frozen=True)
class PrunedStart:
    """The text in the parent's tokens, the folders that healing reads, and what is stored.

    `facts`: `parent`, `parent_architecture`, `removed` (by size, before and after), `layers` that
    stay, `parent_bits_per_byte` and `unhealed_bits_per_byte` of the test part,
    `curve_bits_per_byte` (where the learning curve begins: unhealed, on the curve's own sample of
    the search part), `rise_bits_per_byte` (what the cut cost, before zeros and few bits, on the
    search part), the `seconds` that measuring and cutting took, `sparsity` where weights were set
    to zero (how, and the density that was counted), the `flops` of measuring importance, of a
    search of the layers and of choosing zeros (none where parts were chosen by hand), and what came
    of such a search, `per_layer` (`nasviz.execution.per_layer.Searched`).
    `sizes` are those that pruning came to.
    """

    sizes: Architecture
    tokenized: TokenizedCorpus
    healing: Healing
    facts: dict[str, Any]

    @property
    def parent(self) -> Architecture:
        """The parent's sizes."""
        return Architecture.from_json(self.facts["parent_architecture"])

    def settled(self, plan: TrainingPlan) -> TrainingPlan:
        """Return `plan` at the rate that fits what the cut cost, unless it names one itself.

        Adapters keep the usual rate: they begin at nothing.
        """
        rise = self.facts.get("rise_bits_per_byte")  # a trial that began before it was measured
        if plan.lora_rank or rise is None:
            return plan
        return gentle_plan(plan, rate_share(rise, zeros=self.healing.holds_zeros))


def prepare(
    study: Study,
    trial: Trial,
    corpus: Corpus,
    directory: Path,
    test_bytes: int,
    control: Control,
) -> PrunedStart | None:
    """Return where `trial` starts; its parent is pruned now, unless it was before a pause.

    `test_bytes` of the test part are scored. None where `control` stops a search of the layers,
    which goes on from there the next time. Raises `InputError` for a parent that isn't there, and
    for a target that pruning can't reach.
    """
    lineage = trial.lineage
    assert lineage is not None
    target = trial.candidate.architecture
    folder = directory / FOLDER
    parent = parent_folder(study, lineage)
    check_room_for(trained_architecture(parent))
    model, tokenizer = load_trained(parent)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    tokenized = tokenize_by(corpus, tokenizer.cut(target.vocab_size))
    healing = Healing(folder, parent, holds_zeros=lineage.sparsity is not None)
    if (folder / FACTS).is_file():  # written last
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        return PrunedStart(load_architecture(folder), tokenized, healing, facts)
    whole = tokenize_by(corpus, tokenizer)
    began = time.perf_counter()
    cut = _cut(model, trial, whole, folder, control)
    if cut is None:
        return None
    child, kept, found = cut
    rise = _for_its_rate(child, tokenized) - _for_its_rate(model, whole)
    zeros = _with_zeros(child, lineage, tokenized)
    flops = [each.pop("flops") for each in (found, zeros) if "flops" in each]
    seconds = time.perf_counter() - began
    # In the few bits that it is healed for, where it is.
    policy = trial.candidate.inference
    run = Runner(child, policy).model if policy else child
    facts = {
        "parent": lineage.parent,
        "parent_architecture": model.architecture.to_json(),
        "removed": removed(model.architecture, child.architecture),
        "layers": list(kept.layers),
        "parent_bits_per_byte": score(model, whole, "test", max_bytes=test_bytes).bits_per_byte,
        "unhealed_bits_per_byte": score(run, tokenized, "test", max_bytes=test_bytes).bits_per_byte,
        "curve_bits_per_byte": _on_the_curve(run, tokenized),
        "rise_bits_per_byte": rise,
        "seconds": seconds,
        **({"flops": sum(flops)} if flops else {}),
        **zeros,
        **found,
    }
    save_checkpoint(child, folder)
    _write(folder / KEPT, kept.to_json())
    _write(folder / FACTS, facts)
    return PrunedStart(child.architecture, tokenized, healing, facts)


def _cut(
    model: Transformer, trial: Trial, text: TokenizedCorpus, folder: Path, control: Control
) -> tuple[Transformer, Kept, dict[str, Any]] | None:
    """Return the pruned model, what is kept, and what is stored of how it was found.

    The parts were chosen by hand, or are by a search of the layers, which `control` may stop (then
    None), or by importance measured on `text`.
    """
    lineage = trial.lineage
    assert lineage is not None
    if lineage.kept is not None:
        return pruned(model, lineage.kept), lineage.kept, {}
    if lineage.per_layer is not None:
        seed = int(trial.plan.get("seed", 0))
        search = LayerSearch(model, lineage.per_layer, lineage.pruning, text, folder, seed)
        searched = search.run(control)
        return None if searched is None else (searched.model, searched.kept, searched.to_json())
    tokens = lineage.pruning.calibration_tokens
    texts = calibration_texts(text, model.architecture.context_length, tokens)
    target = trial.candidate.architecture
    flops = measuring_flops(model.architecture, target, lineage.pruning) * texts.numel()
    return *prune_to(model, target, lineage.pruning, texts), {"flops": flops}


def _with_zeros(child: Transformer, lineage: Lineage, text: TokenizedCorpus) -> dict[str, Any]:
    """Set weights of the pruned model to zero, where that is asked for; return what is stored."""
    if lineage.sparsity is None:
        return {}
    tokens = lineage.pruning.calibration_tokens
    texts = calibration_texts(text, child.architecture.context_length, tokens)
    set_zeros(child, lineage.sparsity, texts)
    flops = zeros_flops(child.architecture, lineage.sparsity) * texts.numel()
    return {"sparsity": {**lineage.sparsity.to_json(), **density(child)}, "flops": flops}


def _for_its_rate(model: Transformer, text: TokenizedCorpus) -> float:
    """Return bits per byte of the search part's first words, the same ones for every model."""
    return score(model, text, "search", max_bytes=_RATE_BYTES).bits_per_byte


def _on_the_curve(model: Transformer, text: TokenizedCorpus) -> float:
    """Return bits per byte on the sample that a run's learning curve is measured on."""
    length = model.architecture.context_length
    sample = spread_sample(text.tokens("search"), text.token_bytes, length)
    device = model.token_embedding.weight.device
    nats = sample_nats(model, sample, max(1, BATCH_TOKENS // length), device)
    return float(bits_per_byte(nats, sample.n_bytes))


def leave_kept(directory: Path) -> None:
    """Have what was kept of the parent beside the trial's weights too."""
    kept = directory / FOLDER / KEPT
    if kept.is_file():
        _write(directory / KEPT, json.loads(kept.read_text("utf-8")))


def tidy(directory: Path) -> None:
    """Let go of what a trial that is over, or given up, would have gone on from."""
    shutil.rmtree(directory / FOLDER, ignore_errors=True)


def removed(parent: Architecture, child: Architecture) -> dict[str, list[int]]:
    """Return the sizes that became smaller, before and after.

    Where layers differ, those of all layers together too, such as `d_ff_in_all`.
    """
    sizes = {name: [getattr(parent, name), getattr(child, name)] for name in PRUNED}
    if parent.layer_sizes or child.layer_sizes:
        for name in NAMES:
            sizes[f"{name}_in_all"] = [
                sum(getattr(each, name) for each in model.sizes_by_layer)
                for model in (parent, child)
            ]
    return {name: pair for name, pair in sizes.items() if pair[0] != pair[1]}


def _write(path: Path, data: object) -> None:
    with whole_file(path) as partial:
        partial.write_text(json.dumps(data), encoding="utf-8")
