"""Bias and variance of learners: risk, the best moment to stop, the best weights to mix with, the penalty that
a constraint implies.

With one true parameter θ per direction and noise of variance v in each eigen-component of the predictions, the
risk of any learner with filter φ is Σ weight · (θ² (1 - φ)² + v φ²/λ): a parabola in each φ, and so in whatever
φ is affine in.
"""

import itertools
import warnings
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory._record import record
from kdtheory.distillation import distill
from kdtheory.learners import Filter, Ridge
from kdtheory.numerics import two_sum


@record
class Risk:
    """Expected squared error per eigendirection, split in two."""

    bias: jax.Array  # path axes + (K,)
    variance: jax.Array  # path axes + (K,)

    @property
    def total(self):
        """The sum over eigendirections: path axes."""
        return jnp.sum(self.bias + self.variance, axis=-1)


def risk(learner, eigenvalues, signal, noise_variance, weights=None) -> Risk:
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
    return Risk(weights * signal**2 * missed**2, ratio * noise_variance * learnt**2)


def _form(eigenvalues, weights):
    """The weights w of a quadratic form, and w/λ: what the bias and the variance are multiplied by."""
    if weights is None:
        return eigenvalues, jnp.ones_like(eigenvalues)
    weights, seen = jnp.asarray(weights, float), eigenvalues > 0  # no noise reaches a null direction
    return weights, jnp.where(seen, weights / jnp.where(seen, eigenvalues, 1.0), 0.0)


def wiener_filter(eigenvalues, signal, noise_variance):
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


def wiener_risk(eigenvalues, signal, noise_variance, weights=None) -> Risk:
    """The least risk of any filter: for predictions Σ v φ with φ the `wiener_filter`. Arguments as in `risk`.

    >>> import kdtheory as kd
    >>> kd.measures.wiener_risk([1.0, 1.0], signal=[1.0, 1.0], noise_variance=1.0).total.item()
    1.0
    """
    eigenvalues = jnp.asarray(eigenvalues, float)
    best, missed = _wiener(eigenvalues, jnp.asarray(signal, float), noise_variance)
    return _risk(best, missed, eigenvalues, signal, noise_variance, weights)


def best_stop(learner, eigenvalues, signal, noise_variance, weights=None):
    """The learner stopped at its best moment: the clock of least `risk`, over all real clocks.

    `learner` is plain: Ridge, GradientFlow or GradientDescent with a number for its step size; its own clock
    is ignored. A grid over 1e-6 to 1e6 times the inverse of the extreme eigenvalues, then the root of the
    derivative around the best point, by Brent's method; the risk may have several minima, and the grid has 50
    points to the decade. `weights` as in `risk`.

    >>> import kdtheory as kd
    >>> best = kd.measures.best_stop(kd.Ridge(1.0), [1.0, 0.5], signal=[1.0, 1.0], noise_variance=0.1)
    >>> round(float(best.penalty), 12)                               # isotropic signal: v / θ²
    0.1
    """
    total = lambda log_clock: (
        risk(learner.stopped(jnp.exp(log_clock)), eigenvalues, signal, noise_variance, weights).total
    )
    return learner.stopped(np.exp(_least(total, eigenvalues)))


def _least(total, eigenvalues):
    """The logarithm of the clock at which `total` is least: on a grid, and then where its slope changes sign."""
    from scipy.optimize import brentq

    seen = np.asarray(eigenvalues, float)
    seen = seen[seen > 0]
    low, high = -6 - np.log10(seen.max()), 6 - np.log10(seen.min())
    grid = np.linspace(low, high, int(50 * (high - low))) * np.log(10.0)
    best = int(np.nanargmin(jax.jit(jax.vmap(total))(grid)))
    slope = jax.jit(jax.grad(total))
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    if not float(slope(left)) < 0 < float(slope(right)):  # it falls to the end of the grid, or is flat
        return grid[best]
    return brentq(lambda at: float(slope(at)), left, right, xtol=1e-300, rtol=4 * np.finfo(float).eps)


# Mixing weights.


