"""Teacher against student on your own data, in one call."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kdtheory import measures, plots, problems
from kdtheory._checks import Numbers
from kdtheory._record import record, static
from kdtheory.learners import GradientDescent, Learner, distill
from kdtheory.trajectories import Trajectory, closed_form, simulate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Lag(NamedTuple):
    """Teacher and student on one direction, at the moments when both have learnt the same fraction of the
    lead."""

    direction: int
    eigenvalue: float
    share: float  # of |targets|² that lies along the direction
    teacher: float  # progress
    student: float  # progress
    exaggeration: float  # 1 - student/teacher in the run
    theory: float  # the same from the filters


@record
class Comparison:
    """What `compare` found: the runs of teacher and student, the same in theory, and the lag between them.

    Printed it is the table of lags; `figure` draws it.
    """

    problem: problems.Linear | problems.Kernel
    stopped: Learner  # the teacher whose predictions are taught
    teacher: Trajectory  # of the path on the targets
    student: Trajectory  # of the path on the stopped teacher's predictions
    theory: tuple[Trajectory, Trajectory]  # the same two from their filters
    directions: tuple[int, ...] = static()  # the first is the lead
    level: float = static()

    @property
    def rows(self) -> list[Lag]:
        """The lag on each direction when both have learnt `level` of the lead. NaN if one of them never
        has."""
        lead, λ, targets = self.directions[0], np.asarray(self.teacher.eigenvalues), np.asarray(self.problem.targets)
        target = np.asarray(self.teacher.target).reshape(len(λ), -1)
        share = len(targets) * λ * np.sum(target**2, axis=1) / np.sum(targets**2)
        learnt, seen, theory = map(
            np.asarray,
            [
                measures.progress_at(self.teacher, self.level, lead),
                measures.observed_exaggeration(self.teacher, self.student, self.level, lead),
                measures.observed_exaggeration(*self.theory, self.level, lead),
            ],
        )
        columns = np.stack([λ, share, learnt, learnt * (1 - seen), seen, theory], axis=1)
        return [Lag(k, *columns[k].tolist()) for k in self.directions]

    @property
    def disagreement(self) -> float:
        """The largest difference of progress between the runs and theory, on the directions compared."""
        pairs = zip((self.teacher, self.student), self.theory, strict=True)
        gaps = [
            (np.asarray(seen.progress) - np.asarray(expected.progress))[:, self.directions] for seen, expected in pairs
        ]
        return float(np.nanmax(np.abs(gaps)))

    @property
    def figure(self) -> "Figure":
        """A new matplotlib Figure: progress against the clock, progress against matched time, and the lag.

        Lines are theory, markers the runs. Save it with `figure.savefig(path)`; pyplot is not involved.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 3.9), layout="constrained")
        clock, matched, lag = figure.subplots(1, 3)
        lead, stop, shown = self.directions[0], float(self.stopped.clock), dict(directions=self.directions)
        for runs, marks in (self.theory, None), ((self.teacher, self.student), plots.loop(self.disagreement)):
            plots.convergence(clock, *runs, **shown, marks=marks)
            plots.convergence(matched, *runs, **shown, matched_on=lead, marks=marks)
            plots.exaggeration(lag, *runs, **shown, level=self.level, lead=lead, marks=marks)

        clock.axvline(stop, color=plots.BLACK, linestyle=":", linewidth=1, zorder=0, label="teacher stops")
        moments = np.asarray(self.teacher.clock)
        matched.set_xlim(moments[moments > 0].min(), stop)
        largest, smallest = self.teacher.eigenvalues[0], self.teacher.eigenvalues[-1]
        lag.set_xlim(1.5 * largest, max(0.7 * smallest, 1e-4 * largest))
        titles = "At equal time", "At equal progress on the lead", f"Lag when {self.level:g} of the lead is learnt"
        for letter, ax, title in zip("abc", figure.axes, titles, strict=True):
            ax.set_title(f"{letter}  {title}", loc="left")
            ax.get_legend().remove()
        handles, names = clock.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=math.ceil(len(names) / 2))
        return figure

    def __repr__(self) -> str:
        head = "direction  eigenvalue  share of |y|²  teacher  student  exaggeration  in theory"
        lines = [
            f"{r.direction:9d}  {r.eigenvalue:10.4g}  {r.share:13.4f}  {r.teacher:7.4f}  {r.student:7.4f}"
            f"  {r.exaggeration:z12.4f}  {r.theory:z9.4f}"
            for r in self.rows
        ]
        when = f"when both have learnt {self.level:g} of direction {self.directions[0]}"
        stop = f"the teacher stopped at clock {float(self.stopped.clock):.4g}"
        return "\n".join([head, *lines, f"{when}; {stop}; {plots.loop(self.disagreement)}"])


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

    Raises what `problems.linear`, `distill` and `simulate` raise; TypeError for features without targets;
    ValueError for a teacher without a finite clock if there is no student.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.3, 0.1])
    >>> print(kd.compare(problem, directions=[0, 1, 2]))  # doctest: +ELLIPSIS
    direction  eigenvalue  share of |y|²  teacher  student  exaggeration  in theory
            0           1         0.7143   0.5000   0.5000        0.0000     0.0000
            1         0.3 ...
    """
    if targets is None and not isinstance(features, problems.Problem):
        raise TypeError("targets are missing: give compare(features, targets), or a problem in their place")
    problem = features if targets is None else problems.linear(features, targets)
    eigensystem = problem.eigensystem()
    λ = np.asarray(eigensystem.eigenvalues)
    directions = tuple(dict.fromkeys(min(k, len(λ) - 1) for k in directions))

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
    runs = [simulate(path, problem, eigensystem) for path in paths]
    theory = tuple(closed_form(path, eigensystem) for path in paths)
    return Comparison(problem, teacher, *runs, theory, directions, level)  # type: ignore[call-arg]
