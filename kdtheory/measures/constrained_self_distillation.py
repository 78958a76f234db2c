"""Self-distillation under a constraint on the training error."""

import jax
import jax.numpy as jnp
from jax import lax

from kdtheory._checks import Number, Numbers, as_array, as_real, as_spectrum
from kdtheory._compilation import quickly
from kdtheory.numerics import two_sum

# Constrained self-distillation.


def constrained_penalty(eigenvalues: Numbers, labels: Numbers, tolerance: Number) -> jax.Array:
    """The ridge penalty of the smallest fit, in norm, whose total squared residual is at most `tolerance`.

    The root c of Σ (c/(c + λ_k))² z_k² = `tolerance` with z = `labels` (K,) in eigen-coordinates, the sum of their
    squares that of the labels; `tolerance` is N times the mean squared residual allowed (Mobahi, Farajtabar & Bartlett
    2020, as recalled: their K ε). Infinite where Σ z² <= tolerance: the fit collapses to zero. NaN where the part of z
    on null directions alone is more than the tolerance: no fit is that close; zero, which interpolates, where the two
    are equal. A JAX function, also under jit, vmap and grad.

    Squares of labels on directions below c are added up, less the tolerance, in twice the digits, and only what c
    changes of them is rounded, so that c keeps its digits next to collapse and between far eigenvalues.

    >>> import kdtheory as kd
    >>> kd.measures.constrained_penalty([1.0, 1.0], labels=[2.0, 2.0], tolerance=2.0).round(12).item()
    1.0
    """
    given = as_spectrum(eigenvalues), as_real(labels, "labels"), as_real(tolerance, "tolerance")
    return quickly(_constrained_penalty, *(as_array(x, float) for x in given))


@jax.jit
def _constrained_penalty(d, z, tolerance):
    square, error = _square(z)

    def above(chosen):
        """The sum of some squares, less the tolerance."""
        return _sum(
            jnp.concatenate([-tolerance[None], jnp.where(chosen, square, 0.0)]),
            jnp.concatenate([jnp.zeros(1), jnp.where(chosen, error, 0.0)]),
        )

    def excess(c):
        below, kept, lost = d <= c, c / (c + d), d / (c + d)
        return above(below) + jnp.sum(jnp.where(below, -lost * (1.0 + kept), kept**2) * square)

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2.0
        high = excess(jnp.exp(middle)) > 0
        return jnp.where(high, ends[0], middle), jnp.where(high, middle, ends[1])

    total, unseen = above(d >= 0), above(d == 0)
    active = (total > 0) & (unseen < 0)
    ratio = jnp.where(active, total / jnp.where(active, -unseen, 1.0), 1.0)
    beyond = ratio / (1.0 + jnp.sqrt(1.0 + ratio))  # r - 1: the root is between λ_min/(r - 1) and λ_max/(r - 1)
    least, largest = jnp.min(jnp.where(d > 0, d, jnp.inf)), jnp.max(d)
    ends = jnp.log(least) - jnp.log(beyond) - 1.0, jnp.log(largest) - jnp.log(beyond) + 1.0
    c = jnp.exp(lax.fori_loop(0, 60, halve, lax.stop_gradient(ends))[0])
    for _ in range(2):  # Newton's method, whose slope has no cancellation
        c = c - c * (excess(c) / jnp.sum(2.0 * (z * (c / (c + d))) ** 2 * (d / (c + d))))
    told = jnp.where((total <= 0) | (tolerance == jnp.inf), jnp.inf, jnp.where(unseen == 0, 0.0, jnp.nan))
    return jnp.where(active, c, jnp.where(jnp.isnan(total + unseen), jnp.nan, told))


def _square(z):
    """The rounded square, and its rounding error: the halves of z multiply without any (Dekker 1971)."""
    square = jnp.maximum(z * z, 0.0)  # a selection, which no compiler contracts
    high = lax.reduce_precision(z, exponent_bits=11, mantissa_bits=25)
    low = z - high
    return square, lax.stop_gradient(((high * high - square) + 2.0 * high * low) + low * low)


def _sum(high, low):
    """The sum of numbers of twice the digits, in pairs."""
    while len(high) > 1:
        high, low = (jnp.concatenate([part, jnp.zeros(len(part) % 2)]) for part in (high, low))
        total, error = two_sum(high[::2], high[1::2])
        high, low = two_sum(total, error + low[::2] + low[1::2])
    return high[0] + low[0]
