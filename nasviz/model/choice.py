"""`Chooser`: which token comes next, from logits, a temperature and a seed."""

from __future__ import annotations

import torch
from torch import Tensor

from nasviz.errors import InputError, RunError

# Below it logits that are divided by it leave the range of float32.
SMALLEST_TEMPERATURE = 1e-6


class Chooser:
    """Takes the likeliest token at temperature 0, else draws among the `top_k` likeliest.

    Draws come from `seed` alone, on the CPU, so that every device gives the same tokens. Raises
    `InputError` for settings out of range.
    """

    def __init__(self, temperature: float = 0.0, top_k: int | None = None, seed: int = 0) -> None:
        if not 0 <= temperature < float("inf"):
            raise InputError(f"temperature={temperature!r} is not 0 or a positive number")
        if 0 < temperature < SMALLEST_TEMPERATURE:
            raise InputError(
                f"temperature={temperature!r} is too small to divide by; {SMALLEST_TEMPERATURE:g} "
                "or more, or 0 for the likeliest token always"
            )
        if not 0 <= seed < 2**63:
            raise InputError(f"seed={seed!r} is not a whole number from 0 to 2**63 - 1")
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k={top_k} leaves no token to choose; 1 or more")
        self.temperature = temperature
        self.top_k = top_k
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def state(self) -> Tensor:
        """Where the draws stand, to go on from later."""
        return self._generator.get_state()

    def resume(self, state: Tensor) -> None:
        """Draw on from where a chooser's `state` was."""
        self._generator.set_state(state)

    def choose(self, logits: Tensor) -> int:
        """Return the next token for `logits` (V,); raises `RunError` where they are not numbers."""
        return self.draw(self.chances(logits))

    def chances(self, logits: Tensor) -> Tensor:
        """Return each token's chance to come next, (V,) on the CPU: 1 and 0 at temperature 0.

        Raises `RunError` where the logits are not numbers.
        """
        logits = logits.float().cpu()
        if not bool(torch.isfinite(logits).all()):
            raise RunError("the model's logits are not numbers: its training diverged")
        if self.temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(), len(logits)).float()
        scaled = logits / self.temperature
        if self.top_k is not None and self.top_k < len(scaled):
            likeliest, tokens = scaled.topk(self.top_k)  # (top_k,) twice
            return torch.zeros_like(scaled).scatter(0, tokens, likeliest.softmax(dim=-1))
        return scaled.softmax(dim=-1)

    def draw(self, chances: Tensor) -> int:
        """Return a token by its chances (V,), which needn't add up to 1."""
        if self.temperature == 0:
            return int(chances.argmax())
        return int(torch.multinomial(chances, 1, generator=self._generator))

    def happens(self, chance: float) -> bool:
        """Return whether something of that chance happens; nothing is drawn for a certainty."""
        if chance >= 1 or chance <= 0:
            return chance >= 1
        return float(torch.rand((), generator=self._generator)) < chance
