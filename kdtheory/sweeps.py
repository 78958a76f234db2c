"""Sweeps: a function of scalars over the outer product of axes, with labels."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np


def sweep(function, *, chunk=None, **axes):
    """Apply a function to every combination of its arguments' values; returns a labelled `xarray.Dataset`.

    `function` takes one value of each axis and returns a number or an array; it is vmapped and compiled, so
    it must be traceable. `axes` maps each argument to a one-dimensional array of values. The variable is
    named after the function and has the axes as its dimensions, in the order given; axes of what the function
    returns follow, as `NAME_0`, `NAME_1`, ….

    `chunk` is how many combinations are computed at once. By default as many as keep results under 2^24
    numbers (128 MB).

    Raises ValueError for axes that are not one-dimensional or do not match the function's arguments;
    ImportError without xarray, which is in the extra `kdtheory[sweep]`.

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
    name = getattr(function, "__name__", "value").strip("<>")
    values = {axis: _axis(axis, points) for axis, points in axes.items()}
    if not values:
        raise ValueError("give at least one axis, such as exponent=jnp.linspace(0.5, 3, 26)")
    try:
        inspect.signature(function).bind(**values)
    except TypeError as problem:
        raise ValueError(f"the axes {', '.join(values)} do not match the arguments of {name}: {problem}") from None

    shape = tuple(map(len, values.values()))
    total = math.prod(shape)
    scalars = {axis: jax.ShapeDtypeStruct((), points.dtype) for axis, points in values.items()}
    result = jax.eval_shape(function, **scalars)
    if not hasattr(result, "shape"):
        raise ValueError(f"{name} must return a number or an array, got {type(result).__name__}")
    chunk = chunk or max(1, 2**24 // math.prod(result.shape))
    many = jax.jit(jax.vmap(lambda cell: function(**cell)))
    out = np.empty((total, *result.shape), result.dtype)
    for start in range(0, total, chunk):
        cells = np.unravel_index(np.arange(start, min(start + chunk, total)), shape)
        out[start : start + chunk] = many(
            {axis: points[i] for (axis, points), i in zip(values.items(), cells, strict=True)}
        )
    dims = [*values, *(f"{name}_{i}" for i in range(len(result.shape)))]
    return xarray.Dataset({name: (dims, out.reshape(shape + result.shape))}, coords=values)


def _axis(name, points):
    points = np.asarray(points)
    if points.ndim != 1 or len(points) == 0:
        raise ValueError(f"axis {name} must be a one-dimensional array of at least one value, got shape {points.shape}")
    return np.asarray(jnp.asarray(points))
