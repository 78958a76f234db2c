"""Definitions that are recursions: what momentum leaves along one direction, in any numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import batching


def heavy_ball(eigenvalue: Any, step_size: Any, momentum: Any, steps: Any) -> Any:
    """What Polyak's heavy ball leaves: r ← (1 + β - ηλ) r - β r_before, from rest at 1.

    With arrays of JAX it is a single operation, which claims evaluate in decimals.
    """
    given = (eigenvalue, step_size, momentum, steps)
    if any(isinstance(number, jax.Array) for number in given):
        return _HEAVY_BALL.bind(*jnp.broadcast_arrays(eigenvalue, *(jnp.asarray(x, float) for x in given[1:])))
    return _recursion(1 + momentum - step_size * eigenvalue, momentum, steps)


def nesterov(eigenvalue: Any, step_size: Any, momentum: Any, steps: Any) -> Any:
    """What Nesterov's gradient leaves: r ← (1 - ηλ)((1 + β) r - β r_before), from rest at 1.

    NotImplementedError for arrays of JAX: it has no such operation.
    """
    if any(isinstance(number, jax.Array) for number in (eigenvalue, step_size, momentum, steps)):
        raise NotImplementedError("Nesterov has no definition in decimals")
    shrunk = 1 - step_size * eigenvalue
    return _recursion(shrunk * (1 + momentum), shrunk * momentum, steps)


def _recursion(here: Any, before: Any, steps: Any) -> Any:
    """r ← here · r - before · r_before, from r = r_before = 1, for whole steps."""
    if np.ndim(steps) > 0 or int(steps) != steps:
        raise ValueError(f"steps must be one whole number for a definition, got {steps}")
    left = last = 1 + 0 * here
    for _ in range(int(steps)):
        left, last = here * left - before * last, left
    return left


_HEAVY_BALL = Primitive("heavy_ball")  # what is left after whole steps: a loop, which no formula replaces
_HEAVY_BALL.def_abstract_eval(lambda λ, *_: λ)


@_HEAVY_BALL.def_impl
def _done(*given):
    loop = np.vectorize(lambda *numbers: heavy_ball(*map(float, numbers)), otypes=[float])
    return jnp.asarray(loop(*map(np.asarray, given)), given[0].dtype)


def _batched(given, axes):
    cases = next(each.shape[axis] for each, axis in zip(given, axes, strict=True) if axis is not None)
    along = [
        jnp.broadcast_to(each, (cases, *each.shape)) if axis is None else jnp.moveaxis(each, axis, 0)
        for each, axis in zip(given, axes, strict=True)
    ]
    return _HEAVY_BALL.bind(*along), 0


batching.primitive_batchers[_HEAVY_BALL] = _batched
