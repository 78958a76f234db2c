"""A teacher of other features than its student's, on the same samples: what of its bias the student inherits.

u_j, λ_j are the teacher's eigendirections and eigenvalues, v_k, μ_k the student's, and O_kj = v_kᵀu_j their overlap.
The student of labels t ends at St with S = Σ φ_S(μ_k) v_k v_kᵀ, so along the teacher's direction j it multiplies by the
mean of its filter under the *overlap law* P_j(k) = O_kj², and what it mixes in from other directions is bounded by the
standard deviation. With one set of features P_j is a point, nothing is mixed in, and this is the theory of
`spectral_bias`. Own, proved.

Within an eigenspace of the teacher single directions are arbitrary, and so are their laws; those of the student may
repeat.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from kdtheory._checks import Numbers, as_array, as_count, as_direction, as_real, as_spectrum, check_known
from kdtheory._record import record
from kdtheory.learners import GradientDescent, GradientFlow, Learner, Ridge, check_learner
from kdtheory.measures.intervals import unit_of
from kdtheory.problems import Eigensystem
from kdtheory.trajectories import Trajectory

EPS = float(np.finfo(float).eps)
TIE = 1e-13  # relative: what rounding of overlaps can make of equal numbers


def overlap(student: Eigensystem, teacher: Eigensystem) -> np.ndarray:
    """O_kj = v_kᵀu_j, the overlap of a student's eigendirections with its teacher's on the same samples: (K_S, K_T).

    Its squares are the overlap law P_j(k) of direction j. Columns sum to less than one where a teacher's direction
    leaves what the student's features span.

    Raises ValueError for eigensystems of different numbers of samples.

    >>> import kdtheory as kd
    >>> student, teacher = (kd.problems.linear(x, [1.0, 1.0]) for x in ([[2.0, 0.0], [0.0, 1.0]], [[1.0], [1.0]]))
    >>> abs(kd.measures.transfer.overlap(student.eigensystem(), teacher.eigensystem())).round(6).tolist()
    [[0.707107], [0.707107]]
    """
    v, u = (_orthonormal(np.asarray(each.samples_basis)) for each in (student, teacher))
    if len(v) != len(u):
        raise ValueError(
            f"teacher and student must see the same samples, but the teacher has {len(u)} and the student {len(v)}"
        )
    return v.T @ u


def _orthonormal(basis):
    """A basis of float32 in float64: by the nearest orthonormal one, so that no column of an overlap exceeds one."""
    if basis.dtype == float:
        return basis
    basis = basis.astype(float)
    return basis @ (1.5 * np.eye(basis.shape[1]) - 0.5 * basis.T @ basis)  # to the square of its rounding


class MeanFilter(NamedTuple):
    """A student's filter under the overlap laws of its teacher's directions. Made by `mean_filter`."""

    mean: np.ndarray  # path axes + (K_T,): φ̄_j, the mean of φ_S under P_j
    missing: np.ndarray  # the same: 1 - φ̄_j, as the mean of what the student misses
    deviation: np.ndarray  # the same: the standard deviation of φ_S under P_j


def mean_filter(student: Learner, eigenvalues: Numbers, overlap: Numbers) -> MeanFilter:
    """φ̄_j = Σ_k P_j(k) φ_S(μ_k), what a student learns along its teacher's direction j, and the deviation √Var_j.

    `eigenvalues` μ (K_S,) are the student's, `overlap` (K_S, K_T) is that of `transfer.overlap`. φ̄_j = u_jᵀSu_j, and
    Var_j = |Su_j|² - φ̄_j², summed as squares. What of u_j the student's features do not span counts as never learnt.
    1 - φ̄_j is a mean by itself, with digits of its own where the student has learnt nearly all. Own.

    Raises ValueError for an overlap whose shape or columns do not fit.

    >>> import kdtheory as kd
    >>> kd.measures.transfer.mean_filter(kd.Ridge(1.0), [3.0, 1.0], [[0.6], [0.8]]).mean.round(12).tolist()
    [0.59]
    """
    check_learner(student)
    check_known("a mean filter", student=student, eigenvalues=eigenvalues, overlap=overlap)
    eigenvalues, weights = np.asarray(as_spectrum(eigenvalues)), _laws(overlap, np.shape(eigenvalues)[0])
    learnt, missed = (np.asarray(face(eigenvalues)) for face in (student.filter, student.residual))
    # a last row for what the student does not span, where it learns nothing
    path = learnt.shape[:-1]
    learnt = np.concatenate([learnt, np.zeros((*path, 1))], axis=-1)
    missed = np.concatenate([missed, np.ones((*path, 1))], axis=-1)
    mean, missing = _weighted(learnt, weights), _weighted(missed, weights)
    deviation = np.empty(mean.shape)
    for moment in np.ndindex(path):  # one at a time: (K_S, K_T) numbers each
        φ, r = learnt[moment], missed[moment]
        little = np.abs(mean[moment]) < 0.5
        with np.errstate(invalid="ignore"):
            off = np.where(little, φ[:, None] - mean[moment], missing[moment] - r[:, None])
        off = np.where(weights == 0.0, 0.0, off)
        unit = unit_of(off, axis=0)
        deviation[moment] = unit * np.sqrt(np.sum(weights * (off / unit) ** 2, axis=0))
    return MeanFilter(mean, missing, deviation)


def _weighted(values, weights):
    """Means of values (..., K + 1) under laws (K + 1, K_T), in which a weight of zero counts for nothing."""
    if np.all(np.isfinite(values)):
        return values @ weights
    with np.errstate(invalid="ignore"):
        return np.sum(np.where(weights == 0.0, 0.0, values[..., None] * weights), axis=-2)


def _laws(overlap, directions):
    """The overlap laws, and in a last row what is left outside of the student's directions: (K_S + 1, K_T)."""
    overlap = np.asarray(as_real(overlap, "overlap"), float)
    if overlap.ndim != 2 or len(overlap) != directions:
        raise ValueError(
            f"overlap must be of shape ({directions}, K_T), a row for each eigenvalue; got {overlap.shape}"
        )
    weights = overlap**2
    inside = weights.sum(axis=0)
    rounding = 8 * EPS * (8 + directions)
    if not np.all(inside <= 1 + 1e4 * rounding):
        wrong = int(np.argmax(~(inside <= 1 + 1e4 * rounding)))
        raise ValueError(
            f"overlap must have columns of length <= 1, but that of column {wrong} is {inside[wrong] ** 0.5}"
        )
    outside = np.where(inside < 1 - rounding, 1 - inside, 0.0)
    return np.vstack([weights, outside]) / (inside + outside)