def best_weight(teacher, student, eigenvalues, signal, noise_variance, weights=None):
    """The teacher weight ξ at which a student has the least `risk`: any real number, as the formula has it.

    The student's filter φ_S (1 - ξ (1 - φ_T)) is affine in ξ, so that the risk is a parabola with its least
    value at ξ = Σ w φ_S r_T (v φ_S/λ - θ² r_S) / Σ w (θ² + v/λ) (φ_S r_T)², r = 1 - φ. `teacher` and
    `student` are learners, the other arguments as in `risk`. For ridge with one penalty it is the weight of Das
    & Sanghavi (2023; as recalled). It leaves [0, 1] freely: above one where noise is strong enough, below zero
    where it is weak enough, see `noise_threshold`. NaN where the weight makes no difference, as with a teacher that
    learnt everything. A `signal` of zeros gives the limit for infinite noise.

    >>> import kdtheory as kd
    >>> ridge = kd.Ridge(0.5)
    >>> kd.measures.best_weight(ridge, ridge, [1.0, 0.5], [1.0, 1.0], noise_variance=0.6).round(6).item()
    0.184856
    """
    w, θ2, φ_S, r_S, r_T, per_noise = _mixture(teacher, student, eigenvalues, signal, weights)
    excess = jnp.sum(w * φ_S * r_T * (noise_variance * per_noise - θ2 * r_S))
    return excess / jnp.sum(w * φ_S * r_T**2 * (noise_variance * per_noise + θ2 * φ_S))


def noise_threshold(teacher, student, eigenvalues, signal, weight=0.0, weights=None):
    """The noise variance above which, and only above which, the best teacher weight exceeds `weight`.

    At `weight` 0 it says when a positive weight helps, at 1 when one above one beats pure distillation: v > Σ w θ² φ_S
    r_T (r_S + ξ φ_S r_T) / Σ (w/λ) φ_S² r_T (1 - ξ r_T), with r = 1 - φ and ξ = `weight`. Infinite if no noise is
    enough, which takes ξ > 1; negative, for some ξ < 0, if all is. For ridge with one penalty these are the thresholds
    of Das & Sanghavi (2023; as recalled). Own otherwise, for filters between zero and one; see the claim
    `trust_grows_with_noise`. Arguments as in `best_weight`.

    >>> import kdtheory as kd
    >>> ridge, spectrum, signal = kd.Ridge(0.5), [1.0, 0.5], [1.0, 1.0]
    >>> kd.measures.noise_threshold(ridge, ridge, spectrum, signal).round(12).item()     # isotropic: c θ²
    0.5
    """
    w, θ2, φ_S, r_S, r_T, per_noise = _mixture(teacher, student, eigenvalues, signal, weights)
    φ_T = teacher.filter(jnp.asarray(eigenvalues, float))
    gain = jnp.sum(w * φ_S * r_T * per_noise * (φ_T + (1.0 - weight) * r_T))
    cost = jnp.sum(w * φ_S * r_T * θ2 * (r_S + weight * φ_S * r_T))
    return jnp.where(gain > 0, cost / jnp.where(gain > 0, gain, 1.0), jnp.inf)


def _mixture(teacher, student, eigenvalues, signal, weights):
    """What the risk of a student is made of: w, θ², φ_S, r_S, r_T, and φ_S/λ."""
    eigenvalues = jnp.asarray(eigenvalues, float)
    seen, learnt = eigenvalues > 0, student.filter(eigenvalues)
    per_noise = jnp.where(seen, learnt / jnp.where(seen, eigenvalues, 1.0), 0.0)
    weights = eigenvalues if weights is None else jnp.asarray(weights, float)
    missed = student.residual(eigenvalues), teacher.residual(eigenvalues)
    return weights, jnp.asarray(signal, float) ** 2, learnt, *missed, per_noise


def validated_weight(plain, distilled, target, form=None):
    """The teacher weight with which a student comes closest to a target: for one data set, whatever its law.

    `plain` and `distilled` are parameters, or predictions on any inputs, of the student fitted with the weights
    zero and one; since targets enter linearly, weight ξ ends at plain + ξ (distilled - plain), and ‖· -
    `target`‖² is least at ξ = ⟨target - plain, distilled - plain⟩ / ‖distilled - plain‖². `form` is the matrix
    (P, P) of the norm, the identity unless given; with parameters, the second moment of new inputs gives any
    out-of-distribution risk. All arrays are (P,). NaN where the weight makes no difference.

    For ridge the student is β(c) + ξ c β′(c), on the tangent to the ridge path (Dang, Patil & Rinaldo 2026, as
    recalled; proved here). One minus this is the best weight on the ground truth of Borup & Andersen (2021, as
    recalled).

    >>> import kdtheory as kd
    >>> kd.measures.validated_weight(plain=[1.0, 1.0], distilled=[0.5, 0.5], target=[0.6, 0.8]).round(12).item()
    0.6
    """
    plain, distilled, target = (jnp.asarray(x, float) for x in (plain, distilled, target))
    step = distilled - plain
    along = step if form is None else jnp.asarray(form, float) @ step
    return jnp.vdot(target - plain, along) / jnp.vdot(step, along)


