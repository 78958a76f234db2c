"""What a claim sees, in each of its two lanes, and the signed margins that it returns."""

import contextvars
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import problems
from kdtheory._checks import Number, Numbers
from kdtheory._compilation import traced_once
from kdtheory._record import record
from kdtheory.learners import Learner
from kdtheory.numerics import Shares, share

EPS = float(np.finfo(float).eps)


@record
class Seen:
    """Where a learner ended along each direction, as fractions of the target, with what is known of their
    errors.

    `seen[k]` is one direction. Logs and errors serve `ahead`; formulas use `learnt` and `residual`, which sum
    to one.
    """

    learnt: jax.Array
    residual: jax.Array
    log_learnt: jax.Array
    log_residual: jax.Array
    log_learnt_error: jax.Array
    log_residual_error: jax.Array

    def __getitem__(self, direction: int | slice | jax.Array) -> "Seen":
        return jax.tree.map(lambda array: array[direction], self)


@record
class Margin:
    """A signed margin, positive where the claim holds, and the rounding within which its sign is not known.

    `size` is that of what is compared: the claim is also judged with less margin by a small part of it, and must then
    be found out (`Check.power`). In a claim of equality `tolerance` is the difference that is allowed, and is part of
    the margin.
    """

    value: Number
    rounding: Number
    size: Number = 1.0
    tolerance: Number = 0.0


Run = Callable[..., Seen]  # a lane: what a claim's function is given first
_T = TypeVar("_T")

EQUALITY = 1e-6  # the lie, relative to what is compared, that a claim of equality has to find out


def ahead(first: Seen, second: Seen, matched: Seen | None = None) -> Margin:
    """By how much `first` has learnt more than `second`, in logs of what is small: of learnt below ½, else of
    residual.

    `matched` is the sight from which the clock of one of the two was computed; its error moves that clock.
    """
    known = jnp.isfinite(first.log_residual) & jnp.isfinite(second.log_residual)
    late = (second.learnt >= 0.5) & known
    value = jnp.where(late, second.log_residual - first.log_residual, first.log_learnt - second.log_learnt)
    rounding = jnp.where(
        late, first.log_residual_error + second.log_residual_error, first.log_learnt_error + second.log_learnt_error
    )
    if matched is not None:
        clock = matched.log_residual_error / -matched.log_residual + matched.log_learnt_error
        rounding = rounding + clock * jnp.maximum(1.0, -jnp.where(late, first.log_residual, 0.0))
    return Margin(value, rounding)


@traced_once
def uncertainty(seen: Seen) -> jax.Array:
    """The absolute error of `learnt` and of `residual`, whichever logarithm knows it better."""
    return jnp.nanmin(
        jnp.stack([seen.log_learnt_error * jnp.abs(seen.learnt), seen.log_residual_error * jnp.abs(seen.residual)]),
        axis=0,
    )


def exceeds(first: Number, second: Number, rounding: Number, size: Number | None = None) -> Margin:
    """first - second, for claims that one number is larger than another: relative to the larger of the two in size, or
    to a `size` of your own."""
    size = jnp.maximum(jnp.abs(first), jnp.abs(second)) if size is None else size
    return Margin(first - second, rounding, size)


def at_least(first: Number, second: Number, error: Number, size: Number | None = None) -> Margin:
    """first - second and the allowed error, for claims that one number is never below another, but may equal it.

    As in `same`, an error of more than 1e-6 of what is compared leaves the margin unknown within it.
    """
    size = jnp.maximum(jnp.abs(first), jnp.abs(second)) if size is None else size
    value = first - second + error
    return Margin(value, jnp.where((error > EQUALITY * size) & (value >= 0) & (value <= 2 * error), jnp.inf, 0.0), size)


def same(first: Number, second: Number, error: Number, size: Number | None = None) -> Margin:
    """The allowed difference minus |first - second|, for claims of equality: never negative within `error`.

    An error of more than 1e-6 of what is compared, the larger of the two unless `size` is given, shows no equality:
    within it the margin is unknown.
    """
    size = jnp.maximum(jnp.abs(first), jnp.abs(second)) if size is None else size
    error = error + 1e-300  # what tells an equality from a bound, also where errors vanish, as in 60 digits
    value = error - jnp.abs(first - second)
    return Margin(value, jnp.where((error > EQUALITY * size) & (value >= 0), jnp.inf, 0.0), size, error)


def either(first: Margin, second: Margin) -> Margin:
    """The margin of "one or the other": the better of the two, unknown if one is and the other does not
    hold."""
    first, second = told(first), told(second)
    better = _slack(first) > _slack(second)
    chosen = jax.tree.map(lambda a, b: jnp.where(better, a, b), first, second)
    unknown = (jnp.isnan(first.value) | jnp.isnan(second.value)) & ~(_slack(chosen) > 0)
    return _known(dataclasses.replace(chosen, value=jnp.where(unknown, jnp.nan, chosen.value)))