def leak_bound(
    student: Learner, eigenvalues: Numbers, overlap: Numbers, taught: Numbers, outside: Numbers = 0.0
) -> np.ndarray:
    """How far along each of the teacher's directions a student ends from φ̄_j t_j, at most.

    |a_j - φ̄_j t_j| <= √Var_j · |(t_i) of i ≠ j|, sharp, with `taught` t_j = u_jᵀt (K_T,) + outputs the components of
    the labels that are taught, φ_T(λ_j) u_jᵀy of a teacher's predictions; of the labels, `outside` is the length of
    what is in none of the teacher's directions: zero, unless the truth is mixed in; () or one for each output. The
    mean of a_j over the signs of the others is φ̄_j t_j exactly. `eigenvalues` (K_S,) and `overlap` (K_S, K_T) as in
    `mean_filter`. Returns path axes + (K_T,) + outputs. Own, proved.

    Raises ValueError for shapes that do not fit.

    >>> import kdtheory as kd
    >>> overlap = [[0.6, 0.8], [0.8, -0.6]]
    >>> print(kd.measures.transfer.leak_bound(kd.Ridge(1.0), [3.0, 1.0], overlap, taught=[1.0, 0.5]).round(12))
    [0.06 0.12]
    """
    found, taught = mean_filter(student, eigenvalues, overlap), np.asarray(as_real(taught, "taught"), float)
    directions = found.mean.shape[-1]
    if taught.ndim not in (1, 2) or len(taught) != directions:
        raise ValueError(f"taught must be of shape ({directions},) + outputs, got {taught.shape}")
    outside = np.asarray(as_real(outside, "outside"), float)
    if outside.shape not in ((), taught.shape[1:]):
        each = f", or {taught.shape[1:]}, one for each output" if taught.ndim == 2 else ""
        raise ValueError(f"outside must be one length{each}; got shape {outside.shape}")
    # of those before and of those after, by hypotenuses: squares may leave the range of floats
    none = np.zeros_like(taught[:1])
    before, after = (np.hypot.accumulate(np.concatenate([none, part])) for part in (taught[:-1], taught[:0:-1]))
    others = np.hypot(np.hypot(before, after[::-1]), outside)
    return found.deviation[..., None] * others if taught.ndim == 2 else found.deviation * others


