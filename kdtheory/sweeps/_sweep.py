"""Sweeps: a function of scalars over the outer product of axes, with labels.

Cells are computed in chunks, which are blocks of the grid, by one `vmap` per axis inside another: what depends on some
axes only is computed once for all values of the others. A chunk is one compiled program of fixed size, or what NumPy
does of it, whichever device or process runs it, so that results do not depend on how many there are, nor on where a
killed sweep was resumed.
"""

import functools
import hashlib
import importlib.metadata
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

from kdtheory._checks import Number, Numbers, as_array
from kdtheory.files import _bytecode, _fingerprint, _folders
from kdtheory.sweeps import _extending
from kdtheory.sweeps._chunks import opened, run
from kdtheory.sweeps._programs import computer

if TYPE_CHECKING:
    from xarray import Dataset


def sweep(
    function: Callable,
    *,
    folder: str | os.PathLike[str] | None = None,
    extend: bool = False,
    chunk: int | None = None,
    seeds: int | Sequence[int] | np.ndarray | None = None,
    progress: bool = True,
    devices: Sequence[jax.Device] | None = None,
    **axes: Numbers | Number | str,
) -> "Dataset":
    """Apply a function to every combination of its arguments' values; returns a labelled `xarray.Dataset`.

    `function` takes one value of each axis and returns a number or an array, or a dict or record of them. It is
    vmapped and compiled if it can be traced, and one cell after another is computed if it factorises matrices, since
    JAX may wait for itself inside batched LAPACK calls. What cannot be traced (data from files, scipy, Python's own
    branches) is called as it is.

    `axes` maps each argument to a one-dimensional array of numbers or strings; a function of strings is not traced. A
    single number or string is an argument that stays fixed, and a coordinate without a dimension. With `seeds`, a
    number of them or a list, the function also takes a `key`, a JAX key made of each seed.

    Variables are named after the function, or by what it returns where that has names, and have the axes as their
    dimensions, in the order given, `seed` last. Axes of what the function returns follow. Those of records are
    `moment`, `direction` and `output`, with eigenvalues and clock as coordinates (a record of yours names them by a
    method `axes`, as `measures.Risk` does); others are `NAME_0`, `NAME_1`, …. The attributes say by which version and
    which code the table was made.

    `folder` keeps finished chunks: the same call goes on where it was killed, to the same bits. A chunk is written
    whole or not at all. The same call is one whose function reads the same, by content: through names, closures,
    defaults, objects and their classes; of installed packages by version. `chunk` is how many cells are computed at
    once at most, by default so many that the arrays which a device holds at once, counted before anything is fused, are
    below 2^28 bytes (256 MB), and that at least 32 chunks show the progress. Chunks are blocks of the grid; the last
    axes are the fastest. A sweep that NumPy computes sooner than XLA has compiled it is left to NumPy, by default
    whole. `devices` are JAX devices of this process, by default all of them; each computes chunks of its own. Where
    `jax.distributed` has been initialised, each process computes its share and all return the whole table.

    With `extend`, axes may have more values than those of the folder: only the cells that are not there are computed,
    in chunks of their own, whose last bits may be others than those of one large sweep. On a GPU, XLA chooses among
    programs by timing them, and last bits depend on its choice; with `--xla_gpu_deterministic_ops=true` in the
    environment's XLA_FLAGS they do not.

    Raises ValueError for axes that are not one-dimensional, mix strings with numbers, do not match the function's
    arguments or have the name of an option; for two results of one name; for results that memory cannot hold; for a
    folder that holds another sweep (another function, axis, seed, chunk or version), naming the difference, or
    something else; for an axis that lacks values of the folder that it is to extend; and, with a folder, for a function
    that changes what it reads, or reads what nobody can compare with another time, such as a file, the environment, a
    random generator or a lock, naming it: pass it as an axis, an array or a record. BlockingIOError for a folder in
    which another process is at work; PermissionError for one that cannot be written to; ImportError without xarray,
    which is in the extra `kdtheory[sweep]`.

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
    points = {axis: _points(axis, value) for axis, value in axes.items()}
    fixed = {axis: value.item() for axis, value in points.items() if value.ndim == 0}
    values = {axis: _axis(axis, value) for axis, value in points.items() if axis not in fixed}
    if seeds is not None:
        if "seed" in axes or "key" in axes:
            raise ValueError("with seeds, the axis is called seed and the function's argument key; rename yours")
        values["seed"] = _seeds(seeds)
    if not values:
        raise ValueError("give at least one axis, such as exponent=jnp.linspace(0.5, 3, 26)")
    _check_arguments(function, name, [*axes], seeds)
    if extend and folder is None:
        raise ValueError("extend adds cells to those in a folder; name it, as in folder='lag'")

    def cell(entries):
        if seeds is not None:
            entries = {**entries, "key": jax.random.key(entries["seed"])}
            del entries["seed"]
        return function(**fixed, **entries)

    devices = jax.local_devices() if devices is None else _devices(devices)
    version = f"kdtheory {importlib.metadata.version('kdtheory')}, jax {jax.__version__}"

    def columns(values, folder):
        """All cells, by variable, and the names of their axes."""
        code = None
        if folder is not None:
            _folders.prepare(folder)  # an error now is better than one after the work
            code = _fingerprint.reads(function)
        computing = computer(cell, name, values, chunk, devices)
        configuration = {
            "name": name,
            "version": version,
            "settings": _settings(devices),
            "axes": {axis: _summary(points) for axis, points in values.items()} | fixed,
            "order": " × ".join(values),
            "chunk": " × ".join(map(str, computing.grid.block)),
            "code": code,
        }

        def unchanged():
            if code is not None and (now := _fingerprint.reads(function)) != code:
                raise ValueError(
                    f"{name} changes what it reads: {_folders.difference(code, now)}. Its cells then depend on those"
                    " before them, and a folder cannot go on in their middle; leave out folder=, or keep what is slow"
                    " to make with functools.cache"
                )

        with opened(folder, configuration) as kept:
            if kept:
                _extending.write_axes(kept.path, values)
            found = run(computing, kept, progress and jax.process_index() == 0, name, len(devices), unchanged)
        shape = computing.grid.shape
        return {key: column.reshape(shape + column.shape[1:]) for key, column in found.items()}, computing.labels

    found, labels = _extending.extended(Path(folder), values, columns) if extend else columns(values, folder)
    variables, coordinates = _labelled(found, labels, values)
    coordinates = {axis: points for axis, points in (values | fixed).items()} | coordinates
    if clash := sorted(variables.keys() & coordinates.keys()):
        raise ValueError(f"{name} returns {clash[0]}, which is also the name of an axis; rename one of the two")
    told = [f"{axis} ({len(points)})" for axis, points in values.items()]
    attributes = {
        "version": version,
        "axes": ", ".join([*told, *(f"{axis} = {value}" for axis, value in fixed.items())]),
        "seeds": "none" if seeds is None else " ".join(map(str, values["seed"].tolist())),
        "code": _bytecode.source(function),
    }
    return xarray.Dataset(variables, coords=coordinates, attrs=attributes)


def _labelled(found, labels, values):
    """The variables and the coordinates of a table, with the names of their dimensions."""
    variables, coordinates = {}, {}
    for variable, column in found.items():
        inner = column.ndim - len(values)
        kind, *axes = labels.get(variable, ("part", *(f"{variable}_{i}" for i in range(inner))))
        if taken := [axis for axis in axes if axis in values]:
            raise ValueError(f"{variable} has an axis {taken[0]} already; rename that of the sweep")
        dimensions = [*values, *axes]
        if kind == "label":
            for axis in values:  # along which it stays the same
                place = dimensions.index(axis)
                first = np.take(column, [0], place)
                if np.array_equal(np.broadcast_to(first, column.shape), column, equal_nan=column.dtype.kind in "fc"):
                    column, dimensions = first.squeeze(place), [one for one in dimensions if one != axis]
            coordinates[variable] = dimensions, column
        else:
            variables[variable] = dimensions, column
    return variables, coordinates


# What users hand us.


def _named(function):
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", "value").strip("<>")


_OPTIONS = {
    "folder": "the folder that keeps finished pieces",
    "extend": "whether a folder takes more cells",
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


def _points(name, points):
    """The values of an axis, or the one of a fixed argument, as they are."""
    if isinstance(points, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be dropped; give the values that are not masked")
    try:
        array = np.asarray(points)
    except ValueError as ragged:
        raise ValueError(f"axis {name} must be one-dimensional; got lists of different lengths: {points}") from ragged
    if array.dtype.kind not in "biufU":
        what = f"axis {name} must hold" if array.ndim else f"{name} must be"
        raise ValueError(f"{what} numbers or strings, got {array.dtype}; make the rest inside the function")
    if array.dtype.kind == "U" and isinstance(points, list | tuple) and not all(isinstance(p, str) for p in points):
        raise ValueError(f"axis {name} mixes strings with numbers, got {points}; give all of them as strings")
    return array


def _axis(name, points):
    if points.ndim != 1 or len(points) == 0:
        raise ValueError(f"axis {name} must be a one-dimensional array of at least one value, got shape {points.shape}")
    return points if points.dtype.kind == "U" else np.asarray(as_array(points))


def _seeds(seeds):
    one = isinstance(seeds, int | np.integer) and not isinstance(seeds, bool)
    seeds = _points("seeds", range(seeds) if one else seeds)
    if seeds.ndim != 1 or len(seeds) == 0 or seeds.dtype.kind not in "iu":
        raise ValueError(f"seeds must be a number of them or a list of whole numbers, got {seeds}")
    if seeds.max() >= 2**63:
        raise ValueError(f"seeds must fit into 64 bits, got {seeds.max()}; take them modulo 2**63")
    return seeds.astype(np.int64)


def _devices(devices):
    listed = list(devices) if np.iterable(devices) else []
    if not listed or not all(isinstance(each, jax.Device) for each in listed):
        raise ValueError(f"devices must be a list of JAX devices, such as jax.devices()[:1]; got {devices!r}")
    return listed


def _check_arguments(function, name, given, seeds):
    needed = given if seeds is None else [*given, "key"]
    try:
        inspect.signature(function).bind(**dict.fromkeys(needed))
    except TypeError as problem:
        takes = "; with seeds the function takes a key, a JAX random key, besides its axes" if seeds is not None else ""
        raise ValueError(
            f"the axes {', '.join(needed)} do not match the arguments of {name}: {problem}{takes}"
        ) from None


def _summary(points):
    checksum = hashlib.sha256(repr(points.tolist()).encode()).hexdigest()
    kind = "" if points.dtype.kind == "U" else f"{points.dtype}, "
    return f"{len(points)} values from {points[0]} to {points[-1]} ({kind}sha256 {checksum[:16]})"


def _settings(devices):
    """What of JAX decides about digits, besides its version."""
    names = "enable_x64 default_matmul_precision default_prng_impl threefry_partitionable numpy_dtype_promotion".split()
    told = (f"{name} {getattr(jax.config, f'jax_{name}', None)}" for name in names)
    return ", ".join([*sorted({device.platform for device in devices}), *told])
