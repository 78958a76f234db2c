"""The abstract learner, and what is checked of every one."""

import abc
import copy
import dataclasses
import functools
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import numerics
from kdtheory._checks import Number, Numbers, as_array, as_key, as_real, as_start, concrete
from kdtheory._compilation import quickly
from kdtheory.numerics import Shares
from kdtheory.problems import Problem


class Learner(abc.ABC):
    """What all learners share. To write one, give `fit`, and `filter` where there is a closed form.

    The rest follows, and may be given where it is known better: `shares` instead of `filter`, for logs that keep
    their digits and for what is lost; `clock` where it is not the last field; `definition`, the formula of the paper,
    in which claims are judged in 60 digits; `stopped` and `rate`, for measures that look for the best moment. What a
    learner does not have is refused by name, with a TypeError. `kd.testing.check_learner` says what does not fit.

    A path, which is a learner whose last field is an array (T,), adds a leading axis to `filter` and `fit`. Write them
    so, or for one moment with `kd.along_path` above them. Fields that are arrays by themselves, such as a schedule of
    step sizes, are named in `vectors`.

    >>> import kdtheory as kd
    >>> @kd.record
    ... class Twice(kd.Learner):
    ...     penalty: float
    ...     def filter(self, eigenvalues):
    ...         return 1.0 - (self.penalty / (eigenvalues + self.penalty)) ** 2
    ...     def fit(self, problem, start=None):
    ...         return kd.Ridge(self.penalty).fit(problem, kd.Ridge(self.penalty).fit(problem, start))
    >>> kd.testing.check_learner(Twice(0.5))
    >>> kd.distill(Twice(1.0), kd.Ridge(1.0)).filter(1.0).item()
    0.375
    """

    vectors: ClassVar[tuple[str, ...]] = ()  # fields (M,) that are one thing, such as a schedule, and no sweep
    has_algorithm = True  # False for theory only
    is_semigroup = False  # whether residuals after T and s multiply to those after T + s

    def __post_init__(self):
        for field in array_fields(self):  # what is an array to users need not be one to JAX
            value = getattr(self, field)
            foreign = hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic, jax.Array))
            if foreign or isinstance(value, range) or (field in self.vectors and isinstance(value, list | tuple)):
                object.__setattr__(self, field, np.asarray(value))

    def shares(self, eigenvalues: jax.Array) -> Shares:
        """The shares learnt, left and lost along directions of the given eigenvalues, path axis first.

        Those of a `filter` that is given: learnt φ, left 1 - φ, and nothing lost.
        """
        if type(self).filter is Learner.filter:
            raise self._without("closed form", "write `filter` or `shares` in it, or run it on data with simulate")
        learnt = as_array(self.filter(eigenvalues), float)
        check_path(self, "filter", learnt.shape, jnp.shape(eigenvalues))
        return numerics.nothing_lost(numerics.share(learnt), numerics.share(1.0 - learnt))

    @property
    def has_closed_form(self) -> bool:
        """Whether it says what theory expects, by a `filter` or `shares` of its own."""
        return type(self).shares is not Learner.shares or type(self).filter is not Learner.filter

    @abc.abstractmethod
    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """Parameters reached on the data: path axis + parameters. `start` is zero unless given."""

    @property
    def clock(self) -> jax.Array:
        """The moments at which the learner stops: step size × steps, time, or 1/penalty.

        By default its last field, and NaN where there is none.
        """
        fields = array_fields(self)
        return jnp.asarray(getattr(self, fields[-1]) if fields else jnp.nan)

    def stopped(self, clock: float | jax.Array) -> "Learner":
        """The same learner at another clock."""
        fields = array_fields(self)
        if type(self).clock is not Learner.clock or not fields:
            way_out = "write `stopped(clock)` in it, or take Ridge, GradientFlow or GradientDescent"
            raise self._without("other clock to stop at", way_out)
        return dataclasses.replace(self, **{fields[-1]: clock})

    def rate(self, eigenvalues: float | jax.Array) -> jax.Array:
        """τ(λ), with φ = 1 - e^(-τ·clock)."""
        raise self._without("rate", "write `rate(eigenvalues)` in it, or take GradientFlow or GradientDescent")

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        """What is left, 1 - φ(λ), as papers write it: one line, in any numbers.

        `eigenvalue` may be a float, a fraction or a decimal, like the fields, or be traced; `exp` is the exponential of
        such numbers. Floats lose digits in it: `residual` is what keeps them.
        """
        raise self._without("definition", "write `definition(eigenvalue, exp)` in it, or take its `residual`")

    def by_definition(self, eigenvalue: Any, exp: Callable) -> tuple[Any, Any]:
        """How much is learnt of the target and how much is left of the start, by `definition`: what claims are judged
        by in 60 digits. Where there is none, by `shares`, with the digits of floats."""
        if type(self).definition is Learner.definition:
            shares = self.shares(eigenvalue)
            return shares.learnt.value, shares.left.value
        left = self.definition(eigenvalue, exp)
        return 1 - left, left

    def filter(self, eigenvalues: Numbers) -> jax.Array:
        """φ(λ), the factor that multiplies the target's coordinate: (K,) to path axis + (K,)."""
        return _checked_face(self, eigenvalues, "filter")

    def residual(self, eigenvalues: Numbers) -> jax.Array:
        """1 - φ(λ), without the subtraction."""
        return _checked_face(self, eigenvalues, "residual")

    def log_filter(self, eigenvalues: Numbers) -> jax.Array:
        """log φ(λ), also where φ underflows or rounds to one. NaN where φ is negative."""
        return _checked_face(self, eigenvalues, "log_filter")

    def log_residual(self, eigenvalues: Numbers) -> jax.Array:
        """log(1 - φ(λ)), also where φ rounds to one. NaN where φ exceeds one."""
        return _checked_face(self, eigenvalues, "log_residual")

    def parts(self) -> tuple["Learner", ...]:
        """The plain learners inside, in the order in which they run."""
        return (self,)

    def tuned(self, max_eigenvalue: Number) -> "Learner":
        """The learner with step sizes of None replaced by 1/λ_max."""
        return self

    def max_step_size(self, max_eigenvalue: Number) -> Number:
        """The step size from which the iteration diverges; infinite where there is no step."""
        return jnp.inf

    @property
    def given_step(self) -> Any:
        """The field `step_size` of a loop, of a schedule the largest; None where there is none, and where it waits for
        the data."""
        step_size = vars(self).get("step_size")
        return (
            jnp.max(jnp.asarray(step_size), initial=0.0) if step_size is not None and np.ndim(step_size) else step_size
        )

    def alternates(self, eigenvalues: jax.Array) -> jax.Array:
        """Where the residual alternates in sign from step to step, short of the bound: theorems are silent there."""
        return jnp.zeros(jnp.shape(eigenvalues), bool)

    def rise(self, eigenvalues: jax.Array) -> jax.Array:
        """φ(λ₁) - φ(λ₂) of two eigenvalues (..., 2), path axes first: of the filters or the residuals, whichever are
        small."""
        learnt, left = self.filter(eigenvalues), self.residual(eigenvalues)
        return jnp.where(learnt[..., 0] < 0.5, learnt[..., 0] - learnt[..., 1], left[..., 1] - left[..., 0])

    @property
    def rounded_clock(self) -> float | jax.Array:
        """The clock in proportion to which `fit` rounds, by 10·eps·λ₁·clock: that of exponentials, else zero."""
        return 0.0

    def _without(self, what: str, way_out: str) -> TypeError:
        return TypeError(f"{type(self).__name__} has no {what}; {way_out}")


