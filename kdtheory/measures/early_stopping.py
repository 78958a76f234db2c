"""Early stopping against ridge: ratios of filters and risks, what chains of fits can reach, the best moment to stop."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory import numerics
from kdtheory._checks import Number, Numbers, as_floats
from kdtheory._compilation import at_once, quickly, room_for
from kdtheory.learners import GradientDescent, GradientFlow, Learner, Ridge
from kdtheory.learners._base import array_fields
from kdtheory.measures.risks import check_noise, risk
from kdtheory.numerics import Share, expm1, log1p

# Ali, Kolter & Tibshirani 2019 publish 1.6862 for RISK_RATIO and 1.2147 for BAYES_RATIO, these rounded upwards.
FILTER_RATIO = 1.2984256075256391  # C = max over x of flow's filter over ridge's, at WORST_X


RISK_RATIO = 1.6859090582783252  # C², rounded upwards: the risk of flow is at most C² times that of ridge


WORST_X = 1.7932821329007610  # the positive root of e^x = 1 + x + x², where C = (1 + x)²/(1 + x + x²)


# With an isotropic signal ridge with penalty v/θ² is the best of all filters. Flow at t = θ²/v has at most BAYES_RATIO
# times its risk, attained along one direction x = λθ²/v; at its best t at most TUNED_RATIO times, the supremum over
# spectra (tests/proofs/tuned_flow_against_ridge.py), rounded upwards in the tenth place.
BAYES_RATIO = 1.2146618408349491  # max over x of (1 + x)(e^(-2x) + (1 - e^(-x))²/x), at WORST_BAYES_X


WORST_BAYES_X = 3.2135635202169793


TUNED_RATIO = 1.0748517291


def filter_excess(x: Number) -> jax.Array:
    """By what fraction the filter of flow exceeds that of ridge with the same clock: 0 <= excess <= C - 1.

    (1 - e^(-x)) / (x/(1 + x)) - 1 = (1 - (1 + x) e^(-x)) / x for x = λt >= 0, elementwise, without the
    subtraction. The largest value, at `WORST_X`, is `FILTER_RATIO` - 1. Ali, Kolter & Tibshirani 2019, lemma
    on the coefficients as recalled; the constant proved here.

    >>> import kdtheory as kd
    >>> excess = kd.early_stopping.filter_excess(kd.early_stopping.WORST_X)
    >>> bool(abs(1 + excess - kd.early_stopping.FILTER_RATIO) < 1e-15)
    True
    """
    return at_once(_filter_excess, *as_floats(x=x))


def _filter_excess(x):
    small = jnp.where(x < 1.0, x, 0.5)
    large = jnp.where(x < 1.0, 1.0, x)
    return jnp.where(
        x < 1.0,
        jnp.exp(-small) * numerics.excess_exponential(small),
        (1.0 - (1.0 + large) * jnp.exp(-large)) / large,
    )


def log_bias_ratio(x: Number) -> jax.Array:
    """The log of flow's residual over ridge's with the same clock: log(1 + x) - x <= 0 for x = λt >= 0.

    Half the log of the ratio of squared biases, elementwise. It has no lower bound, so that the risk of ridge
    is bounded by no multiple of flow's.

    >>> import kdtheory as kd
    >>> print(kd.early_stopping.log_bias_ratio(1.0).round(6))
    -0.306853
    """
    return at_once(_log_bias_ratio, *as_floats(x=x))


def _log_bias_ratio(x):
    z = jnp.where(x < 0.5, x, 0.25)
    r = z / (2.0 + z)  # log(1 + x) = 2 artanh(r) and x - 2r = x·r
    series = sum(r ** (2 * k) / (2 * k + 3) for k in range(12, -1, -1))
    return jnp.where(x < 0.5, 2.0 * r**3 * series - z * r, log1p(jnp.where(x < 0.5, 1.0, x)) - x)


def lowest_flow(top: Number, ratio: Number, fits: Number) -> Share:
    """The least filter on a lower eigenvalue that m fits by gradient flow can have, given that on the top one.

    (1 - (1 - h^(1/m))^ρ)^m with h = `top` in (0, 1), ρ = `ratio` = λ₂/λ₁ <= 1 and m = `fits`, elementwise, as a
    value and its log. It takes m equal times; unequal ones give everything from there to the single fit's, m = 1,
    which they do not reach. For ρ < 1 it tends to zero as m grows. Own, proved in
    `theorems.equal_fits_reach_lowest`.

    >>> import kdtheory as kd
    >>> print(kd.early_stopping.lowest_flow(0.9, ratio=0.1, fits=jnp.array([1, 2, 8])).value.round(6))
    [0.205672 0.066016 0.000235]
    """
    return at_once(_lowest_flow, *as_floats(top=top, ratio=ratio, fits=fits))


def _lowest_flow(top, ratio, fits):
    root = -expm1(ratio * log1p(-jnp.power(top, 1.0 / fits)))
    return Share(jnp.power(root, fits), fits * jnp.log(root))


def lowest_ridge(top: Number, ratio: Number, fits: Number) -> Share:
    """The least filter on a lower eigenvalue that m ridge fits can have, given that on the top one.

    (1 + (h^(-1/m) - 1)/ρ)^(-m), in the notation of `lowest_flow`. It falls to h^(1/ρ) > 0 as m grows
    (`fits` = ∞). Own, proved in `theorems.equal_fits_reach_lowest`.

    >>> import kdtheory as kd
    >>> print(kd.early_stopping.lowest_ridge(0.9, ratio=0.1, fits=jnp.array([1.0, 2.0, jnp.inf])).value.round(6))
    [0.473684 0.42115  0.348678]
    """
    return at_once(_lowest_ridge, *as_floats(top=top, ratio=ratio, fits=fits))


def _lowest_ridge(top, ratio, fits):
    m = jnp.where(jnp.isinf(fits), 1.0, fits)
    inverse = 1.0 + expm1(-jnp.log(top) / m) / ratio
    log = jnp.where(jnp.isinf(fits), jnp.log(top) / ratio, -m * jnp.log(inverse))
    return Share(jnp.where(jnp.isinf(fits), jnp.power(top, 1.0 / ratio), jnp.power(inverse, -m)), log)


def best_clock(risk: Callable[[jax.Array], jax.Array], low: Number, high: Number) -> jax.Array:
    """The clock between `low` and `high` of least `risk(clock)`, a number, under jit and vmap.

    A grid of 65 clocks, even in their logarithm, then four finer ones around the best: to a relative 1e-7 or so
    of the clock, hence 1e-14 of the risk. Of two minima within a grid step it may miss the lower.
    `measures.best_stop` is the same outside of jit, for learners.

    >>> import kdtheory as kd
    >>> print(f"{kd.early_stopping.best_clock(lambda t: (t - 2.0)**2, 0.1, 10.0):.6f}")
    2.000000
    """

    return _best_clock(risk, low, high)


@partial(jax.jit, static_argnums=0)
def _best_clock(risk, low, high):
    def finer(_, ends):
        grid = jnp.linspace(*ends, 65)
        best = jnp.argmin(jax.vmap(lambda at: risk(jnp.exp(at)))(grid))
        return grid[jnp.maximum(best - 1, 0)], grid[jnp.minimum(best + 1, 64)]

    ends = lax.fori_loop(0, 5, finer, (jnp.log(jnp.asarray(low, float)), jnp.log(jnp.asarray(high, float))))
    return jnp.exp((ends[0] + ends[1]) / 2)


def best_stop(
    learner: Ridge | GradientFlow | GradientDescent,
    eigenvalues: Numbers,
    signal: Numbers,
    noise_variance: Number,
    weights: Numbers | None = None,
) -> Ridge | GradientFlow | GradientDescent:
    """The learner stopped at its best moment: the clock of least `risk`, over all real clocks.

    `learner` is plain: Ridge, GradientFlow or GradientDescent with a number for its step size; its own clock
    is ignored. A grid over 1e-6 to 1e6 times the inverse of the extreme eigenvalues, and over θ²/v, then the root of
    the derivative around the best point, by Brent's method; the risk may have several minima, and the grid has 50
    points to the decade. Where no finite clock is as good, the answer is inf or 0.0. `weights` as in `risk`. For other
    learners, several fields at once, and whole steps there is `best`.

    ValueError for noise that is negative or infinite; TypeError for a learner of several clocks.

    >>> import kdtheory as kd
    >>> best = kd.measures.best_stop(kd.Ridge(1.0), [1.0, 0.5], signal=[1.0, 1.0], noise_variance=0.1)
    >>> round(best.penalty, 12)                                       # isotropic signal: v / θ²
    0.1
    """
    check_noise(noise_variance, finite=True)
    if type(learner).stopped is Learner.stopped and type(learner).clock is not Learner.clock:
        raise TypeError(
            f"{type(learner).__name__} has no single clock to stop at; name the fields to look for, as in"
            f' measures.best({"flows" if learner.parts()[1:] else "learner"}, ["teacher.time", "student.time"], ...)'
        )
    if not np.any(np.asarray(eigenvalues, float) > 0):
        raise ValueError("eigenvalues are zero: there is nothing to learn")
    learner = learner.tuned(float(np.max(eigenvalues)))
    known = learner, *padded(eigenvalues, signal, weights), noise_variance
    log_clock = least(_total, eigenvalues, ideal(signal, noise_variance), *known)
    found, slopes = (
        learner.stopped(float(np.exp(log_clock))),
        [float(quickly(_slope, log_clock + side, *known, total=_total)) for side in (-1e-3, 1e-3)],
    )
    if not slopes[0] < 0 < slopes[1]:  # no minimum, where the grid ends or floats do: perhaps an end is as good
        total = lambda stopped: float(risk(stopped, eigenvalues, signal, noise_variance, weights).total)
        with np.errstate(divide="ignore"):
            ends = [learner.stopped(np.float64(clock)) for clock in (np.inf, 0.0)]
        found = min([*ends, found], key=lambda stopped: np.nan_to_num(total(stopped), nan=np.inf))
    last = array_fields(found)[-1]
    return dataclasses.replace(found, **{last: float(getattr(found, last))})


def _total(log_clock, learner, eigenvalues, signal, weights, noise_variance):
    return risk(learner.stopped(jnp.exp(log_clock)), eigenvalues, signal, noise_variance, weights).total


def padded(eigenvalues: Numbers, signal: Numbers, weights: Numbers | None) -> list[np.ndarray]:
    """A spectrum, its signal and its quadratic form, filled up to a power of two with null directions that count for
    nothing."""
    λ = np.asarray(eigenvalues, float)
    arrays = (
        λ,
        np.broadcast_to(np.asarray(signal, float), λ.shape),
        λ if weights is None else np.asarray(weights, float),
    )
    return [np.pad(array, (0, room_for(len(λ)) - len(λ))) for array in arrays]


@partial(jax.jit, static_argnames="total")
def _along(grid, *arguments, total):
    return jax.vmap(lambda log_clock: total(log_clock, *arguments))(grid)


@partial(jax.jit, static_argnames="total")
def _slope(log_clock, *arguments, total):
    return jax.grad(total)(log_clock, *arguments)


def ideal(signal: Numbers, noise_variance: Number) -> np.ndarray:
    """θ²/v, the clock at which ridge is best along a direction, and of flow where it is short; those that are finite
    and positive."""
    with np.errstate(all="ignore"):
        clocks = np.ravel(np.asarray(signal, float) ** 2 / noise_variance)
    return clocks[np.isfinite(clocks) & (clocks > 0)]


def least(total: Callable, eigenvalues: np.ndarray, clocks: np.ndarray, *arguments: Any) -> float:
    """The logarithm of the clock at which `total(log_clock, *arguments)` is least: on a grid, also around given clocks,
    and then where its slope changes sign."""
    from scipy.optimize import brentq

    seen = np.asarray(eigenvalues, float)
    seen = seen[seen > 0]
    low, high = -6 - np.log10(seen.max()), 6 - np.log10(seen.min())
    around = np.clip(np.log10(clocks), low - 30, high + 30)  # beyond, an end is as good
    low, high = min([low, *(around - 1)]), max([high, *(around + 1)])
    grid = np.linspace(low, high, int(50 * (high - low))) * np.log(10.0)
    room = np.pad(grid, (0, room_for(len(grid)) - len(grid)), constant_values=grid[-1])
    best = int(np.nanargmin(np.asarray(quickly(_along, room, *arguments, total=total))[: len(grid)]))
    slope = lambda log_clock: float(quickly(_slope, log_clock, *arguments, total=total))
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if not slope(left) < 0 < slope(right):  # it falls to the end of the grid, or is flat
        return grid[best]
    return brentq(slope, left, right, xtol=1e-300, rtol=4 * np.finfo(float).eps)
