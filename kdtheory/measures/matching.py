"""Trajectories in matched time: how far a student lags on one direction when it has caught up on another, as observed.

Each is a path, of a loop, of theory or of a log; or a list of them, or one with an axis of runs in front, of which each
is read by itself.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kdtheory._checks import as_direction, as_level
from kdtheory.trajectories import Trajectory, runs_of


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
    for flow and gradient descent as long as progress is less than one, within 1e-13; up to a moment at which it is one
    the clock is read on a line, with a warning where that is long. Where progress falls, what counts is the most that
    was reached so far, of both. NaN where the teacher never got there, and where the student is at one.

    >>> import kdtheory as kd, numpy as np
    >>> path = kd.GradientFlow(np.linspace(0.0, 3.0, 50))
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

    >>> import kdtheory as kd, numpy as np
    >>> path = kd.GradientFlow(np.linspace(0.0, 3.0, 50))
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

    Between the saved moments of the path, -log(1 - progress) of each direction is interpolated monotonically in that of
    the lead; for flow and gradient descent alone this is exact, as long as progress is less than one, within 1e-13. Up
    to a moment at which it is one it is read on a line, and a warning says so where that is long. NaN where the run
    never gets there, or begins beyond it. Several runs, a list or a trajectory with an axis of runs in front, give (S,
    K).

    A run that is noisy or swings reaches a level more than once: it is read when it first does, and a warning says so.
    With `isotonic` the progress of each direction is first replaced by its isotonic regression over the moments, the
    rising sequence that is nearest to it in least squares.

    Raises ValueError for a run of one moment, and where the lead never makes progress or has no target.

    >>> import kdtheory as kd, numpy as np
    >>> run = kd.closed_form(kd.GradientFlow(np.linspace(0.0, 3.0, 50)), [1.0, 0.1])
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

    >>> import kdtheory as kd, numpy as np
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.1])
    >>> teacher, path = kd.GradientFlow(2.0), kd.GradientFlow(np.linspace(0.0, 3.0, 50))
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
_LINE = 0.1  # of progress, how much may be read on a line without a word


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
    ends_at_one = lambda run: (run[after] >= 1 - _SATURATED) & (run[after] - run[before] > _LINE)
    on_a_line = ends_at_one(lead[:, None]) | (ends_at_one(columns) if deep else False)
    if np.any(on_a_line & (share > 0) & (share < 1)):
        warnings.warn(
            "moments are too far apart: progress is read on a line between one at which there is some to make and one"
            " at which all is made; save more moments in between",
            stacklevel=4,
        )

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
