"""Shares: what is learnt, left and lost along each direction, with logarithms that keep their digits."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jax import lax

from kdtheory._checks import Number, Numbers
from kdtheory._compilation import traced_once
from kdtheory._record import record
from kdtheory.numerics._floats import (
    _SEEN,
    _honest,
    _log_sloped,
    exp_minus,
    log1mexp,
    log1p,
    not_sloped,
    one_minus_exp,
    sloped,
    three_product,
    two_product,
    two_sum,
)


@record
class Share:
    """A number together with its logarithm, which survives where the number underflows.

    Logarithms are carried through sums and products of non-negative numbers. That of a negative number, as
    occurs with momentum or weights outside [0, 1], is NaN, and of what is made with one; a sum takes it up
    again from its value. The slope of the log of zero is given as zero, lest it spoil sums; see `honest`.
    """

    value: jax.Array
    log: jax.Array

    def __add__(self, other: "Share") -> "Share":
        return self.plus(other)

    @traced_once
    def plus(self, other: "Share", *terms: tuple[Number, Number]) -> "Share":
        """The sum; its slope is that of `sloped` if there are terms."""
        value = self.value + other.value
        value = sloped(value, *terms) if terms else value
        known = ~(jnp.isnan(self.log) | jnp.isnan(other.log))
        first, second = jnp.where(known, self.log, 0.0), jnp.where(known, other.log, 0.0)
        high, low = jnp.maximum(first, second), jnp.minimum(first, second)
        gap = jnp.where(high == -jnp.inf, 0.0, low - high)  # logaddexp has no slope there
        log = jnp.where(known, high + jnp.log1p(jnp.exp(gap)), log_or_nan(value))
        none = jnp.where(self.log == -jnp.inf, self.value, jnp.where(other.log == -jnp.inf, other.value, 0.0))
        return Share(value, _log_sloped(log, value, none))

    def __mul__(self, other: "Share") -> "Share":
        return Share(self.value * other.value, self.log + other.log)

    def sloped(self, *terms: tuple[Number, Number]) -> "Share":
        """The same with the slope of `sloped`."""
        value = sloped(self.value, *terms)
        return Share(value, _log_sloped(self.log, value))

    @traced_once
    def part(self, other: "Share") -> "Share":
        """The product with a part of it, also where this is infinite: nothing of infinity is nothing."""
        none, finite = other.log == -jnp.inf, jnp.isfinite(self.value)
        log = jnp.where(none, -jnp.inf, other.log + jnp.where(none, 0.0, self.log))
        usual, rest = other.value * jnp.where(finite, self.value, 0.0), jnp.exp(jnp.where(finite, 0.0, log))
        value = jnp.where(finite, usual, rest)
        return Share(value, jnp.where(value > _SEEN, log_or_nan(value), log))  # large logs may cancel

    def honest(self, sharp: bool = False) -> "Share":
        """The same with a log whose slope is infinite or NaN where it is -inf, and NaN where it is NaN, like that of
        `jnp.log`. A `sharp` log has a slope of its own elsewhere."""
        log = self.log if sharp else _log_sloped(self.log, self.value)
        return Share(self.value, _honest(log, self.value))


def share(value: Number) -> Share:
    """A given number as a share."""
    value = jnp.asarray(value, float)
    return Share(value, log_or_nan(value))


@traced_once
def log_or_nan(value: Number) -> jax.Array:
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
    sharp: bool = dataclasses.field(default=False, metadata={"static": True})  # logs keep their digits near zero

    @property
    def missing(self) -> Share:
        """What is not learnt, left + lost, for computing further: its log is not `honest` at zero."""
        if self.sharp:
            return self.left
        rest = self.left.plus(self.lost, (self.learnt.value, -1.0))  # as accurate as the slope of what is learnt
        return Share(rest.value, _log_of(rest, self.learnt))

    @property
    def residual(self) -> Share:
        """What is not learnt: left + lost."""
        return self.missing.honest(self.sharp)

    def log_learnt(self) -> jax.Array:
        """log(learnt), from its complement when it exceeds one half."""
        log = self.learnt.log if self.sharp else _log_of(self.learnt, self.left + self.lost)
        return Share(self.learnt.value, log).honest(self.sharp).log


@traced_once
def _log_of(part, rest):
    """The log of a share near one is the log1p of what it lacks."""
    near_one = part.value > 0.5
    log = jnp.where(jnp.isnan(part.log), log_or_nan(part.value), part.log)
    return jnp.where(near_one, log1p(-jnp.where(near_one, rest.value, 0.0)), log)


def nothing_lost(learnt: Share, left: Share, sharp: bool = False) -> Shares:
    """The shares of a plain learner."""
    zero = jnp.zeros_like(learnt.value)
    return Shares(learnt, left, Share(zero, jnp.full_like(zero, -jnp.inf)), sharp)


@traced_once
def exponential_shares(rate: jax.Array, clock: jax.Array) -> Shares:
    """The shares of a learner whose residual is e^-(rate · clock). At rate zero it learns nothing, even for
    ever."""
    rate, clock = jnp.broadcast_arrays(rate, clock)
    endless = jnp.abs(clock) == jnp.inf
    x, error = two_product(rate, jnp.where(endless, 1.0, clock))
    limit = jnp.where(
        rate == 0, not_sloped(lax.stop_gradient(jnp.abs(rate)), rate), jnp.sign(rate) * clock + 0.0 * rate
    )
    x, error = jnp.where(endless, limit, x), jnp.where(endless, 0.0, error)
    left = Share(exp_minus(x, error), 0.0 - x)
    return nothing_lost(Share(one_minus_exp(x), _log_learnt(left, rate, clock)), left, sharp=True)


@traced_once
def _log_learnt(left, *factors):
    """log(1 - e^-x) for e^-x = `left` and x the product of the factors >= 0, also where x underflows."""
    x = -left.log
    tiny = (x < 1e-290) & jnp.all(jnp.stack(jnp.broadcast_arrays(*factors)) > 0, axis=0)
    log_x = sum(jnp.log(jnp.where(tiny, factor, 1.0)) for factor in factors)
    return jnp.where(tiny, log_x, log1mexp(x, left.value))


@traced_once
def descent_shares(step_size: Number, eigenvalues: jax.Array, steps: jax.Array) -> Shares:
    """The shares of gradient descent, whose residual is (1 - ηλ)^k, for real k when ηλ < 1.

    The rounding of 1 - ηλ, magnified k times, is what plain code loses. For small ηλ it is avoided altogether:
    (1 - ηλ)^k = e^-(kηλ (1 + ηλ/2 + …)). At λ = 0 nothing is learnt, even for ever.
    """
    steps, step_size, eigenvalues = jnp.broadcast_arrays(jnp.asarray(steps, float), step_size, eigenvalues)
    x, rounding = two_product(step_size, eigenvalues)
    towards = jnp.sign(step_size) * jnp.sign(eigenvalues)
    endless = (steps == jnp.inf) & (towards != 0)
    steps = jnp.where(endless, 1.0, jnp.where(steps == jnp.inf, 0.0, steps))  # those without end are told below
    slow = jnp.abs(x) < 2.0**-17
    linear, error_of_linear = three_product(steps, step_size, eigenvalues)
    small = jnp.where(slow, x, 0.0)
    excess = small * (1 / 2 + small * (1 / 3 + small / 4))
    beyond = jnp.where(excess == 0, 0.0, jnp.where(slow, linear, 0.0) * excess)
    base, error = two_sum(1.0, -x)
    base, error = two_sum(base, error - rounding)  # base + error = 1 - ηλ, to twice the digits
    decays = base > 0
    inside = jnp.where(decays & ~slow, base, 0.5)
    correction = jnp.where(decays, error / inside, 0.0)
    near = inside > 0.72
    log_base = jnp.where(near, log1p(-jnp.where(near, x, 0.0)) - rounding / inside, jnp.log(inside) + correction)
    depth = jnp.where(slow, linear * (1.0 + excess), 0.0 - steps * log_base)
    lasts = ~slow & (depth < 760.0)
    power = jnp.power(inside, jnp.where(slow, 1.0, steps)) * jnp.exp(jnp.where(lasts, steps, 0.0) * correction)
    power = jnp.where(slow, exp_minus(jnp.where(slow, linear, 0.0), beyond + error_of_linear), power)
    moved = jnp.where(steps == 0, 1.0, lax.stop_gradient(steps))
    alternating = jnp.where(steps == 0, 1.0, jnp.power(jnp.where(decays, -0.5, base), moved))
    # at ηλ = 1 the slope by steps is zero, and that of the log is not
    alternating = not_sloped(alternating + 0.0 * steps, jnp.where((base < 0) | (steps == 0), steps, moved))
    left = Share(jnp.where(decays, power, alternating), jnp.where(decays, 0.0 - depth, log_or_nan(alternating)))
    factors = steps, jnp.where(slow, step_size, -log_base), jnp.where(slow, eigenvalues * (1.0 + excess), 1.0)
    log_learnt = _log_learnt(Share(power, 0.0 - depth), *factors)
    some = ~decays & (alternating < 1.0)
    log_alternating = jnp.where(some, log1p(-jnp.where(some, alternating, 0.5)), -jnp.inf)
    log_alternating = jnp.where(alternating <= 1.0, log_alternating, jnp.nan)
    learnt = Share(
        jnp.where(decays, one_minus_exp(depth), 1.0 - alternating), jnp.where(decays, log_learnt, log_alternating)
    )
    # after endless steps it has settled, or grown, or swings for ever
    ended = jnp.where(towards < 0, jnp.inf, jnp.where(base > -1.0, 0.0, jnp.nan))
    at_end = Share(1.0 - ended, log_or_nan(1.0 - ended)), Share(ended, jnp.log(ended))
    learnt, left = jax.tree.map(lambda end, share: jnp.where(endless, end, share), at_end, (learnt, left))
    return nothing_lost(learnt, left, sharp=True)


def is_step(steps: Numbers, most: float) -> jax.Array:
    """Where steps are whole numbers from 0 to `most`."""
    steps = jnp.asarray(steps)
    return (steps == jnp.floor(steps)) & (steps >= 0) & (steps <= most)


@traced_once
def scheduled_shares(schedule: jax.Array, eigenvalues: jax.Array, steps: jax.Array) -> Shares:
    """The shares of gradient descent with a step size for each step, (M,): its residual is Π (1 - η_j λ) over the first
    k steps. NaN for k that are no whole numbers up to M.

    Logs are summed with what their sums lose, so that many small steps keep their digits.
    """

    def step(carry, size):
        (depth, low), nought, sign = carry
        left = descent_shares(size, eigenvalues, jnp.ones_like(eigenvalues)).left
        gone = left.value == 0.0
        log = jnp.where(left.value > 0, left.log, jnp.log(jnp.where(left.value < 0, -left.value, 1.0)))
        depth, error = two_sum(depth, jnp.where(gone, 0.0, -log))
        # a step of 1/λ takes all that is left, and has a slope
        nought = nought * jnp.where(gone, left.value, 1.0)
        carry = (depth, low + error), nought, jnp.where(left.value < 0, -sign, sign)
        return carry, carry

    eigenvalues = jnp.asarray(eigenvalues, float)
    none = jnp.zeros_like(eigenvalues)
    begun = (none, none), none + 1.0, none + 1.0
    _, path = lax.scan(step, begun, schedule)
    known = is_step(steps, len(schedule))
    at = jnp.where(known, steps, 0).astype(int).reshape(steps.shape[: steps.ndim - eigenvalues.ndim])
    (depth, low), nought, sign = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest])[at], begun, path)
    sign = jnp.where(known, sign, jnp.nan)
    left = sign * exp_minus(depth, low) * nought
    positive = (left >= 0) & (nought != 0)
    log_left = jnp.where(positive, 0.0 - (depth + low), log_or_nan(left))
    learnt = jnp.where(positive, one_minus_exp(depth + low), 1.0 - left)
    log_learnt = jnp.where(positive, log1mexp(jnp.where(positive, depth + low, 1.0)), log_or_nan(learnt))
    return nothing_lost(Share(learnt, log_learnt), Share(left, log_left))


@traced_once
def ridge_shares(eigenvalues: jax.Array, penalty: jax.Array) -> Shares:
    """The shares of ridge regression, λ/(λ + c) and c/(λ + c)."""
    eigenvalues, penalty = jnp.broadcast_arrays(jnp.asarray(eigenvalues, float), jnp.asarray(penalty, float))
    null = (eigenvalues == 0) & (penalty == 0)  # such a direction learns nothing
    eigenvalues = jnp.where(null, not_sloped(eigenvalues, eigenvalues), eigenvalues)
    penalty = jnp.where(null, 1.0, penalty)
    learnt, left, total = _fraction(eigenvalues, penalty), _fraction(penalty, eigenvalues), eigenvalues + penalty

    def with_slopes(share, a, b, rest):  # of a / (a + b)
        value = sloped(share.value, (a, rest.value / total), (b, -share.value / total))
        log = sloped(share.log, (a, jnp.where(a == 0, 0.0, rest.value / jnp.where(a == 0, 1.0, a))), (b, -1.0 / total))
        return Share(value, log)

    learnt, left = with_slopes(learnt, eigenvalues, penalty, left), with_slopes(left, penalty, eigenvalues, learnt)
    return nothing_lost(learnt, left, sharp=True)


@traced_once
def _fraction(a: jax.Array, b: jax.Array) -> Share:
    """a / (a + b), also where a + b, a/b or b/a leaves the range of floats."""
    mostly_a = jnp.abs(b) < jnp.abs(a)
    ratio = jnp.where(mostly_a, b, a) / jnp.where(mostly_a, a, b)
    tiny = (0 <= ratio) & (ratio < 1e-290)
    log_ratio = jnp.where(
        tiny,
        log_or_nan(jnp.where(tiny, a, 1.0)) - log_or_nan(jnp.where(tiny, b, 1.0)),
        log_or_nan(jnp.where(tiny, 1.0, ratio)),
    )
    return Share(jnp.where(mostly_a, 1.0, ratio) / (1.0 + ratio), jnp.where(mostly_a, 0.0, log_ratio) - log1p(ratio))


@traced_once
def zero_times(a: Number, b: Number) -> jax.Array:
    """a · b, zero where a is zero, whatever b is."""
    none = a == 0
    return jnp.where(none, 0.0, a * jnp.where(none, 1.0, b))


@record
class Geometric:
    """Sums of powers of q, made by `geometric`."""

    total: Share  # Σ q^i over i < n
    last: Share  # q^n
    ranks: jax.Array  # Σ i q^(i - 1) over i <= n, the slope of Σ q^i by q
    ranked_last: jax.Array  # (n + 1) q^n
    fading: jax.Array  # -q^n log(q)/(1 - q), the slope of Σ q^i by n, for q > 0


@traced_once
def geometric(q: Share, lack: Share, n: jax.Array) -> Geometric:
    """The powers of q up to the n-th and their sums, for real n >= 0, also infinite, where `lack` is 1 - q.

    The log of q comes from what it lacks where that is less than one half, and no sum is a difference that cancels.
    For q < 0, n must be whole.
    """
    q = Share(q.value, jnp.where(jnp.isnan(q.log), log_or_nan(q.value), q.log))  # of two negative factors
    negative, never, endless = q.value < 0, lack.log == -jnp.inf, n == jnp.inf
    never |= (lack.value == 0) & jnp.isnan(lack.log)  # terms of two signs that leave nothing
    usual = ~negative & (q.log > -jnp.inf) & ~never
    small = usual & (lack.value < 0.5)
    l, few = jnp.where(small, lack.value, 0.25), jnp.where(endless, 1.0, n)
    log_q = jnp.where(small, log1p(-l), jnp.where(usual & ~small, q.log, -1.0))
    none = never | (n == 0)
    depth = jnp.where(none, 0.0, jnp.where(endless, jnp.where(lack.value < 0, -jnp.inf, jnp.inf), -few * log_q))
    depth = jnp.where(none | (q.log > -jnp.inf) | negative, depth, jnp.inf)
    power = jnp.power(jnp.where(negative, q.value, 1.0), jnp.where(endless, 1.0, n))
    power = jnp.where(endless, jnp.where(q.value > -1, 0.0, jnp.nan), power)
    last = Share(jnp.where(negative, power, exp_minus(depth)), jnp.where(negative, log_or_nan(power), -depth))

    gone = jnp.where(negative, 1.0 - power, one_minus_exp(depth))  # 1 - q^n
    tiny = (depth < 1e-290) & ~negative
    known = ~tiny & ~negative
    log_depth = log1mexp(jnp.where(known, depth, 1.0), jnp.where(known, last.value, 0.25))
    log_gone = jnp.where(negative, log_or_nan(gone), jnp.where(tiny, log_or_nan(n) + lack.log, log_depth))
    whole = jnp.where(lack.value == 0, 1.0, lack.value)
    total = jnp.where(lack.value == 0, n, gone / whole)
    log_total = jnp.where(never, log_or_nan(n), log_gone - jnp.where(never, 0.0, lack.log))
    log_total = jnp.where(jnp.isnan(log_total), log_or_nan(total), log_total)

    beyond = _excess_log(jnp.where(negative | ~(lack.value < 0.5), 0.25, lack.value))  # (-log q - l) / l²
    ratio = jnp.where(lack.value < 0.5, 1.0 + lack.value * beyond, -log_q / whole)  # -log(q) / l
    fading = jnp.where(negative, 0.0, zero_times(last.value, ratio))
    ranked = zero_times(last.value, n)
    early = ~negative & ~endless & (jnp.abs(depth) < 1.0) & (lack.value < 0.5)
    z = jnp.where(early, depth, 0.0)
    rise = few * (few * ratio**2 * _second_excess(z) + beyond) * exp_minus(z)
    ranks = jnp.where(early, rise, (1.0 - last.value - ranked * lack.value) / jnp.where(early, 1.0, lack.value) ** 2)
    ranks = jnp.where(endless & never, jnp.inf, ranks)
    return Geometric(Share(total, log_total), last, ranks, ranked + last.value, fading)


def _excess_log(y):
    """(-log(1 - y) - y) / y² for y < 1."""
    small = jnp.abs(y) < 0.1
    z, x = jnp.where(small, y, 0.0), jnp.where(small, 0.5, y)
    series = sum(z**k / (k + 2) for k in range(16, -1, -1))
    return jnp.where(small, series, (-log1p(-x) - x) / x**2)


def _second_excess(x):
    """(e^x - 1 - x) / x² for |x| <= 1."""
    return sum(x**k * (1 / math.factorial(k + 2)) for k in range(18, -1, -1))


@traced_once
def momentum_shares(step_size: Number, eigenvalues: jax.Array, steps: jax.Array, momentum: Number) -> Shares:
    """The shares of an iteration with momentum: powers of its 2×2 recursion, by repeated squaring.

    With the residual r and the velocity v of one direction, x = ηλ and b = `momentum`, r' = (1 - x) r - b v
    and v' = x r + b v. Carrying M - I instead of M keeps the digits of small progress, and powers stay smooth
    at critical damping, where a closed form is 0/0. NaN unless `steps` are whole. Near the largest stable
    step the residual alternates: (-1)^k r then obeys the same recursion with 2(1 + b) - x for x, and starts
    with the velocity -2. Of an x near the end of the range of floats progress is a multiple, and is computed from
    a larger x.
    """
    tiny = (jnp.abs(step_size * eigenvalues) < 1e-290) & (jnp.abs(momentum) <= 1.0)
    unit = jnp.where(tiny, 2.0**700 if jnp.result_type(float) == jnp.float64 else 1.0, 1.0)
    eigenvalues = eigenvalues * unit
    (x, x_error), b = two_product(step_size, eigenvalues), jnp.asarray(momentum, float)
    whole = (steps == jnp.floor(steps)) & (steps >= 0) & (steps < 2.0**48)
    x, x_error, b, steps = jnp.broadcast_arrays(x, x_error, jnp.where(whole, b, jnp.nan), jnp.asarray(steps, float))
    counted = steps
    steps = jnp.where(jnp.isnan(b), 1, steps).astype(int)
    given, (total, error) = x, two_sum(1.0, b)
    alternates = (b > 0) & (x > total)
    x = jnp.where(alternates, (2.0 * total - x) + (2.0 * error - x_error), x)
    velocity, odd = jnp.where(alternates, -2.0, 0.0), alternates & (steps % 2 == 1)
    zero = jnp.zeros_like(x)

    def times(p, q):  # (I + P)(I + Q) - I
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
        return (
            choose(more, times(change, change), change),
            choose(more, product(power, power), power),
            choose(odd, times(change, change_k), change_k),
            choose(odd, product(power, power_k), power_k),
            steps // 2,
        )

    start = (-x, -b, x, b - 1.0), (1.0 - x, -b, x, b), (zero,) * 4, (zero + 1.0, zero, zero, zero + 1.0), steps
    _, _, change, power, _ = lax.fori_loop(0, 48, square, start)
    moved, remains = change[0] + velocity * change[1], power[0] + velocity * power[1]
    learnt = jnp.where(odd, 2.0 + moved, 0.0 - moved)
    log, learnt = log_or_nan(learnt) - jnp.log(unit), learnt / unit
    left = jnp.where(learnt < 0.5, 1.0 - learnt, jnp.where(odd, -remains, remains))
    # of the two, the smaller has the digits, of slopes too
    learnt = sloped(learnt, (jnp.where(learnt < 0.5, learnt, -left), 1.0), (given, 0.0), (b, 0.0))
    learnt, left = not_sloped(learnt, counted), not_sloped(left, counted)
    log = jnp.where(tiny, not_sloped(log, counted), log_or_nan(learnt))
    return nothing_lost(Share(learnt, log), Share(left, log_or_nan(left)))
