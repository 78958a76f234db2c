"""Sweeps: a function of scalars over the outer product of axes, with labels.

Cells are computed in chunks, which are blocks of the grid, by one `vmap` per axis inside another: what depends on some
axes only is computed once for all values of the others. A chunk is one compiled program of fixed size, whichever
device or process runs it, so that results do not depend on how many there are, nor on where a killed sweep was
resumed.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import inspect
import math
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from jax.sharding import Mesh, PartitionSpec

from kdtheory._at_once import quick_options
from kdtheory._checks import Numbers, check_memory
from kdtheory.files import _fingerprint, _pieces

if TYPE_CHECKING:
    from xarray import Dataset

BRIEF = 10_000  # cells, at most, of a sweep that is over before a better program would be made
BUDGET = 2**28  # bytes that a chunk may hold on a device at once, results and intermediates
PATIENCE = 1.0  # seconds: a shorter sweep needs no progress bar


def sweep(
    function: Callable,
    *,
    folder: str | os.PathLike[str] | None = None,
    chunk: int | None = None,
    seeds: int | Sequence[int] | np.ndarray | None = None,
    progress: bool = True,
    devices: Sequence[jax.Device] | None = None,
    **axes: Numbers,
) -> "Dataset":
    """Apply a function to every combination of its arguments' values; returns a labelled `xarray.Dataset`.

    `function` takes one value of each axis and returns a number or an array, or a dict or record of them. It is
    vmapped and compiled if it can be traced, and one cell after another is computed if it factorises matrices, since
    JAX may wait for itself inside batched LAPACK calls. What cannot be traced (data from files, scipy, Python's own
    branches) is called as it is.

    `axes` maps each argument to a one-dimensional array of numbers or strings; a function of strings is not traced.
    With `seeds`, a number of them or a list, the function also takes a `key`, a JAX key made of each seed.
    Variables are named after the function, or by what it returns where that has names, and have the axes as their
    dimensions, in the order given, `seed` last; axes of what the function returns follow, as `NAME_0`, `NAME_1`, ….
    The attributes say by which version and which code the table was made.

    `folder` keeps finished chunks: the same call goes on where it was killed, to the same bits. A chunk is written
    whole or not at all. The same call is one whose function reads the same, by content: through names, closures,
    defaults, objects and their classes; of installed packages by version. `chunk` is how many cells are computed at
    once at most, by default so many that the arrays which a device holds at once, counted before anything is fused, are
    below 2^28 bytes (256 MB), and that at least 32 chunks show the progress. Chunks are blocks of the grid; the last
    axes are the fastest. `devices` are JAX devices of this process, by default all of them; each computes chunks of its
    own. Where `jax.distributed` has been initialised, each process computes its share and all return the whole table.

    Raises ValueError for axes that are not one-dimensional, do not match the function's arguments or have the name of
    an option; for results that memory cannot hold; for a folder that holds another sweep (another function, axis, seed,
    chunk or version), naming the difference, or something else; and, with a folder, for a function that changes what it
    reads, or reads what nobody can compare with another time, such as a file, the environment, a random generator or a
    lock, naming it: pass it as an axis, an array or a record. BlockingIOError for a folder in which another process is
    at work; PermissionError for one that cannot be written to; ImportError without xarray, which is in the extra
    `kdtheory[sweep]`.

    >>> import kdtheory as kd
    >>> def progress(eigenvalue, time):
    ...     return kd.GradientFlow(time).filter(eigenvalue)
    >>> table = kd.sweep(progress, eigenvalue=[1.0, 0.1], time=[1.0, 2.0, 3.0])
    >>> dict(table.progress.sizes), round(table.progress.sel(eigenvalue=0.1, time=2.0).item(), 6)
    ({'eigenvalue': 2, 'time': 3}, 0.181269)
    """
    try:
        import xarray
    except ImportError as missing:
        raise ImportError(
            "sweep returns labelled tables, which need xarray: pip install 'kdtheory[sweep]'"
        ) from missing
    name = _named(function)
    _check_options(function, name, folder=folder, chunk=chunk, seeds=seeds, progress=progress, devices=devices)
    values = {axis: _axis(axis, points) for axis, points in axes.items()}
    if seeds is not None:
        if "seed" in values or "key" in values:
            raise ValueError("with seeds, the axis is called seed and the function's argument key; rename yours")
        values["seed"] = _seeds(seeds)
    if not values:
        raise ValueError("give at least one axis, such as exponent=jnp.linspace(0.5, 3, 26)")
    _check_arguments(function, name, [axis if axis != "seed" or seeds is None else "key" for axis in values])

    def cell(entries):
        if seeds is not None:
            entries = {**entries, "key": jax.random.key(entries["seed"])}
            del entries["seed"]
        return function(**entries)

    devices = jax.local_devices() if devices is None else list(devices)
    code = None
    if folder is not None:
        _pieces.prepare(folder)  # an error now is better than one after the work
        code = _fingerprint.reads(function)
    compute, grid = _computer(cell, name, values, chunk, devices)
    version = f"kdtheory {importlib.metadata.version('kdtheory')}, jax {jax.__version__}"
    configuration = {
        "name": name,
        "version": version,
        "settings": _settings(devices),
        "axes": {axis: _summary(points) for axis, points in values.items()},
        "chunk": " × ".join(map(str, grid.block)),
        "code": code,
    }

    def unchanged():
        if code is not None and (now := _fingerprint.reads(function)) != code:
            raise ValueError(
                f"{name} changes what it reads: {_pieces.difference(code, now)}. Its cells then depend on those before"
                " them, and a folder cannot go on in their middle; leave out folder=, or keep what is slow to make with"
                " functools.cache"
            )

    with _opened(folder, configuration) as kept:
        columns = _run(compute, kept, grid, progress and jax.process_index() == 0, name, len(devices), unchanged)

    clash = sorted(columns.keys() & values.keys())
    if clash:
        raise ValueError(f"{name} returns {clash[0]}, which is also the name of an axis; rename one of the two")
    variables = {
        variable: (
            [*values, *(f"{variable}_{i}" for i in range(column.ndim - 1))],
            column.reshape(grid.shape + column.shape[1:]),
        )
        for variable, column in columns.items()
    }
    attributes = {
        "version": version,
        "axes": ", ".join(f"{axis} ({len(points)})" for axis, points in values.items()),
        "seeds": "none" if seeds is None else " ".join(map(str, values["seed"].tolist())),
        "code": _fingerprint.source(function),
    }
    return xarray.Dataset(variables, coords=values, attrs=attributes)


# What users hand us.


def _named(function):
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", "value").strip("<>")


_OPTIONS = {
    "folder": "the folder that keeps finished pieces",
    "chunk": "how many cells are computed at once",
    "seeds": "the seeds of which keys are made",
    "progress": "whether a bar is shown",
    "devices": "the devices that compute",
}


def _check_options(function, name, **given):
    try:
        arguments = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of what is written in C
        arguments = {}
    for option, meaning in _OPTIONS.items():
        needed = option in arguments and arguments[option].default is inspect.Parameter.empty
        if needed or (option in ("folder", "progress", "chunk") and np.ndim(given[option])):
            raise ValueError(
                f"an axis cannot be called {option}, which is sweep's own argument for {meaning}; rename the argument"
                f" of {name}, such as to {option}_"
            )
    if given["folder"] is not None and not os.fspath(given["folder"]):
        raise ValueError("folder is empty; name one, or give folder='.' for that in which you are")


def _axis(name, points):
    points = np.asarray(points)
    if points.ndim != 1 or len(points) == 0:
        raise ValueError(f"axis {name} must be a one-dimensional array of at least one value, got shape {points.shape}")
    if points.dtype.kind == "U":
        return points
    if points.dtype.kind not in "biuf":
        raise ValueError(f"axis {name} must hold numbers or strings, got {points.dtype}; make the rest inside")
    return np.asarray(jnp.asarray(points))


def _seeds(seeds):
    seeds = np.asarray(range(seeds) if isinstance(seeds, int | np.integer) else seeds)
    if seeds.ndim != 1 or len(seeds) == 0 or seeds.dtype.kind not in "iu":
        raise ValueError(f"seeds must be a number of them or a list of whole numbers, got {seeds}")
    return seeds.astype(np.int64)


def _check_arguments(function, name, given):
    try:
        inspect.signature(function).bind(**dict.fromkeys(given))
    except TypeError as problem:
        raise ValueError(f"the axes {', '.join(given)} do not match the arguments of {name}: {problem}") from None


def _summary(points):
    checksum = hashlib.sha256(repr(points.tolist()).encode()).hexdigest()
    kind = "" if points.dtype.kind == "U" else f"{points.dtype}, "
    return f"{len(points)} values from {points[0]} to {points[-1]} ({kind}sha256 {checksum[:16]})"


def _settings(devices):
    """What of JAX decides about digits, besides its version."""
    names = "enable_x64 default_matmul_precision default_prng_impl threefry_partitionable numpy_dtype_promotion".split()
    told = (f"{name} {getattr(jax.config, f'jax_{name}', None)}" for name in names)
    return ", ".join([*sorted({device.platform for device in devices}), *told])


# How a chunk is computed.


class _Grid:
    """The cells of a sweep, in blocks of which each is a range of cells in the order of the axes."""

    def __init__(self, shape, size):
        """With nearly equal blocks of at most `size` cells: whole along the last axes, single along the first."""
        self.shape, self.axis, rest = shape, len(shape) - 1, 1
        while self.axis > 0 and rest * shape[self.axis] <= size:
            rest *= shape[self.axis]
            self.axis -= 1
        length = shape[self.axis]  # of the axis that is split
        width = -(-length // -(-length // (size // rest)))
        self.parts = -(-length // width)
        self.block = (1,) * self.axis + (width, *shape[self.axis + 1 :])
        self.count = math.prod(shape[: self.axis]) * self.parts

    def indices(self, number):
        """Where along each axis the cells of a block are."""
        lead, part = divmod(number, self.parts)
        before = np.unravel_index(lead, self.shape[: self.axis]) if self.axis else ()
        width = self.block[self.axis]
        split = np.arange(part * width, min((part + 1) * width, self.shape[self.axis]))
        return [*map(np.atleast_1d, before), split, *map(np.arange, self.shape[self.axis + 1 :])]

    def cells(self, number):
        """The range of cells of a block."""
        lead, part = divmod(number, self.parts)
        length, whole = self.shape[self.axis], math.prod(self.shape[self.axis + 1 :])
        ends = part * self.block[self.axis], min((part + 1) * self.block[self.axis], length)
        return slice(*((lead * length + end) * whole for end in ends))


def _computer(cell, name, values, chunk, devices):
    """What computes as many blocks as there are devices, and the grid that they are blocks of."""
    if chunk is not None and not (isinstance(chunk, int | np.integer) and chunk >= 1):
        raise ValueError(f"chunk must be a whole number of cells, at least 1; got {chunk!r}")
    shape = tuple(map(len, values.values()))
    total = math.prod(shape)
    example = {axis: points[0] for axis, points in values.items()}
    result = None if any(points.dtype.kind == "U" for points in values.values()) else _traced(cell, example)
    if result is None:
        grid = _Grid(shape, chunk or max(1, total // 1000))

        def one_by_one(numbers):
            return [_stacked(cell, values, grid.cells(number), grid.shape, name) for number in numbers]

        return one_by_one, grid
    _variables(result, name)

    def entries(grid, numbers):
        where = [grid.indices(number) for number in numbers]  # along an axis, all blocks padded to one length
        return {
            axis: np.stack([points[np.resize(indices[i], grid.block[i])] for indices in where])
            for i, (axis, points) in enumerate(values.items())
        }

    mesh, sharded = Mesh(np.array(devices), ("sweep",)), PartitionSpec("sweep")

    def traced(grid, mapped=jax.vmap):
        outer = _outer(cell, list(values), mapped)

        def block(entries):
            return jax.tree.map(lambda x: x[None], outer({axis: points[0] for axis, points in entries.items()}))

        many = jax.shard_map(block, mesh=mesh, in_specs=sharded, out_specs=sharded, check_vma=False)
        return jax.jit(many).trace(entries(grid, [0] * len(devices)))

    size = chunk or min(-(-total // 32), 2**15)
    work = traced(grid := _Grid(shape, size))
    while chunk is None and size > 1 and (needed := max(map(_peak, _within(work.jaxpr.jaxpr.eqns)))) > BUDGET:
        size = int(math.prod(grid.block) * BUDGET / needed) or 1
        work = traced(grid := _Grid(shape, size))

    @functools.cache
    def program():  # not needed where all chunks are on disk
        lowered = work.lower()
        if "@lapack_" in lowered.as_text():
            lowered = traced(grid, lambda function: functools.partial(jax.lax.map, function)).lower()
        return lowered.compile(quick_options() if total <= BRIEF else None)

    def at_once(numbers):
        padded = [*numbers, *numbers[-1:] * (len(devices) - len(numbers))]
        results = {key: np.asarray(rows) for key, rows in _variables(program()(entries(grid, padded)), name).items()}
        pieces = []
        for place, number in enumerate(numbers):
            real = tuple(slice(len(indices)) for indices in grid.indices(number))
            pieces.append(
                {key: rows[place][real].reshape(-1, *rows.shape[1 + len(shape) :]) for key, rows in results.items()}
            )
        return pieces

    return at_once, grid


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


def _peak(jaxpr):
    """The bytes that a traced function holds at once at most, step by step: of shapes alone, the same anywhere."""
    used = [[*step.invars, *step.outvars] for step in jaxpr.eqns] + [jaxpr.outvars]
    last = {v: place for place, variables in enumerate(used) for v in variables if not isinstance(v, core.Literal)}
    held, peak = {}, 0
    for place, step in enumerate(jaxpr.eqns):
        held |= {variable: variable.aval.size * variable.aval.dtype.itemsize for variable in step.outvars}
        inside = max(map(_peak, _within([step])), default=0)
        peak = max(peak, sum(held.values()) + inside)
        held = {variable: size for variable, size in held.items() if last[variable] > place}
    return peak


def _within(steps):
    """The traced functions that steps of another apply, such as the bodies of loops."""
    for step in steps:
        for value in step.params.values():
            for one in value if isinstance(value, tuple | list) else (value,):
                if isinstance(one, core.Jaxpr | core.ClosedJaxpr):
                    yield getattr(one, "jaxpr", one)


def _traced(cell, example):
    """The shapes that the function returns, or None if JAX cannot trace it."""
    try:
        return jax.eval_shape(cell, jax.tree.map(lambda value: jax.ShapeDtypeStruct((), value.dtype), example))
    except Exception as problem:
        while problem is not None:
            if isinstance(problem, jax.errors.JAXTypeError | jax.errors.JAXIndexError) or "valid JAX type" in str(
                problem
            ):
                return None
            problem = problem.__cause__ or problem.__context__
        raise


def _variables(result, name):
    """The parts of what a function returns, by name."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(result)
    found = {}
    for path, leaf in leaves:
        if not hasattr(leaf, "dtype") and not isinstance(leaf, bool | int | float | complex):
            raise ValueError(
                f"{name} must return a number or an array, or a dict or record of them, got {type(leaf).__name__}"
            )
        part = jax.tree_util.keystr(path, simple=True, separator="_")
        found[part if part and not part[0].isdigit() else "_".join(filter(None, (name, part)))] = leaf
    if not found:
        raise ValueError(f"{name} must return a number or an array, or a dict or record of them, got {result!r}")
    return found


