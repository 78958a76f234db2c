"""More cells for a folder: what is there stays, and only the rest is computed.

A folder holds one sweep, and its extensions in folders inside it, each with all of its axes. The cells that an
extension adds are as many boxes as there are axes: along the i-th axis the new values only, along those before it the
old ones, along those after it all.
"""

import io
import itertools

import jax
import numpy as np

from kdtheory.files import _folders
from kdtheory.sweeps._chunks import gathered

_AXES = "axes.npz"


def write_axes(folder, values):
    """Keep the values of the axes, to extend them by."""
    if jax.process_index() == 0 and not (folder / _AXES).exists():
        _folders.write_atomically(folder / _AXES, _folders.archive(values))


def extended(folder, values, columns):
    """All cells of `values`; `columns(values, folder)` are those of one sweep, and the names of their axes."""
    places = itertools.chain([folder], (folder / f"extension-{number}" for number in itertools.count(1)))
    steps = [(place, _read(place)) for place in itertools.takewhile(lambda place: (place / _AXES).exists(), places)]
    if not steps:
        return columns(values, folder)
    _check(folder, steps[-1][1], values)
    if jax.process_count() > 1:
        gathered(np.array(True))  # all have read before one writes
    if any(len(steps[-1][1][axis]) < len(points) for axis, points in values.items()):
        steps.append((folder / f"extension-{len(steps)}", values))
        _folders.prepare(steps[-1][0])
        write_axes(*steps[-1])

    (_, before), *more = steps
    found, labels = columns(before, folder)
    for place, after in more:
        whole = {}
        _fill(whole, found, before, after)
        for number, axis in enumerate(after):
            new = after[axis][~_among(after[axis], before[axis])]
            box = {**dict(itertools.islice(before.items(), number)), axis: new}
            box = {name: box.get(name, points) for name, points in after.items()}
            if len(new):
                part, labels = columns(box, place / axis)
                _fill(whole, part, box, after)
        found, before = whole, after
    ordered = {}
    _fill(ordered, found, before, values)
    return ordered, labels


def _keys(*axes):
    """What tells the points of axes apart: of floats the bits, for 1/0.0 is not 1/-0.0, and NaN is one value."""
    points = [axis.astype(np.result_type(*axes)) for axis in axes]
    bits = lambda each: np.where(np.isnan(each), np.nan, each).view(f"u{each.itemsize}")
    return [bits(each) if each.dtype.kind == "f" else each for each in points]


def _among(points, others):
    """Which points are among others."""
    return np.isin(*_keys(points, others))


def _read(place):
    with open(place / _AXES, "rb") as file:
        return _folders.arrays_of(io.BytesIO(file.read()))


def _check(folder, there, values):
    if [*there] != [*values]:
        raise ValueError(
            f"the folder {folder} holds a sweep of the axes {', '.join(there)}, not of {', '.join(values)}; choose"
            " another folder"
        )
    for axis, points in values.items():
        kinds = [each.dtype.kind if each.dtype.kind in "US" else each.dtype.name for each in (there[axis], points)]
        if kinds[0] != kinds[1]:  # a function may say something else of 1 than of 1.0
            raise ValueError(
                f"axis {axis} holds {kinds[1]}, and that of the folder {folder} {kinds[0]}; give it values of that"
                " kind, or choose another folder"
            )
        if len(np.unique(*_keys(points))) < len(points):
            raise ValueError(f"axis {axis} holds a value twice, which cannot extend a folder; give each once")
        lacking = there[axis][~_among(there[axis], points)]
        if len(lacking):
            raise ValueError(
                f"axis {axis} lacks {lacking[0]}, which the folder {folder} has; extend takes values in addition to"
                " those there, or choose another folder"
            )


def _fill(whole, part, box, axes):
    """Put the columns of a box into those of all axes."""
    shape = tuple(map(len, axes.values()))
    places = []
    for axis, points in box.items():
        there, here = _keys(axes[axis], points)
        order = np.argsort(there)
        places.append(order[np.searchsorted(there, here, sorter=order)])
    for variable, column in part.items():
        inner = column.shape[len(shape) :]
        there = whole.setdefault(variable, np.zeros(shape + inner, column.dtype))
        if there.shape[len(shape) :] != inner:
            raise ValueError(
                f"{variable} has the shape {inner} in some cells and {there.shape[len(shape) :]} in others"
            )
        if (dtype := np.promote_types(there.dtype, column.dtype)) != there.dtype:
            there = whole[variable] = there.astype(dtype)
        there[np.ix_(*places)] = column
