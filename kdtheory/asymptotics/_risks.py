"""What learners do in the limit: their risks, and what each direction of the population gets."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import as_array, check_pairs, concrete
from kdtheory._compilation import quickly, room_for
from kdtheory._record import of_path, record
from kdtheory.asymptotics._limit import Limit, read
from kdtheory.learners import Learner, Ridge, check_learner

FEW = 100  # nodes below which a form is not split
LEARNT, LEVEL = 1e-8, 0.999  # of what is learnt at the first node: at zero so much is some, and so much is the same
NEAR = 1e-3  # learnt at the first node, up to which nodes resolve how it falls to zero
MANY = 1 << 17  # numbers for which a program that runs faster is worth that it takes longer to make


@record
class Risk:
    """Expected squared error, in excess of the noise, in two parts."""

    bias: jax.Array  # path axes
    variance: jax.Array  # path axes

    axes = of_path

    @property
    def total(self) -> jax.Array:
        """The sum of both: path axes."""
        return self.bias + self.variance


def at_points(learner: Learner, points: Any) -> tuple[Any, Any]:
    """What a learner has learnt and left at some eigenvalues (n,): path axes + (n,), in NumPy where nothing is traced.

    Points are filled up to a power of two, so that as many others find what was compiled.
    """
    check_learner(learner)
    if not concrete((learner, points)):
        return _both(learner, points)
    count = len(points)
    filled = np.pad(np.asarray(points), (0, room_for(count) - count), mode="edge")
    often = len(filled) * np.size(learner.clock) >= MANY
    with jax.core.eval_context():  # also where other learners are traced
        return tuple(np.asarray(part)[..., :count] for part in quickly(_both, learner, filled, often=often))


@jax.jit
def _both(learner, points):
    shares = learner.shares(points)
    return shares.learnt.value, shares.residual.value


def at_nodes(learner, limit):
    """What a learner has learnt and left at the nodes, its step sizes set and checked: as `at_points`."""
    top = limit.edges[-1, 1]
    check_learner(learner)
    learner = learner.tuned(top)
    if concrete((learner, limit)):
        check_learner(learner, top)
        for part in learner.parts():
            _refuse_poles(part, limit.edges)
            step = part.given_step
            if step is not None and part.max_step_size(top) > step >= part.max_step_size(limit.reach):
                warnings.warn(
                    f"{type(part).__name__}.step_size is {float(step):.6g}, stable up to the limit's edge {top:.6g},"
                    f" but single draws have eigenvalues up to {limit.reach:.6g} or so, on which the loop diverges",
                    stacklevel=4,
                )
    return at_points(learner, limit.nodes)


def _refuse_poles(part, edges):
    """Of a negative penalty inside the spectrum, where no sum over nodes is near the integral, which is infinite."""
    if not isinstance(part, Ridge):
        return
    poles = np.ravel(-np.asarray(part.penalty))
    for low, high in np.asarray(edges):
        inside = poles[(poles > 0) & (low <= poles) & (poles <= high)]
        if inside.size:
            raise ValueError(
                f"Ridge.penalty is {-inside[0]:.6g}: its filter has a pole inside the limit's spectrum, which spans"
                f" [{low:.6g}, {high:.6g}], and an infinite risk; give a penalty that is not negative, or one below"
                f" {-np.max(edges):.6g}"
            )


def risk(learner: Learner, limit: Limit) -> Risk:
    """Expected squared error on new inputs, in excess of the noise: bias and variance, each of the path's axes.

    E|x · (w - w*)|² over new inputs x, training inputs and labels, not halved: with r = 1 - φ the learner's residual
    and sums over the sample spectrum, bias Σ p r² ν - ½ ΣΣ (p - p′)/(λ - λ′) (r - r′)² ν ν′ and variance σ² Σ φ²/λ ν,
    where p(λ) is the signal that is seen at λ. The learner starts at zero; of a loop whose step size waits for the
    data, it is 1/λ_max of the limit, and of mini-batches this is the mean run's. Slopes by the learner's fields are
    exact. Filters that jump are resolved to the distance of the nodes, or exactly where they do so in a gap.

    Infinite with noise where there are as many directions as samples and the smallest eigenvalues are learnt all the
    same, as by least squares. There nodes resolve penalties down to some 1e-15 of the largest eigenvalue, and times up
    to its inverse: beyond, where truth is large but finite, both parts are NaN. Warns of a step size with which the
    loop diverges, in the limit or on some draws of its size. Raises ValueError for a negative penalty that puts the
    pole of ridge's filter inside the spectrum.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([1.0], samples=100, signal=1.0, noise=0.5, multiplicities=[200])
    >>> path = kd.GradientFlow([0.0, 1.0, 1e3])
    >>> print(kd.asymptotics.risk(path, limit).total.round(4))
    [1.     0.6456 0.75  ]
    """
    return cross_risk(learner, learner, limit)


def training_risk(learner: Learner, limit: Limit) -> Risk:
    """Expected squared error on the training inputs, against the truth: bias and variance, each of the path's axes.

    E|X(w - w*)|²/N. Add σ² for fresh labels at the same inputs. As in `risk`, without `test_covariance`.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([1.0], samples=100, signal=1.0, noise=0.5, multiplicities=[200])
    >>> print(kd.asymptotics.training_risk(kd.GradientFlow([0.0, 1e3]), limit).total.round(4))
    [1.   0.25]
    """
    limit = read(limit)
    learnt, left = at_nodes(learner, limit)
    return _risk(left**2 @ limit.training_signal, learnt**2 @ limit.training_noise)


def cross_risk(first: Learner, second: Learner, limit: Limit) -> Risk:
    """E (w₁ - w*)ᵀ Σ (w₂ - w*) of two learners on the same data, as in `risk`: what ensembles and mixtures need.

    Path axes of both must broadcast.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([1.0], samples=100, signal=1.0, noise=0.5, multiplicities=[200])
    >>> early, late = kd.GradientFlow(0.5), kd.GradientFlow(2.0)
    >>> print(kd.asymptotics.cross_risk(early, late, limit).total.round(4))
    0.6187
    """
    limit = read(limit)
    learnt, left = at_nodes(first, limit)
    learnt_too, left_too = (learnt, left) if second is first else at_nodes(second, limit)
    check_pairs(first=learnt.shape[:-1], second=learnt_too.shape[:-1])
    both = learnt * learnt_too
    bias = _product(limit.form, left, left_too) - both @ limit.null + limit.missed
    variance = both @ limit.noise
    if down_to_zero(limit):
        there = at_zero(first, limit)
        there_too = there if second is first else at_zero(second, limit)
        level, known = near_zero(limit, there, learnt[..., 0])
        level_too, known_too = near_zero(limit, there_too, learnt_too[..., 0])
        bias, variance = _ended(limit, bias, variance, level & level_too, known & known_too, there * there_too)
    return _risk(bias, variance)


def disagreement(first: Learner, second: Learner, limit: Limit) -> Risk:
    """E |x · (w₁ - w₂)|² of two learners on the same data, on new inputs: of a student and its teacher, say.

    `bias` is the part that the signal makes, `variance` that of the noise.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([1.0], samples=100, signal=1.0, noise=0.5, multiplicities=[200])
    >>> teacher = kd.GradientFlow(2.0)
    >>> print(kd.asymptotics.disagreement(teacher, kd.distill(teacher, teacher), limit).total.round(4))
    0.016
    """
    limit = read(limit)
    (learnt, left), (learnt_too, left_too) = at_nodes(first, limit), at_nodes(second, limit)
    where = np.where if isinstance(learnt, np.ndarray) and isinstance(learnt_too, np.ndarray) else jnp.where
    check_pairs(first=learnt.shape[:-1], second=learnt_too.shape[:-1])
    apart = where(abs(learnt) < 0.5, learnt - learnt_too, left_too - left)
    bias, variance = _product(limit.form, apart, apart) - apart**2 @ limit.null, apart**2 @ limit.noise
    if down_to_zero(limit):
        there, there_too = (at_zero(each, limit) for each in (first, second))
        _, known = near_zero(limit, there, learnt[..., 0])
        _, known_too = near_zero(limit, there_too, learnt_too[..., 0])
        level, resolved = near_zero(limit, there - there_too, apart[..., 0])
        bias, variance = _ended(limit, bias, variance, level, known & known_too & resolved, 1.0)
    return _risk(bias, variance)


def _product(form, first, second):
    """Of a symmetric form (n, n) and two vectors, path axes + (n,); of one vector twice, in two thirds of the time."""
    half = len(form) // 2
    if second is not first or not isinstance(first, np.ndarray) or first.ndim < 2 or half < FEW:
        return ((first @ form) * second).sum(-1)
    low, high = first[..., :half], first[..., half:]
    across = np.einsum("...i,...i->...", low @ form[:half, half:], high)
    return _product(form[:half, :half], low, low) + _product(form[half:, half:], high, high) + 2.0 * across


def _risk(bias, variance):
    return Risk(as_array(bias), as_array(variance))


def population_filter(learner: Learner, limit: Limit) -> jax.Array:
    """What each direction i of the population really gets, φ̄_i = E v_iᵀ φ(S) v_i with S = XᵀX/N: path axes + (P,).

    The learner's parameters are φ̄_i times the true ones, on average; for ridge φ̄ = s/(s + κ), with κ of
    `effective_ridge`. In the order of the eigenvalues that `limit` was given.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([2.0, 0.5, 0.0], samples=2)
    >>> κ = kd.asymptotics.effective_ridge(limit, 0.1)
    >>> print(kd.asymptotics.population_filter(kd.Ridge(0.1), limit).round(4), (2.0 / (2.0 + κ)).round(4))
    [0.8496 0.5855 0.    ] 0.8496
    """
    limit = read(limit)
    learnt, _ = at_nodes(learner, limit)
    s = limit.population[0]
    distance = abs(s - limit.points[:, None])
    weights = (limit.seen[:, None] / distance) * (s / distance)
    found = learnt @ weights
    zeros = found[..., :1] * 0.0
    joined = (np if isinstance(found, np.ndarray) else jnp).concatenate([found, zeros], axis=-1)
    return as_array(joined[..., limit.group])


# Where there are as many directions as samples, and eigenvalues go down to zero.


def down_to_zero(limit):
    """Whether there are as many directions as samples, or that is not known: then eigenvalues go down to zero."""
    return not concrete(limit) or limit.edges[0, 0] == 0


def at_zero(learner, limit):
    """What is learnt at the least eigenvalue that floats have, path axes."""
    return at_points(learner.tuned(limit.edges[-1, 1]), np.array([np.finfo(float).tiny]))[0][..., 0]


def near_zero(limit, there, first):
    """Whether what is learnt `there`, next to zero, is as much as at the first node, and whether nodes tell: if it is,
    or if it falls to zero over several of them."""
    where = np.where if concrete((limit, there, first)) else jnp.where
    there = where(limit.nodes[0] * LEARNT > np.finfo(float).tiny, there, 0.0)  # else it is not nearer
    level = (there != 0.0) & (abs(there) >= LEVEL * abs(first))
    return level, level | ((abs(first) <= NEAR) & (abs(there) <= LEARNT * abs(first)))


def _ended(limit, bias, variance, level, known, there):
    """Bias and variance where eigenvalues go down to zero: of noise is infinite what is learnt there over them, and
    what nodes do not resolve is NaN, as are slopes of both."""
    numpy = np if concrete((limit, variance, level)) else jnp
    where = numpy.where
    ends, noisy = limit.edges[0, 0] == 0.0, limit.noise.sum() > 0.0
    infinite = ends & noisy & level & known
    bias = bias * where(ends & ~known, np.nan, 1.0)
    variance = variance * where(infinite | (ends & ~known), np.nan, 1.0)
    return bias, where(infinite, numpy.copysign(np.inf, there), variance)