def switching_time(teacher: Learner, eigenvalues: Numbers, found: MeanFilter, lead: int = 0) -> np.ndarray:
    """The teacher's clock at which exaggerated bias turns into its reverse, for each direction against `lead`: (K_T,).

    The student, in mean over the signs of the labels, is matched with a run of its teacher on the direction `lead`, and
    on direction j it is then *behind* that run, as with one set of features, for teachers that stopped before, and
    *ahead* for those that stopped later: infinite where it is behind every teacher, zero where it is ahead of every
    one. With x the teacher's progress on the lead, C(x) that on j, and φ̄ of `mean_filter`:

    behind always iff φ̄_j <= C(φ̄_lead); ahead always iff φ̄_j >= φ̄_lead; else the root of C(φ̄_lead x) = φ̄_j C(x).
    Ties to 1e-13 are ties: equal features meet the first, delocalised overlaps the second, with equality.

    C(x) = 1 - (1 - x)^ρ with ρ the ratio of `teacher.rate` for `GradientFlow` and `GradientDescent`; ρx/(1 - (1 - ρ)x)
    with ρ = λ_j/λ_lead for `Ridge`. Where φ̄ is near one all is decided from 1 - φ̄. The clock of `teacher` itself is
    not used, and gradient descent may stop between steps. `eigenvalues` λ (K_T,) are the teacher's, `found` is of one
    moment of the student. Own, proved.

    NaN where the theorem is silent: unless 0 < λ_j < λ_lead, step size · λ_lead < 1, and 0 < φ̄_lead < 1, and where φ̄_j
    is not in [0, 1]. The student's filter must be in [0, 1].

    Raises TypeError for another teacher, and for a path of students; IndexError for a lead that does not exist.

    >>> import kdtheory as kd, numpy as np
    >>> for turn in (0.1, 0.6, 0.79):  # of the student's directions, in radians
    ...     overlap = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    ...     found = kd.measures.transfer.mean_filter(kd.GradientFlow(1.0), [1.0, 0.1], overlap)
    ...     print(kd.measures.transfer.switching_time(kd.GradientFlow(1.0), [1.0, 0.1], found)[1].round(3))
    27.143
    2.105
    0.0
    """
    λ = np.asarray(as_spectrum(eigenvalues))
    if not isinstance(teacher, GradientFlow | GradientDescent | Ridge):
        raise TypeError(
            f"teacher must be GradientFlow, GradientDescent or Ridge, whose progress on one direction tells that on"
            f" all; got {type(teacher).__name__}"
        )
    if np.shape(found.mean) != λ.shape:
        raise TypeError(
            f"found must be of one moment of the student, {λ.shape} like the eigenvalues, got {np.shape(found.mean)}"
        )
    lead = as_direction(lead, len(λ))
    ridge = isinstance(teacher, Ridge)
    rate = λ if ridge else np.asarray(teacher.tuned(λ.max()).rate(λ))
    f, m = float(found.mean[lead]), float(found.missing[lead])
    clocks = np.full(len(λ), np.nan)
    if not (min(f, m) > 0 and 0 < rate[lead] < np.inf):
        return clocks
    for j in range(len(λ)):
        g, n, ρ = float(found.mean[j]), float(found.missing[j]), float(rate[j] / rate[lead])
        if 0 < ρ < 1 and min(g, n) >= 0:
            clocks[j] = (_by_ridge if ridge else _by_flow)(f, m, g, n, ρ) / rate[lead]
    return clocks


def _by_ridge(f, m, g, n, ρ):
    """λ_lead/penalty of the ridge teacher at the switch; m = 1 - f and n = 1 - g."""
    behind = g * m - ρ * f * n  # odds of g less those of C(f), times m n
    if behind <= TIE * g * m:
        return math.inf
    return 0.0 if _is_above(f, m, g, n) else ((n - m) if f > 0.5 else (f - g)) / behind


