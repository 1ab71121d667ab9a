"""`pruned`: an ordinary, smaller model made of the parts of a trained one that are kept.

What is removed adds nothing, so the logits are those of the parent with these parts masked:

- a layer, a head, a KV group, a feed-forward unit adds zero to the residual stream, and so does
  the whole attention or feed-forward part of a layer of which none is kept, its bias included;
- an expert has the router's score -∞: the others share what it had;
- a token beyond the vocabulary has no logit, a position beyond the context is not there;
- a channel of the residual stream holds, where a norm reads it, what that norm takes for nothing:
  0 for RMSNorm, the kept channels' mean for LayerNorm. The norm's output there is read by nobody.

A norm divides by a mean over all channels, the masked ones included: over M in the parent, over m
in the child. The child's residual stream is therefore √(m/M) of the parent's (embeddings and the
matrices that write into it carry the factor, the norms' weights its inverse): then both have the
same statistics, epsilon included, and the equality is exact up to rounding. LayerNorm's mean is one
over kept channels on purpose: with zeros in the masked ones it would be a combination of the kept
channels that no LayerNorm of m channels can make.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nasviz.model.transformer import Transformer
from nasviz.space.architecture import Architecture
from nasviz.space.kept import Kept, groups_of

Weights = dict[str, Tensor]


@torch.no_grad()
def pruned(model: Transformer, kept: Kept) -> Transformer:
    """Return the model that keeps these parts of `model`, in evaluation mode, with its own memory.

    It is a plain `Transformer` of the sizes `kept.architecture(model.architecture)`, which may
    differ by layer. What `model`
    learned besides for an inference policy (exits, routers) is left behind. Raises `InputError`
    for parts that `model` has not.
    """
    parent = model.architecture
    child = kept.architecture(parent)
    cut = _Cut(parent, kept)
    parameters: Weights = dict(model.named_parameters())
    weights = {
        **cut.ends(parameters),
        **{
            f"blocks.{place}.{name}": tensor
            for place in range(child.n_layers)
            for name, tensor in cut.block(parameters, place).items()
        },
    }
    with torch.device("meta"):
        result = Transformer(child)
    result.load_state_dict({name: each.clone() for name, each in weights.items()}, assign=True)
    return result.eval()


class _Cut:
    """Where weights are cut and how they are scaled: see the module's docstring."""

    def __init__(self, parent: Architecture, kept: Kept) -> None:
        self.parent = parent
        self.kept = kept
        self.channels = torch.tensor(kept.channels)
        # The child's residual stream as a share of the parent's.
        self.scale = math.sqrt(len(kept.channels) / parent.d_model)

    def ends(self, weights: Weights) -> Weights:
        """Return the embeddings, the final norm and the output matrix."""
        a, kept = self.parent, self.kept
        # An embedding that is multiplied by √d_model carries the factor already.
        scale = 1.0 if a.scaled_embedding else self.scale
        result = {
            "token_embedding.weight": self._read(weights["token_embedding.weight"])[
                : kept.vocab_size
            ]
            * scale
        }
        if a.position == "learned":
            positions = self._read(weights["position_embedding.weight"])
            rows = kept.context_length + a.extra_positions
            result["position_embedding.weight"] = positions[:rows] * self.scale
        norm = self._norm(weights, "head.norm.")
        if a.tied_embeddings:  # the output matrix has the embedding's factor, the norm takes it out
            norm = {name: each / scale for name, each in norm.items()}
        else:
            result["head.weight"] = self._read(weights["head.weight"])[: kept.vocab_size]
        return {**result, **norm}

    def block(self, weights: Weights, place: int) -> Weights:
        """Return the weights of the child's layer `place`, named within the layer."""
        path = f"blocks.{self.kept.layers[place]}."
        own = {
            name.removeprefix(path): tensor
            for name, tensor in weights.items()
            if name.startswith(path)
        }
        result: Weights = {}
        if self.kept.heads[place]:
            result |= {**self._norm(own, "attention_norm."), **self._attention(own, place)}
        if self.kept.ff_units[place][0]:
            result |= {**self._norm(own, "feed_forward_norm."), **self._feed_forward(own, place)}
        return result

    def _attention(self, own: Weights, place: int) -> Weights:
        head_dim, heads = self.parent.head_dim, self.kept.heads[place]
        query = _rows(heads, head_dim)
        key = _rows(groups_of(self.parent, heads), head_dim)
        result = {
            **self._reading(own, "attention.query.", query),
            **self._reading(own, "attention.key.", key),
            **self._reading(own, "attention.value.", key),
            **self._writing(own, "attention.output.", query),
        }
        for name in ("attention.query_norm.weight", "attention.key_norm.weight"):
            if name in own:  # over a head's own dimensions, which stay
                result[name] = own[name]
        return result

    def _feed_forward(self, own: Weights, place: int) -> Weights:
        experts, units = self.kept.experts[place], self.kept.ff_units[place]
        if self.parent.experts == 1:
            return self._expert(own, "feed_forward.", "feed_forward.", units[0])
        if len(experts) == 1:  # all tokens go through it: a dense layer
            path = f"feed_forward.experts.{experts[0]}."
            return self._expert(own, path, "feed_forward.", units[0])
        result = self._reading(own, "feed_forward.router.", torch.tensor(experts))
        for number, (expert, rows) in enumerate(zip(experts, units, strict=True)):
            path = f"feed_forward.experts.{expert}."
            result |= self._expert(own, path, f"feed_forward.experts.{number}.", rows)
        return result

    def _expert(self, own: Weights, path: str, to: str, units: tuple[int, ...]) -> Weights:
        rows = torch.tensor(units)
        parts = [self._writing(own, f"{path}down.", rows)]
        parts += [
            self._reading(own, f"{path}{name}.", rows)
            for name in ("gate", "up")
            if f"{path}{name}.weight" in own
        ]
        return {
            to + name.removeprefix(path): tensor for part in parts for name, tensor in part.items()
        }

    def _norm(self, weights: Weights, path: str) -> Weights:
        result = {f"{path}weight": weights[f"{path}weight"][self.channels] / self.scale}
        if f"{path}bias" in weights:
            result[f"{path}bias"] = weights[f"{path}bias"][self.channels]
        return result

    def _reading(self, weights: Weights, path: str, rows: Tensor) -> Weights:
        """Return the chosen rows of a matrix that reads the normalised residual stream."""
        result = {f"{path}weight": self._read(weights[f"{path}weight"][rows])}
        if f"{path}bias" in weights:
            result[f"{path}bias"] = weights[f"{path}bias"][rows]
        return result

    def _writing(self, weights: Weights, path: str, columns: Tensor) -> Weights:
        """Return the chosen columns of a matrix that writes into the residual stream."""
        matrix = weights[f"{path}weight"][self.channels][:, columns]
        result = {f"{path}weight": matrix * self.scale}
        if f"{path}bias" in weights:
            result[f"{path}bias"] = weights[f"{path}bias"][self.channels] * self.scale
        return result

    def _read(self, matrix: Tensor) -> Tensor:
        return matrix[:, self.channels]


def _rows(heads: tuple[int, ...], head_dim: int) -> Tensor:
    """Return the rows of a matrix that belong to these heads, (heads · head_dim,)."""
    return (torch.tensor(heads).unsqueeze(1) * head_dim + torch.arange(head_dim)).flatten()
