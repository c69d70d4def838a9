"""Win probability: the formula, its fit, its checks (docs/methods/win_probability.md)."""

from modeling.win_probability.model import Coefficients, States, logit, probability

__all__ = ["Coefficients", "States", "logit", "probability"]
