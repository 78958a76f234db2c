"""Scalar functions that keep their digits, and the three shares that learners are made of.

Here x = rate · clock is the dimensionless progress of a learner along one eigendirection. Everything works on
arrays, under `jit`, `vmap` and `grad`. Rounding errors are carried along where the next operation would magnify
them, with the error-free transformations of Dekker (1971) and Knuth (1969); compilers may rewrite
`(1 + x) - 1` into `x`, which `optimization_barrier` forbids.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from kdtheory._record import record

LOG2 = math.log(2.0)


def where(condition, function, otherwise, x, *, inside):
    """`function(x)` where the condition holds and `otherwise(x)` elsewhere, each on its own domain only.

    `inside` is a harmless point of the domain of `function`; without it the branch that is not taken could
    turn a gradient into NaN.
    """
    return jnp.where(condition, function(jnp.where(condition, x, inside)), otherwise(x))


def two_sum(a, b):
    """The rounded sum of a and b, and its rounding error, exactly (Knuth 1969)."""
    total = lax.optimization_barrier(a + b)
    b_seen = lax.optimization_barrier(total - a)
    return total, lax.stop_gradient((a - (total - b_seen)) + (b - b_seen))


def two_product(a, b):
    """The rounded product of a and b, and its rounding error (Dekker 1971).

    The error itself is right to a relative 2^-52. The factors are split by masking their last 27 bits, which no
    compiler can undo.
    """
    a, b = jnp.broadcast_arrays(jnp.asarray(a, float), jnp.asarray(b, float))
    product = a * b
    if product.dtype != jnp.float64:
        return product, jnp.zeros_like(product)
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, lax.stop_gradient(jnp.where(jnp.isfinite(error), error, 0.0))


def _split(a):
    bits = lax.bitcast_convert_type(a, jnp.uint64) & jnp.uint64(0xFFFF_FFFF_F800_0000)
    high = lax.bitcast_convert_type(bits, jnp.float64)
    return high, a - high


def expm1(x):
    """e^x - 1, to about an ulp: a Taylor polynomial for |x| <= 0.7 (XLA's own loses four ulp)."""
    small = jnp.abs(x) <= 0.7
    z = jnp.where(small, x, 0.0)
    series = jnp.zeros_like(z)
    for n in range(19, 2, -1):
        series = (series + 1.0 / math.factorial(n)) * z
    return jnp.where(small, z + z * z * (0.5 + series), jnp.exp(jnp.where(small, 1.0, x)) - 1.0)


def log1p(x):
    """log(1 + x), to about two ulp (XLA's own loses a hundred for x in (-0.41, -0.29))."""
    return where(x < -0.28, lambda x: jnp.log(1.0 + x), lambda x: jnp.log1p(jnp.where(x < -0.28, 0.0, x)), x,
                 inside=-0.5)


def log1mexp(x):
    """log(1 - e^-x) for x >= 0."""
    positive = jnp.where(x > 0, x, 1.0)
    value = where(positive < LOG2, lambda x: jnp.log(-expm1(-x)), lambda x: log1p(-jnp.exp(-x)), positive,
                  inside=0.5)
    return jnp.where(x > 0, value, jnp.where(x == 0, -jnp.inf, jnp.nan))


def exp_minus(x, error=0.0):
    """e^-(x + error), where `error` is the rounding error that x carries."""
    return jnp.exp(-x) * (1.0 - error)


def excess_exponential(x):
    """(e^x - 1 - x) / x, the relative excess of the exponential over its tangent, for x < 700."""
    small = jnp.abs(x) <= 1.0
    z = jnp.where(small, x, 0.0)
    series = jnp.zeros_like(z)
    for n in range(20, 1, -1):
        series = (series + 1.0 / math.factorial(n)) * z
    y = jnp.where(small, 1.0, x)
    return jnp.where(small, series, (jnp.exp(y) - 1.0 - y) / y)


@record
class Share:
    """A number together with its logarithm, which survives where the number underflows.

    Logarithms are carried through sums and products of non-negative numbers. Where a factor or a term is negative, as
    with momentum or weights outside [0, 1], that of the result is taken from its value, and is NaN if that is negative.
    """

    value: jax.Array
    log: jax.Array

    def __add__(self, other):
        return self._with(other, self.value + other.value, jnp.logaddexp(self.log, other.log))

    def __mul__(self, other):
        return self._with(other, self.value * other.value, self.log + other.log)

    def _with(self, other, value, log):
        return Share(value, jnp.where((self.value < 0) | (other.value < 0), log_or_nan(value), log))


def share(value) -> Share:
    """A given number as a share."""
    value = jnp.asarray(value, float)
    return Share(value, log_or_nan(value))


def log_or_nan(value):
    """log(value), -inf at zero and NaN below, without a warning or an infinite gradient."""
    log = jnp.log(jnp.where(value > 0, value, 1.0))
    return jnp.where(value > 0, log, jnp.where(value == 0, -jnp.inf, jnp.nan))


@record
class Shares:
    """Where a learner ends along each eigendirection: learnt · target + left · start + lost · 0.

    The three sum to one. Sums and products of non-negative shares lose no digits, which is why composed
    learners are computed from them and never from `1 - filter`.
    """

    learnt: Share
    left: Share
    lost: Share

    @property
    def residual(self) -> Share:
        """What is not learnt: left + lost."""
        rest = self.left + self.lost
        return Share(rest.value, _log_of(rest, self.learnt))

    def log_learnt(self):
        """log(learnt), from its complement when it exceeds one half."""
        return _log_of(self.learnt, self.left + self.lost)


def _log_of(part, rest):
    """The log of a share near one is the log1p of what it lacks."""
    near_one = part.value > 0.5
    return jnp.where(near_one, log1p(-jnp.where(near_one, rest.value, 0.0)), part.log)


def nothing_lost(learnt: Share, left: Share) -> Shares:
    """The shares of a plain learner."""
    zero = jnp.zeros_like(learnt.value)
    return Shares(learnt, left, Share(zero, jnp.full_like(zero, -jnp.inf)))


def exponential_shares(x, error=0.0) -> Shares:
    """The shares of a learner whose residual is e^-x, x >= 0 known up to a tiny `error` still to be added."""
    return nothing_lost(Share(-expm1(-x), log1mexp(x)), Share(exp_minus(x, error), -x))


def descent_shares(step_size, eigenvalues, steps) -> Shares:
    """The shares of gradient descent, whose residual is (1 - ηλ)^k, for real k when ηλ < 1.

    The rounding of 1 - ηλ, magnified k times, is what plain code loses.
    """
    x, rounding = two_product(step_size, eigenvalues)
    base, error = two_sum(1.0, -x)
    error = error - rounding                                        # base + error = 1 - ηλ
    decays = base > 0
    inside = jnp.where(decays, base, 0.5)
    correction = jnp.where(decays, error / inside, 0.0)
    log_base = jnp.where(inside > 0.5, log1p(-jnp.where(inside > 0.5, x, 0.0)), jnp.log(inside) + correction)
    depth = -steps * log_base
    steps = jnp.asarray(steps, float)
    power = jnp.power(inside, steps) * jnp.exp(steps * correction)
    alternating = jnp.where(steps == 0, 1.0, jnp.power(jnp.where(decays, -0.5, base), lax.stop_gradient(steps)))
    left = Share(jnp.where(decays, power, alternating), jnp.where(decays, -depth, log_or_nan(alternating)))
    learnt = Share(jnp.where(decays, -expm1(-depth), 1.0 - alternating),
                   jnp.where(decays, log1mexp(depth), log_or_nan(1.0 - alternating)))
    return nothing_lost(learnt, left)


def ridge_shares(eigenvalues, penalty) -> Shares:
    """The shares of ridge regression, λ/(λ + c) and c/(λ + c)."""
    total = eigenvalues + penalty
    return nothing_lost(Share(eigenvalues / total, _log_fraction(eigenvalues, penalty)),
                        Share(penalty / total, _log_fraction(penalty, eigenvalues)))


def _log_fraction(a, b):
    """log(a / (a + b)) for a, b > 0, also where a/b or b/a leaves the range of floats."""
    a, b = jnp.broadcast_arrays(jnp.asarray(a, float), jnp.asarray(b, float))
    mostly_a = b < a
    ratio = jnp.where(mostly_a, b / jnp.where(mostly_a, a, 1.0), a / jnp.where(mostly_a, 1.0, b))
    log_ratio = jnp.where(ratio > 1e-290, jnp.log(jnp.where(ratio > 1e-290, ratio, 1.0)), jnp.log(a) - jnp.log(b))
    return jnp.where(mostly_a, 0.0, log_ratio) - log1p(ratio)


def momentum_shares(step_size, eigenvalues, steps, momentum) -> Shares:
    """The shares of an iteration with momentum: powers of its 2×2 recursion, by repeated squaring.

    With the residual r and the velocity v of one direction, x = ηλ and b = `momentum`,
    r' = (1 - x) r - b v and v' = x r + b v. Carrying M - I instead of M keeps the digits of small progress,
    and powers stay smooth at critical damping, where a closed form is 0/0.
    """
    x, b = jnp.broadcast_arrays(jnp.asarray(step_size * eigenvalues, float), jnp.asarray(momentum, float))
    x, b, steps = jnp.broadcast_arrays(x, b, jnp.asarray(steps).astype(jnp.int64))
    zero = jnp.zeros_like(x)

    def times(p, q):                                                # (I + P)(I + Q) - I
        (a, b, c, d), (e, f, g, h) = p, q
        return a + e + (a * e + b * g), b + f + (a * f + b * h), c + g + (c * e + d * g), d + h + (c * f + d * h)

    def product(p, q):
        (a, b, c, d), (e, f, g, h) = p, q
        return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h

    def choose(condition, new, old):
        return tuple(jnp.where(condition, n, o) for n, o in zip(new, old, strict=True))

    def square(_, carry):
        change, power, change_k, power_k, steps = carry
        odd, more = steps % 2 == 1, steps > 1
        return (choose(more, times(change, change), change), choose(more, product(power, power), power),
                choose(odd, times(change, change_k), change_k), choose(odd, product(power, power_k), power_k),
                steps // 2)

    start = (-x, -b, x, b - 1.0), (1.0 - x, -b, x, b), (zero,) * 4, (zero + 1.0, zero, zero, zero + 1.0), steps
    _, _, change, power, _ = lax.fori_loop(0, 48, square, start)
    learnt = -change[0]
    left = jnp.where(learnt < 0.5, 1.0 + change[0], power[0])
    return nothing_lost(Share(learnt, log_or_nan(learnt)), Share(left, log_or_nan(left)))

