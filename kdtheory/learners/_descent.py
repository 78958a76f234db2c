"""Loops: iterations on the gradient."""

import abc
import dataclasses
import math
import operator
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import numerics
from kdtheory._checks import Key, Number, Numbers, as_count, as_floats, as_key, concrete
from kdtheory._compilation import elementwise, promptly
from kdtheory._record import record, static
from kdtheory.learners._base import Learner, as_column, begin, given_step_size
from kdtheory.learners._momentum import heavy_ball, nesterov
from kdtheory.learners._solvers import (
    brief,
    if_whole,
    run_dense,
    run_descent,
    run_in_small,
    run_tridiagonal,
    what_pays,
    whole_steps,
)
from kdtheory.problems import Problem


class _Loop(Learner):
    """An iteration on the gradient; `advance` is one step of it."""

    @abc.abstractmethod
    def advance(
        self, gradient: Callable[[jax.Array], jax.Array], parameters: jax.Array, previous: jax.Array
    ) -> jax.Array:
        """The parameters after one step, from those now and one step ago."""

    @property
    def clock(self) -> jax.Array:
        if self.step_size is None:
            raise ValueError("step_size is None, so the clock depends on the data; give a number, or use simulate")
        if self.scheduled:
            steps = jnp.asarray(self.steps)
            reached = jnp.concatenate([jnp.zeros(1), jnp.cumsum(jnp.asarray(self.step_size, float))])
            return jnp.where(numerics.is_step(steps, len(reached) - 1), reached[steps.astype(int)], jnp.nan)
        return promptly(operator.mul, self.step_size, jnp.asarray(self.steps))

    @property
    def scheduled(self) -> bool:
        """Whether each step has a size of its own."""
        return self.step_size is not None and np.ndim(self.step_size) > 0

    def at(self, step: jax.Array) -> Self:
        """The loop as it is at one of its steps, from 0."""
        return dataclasses.replace(self, step_size=self.step_size[step]) if self.scheduled else self

    def tuned(self, max_eigenvalue: Number) -> Self:
        if self.step_size is not None:
            return self
        if concrete(max_eigenvalue) and not max_eigenvalue > 0:
            raise ValueError(
                f"step_size is None, which means 1/λ_max of the data, and λ_max is {max_eigenvalue}: there is no"
                " direction to learn along; give a number to stay where it starts"
            )
        return dataclasses.replace(self, step_size=1.0 / max_eigenvalue)

    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """The loop itself. Many steps run on an equivalent problem that is small, or whose Hessian is
        tridiagonal."""
        start = begin(self, problem, start)
        learner = self.tuned(problem.max_eigenvalue()) if self.step_size is None else self
        steps = whole_steps(learner)
        reduce, turn = what_pays(problem, steps)
        on_gram = reduce or (not problem.is_table and not problem.lacks)
        learner = dataclasses.replace(learner, steps=None)
        if self.scheduled:
            learner = dataclasses.replace(learner, step_size=jnp.asarray(self.step_size))

        def run(problem, start, steps):
            hessian = run_tridiagonal(problem) if turn else run_dense(problem) if on_gram else None
            work = start.size * len(start) * np.max(np.asarray(steps), initial=0) if concrete(steps) else np.inf
            return brief(run_descent, work)(learner, problem, start, steps, hessian)

        most = len(self.step_size) if self.scheduled else np.inf
        return if_whole(self.steps, run_in_small(problem, start, run, steps, reduce=reduce), most)


