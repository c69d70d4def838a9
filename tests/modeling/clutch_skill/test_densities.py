"""The two operations of the model, against dense algebra and against differences."""

from __future__ import annotations

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import verify_grad
from scipy.stats import multivariate_normal

import modeling.clutch_skill.quiet  # noqa: F401 - before PyTensor
from modeling.clutch_skill.nights_density import measured_nights
from modeling.clutch_skill.own_effects_density import own_effects_integrated

MODES = ("NUMBA", "FAST_COMPILE")


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(20231024)


def _positive(generator: np.random.Generator, *shape: int) -> np.ndarray:
    root = generator.standard_normal((*shape, shape[-1]))
    return root @ np.swapaxes(root, -1, -2) / shape[-1]


@pytest.mark.parametrize("mode", MODES)
def test_own_effects_leave_as_dense_algebra_says(generator: np.random.Generator, mode: str) -> None:
    """Shots y = Z u + e written out: log N(y; 0, Z L L' Z' + I) less log N(y; 0, I)."""
    players, shots = 6, 30
    factor = np.tril(generator.normal(0, 0.4, (4, 4)))
    columns = generator.standard_normal((players, shots, 4))
    points = generator.standard_normal((players, shots))
    expected = sum(
        multivariate_normal.logpdf(y, cov=z @ factor @ factor.T @ z.T + np.eye(shots))
        - multivariate_normal.logpdf(y, cov=np.eye(shots))
        for y, z in zip(points, columns, strict=True)
    )
    squares = np.swapaxes(columns, 1, 2) @ columns
    residuals = np.einsum("psk,ps->pk", columns, points)
    inputs = [pt.dmatrix(), pt.dmatrix(), pt.dtensor3()]
    function = pytensor.function(inputs, own_effects_integrated(*inputs), mode=mode)
    found = function(factor, residuals, squares)
    assert found == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize("clutch_spread", [0.3, 1e-9, 0.0])
def test_derivatives_of_own_effects(generator: np.random.Generator, clutch_spread: float) -> None:
    factor = np.tril(generator.normal(0, 0.4, (4, 4)))
    factor[3] = 0, 0, 0, clutch_spread
    squares = 5 * _positive(generator, 7, 4)
    residuals = generator.standard_normal((7, 4))
    verify_grad(
        lambda by_factor, by_residuals: own_effects_integrated(by_factor, by_residuals, squares),
        [factor, residuals],
        rng=generator,
    )


def _nights(generator: np.random.Generator) -> dict[str, np.ndarray]:
    masks = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 1.0]])
    nights = [generator.standard_normal((9, 4)) * mask for mask in masks]
    return {
        "covariance": _positive(generator, 4) + np.eye(4),
        "crossed": generator.standard_normal((4, 4)),
        "slopes": generator.standard_normal((2, 4)),
        "masks": masks,
        "counts": np.full(3, 9.0),
        "squares": np.array([each.T @ each for each in nights]),
        "nights": np.array(nights),
    }


@pytest.mark.parametrize("mode", MODES)
def test_nights_have_the_density_of_what_was_measured(
    generator: np.random.Generator, mode: str
) -> None:
    at = _nights(generator)
    nights = at.pop("nights")
    inputs = [pt.TensorType("float64", (None,) * value.ndim)() for value in at.values()]
    function = pytensor.function(inputs, list(measured_nights(*inputs)), mode=mode)
    found, expected = function(*at.values())
    density = 0.0
    for number, mask in enumerate(at["masks"]):
        measured = np.flatnonzero(mask)
        covariance = at["covariance"][np.ix_(measured, measured)]
        for night in nights[number]:
            # the constant that depends on nothing is left out
            density += multivariate_normal.logpdf(night[measured], cov=covariance)
            density += 0.5 * len(measured) * np.log(2 * np.pi)
        for slopes, got in zip(at["slopes"], expected[:, number], strict=True):
            wanted = np.zeros(4)
            wanted[measured] = np.linalg.solve(covariance, at["crossed"][measured] @ slopes)
            np.testing.assert_allclose(got, wanted, atol=1e-12)
    assert found == pytest.approx(density, rel=1e-10)


def test_derivatives_of_nights(generator: np.random.Generator) -> None:
    at = _nights(generator)
    weights = generator.standard_normal((2, 3, 4))

    def both(root: pt.TensorVariable, crossed: pt.TensorVariable, slopes: pt.TensorVariable):  # type: ignore[no-untyped-def]
        # by its root: a covariance is symmetric wherever it goes
        density, expected = measured_nights(
            root @ root.T, crossed, slopes, at["masks"], at["counts"], at["squares"]
        )
        return 0.1 * density + (weights * expected**2).sum()

    verify_grad(
        both,
        [np.linalg.cholesky(at["covariance"]), at["crossed"], at["slopes"]],
        rng=generator,
    )