def _by_flow(f, m, g, n, ρ):
    """rate · clock of the flow at the switch."""

    def behind(log_τ):
        """The sign of C(f x) - g C(x), as that of log(1 - g C(x)) - ρ log(1 - f x)."""
        τ = math.exp(log_τ)
        if f < 0.5:
            return math.log1p(g * math.expm1(-ρ * τ)) - ρ * math.log1p(f * math.expm1(-τ))
        return _log_grown(n, ρ * τ) - ρ * _log_grown(m, τ)  # both larger by ρτ, which would drown n and m

    of_trail, of_lead = _log_left(g, n), ρ * _log_left(f, m)
    if of_trail >= of_lead - TIE * (max(1.0, -of_lead) if f > 0.5 else -of_lead):
        return math.inf
    if _is_above(f, m, g, n):
        return 0.0
    from scipy.optimize import brentq

    low, high = 0.0, 0.0
    while behind(low) <= 0:
        low -= 1.0
        if low < -700:  # a tie, as far as floats can tell
            return 0.0
    while behind(high) >= 0:
        high += 1.0
        if high > 700:
            return math.inf
    return math.exp(brentq(behind, low, high, xtol=1e-15, rtol=4 * EPS))


def _log_grown(left, τ):
    """log(1 + left · (e^τ - 1))."""
    return math.log1p(left * math.expm1(τ)) if τ < 700 else math.log(left) + τ


def _is_above(f, m, g, n):
    """Whether g >= f, from whichever of g, f and what they lack has the digits."""
    return n <= m * (1 + TIE) if f > 0.5 else g >= f * (1 - TIE)


def _log_left(learnt, left):
    """log(1 - learnt), from whichever of the two has the digits."""
    return math.log1p(-learnt) if learnt < 0.5 else math.log(left) if left > 0 else -math.inf


def turned(run: Trajectory, overlap: Numbers, onto: Trajectory) -> Trajectory:
    """The same run in the eigendirections of the other problem, those of `onto`.

    `overlap` (K, K') is that of the run's directions with the others. From the predictions, u_jᵀf = Σ_k O_kj v_kᵀf, so
    c_j = Σ_k O_kj √(μ_k/λ_j) c_k for coordinates; what lies outside of the other directions is left out. The target is
    that of `onto`.

    Raises ValueError for an overlap of another shape.

    >>> import kdtheory as kd
    >>> wide, thin = (kd.problems.linear(x, [1.0, 1.0]) for x in ([[2.0, 0.0], [0.0, 1.0]], [[1.0], [1.0]]))
    >>> found = kd.transfer(kd.Ridge(0.5), kd.Ridge(0.5), thin, wide)
    >>> kd.measures.transfer.turned(found.student, found.overlap, onto=found.teacher)
    <Trajectory: 1 moment, 1 directions>
    """
    overlap, shape = np.asarray(as_real(overlap, "overlap"), float), (len(run.eigenvalues), len(onto.eigenvalues))
    if overlap.shape != shape:
        raise ValueError(f"overlap must be of shape {shape}, the run's directions and the others; got {overlap.shape}")
    turn = overlap * np.sqrt(np.asarray(run.eigenvalues)[:, None] / np.asarray(onto.eigenvalues))

    def along(coordinates):
        if run.target.ndim == 2:
            return as_array(np.swapaxes(np.swapaxes(np.asarray(coordinates), -1, -2) @ turn, -1, -2))
        return as_array(np.asarray(coordinates) @ turn)

    return dataclasses.replace(
        run,
        eigenvalues=onto.eigenvalues,
        coordinates=along(run.coordinates),
        target=onto.target,
        spaces=onto.spaces,
        start=along(run.start) if np.ndim(run.start) else run.start,
    )


@record
class Gain:
    """What a student gains over its teacher, per sample: gain = misfit + excess. Made by `gain`."""

    misfit: np.ndarray  # path axes: |t - f_S|²/N, how far the student is from what it was taught
    gain: np.ndarray  # path axes: (|t - f|² - |f_S - f|²)/N, positive where the student is nearer to the truth
    excess: np.ndarray  # path axes: 2⟨t - f_S, f_S - f⟩/N


