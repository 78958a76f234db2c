"""The best of any learner: the stop, penalty, step or weight of least risk, one field or several at once."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Number, Numbers
from kdtheory._compilation import quickly, room_for
from kdtheory.learners import Learner, check_learner
from kdtheory.learners._base import path_field
from kdtheory.measures.risks import along, check_noise

WHOLE = "steps", "fits"  # fields that count, unless a range says otherwise
SHARES = "teacher_weight", "momentum"  # fields between zero and one, unless a range says otherwise
PER_DECADE, SPAN = 25, 6  # of grids; decades beyond the extreme eigenvalues
MOST_CELLS = 10_000  # of a grid of several fields
TRIED = 8  # local optima of the grid that are refined
REFINED, FAR = 200, 0.5  # Newton's steps at most, and the longest
SURE, BESIDE = 1e-6, 1e-3  # the step of Newton's below which there is a minimum, and where slopes beside it are seen
MOST_WHOLE = 100_000  # the largest whole number that is looked at, unless a range says otherwise


def best(
    learner: Learner,
    fields: str | Iterable[str] | Mapping[str, tuple[float, float] | range],
    eigenvalues: Numbers,
    signal: Numbers,
    noise_variance: Number,
    weights: Numbers | None = None,
) -> Learner:
    """The learner with the values of some of its fields at which its `risk` is least: any learner with a closed form.

    `fields` are names, dotted where a learner is inside another: "time", ["teacher.time", "student.time"]. What they
    are now does not matter. Each is looked for from 0 to ∞; teacher weights and a momentum from 0 to 1; steps and fits
    among whole numbers from 1 to 100,000. A mapping says otherwise: {"teacher_weight": (-1.0, 3.0)}, or
    {"rounds": range(1, 50)} for whole numbers. The other arguments are as in `risk`; `signal_and_noise` makes them of a
    problem.

    A grid of 25 points to the decade, from 1e-6 to 1e6 times the extreme eigenvalues and their inverses, coarser for
    several fields; from its eight best local minima down by Newton's method, in logarithms, to where the slope vanishes
    within rounding. Of two minima within a step of the grid it may miss the lower. Ends are answered as they are: inf,
    or 0.0, where no finite value is as good. Values found are Python's numbers.

    TypeError for a learner without a closed form; ValueError for fields that it lacks or that are no single number,
    paths in others, negative noise, and ranges that are none.

    >>> import kdtheory as kd
    >>> spectrum, signal = [1.0, 0.1], [1.0, 0.5]
    >>> kd.measures.best(kd.Ridge(1.0), "penalty", spectrum, [1.0, 1.0], 0.1)      # isotropic signal: v / θ²
    Ridge(penalty=0.1)
    >>> flows = kd.distill(kd.GradientFlow(1.0), kd.GradientFlow(1.0))
    >>> kd.measures.best(flows, ["teacher.time", "student.time"], spectrum, signal, 0.05).student.time > 10
    True
    >>> kd.measures.best(kd.GradientFlow(1.0), "time", spectrum, signal, noise_variance=0.0)
    GradientFlow(time=inf)
    """
    check_noise(noise_variance, finite=True)
    check_learner(learner)
    λ = np.asarray(eigenvalues, float)
    seen = λ > 0  # null directions are learnt by nobody
    if not seen.any():
        raise ValueError("eigenvalues are zero: there is nothing to learn")
    θ = np.broadcast_to(np.asarray(signal, float), λ.shape)[seen]
    form = (λ if weights is None else np.asarray(weights, float))[seen]
    axes = [_Axis(learner, name, given, λ[seen]) for name, given in _ranges(fields).items()]
    blank = _with(learner, {axis.name: 1.0 for axis in axes})
    room = (0, room_for(len(θ)) - len(θ))  # of a power of two, so that another spectrum finds what was compiled
    known = np.pad(λ[seen], room, mode="edge"), np.pad(θ, room), float(noise_variance), np.pad(form, room)
    names = tuple(axis.name for axis in axes), tuple(axis.whole for axis in axes)
    total = lambda values: np.asarray(quickly(_totals, np.asarray(values, float), blank, *known, names=names))
    points = _searched(axes, total, partial(_slopes, blank, known, names))
    return _with(learner, {axis.name: axis.plain(value) for axis, value in zip(axes, points, strict=True)})


def _ranges(fields):
    if isinstance(fields, str):
        fields = [fields]
    ranges = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields)
    if not ranges:
        raise ValueError('fields names nothing to look for; give one or several, such as "time"')
    return ranges


# Fields by their dotted names.


def _with(learner, values):
    """The learner with some of its fields replaced."""
    for name, value in values.items():
        learner = _replaced(learner, name.split("."), value)
    return learner


def _replaced(learner, path, value):
    first, *rest = path
    return dataclasses.replace(learner, **{first: _replaced(getattr(learner, first), rest, value) if rest else value})


def _present(learner, name):
    """What a field is now, refused by name where there is none."""
    here = learner
    for part in name.split("."):
        known = [field.name for field in dataclasses.fields(here)] if dataclasses.is_dataclass(here) else []
        if part not in known:
            raise ValueError(
                f"{name}: {type(here).__name__} has no field {part!r}; it has {', '.join(known) or 'none'}"
            )
        here = getattr(here, part)
    if isinstance(here, Learner) or callable(here):
        raise ValueError(f"{name} is {type(here).__name__}, and no number; name a field of it, such as {name}.time")
    return here


class _Axis:
    """The range of one field, and the grid on it."""

    def __init__(self, learner, name, given, eigenvalues):
        _present(learner, name)
        self.name, last = name, name.rpartition(".")[2]
        self.whole = isinstance(given, range) or (given is None and last in WHOLE)
        if isinstance(given, range):
            if not len(given) or given.step != 1:
                raise ValueError(f"{name}: a range of whole numbers must count up by one and have some, got {given}")
            self.low, self.high = given.start, given.stop - 1
        else:
            ends = (1, MOST_WHOLE) if self.whole else (0.0, 1.0) if last in SHARES else (0.0, np.inf)
            self.low, self.high = _ends(name, given) if given is not None else ends
        largest, least = eigenvalues.max(), eigenvalues.min()
        tiny, huge = np.array([1e-1, 1e1]) ** SPAN * [min(least, 1 / largest), max(largest, 1 / least)]
        self.wide = self.low >= 0 and (self.high == np.inf or (self.low > 0 and self.high > 10 * self.low))
        if self.wide:
            low, high = max(self.low, tiny), min(self.high, huge)
            self.inside = np.log(low), np.log(max(high, low))
        else:
            self.inside = self.low, self.high

    def grid(self, most):
        """Values, ascending, ends included."""
        low, high = self.inside
        if self.whole and self.high - self.low < most:
            return np.arange(self.low, self.high + 1.0)
        decades = (high - low) / np.log(10.0) if self.wide else 4
        values = self.at(np.linspace(low, high, int(np.clip(PER_DECADE * decades, 3, most))))
        values = np.unique(np.rint(values)) if self.whole else values
        return np.unique(np.concatenate([[self.low], values, [self.high]]))

    def at(self, place):
        return np.exp(place) if self.wide else place

    def place(self, value):
        with np.errstate(divide="ignore"):
            return np.log(value) if self.wide else value

    def plain(self, value):
        return int(value) if self.whole else float(value)


def _ends(name, given):
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not low < high or low == -np.inf:
        raise ValueError(f"{name} takes (low, high) with low < high, finite but for high, or a range; got {given!r}")
    return low, high


# The search.


@partial(jax.jit, static_argnames="names")
def _totals(values, learner, eigenvalues, signal, noise, form, names):
    one = lambda row: _total(row, learner, eigenvalues, signal, noise, form, names)
    return jax.lax.map(one, values, batch_size=512)


def _total(row, learner, eigenvalues, signal, noise, form, names):
    fields, whole = names
    values = [jnp.rint(x).astype(int) if counts else x for x, counts in zip(row, whole, strict=True)]
    made = _with(learner, dict(zip(fields, values, strict=True)))
    learnt = made.filter(eigenvalues)
    if learnt.ndim > eigenvalues.ndim:
        paths = [f"{type(part).__name__}.{path_field(part)}" for part in made.parts() if path_field(part)]
        raise ValueError(
            f"{' and '.join(paths) or 'learner'} has moments of shape {learnt.shape[:-1]}, but what is looked for is"
            f" {', '.join(fields)}: name it, too, or give it one number; a path has no single risk"
        )
    return jnp.sum(along(learnt, made.residual(eigenvalues), eigenvalues, signal, noise, form))


def _slopes(learner, known, names, wide, free, values):
    """The gradient and the Hessian of the risk by the free places, in logarithms where the axis is wide."""
    return map(
        np.asarray, quickly(_bent, np.asarray(values, float), learner, *known, names=names, wide=wide, free=free)
    )


@partial(jax.jit, static_argnames=("names", "wide", "free"))
def _bent(values, learner, eigenvalues, signal, noise, form, names, wide, free):
    def total(places):
        row = list(values)
        for axis, place in zip(free, places, strict=True):
            row[axis] = values[axis] * jnp.exp(place) if wide[axis] else values[axis] + place
        return _total(row, learner, eigenvalues, signal, noise, form, names)

    zero = jnp.zeros(len(free))
    return jax.jacfwd(total)(zero), jax.jacfwd(jax.jacfwd(total))(zero)


def _searched(axes, total, slopes):
    """The values of least total, an array with one for each axis."""
    most = int(MOST_CELLS ** (1 / len(axes)))
    grids = [axis.grid(most) for axis in axes]
    cells = np.array(list(itertools.product(*grids)))
    table = np.nan_to_num(total(cells), nan=np.inf).reshape([len(grid) for grid in grids])
    if not np.isfinite(table).any():
        raise ValueError("the risk is no number anywhere in these ranges")
    found = []
    for place in _local_minima(table)[:TRIED]:
        values = np.array([grid[i] for grid, i in zip(grids, place, strict=True)])
        if len(axes) > 1:  # grids of several fields take long, and are needed only where slopes do not lead down
            inner = _polished(axes, total, slopes, values, float(table[tuple(place)]))
            if inner[2]:
                found.append((inner[1], *inner))
                continue
        gaps = [_gap(axis, grid, i) for axis, grid, i in zip(axes, grids, place, strict=True)]
        values, reached = _zoomed(axes, total, values, gaps)
        found.append((reached, *_polished(axes, total, slopes, values, reached)))
    least = min(reached for _, _, reached, _ in found)
    near = [each for each in found if each[2] <= least + 4 * np.finfo(float).eps * abs(least)]
    # an end is the answer where no inner minimum is as good: one at which the slope changes sign
    ends = lambda values: sum(value in (axis.low, axis.high) for axis, value in zip(axes, values, strict=True))
    return max(near, key=lambda each: (each[3], ends(each[1]), -each[2]))[1]


def _local_minima(table):
    """The cells that no neighbour is below, also none across a corner, where narrow valleys go; the lowest first, and
    of equal ones those at ends. Of several fields one of them: where all underflows there are plateaus."""
    padded, least = np.pad(table, 1, constant_values=np.inf), np.ones(table.shape, bool)
    for shift in itertools.product(range(3), repeat=table.ndim):
        least &= table <= padded[tuple(slice(i, i + n) for i, n in zip(shift, table.shape, strict=True))]
    places = np.argwhere(least & np.isfinite(table))
    inside = np.sum((places > 0) & (places < np.array(table.shape) - 1), axis=1)
    places = places[np.lexsort((inside, table[tuple(places.T)]))]
    if table.ndim == 1:
        return places
    return places[np.sort(np.unique(table[tuple(places.T)], return_index=True)[1])]


def _gap(axis, grid, place):
    """How far the neighbours of a grid point are, on the axis' own scale; zero at an end that is none of the scale."""
    near = [grid[i] for i in (place - 1, place + 1) if 0 <= i < len(grid)]
    near = [abs(axis.place(value) - axis.place(grid[place])) for value in near if not axis.wide or 0 < value < np.inf]
    fixed = axis.wide and not 0 < grid[place] < np.inf
    return 0.0 if fixed or not near else max(near)


