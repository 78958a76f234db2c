"""Scalar functions that keep their digits.

Here x = rate · clock is the dimensionless progress of a learner along one eigendirection. Everything works on
arrays, under `jit`, `vmap` and `grad`. Rounding errors are carried along where the next operation would
magnify them, with the error-free transformations of Dekker (1971) and Knuth (1969); compilers may rewrite `(1
+ x) - 1` into `x`, which `optimization_barrier` forbids.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from kdtheory._checks import Number, Numbers
from kdtheory._compilation import traced_once

LOG2 = math.log(2.0)
_SEEN = 1e-200  # a value that leaves room for its slope


def where(
    condition: jax.Array,
    function: Callable[[jax.Array], jax.Array],
    otherwise: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    *,
    inside: float,
) -> jax.Array:
    """`function(x)` where the condition holds and `otherwise(x)` elsewhere, each on its own domain only.

    `inside` is a harmless point of the domain of `function`; without it the branch that is not taken could
    turn a gradient into NaN.
    """
    return jnp.where(condition, function(jnp.where(condition, x, inside)), otherwise(x))


@traced_once
def two_sum(a: Number, b: Number) -> tuple[jax.Array, jax.Array]:
    """The rounded sum of a and b, and its rounding error, exactly (Knuth 1969)."""
    total = lax.optimization_barrier(a + b)
    b_seen = lax.optimization_barrier(total - a)
    error = (a - (total - b_seen)) + (b - b_seen)
    return total, lax.stop_gradient(jnp.where(jnp.isfinite(total), error, 0.0))


@traced_once
def two_product(a: Number, b: Number) -> tuple[jax.Array, jax.Array]:
    """The rounded product of a and b, and its rounding error, exactly (Dekker 1971).

    The factors are split by rounding away their last 27 bits, as integers, which no compiler can undo; their
    exponents are put aside meanwhile, since the lesser half of a small factor would be flushed to zero. An error
    that underflows is zero.
    """
    a, b = jnp.broadcast_arrays(jnp.asarray(a, float), jnp.asarray(b, float))
    product = _rounded(a * b)
    if product.dtype != jnp.float64:
        return product, jnp.zeros_like(product)
    a, b = _mantissa(a), _mantissa(b)
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    of_mantissas = _rounded(a * b)
    error = ((a_high * b_high - of_mantissas) + a_high * b_low + a_low * b_high) + a_low * b_low
    error = error * (product / of_mantissas)  # a power of two
    return product, lax.stop_gradient(jnp.where(jnp.isfinite(error), error, 0.0))


def _mantissa(a):
    """Its sign and digits, between 1 and 2 in size; of zero and infinity any number."""
    bits = lax.bitcast_convert_type(a, jnp.uint64) & np.uint64(0x800F_FFFF_FFFF_FFFF)
    return lax.bitcast_convert_type(bits | np.uint64(0x3FF0_0000_0000_0000), jnp.float64)


@traced_once
def three_product(a: jax.Array, b: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rounded product of three numbers >= 0, and its rounding error, to a relative 1e-32 of the product.

    The largest meets the smallest first: what leaves the range of floats then does so in the end as well.
    """

    def ordered(a, b):
        return jnp.where(a > b, b, a), jnp.where(a > b, a, b)

    a, b = ordered(a, b)
    b, c = ordered(b, c)
    a, b = ordered(a, b)
    outer, error = two_product(a, c)
    product, last = two_product(outer, b)
    error = error * b
    return two_sum(product, lax.stop_gradient(jnp.where(jnp.isfinite(error), error, 0.0) + last))


def _rounded(product):
    """A product that stays one: compilers contract `a*b + c` into one instruction that never rounds a·b.

    Neither `optimization_barrier` nor a mask of all bits survives until that happens; a selection does.
    """
    return jnp.maximum(product, -jnp.finfo(product.dtype).max)


