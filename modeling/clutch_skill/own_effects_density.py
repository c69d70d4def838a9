"""Log density of all players' shots with their own effects integrated out, as one operation.

A player's own effects are L u with u ~ Normal(0, I). Of his shots the sums say: products of his own
columns S and own columns times what the terms leave, r. Then, with A = I + L' S L and b = L' r,

    log density = b' A^-1 b / 2 - log det(A) / 2

and with m = A^-1 b its derivatives are L m by r, and r m' - S L (A^-1 + m m') by L, summed over
players. One loop says both: as a graph of array operations the same took three times as long to
compile.

Source: Integration as for any linear mixed model (Bates et al. 2015, arXiv:1406.5823, section 3);
    in these coordinates nothing is divided by a spread, so it may be zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor.gradient import grad_undefined

from modeling.clutch_skill.loops import Loop, Tensor
from modeling.clutch_skill.observations import Floats

_OWN = 4  # numbers that the compiler knows become straight code


def _integrate(factor: Floats, residuals: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    players = residuals.shape[0]
    density = 0.0
    by_residuals = np.empty((players, _OWN))
    by_factor = np.zeros((_OWN, _OWN))
    weighted = np.empty((_OWN, _OWN))  # S L
    root = np.zeros((_OWN, _OWN))  # lower Cholesky factor of A
    inverse = np.zeros((_OWN, _OWN))  # of the root
    second = np.empty((_OWN, _OWN))  # A^-1 + m m'
    right = np.empty(_OWN)
    mean = np.empty(_OWN)
    for player in range(players):
        for j in range(_OWN):
            for k in range(_OWN):
                total = 0.0
                for i in range(_OWN):
                    total += squares[player, j, i] * factor[i, k]
                weighted[j, k] = total
        for j in range(_OWN):
            total = 0.0
            for i in range(_OWN):
                total += factor[i, j] * residuals[player, i]
            right[j] = total
        determinant = 1.0
        for j in range(_OWN):
            for k in range(j + 1):
                total = 1.0 if j == k else 0.0
                for i in range(_OWN):
                    total += factor[i, j] * weighted[i, k]
                for i in range(k):
                    total -= root[j, i] * root[k, i]
                # 1 and more; what is not a number stays one and the sampler sees it
                root[j, k] = np.sqrt(total) if j == k else total / root[k, k]
            determinant *= root[j, j]
        for k in range(_OWN):
            inverse[k, k] = 1.0 / root[k, k]
            for j in range(k + 1, _OWN):
                total = 0.0
                for i in range(k, j):
                    total -= root[j, i] * inverse[i, k]
                inverse[j, k] = total / root[j, j]
        for j in range(_OWN):
            for k in range(j + 1):
                total = 0.0
                for i in range(j, _OWN):
                    total += inverse[i, j] * inverse[i, k]
                second[j, k] = total
                second[k, j] = total
        for j in range(_OWN):
            total = 0.0
            for k in range(_OWN):
                total += second[j, k] * right[k]
            mean[j] = total
        density -= np.log(determinant)
        for j in range(_OWN):
            density += 0.5 * right[j] * mean[j]
            for k in range(_OWN):
                second[j, k] += mean[j] * mean[k]
        for j in range(_OWN):
            total = 0.0
            for k in range(_OWN):
                total += factor[j, k] * mean[k]
                change = residuals[player, j] * mean[k]
                for i in range(_OWN):
                    change -= weighted[j, i] * second[i, k]
                by_factor[j, k] += change
            by_residuals[player, j] = total
    return np.array(density), by_factor, by_residuals


class _Integrated(Loop):
    """Density and its derivatives by the factor and by the residuals."""

    function = staticmethod(_integrate)
    dimensions = (0, 2, 2)
    version = 1

    def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:  # noqa: N802
        by_density = output_grads[0]
        return [
            by_density * outputs[1],
            by_density * outputs[2],
            grad_undefined(self, 2, inputs[2]),
        ]


def own_effects_integrated(factor: Tensor, residuals: Tensor, squares: Tensor) -> Tensor:
    """Log density of all players' shots, up to a constant.

    Args:
        factor: L, shape (4, 4), points an attempt.
        residuals: r of each player, shape (P, 4).
        squares: S of each player, shape (P, 4, 4).

    Returns:
        A scalar; derivatives by the squares are not defined.
    """
    return _Integrated().of(factor, residuals, squares)[0]