def best_ridge_student(eigenvalues, signal, noise_variance, weights=None):
    """The learner of least `risk` among ridge students with any one penalty and any teacher weight.

    Their filters are λ/(λ + c) · (1 - ξ c/(λ + c)). The set is not closed: the least risk may be approached only
    as c → 0 and ξ → ∞, where they tend to 1 - κ/λ, or as c → ∞ and ξ → -∞, where they tend to κλ. Then the
    limit is returned, a `Filter`; otherwise a `Distilled` with its penalty and weight. Searched like `best_stop`;
    arguments as in `risk`.

    >>> import kdtheory as kd
    >>> best = kd.measures.best_ridge_student([4.0, 1.0], signal=[0.05**0.5, 1.0], noise_variance=0.1)
    >>> type(best).__name__
    'Distilled'
    """
    λ, θ2 = jnp.asarray(eigenvalues, float), jnp.asarray(signal, float) ** 2
    w = λ if weights is None else jnp.asarray(weights, float)

    def student(log_clock):
        ridge = Ridge(jnp.exp(-log_clock))
        return distill(ridge, ridge, best_weight(ridge, ridge, λ, signal, noise_variance, weights))

    total = lambda learner: risk(learner, λ, signal, noise_variance, weights).total
    x = jnp.where(λ > 0, λ, jnp.inf)  # no filter moves a null direction
    low = jnp.sum(w * noise_variance / x**2) / jnp.sum(w * (θ2 / x**2 + noise_variance / x**3))
    high = jnp.sum(w * θ2 * λ) / jnp.sum(w * (θ2 * λ**2 + noise_variance * λ))
    inverse, linear = Filter(lambda λ: jnp.where(λ > 0, 1.0 - low / λ, 0.0)), Filter(lambda λ: high * λ)
    inside = student(_least(lambda log_clock: total(student(log_clock)), λ))
    return min((inverse, linear, inside), key=lambda learner: float(total(learner)))


@record
class MixingWeights:
    """The teacher weights of repeated self-distillation with the least risk. Made by `best_weights`."""

    weights: np.ndarray  # (fits - 1,), in the order in which the students are trained
    coefficients: np.ndarray  # (fits - 1,), ξ̄ of the filter s (1 - Σ ξ̄_i (1 - s^i)), s that of the learner
    least: float  # the risk with these weights in exact arithmetic; where one is infinite, approached as weights grow
    reached: float  # and when they are rounded to floats and used in float arithmetic


