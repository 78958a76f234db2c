"""Learners with a closed form, and single faces of your own: a filter alone, an algorithm alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import numerics
from kdtheory._checks import Number, Numbers, as_array, as_real, concrete
from kdtheory._compilation import at_once
from kdtheory._record import record, static
from kdtheory.learners._base import Learner, as_column, begin, needs_squared_loss
from kdtheory.learners._solvers import (
    brief,
    finite_clock,
    is_wide,
    run_flow,
    run_in_row_space,
    run_in_small,
    run_ridge,
)
from kdtheory.problems import Problem


@record
class Ridge(Learner):
    """Ridge regression, φ(λ) = λ/(λ + c) with c = `penalty`.

    It minimises loss + (c/2)|w - start|² on the half-*mean* squared loss: papers that use the sum write N·c.
    At c = 0 it is the limit: of all that minimise the loss, what is nearest to `start`.

    >>> import kdtheory as kd
    >>> kd.Ridge(penalty=0.5).filter(0.5).item()
    0.5
    """

    penalty: Numbers

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        return self.penalty / (eigenvalue + self.penalty)

    def shares(self, eigenvalues):
        return numerics.ridge_shares(eigenvalues, as_column(self.penalty, eigenvalues))

    @property
    def clock(self) -> jax.Array:
        return 1.0 / jnp.asarray(self.penalty)

    def stopped(self, clock: Number) -> "Ridge":
        """The same learner at another clock, 1/penalty."""
        if not concrete(clock):
            return Ridge(1.0 / clock)
        with np.errstate(divide="ignore"):  # after no time at all the penalty is infinite
            penalty = 1.0 / np.asarray(as_real(clock, "clock"), float)
        return Ridge(penalty if np.ndim(penalty) else float(penalty))

    def rise(self, eigenvalues: jax.Array) -> jax.Array:
        """φ(λ₁) - φ(λ₂), without the subtraction."""
        return at_once(_rise_of_ridge, self.residual(eigenvalues), eigenvalues, as_array(self.penalty))

    def fit(self, problem, start=None):
        """Solve (H + cI) w = b + c·start from the normal equations, refined once with the gradient of the
        data. A penalty of zero, or one that rounding would hide there, is least squares by a QR decomposition; it
        then has to be a number, not traced."""
        start = begin(self, problem, start)
        penalty = finite_clock(self.penalty, "penalty")
        own = problem.ridge(penalty, start)
        if own is not None:
            return own
        needs_squared_loss("Ridge", problem)
        return run_in_small(problem, start, run_ridge, penalty, reduce=is_wide(problem))


@record
class GradientFlow(Learner):
    """Gradient flow w' = -∇loss(w), stopped at `time`: φ(λ) = 1 - e^(-λ·time).

    >>> import kdtheory as kd
    >>> print(f"{kd.GradientFlow(time=2.0).filter(0.5):.6f}")
    0.632121
    """

    time: Numbers

    is_semigroup = True

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        return exp(-eigenvalue * self.time)

    def shares(self, eigenvalues):
        return numerics.exponential_shares(eigenvalues, as_column(self.time, eigenvalues))

    @property
    def clock(self) -> jax.Array:
        return jnp.asarray(self.time)

    def stopped(self, clock: Number) -> "GradientFlow":
        """The same learner at another time."""
        return GradientFlow(clock)

    def rate(self, eigenvalues: float | jax.Array) -> jax.Array:
        """τ(λ), with φ = 1 - e^(-τ·clock)."""
        return eigenvalues

    def rise(self, eigenvalues: jax.Array) -> jax.Array:
        """φ(λ₁) - φ(λ₂), without the subtraction."""
        return at_once(_rise_of_flow, self.residual(eigenvalues), eigenvalues, as_array(self.time))

    @property
    def rounded_clock(self) -> jax.Array:
        return jnp.sum(jnp.asarray(self.time))

    def fit(self, problem, start=None):
        """The affine system, by exponentials of its matrix: no eigenvectors."""
        start = begin(self, problem, start)
        needs_squared_loss("GradientFlow", problem)
        time = finite_clock(self.time, "time")
        run = partial(run_in_row_space, brief(run_flow, start.size**2 * time.size))
        return run_in_small(problem, start, run, time, reduce=is_wide(problem))


def _rise_of_ridge(left, eigenvalues, penalty):
    gap = eigenvalues[..., 0] - eigenvalues[..., 1]
    return left[..., 1] * (gap / (eigenvalues[..., 0] + as_column(penalty, gap)))


def _rise_of_flow(left, eigenvalues, time):
    gap = eigenvalues[..., 0] - eigenvalues[..., 1]
    sign, least = jnp.where(gap < 0.0, -1.0, 1.0), jnp.where(gap < 0.0, left[..., 0], left[..., 1])
    return sign * least * -numerics.expm1(-sign * gap * as_column(time, gap))


@record
class Filter(Learner):
    """Any φ(λ) that you write down: theory only, there is no algorithm to run.

    `function` maps eigenvalues (K,) to factors (K,); what it does not learn stays at the start. ValueError for
    another shape, TypeError for factors that are no real numbers.

    >>> import kdtheory as kd
    >>> kd.Filter(lambda eigenvalues: eigenvalues > 0.5).filter([1.0, 0.1]).tolist()
    [1.0, 0.0]
    """

    function: Callable = static()

    has_algorithm = False

    def shares(self, eigenvalues):
        if not callable(self.function):
            raise TypeError(f"Filter.function must be a function of eigenvalues, got {self.function!r}")
        learnt = as_array(as_real(self.function(eigenvalues), "what Filter.function returns"), float)
        if learnt.shape != jnp.shape(eigenvalues):
            raise ValueError(
                f"Filter.function must return one factor for each eigenvalue, of shape {jnp.shape(eigenvalues)}; got"
                f" {learnt.shape}. A constant is jnp.full_like(eigenvalues, constant)"
            )
        return numerics.nothing_lost(numerics.share(learnt), numerics.share(1.0 - learnt))

    @property
    def clock(self) -> jax.Array:
        return jnp.asarray(jnp.nan)

    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        raise TypeError("Filter is theory only: it has no algorithm to fit. Use closed_form, or another learner")


@record
class Algorithm(Learner):
    """Any training algorithm that you have: practice only, there is no filter. Conjugate gradients and Adam are such.

    `fit(problem, start)` returns the parameters reached, (P,) + outputs, from `start` of that shape; what it needs of
    the problem are `problem.gradient(parameters)`, `problem.predict` or its data. `clock` says when that is: step size
    × steps, or whatever grows with training. For a path give clocks (T,) in their order, and return (T, P) + outputs.

    It may be distilled, switched, simulated, compared and drawn; `closed_form` refuses it with a TypeError. ValueError
    for parameters of another shape.

    >>> import kdtheory as kd
    >>> def sign_descent(problem, start, steps=3):
    ...     path = [start]
    ...     for _ in range(steps):
    ...         path.append(path[-1] - 0.5 * jnp.sign(problem.gradient(path[-1])))
    ...     return jnp.stack(path)
    >>> learner = kd.Algorithm(sign_descent, clock=0.5 * jnp.arange(4))
    >>> kd.simulate(learner, kd.problems.linear([[1.0, 0.0], [0.0, 1.0]], [1.5, 0.5])).coordinates[-1].tolist()
    [1.5, 0.5]
    """

    algorithm: Callable = static()
    stops: Numbers

    def __init__(self, fit: Callable[[Problem, jax.Array], Numbers], clock: Numbers) -> None:
        if not callable(fit):
            raise TypeError(f"fit must be a function of a problem and a start, got {fit!r}")
        object.__setattr__(self, "algorithm", fit)
        object.__setattr__(self, "stops", clock)
        self.__post_init__()

    @property
    def clock(self) -> jax.Array:
        return jnp.asarray(self.stops, float)

    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """What the algorithm returns, checked."""
        start = begin(self, problem, start)
        reached = as_real(self.algorithm(problem, start), "what Algorithm's fit returns")
        wanted = np.shape(self.stops) + start.shape
        if reached.shape != wanted:
            raise ValueError(
                f"Algorithm's fit must return parameters of shape {wanted}, one for each clock {np.shape(self.stops)}"
                f" and each of {start.shape}; got {reached.shape}"
            )
        return jnp.asarray(reached, start.dtype)
