"""Quantities of a claim: how their values are drawn, widely for theory and tamely for loops."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Quantity:
    """How to draw one quantity of a claim: `draw(key, count, tame)` returns count values."""

    draw: Callable
    values: tuple | None = None  # instead of numbers: a few named alternatives


def positive(low=1e-3, high=1e3, tame=(0.2, 3.0)) -> Quantity:
    """A positive number, uniform in its logarithm; loops get it from the narrower range `tame`."""

    def draw(key, count, gentle):
        a, b = tame if gentle else (low, high)
        return jnp.exp(jax.random.uniform(key, (count,), minval=np.log(a), maxval=np.log(b)))

    return Quantity(draw)


def uniform(low, high) -> Quantity:
    """A number uniform between low and high."""
    return Quantity(lambda key, count, tame: jax.random.uniform(key, (count,), minval=low, maxval=high))


def whole(low, high) -> Quantity:
    """A whole number from low to high, uniform in its logarithm."""

    def draw(key, count, tame):
        return jnp.floor(
            jnp.exp(jax.random.uniform(key, (count,), minval=np.log(low), maxval=np.log(high + 1)))
        ).astype(int)

    return Quantity(draw)


def several(count: int, quantity: Quantity) -> Quantity:
    """A vector of `count` independent values."""

    def draw(key, cases, tame):
        return jnp.stack([quantity.draw(each, cases, tame) for each in jax.random.split(key, count)], axis=1)

    return Quantity(draw)


def usually(value, otherwise: Quantity) -> Quantity:
    """A fixed value in three cases of four, and otherwise drawn: for a hypothesis that pins a quantity."""

    def draw(key, count, tame):
        choose, rest = jax.random.split(key)
        return jnp.where(jax.random.uniform(choose, (count,)) < 0.75, value, otherwise.draw(rest, count, tame))

    return Quantity(draw)


def among(*values) -> Quantity:
    """One of a few fixed alternatives, such as numbers of fits or names; cases are shared out evenly."""
    return Quantity(lambda key, count, tame: None, values)