@record
class GradientDescent(_Loop):
    """Gradient descent w ← w - η∇loss(w) with η = `step_size`, after `steps` steps: φ(λ) = 1 - (1 -
    ηλ)^steps.

    `step_size=None` means 1/λ_max of the data. It diverges past 2/λ_max. `filter` takes real `steps` where ηλ
    < 1.

    `step_size` may be a schedule (M,), one size for each step: φ(λ) = 1 - Π (1 - η_j λ) over the first `steps` <= M of
    them, which are then whole numbers, and the clock is their sum. Of more steps than it has the filter is NaN, and a
    fit raises ValueError.

    >>> import kdtheory as kd
    >>> kd.GradientDescent(step_size=0.5, steps=[1, 2]).filter(1.0).tolist()
    [0.5, 0.75]
    >>> kd.GradientDescent(step_size=[0.5, 0.25, 0.125], steps=[1, 3]).filter(1.0).tolist()
    [0.5, 0.671875]
    """

    step_size: Numbers | None
    steps: Numbers

    vectors = ("step_size",)

    @property
    def is_semigroup(self) -> bool:  # type: ignore[override]
        return not self.scheduled  # which begins anew

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        if self.scheduled:
            return math.prod(1 - step * eigenvalue for step in self.step_size[: int(self.steps)])
        return (1 - self.step_size * eigenvalue) ** self.steps

    def shares(self, eigenvalues):
        steps, eigenvalues = as_column(self.steps, eigenvalues), eigenvalues
        if self.scheduled:
            return numerics.scheduled_shares(jnp.asarray(self.step_size, float), eigenvalues, steps)
        return numerics.descent_shares(given_step_size(self.step_size), eigenvalues, steps)

    def stopped(self, clock: Number) -> "GradientDescent":
        """The same learner at another clock, step size × (real) steps."""
        if self.scheduled:
            raise self._without("other clock under a schedule, which has whole steps only", "give it other `steps`")
        return GradientDescent(self.step_size, clock / given_step_size(self.step_size))

    def rate(self, eigenvalues: float | jax.Array) -> jax.Array:
        """τ(λ) = -log(1 - ηλ)/η, with φ = 1 - e^(-τ·clock)."""
        if self.scheduled:
            raise self._without("rate under a schedule", "take a step_size that is one number")
        return elementwise(_descent_rate, *as_floats(step_size=self.step_size, eigenvalues=eigenvalues))

    def alternates(self, eigenvalues: jax.Array) -> jax.Array:
        return given_step_size(self.given_step) * eigenvalues > 1.0

    def max_step_size(self, max_eigenvalue):
        return 2.0 / max_eigenvalue

    def advance(
        self, gradient: Callable[[jax.Array], jax.Array], parameters: jax.Array, previous: jax.Array
    ) -> jax.Array:
        return parameters - self.step_size * gradient(parameters)


def _descent_rate(step_size, eigenvalues):
    x = step_size * eigenvalues
    return jnp.where(x < 1e-290, eigenvalues, -numerics.log1p(-x) / step_size)


@record
class HeavyBall(_Loop):
    """Polyak's heavy ball, w ← w - η∇loss(w) + β(w - w_before), from rest.

    With r the residual of one direction: r ← (1 + β - ηλ) r - β r_before. It diverges past 2(1 + β)/λ_max. Of `steps`
    that are not whole the filter is NaN, and the log of a residual below the range of floats is -inf.

    >>> import kdtheory as kd
    >>> kd.HeavyBall(step_size=0.5, momentum=0.5, steps=2).filter(1.0).item()
    1.0
    """

    step_size: Number | None
    momentum: Number
    steps: Numbers

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        return heavy_ball(eigenvalue, given_step_size(self.step_size), self.momentum, self.steps)

    def shares(self, eigenvalues):
        step_size, momentum, steps = given_step_size(self.step_size), self.momentum, as_column(self.steps, eigenvalues)
        return numerics.momentum_shares(step_size, eigenvalues, steps, momentum)

    def max_step_size(self, max_eigenvalue: Number) -> Number:
        bounded = jnp.abs(self.momentum) <= 1.0
        return jnp.where(bounded, 2.0 * (1.0 + self.momentum) / max_eigenvalue, 0.0)

    def advance(
        self, gradient: Callable[[jax.Array], jax.Array], parameters: jax.Array, previous: jax.Array
    ) -> jax.Array:
        return parameters - self.step_size * gradient(parameters) + self.momentum * (parameters - previous)


