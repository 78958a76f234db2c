"""Eigenvalue sequences: the shapes of data that theory is asked about.

Squared loss sees the data only through the eigenvalues of its covariance XᵀX/N (or of its kernel, K/N).
Every function here returns `(K,)` of them, K = `count`, descending, and is differentiable in its real
parameters, so that a spectrum can be swept by `vmap` and followed by `grad`. ValueError for parameters that are not one
number each, or negative.
"""

import operator
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory._checks import Number, Numbers, as_array, as_count, as_number, as_real, concrete
from kdtheory._compilation import at_once, promptly, quickly
from kdtheory.numerics import two_product


def power_law(count: int, exponent: Number = 1.0, scale: Number = 1.0) -> jax.Array:
    """Eigenvalues that decay as a power of their rank: kernels of finite smoothness, natural data.

    λ_k = scale · k^(−exponent), k = 1, …, count; shape `(K,)`. The trace stays finite as count grows for
    exponent > 1: the *capacity condition* of Caponnetto & De Vito 2007 (as recalled).

    >>> import kdtheory as kd
    >>> print(kd.spectra.power_law(4, exponent=2.0).round(4))
    [1.     0.25   0.1111 0.0625]
    """
    exponent, scale = _floats(exponent=exponent, scale=scale)
    rank = np.arange(1.0, as_count(count, "count") + 1)
    return promptly(lambda scale, rank, exponent: scale * rank**-exponent, scale, rank, exponent)


def exponential(count: int, rate: Number, scale: Number = 1.0) -> jax.Array:
    """Eigenvalues that decay geometrically: analytic kernels, such as the Gaussian one.

    λ_k = scale · exp(−rate · (k − 1)), k = 1, …, count, so that `scale` is the first; shape `(K,)`.

    >>> import kdtheory as kd
    >>> print(kd.spectra.exponential(4, rate=1.0).round(3))
    [1.    0.368 0.135 0.05 ]
    """
    rate, scale = _floats(rate=rate, scale=scale)
    return at_once(_exponential, np.arange(as_count(count, "count")), rate, scale)


def _exponential(number, rate, scale):
    return scale * jnp.exp(-jnp.where(number == 0, 0.0, rate * number))


def spiked(count: int, spikes: Numbers, bulk: Number = 1.0) -> jax.Array:
    """A few given eigenvalues, the rest all equal: the population spectrum of the spiked covariance model.

    The `spikes`, and count − len(spikes) times `bulk`, sorted; shape `(K,)`. Johnstone 2001 (as recalled).

    >>> import kdtheory as kd
    >>> print(kd.spectra.spiked(4, [3.0, 7.0]))
    [7. 3. 1. 1.]
    """
    (bulk,) = _floats(bulk=bulk)
    spikes = as_array(as_real(spikes, "spikes"), float)
    if spikes.ndim != 1 or (concrete(spikes) and not np.all(np.asarray(spikes) >= 0)):
        raise ValueError(f"spikes must be a list of numbers >= 0, got {spikes}")
    rest = as_count(count, "count", max(1, len(spikes)), ", as many as there are spikes") - len(spikes)
    return at_once(_spiked, spikes, bulk, np.ones(rest))


def _spiked(spikes, bulk, rest):
    return jnp.sort(jnp.concatenate([spikes, bulk * rest]))[::-1]


def flat(count: int, value: Number = 1.0) -> jax.Array:
    """All eigenvalues equal to `value`: isotropic data, for which no direction is learnt first. Shape `(K,)`.

    >>> import kdtheory as kd
    >>> print(kd.spectra.flat(3))
    [1. 1. 1.]
    """
    (value,) = _floats(value=value)
    return promptly(operator.mul, value, np.ones(as_count(count, "count")))