def _plain(value):
    return value.item() if value.dtype.kind in "Ub" else value


def _stacked(cell, values, cells, shape, name):
    """The columns of a range of cells, one call after another."""
    rows = []
    for number in range(cells.start, cells.stop):
        where = np.unravel_index(number, shape)
        entries = {axis: _plain(points[i]) for (axis, points), i in zip(values.items(), where, strict=True)}
        row = _variables(cell(entries), name)
        rows.append({variable: np.asarray(value) for variable, value in row.items()})
        if _shapes(rows[-1]) != _shapes(rows[0]):
            raise ValueError(
                f"{name} returns {_shapes(rows[-1])} at cell {number}, but {_shapes(rows[0])} at {cells.start}"
            )
    return {variable: np.stack([row[variable] for row in rows]) for variable in rows[0]}


def _shapes(row):
    return ", ".join(f"{variable} {np.shape(value)}" for variable, value in row.items())


# The run.


@contextlib.contextmanager
def _opened(path, configuration):
    """The folder, locked by the first process on behalf of all; None if there is none to keep."""
    if path is None:
        yield None
        return
    folder = _pieces.Folder(path, configuration)
    if jax.process_count() == 1:
        with folder.opened():
            yield folder
        return
    with contextlib.ExitStack() as held:
        problem = None
        if jax.process_index() == 0:
            try:
                held.enter_context(folder.opened())
            except Exception as refused:
                problem = refused
        if _gathered(np.array(problem is not None)).any():  # nobody waits for a process that has stopped
            raise problem or RuntimeError(f"process 0 could not open the folder {path}; its message says why")
        yield folder
        _gathered(np.array(True))  # held until all are done


