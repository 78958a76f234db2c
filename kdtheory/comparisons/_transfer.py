"""A teacher of other features than its student's, in one call."""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from kdtheory import plots, problems
from kdtheory._checks import Number, Numbers, as_real, as_weight, check_known
from kdtheory._record import record
from kdtheory.learners import GradientDescent, GradientFlow, Learner, Ridge, check_learner, check_problem, distill
from kdtheory.measures import transfer as overlaps
from kdtheory.problems import Eigensystem
from kdtheory.trajectories import Trajectory, closed_form, simulate


class Inherited(NamedTuple):
    """Teacher and student on one of the teacher's directions, at the student's last moment."""

    direction: int
    eigenvalue: float
    overlap: float  # the largest of its overlap law: one where it is a direction of the student's
    teacher: float  # progress
    student: float  # progress of the run
    theory: float  # the same from both filters and the overlap; NaN where there is no theory
    mean: float  # its mean over the signs of the other labels; NaN where there is no theory
    switching_time: float  # the teacher's clock from which bias against direction 0 is reversed; NaN where not known


@record
class Errors:
    """Mean squared errors of a transfer against the truth. Made by `Transfer.errors`."""

    teacher: np.ndarray  # ()
    student: np.ndarray  # path axes
    ceiling: np.ndarray  # path axes: of the student trained on its own targets instead

    @property
    def recovered(self) -> np.ndarray:
        """The recovered performance gap, (teacher - student)/(teacher - ceiling): path axes.

        NaN without a gap; where the ceiling is worse than the teacher there is nothing to recover, and above one means
        that the student is worse still."""
        gap = self.teacher - self.ceiling
        return (self.teacher - self.student) / np.where(gap == 0, np.nan, gap)


