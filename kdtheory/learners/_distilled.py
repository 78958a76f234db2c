"""Learners made of learners: distilled, self-distilled, switched."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

from kdtheory._checks import Number, Numbers, as_array, as_key, as_real, as_temperature, as_weight, on_host
from kdtheory._record import record
from kdtheory.learners._base import Learner, array_fields
from kdtheory.learners._descent import GradientDescent
from kdtheory.learners._ridge_and_flow import GradientFlow
from kdtheory.numerics import Shares, geometric, log_or_nan, not_sloped, share, zero_times
from kdtheory.problems import Problem, SquaredLoss


def _apart(combine):
    """A combination of shares that is compiled as a function of its own when a deep learner asks for it.

    XLA would make one kernel of all levels, and compile that for a time that grows with the square of its length.
    """

    @jax.jit
    def own(*shares):
        with set_xla_metadata(inlineable=None):
            return combine(*shares)

    def combined(learner, *shares):
        if len(learner.parts()) <= 4:
            return combine(*shares)
        with set_xla_metadata(inlineable="false"):
            return own(*shares)

    return combined


@_apart
def _distilled(t: Shares, s: Shares, weight: Number) -> Shares:
    """A student's shares s, taught by what a teacher of shares t predicts."""
    w, rest, missing = share(weight), share(1.0 - weight), t.missing
    taught = (w * t.learnt).plus(rest, (t.learnt.value, w.value), (w.value, -missing.value))
    apart = jnp.abs(w.value * t.learnt.value) + jnp.abs(rest.value), 1.0 + jnp.abs(w.value * missing.value)
    past = share(1.0 - w.value * missing.value)  # the same, where w φ_T and 1 - w are large and nearly cancel
    taught = jax.tree.map(lambda a, b: jnp.where(apart[0] > apart[1], a, b), past, taught)
    return Shares(s.learnt * taught, s.left, s.lost + s.learnt * (w * missing))


@_apart
def _switched(a: Shares, b: Shares) -> Shares:
    """The shares of a run of shares b that starts where one of shares a ended."""
    # left = 1 - learnt - lost, also of slopes, where what the second run learns and no longer leaves nearly cancel
    slopes = (b.learnt.value, a.missing.value), (b.lost.value, -a.learnt.value), (a.learnt.value, b.left.value)
    return Shares(b.learnt.plus(b.left * a.learnt, *slopes), b.left * a.left, b.lost + b.left * a.lost)


@record
class Distilled(Learner):
    """A student that learns from weight · teacher's predictions + (1 - weight) · targets. Made by `distill`.

    φ = φ_S · (w φ_T + 1 - w) with w = `teacher_weight`. What the teacher had not learnt is lost to the
    student. The teacher starts at zero; `start` is the student's. A `temperature` other than one is for
    softmax problems, which have no filter: it is then NaN.
    """

    teacher: Learner
    student: Learner
    teacher_weight: Number
    temperature: Number

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        return 1 - self.by_definition(eigenvalue, exp)[0]

    def by_definition(self, eigenvalue: Any, exp: Callable) -> tuple[Any, Any]:
        if self.temperature != 1:  # there is no filter
            shares = self.shares(eigenvalue)
            return shares.learnt.value, shares.left.value
        taught, _ = self.teacher.by_definition(eigenvalue, exp)
        learnt, left = self.student.by_definition(eigenvalue, exp)
        return learnt * (self.teacher_weight * taught + (1 - self.teacher_weight)), left

    def shares(self, eigenvalues):
        # one axis for the student's path, none for the teacher's, which is stopped
        t, s = self.teacher.shares(eigenvalues), self.student.shares(eigenvalues)
        weight = jnp.where(jnp.asarray(self.temperature) == 1, self.teacher_weight, jnp.nan)
        return _distilled(self, t, s, weight)

    @property
    def clock(self) -> jax.Array:
        return self.student.clock

    def parts(self) -> tuple[Learner, ...]:
        return self.teacher.parts() + self.student.parts()

    def tuned(self, max_eigenvalue: Number) -> "Distilled":
        return dataclasses.replace(
            self, teacher=self.teacher.tuned(max_eigenvalue), student=self.student.tuned(max_eigenvalue)
        )

    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """Fit the teacher, teach the problem, fit the student."""
        taught = problem.taught(problem.predict(self.teacher.fit(problem)), self.teacher_weight, self.temperature)
        return self.student.fit(taught, start)


