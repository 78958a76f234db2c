"""The abstract learner, and what is checked of every one."""

import abc
import dataclasses
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Number, Numbers, as_key, as_real, as_start, concrete
from kdtheory.numerics import Shares
from kdtheory.problems import Problem


class Learner(abc.ABC):
    """What all learners share. To write one, give `shares`, `fit` and `clock`."""

    def __post_init__(self) -> None:
        for field in _fields(self):  # what is an array to users need not be one to JAX
            value = getattr(self, field)
            foreign = hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic, jax.Array))
            if foreign or isinstance(value, range):
                object.__setattr__(self, field, np.asarray(value))

    @abc.abstractmethod
    def shares(self, eigenvalues: jax.Array) -> Shares:
        """The shares learnt, left and lost along directions of the given eigenvalues, path axis first."""

    @abc.abstractmethod
    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """Parameters reached on the data: path axis + parameters. `start` is zero unless given."""

    @property
    @abc.abstractmethod
    def clock(self) -> jax.Array:
        """The moments at which the learner stops: step size × steps, time, or 1/penalty."""

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


def _checked_face(learner, eigenvalues, face):
    for part in learner.parts():
        _check_fields(part)
    return _face(learner, as_real(eigenvalues, "eigenvalues"), face)


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
    path = jnp.asarray(path)
    path = path.astype(jnp.result_type(float, path))
    return path.reshape(path.shape + (1,) * jnp.ndim(eigenvalues))


# How a plain learner runs on data.


def begin(learner, problem, start):
    """Where a run of the learner begins, once both are known to be what they should."""
    check_problem(problem)
    check_learner(learner)
    zeros = problem.zeros()
    return zeros if start is None else jnp.asarray(as_start(start, zeros.shape), zeros.dtype)


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
    for part in learner.parts():
        _check_fields(part)
        if not concrete(part):
            continue
        name, (*others, last) = type(part).__name__, _fields(part) or [None]
        for field in others:
            value = getattr(part, field)
            if value is not None and field != "key" and np.isnan(value):
                raise ValueError(f"{name}.{field} must be a number, got nan")
        if last is not None:
            _check_clock(name, last, getattr(part, last))
        step_size = getattr(part, "step_size", None)
        if step_size is None:
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


def _fields(part):
    """Those that hold arrays."""
    return [f.name for f in dataclasses.fields(part) if not f.metadata.get("static")]


def _check_fields(part):
    """Numbers, of which only the last may be an array: known from types and shapes, so also under JAX."""
    name, fields = type(part).__name__, _fields(part)
    for field in fields:
        value = getattr(part, field)
        if field == "key":
            as_key(value)
        elif value is not None or field != "step_size":
            shape = as_real(value, f"{name}.{field}").shape
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
