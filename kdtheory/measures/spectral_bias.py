"""How far a student lags on one eigenvalue when it has caught up on another: matched times, margins, exaggeration.

On eigenvalues, exactly; on trajectories the same is in `matching`.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import numerics
from kdtheory._checks import Numbers, as_array, as_floats
from kdtheory._compilation import elementwise
from kdtheory.numerics import expm1, log1mexp, log1p

# Student and teacher on eigenvalues, under gradient flow.
#
# For gradient descent with ηλ < 1 the same holds with λ replaced by `learner.rate(λ)` and times by clocks:
# both have φ = 1 - e^(-rate·clock).


def matched_time(eigenvalue: Numbers, time: Numbers, teacher_time: Numbers) -> jax.Array:
    """When the student is where the teacher was at `time`, along one eigendirection.

    The t̃ with (1 - e^(-λt̃)) (1 - e^(-λT)) = 1 - e^(-λt), for λ = `eigenvalue`, t = `time` and T =
    `teacher_time`, the moment at which the student's teacher stopped. Elementwise with broadcasting. Infinite
    at t = T; NaN for t > T, where no student gets. For gradient descent give `learner.rate(eigenvalue)` and
    clocks; for ridge see `matched_penalty`.

    >>> import kdtheory as kd
    >>> print(kd.measures.matched_time(1.0, 1.0, teacher_time=2.0).round(6))
    1.313262
    """
    numbers = as_floats(eigenvalue=eigenvalue, time=time, teacher_time=teacher_time)
    return elementwise(_matched_time, *numbers)


def _matched_time(λ, t, T):
    return t + _delay(λ, t, T)


def delay(eigenvalue: Numbers, time: Numbers, teacher_time: Numbers) -> jax.Array:
    """How much later than its teacher the student reaches the same progress: matched_time - time.

    δ(λ) = log(1 + (1 - e^(-λt)) / (e^(λ(T-t)) - 1)) / λ = ∫ ds / (e^(λs) - 1) from T - t to T, which falls as
    λ grows. That is the exaggerated bias: with the clock matched on one direction, every larger eigenvalue is
    ahead and every smaller one behind.

    >>> import kdtheory as kd
    >>> print(kd.measures.delay(jnp.array([2.0, 1.0, 0.5]), 1.0, teacher_time=2.0).round(6))
    [0.063464 0.313262 0.948154]
    """
    return elementwise(_delay, *as_floats(eigenvalue=eigenvalue, time=time, teacher_time=teacher_time))


def _delay(λ, t, T):
    reached = (t >= 0) & (t < T)
    value = log1p(_odds(λ, jnp.where(reached, t, 1.0), jnp.where(reached, T, 2.0))) / λ
    return jnp.where(reached, value, jnp.where((t == T) & (T > 0), jnp.inf, jnp.nan))


def margin(lead: Numbers, trail: Numbers, time: Numbers, teacher_time: Numbers) -> jax.Array:
    """By how much the student trails on `trail` when its clock is matched to the teacher's on `lead`.

    Teacher's progress at `time` minus student's at the time matched on the eigenvalue `lead`, both along the
    eigenvalue `trail`: e^(-λ₂t) · (1 - e^(-λ₂(T-t))) · (e^(λ₂D) - 1) with D = δ(λ₂) - δ(λ₁). Every factor has
    the sign that theory gives it, so the sign is right even for eigenvalues an ulp apart. Positive for
    0 < trail < lead and 0 < time < teacher_time < ∞; zero for equal eigenvalues, a `trail` of zero, and at the ends,
    where its slopes are given as zero too, which they are not.

    >>> import kdtheory as kd
    >>> print(kd.measures.margin(1.0, 0.1, time=1.0, teacher_time=2.0).round(6))
    0.072854
    """
    return elementwise(_margin, *as_floats(lead=lead, trail=trail, time=time, teacher_time=teacher_time))


def _margin(λ1, λ2, t, T):
    return jnp.sign(λ1 - λ2) * jnp.exp(_log_margin(λ1, λ2, t, T))


def log_margin(lead: Numbers, trail: Numbers, time: Numbers, teacher_time: Numbers) -> jax.Array:
    """The logarithm of |margin|, also where the margin itself underflows.

    >>> import kdtheory as kd
    >>> print(kd.measures.log_margin(1.0, 0.5, time=1e3, teacher_time=2e3).round(6))
    -1000.0
    """
    return elementwise(_log_margin, *as_floats(lead=lead, trail=trail, time=time, teacher_time=teacher_time))


def _log_margin(λ1, λ2, t, T):
    matched = (0 <= t) & (t <= T) & (T > 0) & (λ2 >= 0) & ((λ1 > 0) | (λ1 == λ2))
    inside = matched & (0 < t) & (t < T) & (T < jnp.inf) & (λ1 != λ2) & (λ2 > 0)
    λ1, t, T = jnp.where(inside, λ1, 2.0), jnp.where(inside, t, 1.0), jnp.where(inside, T, 2.0)
    λ2 = jnp.where(inside, λ2, 1.0)
    x, x_error = _product_of_difference(λ2, T, t)
    z, z_error = numerics.two_product(λ2, t)
    log_exponent = jnp.log(λ2) + _log_delay_difference(λ1, λ2, t, T)  # λ₂|D|
    exponent = jnp.exp(log_exponent)
    small = exponent < 1e-30
    safe = jnp.where(small, 1.0, exponent)
    # e^(λ₂D) - 1 for a positive D, 1 - e^(-λ₂|D|) for a negative one
    grown = jnp.where(small, log_exponent, jnp.where(λ2 < λ1, safe, 0.0) + log1mexp(safe))
    value = grown + log1mexp(x + x_error) - z - z_error
    return jnp.where(inside, value, jnp.where(matched, -jnp.inf, jnp.nan))


def exaggeration(lead: Numbers, trail: Numbers, level: Numbers, teacher_time: Numbers) -> jax.Array:
    """How far the student lags on `trail` when both have learnt the fraction `level` of `lead`: 1 - ρ.

    ρ is the student's progress on the eigenvalue `trail` over the teacher's, at matched progress on the
    eigenvalue `lead`. Zero is no exaggeration, one is a student that has learnt nothing of `trail`. NaN where
    `level` is past what the teacher had learnt of `lead`, since no student gets there, and at level zero, where both
    have learnt nothing.

    >>> import kdtheory as kd
    >>> print(f"{kd.measures.exaggeration(1.0, 0.1, level=0.5, teacher_time=2.0):.6f}")
    0.776105
    """
    return elementwise(_exaggeration, *as_floats(lead=lead, trail=trail, level=level, teacher_time=teacher_time))


def _exaggeration(λ1, λ2, level, T):
    t = -log1p(-level) / λ1
    return _margin(λ1, λ2, t, T) / -expm1(-λ2 * t)


def matched_penalty(eigenvalue: Numbers, penalty: Numbers, teacher_penalty: Numbers) -> jax.Array:
    """The student's ridge penalty at which it is where a single ridge fit with `penalty` is, along one
    eigendirection.

    c̃ = λ(c - c_T)/(λ + c_T) for λ = `eigenvalue`, c = `penalty` > c_T = `teacher_penalty`. NaN where c <
    c_T.

    >>> import kdtheory as kd
    >>> kd.measures.matched_penalty(1.0, penalty=3.0, teacher_penalty=1.0).item()
    1.0
    """
    numbers = as_floats(eigenvalue=eigenvalue, penalty=penalty, teacher_penalty=teacher_penalty)
    return elementwise(_matched_penalty, *numbers)


def _matched_penalty(λ, c, c_T):
    return jnp.where(c >= c_T, λ * (c - c_T) / (λ + c_T), jnp.nan)


def crossing_criterion(
    log_filter: Callable[[jax.Array, jax.Array], jax.Array], eigenvalues: Numbers, clocks: Numbers
) -> jax.Array:
    """∂²q/∂λ∂t with q = log(∂/∂t log h(λ, t)): negative everywhere, it implies the single crossing, for any
    filter.

    `log_filter(eigenvalue, clock)` is log h for one eigenvalue and one clock, of a learner that learns more
    with time: from 0 at the start to 1. Where the criterion is negative for all eigenvalues and clocks, a
    student matched to its teacher on one direction is ahead on every larger eigenvalue and behind on every
    smaller one (own; sufficient, not necessary). Elementwise with broadcasting, by JAX's derivatives: NaN where these
    leave the range of floats, of flow from λt = 360 on, and of few digits where λt is below 1e-6 or so.

    >>> import kdtheory as kd
    >>> flow = lambda eigenvalue, clock: kd.GradientFlow(clock).log_filter(eigenvalue)
    >>> bool(jnp.all(kd.measures.crossing_criterion(flow, jnp.array([[0.1], [1.0]]), jnp.array([0.5, 2.0])) < 0))
    True
    """
    λ, t = as_floats(eigenvalues=eigenvalues, clocks=clocks)
    return _criterion(log_filter, λ.ravel(), t.ravel()).reshape(λ.shape)


@partial(jax.jit, static_argnums=0)
def _criterion(log_filter, λ, t):
    speed = jax.grad(log_filter, argnums=1)
    slope = jax.grad(lambda λ, t: jnp.log(speed(λ, t)), argnums=1)
    return jax.vmap(jax.grad(slope))(λ, t)


def _product_of_difference(λ, T, t):
    """λ(T - t) with its rounding error."""
    difference, error = numerics.two_sum(T, -t)
    product, rounding = numerics.two_product(λ, difference)
    return product, rounding + λ * error


def _odds(λ, t, T):
    """(1 - e^(-λt)) / (e^(λ(T-t)) - 1)."""
    x, error = _product_of_difference(λ, T, t)
    return -expm1(-λ * t) * numerics.exp_minus(x, error) / -expm1(-x)


def _log_delay(λ, t, T):
    x, error = _product_of_difference(λ, T, t)
    odds = _odds(λ, t, T)
    tiny = odds < 1e-30
    log_odds = log1mexp(λ * t) - x - error - log1mexp(x)
    return jnp.where(tiny, log_odds, jnp.log(log1p(jnp.where(tiny, 1.0, odds)))) - jnp.log(λ)


def _log_slope(λ, t, T):
    """log(-δ′(λ)), with -δ′ = (δ + s/(e^(λs) - 1) - T/(e^(λT) - 1)) / λ and s = T - t, without the
    subtraction."""
    x, error = _product_of_difference(λ, T, t)
    y = λ * t
    large = y > 1.0
    big, small = jnp.where(large, y, 2.0), jnp.where(large, 0.5, y)
    log_excess_y = jnp.where(
        large, big + log1p(-(1.0 + big) * jnp.exp(-big)) - jnp.log(big), jnp.log(numerics.excess_exponential(small))
    )
    bracket = jnp.logaddexp(log_excess_y, jnp.log(-numerics.excess_exponential(-x)))
    log_fall = jnp.log(y) + jnp.log(x) + bracket - log1mexp(x) - (x + y + error) - log1mexp(x + y)
    return jnp.logaddexp(_log_delay(λ, t, T), log_fall - jnp.log(λ)) - jnp.log(λ)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def _log_delay_difference(λ1, λ2, t, T):
    """log|δ(λ₂) - δ(λ₁)|: the integral of -δ′ where the two are close, their difference elsewhere."""
    first, second = _log_delay(λ1, t, T), _log_delay(λ2, t, T)
    gap = jnp.abs(second - first)
    close = gap < 1.0
    far_value = jnp.maximum(first, second) + log1mexp(jnp.where(close, 1.0, gap))
    width = jnp.where(close, λ1 - λ2, 0.5 * λ2)

    def slope(node):  # in a loop, which compiles five times as fast
        return _log_slope(λ2 + width * node, t, T)

    weights = 0.5 * _WEIGHTS.reshape((-1,) + (1,) * jnp.ndim(t))
    slopes = jax.lax.map(slope, jnp.asarray(0.5 + 0.5 * _NODES)) + jnp.log(weights)
    near_value = jnp.log(jnp.abs(width)) + jax.nn.logsumexp(slopes, axis=0)
    return jnp.where(close, near_value, far_value)


def semigroup_defect(distilled: Numbers, teacher: Numbers, student: Numbers, together: Numbers) -> jax.Array:
    """How far a trained model is from one whose residuals multiply: |f_KD - (f(s) + f(T) - f(T + s))| / |f_KD|.

    Arrays of predictions on the same inputs, as differences from those at the start of training: of the
    student, of single runs stopped as the teacher and as the student, and of one as long as both. Zero, up to
    rounding, for gradient descent on linear and kernel regression, hence for networks in the lazy regime, whose
    tangent kernel stays: an instrument for it that needs no Jacobian. Own.

    >>> import kdtheory as kd
    >>> T, s, both = (kd.GradientFlow(t).filter([1.0, 0.2]) for t in (2.0, 1.0, 3.0))
    >>> bool(kd.semigroup_defect(T * s, T, s, both) < 1e-15)
    True
    """
    arrays = [as_array(array) for array in (distilled, teacher, student, together)]
    distilled, teacher, student, together = arrays
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"all four must have the same shape, got {', '.join(str(array.shape) for array in arrays)}")
    return jnp.linalg.norm(distilled - (student + teacher - together)) / jnp.linalg.norm(distilled)