@record
class SelfDistilled(Learner):
    """One learner fitted `fits` times in all, each on weight · the predictions of the fit before + (1 - weight) ·
    targets.

    With s the filter of `learner`, w = `teacher_weight` and α = 1 - w, φ = s (α (1 - q^n)/(1 - q) + q^n) for q
    = w s and n = `fits` - 1 (Borup & Andersen 2021, as recalled: their τ is `fits`). It is what the fold
    `self_distill` makes, in one step, so `fits` may be large, a path, or infinite: the filter of endless
    distillation is α s/(1 - q), for ridge that of a single fit with penalty/α. `start` is that of the last fit.

    `fits` may be a path; `teacher_weight` and the learner's fields are single numbers, ValueError otherwise.
    `fit` runs all fits up to the largest of `fits`, which must be whole numbers >= 1 (ValueError otherwise) and
    known when it is compiled. A filter takes real ones; of fewer than one fit it is NaN.

    For weights in [0, 1] and plain learners, residual and log_filter are right to 8 ulp for any number of fits.
    filter, and log_residual where that is near -filter, are right to 8 + 4 |log φ| ulp: q^n magnifies the rounding of
    log q. Slopes by λ, the weight, `fits` and the learner's fields keep their digits as well, also at weights 0 and 1
    and after infinitely many fits, where the slope by `fits` is zero.

    >>> import kdtheory as kd
    >>> kd.SelfDistilled(kd.Ridge(1.0), teacher_weight=0.5, fits=jnp.array([1, 2, jnp.inf])).filter(1.0).tolist()
    [0.5, 0.375, 0.3333333333333333]
    """

    learner: Learner
    teacher_weight: Number
    fits: Numbers

    def shares(self, eigenvalues: jax.Array) -> Shares:
        weight, fits = as_weight(self.teacher_weight), as_real(self.fits, "fits")
        _single(self.learner, "learner")
        n = jnp.asarray(fits, float).reshape(fits.shape + (1,) * jnp.ndim(eigenvalues)) - 1.0
        n = jnp.where(n >= 0, n, jnp.nan)
        alone, w, truth = self.learner.shares(eigenvalues), share(weight), share(1.0 - jnp.asarray(weight, float))
        s, missing = alone.learnt, alone.missing
        q = w * s
        sums = geometric(q, missing.plus(truth * s, (q.value, -1.0)), n)
        taught, forgotten = sums.total.part(truth) + sums.last, sums.total.part(missing)
        past = share(1.0 - w.value * forgotten.value)  # the same, where the truth has a negative weight
        taught = jax.tree.map(lambda a, b: jnp.where(w.value > 1, a, b), past, taught)
        learnt, lost = s * taught, q * forgotten
        # the log of a negative factor is NaN, and that of the product need not be
        lost = dataclasses.replace(lost, log=jnp.where(jnp.isnan(lost.log), log_or_nan(lost.value), lost.log))
        by_weight = s.value * zero_times(missing.value, sums.ranks)
        learnt_by_s = zero_times(truth.value, sums.ranks) + sums.ranked_last
        lost_by_s = w.value * (zero_times(missing.value, sums.ranks) - s.value * sums.total.value)
        lost_by_n = zero_times(q.value * missing.value, sums.fading)
        learnt = learnt.sloped((s.value, learnt_by_s), (w.value, -by_weight), (n, -lost_by_n))
        lost = lost.sloped((s.value, lost_by_s), (w.value, by_weight), (n, lost_by_n))
        counted = jnp.where((q.value < 0) & jnp.isfinite(n), n, lax.stop_gradient(n))  # whole ones only
        learnt, lost = jax.tree.map(lambda x: not_sloped(x, counted), (learnt, lost))
        return Shares(learnt, jax.tree.map(lambda left: left + jnp.zeros_like(learnt.value), alone.left), lost)

    @property
    def clock(self) -> jax.Array:
        """How many fits: the clock of every one of them stands still."""
        return jnp.asarray(as_real(self.fits, "fits"), float)

    def parts(self) -> tuple[Learner, ...]:
        return self.learner.parts()

    def tuned(self, max_eigenvalue: Number) -> "SelfDistilled":
        return dataclasses.replace(self, learner=self.learner.tuned(max_eigenvalue))

    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """Fit, teach the problem, and fit again."""
        as_weight(self.teacher_weight)
        _single(self.learner, "learner")
        fits = as_real(self.fits, "fits")
        (wanted,) = on_host(fits, who="SelfDistilled.fit", over="fits")
        if not (wanted.size and np.all((wanted >= 1) & (wanted == np.floor(wanted)) & np.isfinite(wanted))):
            raise ValueError(
                f"fits must be whole numbers >= 1 for a fit, got {self.fits}; filter takes an infinite one"
            )
        taught, ended = problem, {}
        for count in range(1, int(wanted.max()) + 1):
            learner = _redrawn(self.learner, count - 1)
            if count in wanted:
                ended[count] = learner.fit(taught, start)
            if count < wanted.max():
                teacher = learner.fit(taught) if start is not None or count not in wanted else ended[count]
                taught = problem.taught(problem.predict(teacher), self.teacher_weight)
        return jnp.stack([ended[int(count)] for count in wanted.ravel()]).reshape(wanted.shape + ended[count].shape)


