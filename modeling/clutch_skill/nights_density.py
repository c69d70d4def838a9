"""What was measured of nights: its log density, and what it says of the true nights.

Of a night the values of a mask were measured, x with covariance C there. For each of m masks, which
n nights have, with sums of outer products S,

    log density = -n log det(C) / 2 - tr(C^-1 S) / 2
    expected    = C^-1 X slopes, X the covariance of x with the true night

Both come of one inverse by mask. As a graph of array operations fifteen masks took 45 s to compile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from pytensor.gradient import grad_undefined

from modeling.clutch_skill.loops import Loop, Tensor
from modeling.clutch_skill.observations import Floats


# plain njit: PyTensor's own leaves out what Python needs to call it
@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _inverse(matrix: Floats, mask: Floats) -> tuple[Floats, float]:
    """Inverse and log determinant of the rows and columns of a mask; zero elsewhere."""
    size = len(mask)
    root, of_root = np.zeros((size, size)), np.zeros((size, size))
    log_determinant = 0.0
    for j in range(size):
        for k in range(j + 1):
            # what was not measured stands alone, with variance 1
            total = 1.0 if j == k else 0.0
            if mask[j] * mask[k] > 0:
                total = matrix[j, k]
            for i in range(k):
                total -= root[j, i] * root[k, i]
            root[j, k] = np.sqrt(total) if j == k else total / root[k, k]
        log_determinant += 2 * np.log(root[j, j])
    for k in range(size):
        of_root[k, k] = 1 / root[k, k]
        for j in range(k + 1, size):
            total = 0.0
            for i in range(k, j):
                total -= root[j, i] * of_root[i, k]
            of_root[j, k] = total / root[j, j]
    inverse = np.zeros((size, size))
    for j in range(size):
        for k in range(size):
            if mask[j] * mask[k] > 0:
                for i in range(max(j, k), size):
                    inverse[j, k] += of_root[i, j] * of_root[i, k]
    return inverse, log_determinant


def _forward(
    covariance: Floats,
    crossed: Floats,
    slopes: Floats,
    masks: Floats,
    counts: Floats,
    squares: Floats,
) -> tuple[Floats, Floats]:
    size, kinds = masks.shape[1], slopes.shape[0]
    density = 0.0
    expected = np.zeros((kinds, len(masks), size))
    for number in range(len(masks)):
        inverse, log_determinant = _inverse(covariance, masks[number])
        density -= 0.5 * counts[number] * log_determinant
        for j in range(size):
            for k in range(size):
                density -= 0.5 * inverse[j, k] * squares[number, j, k]
                for i in range(size):
                    for kind in range(kinds):
                        expected[kind, number, j] += inverse[j, k] * crossed[k, i] * slopes[kind, i]
    return np.array(density), expected


def _backward(
    covariance: Floats,
    crossed: Floats,
    slopes: Floats,
    masks: Floats,
    counts: Floats,
    squares: Floats,
    by_density: Floats,
    by_expected: Floats,
) -> tuple[Floats, Floats, Floats]:
    size, kinds = masks.shape[1], slopes.shape[0]
    by_covariance, by_crossed = np.zeros((size, size)), np.zeros((size, size))
    by_slopes = np.zeros((kinds, size))
    solved, expected = np.empty((kinds, size)), np.empty((kinds, size))
    for number in range(len(masks)):
        inverse, _ = _inverse(covariance, masks[number])
        for kind in range(kinds):
            for j in range(size):
                solved[kind, j] = 0.0  # C^-1 times the derivative by what is expected
                expected[kind, j] = 0.0
                for k in range(size):
                    solved[kind, j] += inverse[j, k] * by_expected[kind, number, k]
                    for i in range(size):
                        expected[kind, j] += inverse[j, k] * crossed[k, i] * slopes[kind, i]
        for j in range(size):
            for k in range(size):
                change = -counts[number] * inverse[j, k]
                for i in range(size):
                    for h in range(size):
                        change += inverse[j, i] * squares[number, i, h] * inverse[h, k]
                by_covariance[j, k] += 0.5 * by_density.item() * change
                for kind in range(kinds):
                    by_covariance[j, k] -= solved[kind, j] * expected[kind, k]
                    by_crossed[j, k] += solved[kind, j] * slopes[kind, k]
                    by_slopes[kind, k] += crossed[j, k] * solved[kind, j]
    return by_covariance, by_crossed, by_slopes


class _Measured(Loop):
    """Density and expected nights."""

    function = staticmethod(_forward)
    dimensions = (0, 3)
    version = 1

    def L_op(self, inputs: Any, outputs: Any, output_grads: Any) -> list[Any]:  # noqa: ARG002, N802
        undefined = [grad_undefined(self, k, inputs[k]) for k in range(3, len(inputs))]
        return [*_Derivatives().of(*inputs, *output_grads), *undefined]


class _Derivatives(Loop):
    """Of :class:`_Measured`, by covariance, crossed and slopes."""

    function = staticmethod(_backward)
    dimensions = (2, 2, 2)
    version = 1


def measured_nights(
    covariance: Tensor,
    crossed: Tensor,
    slopes: Tensor,
    masks: Tensor,
    counts: Tensor,
    squares: Tensor,
) -> tuple[Tensor, Tensor]:
    """Log density of what was measured, and slopes on it instead of on the true nights.

    Args:
        covariance: Of four measured values, shape (4, 4).
        crossed: Of measured values with true ones, shape (4, 4).
        slopes: On the true nights, shape (2, 4).
        masks: 1 for what was measured, shape (m, 4).
        counts: Nights of each mask, shape (m,).
        squares: Sums of outer products, 0 where not measured, shape (m, 4, 4).

    Returns:
        A scalar, and shape (2, m, 4), 0 where not measured.
    """
    density, expected = _Measured().of(covariance, crossed, slopes, masks, counts, squares)
    return density, expected
