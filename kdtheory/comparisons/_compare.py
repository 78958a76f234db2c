"""Teacher against student on your own data, in one call."""

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kdtheory import measures, plots, problems
from kdtheory._checks import Numbers, as_direction, as_level
from kdtheory._record import record, static
from kdtheory.learners import GradientDescent, Learner, distill
from kdtheory.trajectories import Trajectory, closed_form, simulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLAT = 0.9  # share of the features' squares that is their mean, from which on a word is said


class Lag(NamedTuple):
    """Teacher and student on one direction, at the moments when both have learnt the same fraction of the
    lead."""

    direction: int
    eigenvalue: float
    share: float  # of |targets|² that lies along the direction
    teacher: float  # progress
    student: float  # progress
    exaggeration: float  # 1 - student/teacher in the run
    theory: float  # the same from the filters; NaN where one of the learners has none


@record
class Comparison:
    """What `compare` found: the runs of teacher and student, the same in theory, and the lag between them.

    Printed it is the table of lags; `figure` draws it.
    """

    problem: problems.Linear | problems.Kernel
    stopped: Learner  # the teacher whose predictions are taught
    teacher: Trajectory  # of the path on the targets
    student: Trajectory  # of the path on the stopped teacher's predictions
    theory: tuple[Trajectory, Trajectory] | None  # the same two from their filters, where both have one
    # prediction errors on new data, estimated from these alone; None without theory
    teacher_risk: measures.new_inputs.Estimate | None  # of the stopped teacher
    student_risk: measures.new_inputs.Estimate | None  # (T,) along the student's path
    gain: measures.new_inputs.Estimate | None  # (T,) the first less the second
    directions: tuple[int, ...] = static()  # the first is the lead
    level: float = static()
    doubts: tuple[str, ...] = static()  # what the estimates would have warned of

    @property
    def rows(self) -> list[Lag]:
        """The lag on each direction when both have learnt `level` of the lead. NaN if one of them never
        has."""
        lead, λ, targets = self.directions[0], np.asarray(self.teacher.eigenvalues), np.asarray(self.problem.targets)
        unit = np.max(np.abs(targets))  # lest squares leave the range
        along = np.sqrt(len(targets) * λ)[:, None] * (np.asarray(self.teacher.target) / unit).reshape(len(λ), -1)
        share = np.sum(along**2, axis=1) / np.sum((targets / unit) ** 2)
        none = np.full(len(λ), np.nan)
        theory = measures.observed_exaggeration(*self.theory, self.level, lead) if self.theory else none
        learnt = measures.progress_at(self.teacher, self.level, lead)
        seen = measures.observed_exaggeration(self.teacher, self.student, self.level, lead)
        columns = np.stack([λ, share, learnt, learnt * (1 - seen), seen, theory], axis=1)
        return [Lag(k, *columns[k].tolist()) for k in self.directions]

    @property
    def disagreement(self) -> float:
        """The largest difference of progress between the runs and theory, on the directions compared. NaN without
        theory."""
        if self.theory is None:
            return float("nan")
        pairs = zip((self.teacher, self.student), self.theory, strict=True)
        gaps = [
            (np.asarray(seen.progress) - np.asarray(expected.progress))[:, self.directions] for seen, expected in pairs
        ]
        return float(np.nanmax(np.abs(gaps)))

    @property
    def figure(self) -> "Figure":
        """A new matplotlib Figure: progress against the clock, progress against matched time, and the lag.

        Lines are theory, markers the runs; without theory the runs are lines. Save it with `figure.savefig(path)`;
        pyplot is not involved. For a page, `figure.set_size_inches(7, 3)`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 3.9), layout="constrained")
        clock, matched, lag = figure.subplots(1, 3)
        lead, stop, shown = self.directions[0], float(self.stopped.clock), dict(directions=self.directions)
        runs = self.teacher, self.student
        drawn = [(self.theory, None), (runs, plots.loop(self.disagreement))] if self.theory else [(runs, None)]
        for runs, marks in drawn:
            plots.convergence(clock, *runs, **shown, marks=marks, legend=False)
            plots.convergence(matched, *runs, **shown, matched_on=lead, marks=marks, legend=False)
            plots.exaggeration(lag, *runs, **shown, level=self.level, lead=lead, marks=marks, legend=False)

        moments = np.asarray(self.teacher.clock)
        last = moments.max()
        if math.isfinite(stop):  # else it has learnt all, as without a penalty, or has no clock
            last = stop
            clock.axvline(stop, color=plots.BLACK, linestyle=":", linewidth=1, zorder=0, label="teacher stops")
        matched.set_xlim(moments[moments > 0].min(), last)
        λ = np.asarray(self.teacher.eigenvalues)
        lag.set_xlim(0.7 * min(max(λ[-1], 1e-4 * λ[0]), *λ[list(self.directions)]), 1.5 * λ[0])
        titles = "Equal time", "Equal progress", f"Progress {self.level:g}"
        for letter, ax, title in zip("abc", figure.axes, titles, strict=True):
            ax.set_title(f"{letter}  {title}", loc="left")
        handles, names = clock.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=math.ceil(len(names) / 3))
        return figure

    def __repr__(self) -> str:
        head, rows = "direction  eigenvalue  share of |y|²  teacher  student  exaggeration", self.rows
        lines = [
            f"{r.direction:9d}  {r.eigenvalue:10.4g}  {r.share:13.4f}  {r.teacher:7.4f}  {r.student:7.4f}"
            f"  {r.exaggeration:z12.4f}"
            for r in rows
        ]
        when = f"when both have learnt {self.level:g} of direction {self.directions[0]}"
        if math.isnan(rows[0].exaggeration):
            when += ", which one of them never has"
        stop = f"the teacher stopped at clock {float(self.stopped.clock):.4g}"
        if self.theory is None:
            return "\n".join([head, *lines, f"{when}; {stop}; practice only, without a closed form"])
        lines = [f"{line}  {r.theory:z9.4f}" for line, r in zip(lines, rows, strict=True)]
        foot = [f"{when}; {stop}; {plots.loop(self.disagreement)}"]
        if self.gain is not None:
            least = int(np.argmin(np.asarray(self.student_risk.risk)))
            of_teacher, *others = (
                (np.asarray(each.risk), np.asarray(each.error))
                for each in (self.teacher_risk, self.student_risk, self.gain)
            )
            teacher, student, gain = (
                f"{risk:z.4g} ± {error:.2g}"
                for risk, error in (of_teacher, *((risk[least], error[least]) for risk, error in others))
            )
            at = f"at clock {np.asarray(self.student.clock)[least]:.4g}, its least"
            foot.append(f"estimated error on new data: teacher {teacher}; student {student} {at}; gain {gain}")
            foot += self.doubts
        return "\n".join([f"{head}  in theory", *lines, *foot])


def compare(
    features: Numbers | problems.Linear | problems.Kernel,
    targets: Numbers | None = None,
    *,
    teacher: Learner | None = None,
    student: Learner | None = None,
    directions: Sequence[int] = (0, 4, 9),
    level: float = 0.5,
) -> Comparison:
    """Train a teacher and its student on your data, in a loop and in theory, and see where the student lags.

    `features` (N, P) and `targets` (N,) or (N, C) make a linear problem; or give one problem, of
    `problems.kernel` say, in their place. `directions` are numbered by falling eigenvalue and clipped to
    those that exist; the first is the lead, on which teacher and student are matched, and `level` the
    fraction of it at which the table reads them.

    `teacher` is a stopped learner, `student` a path. The student's run is that of `student` on the teacher's
    predictions, and the teacher's run is the same path on the targets, of which the teacher is a moment if
    both are of one kind. Left out, they are gradient descent of step size 0.1/λ_max (at 1/λ_max the lead
    would be learnt in one step): the teacher stops when theory says that it has learnt half of the middle one
    of `directions`, after 4000 steps at most, and the student goes on for eight times as long.

    The error of both on new data, noise included and summed over outputs, is that of `measures.new_inputs.estimate`,
    with its standard error; the gain has a smaller error of its own. That of the best of many moments is somewhat too
    good, and where the rows seem to break what the estimate assumes, `doubts` and the last line of the table say so.

    A learner without a filter, such as `Algorithm`, is compared in practice only. Whole numbers are taken as numbers,
    with a warning where they look like classes, of which `datasets.one_hot` makes a column each; features with one
    where they are hardly more than their mean.

    Raises what `problems.linear`, `distill` and `simulate` raise; TypeError for features without targets, for a problem
    with others, and for targets that are names; ValueError for a teacher without a finite clock if there is no student,
    for a student that is no path, for targets without any component along the lead, for no directions, and for a level
    that is not between zero and one.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.3, 0.1])
    >>> print(kd.compare(problem, directions=[0, 1, 2]))  # doctest: +ELLIPSIS
    direction  eigenvalue  share of |y|²  teacher  student  exaggeration  in theory
            0           1         0.7143   0.5000   0.5000        0.0000     0.0000
            1         0.3 ...
    """
    if isinstance(directions, str) or np.ndim(directions) != 1:
        raise TypeError(f"directions must be a sequence of whole numbers, such as (0, 4, 9), got {directions!r}")
    if not len(directions):
        raise ValueError("directions names none; give at least the lead, such as (0,)")
    if not 0 < as_level(level):
        raise ValueError(f"level must be above 0 and below 1, since nothing has been learnt at {level}")
    if targets is None and not isinstance(features, problems.Problem):
        raise TypeError("targets are missing: give compare(features, targets), or a problem in their place")
    if targets is not None and isinstance(features, problems.Problem):
        raise TypeError("a problem has targets of its own: give it alone, or make another of its features and targets")
    problem = features if targets is None else problems.linear(_centred(features), _numbers(targets))
    eigensystem = problem.eigensystem()
    λ = np.asarray(eigensystem.eigenvalues)
    directions = tuple(dict.fromkeys(as_direction(_at_most(k, len(λ) - 1), len(λ)) for k in directions))
    if not np.any(np.asarray(problem.targets)):
        raise ValueError("targets are zero, so there is nothing to learn")
    lead, taught = np.asarray(eigensystem.samples_basis)[:, directions[0]], np.asarray(problem.targets)
    rounding = len(lead) * np.finfo(lead.dtype).eps * (np.abs(lead) @ np.abs(taught))
    if np.all(np.abs(lead @ taught) <= rounding):
        raise ValueError(f"targets have no component along direction {directions[0]}; lead with another of directions")

    descent = GradientDescent(0.1 / λ[0], steps=0)
    if teacher is None:
        half = math.log(2) / float(descent.rate(λ[directions[len(directions) // 2]]))
        teacher = GradientDescent(descent.step_size, min(math.ceil(half / descent.step_size), 4000))
    teacher = distill(teacher, descent).teacher.tuned(λ[0])  # distill refuses a path
    if student is None:
        stop = float(teacher.clock)
        if not math.isfinite(stop):
            raise ValueError(f"the teacher stops at clock {stop}, which sets no length for a student: give its path")
        longest = max(8 * stop / descent.step_size, 100)
        student = GradientDescent(descent.step_size, np.unique(np.geomspace(1, longest, 200).astype(int)))

    paths = student, distill(teacher, student)
    if (moments := np.shape(student.tuned(λ[0]).clock)) in ((), (0,), (1,)):
        raise ValueError(
            f"student must be a path of at least two moments, on which runs are matched, but its clock has the shape"
            f" {moments}; give it an array as its last field"
        )
    runs = [simulate(path, problem, eigensystem) for path in paths]
    known = all(part.has_closed_form for path in paths for part in path.parts())
    theory = tuple(closed_form(path, eigensystem) for path in paths) if known else None
    told: tuple[measures.new_inputs.Estimate | None, ...] = (None, None, None)
    doubts: tuple[str, ...] = ()
    if known:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            both = tuple(measures.new_inputs.estimate(each, problem, eigensystem) for each in (teacher, paths[1]))
            told = *both, measures.new_inputs.gain(teacher, paths[1], problem, eigensystem)
        doubts = tuple(dict.fromkeys(str(each.message) for each in said if issubclass(each.category, UserWarning)))
    return Comparison(problem, teacher, *runs, theory, *told, directions, level, doubts)  # type: ignore[call-arg]


def _at_most(direction, last):
    return last if isinstance(direction, (int, np.integer)) and direction > last else direction


def _centred(features):
    """Features, with a word where there is little in them beside their mean."""
    X = np.asarray(features)
    if X.ndim == 2 and X.dtype.kind in "fiu" and X.size:
        with np.errstate(all="ignore"):
            share = np.mean(X.mean(axis=0, dtype=float) ** 2) / np.mean(np.square(X, dtype=float))
        if share > FLAT:
            warnings.warn(
                f"features are not centred: {share:.3%} of their squares is their mean, which is all that direction 0"
                " will be. Subtract it from features and targets, or take kd.datasets.standardise",
                stacklevel=3,
            )
    return features


def _numbers(targets):
    """Targets that are meant as numbers, with a word where they may be classes."""
    seen = np.asarray(targets)
    named = seen.dtype.kind in "US" or (seen.dtype.kind == "O" and all(isinstance(each, str) for each in seen.flat))
    kinds = (
        np.unique(seen.astype(str) if named else seen) if seen.ndim == 1 and (named or seen.dtype.kind in "iu") else []
    )
    if len(kinds) and named:
        raise TypeError(
            f"targets are names of classes, such as {str(kinds[0])!r}: give kd.datasets.one_hot(targets), a column for"
            f" each of the {len(kinds)}"
        )
    if 2 < len(kinds) <= 20 and len(kinds) < len(seen) / 2:
        warnings.warn(
            f"targets are {len(kinds)} whole numbers, from {kinds[0]} to {kinds[-1]}, and are taken as numbers, as in"
            " regression. If they are classes give kd.datasets.one_hot(targets); if not, give them as floats",
            stacklevel=3,
        )
    return targets
