"""Activation sparsity in the model: matrices that see the largest of their inputs alone.

Measured on a Xeon with AVX-512 (torch 2.13, one row, microseconds, weights of eight matrices in
turn; choosing the inputs counted):

    inputs × outputs   threads   dense   keep 0.5   keep 0.25
    256 × 256                1       8         16          15
    512 × 512                1      40         40          27
    512 × 1376               1     104         86          45
    768 × 2048               1     337        205         102
    256 × 256                2       6         18          18
    512 × 1376               2      55         49          32
    768 × 2048               2     121        111          56

In whole models of 8 layers (one thread) a token takes 1.5 times as long with half the inputs at 128
wide, 1.2 at 256 and 0.95 at 512; with a quarter 1.4, 1.03 and 0.65; and a prompt of 64 tokens,
which is masked and computed whole, about twice (`tests/benchmarks/weight_views.py`). So it pays
with a quarter of the inputs from 512 wide up; below, finding them costs more than the product.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own idiom)
from torch import Tensor, nn

from nasviz.errors import InputError
from nasviz.model.dynamic.matrices import is_expert, with_matrices
from nasviz.model.transformer import Block, Transformer
from nasviz.space.options.activation_sparsity import ActivationSparsity
from nasviz.space.options.shares import share_of


def sparsified(model: Transformer, option: ActivationSparsity) -> Transformer:
    """Return `model` whose layers' matrices see the largest `keep` of each token's inputs.

    The matrices are copied, transposed: a kept input's weights then lie side by side. Experts read
    all their weights; there the small inputs count as zero. Raises `InputError` for a model whose
    matrices are packed.
    """
    if option.keep == 1:
        return model

    def sparse(matrix: nn.Module, owner: nn.Module, block: Block) -> nn.Module:
        if not isinstance(matrix, nn.Linear):
            raise InputError(
                f"a {type(matrix).__name__} is read whole: activation sparsity has nothing to save "
                "there; take it without weight quantisation"
            )
        kept = share_of(matrix.in_features, option.keep)
        # Several tokens may or may not meet in an expert; whole ones cost what is counted.
        return (MaskedLinear if is_expert(owner, block) else SparseLinear)(matrix, kept)

    return with_matrices(model, sparse)


def largest(x: Tensor, kept: int) -> Tensor:
    """Return `x` (..., n) with all but the `kept` largest by magnitude set to zero."""
    places = x.abs().topk(kept, dim=-1, sorted=False).indices
    return torch.zeros_like(x).scatter_(-1, places, x.gather(-1, places))


class MaskedLinear(nn.Module):
    """A matrix behind inputs of which the largest are kept and the others zero."""

    def __init__(self, linear: nn.Linear, kept: int) -> None:
        super().__init__()
        self.linear = linear
        self.kept = kept
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: Tensor) -> Tensor:
        """Return the products of the kept inputs, (..., in) → (..., out)."""
        y: Tensor = self.linear(largest(x, self.kept))
        return y


class SparseLinear(nn.Module):
    """A matrix of which one row of inputs reads the kept inputs' weights alone."""

    def __init__(self, linear: nn.Linear, kept: int) -> None:
        super().__init__()
        self.kept = kept
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.register_buffer("columns", linear.weight.detach().t().contiguous())  # (in, out)
        bias = linear.bias
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)

    columns: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return the products of the kept inputs, (..., in) → (..., out)."""
        if x.numel() == self.in_features:
            y = self._one(x.flatten()).view(*x.shape[:-1], -1)
            return y if self.bias is None else y + self.bias
        return F.linear(largest(x, self.kept), self.columns.t(), self.bias)

    def _one(self, x: Tensor) -> Tensor:
        """Return the weighted sum of the kept inputs' weights, (in,) → (out,)."""
        places = x.abs().topk(self.kept, sorted=False).indices  # (kept,)
        # A bag of weighted rows is summed without being gathered first, by one thread: so each
        # thread has a bag of its own.
        each = -(-self.kept // torch.get_num_threads())
        bags = torch.arange(0, self.kept, each, device=x.device)
        # What `F.embedding_bag` calls with mode="sum", without its checks: they cost as much again.
        sums: Tensor = torch.embedding_bag(self.columns, places, bags, False, 0, False, x[places])[
            0
        ]  # (bags, out)
        return sums[0] if len(bags) == 1 else sums.sum(dim=0)