@record
class Switched(Learner):
    """Train as `first`, then go on as `then` from where it ended. Made by `switch`.

    Loss switching is this, with one of the two distilled. Momentum restarts at the switch.
    """

    first: Learner
    then: Learner

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        return 1 - self.by_definition(eigenvalue, exp)[0]

    def by_definition(self, eigenvalue: Any, exp: Callable) -> tuple[Any, Any]:
        (first, begun), (then, left) = (part.by_definition(eigenvalue, exp) for part in (self.first, self.then))
        return then + left * first, left * begun

    def shares(self, eigenvalues):
        return _switched(self, self.first.shares(eigenvalues), self.then.shares(eigenvalues))

    @property
    def clock(self) -> jax.Array:
        return jnp.asarray(self.first.clock, float) + self.then.clock  # which may be whole numbers of few bits

    def parts(self) -> tuple[Learner, ...]:
        return self.first.parts() + self.then.parts()

    def tuned(self, max_eigenvalue: Number) -> "Switched":
        return Switched(self.first.tuned(max_eigenvalue), self.then.tuned(max_eigenvalue))

    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """Fit `first`, then `then` with that as its start."""
        return self.then.fit(problem, self.first.fit(problem, start))


def distill(teacher: Learner, student: Learner, teacher_weight: Number = 1.0, temperature: Number = 1.0) -> Distilled:
    """A student trained on its teacher's predictions on the same inputs.

    Its targets are teacher_weight · predictions + (1 - teacher_weight) · targets; `teacher_weight` is ξ in
    the papers that weight the teacher, 1 - α in those that weight the ground truth. It may leave [0, 1]. The
    student may be a path; the teacher is a single stopped learner, ValueError otherwise.

    On a softmax problem the student's loss is (1 - w) · cross-entropy to the labels + w · τ² · cross-entropy
    from the teacher's softmax(z_T/τ) to softmax(z/τ), with τ = `temperature` > 0. With squared loss τ must be
    1.

    >>> import kdtheory as kd
    >>> teacher, student = kd.GradientFlow(1.0), kd.GradientFlow(2.0)
    >>> both = kd.distill(teacher, student).filter(1.0)
    >>> bool(abs(both - teacher.filter(1.0) * student.filter(1.0)) < 1e-15)
    True
    """
    _single(teacher, "teacher")
    _learner(student, "student")
    return Distilled(teacher, student, as_weight(teacher_weight), as_temperature(temperature))


def self_distill(learner: Learner, fits: int, teacher_weight: Number | Sequence[Number] = 1.0) -> Learner:
    """The same learner fitted `fits` times in all, each on the predictions of the one before; 1 is the
    learner itself.

    With a weight below one every student also sees the targets, as in Borup & Andersen (2021), where α is 1 -
    weight. `teacher_weight` may be a sequence of fits - 1 weights, one for every student in turn. For many fits,
    or a path over them, see `SelfDistilled`, which does not nest.

    >>> import kdtheory as kd
    >>> kd.self_distill(kd.Ridge(1.0), fits=3).filter(1.0).item()
    0.125
    """
    if isinstance(fits, bool) or not isinstance(fits, (int, np.integer)) or fits < 1:
        raise ValueError(f"fits must be a whole number >= 1 (1 is the learner itself), got {fits!r}")
    if np.ndim(teacher_weight) > 0 and np.shape(teacher_weight) != (fits - 1,):
        raise ValueError(
            f"teacher_weight must be one number, or {fits - 1} for {fits} fits; got shape {np.shape(teacher_weight)}"
        )
    _learner(learner, "learner")
    result = learner
    for student in range(fits - 1):
        weight = teacher_weight[student] if np.ndim(teacher_weight) else teacher_weight
        result = distill(result, _redrawn(learner, student + 1), weight)
    return result


def _redrawn(learner: Learner, number: int) -> Learner:
    """A learner that draws anew in each of several fits: its keys, if it has any, folded with the number of the fit.

    Of the same draws what one fit learns of another has another mean. How deep the learner is counts, too: the fits of
    one that is distilled again are others than those inside it.
    """
    return learner if number == 0 else _folded(learner, (_levels(learner) << 20) + number)


def _levels(learner):
    """How deep learners are within learners."""
    return max((1 + _levels(part) for part in vars(learner).values() if isinstance(part, Learner)), default=0)


