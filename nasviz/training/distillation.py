"""What a pruned model learns of its parent: the chances of every next token, and its states.

Hinton et al. 2015, arXiv:1503.02531; for pruned language models Muralidharan et al. 2024, Minitron,
arXiv:2407.14679, which finds the parent's chances alone better than the text.
Shapes: B sequences, T tokens, V vocabulary, M width, of the pruned model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, kl_div

from nasviz.model.trained import load_trained
from nasviz.model.transformer import Transformer
from nasviz.space.kept import Kept
from nasviz.training.healing import KEPT
from nasviz.training.job import Job
from nasviz.training.plan import TrainingPlan


class Teacher:
    """The parent of a pruned model, which says what it would have said; it learns nothing itself.

    The pruned model's tokens are its own first ones, so it reads the same ids; chances are compared
    over those that both know.
    """

    def __init__(self, parent: Transformer, kept: Kept, plan: TrainingPlan) -> None:
        self.parent = parent.eval().requires_grad_(False)
        self.plan = plan
        self.kept = kept
        self._channels = torch.tensor(kept.channels, device=parent.token_embedding.weight.device)

    @property
    def layers(self) -> tuple[int, ...]:
        """After how many of its layers the pruned model's states are compared."""
        every = range(1, len(self.kept.layers) + 1)
        return tuple(every) if self.plan.hidden_distillation else ()

    def correction(
        self, tokens: Tensor, logits: Tensor, own: Tensor, states: Mapping[int, Tensor]
    ) -> Tensor:
        """Return what is added to the loss `own` on the text, so that the plan's share is ours.

        `tokens` (B, T), `logits` (B, T, V), and the pruned model's `states` after each of its
        layers, (B, T, M).
        """
        said, theirs = self._says(tokens)
        total = own.new_zeros(())
        if self.plan.distillation:
            gap = divergence(logits, said[..., : logits.shape[-1]], self.plan.temperature)
            total = total + self.plan.distillation * (gap - own)
        for place, layer in enumerate(self.kept.layers if self.layers else (), start=1):
            angle = 1 - cosine_similarity(
                states[place].float(), theirs[layer + 1][..., self._channels].float(), dim=-1
            )
            total = total + self.plan.hidden_distillation / len(self.layers) * angle.mean()
        return total

    @torch.no_grad()
    def _says(self, tokens: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Return the parent's logits (B, T, V) and its states after the layers that are kept."""
        hidden = self.parent.embed(tokens)
        states: dict[int, Tensor] = {}
        done = 0
        for layer in self.kept.layers if self.layers else ():
            hidden = self.parent.run_layers(hidden, done, layer + 1)
            states[layer + 1], done = hidden, layer + 1
        logits: Tensor = self.parent.head(self.parent.run_layers(hidden, done))
        return logits, states


def divergence(logits: Tensor, said: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of chances from what is `said`, nats a token.

    Both (B, T, V) are divided by the temperature, and the result multiplied by its square, so that
    gradients keep their size.
    """
    chances = (logits.float() / temperature).log_softmax(dim=-1).flatten(0, -2)
    aims = (said.float() / temperature).log_softmax(dim=-1).flatten(0, -2)
    return temperature**2 * kl_div(chances, aims, reduction="batchmean", log_target=True)


def teacher_of(job: Job, device: torch.device | str) -> Teacher | None:
    """Return the teacher that the job's plan asks for; None where it learns from text alone."""
    plan, healing = job.plan, job.healing
    if healing is None or not plan.has_teacher:
        return None
    parent, _ = load_trained(healing.parent)
    kept = Kept.from_json(json.loads((healing.start / KEPT).read_text(encoding="utf-8")))
    return Teacher(parent.to(device), kept, plan)