def _split(a):
    bits = lax.bitcast_convert_type(a, jnp.uint64) + np.uint64(0x0400_0000)
    high = lax.bitcast_convert_type(bits & np.uint64(0xFFFF_FFFF_F800_0000), jnp.float64)
    return high, a - high


def expm1(x: Number) -> jax.Array:
    """e^x - 1, to two ulp (XLA's own loses four)."""
    return -one_minus_exp(-x)


@jax.custom_jvp
def one_minus_exp(x: Number) -> jax.Array:
    """1 - e^-x, to two ulp."""
    if jnp.result_type(x) != jnp.float64:
        return -jnp.expm1(-x)
    halvings, small = _halved(lax.clamp(-710.0, x, 708.0), 0.0)
    half = _two_to_the(-1.0 - halvings)  # since 2^1024 is no number, where e^-x may be one
    # The selection changes no value, but without it XLA makes a kernel of each part of this to sum over the result.
    return jnp.where(halvings == 0, 0.0 - small, 2.0 * ((0.5 - half) - small * half))


@one_minus_exp.defjvp
def _(primals, tangents):
    return one_minus_exp(*primals), exp_minus(*primals) * tangents[0]


@traced_once
def log1p(x: Number) -> jax.Array:
    """log(1 + x), to about two ulp (XLA's own loses a hundred for x in (-0.41, -0.29))."""
    low = x < -0.28
    total, error = two_sum(1.0, jnp.where(low, x, -0.5))
    return jnp.where(low, jnp.log(total) + jnp.where(total > 0, error / total, 0.0), jnp.log1p(jnp.where(low, 0.0, x)))


@traced_once
def log1mexp(x: Number, residual: Number | None = None) -> jax.Array:
    """log(1 - e^-x) for x >= 0, where `residual` is e^-x if that is known better than x."""
    large, small = x >= LOG2, (x > 0) & (x < LOG2)
    residual = exp_minus(jnp.where(large, x, 1.0)) if residual is None else residual
    value = jnp.where(small, jnp.log(-expm1(-jnp.where(small, x, 0.5))), log1p(-jnp.where(large, residual, 0.5)))
    return jnp.where(x > 0, value, jnp.where(x == 0, -jnp.inf, jnp.nan))


@jax.custom_jvp
def exp_minus(x: Number, error: Number = 0.0) -> jax.Array:
    """e^-(x + error), to about an ulp (XLA's own loses two), where `error` is the rounding error that x
    carries."""
    if jnp.result_type(x) != jnp.float64:
        return jnp.exp(-x) * jnp.exp(-error)
    inside = jnp.abs(x) < 760.0  # beyond, it is 0 or inf
    halvings, small = _halved(lax.clamp(-760.0, x, 760.0), jnp.where(inside, error, 0.0))
    first = jnp.floor(halvings / 2)  # in two steps, since 2^-1074 is no normal number
    return (1.0 + small) * _two_to_the(-first) * _two_to_the(first - halvings)


@exp_minus.defjvp
def _(primals, tangents):
    value = exp_minus(*primals)
    return value, -value * (tangents[0] + tangents[1])


@traced_once
def _halved(x, error):
    """Whole k and small s with e^-(x + error) = 2^-k (1 + s): expm1 of at most log(2)/2, by its Taylor polynomial."""
    halvings = jnp.rint(x / LOG2)
    rest = (halvings * _LOG2_HIGH - x) + (halvings * _LOG2_LOW - error)
    series = rest * (1.0 / math.factorial(13))
    for n in range(12, 2, -1):
        series = (series + 1.0 / math.factorial(n)) * rest
    return halvings, rest + rest * rest * (0.5 + series)


_LOG2_HIGH, _LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # their sum; the first has 32 bits


def _two_to_the(exponent):
    """2^exponent. The sum ends in the bits of the biased exponent: a conversion to int takes longer to compile."""
    bits = lax.bitcast_convert_type(exponent + (1.5 * 2.0**52 + 1023), jnp.uint64)
    return lax.bitcast_convert_type(bits << np.uint64(52), jnp.float64)