@record
class Transfer:
    """What `transfer` found: the runs of a teacher and of a student of other features, the same in theory, and how
    their eigendirections overlap.

    Printed it is a table of the teacher's directions.
    """

    teacher: Trajectory  # one moment, in the teacher's eigendirections
    student: Trajectory  # in the student's; its target is the targets', not what it was taught
    ceiling: Trajectory  # the student's learner on its own targets
    overlap: np.ndarray  # (K_S, K_T) v_kᵀu_j
    theory: tuple[Trajectory, Trajectory] | None  # the first two from filters and overlap, where all is known
    learners: tuple[Learner, Learner]  # teacher and student, with their step sizes
    problems: tuple[problems.Problem, problems.Problem]  # of teacher and student
    eigensystems: tuple[Eigensystem, Eigensystem]
    teacher_weight: Number

    @property
    def student_along_teacher(self) -> Trajectory:
        """The student's run in the teacher's eigendirections: what it inherited."""
        return overlaps.turned(self.student, self.overlap, onto=self.teacher)

    @property
    def teacher_along_student(self) -> Trajectory:
        """The teacher in the student's eigendirections: what there is to learn from it."""
        return overlaps.turned(self.teacher, np.asarray(self.overlap).T, onto=self.student)

    @property
    def mean_filter(self) -> overlaps.MeanFilter:
        """What the student learns along each of the teacher's directions, `measures.transfer.mean_filter`."""
        return overlaps.mean_filter(self.learners[1], self.student.eigenvalues, self.overlap)

    @property
    def leak_bound(self) -> np.ndarray:
        """How far the student ends from the mean filter times what it was taught, at most, in coordinates of the
        teacher's directions: path axes + (K_T,) + outputs. See `measures.transfer.leak_bound`. Raises TypeError without
        squared loss."""
        self._check_squares()
        basis = np.asarray(self.eigensystems[0].samples_basis)
        taught = np.asarray(self.problems[1].taught(self._predicted, self.teacher_weight).targets)
        along = basis.T @ taught
        outside = np.linalg.norm(taught - basis @ along, axis=0)
        bound = overlaps.leak_bound(self.learners[1], self.student.eigenvalues, self.overlap, along, outside)
        return bound / self._lengths

    @property
    def switching_time(self) -> np.ndarray:
        """The teacher's clock from which bias against direction 0 is reversed, for the student's last moment: (K_T,).

        See `measures.transfer.switching_time`, which says when it is zero, infinite or NaN; NaN, too, for other
        teachers than flow, descent and ridge, and where some truth is mixed in.
        """
        teacher, λ = self.learners[0], self.teacher.eigenvalues
        known = isinstance(teacher, GradientFlow | GradientDescent | Ridge) and not getattr(teacher, "scheduled", False)
        if self.theory is None or not known or float(self.teacher_weight) != 1:
            return np.full(len(λ), np.nan)
        last = overlaps.MeanFilter(*(_last(each, 1) for each in self.mean_filter))
        return overlaps.switching_time(teacher, λ, last)

    @property
    def _lengths(self):
        """Of the teacher's directions, by which components are coordinates: (K_T,) or (K_T, 1)."""
        lengths = np.sqrt(len(self.eigensystems[0].samples_basis) * np.asarray(self.teacher.eigenvalues))
        return lengths[:, None] if self.teacher.target.ndim == 2 else lengths

    @property
    def _predicted(self):
        return self.problems[0].predict(self.eigensystems[0].parameters(self.teacher.coordinates))

    def gain(self, truth: Numbers | None = None) -> overlaps.Gain:
        """How much nearer to the truth the student is than its teacher on the training inputs, and its misfit.

        `truth` (N,) + outputs are the targets without noise, the student's targets unless given. See
        `measures.transfer.gain`. With a `teacher_weight` other than one the misfit is to the teacher, not to the mixed
        labels. Raises TypeError without squared loss.
        """
        return overlaps.gain(self._student_predictions(self.student), self._predicted, self._true(truth))

    def errors(
        self, truth: Numbers | None = None, teacher_inputs: Numbers | None = None, student_inputs: Numbers | None = None
    ) -> Errors:
        """Mean squared errors of teacher, student and ceiling against the truth, and the recovered performance gap.

        On the training inputs, where `truth` (N,) + outputs are the targets without noise, the student's targets unless
        given; or on M new ones, given as each of the two problems takes them, with their `truth` (M,) + outputs. Means
        over inputs, sums over outputs, not halved. The ceiling is the student trained on its own targets.

        Raises ValueError when inputs are given for one of the two only, or without the truth; TypeError without squared
        loss.
        """
        if (teacher_inputs is None) != (student_inputs is None):
            raise ValueError("new inputs are needed for both: give teacher_inputs and student_inputs, or neither")
        if teacher_inputs is not None and truth is None:
            raise ValueError("truth is missing: give the targets (M,) + outputs on the new inputs")
        self._check_squares()
        new = teacher_inputs is not None
        truth = np.asarray(as_real(truth, "truth"), float) if new else self._true(truth)
        found = []
        for side, run, inputs in ((0, self.teacher, teacher_inputs), (1, self.student, student_inputs),
                                  (1, self.ceiling, student_inputs)):  # fmt: skip
            parameters = self.eigensystems[side].parameters(run.coordinates)
            seen = np.asarray(self.problems[side].predict(parameters, inputs))
            if truth.ndim != self.teacher.target.ndim or seen.shape[seen.ndim - truth.ndim :] != truth.shape:
                raise ValueError(f"truth has shape {truth.shape}, but predictions end in {seen.shape}")
            found.append(np.asarray(np.sum((seen - truth) ** 2, axis=tuple(range(-truth.ndim, 0))) / len(truth)))
        return Errors(*found)

    def _student_predictions(self, run):
        return self.problems[1].predict(self.eigensystems[1].parameters(run.coordinates))

    def _check_squares(self):
        if not all(isinstance(each, problems.SquaredLoss) for each in self.problems):
            raise TypeError("errors are squared, and softmax problems have none; compare their predictions yourself")

    def _true(self, truth):
        self._check_squares()
        own = np.asarray(self.problems[1].targets)
        truth = own if truth is None else np.asarray(as_real(truth, "truth"), float)
        if truth.shape != own.shape:
            raise ValueError(f"truth must be of shape {own.shape}, like the targets, got {truth.shape}")
        return truth

    @property
    def disagreement(self) -> float:
        """The largest difference between runs and theory, in predictions along single directions, as a share of the
        length of the targets, the longer of the two problems'. NaN without theory."""
        if self.theory is None:
            return float("nan")
        targets = [np.asarray(each.targets) for each in self.problems]
        unit = max(np.max(np.abs(each)) for each in targets) or 1.0  # lest squares leave the range
        size = max(np.linalg.norm(each / unit) for each in targets) or 1.0
        gaps = [
            np.max(np.abs(_components(run) - _components(expected)) / unit * np.sqrt(len(targets[0])) / size)
            for run, expected in zip((self.teacher, self.student), self.theory, strict=True)
        ]
        return float(np.max(gaps))

    @property
    def rows(self) -> list[Inherited]:
        """Each of the teacher's directions, at the student's last moment."""
        λ, none = np.asarray(self.teacher.eigenvalues), np.full(len(self.teacher.eigenvalues), np.nan)
        theory, mean = none, none
        if self.theory:
            expected = overlaps.turned(self.theory[1], self.overlap, onto=self.teacher)
            theory = _last(expected.progress, 1)
            own = np.asarray(self.eigensystems[0].samples_basis).T @ np.asarray(self.problems[1].targets)
            mixed = dataclasses.replace(self.teacher, coordinates=jnp.asarray(own / self._lengths))
            learnt, truth = (np.asarray(each.progress) for each in (self.theory[0], mixed))
            weight = float(self.teacher_weight)
            mean = _last(self.mean_filter.mean, 1) * (weight * learnt + (1 - weight) * truth)
        largest = np.max(np.asarray(self.overlap) ** 2, axis=0)
        student = _last(self.student_along_teacher.progress, 1)
        columns = λ, largest, np.asarray(self.teacher.progress), student, theory, mean, self.switching_time
        return [Inherited(k, *row) for k, row in enumerate(np.stack(columns, axis=1).tolist())]

    def __repr__(self) -> str:
        head = "direction  eigenvalue  largest overlap  teacher  student"
        foot = f"the teacher's directions, at the student's clock {float(_last(self.student.clock, 0)):.4g}"
        rows = self.rows[:10]
        if len(self.rows) > len(rows):
            foot = f"the first {len(rows)} of {len(self.rows)} of {foot}"
        ends, width = [(r.teacher, r.student) for r in rows], 7
        if np.isnan(np.asarray(self.teacher.target)).all():  # of softmax, which has no end to progress to
            head, foot = (
                head.replace("teacher  student", "|teacher|  |student|"),
                f"root mean square of logits along {foot}",
            )
            runs, width = (self.teacher, self.student_along_teacher), 9
            sizes = [np.linalg.norm(_last(_components(run), 2), axis=1)[: len(rows)] for run in runs]
            ends = np.stack(sizes, axis=1).tolist()
        lines = [
            f"{r.direction:9d}  {r.eigenvalue:10.4g}  {r.overlap:15.4f}  {teacher:{width}.4f}  {student:{width}.4f}"
            for r, (teacher, student) in zip(rows, ends, strict=True)
        ]
        if self.theory is None:
            return "\n".join([head, *lines, f"{foot}; practice only, without a closed form"])
        lines = [
            f"{line}  {r.theory:9.4f}  {r.mean:7.4f}  "
            + (f"{r.switching_time:11.4g}" if r.switching_time >= 0 else f"{'-':>11}")
            for line, r in zip(lines, rows, strict=True)
        ]
        head += "  in theory  in mean  reversed at"
        return "\n".join([head, *lines, f"{foot}; {plots.loop(self.disagreement)}"])


