"""One training step of the model against nanoGPT-like modules, interleaved in one process.

`python tests/benchmarks/model_step.py [--threads N] [--rounds N]`: 4 layers × 128 wide, 4 heads,
bytes, context 64, batch 24; forward, loss and backward, no optimiser. Prints each side's median,
quartiles and the ratio; passes no judgement. The first three rounds warm up and are left out.
"""

from __future__ import annotations

import argparse
import platform
import time

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor, nn

from nasviz.model.initialise import initialise
from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture

SIZES = {"n_layers": 4, "d_model": 128, "n_heads": 4, "vocab_size": 256, "context_length": 64}
BATCH, WARM_UP = 24, 3
OURS = {
    "defaults (RMSNorm, rotary, QK norm, SwiGLU)": {},
    "ReLU², 496 wide": {"mlp": "relu2", "d_ff": 496},
    "nanoGPT's own options": {
        "position": "learned", "norm": "layernorm", "mlp": "gelu", "qk_norm": False,
    },
}  # fmt: skip


class Block(nn.Module):
    """What nanoGPT's block computes: joined projections, layer norms without bias, GELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = (nn.LayerNorm(width, bias=False) for _ in range(2))
        self.joined = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.joined(self.norm_1(x)).split(width, dim=2)
        q, k, v = (each.view(batch, length, self.heads, -1).transpose(1, 2) for each in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(y.transpose(1, 2).contiguous().view(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class NanoLike(nn.Module):
    """The modules of nanoGPT at `SIZES`, embeddings tied, weights drawn as it draws them."""

    def __init__(self) -> None:
        super().__init__()
        width, vocab = SIZES["d_model"], SIZES["vocab_size"]
        self.tokens, self.places = nn.Embedding(vocab, width), nn.Embedding(64, width)
        self.blocks = nn.ModuleList(
            Block(width, SIZES["n_heads"]) for _ in range(SIZES["n_layers"])
        )
        self.norm = nn.LayerNorm(width, bias=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


def step_s(model: nn.Module, tokens: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    started = time.perf_counter()
    model.zero_grad(set_to_none=True)
    F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
    return time.perf_counter() - started


def main() -> None:
    """Time all models in turn, round after round, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    models: dict[str, nn.Module] = {"nanoGPT-like modules": NanoLike()}
    for name, options in OURS.items():
        models[name] = Transformer(Architecture(**{**SIZES, **options}))
        initialise(models[name], 0)
    tokens = torch.randint(SIZES["vocab_size"], (BATCH, SIZES["context_length"]))
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(arguments.rounds + WARM_UP):
        for name, model in models.items():
            seconds[name].append(step_s(model, tokens))
    print(
        f"n={arguments.rounds} rounds, {arguments.threads} threads, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {platform.machine()}"
    )
    base = None
    for name, model in models.items():
        found = torch.tensor(seconds[name][WARM_UP:])
        low, middle, high = (1e3 * found.quantile(q).item() for q in (0.25, 0.5, 0.75))
        base = base or middle
        count = sum(each.numel() for each in model.parameters())
        print(
            f"{name:<46} {count:>9,} weights  {middle:6.1f} ms ({low:.1f} to {high:.1f})  "
            f"ratio {middle / base:.2f}"
        )


if __name__ == "__main__":
    main()
