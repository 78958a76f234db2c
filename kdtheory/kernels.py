"""Kernel functions, and the random features whose Gram matrices tend to them.

A kernel takes rows `x` (N, D) and `z` (M, D) to their Gram matrix (N, M); without `z` it is that of `x` with
itself, exactly symmetric. Real hyperparameters may be swept by `vmap` and followed by `grad`. No library
offers these for today's JAX without a framework around them, hence these few lines, tested against
scikit-learn and mpmath. ValueError for rows that are not (N, D) and (M, D), and for a length that is not positive.

Distances and angles come from differences of rows, never from |x|² + |z|² − 2x·z or from arccos: for nearly
equal rows these leave half the digits, and the Laplace and neural tangent kernels, which have a kink there,
would show it. So an entry is right to about 1e-15 of the diagonal, times the depth or degree. The price is time, some
0.3 ns·N·M·D, several times that of a matrix product; memory stays O(NM).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory._checks import Key, Number, Numbers, as_array, as_count, as_key, as_number, as_real, concrete
from kdtheory._compilation import promptly, quickly
from kdtheory._record import record, static

FAR = 2000.0  # lengths, at which all these are zero; beyond, they and their slopes would be ∞ · 0

# Kernels of distance.


def rbf(x: Numbers, z: Numbers | None = None, *, length: Number = 1.0) -> jax.Array:
    """The Gaussian kernel, k(x, z) = exp(−|x − z|² / (2 length²)). Coincident rows give exactly one.

    >>> import kdtheory as kd
    >>> print(kd.kernels.rbf([[0.0], [1.0]]).round(3))
    [[1.    0.607]
     [0.607 1.   ]]
    """
    return quickly(_rbf, *_rows(x, z), as_array(_positive(length), float), often=True)


@jax.jit
def _rbf(x, z, length):
    squares, length = _distances_of(x, z, length)
    return jnp.exp(-squares / (2 * length**2))


def laplace(x: Numbers, z: Numbers | None = None, *, length: Number = 1.0) -> jax.Array:
    """The exponential kernel, k(x, z) = exp(−|x − z| / length), with the Euclidean norm.

    (Scikit-learn's `laplacian_kernel` takes the sum of absolute differences instead.) It is the Matérn kernel
    of smoothness ½.

    >>> import kdtheory as kd
    >>> print(kd.kernels.laplace([[0.0], [1.0]]).round(3))
    [[1.    0.368]
     [0.368 1.   ]]
    """
    return matern(x, z, smoothness=0.5, length=length)


_MATERN_POLYNOMIAL = {0.5: lambda s: 1.0, 1.5: lambda s: 1 + s, 2.5: lambda s: 1 + s + s**2 / 3}


def matern(x: Numbers, z: Numbers | None = None, *, smoothness: float = 1.5, length: Number = 1.0) -> jax.Array:
    """The Matérn kernel of `smoothness` ν = ½, 3/2 or 5/2; its spectrum decays as a power law.

    With s = √(2ν) |x − z| / length:

        e^(−s) for ν = ½,    (1 + s) e^(−s) for ν = 3/2,    (1 + s + s²/3) e^(−s) for ν = 5/2.

    Rasmussen & Williams 2006, section 4.2.1 (as recalled).

    >>> import kdtheory as kd
    >>> print(kd.kernels.matern([[0.0], [1.0]], smoothness=2.5).round(3))
    [[1.    0.524]
     [0.524 1.   ]]
    """
    if np.ndim(smoothness) or not any(smoothness == known for known in _MATERN_POLYNOMIAL):
        raise ValueError(f"matern knows the smoothness {list(_MATERN_POLYNOMIAL)}, not {smoothness!r}")
    return quickly(_matern, *_rows(x, z), as_array(_positive(length), float), often=True, smoothness=float(smoothness))


@partial(jax.jit, static_argnames="smoothness")
def _matern(x, z, length, smoothness):
    squares, length = _distances_of(x, z, length)
    s = (2 * smoothness) ** 0.5 * _sqrt(squares) / length
    return _MATERN_POLYNOMIAL[smoothness](s) * jnp.exp(-s)


# Kernels of inner product and angle.


def polynomial(
    x: Numbers,
    z: Numbers | None = None,
    *,
    degree: int = 3,
    offset: Number = 1.0,
    scale: Number = 1.0,
) -> jax.Array:
    """The polynomial kernel, k(x, z) = (scale · x·z + offset)^degree.

    >>> import kdtheory as kd
    >>> print(kd.kernels.polynomial([[0.0], [1.0]], degree=2))
    [[1. 1.]
     [1. 4.]]
    """
    as_number(offset, "offset"), as_number(scale, "scale")
    degree = as_count(degree, "degree", least=0) if concrete(degree) else degree
    x, z = _rows(x, z)
    gram = _symmetric if z is None else lambda scale, offset, degree, x, z: (scale * (x @ z.T) + offset) ** degree
    return promptly(gram, scale, offset, degree, x, *([] if z is None else [z]))


def _symmetric(scale, offset, degree, x):
    inner = x @ x.T  # a matrix product need not be symmetric to the last bit
    return (scale * (inner + inner.T) / 2 + offset) ** degree


def arc_cosine(x: Numbers, z: Numbers | None = None, *, degree: int = 1, depth: int = 1) -> jax.Array:
    """The kernel of infinitely wide random networks of steps (`degree` 0) or of ReLUs (`degree` 1).

    With θ the angle between x and z, and w ~ N(0, I), one layer gives

        degree 0:  κ₀(θ) = 1 − θ/π                                     = E[2 step(w·x) step(w·z)],
        degree 1:  |x| |z| κ₁(θ),  κ₁(θ) = (sin θ + (π − θ) cos θ)/π   = E[2 relu(w·x) relu(w·z)].

    Each of `depth` layers takes the angle whose cosine is the κ of the layer before. The factor 2 is He's: it
    preserves the diagonal, 1 for degree 0 and |x|² for degree 1. It is also in Cho & Saul 2009 (as recalled).
    A row of zeros has no angle; it is taken to be orthogonal to every row that is not of zeros. (Degree 0 in depth is
    infinitely steep at θ = 0: there an angle of one rounding error shows, as its square root or worse.)

    >>> import kdtheory as kd
    >>> print(kd.kernels.arc_cosine([[2.0, 0.0], [0.0, 1.0]]).round(3))
    [[4.    0.637]
     [0.637 1.   ]]
    """
    if degree not in (0, 1):
        raise ValueError(f"arc_cosine knows the degrees 0 and 1, not {degree}")
    return quickly(_arc_cosine, *_rows(x, z), often=True, degree=degree, depth=as_count(depth, "depth", least=0))


@partial(jax.jit, static_argnames=("degree", "depth"))
def _arc_cosine(x, z, degree, depth):
    gap, angle = _angles(x, z)
    for _ in range(depth):
        gap = _relu_gap(gap, angle) if degree == 1 else _step_gap(angle)
        angle = _angle(gap, 1 - gap)
    return (1 - 2 * gap) * (_norm_products(x, z) if degree == 1 else 1)


def relu_ntk(x: Numbers, z: Numbers | None = None, *, depth: int = 1) -> jax.Array:
    """The neural tangent kernel of an infinitely wide ReLU network with `depth` hidden layers and no biases.

    The network is h₀ = x, h_{l+1} = √(2/width) relu(W_l h_l), with output v·h_depth; all weights are N(0, 1)
    and all are trained. Its kernel is |x| |z| T_depth, where, from the angle θ₀ between x and z,

        T₀ = cos θ₀,    cos θ_{l+1} = κ₁(θ_l),    T_{l+1} = cos θ_{l+1} + κ₀(θ_l) T_l

    with κ₀, κ₁ of `arc_cosine`. So depth 0 is the linear kernel x·z, and the diagonal is (depth + 1)|x|².
    Jacot et al. 2018; normalised as in Arora et al. 2019 (both as recalled).

    >>> import kdtheory as kd
    >>> print(kd.kernels.relu_ntk([[1.0, 0.0], [0.6, 0.8]]).round(3))
    [[2.  1.1]
     [1.1 2. ]]
    """
    return quickly(_relu_ntk, *_rows(x, z), often=True, depth=as_count(depth, "depth", least=0))


@partial(jax.jit, static_argnames="depth")
def _relu_ntk(x, z, depth):
    gap, angle = _angles(x, z)
    tangent = 1 - 2 * gap
    for _ in range(depth):
        gap, slope = _relu_gap(gap, angle), 1 - angle / jnp.pi
        tangent, angle = 1 - 2 * gap + slope * tangent, _angle(gap, 1 - gap)
    return tangent * _norm_products(x, z)


# Random features.


@record
class RandomFeatures:
    """A feature map drawn once, for use on any inputs: (N, D) to (N, count).

    √(2/count) activation(x Wᵀ + shift). The Gram matrix `features(x) @ features(z).T` is a kernel's, up to a
    random error of order 1/√count.
    """

    weights: jax.Array  # W, (count, D)
    shift: jax.Array  # (count,)
    activation: Callable[[jax.Array], jax.Array] = static()

    def __call__(self, x: Numbers) -> jax.Array:
        x, dimension = as_array(as_real(x, "x"), float), self.weights.shape[1]
        if x.ndim == 0 or x.shape[-1] != dimension:
            raise ValueError(f"x must be rows (N, {dimension}), like the features drawn for them; got shape {x.shape}")
        return jnp.sqrt(2 / len(self.weights)) * self.activation(x @ self.weights.T + self.shift)


def random_fourier(key: Key, count: int, dimension: int, *, length: Number = 1.0) -> RandomFeatures:
    """Random cosines of inputs with `dimension` D: their Gram matrix tends to `rbf` of the same `length`.

    √(2/count) cos(w·x + b), w ~ N(0, I/length²), b uniform on [0, 2π). Rahimi & Recht 2007 (as recalled).

    >>> import jax, jax.numpy as jnp, kdtheory as kd
    >>> features = kd.kernels.random_fourier(jax.random.key(0), 1000, dimension=2)
    >>> features(jnp.ones((5, 2))).shape
    (5, 1000)
    """
    count, dimension = as_count(count, "count"), as_count(dimension, "dimension")
    for_weights, for_shift = jax.random.split(as_key(key))
    weights = jax.random.normal(for_weights, (count, dimension)) / _positive(length)
    return RandomFeatures(weights, jax.random.uniform(for_shift, (count,), maxval=2 * jnp.pi), jnp.cos)


def random_relu(key: Key, count: int, dimension: int) -> RandomFeatures:
    """Random ReLUs of inputs with `dimension` D: their Gram matrix tends to `arc_cosine` of degree 1.

    √(2/count) relu(w·x), w ~ N(0, I): a network of which only the last layer is to be trained.

    >>> import jax, jax.numpy as jnp, kdtheory as kd
    >>> features = kd.kernels.random_relu(jax.random.key(0), 1000, dimension=2)
    >>> features(jnp.ones((5, 2))).shape
    (5, 1000)
    """
    count, dimension = as_count(count, "count"), as_count(dimension, "dimension")
    return RandomFeatures(jax.random.normal(as_key(key), (count, dimension)), jnp.zeros(count), jax.nn.relu)


# Distances and angles.


def _rows(x: Numbers, z: Numbers | None) -> tuple[jax.Array, jax.Array | None]:
    """Both sets of rows, as floats: the differences of an image's unsigned integers would wrap. None if the same."""
    x, z = as_array(as_real(x, "x"), float), None if z is None or z is x else as_array(as_real(z, "z"), float)
    others = x if z is None else z
    if x.ndim != 2 or others.ndim != 2 or x.shape[1] != others.shape[1]:
        raise ValueError(f"x and z must be rows (N, D) and (M, D); got shapes {x.shape} and {others.shape}")
    return x, z


def _positive(length: Number) -> Number:
    """A length, which may be traced."""
    if concrete(as_number(length, "length")) and not np.asarray(length) > 0:
        raise ValueError(f"length must be positive, the distance over which the kernel falls; got {length}")
    return length


def _sqrt(square: jax.Array) -> jax.Array:
    """Square root with derivative zero at zero, the middle of the kink's slopes."""
    zero = square <= 0  # not NaN
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, square)))