_Face = TypeVar("_Face", bound=Callable)


def along_path(face: _Face) -> _Face:
    """A decorator for the `filter`, `shares` or `fit` of a learner of your own: written for one moment, it serves
    paths.

    Where the last field is an array (T,) it is called with the learner of each moment, and what it returns is stacked
    along a leading axis.

    >>> import kdtheory as kd
    >>> @kd.record
    ... class Shrunk(kd.Learner):
    ...     penalty: float
    ...     @kd.along_path
    ...     def filter(self, eigenvalues):
    ...         return eigenvalues / (eigenvalues + self.penalty)
    ...     @kd.along_path
    ...     def fit(self, problem, start=None):
    ...         return kd.Ridge(self.penalty).fit(problem, start)
    >>> print(kd.closed_form(Shrunk(jnp.array([1.0, 3.0])), [1.0, 0.5]).progress.round(4))
    [[0.5    0.3333]
     [0.25   0.1429]]
    """

    @functools.wraps(face)
    def along(self, *given, **named):
        field = path_field(self)
        if field is None:
            return face(self, *given, **named)

        def at(moment):
            one = copy.copy(self)
            object.__setattr__(one, field, moment)
            return face(one, *given, **named)

        path = getattr(self, field)
        if face.__name__ == "fit":  # which is host code
            return jnp.stack([at(moment) for moment in path])
        return jax.vmap(at)(as_array(path))

    return along  # type: ignore[return-value]


