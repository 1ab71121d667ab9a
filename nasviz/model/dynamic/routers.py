"""What routed layers learn besides the model: small classifiers of the residual stream."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from nasviz.model.dynamic.exits import Gate
from nasviz.model.transformer import Transformer
from nasviz.space.options.layer_skip import LayerSkip
from nasviz.space.options.mixture_of_depths import MixtureOfDepths


class Routing(Protocol):
    """What decides, by a token's own stream, whether it goes through a layer; M width."""

    layers: tuple[int, ...]

    def predict(self, layer: int, hidden: Tensor) -> Tensor:
        """Return a number above 0 for tokens that go through `layer`, (..., M) → (...)."""

    def score(self, layer: int, hidden: Tensor, predicted: Tensor) -> Tensor:
        """Return a score whose sigmoid weighs what `layer` adds, (..., M) → (...).

        `predicted` is what `predict` said of these tokens, (...).
        """


class SkipGates(nn.Module):
    """The gate of each layer that tokens may skip; it decides and weighs."""

    def __init__(self, model: Transformer, option: LayerSkip) -> None:
        super().__init__()
        self.layers = option.routed(model.architecture.n_layers)
        self.gates = nn.ModuleList(Gate(model.architecture.d_model) for _ in self.layers)

    def predict(self, layer: int, hidden: Tensor) -> Tensor:
        """Return the gate's logit: above 0 a token goes through, (..., M) → (...)."""
        logit: Tensor = self.gates[self.layers.index(layer)](hidden)
        return logit

    def score(self, layer: int, hidden: Tensor, predicted: Tensor) -> Tensor:
        """Return the gate's logit once more: it weighs as it decides."""
        return predicted


def skip_gates(model: Transformer, option: LayerSkip) -> SkipGates | None:
    """Return new gates for the layers that `option` routes; None where it routes none."""
    gates = SkipGates(model, option)
    return gates if gates.layers else None


class Routers(nn.Module):
    """Mixture of depths' router and causal predictor of each routed layer, named in `layers`."""

    def __init__(self, model: Transformer, option: MixtureOfDepths) -> None:
        super().__init__()
        width = model.architecture.d_model
        self.layers = option.routed(model.architecture.n_layers)
        self.routers = nn.ModuleList(Gate(width) for _ in self.layers)
        self.predictors = nn.ModuleList(Gate(width) for _ in self.layers)

    def score(self, layer: int, hidden: Tensor, predicted: Tensor | None = None) -> Tensor:
        """Return the router's score of tokens before `layer`, (..., M) → (...)."""
        score: Tensor = self.routers[self.layers.index(layer)](hidden)
        return score

    def predict(self, layer: int, hidden: Tensor) -> Tensor:
        """Return the logit of the router choosing a token, from it alone, (..., M) → (...)."""
        logit: Tensor = self.predictors[self.layers.index(layer)](hidden)
        return logit