def _distances_of(x: jax.Array, z: jax.Array | None, length: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Squared distances of rows and the length, in a unit near the length: their squares are in the range of floats."""
    unit = _unit(length)
    scaled = x * unit
    squares = _squared_distances(scaled, scaled if z is None else z * unit)
    return jnp.minimum(squares, FAR**2), length * unit


def _unit(size: jax.Array) -> jax.Array:
    """The power of two that brings positive numbers near one."""
    most = jnp.finfo(size.dtype).maxexp - 3
    return jnp.ldexp(1.0, -jnp.clip(jnp.frexp(lax.stop_gradient(size))[1], -most, most))


@jax.jit
def _squared_distances(x: jax.Array, z: jax.Array) -> jax.Array:
    """|x − z|² (N, M), a row of x at a time: (N, M, D) numbers are never held, nor for derivatives."""
    to_row = jax.checkpoint(lambda row: jnp.sum((row - z) ** 2, axis=1))
    return lax.map(to_row, x)


def _norm_products(x: jax.Array, z: jax.Array | None) -> jax.Array:
    """|x| |z| (N, M), as the root of one product: exactly |x|² where x = z."""
    z = x if z is None else z
    of_x, of_z = _row_units(x), _row_units(z)
    squares = jnp.sum((x * of_x) ** 2, axis=1)[:, None] * jnp.sum((z * of_z) ** 2, axis=1)
    return _sqrt(squares) / of_x / of_z.T


def _row_units(x: jax.Array) -> jax.Array:
    """A power of two for each row (N, 1) that brings its entries near one."""
    return _unit(jnp.max(jnp.abs(x), axis=1, keepdims=True, initial=0.0))


def _directions(x: jax.Array) -> jax.Array:
    """Unit rows (N, D + 1). Rows of zeros get the last axis to themselves."""
    x = x * _row_units(x)
    norm = _sqrt(jnp.sum(x**2, axis=1, keepdims=True))
    return jnp.concatenate([x / jnp.where(norm > 0, norm, 1.0), norm == 0], axis=1)


# An angle θ travels with its `gap` sin²(θ/2) = (1 − cos θ)/2: a cosine loses half the digits of a small θ.


def _angles(x: jax.Array, z: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Gap and angle between rows: unit vectors span a rhombus of diagonals 2 sin(θ/2) and 2 cos(θ/2)."""
    u = _directions(x)
    v = u if z is None else _directions(z)
    gap = _squared_distances(u, v) / 4
    return gap, _angle(gap, _squared_distances(u, -v) / 4)


def _angle(gap: jax.Array, rest: jax.Array) -> jax.Array:
    """θ from sin²(θ/2) and cos²(θ/2)."""
    return 2 * jnp.arctan2(_sqrt(gap), _sqrt(rest))


def _relu_gap(gap: jax.Array, angle: jax.Array) -> jax.Array:
    """(1 − κ₁(θ))/2, written so that nothing large cancels where θ is small."""
    return gap - (jnp.sin(angle) - angle * jnp.cos(angle)) / (2 * jnp.pi)


def _step_gap(angle: jax.Array) -> jax.Array:
    """(1 − κ₀(θ))/2."""
    return angle / (2 * jnp.pi)


# Kernels of a network.


def empirical_ntk(apply: Callable, parameters: Any, x: Numbers, z: Numbers | None = None) -> jax.Array:
    """The neural tangent kernel of your own network at given parameters, ⟨∂f(x)/∂θ, ∂f(z)/∂θ⟩: (N, M).

    `apply(parameters, x)` maps any pytree and rows (N, D) to outputs (N,) or (N, C), each row on its own; with C
    outputs the kernel is the mean of theirs. Holds N · C · P slopes in memory. Jacot et al. 2018 (as recalled).

    >>> import jax.numpy as jnp, kdtheory as kd
    >>> linear = lambda weights, x: x @ weights
    >>> kd.kernels.empirical_ntk(linear, jnp.zeros(2), [[1.0, 2.0], [0.0, 1.0]]).tolist()
    [[5.0, 2.0], [2.0, 1.0]]
    """
    x, z = _rows(x, z)
    of_x = _slopes(apply, parameters, x)
    of_z = of_x if z is None else _slopes(apply, parameters, z)
    gram = jnp.einsum("ncp,mcp->nm", of_x, of_z) / of_x.shape[1]
    return (gram + gram.T) / 2 if z is None else gram


def _slopes(apply, parameters, x):
    """(N, C, P), all parameters in one row."""

    def outputs(parameters, row):
        return apply(parameters, row[None]).reshape(-1)

    tree = jax.vmap(jax.jacrev(outputs), in_axes=(None, 0))(parameters, x)
    return jnp.concatenate([leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(tree)], axis=-1)