def path_field(learner: Learner) -> str | None:
    """The name of the field that makes a learner a path, if it is one."""
    field = array_fields(learner)[-1:]
    return field[0] if field and field[0] not in ("key", *learner.vectors) and _rank(learner, field[0]) == 1 else None


def _rank(learner, field):
    value = getattr(learner, field)
    if isinstance(value, list | tuple):  # of what may be traced
        return 1
    return 0 if isinstance(value, Learner) else np.ndim(value)


def check_path(learner: Learner, face: str, got: tuple[int, ...], one: tuple[int, ...]) -> None:
    """Refuse a face that has not one axis more for a path than for one moment, of the shape `one`."""
    field = path_field(learner)
    if field is not None and got != (wanted := (len(getattr(learner, field)), *one)):
        name = type(learner).__name__
        raise ValueError(
            f"{name}.{face} must have the shape {wanted} for the path {name}.{field}, its moments first, but it has"
            f" {got}; write it for one moment with @kd.along_path above it"
        )


def _checked_face(learner, eigenvalues, face):
    for part in learner.parts():
        _check_fields(part)
    eigenvalues = as_real(eigenvalues, "eigenvalues")
    return quickly(_face, learner, eigenvalues, face=face)


@partial(jax.jit, static_argnames="face")
def _face(learner, eigenvalues, face):
    shares = learner.shares(eigenvalues.astype(jnp.result_type(float, eigenvalues)))
    match face:
        case "filter":
            return shares.learnt.value
        case "residual":
            return shares.residual.value
        case "log_filter":
            return shares.log_learnt()
        case "log_residual":
            return shares.residual.log


def given_step_size(step_size):
    if step_size is None:
        raise ValueError("step_size is None, which means 1/λ_max of the data; give a number, or use closed_form")
    return step_size


def as_column(path, eigenvalues):
    """A path (T,) as a column over eigenvalues, so that they broadcast to (T, K)."""
    path = as_array(path)
    path = path.astype(jnp.result_type(float, path))
    return path.reshape(path.shape + (1,) * jnp.ndim(eigenvalues))


# How a plain learner runs on data.


def begin(learner, problem, start):
    """Where a run of the learner begins, once both are known to be what they should."""
    check_problem(problem)
    check_learner(learner)
    zeros = problem.zeros()
    return zeros if start is None else as_array(as_start(start, zeros.shape), zeros.dtype)


def needs_squared_loss(name, problem):
    if problem.lacks:
        loops = "GradientDescent, HeavyBall or Nesterov"
        raise TypeError(f"{name} needs {problem.lacks}; use {loops} on {type(problem).__name__}")


# What users hand us, checked once.


def check_problem(problem: Problem) -> None:
    """Refuse what is no problem."""
    if not isinstance(problem, Problem):
        raise TypeError(
            "problem must be made by problems.linear, problems.kernel or the like, or be a kd.problems.Problem of your"
            f" own; got {type(problem).__name__}"
        )


