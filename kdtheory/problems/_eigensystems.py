"""Eigensystems: the directions in which theory lives."""

import operator

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import as_array, as_count, as_real, concrete
from kdtheory._compilation import elementwise, promptly
from kdtheory._record import record, static


def along(matrix, array, rank, name="parameters"):
    """`matrix` applied to axis -rank of `array`: the axis of samples, parameters or directions."""
    array, length = as_real(array, name), matrix.shape[1]
    if array.ndim < rank or array.shape[-rank] != length:
        shape = f"({length},)" if rank == 1 else f"({length}, outputs)"
        raise ValueError(
            f"{name} must be of shape {shape}, after the axes of a path if there are any; got {array.shape}"
        )
    return promptly(operator.matmul if rank > 1 else lambda m, a: a @ m.T, matrix, array)


@record
class Eigensystem:
    """The eigendirections of a problem, and the coordinates of parameters, predictions and targets along
    them.

    Coordinates are those of the parameters, c_k = v_kᵀw with v_k the eigenvectors of XᵀX/N; for a kernel they
    are the same thing in its feature space, c_k = √(Nλ_k) u_kᵀα with u_k the eigenvectors of K. In both cases
    the predictions have components u_kᵀf = √(Nλ_k) c_k, so the same data give the same coordinates either
    way.

    Directions whose eigenvalue is zero within rounding are cut, not clipped. Nearly equal eigenvalues form an
    eigenspace: within it single directions are arbitrary and only the whole is meaningful.
    """

    eigenvalues: jax.Array  # (K,) descending
    samples_basis: jax.Array  # (N, K) u_k, orthonormal
    reading: jax.Array  # (P, K) coordinates = readingᵀ parameters
    writing: jax.Array  # (P, K) parameters = writing @ coordinates
    target: jax.Array  # (K,) + outputs: the coordinates that fit the targets as well as can be
    spaces: jax.Array  # (K,) the number of the eigenspace of each direction
    unseen: jax.Array  # share of |targets|² outside the span of the directions: if all, no learner can fit it
    unresolved: int = static()  # how many of min(N, P), or N, are not here: below rounding, or beyond the count
    rest: jax.Array | float = 0.0  # the sum of their eigenvalues

    @property
    def max_step_size(self) -> jax.Array:
        """The step size 2/λ_max from which gradient descent diverges. Momentum has bounds of its own."""
        return 2.0 / self.eigenvalues[0]

    def of_parameters(self, parameters: jax.Array) -> jax.Array:
        """Coordinates of parameters: path axes + (P,) + outputs becomes path axes + (K,) + outputs."""
        return along(promptly(lambda v: v.T, self.reading), parameters, self.target.ndim)

    def of_predictions(self, predictions: jax.Array) -> jax.Array:
        """Coordinates of predictions on the training inputs: path axes + (N,) + outputs to path axes + (K,) +
        outputs."""
        root = elementwise(jnp.sqrt, promptly(lambda λ: len(self.samples_basis) * λ, self.eigenvalues))
        reading = promptly(lambda u, root: (u / root).T, self.samples_basis, root)
        return along(reading, predictions, self.target.ndim, "predictions")

    def parameters(self, coordinates: jax.Array, start: jax.Array | None = None) -> jax.Array:
        """Parameters with the given coordinates. Outside the directions they are zero, or those of
        `start`."""
        parameters = along(self.writing, coordinates, self.target.ndim, "coordinates")
        if start is None:
            return parameters
        start = as_real(start, "start")
        return parameters + start - along(self.writing, self.of_parameters(start), self.target.ndim)


def refined(gram, d, u):
    """Eigenvalues and -vectors from eigh, to their last digits: one step of Ogita & Aishima (2018).

    eigh finds those of a matrix off by eps·λ₁, and so mixes eps·λ₁/λ of other directions into that of λ. Dual
    coefficients are large along the smallest directions, and what was mixed in would be read off as part of the
    larger ones: the error of a loop's coordinates would be that of theory's eigenvectors, not of the loop. Pairs
    that are too close for a step that is linear in the correction stay as they are.
    """
    near = u.T @ _product(gram, u)  # diagonal but for what is to be mended
    rest = _lacking(u)
    d = np.diag(near) / (1.0 - np.diag(rest))
    gap, wanted = d - d[:, None], near + d * rest
    apart = (gap != 0) & (np.abs(wanted) <= np.sqrt(np.finfo(u.dtype).eps) * np.abs(gap))
    u = u + u @ np.where(apart, wanted / np.where(apart, gap, 1.0), rest / 2)
    order = np.argsort(d)
    return d[order], (u + u @ _lacking(u) / 2)[:, order]