def _folded(learner, number):
    inside = {name: _folded(part, number) for name, part in vars(learner).items() if isinstance(part, Learner)}
    if vars(learner).get("key") is not None:
        inside["key"] = jax.random.fold_in(as_key(learner.key), number)
    return dataclasses.replace(learner, **inside) if inside else learner


def switch(first: Learner, then: Learner) -> Switched:
    """Train as `first`, then go on as `then`: loss switching when one of the two is distilled.

    `then` may be a path; `first` is a single stopped learner, ValueError otherwise.

    >>> import kdtheory as kd
    >>> late = kd.switch(kd.GradientFlow(1.0), kd.GradientFlow(2.0))      # the flow restarts where it was
    >>> bool(abs(late.filter(1.0) - kd.GradientFlow(3.0).filter(1.0)) < 1e-15)
    True
    """
    _single(first, "first")
    _learner(then, "then")
    return Switched(first, then)


def _learner(learner, name):
    if not isinstance(learner, Learner):
        raise TypeError(f"{name} must be a learner, such as GradientDescent(step_size, steps); got {learner!r}")


def _has_array(learner):
    """Whether a field of it, or of a learner inside, is an array, other than those that are vectors by themselves."""
    fields = [field for field in array_fields(learner) if field not in learner.vectors]
    values = [getattr(learner, field) for field in fields if field != "key"]
    listed = lambda each: isinstance(each, list | tuple) or np.ndim(each) > 0
    return any(_has_array(each) if isinstance(each, Learner) else listed(each) for each in values)


_TAKES = {"teacher": "distill", "first": "switch", "learner": "SelfDistilled"}  # who takes it


def _single(learner, name):
    _learner(learner, name)
    if _has_array(learner):
        raise ValueError(
            f"{name} must be a single stopped learner, but one of its fields is an array; sweep it with"
            f" jax.vmap(lambda t: kd.{_TAKES[name]}(...)) or a loop"
        )


def every_student(
    learner: GradientFlow | GradientDescent, problem: Problem, teachers: Numbers, students: Numbers
) -> jax.Array:
    """The parameters of every student of every stop of a teacher, from one run and without training a student.

    b_KD(T, s) = b(T) + b(s) - b(T + s), where b(t) are the parameters of a single run from zero stopped at t:
    what is left after T + s is the product of what is left after each. Own, proved; see the claim `semigroup`.
    It is right to the last digits of the targets, of what little is learnt in short times to as many fewer. It needs no
    eigenvectors, holds for predictions on any inputs (`problem.predict` of what is returned), and
    for linear problems as for kernels.

    `learner` is `GradientFlow` or `GradientDescent`, whose own clock is ignored; `teachers` (A,) and `students`
    (B,) are times for the one, whole steps for the other. Returns (A, B, P) + outputs. TypeError for learners
    whose residuals are no semigroup (momentum, which starts anew with the student; ridge), and for problems
    without squared loss.

    >>> import kdtheory as kd
    >>> problem, flow = kd.problems.with_spectrum(0, [1.0, 0.1]), kd.GradientFlow(0.0)
    >>> every = kd.every_student(flow, problem, teachers=[1.0, 5.0], students=[2.0, 3.0, 9.0])
    >>> trained = kd.distill(kd.GradientFlow(5.0), kd.GradientFlow(3.0)).fit(problem)
    >>> every.shape, bool(jnp.max(jnp.abs(every[1, 1] - trained)) < 1e-14)
    ((2, 3, 2), True)
    """
    _learner(learner, "learner")
    if not learner.is_semigroup:
        raise TypeError(
            "learner must be GradientFlow or GradientDescent, whose residuals after T and s multiply to those after"
            f" T + s; {type(learner).__name__}'s do not, so its students must be trained: use distill. (A learner of"
            " your own whose residuals do says is_semigroup = True)"
        )
    if not isinstance(problem, SquaredLoss):
        raise TypeError("problem must have squared loss; otherwise a student is no combination of single runs")
    field = array_fields(learner)[-1]
    stops = as_real(teachers, "teachers"), as_real(students, "students")
    stops = on_host(*stops, who="every_student", over="its stops")
    teachers, students = (np.atleast_1d(stop).astype(float) for stop in stops)
    if teachers.ndim > 1 or students.ndim > 1:
        raise ValueError(f"teachers must be (A,) and students (B,), got {teachers.shape} and {students.shape}")
    together = teachers[:, None] + students
    stops, place = np.unique(np.concatenate([teachers, students, together.ravel()]), return_inverse=True)
    run = np.asarray(dataclasses.replace(learner, **{field: stops}).fit(problem))
    of_teacher, of_student, of_both = np.split(place, [len(teachers), len(teachers) + len(students)])
    return as_array(run[of_teacher][:, None] + run[of_student] - run[of_both.reshape(together.shape)])
