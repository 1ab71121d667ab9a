"""What mixture of depths learns besides the model: two small classifiers a routed layer."""

from __future__ import annotations

from torch import Tensor, nn

from nasviz.model.dynamic.exits import Gate
from nasviz.model.transformer import Transformer
from nasviz.space.options.mixture_of_depths import MixtureOfDepths


class Routers(nn.Module):
    """The router and the causal predictor of each routed layer; `layers` says which these are."""

    def __init__(self, model: Transformer, option: MixtureOfDepths) -> None:
        super().__init__()
        width = model.architecture.d_model
        self.layers = option.routed(model.architecture.n_layers)
        self.routers = nn.ModuleList(Gate(width) for _ in self.layers)
        self.predictors = nn.ModuleList(Gate(width) for _ in self.layers)

    def score(self, layer: int, hidden: Tensor) -> Tensor:
        """Return the router's score of tokens before `layer`, (..., M) → (...)."""
        score: Tensor = self.routers[self.layers.index(layer)](hidden)
        return score

    def predict(self, layer: int, hidden: Tensor) -> Tensor:
        """Return the logit of the router choosing a token, from it alone, (..., M) → (...)."""
        logit: Tensor = self.predictors[self.layers.index(layer)](hidden)
        return logit