def best_weights(learner, fits, eigenvalues, signal, noise_variance, weights=None) -> MixingWeights:
    """The teacher weights at which repeated self-distillation has the least `risk`: one for every student.

    Give them to `self_distill` as `teacher_weight`. With s the filter of the single `learner`, the filters of
    `fits` fits are s times polynomials q(s) of degree fits - 1 with q(1) = 1. With r distinct nonzero eigenvalues,
    equal ones sharing a factor, r + 1 fits have the least risk of any filter, that of Wiener's if all eigenvalues are
    distinct, and more do no better (Pareek, Du & Oh 2024, as recalled). They attain it unless, of the polynomial
    (1 - q(s))/(1 - s), a coefficient vanishes before its last: then a weight is infinite, and the least risk is only
    approached as weights grow; one more fit would attain it. Proved; see the claim `as_many_students_as_eigenvalues`.
    Students that cannot help get the weight zero.

    The weights tend to explode as eigenvalues approach one another. They are computed in fractions, exactly, and then
    rounded; a warning says so when float64 can no longer hold them, `reached` being more than `least`. Exact
    arithmetic is slow: meant for tens of eigenvalues and fewer than ten fits. For `Ridge` the filter is exact,
    too; any other is taken as the floats that it gives. Arguments otherwise as in `risk`.

    >>> import kdtheory as kd
    >>> ridge, spectrum, signal = kd.Ridge(0.5), [2.0, 1.0], [1.0, 0.3]
    >>> best = kd.measures.best_weights(ridge, 3, spectrum, signal, noise_variance=0.1)
    >>> round(best.least, 12) == round(float(kd.measures.wiener_risk(spectrum, signal, 0.1).total), 12)
    True
    >>> student = kd.self_distill(ridge, 3, best.weights)
    >>> bool(abs(kd.measures.risk(student, spectrum, signal, 0.1).total - best.least) < 1e-12)
    True
    """
    λ = [Fraction(float(x)) for x in eigenvalues]
    if isinstance(learner, Ridge):
        s = [x / (x + Fraction(float(learner.penalty))) if x else Fraction(0) for x in λ]
    else:
        s = [Fraction(float(x)) for x in learner.filter(jnp.asarray(eigenvalues, float))]
    w = λ if weights is None else [Fraction(float(x)) for x in weights]
    θ2, v = [Fraction(float(x)) ** 2 for x in signal], Fraction(float(noise_variance))
    # with f the factor, the risk is Σ curvature f² - 2 pull f + pull
    pull = [a * b for a, b in zip(w, θ2, strict=True)]
    curvature = [p + (a * v / x if x else 0) for p, a, x in zip(pull, w, λ, strict=True)]
    seen = [k for k in range(len(λ)) if s[k] and s[k] != 1]
    steps = min(fits - 1, len({s[k] for k in seen}))
    basis = {k: [s[k] * (1 - s[k] ** i) for i in range(1, steps + 1)] for k in seen}
    matrix = [[sum(curvature[k] * basis[k][i] * basis[k][j] for k in seen) for j in range(steps)] for i in range(steps)]
    vector = [sum((curvature[k] * s[k] - pull[k]) * basis[k][i] for k in seen) for i in range(steps)]
    coefficients = _solved(matrix, vector)
    total = lambda factor: sum(a * f * f - 2 * b * f + b for a, b, f in zip(curvature, pull, factor, strict=True))
    least = total([x * (1 - sum(c * (1 - x**i) for i, c in enumerate(coefficients, 1))) for x in s])
    # the weight of the last student is the sum of the coefficients, and q then loses its lowest power
    tails = [Fraction(1), *(sum(coefficients[i:]) for i in range(steps))]
    found = [float(b / a) if a else 0.0 if not b else np.inf for a, b in itertools.pairwise(tails)][::-1]
    factor, single = (np.array([float(x) for x in s]) for _ in range(2))
    for ξ in found:
        factor = single * (ξ * factor + (1.0 - ξ))
    reached = total([Fraction(x) for x in factor]) if np.all(np.isfinite(factor)) else np.inf
    if reached > least * Fraction(1_000_001, 1_000_000):
        warnings.warn(
            f"the best weights, up to {max(map(abs, found)):.1g}, no longer fit into floats: the risk is"
            f" {float(reached):.6g} with them and {float(least):.6g} without rounding; take fewer fits",
            stacklevel=2,
        )
    idle = [0.0] * (fits - 1 - steps)
    return MixingWeights(
        np.array(idle + found), np.array([float(c) for c in coefficients] + idle), float(least), float(reached)
    )


def _solved(matrix, vector):
    """The solution of a positive definite system in fractions."""
    rows = [[*row, b] for row, b in zip(matrix, vector, strict=True)]
    for i, pivot in enumerate(rows):
        for row in rows[i + 1 :]:
            ratio = row[i] / pivot[i]
            for j in range(i, len(row)):
                row[j] -= ratio * pivot[j]
    solution = []
    for i in reversed(range(len(rows))):
        known = sum(a * x for a, x in zip(rows[i][i + 1 : -1], solution, strict=True))
        solution.insert(0, (rows[i][-1] - known) / rows[i][i])
    return solution


# Constrained self-distillation.


def constrained_penalty(eigenvalues, labels, tolerance):
    """The ridge penalty of the smallest fit, in norm, whose total squared residual is at most `tolerance`.

    The root c of Σ (c/(c + λ_k))² z_k² = `tolerance` with z = `labels` (K,) in eigen-coordinates, the sum of their
    squares that of the labels; `tolerance` is N times the mean squared residual allowed (Mobahi, Farajtabar &
    Bartlett 2020, as recalled: their K ε). Infinite where Σ z² <= tolerance: the fit collapses to zero. NaN
    where the part of z on null directions alone reaches the tolerance: no fit is that close. A JAX function, also
    under jit, vmap and grad.

    Squares of labels on directions below c are added up, less the tolerance, in twice the digits, and only what c
    changes of them is rounded, so that c keeps its digits next to collapse and between far eigenvalues.

    >>> import kdtheory as kd
    >>> kd.measures.constrained_penalty([1.0, 1.0], labels=[2.0, 2.0], tolerance=2.0).round(12).item()
    1.0
    """
    return _constrained_penalty(*(jnp.asarray(x, float) for x in (eigenvalues, labels, tolerance)))


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
        c = c - c * excess(c) / jnp.sum(2.0 * (z * c / (c + d)) ** 2 * d / (c + d))
    return jnp.where(active, c, jnp.where(total > 0, jnp.nan, jnp.inf))


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
