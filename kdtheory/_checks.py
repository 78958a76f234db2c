"""What users hand us, read once on the host: a message names the argument, what came, what is allowed and a way out.

Numbers that JAX traces pass unread, since only their shapes are known; array functions answer NaN where one of
those has no meaning.
"""

import math
import operator
import os
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    Numbers = jax.Array | ArrayLike
    Number = float | np.number | np.ndarray | jax.Array
    Key = int | jax.Array
else:  # names that help() shows, in place of unions that fill a screen

    class Numbers:
        """Numbers, lists of them, or arrays of any library."""

    class Number:
        """One number, or what JAX makes of many."""

    class Key:
        """A seed, or a JAX random key."""


def concrete(tree):
    """Whether every number in there can be looked at."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def as_array(array: Any, dtype: Any = None) -> jax.Array:
    """An array of JAX, where one of NumPy's is put as it is: jnp.asarray compiles a program for each shape of them.

    It is a copy that is put, since JAX may read it later, when its owner has changed it; at once, also where other
    numbers are traced, so that it can be looked at.
    """
    if not isinstance(array, np.ndarray | np.generic):
        return jnp.asarray(array, dtype)
    with jax.core.eval_context():
        return jax.device_put(np.array(array, dtype))


def as_real(array, name):
    """A user's real numbers as an array, as precise as they came."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, whose mask would be dropped; fill it or delete the masked rows")
    try:
        if not concrete(array):
            real = jnp.asarray(array)
        elif hasattr(array, "__dlpack__") and not hasattr(array, "__array__"):
            real = np.from_dlpack(array)
        else:
            real = array if isinstance(array, jax.Array) else np.asarray(array)
    except Exception as problem:
        raise TypeError(f"{name} cannot be read as an array ({problem}); convert it with numpy.asarray") from problem
    floating = jnp.issubdtype(real.dtype, np.floating)
    half = floating and real.dtype.itemsize < 4
    if half or not (floating or jnp.issubdtype(real.dtype, np.integer) or real.dtype == bool):
        raise (ValueError if half else TypeError)(
            f"{name} must hold real numbers of at least 32 bits, got {real.dtype} from {type(array).__name__};"
            " convert it with numpy.asarray(..., dtype=float) (a sparse matrix: .toarray();"
            " names of classes: kd.datasets.one_hot)"
        )
    return real


def as_data(array, name, ranks):
    """A user's table of finite numbers, as float64 (float32 is kept)."""
    if not concrete(array):
        raise TypeError(
            f"{name} is being traced by JAX: make problems outside of jit and vmap, and relabel them inside"
        )
    return as_array(as_table(array, name, ranks))


def as_table(array, name, ranks):
    """The same as an array of NumPy."""
    host = np.asarray(as_real(array, name))
    if ranks is not None and host.ndim not in ranks:
        allowed = " or ".join({1: "(N,)", 2: "(N, C)"}[r] if len(ranks) > 1 else "two-dimensional" for r in ranks)
        raise ValueError(f"{name} must be {allowed}, got shape {host.shape}")
    if 0 in host.shape:
        raise ValueError(f"{name} is empty, shape {host.shape}: at least one sample and one column are needed")
    host = host if host.dtype == np.float32 else host.astype(float, copy=False)
    bad = ~np.isfinite(host)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name} has {int(bad.sum())} non-finite values, first at {first}; drop or impute those rows")
    return host


def check_range(array, name, power):
    """Refuse numbers whose eigenvalues, of their size to a power, would leave the range of floats."""
    host = np.asarray(array)
    limits, largest = np.finfo(host.dtype), float(np.max(np.abs(host)))
    most = (float(limits.max) / host.size) ** (1 / power)
    least = float(limits.tiny) ** (1 / power) / float(limits.eps)  # directions down to rounding are above, too
    if largest and not least < largest < most:
        raise ValueError(
            f"{name} reach {largest:.3g} in size, of which eigenvalues would leave the range of floats; they must be"
            f" between {least:.1g} and {most:.1g}: divide them by {largest:.1g}, which divides eigenvalues"
            f" by {'its square' if power == 2 else 'the same'}"
        )
    return array


def as_number(value, name):
    """One real number, not NaN."""
    number = as_real(value, name)
    if number.ndim > 0:
        raise ValueError(f"{name} must be one number, got shape {number.shape}; sweep it with jax.vmap")
    if concrete(number) and np.isnan(number):
        raise ValueError(f"{name} must be a number, got nan")
    return value


def as_weight(teacher_weight):
    """The teacher's share of the labels, which may be negative or above one."""
    if concrete(as_number(teacher_weight, "teacher_weight")) and not np.isfinite(teacher_weight):
        raise ValueError(f"teacher_weight must be finite, the teacher's share of the labels; got {teacher_weight}")
    return teacher_weight


def as_level(level):
    """A fraction that can be learnt in finite time."""
    if not 0 <= as_number(level, "level") < 1:
        raise ValueError(f"level must be at least 0 and below 1, a fraction of the target; got {level}")
    return level


def as_direction(direction, count):
    """The number of one of `count` eigendirections."""
    if isinstance(direction, bool) or not isinstance(direction, (int, np.integer)):
        raise TypeError(f"a direction must be a whole number, its place in the eigenvalues; got {direction!r}")
    if not -count <= direction < count:
        raise IndexError(f"direction {direction} is out of range: there are {count}, from 0 to {count - 1}")
    return int(direction) % count


