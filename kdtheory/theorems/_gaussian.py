"""Data sets of few Gaussian features, of which means are exact: by a quadrature, and by its moments.

Of N Gaussian rows a fit sees XᵀX, and Xᵀe of labels: X is L of the Bartlett decomposition XᵀX = LᵀL, of which a fit
needs no more rows than parameters, and noise is a column for each row.
"""

import jax.numpy as jnp
import numpy as np

from kdtheory.learners import GradientDescent
from kdtheory.problems import Linear

STEPS = np.arange(-16.0, 8.0, 0.5)  # of the logarithm, in its standard deviations
NORMAL = np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0])  # with weights 1/6, 2/3 and 1/6


def chi_square(freedom):
    """Values of χ² of so many degrees of freedom, at least twelve, and their weights: sums are its means to 1e-12."""
    log = jnp.log(freedom) + STEPS * jnp.sqrt(2.0 / freedom)
    weight = freedom / 2.0 * (log - jnp.log(freedom)) - (jnp.exp(log) - freedom) / 2.0
    weight = jnp.exp(weight - jnp.max(weight))
    return jnp.exp(log), weight / jnp.sum(weight)


def two_columns(samples):
    """L (D, 2, 2) and weights (D,) of data sets of so many Gaussian rows of two features."""
    first, second = chi_square(samples), chi_square(samples - 1.0)
    a, c, n = (each.ravel() for each in jnp.meshgrid(first[0], second[0], NORMAL, indexing="ij"))
    weights = (first[1][:, None, None] * second[1][:, None] * np.array([1.0, 4.0, 1.0]) / 6.0).ravel()
    return jnp.stack([jnp.stack([jnp.sqrt(a), n], -1), jnp.stack([0.0 * a, jnp.sqrt(c)], -1)], -2), weights


def least_squares(features, targets):
    """The fit of one or two features by gradient descent, whose steps are the inverse eigenvalues: it has arrived."""
    gram = features.T @ features / len(features) if features.shape[0] >= features.shape[1] else None
    gram = features @ features.T / len(features) if gram is None else gram
    if len(gram) == 1:
        inverse = 1.0 / gram[0]
    else:
        middle, half = (gram[0, 0] + gram[1, 1]) / 2.0, (gram[0, 0] - gram[1, 1]) / 2.0
        top = middle + jnp.sqrt(half**2 + gram[0, 1] ** 2)
        inverse = jnp.stack([1.0 / top, top / (gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2)])
    return GradientDescent(inverse, len(gram)).fit(Linear(features, targets))


def inverse(rows, parameters, alike):
    """E tr (XᵀX)⁻¹ of one or two features, by E 1/χ² of each degree of freedom."""
    one = lambda k: 1.0 / (k - 2.0)
    scattered = one(rows) if parameters == 1 else one(rows - 1.0) + one(rows) + one(rows) * one(rows - 1.0)
    return (1.0 - alike) * scattered + alike * parameters / rows