def transfer(
    teacher: Learner,
    student: Learner,
    teacher_problem: problems.Problem,
    student_problem: problems.Problem,
    teacher_weight: Number = 1.0,
) -> Transfer:
    """Teach a student of other features than its teacher's, on the same samples: practice, and theory.

    Practice: fit the `teacher` to `teacher_problem`, relabel `student_problem` with teacher_weight · its predictions +
    (1 - teacher_weight) · the student's own targets, fit the `student`. Theory: the student's predictions are S(w H y_T
    + (1 - w) y_S), with H = φ_T(K_T) and S = φ_S(K_S), which do not commute; in coordinates it takes the two filters
    and the overlap O_kj = v_kᵀu_j of the eigendirections. With one set of features it is
    `simulate(distill(teacher, student), problem)`.

    The two problems may be linear and kernel, in any pairing; row n of both is the same sample, and their targets have
    one shape. `teacher` is a single stopped learner, `student` may be a path. `.teacher` and `.student` are
    Trajectories, each in its own problem's eigendirections, `.overlap` is (K_S, K_T), `.theory` the pair of
    Trajectories that theory says, None where there is none: for softmax problems, whose logits are taught, and for
    learners without a filter. `measures.transfer` has the numbers of the overlap by themselves.

    Raises ValueError for problems of different numbers of samples or outputs, for a teacher that is a path, a student
    that is one of no moments and a weight that is not finite; TypeError for what is no learner or problem; and what the
    problems and learners raise.

    >>> import kdtheory as kd, numpy as np
    >>> x, y = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), [1.0, 2.0, 4.0]
    >>> thin, wide = kd.problems.linear(x, y), kd.problems.kernel(kd.kernels.rbf(x), y)
    >>> found = kd.transfer(kd.Ridge(0.1), kd.GradientFlow([1.0, 100.0]), thin, wide)
    >>> found.overlap.shape, bool(jnp.max(abs(found.student.coordinates - found.theory[1].coordinates)) < 1e-12)
    ((3, 2), True)
    """
    for each in (teacher_problem, student_problem):
        check_problem(each)
    check_known("a transfer", teacher=teacher, student=student, teacher_weight=teacher_weight)
    teacher = distill(teacher, student).teacher  # refuses a path, and what is no learner
    as_weight(teacher_weight)
    first, second = teacher_problem.eigensystem(), student_problem.eigensystem()
    overlap = overlaps.overlap(second, first)
    shapes = [(len(each.samples_basis), *each.target.shape[1:]) for each in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"targets of teacher and student must be of one shape, but the teacher's are {shapes[0]} and the student's"
            f" {shapes[1]}"
        )
    teacher, student = teacher.tuned(first.eigenvalues[0]), student.tuned(second.eigenvalues[0])
    if 0 in np.shape(student.clock):
        raise ValueError("student is a path of no moments; give it one moment at least")

    check_learner(teacher, teacher_problem.curvature * first.eigenvalues[0])
    parameters = teacher.fit(teacher_problem)
    run = Trajectory(
        first.eigenvalues, first.of_parameters(parameters), first.target, jnp.asarray(teacher.clock), first.spaces
    )
    labels = student_problem.taught(teacher_problem.predict(parameters), teacher_weight)
    # coordinates of the run on the labels, progress on the way to the targets
    taught, ceiling = (simulate(student, problem, second) for problem in (labels, student_problem))

    known = all(part.has_closed_form for learner in (teacher, student) for part in learner.parts())
    theory = None
    if known and not any(np.isnan(np.asarray(each.target)).all() for each in (first, second)):
        expected = closed_form(teacher, first)
        told = overlaps.turned(expected, overlap.T, onto=taught).coordinates
        mixed = teacher_weight * told + (1.0 - teacher_weight) * second.target
        learnt = closed_form(student, dataclasses.replace(second, target=mixed))
        theory = expected, dataclasses.replace(learnt, target=second.target)
    return Transfer(  # type: ignore[call-arg]
        run,
        taught,
        ceiling,
        overlap,
        theory,
        (teacher, student),
        (teacher_problem, student_problem),
        (first, second),
        teacher_weight,
    )


def _last(array, rank):
    """The last moment of a path, or the only one."""
    array = np.asarray(array)
    return array if array.ndim == rank else array[-1]


def _components(run):
    """Predictions along each direction over √N."""
    root = np.sqrt(np.asarray(run.eigenvalues))
    return np.asarray(run.coordinates) * (root[:, None] if run.target.ndim == 2 else root)