@record
class Nesterov(_Loop):
    """Nesterov's accelerated gradient with constant momentum β: z = w + β(w - w_before), w ← z - η∇loss(z),
    from rest.

    With r the residual of one direction: r ← (1 - ηλ)((1 + β) r - β r_before). It diverges past
    2(1 + β)/((1 + 2β)λ_max), for β < -1/3 past (1 - 1/β)/λ_max. Of `steps` that are not whole the filter is NaN, and
    the log of a residual below the range of floats is -inf.

    `fit` returns w. Loops that keep only z, such as optax.sgd(η, momentum=β, nesterov=True), log the look-ahead
    point after each step, z_k = w_k + β(w_k - w_k-1). From w_0 = z_0 = start, w_k = (z_k + β w_k-1)/(1 + β) gives
    back what is to be compared with ours; or compare z with the look-ahead of ours.

    >>> import kdtheory as kd
    >>> kd.Nesterov(step_size=0.5, momentum=0.5, steps=2).filter(1.0).item()
    0.875
    """

    step_size: Number | None
    momentum: Number
    steps: Numbers

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        return nesterov(eigenvalue, given_step_size(self.step_size), self.momentum, self.steps)

    def shares(self, eigenvalues):
        step_size, steps = given_step_size(self.step_size), as_column(self.steps, eigenvalues)
        momentum = self.momentum * (1.0 - step_size * eigenvalues)
        return numerics.momentum_shares(step_size, eigenvalues, steps, momentum)

    def max_step_size(self, max_eigenvalue: Number) -> Number:
        momentum = jnp.asarray(self.momentum, float)
        usual = momentum > -1.0 / 3.0  # below, |ηλ - 1| < 1/|β| binds instead
        bound = jnp.where(usual, 1.0 / (1.0 + 2.0 * jnp.where(usual, momentum, 0.0)), -1.0 / momentum)
        return jnp.where(jnp.abs(momentum) <= 1.0, (1.0 + bound) / max_eigenvalue, 0.0)

    def advance(
        self, gradient: Callable[[jax.Array], jax.Array], parameters: jax.Array, previous: jax.Array
    ) -> jax.Array:
        ahead = parameters + self.momentum * (parameters - previous)
        return ahead - self.step_size * gradient(ahead)


@record
class StochasticDescent(_Loop):
    """Mini-batch gradient descent, w ← w - η · gradient of a fresh batch: the filter is that of its mean.

    Each step draws `batch` rows, uniformly with replacement, from `key` (a JAX key, or an int as its seed).
    With squared loss the mean over draws is exactly where gradient descent would be, 1 - (1 - ηλ)^steps; a
    single run scatters around it. (The scatter has a stricter stability bound than the mean's 2/λ_max.) In a learner
    made of two, such as a student and its teacher, give each a key of its own: of the same batches the mean is another.
    `SelfDistilled` and `self_distill` do that by themselves.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0], [1.0]], [1.0, 1.0])                 # no two batches differ
    >>> kd.StochasticDescent(step_size=0.5, batch=1, key=0, steps=[1, 2]).fit(problem).tolist()
    [[0.5], [0.75]]
    """

    step_size: Numbers | None
    batch: int = static()
    key: Key
    steps: Numbers

    vectors = ("step_size",)

    def definition(self, eigenvalue: Any, exp: Callable) -> Any:
        return GradientDescent(self.step_size, self.steps).definition(eigenvalue, exp)

    def shares(self, eigenvalues):
        return GradientDescent(self.step_size, self.steps).shares(eigenvalues)

    def alternates(self, eigenvalues: jax.Array) -> jax.Array:
        return given_step_size(self.given_step) * eigenvalues > 1.0

    def max_step_size(self, max_eigenvalue):
        return 2.0 / max_eigenvalue

    def advance(
        self, gradient: Callable[[jax.Array], jax.Array], parameters: jax.Array, previous: jax.Array
    ) -> jax.Array:
        return parameters - self.step_size * gradient(parameters)

    def fit(self, problem: Problem, start: Numbers | None = None) -> jax.Array:
        """The loop itself, on batches of the data."""
        start = begin(self, problem, start)
        as_count(self.batch, "StochasticDescent.batch")
        learner = self.tuned(problem.max_eigenvalue()) if self.step_size is None else self
        learner = dataclasses.replace(learner, key=None, steps=None)
        if self.scheduled:
            learner = dataclasses.replace(learner, step_size=jnp.asarray(self.step_size))
        most = len(self.step_size) if self.scheduled else np.inf
        path = run_descent(learner, problem, start, whole_steps(self), key=as_key(self.key))
        return if_whole(self.steps, path, most)
