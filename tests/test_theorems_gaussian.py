"""The quadrature over Gaussian data sets, by the moments that it must have."""

import numpy as np
import pytest

from kdtheory.theorems import _gaussian


def test_quadrature_of_chi_square():
    for k in (12.0, 19.0, 37.0, 400.0):
        x, weight = map(np.asarray, _gaussian.chi_square(k))
        for found, exact in ((x, k), (x**2, k * (k + 2)), (1 / x, 1 / (k - 2))):
            assert weight @ found == pytest.approx(exact, rel=1e-11)


def test_data_sets_of_two_features_have_the_moments_of_a_wishart_matrix():
    L, weights = map(np.asarray, _gaussian.two_columns(25.0))
    A = np.swapaxes(L, 1, 2) @ L
    np.testing.assert_allclose(np.tensordot(weights, A, 1), 25 * np.eye(2), atol=1e-10)
    np.testing.assert_allclose(np.tensordot(weights, np.linalg.inv(A), 1), np.eye(2) / 22, atol=1e-13)
    second = np.einsum("d,dij,djk->ik", weights, A, A)  # E A² = N (N + P + 1)
    np.testing.assert_allclose(second, 25 * 28 * np.eye(2), atol=1e-8)