def both(first: Margin, second: Margin, *others: Margin) -> Margin:
    """The margin of "one and the other", and any others: the worst of them, unknown if one is."""
    first, second = told(first), told(second)
    worse = _slack(first) < _slack(second)
    chosen = jax.tree.map(lambda a, b: jnp.where(worse, a, b), first, second)
    unknown = jnp.isnan(first.value) | jnp.isnan(second.value)
    chosen = _known(dataclasses.replace(chosen, value=jnp.where(unknown, jnp.nan, chosen.value)))
    return both(chosen, *others) if others else chosen


def _slack(margin):
    return jnp.nan_to_num(margin.value - margin.rounding, nan=-jnp.inf)


# Lies: what a claim says, and a little more.


class Lies:
    """How much more each part of a claim is made to say while its function is traced, relative to its size.

    A part is a margin that enters `both` or `either`, or is returned. Of an equality what it compares is moved apart
    by the lie; an inequality has its margin lowered by it. `asked` are the lanes that the function called.
    """

    def __init__(self, sizes: jax.Array) -> None:
        self.sizes, self.asked, self.equalities, self.exactly, self._known = sizes, set(), [], [], []

    @property
    def parts(self) -> int:
        """How many parts there were."""
        return len(self.equalities)

    def tell(self, margin: Margin) -> Margin:
        """The margin with the lie of its part, if it has not been told."""
        if any(margin is known for known in self._known):
            return margin
        if self.parts == MOST_PARTS:
            raise ValueError(f"a claim has at most {MOST_PARTS} parts; split it in two")
        lie = self.sizes[self.parts]
        apart = margin.tolerance - (lie * margin.size - (margin.tolerance - margin.value))
        equality = jnp.asarray(margin.tolerance) > 0
        self.equalities.append(equality)
        self.exactly.append(equality & (margin.value == margin.tolerance))
        spoilt = jnp.where(equality, apart, margin.value - lie * margin.size)
        margin = dataclasses.replace(margin, value=jnp.where(lie == 0.0, margin.value, spoilt))
        self._known.append(margin)
        return margin

    def known(self, margin: Margin) -> Margin:
        """A margin made of such as have been told."""
        self._known.append(margin)
        return margin

    def __enter__(self) -> "Lies":
        self._before = _LIES.set(self)
        return self

    def __exit__(self, *_: Any) -> None:
        _LIES.reset(self._before)


MOST_PARTS = 64
_LIES = contextvars.ContextVar("lies", default=None)


def _asked(lane):
    if lies := _LIES.get():
        lies.asked.add(lane)


def told(margin: Margin) -> Margin:
    """The margin with the lie that is told of it, if any."""
    lies = _LIES.get()
    return lies.tell(margin) if lies else margin


def _known(margin):
    lies = _LIES.get()
    return lies.known(margin) if lies else margin


# Bare numbers: how far off the sights that they were made of can have put them.


class Sights:
    """What a claim's function sees while it is traced, each sight nudged by some of `nudges`, if there are any."""

    def __init__(self, nudges: list[jax.Array] | None = None) -> None:
        self.nudges, self.errors, self.learnt = nudges, [], []

    def nudged(self, seen: Seen) -> Seen:
        """The sight with so much more learnt, and so much less left."""
        self.errors.append(uncertainty(seen) + EPS * jnp.abs(seen.learnt))
        self.learnt.append(jnp.abs(seen.learnt))
        if self.nudges is None:
            return seen
        more, share = self.nudges[len(self.errors) - 1], lambda part: jnp.where(part == 0.0, 1.0, part)
        return dataclasses.replace(
            seen,
            learnt=seen.learnt + more,
            residual=seen.residual - more,
            log_learnt=seen.log_learnt + more / share(seen.learnt),
            log_residual=seen.log_residual - more / share(seen.residual),
        )

    def __enter__(self) -> "Sights":
        self._before = _SIGHTS.set(self)
        return self

    def __exit__(self, *_: Any) -> None:
        _SIGHTS.reset(self._before)


_SIGHTS = contextvars.ContextVar("sights", default=None)


def _sighted(seen):
    sights = _SIGHTS.get()
    return sights.nudged(seen) if sights else seen


