"""Bias, variance and total error of learners on the training inputs, and the best that any filter can do."""

import jax
import jax.numpy as jnp

from kdtheory._at_once import promptly
from kdtheory._checks import Number, Numbers
from kdtheory._record import moments, record
from kdtheory.learners import Learner


@record
class Risk:
    """Expected squared error per eigendirection, split in two."""

    bias: jax.Array  # path axes + (K,)
    variance: jax.Array  # path axes + (K,)

    @property
    def total(self) -> jax.Array:
        """The sum over eigendirections: path axes."""
        return promptly(lambda bias, variance: (bias + variance).sum(-1), self.bias, self.variance)

    def axes(self) -> dict[str, tuple[str, ...]]:
        """What the axes of each field are called in tables."""
        named = (*moments(self.bias.ndim - 1), "direction")
        return {"bias": named, "variance": named}


def risk(
    learner: Learner, eigenvalues: Numbers, signal: Numbers, noise_variance: Number, weights: Numbers | None = None
) -> Risk:
    """Bias and variance of a learner along each eigendirection, for a fixed design.

    With φ the filter: bias w θ² (1 - φ)² and variance w v φ²/λ, with θ = `signal` (K,) the true parameter along
    each direction and v = `noise_variance` that of the noise in one eigen-component of the predictions: σ²/N
    for N samples with noise σ, since eigenvalues are those of XᵀX/N. (Papers with the sum loss have v = σ².)
    The error is Σ w_k (θ̂_k - θ_k)² with w = `weights` (K,), any quadratic form that the eigendirections
    diagonalise: the eigenvalues, for that of the predictions on the training inputs, unless given; ones for that
    of the parameters. The learner starts at zero.

    >>> import kdtheory as kd
    >>> kd.measures.risk(kd.GradientFlow(0.0), [1.0, 0.5], signal=[1.0, 2.0], noise_variance=0.1).total.item()
    3.0
    >>> kd.measures.risk(kd.GradientFlow(0.0), [1.0, 0.5], [1.0, 2.0], 0.1, weights=[1.0, 1.0]).total.item()
    5.0
    """
    eigenvalues = jnp.asarray(eigenvalues, float)
    return _risk(
        learner.filter(eigenvalues), learner.residual(eigenvalues), eigenvalues, signal, noise_variance, weights
    )


def _risk(learnt, missed, eigenvalues, signal, noise_variance, weights):
    signal, (weights, ratio) = jnp.asarray(signal, float), _form(eigenvalues, weights)
    bias = promptly(lambda w, θ, missed: w * θ**2 * missed**2, weights, signal, missed)
    return Risk(bias, promptly(lambda ratio, v, learnt: ratio * v * learnt**2, ratio, noise_variance, learnt))


def _form(eigenvalues, weights):
    """The weights w of a quadratic form, and w/λ: what the bias and the variance are multiplied by."""
    if weights is None:
        return eigenvalues, jnp.ones_like(eigenvalues)
    weights, seen = jnp.asarray(weights, float), eigenvalues > 0  # no noise reaches a null direction
    return weights, jnp.where(seen, weights / jnp.where(seen, eigenvalues, 1.0), 0.0)


def wiener_filter(eigenvalues: Numbers, signal: Numbers, noise_variance: Number) -> jax.Array:
    """The filter of least risk, φ = λθ²/(λθ² + v) along each direction, (K,): whatever the quadratic form.

    Arguments as in `risk`. It sees the signal of each direction, so no learner need attain it: a learner gives
    equal eigenvalues equal factors, and moves all of them with a few numbers.

    >>> import kdtheory as kd
    >>> kd.measures.wiener_filter([1.0, 0.5], signal=[1.0, 1.0], noise_variance=0.5).round(6).tolist()
    [0.666667, 0.5]
    """
    return _wiener(jnp.asarray(eigenvalues, float), jnp.asarray(signal, float), noise_variance)[0]


def _wiener(eigenvalues, signal, noise_variance):
    power = eigenvalues * signal**2
    total = power + noise_variance
    known = total > 0
    safe = jnp.where(known, total, 1.0)
    return jnp.where(known, power / safe, 0.0), jnp.where(known, noise_variance / safe, 1.0)


def wiener_risk(eigenvalues: Numbers, signal: Numbers, noise_variance: Number, weights: Numbers | None = None) -> Risk:
    """The least risk of any filter: for predictions Σ v φ with φ the `wiener_filter`. Arguments as in `risk`.

    >>> import kdtheory as kd
    >>> kd.measures.wiener_risk([1.0, 1.0], signal=[1.0, 1.0], noise_variance=1.0).total.item()
    1.0
    """
    eigenvalues = jnp.asarray(eigenvalues, float)
    best, missed = _wiener(eigenvalues, jnp.asarray(signal, float), noise_variance)
    return _risk(best, missed, eigenvalues, signal, noise_variance, weights)