def _run(compute, folder, grid, progress, name, devices, unchanged):
    """All chunks of this process, those on disk read and the rest computed; then those of all processes."""
    mine = list(range(jax.process_index(), grid.count, jax.process_count())) or [0]  # none is left without
    columns: dict[str, np.ndarray] = {}

    def keep(number, piece):
        if columns and piece.keys() != columns.keys():
            raise ValueError(f"{name} returns {', '.join(piece)} in some cells and {', '.join(columns)} in others")
        for variable, rows in piece.items():
            if variable not in columns:
                shape = (math.prod(grid.shape), *rows.shape[1:])
                check_memory(shape, rows.dtype, f"all {variable}", "return less of it, or sweep fewer points at a time")
                columns[variable] = np.empty(shape, rows.dtype)
            column = columns[variable]
            if rows.shape[1:] != column.shape[1:]:
                raise ValueError(f"{name} returns {variable} of shape {rows.shape[1:]} and of {column.shape[1:]}")
            if (dtype := np.promote_types(rows.dtype, column.dtype)) != column.dtype:
                column = columns[variable] = column.astype(dtype)
            column[grid.cells(number)] = rows

    def count(numbers):
        return sum(cells.stop - cells.start for cells in map(grid.cells, numbers))

    missing = []
    for number in mine:
        piece = folder.read(number) if folder else None
        missing.append(number) if piece is None else keep(number, piece)
    done = len(mine) - len(missing)
    with _bar(progress, name, count(mine), count(missing)) as advance:
        try:
            for first in range(0, len(missing), devices):
                batch = missing[first : first + devices]
                pieces = compute(batch)
                unchanged()
                for number, piece in zip(batch, pieces, strict=True):
                    if folder:
                        folder.write(number, piece)
                    keep(number, piece)
                    done += 1
                advance(count(batch))
        except KeyboardInterrupt as stop:
            if folder:
                stop.add_note(f"{done} of {len(mine)} chunks are in {folder.path}; the same call goes on from there")
            raise
    return columns if jax.process_count() == 1 else _together(columns, mine, grid)


@contextlib.contextmanager
def _bar(wanted, name, total, left):
    try:
        from tqdm import tqdm
    except ImportError:
        wanted = False
    if not wanted:
        yield lambda cells: None
        return
    with tqdm(total=total, initial=total - left, desc=name, unit="cell", unit_scale=True, delay=PATIENCE) as bar:
        yield bar.update


def _gathered(array):
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(array)


def _together(columns, mine, grid):
    """The columns of which each process has its own chunks, from all of them."""
    each = -(-grid.count // jax.process_count())
    padded = [*mine, *mine[-1:] * (each - len(mine))]
    numbers = _gathered(np.array(padded))  # (processes, each)
    for column in columns.values():
        own = np.zeros((each, math.prod(grid.block), *column.shape[1:]), column.dtype)
        for rows, number in zip(own, padded, strict=True):
            here = column[grid.cells(number)]
            rows[: len(here)] = here
        everyone = _gathered(own)  # (processes, each, cells of a block, ...)
        for rows, number in zip(everyone.reshape(-1, *own.shape[1:]), numbers.ravel(), strict=True):
            cells = grid.cells(int(number))
            column[cells] = rows[: cells.stop - cells.start]
    return columns