def check_learner(learner: Learner, max_eigenvalue: Number | None = None) -> None:
    """Refuse what has no meaning and warn of what diverges, with a message that names the field."""
    if not isinstance(learner, Learner):
        raise TypeError(
            f"learner must be one of kdtheory's, such as GradientDescent(step_size, steps); got {learner!r}"
        )
    for part in learner.parts():
        _check_fields(part)
        if not concrete(part):
            continue
        name, fields = type(part).__name__, array_fields(part)
        others, last = fields[:-1], fields[-1] if fields else None
        for field in others:
            value = getattr(part, field)
            if value is not None and field != "key" and np.any(np.isnan(np.asarray(value, float))):
                raise ValueError(f"{name}.{field} must be a number, got nan")
        if last is not None:
            _check_clock(name, last, getattr(part, last))
        step_size = part.given_step
        if step_size is None:
            continue
        if "step_size" in part.vectors and np.ndim(part.step_size):
            _check_schedule(part, name, max_eigenvalue)
            continue
        if not step_size > 0:
            raise ValueError(f"{name}.step_size must be positive, got {step_size}; None means 1/λ_max")
        if max_eigenvalue is None or step_size < (bound := float(part.max_step_size(float(max_eigenvalue)))):
            continue
        if bound == 0.0 and not np.isinf(max_eigenvalue):
            warnings.warn(
                f"{name}.momentum is {float(part.momentum):.6g}, with which the loop diverges at every step size; take"
                " one above -1 and up to 1",
                stacklevel=3,
            )
        else:
            warnings.warn(
                f"{name}.step_size is {float(step_size):.6g}, past the bound {bound:.6g}"
                f" for λ_max = {max_eigenvalue:.6g}: the loop diverges",
                stacklevel=3,
            )


def _check_schedule(part, name, max_eigenvalue):
    schedule, longest = np.asarray(part.step_size, float), np.max(np.asarray(part.steps), initial=0)
    if len(schedule) == 0:
        raise ValueError(f"{name}.step_size is empty, a schedule of no steps; give one at least")
    if not np.all((schedule >= 0) & (schedule < np.inf)):
        wrong = np.flatnonzero(~((schedule >= 0) & (schedule < np.inf)))[0]
        raise ValueError(f"{name}.step_size must be finite and >= 0, got {schedule[wrong]} for step {wrong}")
    if longest > len(schedule):
        raise ValueError(
            f"{name}.step_size has shape {schedule.shape}, a schedule of {len(schedule)} steps, but {name}.steps reach"
            f" {longest}. If it is no schedule: only {name}.steps may be an array; sweep step_size with jax.vmap"
        )
    factors = np.abs(1.0 - schedule[: int(longest)] * (0.0 if max_eigenvalue is None else float(max_eigenvalue)))
    with np.errstate(divide="ignore"):
        grown = np.sum(np.log(factors))
    if grown > 0:
        warnings.warn(
            f"{name}.step_size is a schedule that multiplies what is left along λ_max = {max_eigenvalue:.6g} by"
            f" {np.exp(grown):.3g}: the loop diverges; each step below {2 / max_eigenvalue:.6g} shrinks it",
            stacklevel=4,
        )


def array_fields(part: Any) -> list[str]:
    """The fields of a learner that are not static: numbers, of which the last may be a path."""
    return [f.name for f in dataclasses.fields(part) if not f.metadata.get("static")]


def _check_fields(part):
    """Numbers, of which only the last may be an array: known from types and shapes, so also under JAX."""
    name, fields = type(part).__name__, array_fields(part)
    for fixed in dataclasses.fields(part):
        value = getattr(part, fixed.name)
        if fixed.name not in fields and isinstance(value, np.ndarray | jax.Array) and value.ndim:
            raise ValueError(
                f"{name}.{fixed.name} is static, so it cannot be an array, got shape {value.shape}; a path is the last"
                " field that is not static, and a vector that never changes may be a tuple"
            )
    for field in fields:
        value = getattr(part, field)
        if field == "key":
            as_key(value)
        elif value is not None or field != "step_size":
            shape = as_real(value, f"{name}.{field}").shape
            if field in part.vectors and len(shape) <= 1:
                continue
            if shape and field != fields[-1]:
                raise ValueError(
                    f"{name}.{field} has shape {shape}, but only {name}.{fields[-1]} may be an array"
                    f"; sweep {field} with jax.vmap"
                )


def _check_clock(name, field, value):
    value = np.asarray(value)
    if value.ndim > 1:
        raise ValueError(f"{name}.{field} must be a number or one-dimensional, got shape {value.shape}")
    wrong = np.isnan(value) if field == "penalty" else ~(value >= 0)
    if wrong.any():
        raise ValueError(
            f"{name}.{field} must be {'a number' if field == 'penalty' else '>= 0'}, got {value[wrong].flat[0]}"
        )
