"""Teacher against student on your own data, in one call."""

import math
from typing import NamedTuple

import numpy as np

from kdtheory import measures, plots, problems
from kdtheory._record import record, static
from kdtheory.distillation import distill
from kdtheory.learners import GradientDescent, Learner
from kdtheory.trajectories import Trajectory, closed_form, simulate


class Lag(NamedTuple):
    """Teacher and student on one direction, at the moments when both have learnt the same fraction of the lead."""

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

    Printed it is the table of lags; `figure()` draws it.
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
        """The lag on each direction when both runs have learnt `level` of the lead. NaN if one of them never has."""
        lead, eigenvalues, targets = self.directions[0], self.teacher.eigenvalues, np.asarray(self.problem.targets)
        target = np.asarray(self.teacher.target).reshape(len(eigenvalues), -1)
        share = len(targets) * eigenvalues * np.sum(target**2, axis=1) / np.sum(targets**2)
        learnt = _progress_at(self.teacher, self.level, lead)
        seen = measures.observed_exaggeration(self.teacher, self.student, self.level, lead)
        theory = measures.observed_exaggeration(*self.theory, self.level, lead)
        columns = eigenvalues, share, learnt, learnt * (1 - seen), seen, theory
        return [Lag(k, *(float(column[k]) for column in columns)) for k in self.directions]

    @property
    def disagreement(self) -> float:
        """The largest difference of progress between the runs and theory, on the directions compared."""
        pairs = zip((self.teacher, self.student), self.theory, strict=True)
        gaps = [np.asarray(seen.progress - expected.progress)[:, self.directions] for seen, expected in pairs]
        return float(np.nanmax(np.abs(gaps)))

    def figure(self):
        """A matplotlib Figure of three panels: progress against the clock and against matched time, and exaggeration.

        Lines are theory, markers the runs.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 3.9), layout="constrained")
        clock, matched, lag = figure.subplots(1, 3)
        lead, stop = self.directions[0], float(self.stopped.clock)
        for runs, marks in (self.theory, None), ((self.teacher, self.student), plots.loop(self.disagreement)):
            plots.convergence(clock, *runs, directions=self.directions, marks=marks)
            plots.convergence(matched, *runs, directions=self.directions, matched_on=lead, marks=marks)
            plots.exaggeration(lag, *runs, level=self.level, lead=lead, directions=self.directions, marks=marks)
        clock.axvline(stop, color=plots.GREY, linewidth=0.8, zorder=0)
        clock.text(stop, 1.0, "teacher stops", transform=clock.get_xaxis_transform(), ha="center", va="bottom", fontsize="small")
        matched.set_xlim(float(self.teacher.clock[0]), stop)
        largest, smallest = self.teacher.eigenvalues[0], self.teacher.eigenvalues[-1]
        lag.set_xlim(1.5 * largest, max(0.7 * smallest, 1e-4 * largest))
        titles = "a  At equal time", "b  At equal progress on the lead", f"c  Lag when {self.level:g} of the lead is learnt"
        for ax, title in zip(figure.axes, titles, strict=True):
            ax.set_title(title, loc="left")
            ax.get_legend().remove()
        handles, names = clock.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=-(-len(names) // 2))
        return figure

    def __repr__(self):
        head = "direction  eigenvalue  share of |y|²  teacher  student  exaggeration  in theory"
        lines = [
            f"{r.direction:9d}  {r.eigenvalue:10.4g}  {r.share:14.4f}  {r.teacher:7.4f}  {r.student:7.4f}"
            f"  {r.exaggeration:z12.4f}  {r.theory:z9.4f}"
            for r in self.rows
        ]
        foot = (
            f"when both have learnt {self.level:g} of direction {self.directions[0]}; the teacher stopped at clock"
            f" {float(self.stopped.clock):.4g}; {plots.loop(self.disagreement)}"
        )
        return "\n".join([head, *lines, foot])


def compare(features, targets=None, *, teacher=None, student=None, directions=(0, 4, 9), level=0.5) -> Comparison:
    """Train a teacher and its student on your data, by the loop and in theory, and see where the student lags.

    `features` (N, P) with `targets` (N,) or (N, C) make a linear problem; or give one problem, of `problems.kernel` say, in their
    place. `directions` are numbered by falling eigenvalue and clipped to those that exist; the first is the lead, on which teacher
    and student are matched, and `level` the fraction of it at which the table reads them.

    `teacher` is a stopped learner, `student` a path. The student's run is that of `student` on the teacher's predictions,
    and the teacher's run is the same path on the targets, of which the teacher is a moment if both are of one kind. Left out,
    both are gradient descent of step size 0.1/λ_max (at 1/λ_max the lead would be learnt in one step): the teacher stops when
    theory says that it has learnt half of the middle one of `directions`, after 4000 steps at most, and the student goes on for
    eight times as long.

    Raises what `problems.linear`, `distill` and `simulate` raise; TypeError for features without targets.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.3, 0.1], noise=0.1)
    >>> print(kd.compare(problem, directions=[0, 1, 2]))  # doctest: +ELLIPSIS
    direction  eigenvalue  share of |y|²  teacher  student  exaggeration  in theory
            0           1  ...
    """
    if targets is None and not hasattr(features, "eigensystem"):
        raise TypeError("targets are missing: give compare(features, targets), or a problem such as problems.kernel(gram, y)")
    problem = features if targets is None else problems.linear(features, targets)
    eigensystem = problem.eigensystem()
    eigenvalues = np.asarray(eigensystem.eigenvalues)
    directions = tuple(dict.fromkeys(min(k, len(eigenvalues) - 1) for k in directions))

    descent = GradientDescent(0.1 / eigenvalues[0], steps=0)
    if teacher is None:
        half = math.log(2) / descent.rate(eigenvalues[directions[len(directions) // 2]]) / descent.step_size
        teacher = GradientDescent(descent.step_size, int(min(math.ceil(half), 4000)))
    teacher = teacher.tuned(eigenvalues[0])
    if student is None:
        longest = max(8 * float(teacher.clock) / descent.step_size, 100)
        student = GradientDescent(descent.step_size, np.unique(np.geomspace(1, longest, 200).astype(int)))

    paths = student, distill(teacher, student)
    runs = [simulate(path, problem, eigensystem) for path in paths]
    theory = tuple(closed_form(path, eigensystem) for path in paths)
    return Comparison(problem, teacher, *runs, theory, directions, level)


def _progress_at(run, level, lead):
    """Progress (K,) at the moment when `level` of the lead is learnt, linear in log(1 - progress) between moments."""
    depth = -np.log(np.maximum(1 - np.asarray(run.progress), 1e-16))
    return 1 - np.exp([-np.interp(-np.log(1 - level), depth[:, lead], column) for column in depth.T])