def returned(function: Callable, run: Run, quantities: dict[str, Any]) -> Any:
    """What a claim's function returns; a bare number as a margin.

    Its rounding is the errors of all that it saw, each times the number's slope by it, and a few units in its own last
    place; its size is what was learnt times those slopes.
    """
    with Sights() as sights:
        found = function(run, **quantities)
    plain = isinstance(found, (jax.Array, np.ndarray, np.generic, int, float)) and not jnp.shape(found)
    if not plain or jnp.asarray(found).dtype == bool or jnp.iscomplexobj(found):
        return found
    found = jnp.asarray(found, float)
    rounding, size = 4 * EPS * jnp.abs(found), jnp.zeros(())
    if sights.errors:

        def nudged(nudges):
            with Sights(nudges), Lies(jnp.zeros(MOST_PARTS)):  # lies are told of the number itself
                return jnp.asarray(function(run, **quantities), float)

        slopes = jax.jacfwd(nudged)([jnp.zeros(error.shape) for error in sights.errors])
        for slope, error, learnt in zip(slopes, sights.errors, sights.learnt, strict=True):
            rounding += jnp.sum(jnp.abs(slope) * error)
            size += jnp.sum(jnp.abs(slope) * learnt)
    return Margin(found, rounding, jnp.where(size > 0, size, 1.0))


def _check(learner, spectrum):
    if not isinstance(learner, Learner):
        raise TypeError(f"run takes a learner and eigenvalues (K,), such as run(kd.Ridge(1.0), [1.0]); got {learner!r}")
    if not isinstance(spectrum, list | tuple) and np.ndim(spectrum) == 0:
        raise ValueError("run takes eigenvalues (K,), and got a single number; write [eigenvalue]")


def _as_row(numbers):
    """An array of what may be a list, also of numbers that are traced; None as it is."""
    return None if numbers is None else jnp.asarray(numbers, float)


# The two lanes.


def theory(learner: Learner, spectrum: Numbers, target: Numbers | None = None, start: Numbers | None = None) -> Seen:
    """What the filters say. `target` is one and `start` zero along each direction unless given; lists will do."""
    _asked("theory")
    _check(learner, spectrum)
    return _sighted(_theory(learner, *map(_as_row, (spectrum, target, start))))


@jax.jit  # one program for all claims that ask alike
def _theory(learner, spectrum, target, start):
    shares, begun = learner.shares(spectrum), jnp.asarray(0.0 if start is None else start)
    if target is not None:
        return measured(shares.learnt.value * target + shares.left.value * begun, 4 * EPS)
    ended = Shares(shares.learnt + shares.left * share(begun), shares.left * share(1.0 - begun), shares.lost)
    learnt, residual = ended.learnt.value, ended.residual.value
    log_learnt, log_residual = ended.log_learnt(), ended.residual.log
    # composed logs are good to a few ulp, and the clock that a claim computes from them to a few more
    return Seen(
        learnt, residual, log_learnt, log_residual, 16 * EPS * jnp.abs(log_learnt), 16 * EPS * jnp.abs(log_residual)
    )


def practice(learner: Learner, spectrum: Numbers, target: Numbers | None = None, start: Numbers | None = None) -> Seen:
    """What the algorithm does, on data whose sample eigenvalues are exactly the given ones."""
    _asked("practice")
    _check(learner, spectrum)
    spectrum, target, start = map(_as_row, (spectrum, target, start))
    count = len(spectrum)
    u, v = _bases(count)
    features = jnp.sqrt(len(u)) * (u * jnp.sqrt(spectrum)) @ v.T
    target = jnp.ones(count) if target is None else target
    problem = problems.Linear(features, features @ (v @ target))
    parameters = learner.fit(problem, None if start is None else v @ (jnp.zeros(count) + start))
    clock = jnp.max(spectrum) * sum(part.rounded_clock for part in learner.parts())
    return _sighted(measured(v.T @ parameters, 1e-12 + 10 * EPS * clock))


def filters(run: Run) -> Run:
    """The lane of filters beside `run`: theory for practice, else `run` itself."""
    return theory if run is practice else run


def face(run: Run, formula: _T, algorithm: _T) -> _T:
    """For statements about no filter: the closed form where `run` is theory, the algorithm on data in practice."""
    _asked("practice" if run is practice else "theory")
    return algorithm if run is practice else formula


def searched(search: Callable[[], jax.Array]) -> jax.Array:
    """What a search finds. A claim that is judged in 60 digits takes it as floats find it, like what a loop finds."""

    @jax.jit
    def found_in_floats():
        return search()

    return found_in_floats()


@traced_once
def measured(learnt: jax.Array, error: Number) -> Seen:
    """Fractions known up to an absolute error."""
    residual = 1.0 - learnt
    log_learnt = jnp.log(learnt)
    return Seen(learnt, residual, log_learnt, jnp.log(residual), error / jnp.abs(learnt), error / jnp.abs(residual))


@functools.cache
def _bases(count):
    """One random rotation of the samples and one of the parameters, the same for all instances (and constants
    to JAX)."""
    random = np.random.default_rng(count)
    return tuple(np.linalg.qr(random.standard_normal((rows, count)))[0] for rows in (2 * count + 2, count))