def as_temperature(temperature):
    """What divides logits; it may be traced."""
    if concrete(as_real(temperature, "temperature")) and not (np.ndim(temperature) == 0 and 0 < temperature < np.inf):
        raise ValueError(
            f"temperature must be positive, finite and one number, got {temperature}; 1 leaves the probabilities as"
            " they are"
        )
    return temperature


def as_count(value, name, least=1, reason=""):
    """A whole number that is known before anything is traced."""
    if not concrete(value):
        try:
            return operator.index(value)  # raises what `sweep` understands
        except jax.errors.JAXTypeError as traced:
            raise TypeError(
                f"{name} is being traced by JAX, but the sizes of arrays must be known before; use a loop, or kd.sweep,"
                " which falls back on one"
            ) from traced
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}{reason}; got {value!r}")
    return int(value)


def as_key(key):
    """A JAX random key; an int, traced or not, is taken as the seed of one."""
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        if not -(2**63) <= key < 2**63:
            raise ValueError(f"key must be a seed that fits in 64 bits, got {key}; take it modulo 2**63")
        return jax.random.key(key)
    kind = getattr(key, "dtype", None)
    if isinstance(key, (np.ndarray, jax.Array)) and key.ndim == 0 and jnp.issubdtype(kind, jnp.integer):
        return jax.random.key(key)  # an array, or one of many seeds under jax.vmap
    if not (
        isinstance(key, (np.ndarray, jax.Array)) and (jnp.issubdtype(kind, jax.dtypes.prng_key) or kind == np.uint32)
    ):
        raise TypeError(f"key must be a JAX random key or an int, got {key!r}; use jax.random.key(0)")
    if key.ndim != (1 if kind == np.uint32 else 0):
        raise ValueError(f"key must be a single one, got shape {key.shape}; sweep keys with jax.vmap")
    return key


def on_host(*arrays, who="what needs an eigensystem, such as simulate,", over="its data", how="vmapped nor jitted"):
    """Arrays of NumPy. TypeError for what JAX traces."""
    try:
        return [np.asarray(array) for array in arrays]
    except jax.errors.TracerArrayConversionError as traced:
        raise TypeError(
            f"{who} computes by NumPy, and can be neither {how} over {over}; use a loop, or kd.sweep, which falls back"
            " on one"
        ) from traced


def check_known(what, **given):
    """Refuse numbers that JAX traces, of what is made by NumPy."""
    for name, value in given.items():
        try:
            if not concrete(value):
                jax.tree.map(np.asarray, value)  # raises what `sweep` understands
        except jax.errors.JAXTypeError as traced:
            raise TypeError(
                f"{name} is being traced by JAX, but {what} is made by NumPy, which needs its value; use a loop, or"
                " kd.sweep, which falls back on one"
            ) from traced


def as_random(key):
    """NumPy's generator of a seed, an int or a JAX random key: for what is drawn on the host."""
    if isinstance(key, np.random.Generator):
        return key
    if isinstance(key, (int, np.integer)) and key >= 0:
        return np.random.default_rng(key)
    key = as_key(key)
    data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    return np.random.default_rng(np.asarray(data).ravel())


def as_floats(**numbers):
    """Numbers and arrays of them, broadcast against each other."""
    arrays = {name: as_array(as_real(number, name), float) for name, number in numbers.items()}
    try:
        if concrete(arrays):  # by NumPy, which compiles nothing
            return [as_array(array) for array in np.broadcast_arrays(*map(np.asarray, arrays.values()))]
        return jnp.broadcast_arrays(*arrays.values())
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"the arguments do not broadcast; their shapes are {shapes}") from None


def check_pairs(**paths):
    """Refuse two paths, of the given shapes, whose moments are no pairs."""
    try:
        np.broadcast_shapes(*paths.values())
    except ValueError:
        (one, first), (other, second) = paths.items()
        raise ValueError(
            f"{one} and {other} are paths of the shapes {first} and {second}: give both the same number of moments, or"
            " one of them a single moment; every pair is had with jax.vmap"
        ) from None


def as_start(start, shape):
    """Where a fit begins: parameters (or coordinates) of a given shape."""
    start = as_real(start, "start")
    if start.shape != shape:
        raise ValueError(f"start must have the shape {shape} of the parameters, got {start.shape}")
    return start


def check_memory(shape, kind, what, way_out):
    """Refuse what physical memory cannot hold, before it is allocated."""
    needed, physical = math.prod(shape) * np.dtype(kind).itemsize, _physical_memory()
    if needed > physical:
        raise ValueError(f"{what} need {needed / 1e9:,.3g} GB, and this machine has {physical / 1e9:,.3g}; {way_out}")


def _physical_memory():
    """In bytes; infinite where the system does not tell."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else math.inf


def as_spectrum(eigenvalues):
    """A user's eigenvalues (K,) as floats, finite and not negative: on the host, unless JAX traces them."""
    eigenvalues = as_real(eigenvalues, "eigenvalues")
    traced = not concrete(eigenvalues)
    seen = eigenvalues.astype(float) if traced else np.asarray(eigenvalues, float)
    if seen.ndim != 1 or len(seen) == 0 or not (traced or np.all((seen >= 0) & (seen < np.inf))):
        raise ValueError(f"eigenvalues must be a non-empty sequence of finite numbers >= 0, got {eigenvalues}")
    return seen
