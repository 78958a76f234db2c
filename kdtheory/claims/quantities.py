"""Quantities of a claim: how their values are drawn, widely for theory and tamely for loops, and their edges."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Quantity:
    """How to draw one quantity of a claim: `draw(random, count, tame)` returns count values, made by a
    generator of NumPy's.

    `range(tame)` are its two ends, which random numbers would never meet and instances on the edge do. Quantities of
    one `kind` may tie: two eigenvalues, two clocks.
    """

    draw: Callable
    values: tuple | None = None  # instead of numbers: a few named alternatives
    range: Callable | None = None  # tame -> (low, high)
    kind: tuple | None = None
    length: int | None = None  # of a vector


TAME = 0.2, 3.0  # what loops get of positive numbers


def positive(low: float = 1e-3, high: float = 1e3, tame: tuple[float, float] = TAME) -> Quantity:
    """A positive number, uniform in its logarithm; loops get it from the narrower range `tame`."""
    if not 0 < low <= high < np.inf or not 0 < tame[0] <= tame[1] < np.inf:
        raise ValueError(
            f"positive takes finite 0 < low <= high, 0 < tame[0] <= tame[1]; got low={low}, high={high}, tame={tame}."
            " A quantity that may be zero is uniform(0, high)"
        )

    def draw(random, count, gentle):
        a, b = tame if gentle else (low, high)
        return np.exp(random.uniform(np.log(a), np.log(b), count))

    return Quantity(draw, None, lambda gentle: tame if gentle else (low, high), ("positive", low, high, *tame))


def uniform(low: float, high: float, tame: tuple[float, float] | None = None) -> Quantity:
    """A number uniform between low and high, both of them included; loops get it from the range `tame`, if given."""
    tame = (low, high) if tame is None else tame
    _ordered("uniform", low, high)
    _ordered("uniform, tame,", *tame)
    ends = lambda gentle: tame if gentle else (low, high)

    def draw(random, count, gentle):
        return random.uniform(*ends(gentle), count)

    return Quantity(draw, None, ends, ("uniform", low, high, *tame))


def whole(low: int, high: int) -> Quantity:
    """A whole number from low to high, at least one, uniform in its logarithm."""
    _ordered("whole", low, high)
    if low < 1 or low != int(low) or high != int(high):
        raise ValueError(f"whole takes whole numbers from one on, got low={low}, high={high}")

    def draw(random, count, tame):
        return np.floor(np.exp(random.uniform(np.log(low), np.log(high + 1), count))).astype(int)

    return Quantity(draw, None, lambda tame: (low, high), ("whole", low, high))


def _ordered(name, low, high):
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(f"{name} takes finite ends with low <= high, got low={low}, high={high}")


def several(count: int, quantity: Quantity) -> Quantity:
    """A vector of `count` independent values."""
    if quantity.values or quantity.length or count < 1:
        raise ValueError(f"several takes a count from one on and a quantity of single numbers, got count={count}")

    def draw(random, cases, tame):
        return np.stack([quantity.draw(random, cases, tame) for _ in range(count)], axis=1)

    return dataclasses.replace(quantity, draw=draw, length=count)


def usually(value: float, otherwise: Quantity) -> Quantity:
    """A fixed value in three cases of four, and otherwise drawn: for a hypothesis that pins a quantity."""

    def draw(random, count, tame):
        return np.where(random.random(count) < 0.75, value, otherwise.draw(random, count, tame))

    return Quantity(draw)


def among(*values: Any) -> Quantity:
    """One of a few fixed alternatives, all of them numbers or all of them names; cases are shared out evenly.

    ValueError for none, for others, and for NaN.
    """
    if not values:
        raise ValueError("among takes at least one alternative")
    of_one_kind = any(all(isinstance(value, kinds) for value in values) for kinds in (str, (int, float, np.number)))
    if not of_one_kind or any(value != value for value in values):
        raise ValueError(f"among takes numbers, or names, and no NaN; got {values}: name what is neither")
    return Quantity(lambda random, count, tame: None, values)


def as_quantity(given: Any) -> Quantity:
    """What a plain value means, where it is clear: a number, itself; (low, high), all real numbers between, even in
    their logarithm where low > 0; a range, its whole numbers; a list, one of its entries.

    TypeError for anything else.
    """
    number = lambda value: isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if isinstance(given, Quantity):
        return given
    if number(given):
        return among(given)
    if isinstance(given, range) and given.step == 1 and len(given) and given.start >= 1:
        return whole(given.start, given.stop - 1)
    if isinstance(given, tuple) and len(given) == 2 and all(map(number, given)):
        low, high = map(float, given)
        if low <= 0:
            return uniform(low, high)
        tame = max(low, TAME[0]), min(high, TAME[1])
        return positive(low, high, tame if tame[0] < tame[1] else (low, high))
    if isinstance(given, list) and given:
        return among(*given)
    raise TypeError(
        f"must be drawn, by positive, uniform, whole, several, usually or among, or be (low, high), a range, a list of"
        f" alternatives or one number; got {given!r}"
    )


def plain(value: Any) -> Any:
    """An array as lists of Python's numbers."""
    return value.tolist() if hasattr(value, "tolist") else value


# Edges.

# by how much two quantities that nearly tie differ, relative to themselves; a loop resolves fewer digits
APART = dict(theory=(0.0, 0.0, 1e-1, 1e-2, 1e-3, 1e-6, 1e-9, 1e-12), loops=(0.0, 1e-1, 1e-2, 1e-3))


def on_edges(
    random: np.random.Generator, quantities: dict[str, Quantity], drawn: dict[str, np.ndarray], tame: bool
) -> dict[str, np.ndarray]:
    """The same instances moved to the edges of their ranges: `drawn` maps quantities to values, (cases,) + shape.

    Each number is moved to an end of its range in one case of three. Then, in half of the cases, numbers that may tie
    do, or nearly: the entries of one vector, or two quantities of a kind.
    """
    moved = {name: np.array(values) for name, values in drawn.items()}
    apart = APART["loops" if tame else "theory"]
    for name, quantity in quantities.items():
        if quantity.range:
            end = np.asarray(quantity.range(tame), moved[name].dtype)[random.integers(2, size=moved[name].shape)]
            moved[name] = np.where(random.random(moved[name].shape) < 1 / 3, end, moved[name])
    kinds, ends = {}, {}
    for name, quantity in quantities.items():
        if quantity.kind:
            ends[quantity.kind] = quantity.range(tame)  # type: ignore[misc]
            kinds.setdefault(quantity.kind, []).extend(
                [(name,)] if quantity.length is None else [(name, place) for place in range(quantity.length)]
            )
    for kind, cells in kinds.items():
        if len(cells) < 2:
            continue
        cases = np.flatnonzero(random.random(len(next(iter(moved.values())))) < 0.5)
        values = np.stack([moved[name][(cases, *place)] for name, *place in cells], axis=1)
        order = np.argsort(random.random(values.shape), axis=1)  # the first of each row leads, some that follow tie
        tied = np.argsort(order, axis=1) < random.integers(2, len(cells) + 1, (len(cases), 1))
        near = 1.0 + random.choice((-1.0, 1.0), values.shape) * random.choice(apart, values.shape)
        near[np.arange(len(cases)), order[:, 0]] = 1.0
        values = np.where(tied, np.clip(np.take_along_axis(values, order[:, :1], 1) * near, *ends[kind]), values)
        for (name, *place), column in zip(cells, values.T, strict=True):
            moved[name][(cases, *place)] = column
    return moved
