"""How far a student lags on one eigenvalue when it has caught up on another: matched times, margins, exaggeration.

On eigenvalues, exactly; on trajectories the same, as observed.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import numerics
from kdtheory._checks import Numbers, as_array, as_direction, as_floats, as_level
from kdtheory._compilation import elementwise
from kdtheory.numerics import expm1, log1mexp, log1p
from kdtheory.trajectories import Trajectory, runs_of

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
    `level` is past what the teacher had learnt of `lead`, since no student gets there.

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
    smaller one (own; sufficient, not necessary). Elementwise with broadcasting, by JAX's derivatives.

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


# Trajectories. Each is a path, of a loop, of theory or of a log; or a list of them, or one with an axis of runs in
# front, of which each is read by itself.


def matched_clock(
    teacher: Trajectory | Sequence[Trajectory],
    student: Trajectory | Sequence[Trajectory],
    direction: int = 0,
    *,
    isotonic: bool = False,
) -> np.ndarray:
    """At each moment of the student, (T,), the teacher's clock at which it had made the same progress on one
    direction.

    Both are Trajectories, of a path; for several runs, (S, T), see `progress_at`, also for runs that are noisy.
    Between the teacher's saved moments its clock is interpolated monotonically in -log(1 - progress), which is exact
    for flow and gradient descent. Where progress falls, what counts is the most that was reached so far, of both. NaN
    where the teacher never got there.

    >>> import kdtheory as kd
    >>> path = kd.GradientFlow(jnp.linspace(0.0, 3.0, 50))
    >>> runs = [kd.closed_form(each, [1.0]) for each in (path, kd.distill(kd.GradientFlow(2.0), path))]
    >>> seen, clock = kd.measures.matched_clock(*runs), runs[1].clock
    >>> print(f"{kd.measures.matched_time(1.0, seen[20], teacher_time=2.0):.5f} {clock[20]:.5f}")
    1.22449 1.22449
    """
    several, pairs = _matched(teacher, student, direction, isotonic)
    found = []
    for teacher, student in pairs:
        clocks = np.full(student.size, np.nan)
        clocks[student.order] = _when_reached(teacher.lead, teacher.clock[:, None], student.levels, deep=False)[:, 0]
        found.append(clocks)
    return _together(found, several)


def matched_progress(
    teacher: Trajectory | Sequence[Trajectory],
    student: Trajectory | Sequence[Trajectory],
    direction: int = 0,
    *,
    isotonic: bool = False,
) -> np.ndarray:
    """At each moment of the teacher, the student's progress along every direction, (T, K), when it had made the same
    progress on one direction.

    Over the teacher's own progress that is ρ, all along the run: the inverse view of `matched_clock`, for which see the
    rest. Several runs, (S, T, K), are then on the clocks of their teachers, so that they can be averaged.

    >>> import kdtheory as kd
    >>> path = kd.GradientFlow(jnp.linspace(0.0, 3.0, 50))
    >>> runs = [kd.closed_form(each, [1.0, 0.1]) for each in (path, kd.distill(kd.GradientFlow(2.0), path))]
    >>> print((kd.measures.matched_progress(*runs)[20] / runs[0].progress[20]).round(4))  # ρ
    [1.     0.2454]
    """
    several, pairs = _matched(teacher, student, direction, isotonic)
    found = []
    for teacher, student in pairs:
        progress = np.full((teacher.size, student.progress.shape[1]), np.nan)
        progress[teacher.order] = _when_reached(student.lead, student.progress, teacher.levels, deep=True)
        found.append(progress)
    return _together(found, several)


def progress_at(
    run: Trajectory | Sequence[Trajectory], level: float, lead: int = 0, *, isotonic: bool = False
) -> np.ndarray:
    """Progress along every direction, (K,), when the fraction `level` of direction `lead` is learnt.

    Between the saved moments of the path, -log(1 - progress) of each direction is interpolated monotonically
    in that of the lead; for flow and gradient descent alone this is exact. NaN where the run never gets there, or
    begins beyond it. Several runs, a list or a trajectory with an axis of runs in front, give (S, K).

    A run that is noisy or swings reaches a level more than once: it is read when it first does, and a warning says so.
    With `isotonic` the progress of each direction is first replaced by its isotonic regression over the moments, the
    rising sequence that is nearest to it in least squares.

    Raises ValueError for a run of one moment, and where the lead never makes progress or has no target.

    >>> import kdtheory as kd
    >>> run = kd.closed_form(kd.GradientFlow(jnp.linspace(0.0, 3.0, 50)), [1.0, 0.1])
    >>> print(kd.measures.progress_at(run, level=0.5).round(6))                            # 1 - 0.5^0.1
    [0.5      0.066967]
    """
    return _progress_at("run", run, level, lead, isotonic)


def observed_exaggeration(
    teacher: Trajectory | Sequence[Trajectory],
    student: Trajectory | Sequence[Trajectory],
    level: float,
    lead: int = 0,
    *,
    isotonic: bool = False,
) -> np.ndarray:
    """`exaggeration` as seen in two trajectories: 1 - ρ for every direction, (K,).

    Each of the two is read by `progress_at`, when it has learnt the fraction `level` of direction `lead`. NaN
    where one of them never gets there. Of runs that saved few moments this is an interpolation. Several runs, of seeds
    say, are paired in their order, or all with a single teacher, and give (S, K), of which `confidence.mean_interval`
    makes an interval.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.1])
    >>> teacher, path = kd.GradientFlow(2.0), kd.GradientFlow(jnp.linspace(0.0, 3.0, 50))
    >>> seen = kd.simulate(path, problem), kd.simulate(kd.distill(teacher, path), problem)
    >>> print(kd.measures.observed_exaggeration(*seen, level=0.5).round(4))
    [0.     0.7761]
    """
    _pairs(teacher, student)
    teacher_learnt = _progress_at("teacher", teacher, level, lead, isotonic)
    student_learnt = _progress_at("student", student, level, lead, isotonic)
    if teacher_learnt.shape[-1] != student_learnt.shape[-1]:
        raise ValueError(
            f"teacher has {teacher_learnt.shape[-1]} directions and student {student_learnt.shape[-1]}: project both on"
            " the eigendirections of one problem"
        )
    with np.errstate(invalid="ignore", divide="ignore"):  # along what neither learns
        return (teacher_learnt - student_learnt) / teacher_learnt


_SATURATED = 1e-13  # progress so near to one is rounding
_FALL = 1e-6  # by which progress may fall without a word


class _Ordered(NamedTuple):
    """A run in the order of its clock, without the moments at which the lead is lost."""

    size: int  # of the run as it was
    order: np.ndarray  # of its moments
    clock: np.ndarray  # (T,)
    progress: np.ndarray  # (T, K)
    lead: np.ndarray  # (T,)

    @property
    def levels(self) -> np.ndarray:
        """The most of the lead that was reached so far; NaN where it is one but for rounding, at which nothing can be
        matched."""
        most = np.maximum.accumulate(self.lead)
        return np.where(np.abs(most - 1) > _SATURATED, most, np.nan)


def _progress_at(name, run, level, lead, isotonic):
    reached = np.array([float(as_level(level))])
    runs = _in_order(name, runs_of(run), lead, isotonic)
    found = [_when_reached(each.lead, each.progress, reached, deep=True)[0] for each in runs]
    return _together(found, not isinstance(run, Trajectory) or run.clock.ndim > 1)


def _together(found, several):
    if len({len(each) for each in found}) > 1:
        raise ValueError(f"several runs must have equally many moments and directions, got {[*map(len, found)]}")
    return np.stack(found) if several else found[0]


def _pairs(teacher, student):
    """Whether there are several pairs, and they: each student with its teacher, or with the only one."""
    teachers, students = runs_of(teacher), runs_of(student)
    several = any(not isinstance(run, Trajectory) or run.clock.ndim > 1 for run in (teacher, student))
    if len(teachers) != len(students) and 1 not in (len(teachers), len(students)):
        raise ValueError(f"{len(teachers)} teachers and {len(students)} students: give one teacher, or one to each")
    count = max(len(teachers), len(students))
    teachers, students = (runs * count if len(runs) == 1 else runs for runs in (teachers, students))
    return several, list(zip(teachers, students, strict=True))


def _matched(teacher, student, direction, isotonic):
    """Whether there are several pairs, and they, in order."""
    several, pairs = _pairs(teacher, student)
    teachers, students = zip(*pairs, strict=True)
    teachers = _in_order("teacher", teachers, direction, isotonic, depth=5)
    return several, list(zip(teachers, _in_order("student", students, direction, isotonic, depth=5), strict=True))


def _in_order(name, runs, direction, isotonic, depth=4):
    """Runs in the order of their clocks, as they are or smoothed; a warning says which are not monotone."""
    ordered, falls = [], []
    for run in runs:
        direction = as_direction(direction, len(run.eigenvalues))
        clock, progress = np.asarray(run.clock, float), np.asarray(run.progress, float)
        if clock.ndim == 0 or len(clock) < 2:
            raise ValueError(
                "a trajectory of at least two moments is needed; give the learner an array as its last field"
            )
        order = np.argsort(clock, kind="stable")
        order = order[np.isfinite(progress[order, direction])]
        if len(order) == 0:
            raise ValueError(f"direction {direction} has no target, so that no progress can be made along it")
        progress = progress[order]
        lead = progress[:, direction]
        fall = np.maximum.accumulate(lead) - lead
        if not lead.max() > lead[0]:
            raise ValueError(
                f"direction {direction} makes no progress: the {name} begins at {lead[0]:.3g} and never gets beyond."
                " A log that does not begin at zero needs kd.project(..., start=predictions before training)"
            )
        falls.append((fall.max(), clock[order][int(np.argmax(fall))]))
        if isotonic:
            progress = _rising(progress)
        ordered.append(_Ordered(len(clock), order, clock[order], progress, progress[:, direction]))
    worst, at = max(falls)
    if worst > _FALL and not isotonic:
        count = sum(fall > _FALL for fall, _ in falls)
        whose = f"the {name}" if len(runs) == 1 else f"{count} of {len(runs)} runs of the {name}"
        warnings.warn(
            f"progress of {whose} along direction {direction} is not monotone: it falls by up to {worst:.2g}, at clock"
            f" {at:.4g}. It is read where it first reaches a level; isotonic=True reads a rising fit instead",
            stacklevel=depth,
        )
    return ordered


def _rising(progress):
    """The isotonic regression of each column (T, K) that is known."""
    from scipy.optimize import isotonic_regression

    known = np.isfinite(progress).all(axis=0)
    columns = [isotonic_regression(each).x if fits else each for each, fits in zip(progress.T, known, strict=True)]
    return np.stack(columns, axis=1)


def _depth(progress):
    """-log(1 - progress): what grows evenly with time under gradient descent."""
    return -np.log1p(-np.where(progress < 1 - _SATURATED, progress, np.nan))


def _when_reached(lead, columns, levels, deep):
    """Of `columns` (T, n), what they are when `lead` (T,) first reaches each of some levels (L,): (L, n).

    Between two moments they are interpolated monotonically against the depth of the lead, over as many moments around
    them as it rises without a rest, and in their own depth if `deep`; where there is no depth, at and beyond one,
    between the two in a line.
    """
    from scipy.interpolate import PchipInterpolator

    found = np.full((len(levels), columns.shape[1]), np.nan)
    after = np.searchsorted(np.maximum.accumulate(lead), levels)  # the first moment at which it is reached
    after = np.where((after == 0) & (levels == lead[0]), 1, after)
    known = np.flatnonzero((after > 0) & (after < len(lead)))
    if len(known) == 0:
        return found
    before, after, levels = after[known] - 1, after[known], levels[known]
    x, y, reached = _depth(lead), _depth(columns) if deep else columns, _depth(levels)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (reached - x[before]) / (x[after] - x[before])
        share = np.where(np.isfinite(share), share, (levels - lead[before]) / (lead[after] - lead[before]))
    share = np.where(levels == lead[before], 0.0, share)[:, None]
    value = columns[before] + share * (columns[after] - columns[before])

    stretch = np.concatenate([[0], np.cumsum(~(np.diff(x) > 0))])
    for number in np.unique(stretch[after]):
        inside = np.flatnonzero((stretch[after] == number) & (stretch[before] == number))
        moments = np.flatnonzero(stretch == number)
        moments = moments[np.isfinite(x[moments])]
        fits = np.isfinite(y[moments]).T  # (n, moments)
        for shared in np.unique(fits, axis=0) if len(inside) else []:
            if shared.sum() < 2:
                continue
            same = np.flatnonzero((fits == shared).all(axis=1))
            curve = PchipInterpolator(x[moments][shared], y[np.ix_(moments[shared], same)])
            at = np.clip(reached[inside], x[before[inside]], x[after[inside]])
            ends = np.isfinite(y[np.ix_(before[inside], same)] + y[np.ix_(after[inside], same)])
            read = -np.expm1(-curve(at)) if deep else curve(at)
            value[np.ix_(inside, same)] = np.where(ends, read, value[np.ix_(inside, same)])
    found[known] = value
    return found


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