def gain(predictions: Numbers, taught: Numbers, truth: Numbers) -> Gain:
    """How much nearer to the truth f a student f_S is than what it was taught, t, and its misfit.

    gain = misfit + 2⟨t - f_S, f_S - f⟩/N exactly, for any student. Where the student is the projection of t on a convex
    set that contains the truth, the second term is not negative: it gains at least its misfit (Charikar, Pabbaraju &
    Shiragur 2024, as recalled), and on a subspace exactly that. A student that minimises |f_S - t|²/2 + Ω(f_S) with Ω
    convex, such as ridge, has gain >= misfit + 2(Ω(f_S) - Ω(f))/N (own).

    `predictions` are path axes + (N,) + outputs, `taught` and `truth` (N,) + outputs. Means over samples, sums over
    outputs, not halved. Each is formed without subtracting squares.

    Raises ValueError for shapes that do not fit.

    >>> import kdtheory as kd
    >>> kd.measures.transfer.gain([1.0, 0.0], taught=[1.0, 1.0], truth=[0.0, 1.0])
    Gain(misfit=0.5, gain=-0.5, excess=-1.0)
    """
    f, t, truth = (
        np.asarray(as_real(each, name), float)
        for each, name in ((predictions, "predictions"), (taught, "taught"), (truth, "truth"))
    )
    if t.shape != truth.shape or t.ndim not in (1, 2) or f.shape[f.ndim - t.ndim :] != t.shape:
        raise ValueError(
            f"taught and truth must be of one shape (N,) + outputs, and predictions end in it; got {t.shape},"
            f" {truth.shape} and {f.shape}"
        )
    axes = tuple(range(-t.ndim, 0))

    def mean(a, b):
        return np.asarray(np.sum(a * b, axis=axes) / len(t))

    moved = t - f
    return Gain(mean(moved, moved), mean(moved, (t - truth) + (f - truth)), mean(2 * moved, f - truth))


def weak_to_strong_limit(loss: Numbers, students: int = 1) -> np.ndarray:
    """The least loss that a student can have whose teacher has the `loss` L, as a projection of the truth f*.

    Losses are |f - f*|²/|f*|² with all the inputs one may want. A student's filter is in [0, 1], its features, learner
    and time are any: L_S >= 2L²/(1 + L + √((1 + 3L)(1 - L))), which a student of one feature attains. Of a chain of m =
    `students`, each of other features and taught by the one before, it is the least 1 - 2ρ cos β + ρ² over 0 <= β <= θ
    with sin²θ = L and ρ = cos θ cos^m((θ - β)/m), which tends to L² ((1 + 1/m)/2)² for small L. Elementwise. Own,
    proved; the quadratic limit is of Medvedev et al. 2025, as recalled.

    Raises ValueError for a loss outside of [0, 1] and for students that are no whole number from one on.

    >>> import kdtheory as kd
    >>> print(kd.measures.transfer.weak_to_strong_limit([0.1, 0.3, 1.0]).round(6))
    [0.009167 0.073372 1.      ]
    >>> print(kd.measures.transfer.weak_to_strong_limit(0.1, students=2).round(6))
    0.005593
    """
    loss, students = np.asarray(as_real(loss, "loss"), float), as_count(students, "students")
    if not np.all((loss >= 0) & (loss <= 1)):
        raise ValueError(f"loss must be from 0 to 1, relative to the truth's square; got {loss}")
    if students == 1:
        return 2 * loss**2 / (1 + loss + np.sqrt((1 + 3 * loss) * (1 - loss)))
    return np.vectorize(lambda L: _least_of_chain(L, students), otypes=[float])(loss)


def _least_of_chain(loss, students):
    """The least 1 - 2ρ cos β + ρ² = (1 - ρ)² + 4ρ sin²(β/2), where tan((θ - β)/m)(ρ - cos β) + sin β = 0."""
    if loss in (0.0, 1.0):
        return loss
    from scipy.optimize import brentq

    θ, log_cos = math.asin(math.sqrt(loss)), 0.5 * math.log1p(-loss)

    def missing(β):  # 1 - ρ
        return -math.expm1(log_cos + students * math.log1p(-2 * math.sin((θ - β) / students / 2) ** 2))

    def slope(β):
        return math.sin(β) + math.tan((θ - β) / students) * (2 * math.sin(β / 2) ** 2 - missing(β))

    # whose error counts squared, beside missing² or so of θ⁴; far below, brentq's products underflow
    β = brentq(slope, 0.0, θ, xtol=1e-20 * loss + 1e-300, rtol=4 * EPS)
    return missing(β) ** 2 + 4 * (1 - missing(β)) * math.sin(β / 2) ** 2
