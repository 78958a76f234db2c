"""How a block of cells is computed: by a program of fixed size, or one cell after another."""

import functools
import math
from collections import OrderedDict

import jax
import numpy as np
from jax.extend import core
from jax.sharding import Mesh, PartitionSpec

from kdtheory._compilation import in_numpy, light, quick_options, remembered
from kdtheory.sweeps._grid import Grid

BRIEF = 10_000  # cells, at most, of a sweep that is over before a better program would be made
BUDGET = 2**28  # bytes that a chunk may hold on a device at once, results and intermediates
KEPT = 64  # programs


def computer(cell, name, values, chunk, devices):
    """What computes the blocks of a grid: `grid`, `labels` as far as they are known, and `compute`."""
    if chunk is not None and (isinstance(chunk, bool) or not (isinstance(chunk, int | np.integer) and chunk >= 1)):
        raise ValueError(f"chunk must be a whole number of cells, at least 1; got {chunk!r}")
    strings = any(points.dtype.kind == "U" for points in values.values())
    traced = None if strings else _traced(cell, {axis: points[0] for axis, points in values.items()})
    if traced is None:
        return Plain(cell, name, values, chunk)
    closed, result = traced
    total = math.prod(map(len, values.values()))
    size = chunk or min(-(-total // 32), 2**15)
    if total <= min(BRIEF, 32 * size) and light(closed, total):
        return InNumpy(cell, name, values, chunk or total, chunk is not None, devices[:1], result)
    return Compiled(cell, name, values, size, chunk is not None, devices, result)


class Plain:
    """One cell after another, by Python."""

    def __init__(self, cell, name, values, chunk):
        self.cell, self.name, self.values, self.labels = cell, name, values, {}
        shape = tuple(map(len, values.values()))
        self.grid = Grid(shape, chunk or max(1, math.prod(shape) // 1000))

    def compute(self, numbers):
        return [self._stacked(self.grid.cells(number)) for number in numbers]

    def _stacked(self, cells):
        """The columns of a range of cells."""
        rows = []
        for number in range(cells.start, cells.stop):
            where = np.unravel_index(number, self.grid.shape)
            entries = {axis: _plain(points[i]) for (axis, points), i in zip(self.values.items(), where, strict=True)}
            result = self.cell(entries)
            row = variables(result, self.name)
            self.labels = self.labels or labels_of(result, self.name)
            rows.append({variable: np.asarray(value) for variable, value in row.items()})
            if _shapes(rows[-1]) != _shapes(rows[0]):
                raise ValueError(
                    f"{self.name} returns {_shapes(rows[-1])} at cell {number}, but {_shapes(rows[0])} at {cells.start}"
                )
        return {variable: np.stack([row[variable] for row in rows]) for variable in rows[0]}


class Compiled:
    """Blocks of cells by one compiled program, as many at once as there are devices."""

    def __init__(self, cell, name, values, size, fixed, devices, result):
        self.cell, self.name, self.values, self.devices = cell, name, values, devices
        variables(result, name)
        self.labels = labels_of(result, name)
        shape = tuple(map(len, values.values()))
        self.grid = Grid(shape, size)
        self.work = self._trace()
        while not fixed and size > 1 and (needed := max(map(peak, _within(self.work.jaxpr.jaxpr.eqns)))) > BUDGET:
            size = int(math.prod(self.grid.block) * BUDGET / needed) or 1
            self.grid = Grid(shape, size)
            self.work = self._trace()

    def _trace(self, mapped=jax.vmap):
        outer = _outer(self.cell, list(self.values), mapped)

        def block(entries):
            return jax.tree.map(lambda x: x[None], outer({axis: points[0] for axis, points in entries.items()}))

        many = jax.jit(block)
        if len(self.devices) > 1:
            mesh, sharded = Mesh(np.array(self.devices), ("sweep",)), PartitionSpec("sweep")
            many = jax.shard_map(many, mesh=mesh, in_specs=sharded, out_specs=sharded, check_vma=False)
        return jax.jit(many).trace(self._entries([0] * len(self.devices)))

    def _entries(self, numbers):
        where = [self.grid.indices(number) for number in numbers]  # along an axis, all blocks padded to one length
        return {
            axis: np.stack([points[np.resize(indices[i], self.grid.block[i])] for indices in where])
            for i, (axis, points) in enumerate(self.values.items())
        }

    @functools.cached_property
    def program(self):  # not needed where all chunks are on disk
        brief = math.prod(self.grid.shape) <= BRIEF
        key = tuple(self.devices), brief, identity((tuple(self.values), self.tree, self.work.jaxpr))
        if key not in _PROGRAMS:
            lowered = self.work.lower()
            if "@lapack_" in lowered.as_text():
                lowered = self._trace(lambda function: functools.partial(jax.lax.map, function)).lower()
            _PROGRAMS[key] = lowered.compile(quick_options(often=not brief))
        _PROGRAMS.move_to_end(key)
        while len(_PROGRAMS) > KEPT:
            _PROGRAMS.popitem(last=False)
        place, program = self.devices[0] if len(self.devices) == 1 else None, _PROGRAMS[key]
        return lambda entries: program(jax.device_put(entries, place))

    @property
    def tree(self):
        """The structure of what the program returns."""
        return jax.tree.structure(self.work.out_info)

    def compute(self, numbers):
        at_once = len(self.devices)
        return [
            piece
            for first in range(0, len(numbers), at_once)
            for piece in self._block(numbers[first : first + at_once])
        ]

    def _block(self, numbers):
        padded = [*numbers, *numbers[-1:] * (len(self.devices) - len(numbers))]
        found = variables(self.program(self._entries(padded)), self.name)
        results = {key: np.asarray(rows) for key, rows in found.items()}
        pieces = []
        for place, number in enumerate(numbers):
            indices = self.grid.indices(number)
            real = tuple(slice(len(along)) for along in indices)
            pieces.append(
                {key: rows[place][real].reshape(-1, *rows.shape[1 + len(indices) :]) for key, rows in results.items()}
            )
        return pieces


class InNumpy(Compiled):
    """The same by NumPy, one block after another, for what it has computed before a program is compiled."""

    @functools.cached_property
    def program(self):
        return in_numpy(self.work.jaxpr, self.tree) if light(self.work.jaxpr) else super().program


_PROGRAMS: OrderedDict = OrderedDict()  # by what they compute: the same sweep again compiles nothing


def identity(value):
    """What a traced function computes, to compare by: equal only where two do the same, constants and all."""
    if isinstance(value, core.ClosedJaxpr):
        return _steps(value), tuple(map(identity, value.consts))
    if isinstance(value, core.Jaxpr):
        return _steps(value)
    if isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return str(jax.random.key_impl(value)), identity(jax.random.key_data(value))
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        value = np.asarray(value)
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, tuple | list):
        return type(value), tuple(map(identity, value))
    if isinstance(value, dict):
        return dict, tuple((key, identity(inside)) for key, inside in value.items())
    if isinstance(value, float):
        return float, value.hex()  # -0.0 is another number
    try:
        hash(value)
    except TypeError:
        return _Alone()
    return type(value), value


@remembered
def _steps(jaxpr):
    names = {}
    for known in (jaxpr.constvars, jaxpr.invars, *(step.outvars for step in jaxpr.eqns)):
        names |= {variable: len(names) + place for place, variable in enumerate(known)}

    def called(variables):
        for variable in variables:
            literal = isinstance(variable, core.Literal)
            yield identity(variable.val) if literal else names[variable], _shape(variable.aval)

    def step(eqn):
        settings = ((key, identity(value)) for key, value in eqn.params.items() if key not in _OF_SLOPES)
        return eqn.primitive, tuple(called(eqn.invars)), tuple(called(eqn.outvars)), tuple(settings)

    inputs = [*jaxpr.constvars, *jaxpr.invars]
    return len(jaxpr.constvars), tuple(called(inputs)), tuple(map(step, jaxpr.eqns)), tuple(called(jaxpr.outvars))


def _shape(aval):
    return getattr(aval, "shape", None), _name(getattr(aval, "dtype", aval)), getattr(aval, "weak_type", None)


_name = functools.lru_cache(str)  # of a kind of numbers, which NumPy puts together anew each time


class _Alone:
    """What nothing equals."""


_OF_SLOPES = {"jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd"}  # rules of derivatives, which a program no longer has


def _outer(cell, axes, mapped):
    """A function of one value per axis as one of arrays of values: its outer product, the first axis outermost."""
    if not axes:
        return cell
    axis, *rest = axes

    def over(entries):
        def at(value):
            return _outer(lambda inner: cell({axis: value, **inner}), rest, mapped)(
                {name: entries[name] for name in rest}
            )

        return mapped(at)(entries[axis])

    return over


@remembered
def peak(jaxpr):
    """The bytes that a traced function holds at once at most, step by step: of shapes alone, the same anywhere."""
    used = [[*step.invars, *step.outvars] for step in jaxpr.eqns] + [jaxpr.outvars]
    last = {v: place for place, variables in enumerate(used) for v in variables if not isinstance(v, core.Literal)}
    held, most = {}, 0
    for place, step in enumerate(jaxpr.eqns):
        held |= {variable: variable.aval.size * variable.aval.dtype.itemsize for variable in step.outvars}
        inside = max(map(peak, _within([step])), default=0)
        most = max(most, sum(held.values()) + inside)
        held = {variable: size for variable, size in held.items() if last[variable] > place}
    return most


def _within(steps):
    """The traced functions that steps of another apply, such as the bodies of loops."""
    for step in steps:
        for value in step.params.values():
            for one in value if isinstance(value, tuple | list) else (value,):
                if isinstance(one, core.Jaxpr | core.ClosedJaxpr):
                    yield getattr(one, "jaxpr", one)


def _traced(cell, example):
    """The function of one cell as it is traced, and the shapes that it returns; or None if it cannot be traced: if it
    refuses tracers and takes numbers."""
    try:
        return jax.make_jaxpr(cell, return_shape=True)(
            jax.tree.map(lambda value: jax.ShapeDtypeStruct((), value.dtype), example)
        )
    except Exception as problem:
        refused = _refuses_tracers(problem)
    if not refused:
        cell({axis: _plain(value) for axis, value in example.items()})  # what is wrong with numbers, too, is its own
    return None


def _refuses_tracers(problem):
    while problem is not None:
        if isinstance(problem, jax.errors.JAXTypeError | jax.errors.JAXIndexError) or "valid JAX type" in str(problem):
            return True
        problem = problem.__cause__ or problem.__context__
    return False


def variables(result, name):
    """The parts of what a function returns, by name."""
    found = {}
    for part, leaf, _ in _leaves(result, name):
        if not hasattr(leaf, "dtype") and not isinstance(leaf, bool | int | float | complex):
            raise ValueError(
                f"{name} must return a number or an array, or a dict or record of them, got {type(leaf).__name__}"
            )
        if part in found:
            raise ValueError(f"{name} returns two parts that would be called {part}; rename one of them")
        found[part] = leaf
    if not found:
        raise ValueError(f"{name} must return a number or an array, or a dict or record of them, got {result!r}")
    return found


def labels_of(result, name):
    """What a record says of each part of a result: "label" if it labels an axis of others, else "part", and the names
    of its axes."""
    return {part: told for part, _, told in _leaves(result, name) if told is not None}


def _leaves(result, name):
    """Each part of a result: its name, itself, and what is known of its axes or None."""
    knows = lambda node: callable(getattr(node, "axes", None)) and not hasattr(node, "dtype")
    for path, node in jax.tree_util.tree_flatten_with_path(result, is_leaf=knows)[0]:
        inside = jax.tree_util.tree_flatten_with_path(node)[0] if knows(node) else [((), node)]
        axes = node.axes() if knows(node) else {}
        labels = getattr(node, "labels", ())
        for place, leaf in inside:
            field = jax.tree_util.keystr(place, simple=True, separator="_")
            part = jax.tree_util.keystr(path + place, simple=True, separator="_")
            part = part if part and not part[0].isdigit() else "_".join(filter(None, (name, part)))
            yield part, leaf, ("label" if field in labels else "part", *axes[field]) if field in axes else None


def _plain(value):
    return value.item() if value.dtype.kind in "Ub" else value


def _shapes(row):
    return ", ".join(f"{variable} {np.shape(value)}" for variable, value in row.items())