def _lacking(u):
    """What uᵀu lacks to the identity."""
    return np.eye(len(u), dtype=u.dtype) - u.T @ u


def _product(a, b):
    """a @ b, each entry rounded once: from slices of so few digits that their products are exact (Ozaki 2012)."""
    digits = (np.finfo(a.dtype).nmant + 1 - int(np.ceil(np.log2(len(b))))) // 2
    (a1, a2, a3), (b1, b2, b3) = _slices(a, digits, axis=1), _slices(b, digits, axis=0)
    total, low = a1 @ b1, a1 @ b3 + a2 @ (b2 + b3) + a3 @ b
    for part in a1 @ b2, a2 @ b1:
        before, total = total, total + part
        seen = total - before
        low += (before - (total - seen)) + (part - seen)
    return total + low


def _slices(a, digits, axis):
    """The leading digits of a, those after them, and the rest, on a scale of each row or column."""
    slices = []
    for _ in range(2):
        exponents = np.frexp(np.max(np.abs(a), axis=axis, keepdims=True))[1] - digits
        slices.append(np.ldexp(np.rint(np.ldexp(a, -exponents)), exponents))
        a = a - slices[-1]
    return *slices, a


def resolved(sizes: np.ndarray, samples: int, largest: float = 0.0) -> tuple[int, float]:
    """How many eigenvalues of a Gram matrix, descending, are above what is rounded, and that: N·eps times the largest
    in size, which may be known to be another.

    ValueError for one that is far below zero, and where there is none.
    """
    tolerance = samples * np.finfo(sizes.dtype).eps * max(abs(sizes).max(), largest)
    if sizes[-1] < -10 * tolerance:
        raise ValueError(
            f"gram is not positive semidefinite: its smallest eigenvalue is {sizes[-1]:.3g} and its largest"
            f" {sizes[0]:.3g}. Check the kernel, or add a multiple of the identity"
        )
    rank = int(np.sum(sizes > tolerance))
    if rank == 0:
        what = "has no positive eigenvalue" if tolerance > 0.0 else "is zero"
        raise ValueError(f"gram {what}: there is no direction to learn along")
    return rank, float(tolerance)


def of_kernel(sizes: np.ndarray, u: np.ndarray, tolerance: float, trace: float, targets: np.ndarray) -> Eigensystem:
    """The eigensystem of a kernel from eigenvalues and -vectors of its matrix K, known to within `tolerance`."""
    root, u, samples = np.sqrt(sizes), as_array(u), len(u)
    unresolved, total = samples - len(sizes), trace / samples
    spaces = eigenspaces(sizes, tolerance)
    return made_eigensystem(sizes / samples, u, u * root, u / root, spaces, targets, unresolved=unresolved, total=total)


def is_few(count, available):
    """Whether to look for so few directions by themselves: Lanczos needs some three products for each."""
    return count is not None and 10 * as_count(count, "count") <= available


def some_start(length):
    """The same for every run, so that results are."""
    return np.random.default_rng(0).standard_normal(length)


def top_eigenvalue(gram):
    if not concrete(gram):
        return jnp.linalg.eigvalsh(gram)[-1]
    return np.linalg.eigvalsh(np.asarray(gram))[-1]


def eigenspaces(sizes, tolerance):
    """Number the eigenspaces of descending singular values (or eigenvalues) known to within `tolerance`."""
    return np.concatenate([[0], np.cumsum(-np.diff(sizes) > tolerance)])


def made_eigensystem(eigenvalues, u, reading, writing, spaces, targets, unresolved, total=None):
    u_on_host = np.asarray(u)
    components = u_on_host.T @ targets
    scale = np.sqrt(len(u) * eigenvalues)
    unit = -np.frexp(np.max(np.abs(targets)))[1]  # a power of two, lest squares leave the range of floats
    power, outside = (np.sum(np.ldexp(part, unit) ** 2) for part in (targets, targets - u_on_host @ components))
    arrays = (eigenvalues, u, reading, writing, (components.T / scale).T, spaces, outside / power if power else 0.0)
    rest = 0.0 if total is None else max(0.0, float(total - np.sum(eigenvalues)))
    return Eigensystem(*map(as_array, arrays), unresolved=unresolved, rest=rest)