def _zoomed(axes, total, values, gaps):
    """Finer and finer grids around a point, until they are as fine as totals tell."""
    free = [i for i, gap in enumerate(gaps) if gap > 0]
    reached, gaps = float(total([values])[0]), np.array(gaps)
    if not free:
        return values, reached
    points = max(3, int(1000 ** (1 / len(free))) // 2 * 2 + 1) if len(free) > 1 else 33
    for _ in range(200):
        if all(gaps[i] < (0.4 / max(values[i], 1.0) if axes[i].whole else 1e-9) for i in free):
            break
        choices = []
        for i, axis in enumerate(axes):
            if i not in free:
                choices.append([values[i]])
                continue
            low, high = axis.inside
            around = np.clip(axis.place(values[i]) + gaps[i] * np.linspace(-1, 1, points), low, high)
            around = axis.at(around)
            choices.append(np.clip(np.rint(around), axis.low, axis.high) if axis.whole else around)
        cells = np.unique(np.array([[*cell] for cell in itertools.product(*choices)] + [values]), axis=0)
        found = np.nan_to_num(total(cells), nan=np.inf)
        best = int(found.argmin())
        moved = np.abs([axis.place(cells[best][i]) - axis.place(values[i]) for i, axis in enumerate(axes) if i in free])
        if found[best] < reached:
            values, reached = cells[best], float(found[best])
        else:
            moved = np.zeros(len(free))
        gaps[free] = np.where(moved > 0.9 * gaps[free], gaps[free], gaps[free] * 3 / (points - 1))
    return values, reached


def _polished(axes, total, slopes, values, reached):
    """Newton's method from there: the values, their total, and whether it is an inner minimum."""
    free = tuple(
        i for i, axis in enumerate(axes) if not axis.whole and axis.inside[0] < axis.place(values[i]) < axis.inside[1]
    )
    if not free:
        return values, reached, False
    wide, sure, before = tuple(axis.wide for axis in axes), False, np.inf
    for _ in range(REFINED):
        slope, bend = slopes(wide, free, values)
        if not (np.isfinite(slope).all() and np.isfinite(bend).all()):
            break
        curved = np.linalg.eigvalsh(bend)
        if curved.min() <= 0 or curved.max() * 1e-13 > curved.min():
            break
        step = -np.linalg.solve(bend, slope)
        length = np.abs(step).max()
        if length > FAR or (sure and length >= before):
            break
        before = length
        sure, tried = bool(before < SURE), _moved(values, dict(zip(free, step, strict=True)), wide)
        if any(not axes[i].low <= tried[i] <= axes[i].high for i in free):
            break
        found = float(total([tried])[0])
        if not found <= reached * (1 + 1e-12) or np.array_equal(tried, values):
            break
        values, reached = tried, min(found, reached)
    # what underflows is flat as well; a minimum has slopes of either sign beside it
    beside = ((place, i, side) for place, i in enumerate(free) for side in (-BESIDE, BESIDE))
    sure = sure and len(free) == len(axes)
    sure = sure and all(
        next(iter(slopes(wide, free, _moved(values, {i: side}, wide))))[place] * side > 0 for place, i, side in beside
    )
    return values, reached, sure


def _moved(values, by, wide):
    """The values with some of them moved, in their logarithm where it is wide."""
    moved = np.array(values, float)
    for i, step in by.items():
        moved[i] = values[i] * np.exp(step) if wide[i] else values[i] + step
    return moved