def marchenko_pastur(count: int, ratio: Number, variance: Number = 1.0) -> jax.Array:
    """Eigenvalues of the sample covariance XᵀX/N of white noise, in the limit of large N and P.

    With q = `ratio` = P/N > 0 and entries of X of variance σ² = `variance`, the eigenvalues have the density

        √((λ₊ − λ)(λ − λ₋)) / (2π q σ² λ)   on [λ₋, λ₊],   λ± = σ²(1 ± √q)²,

    and for q > 1 a fraction 1 − 1/q of them is exactly zero (P − N null directions). Returned are the
    quantiles at the levels (k − ½)/count from the top, k = 1, …, count; shape `(K,)`. So count = P gives
    what a P-dimensional sample typically shows. Marchenko & Pastur 1967 (as recalled).

    Accurate to 1e-15 relative, at the hard edge q = 1 too. The derivative in `ratio` loses digits only
    when it is very small or very large: it has 14 at q = 0.01, 11 at 1e-4, 7 at 1e-8.

    >>> import kdtheory as kd
    >>> print(kd.spectra.marchenko_pastur(4, ratio=2.0).round(3))
    [2.972 0.797 0.    0.   ]
    """
    ratio, variance = _floats(ratio=ratio, variance=variance)
    if concrete(ratio) and not 0 < np.asarray(ratio) < np.inf:
        raise ValueError(f"ratio must be positive and finite, P/N; got {ratio}")
    return quickly(_marchenko_pastur, ratio, variance, count=as_count(count, "count"))


def _floats(**parameters):
    """Parameters as floats, of whatever kind of numbers they came."""
    for name, value in parameters.items():
        if concrete(as_number(value, name)) and np.asarray(value) < 0:  # by NumPy, also under jit
            raise ValueError(f"{name} must be >= 0, or eigenvalues would rise or be negative; got {value}")
    return [np.asarray(value, float) if concrete(value) else jnp.asarray(value, float) for value in parameters.values()]


@partial(jax.jit, static_argnames="count")
def _marchenko_pastur(ratio, variance, count):
    # XXᵀ has the nonzero eigenvalues of XᵀX: so q > 1 is q times the law of 1/q, and `root`² = min(q, 1/q).
    # That bulk is |1 + root·exp(iθ)|², from its top at θ = 0; its bottom is the top of the law of −root.
    # One condition decides all, not min and max: their derivatives at q = 1 would belong to neither side.
    tall = ratio <= 1.0
    stretch = jnp.where(tall, 1.0, ratio)
    root = jnp.sqrt(jnp.where(tall, ratio, 1.0 / ratio))
    defect = jnp.where(tall, 1.0 - ratio, ratio - 1.0) / stretch  # 1 − root², exact where it is small
    gap = defect / (1.0 + root)  # 1 − root

    level = (jnp.arange(count) + 0.5) / count
    above = stretch * level  # the mass of the bulk above and below each quantile
    most, error = two_product(jnp.arange(count) + 0.5, stretch)
    below = ((count - most) - error) / count
    upper, in_bulk = above <= 0.5, below > 0.0
    mass = jnp.where(in_bulk, jnp.where(upper, above, below), 0.5)
    signed = jnp.where(upper, root, -root)
    edge = jnp.where(upper, 1.0 + root, gap)  # 1 + signed

    def missing(angle: jax.Array) -> jax.Array:
        """Mass within `angle` of the edge, (2/π) ∫ sin²θ / |1 + signed·exp(iθ)|² dθ, minus `mass`."""
        argument = jnp.arctan2(signed * jnp.sin(angle), edge - 2.0 * signed * jnp.sin(angle / 2) ** 2)
        return (angle - jnp.sin(angle) / signed + defect / signed**2 * argument) / jnp.pi - mass

    angle = _root_within_pi(missing, mass)
    quantile = edge**2 - 4.0 * signed * jnp.sin(angle / 2) ** 2
    return variance * stretch * jnp.where(in_bulk, quantile, 0.0)


def _root_within_pi(function: Callable, like: jax.Array) -> jax.Array:
    """The zero in (0, π) of an increasing function, elementwise, with implicit derivatives of every order."""

    def solve(function, start):
        def halve(_, bracket):
            low, high = bracket
            middle = (low + high) / 2
            negative = function(middle) < 0.0
            return jnp.where(negative, middle, low), jnp.where(negative, high, middle)

        low, high = lax.fori_loop(0, 52, halve, (start, start + jnp.pi))
        middle = (low + high) / 2
        # Bisection is accurate to π/2⁵³ absolutely; one Newton step makes tiny angles accurate relatively.
        value, slope = jax.jvp(function, (middle,), (jnp.ones_like(middle),))
        return middle - value / slope

    def solve_linear(slope, value):
        return value / slope(jnp.ones_like(value))

    return lax.custom_root(function, jnp.zeros_like(like), solve, solve_linear)