def excess_exponential(x: Number) -> jax.Array:
    """(e^x - 1 - x) / x, the relative excess of the exponential over its tangent, for x < 700."""
    small = jnp.abs(x) <= 1.0
    z = jnp.where(small, x, 0.0)
    series = jnp.zeros_like(z)
    for n in range(20, 1, -1):
        series = (series + 1.0 / math.factorial(n)) * z
    y = jnp.where(small, 1.0, x)
    return jnp.where(small, series, (jnp.exp(y) - 1.0 - y) / y)


@jax.custom_jvp
def sloped(value: Number, *terms: tuple[Number, Number]) -> jax.Array:
    """A value with a slope that keeps its digits: the sum of slope · dx over the terms (x, slope).

    The slope of how a value was computed may lose them all: that of w·t + (1 - w) by w is t - 1, where 1 - t is
    known better.
    """
    return value


@sloped.defjvp
def _(primals, tangents):
    (value, *terms), (_, *moved) = primals, tangents
    slope = sum(slope * dx for (_, slope), (dx, _) in zip(terms, moved, strict=True))
    return value, jnp.broadcast_to(slope, jnp.shape(value))


@jax.custom_jvp
def not_sloped(value: Number, x: Number) -> jax.Array:
    """A value that has no derivative by x, since it jumps there or x is whole: NaN by x, and others as they are."""
    return value


@not_sloped.defjvp
def _(primals, tangents):
    (value, _), (dvalue, dx) = primals, tangents
    # inf - inf, and not NaN, so that zero stays zero: the forward mode by another variable is not spoilt
    return value, dvalue + jnp.broadcast_to(_times_infinity(dx) + _times_infinity(-dx), jnp.shape(value))


def _linear(name, function, backwards):
    """An operation of one array that JAX takes for linear, with another in the reverse mode."""
    operation = Primitive(name)
    operation.def_impl(function)
    operation.def_abstract_eval(lambda x: x)
    mlir.register_lowering(operation, mlir.lower_fun(function, multiple_results=False))
    ad.deflinear2(operation, lambda ct, _: [backwards(ct)])
    batching.defvectorized(operation)
    return operation.bind


# For slopes. A selection: of two products, compilers round one alone, and infinity minus infinity is infinite.
_times_infinity: Callable = _linear(
    "times_infinity", lambda x: jnp.where(x == 0, 0.0, x * jnp.inf), lambda x: _times_infinity(x)
)
# backwards zero stays zero, so that no other output is spoilt
_over_zero = _linear("over_zero", lambda x: x / jnp.zeros_like(x), _times_infinity)


@jax.custom_jvp
def _log_sloped(log, value, none=0.0):
    """The log of a value, with the slope dvalue/value where that is of normal size, and its own elsewhere: that lacks
    what a part of the value which is zero adds, whose log has no slope."""
    return log


@_log_sloped.defjvp
def _(primals, tangents):
    (log, value, _), (dlog, dvalue, dnone) = primals, tangents
    normal, positive = value > _SEEN, value > 0
    return log, jnp.where(normal, dvalue, dnone) / jnp.where(positive, value, 1.0) + jnp.where(normal, 0.0, dlog)


@jax.custom_jvp
def _honest(log, value):
    """A log whose slope is dvalue/0 where it is -inf, and NaN where it is NaN."""
    return log


@_honest.defjvp
def _(primals, tangents):
    (log, _), (dlog, dvalue) = primals, tangents
    infinite, none = _over_zero(dvalue), _over_zero(-dvalue)
    slope = jnp.where(log == -jnp.inf, infinite, jnp.where(jnp.isnan(log), infinite + none, dlog))
    return log, slope


def power_of_two(numbers: Numbers) -> float:
    """The least one above all of some numbers >= 0, or one: to divide by it changes no digit."""
    return float(np.ldexp(1.0, min(np.frexp(np.max(numbers))[1], 1023)))
