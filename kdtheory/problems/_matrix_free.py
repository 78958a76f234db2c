"""Kernel regression without the N × N matrix: for as many samples as there is time for.

The kernel is a function, of which a block of rows at a time is computed, used and forgotten. Loops follow the
gradient, ridge is solved by conjugate gradients, and the largest eigenvalues come from block products (LOBPCG).
What would need the matrix itself refuses with the reason.
"""

import warnings
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kdtheory._checks import Number, Numbers, as_array, as_data, check_memory
from kdtheory._record import record, static
from kdtheory.numerics import power_of_two
from kdtheory.problems._base import SquaredLoss, as_targets, check_parameters, new_inputs
from kdtheory.problems._eigensystems import Eigensystem, is_few, of_kernel, resolved, some_start
from kdtheory.problems._kernel import kernel

BLOCK = 2**24  # entries of the kernel that are held at once: 128 MB


ITERATIONS = 10_000  # of conjugate gradients, before they are given up


ACCURACY = 1e-9  # of eigenvectors: the residual |Kv - λv|/λ₁


@record
class MatrixFree(SquaredLoss):
    """Kernel regression on dual coefficients α, predictions Kα, with K a function. Made by `problems.matrix_free`.

    It is `problems.Kernel` in all but what it can afford.
    """

    kernel: Callable = static()  # rows (N, D) and (M, D) to (N, M)
    inputs: jax.Array  # (N, D)
    targets: jax.Array  # (N,) or (N, C)

    inputs_name, lacks = "inputs", "exponentials of the matrix, of which there are only products"

    def zeros(self) -> jax.Array:
        return jnp.zeros_like(self.targets)

    def predict(self, parameters: jax.Array, inputs: Numbers | None = None) -> jax.Array:
        """Predictions Kα on the training inputs, or on new ones (M, D)."""
        rows = self.inputs if inputs is None else new_inputs(inputs, self.inputs.shape[1], "inputs")
        parameters, outputs = jnp.asarray(parameters), self.targets.ndim
        if parameters.ndim < outputs or parameters.shape[-outputs] != len(self.inputs):
            raise ValueError(
                f"parameters must be of shape {self.targets.shape}, after the axes of a path if there are any; got"
                f" {parameters.shape}"
            )
        samples = parameters.ndim - self.targets.ndim  # the axis of samples, after those of paths
        columns = jnp.moveaxis(parameters, samples, 0)  # all of them are one product
        product = _product(self.kernel, rows, self.inputs, columns.reshape(len(self.inputs), -1))
        return jnp.moveaxis(product.reshape(len(rows), *columns.shape[1:]), 0, samples)

    def gradient(self, parameters: jax.Array, rows: slice | jax.Array = slice(None)) -> jax.Array:
        """(Kα - y)/N. `rows` picks a mini-batch, over which it is then the mean, and zero elsewhere."""
        check_parameters(parameters, self.targets.shape)
        residual = _product(self.kernel, self.inputs[rows], self.inputs, parameters) - self.targets[rows]
        return jnp.zeros_like(parameters).at[rows].add(residual / len(residual))

    def max_eigenvalue(self) -> jax.Array:
        """λ_max of K/N, for the default step size: by Lanczos, from products."""
        from scipy.sparse.linalg import eigsh

        trace = float(_trace(self.kernel, self.inputs))
        if len(self.inputs) == 1 or trace == 0:  # where Lanczos finds no second vector, or no first
            return np.asarray(trace / len(self.inputs))
        start, unit = some_start(len(self.inputs)), power_of_two(trace / len(self.inputs))
        return unit * eigsh(self._operator(unit), 1, v0=start, return_eigenvectors=False)[0] / len(self.inputs)

    def ridge(self, penalty: Number, start: jax.Array) -> jax.Array:
        """(K/N + cI)α = y/N + c·start, by conjugate gradients, for each penalty c; for c = 0 least squares by LSMR.

        All outputs are one system, each scaled to what it has to move. Raises ValueError where they do not converge:
        for a penalty too small, against λ₁, for rounding or patience.
        """
        from scipy.sparse.linalg import LinearOperator, cg, lsmr

        samples, operator = len(self.inputs), self._operator()
        targets, start = (np.asarray(array).reshape(samples, -1) for array in (self.targets, start))
        missing = targets - operator.matmat(start)
        size = np.linalg.norm(missing, axis=0)
        size = np.where(size > 0, size, 1.0)

        def stacked(product):
            flat = lambda v: product(v.reshape(missing.shape)).ravel()
            return LinearOperator((missing.size,) * 2, matvec=flat, rmatvec=flat, dtype=float)

        def solve(c):
            wanted = (missing / size).ravel()
            if c:
                shifted = stacked(lambda v: operator.matmat(v) / samples + c * v)
                moved, failed = cg(shifted, wanted / samples, rtol=1e-13, maxiter=ITERATIONS)
            else:
                goals = dict(atol=1e-14, btol=1e-14, conlim=1e12, maxiter=ITERATIONS)
                moved, reason, *_, norm, _, length = lsmr(stacked(operator.matmat), wanted, **goals)
                # out of patience, or along directions that are hardly there
                failed = reason in (3, 6, 7) or norm * length > 1e6 * np.linalg.norm(wanted)
            if failed:
                raise ValueError(
                    f"conjugate gradients did not converge for the penalty {c:.3g}; a larger one does, as does"
                    " problems.kernel where the matrix fits in memory"
                )
            return (start + moved.reshape(missing.shape) * size).reshape(self.targets.shape)

        fits = np.stack([solve(float(c)) for c in np.ravel(penalty)])
        return as_array(fits.reshape(*np.shape(penalty), *self.targets.shape), self.targets.dtype)

    def eigensystem(self, count: int | None = None) -> Eigensystem:
        """The largest `count` eigenvalues and their directions, by LOBPCG on blocks of 2 · count vectors.

        Residuals |Kv - λv| are below 1e-9 λ₁. Eigenvalues are right to the square of that over their gap; those that it
        does not tell apart form an eigenspace; those below N·eps·λ_max are cut. The sum of the others is `rest`.
        Without a count, or with one above N/10, the matrix is formed after all: ValueError where it does not fit in
        memory.
        """
        samples = len(self.inputs)
        if not is_few(count, samples):
            check_memory(
                (5, samples, samples),
                float,
                f"the kernel of {samples:,} samples and its eigenvectors",
                "ask for a count of them, eigensystem(count=100)",
            )
            return kernel(self.kernel(self.inputs, self.inputs), self.targets).eigensystem(count)
        trace = float(_trace(self.kernel, self.inputs))
        unit = power_of_two(trace / samples)
        sizes, vectors, residual, largest = _largest(self._operator(unit), count)
        rank, _ = resolved(sizes, samples, largest)
        return of_kernel(unit * sizes[:rank], vectors[:, :rank], unit * residual, trace, np.asarray(self.targets))

    def _operator(self, unit=1.0):
        """Products with K/unit."""
        from scipy.sparse.linalg import LinearOperator

        def product(columns):
            return np.array(_product(self.kernel, self.inputs, self.inputs, as_array(columns))) / unit

        return LinearOperator((len(self.inputs),) * 2, matvec=product, matmat=product, dtype=float)


@partial(jax.jit, static_argnums=0)
def _product(kernel, x, z, columns):
    """K(x, z) @ columns, a block of rows of K at a time."""
    block = max(1, min(len(x), BLOCK // len(z)))
    padded = jnp.concatenate([x, jnp.broadcast_to(x[:1], (-len(x) % block, x.shape[1]))])
    blocks = lax.map(
        lambda rows: (kernel(rows, z) @ columns).astype(columns.dtype), padded.reshape(-1, block, x.shape[1])
    )
    return blocks.reshape(-1, *columns.shape[1:])[: len(x)]


@partial(jax.jit, static_argnums=0)
def _trace(kernel, x):
    return jnp.sum(lax.map(lambda row: kernel(row[None], row[None])[0, 0], x))


def _largest(operator, count):
    """The largest eigenvalues, descending, their vectors, by how much these may be off, the largest residual, and the
    size of the operator, about."""
    from scipy.sparse.linalg import lobpcg

    random = some_start((operator.shape[0], 2 * count))
    image = operator @ np.linalg.qr(random)[0]
    size = np.linalg.norm(image, 2)  # of K, nearly
    if size == 0.0:
        raise ValueError("gram is zero: there is no direction to learn along")
    block = np.linalg.qr(image)[0]
    for _ in range(20):  # LOBPCG waits for every vector of the block, of which only the first count matter
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning)  # that it stopped before the last had converged
            values, block = lobpcg(operator, block, tol=ACCURACY * size, maxiter=5, largest=True)
        vectors = block[:, :count]
        residual = np.max(np.linalg.norm(operator @ vectors - values[:count] * vectors, axis=0))
        if residual <= ACCURACY * size:
            return values[:count], vectors, residual, size
    raise ValueError(
        f"the {count} largest eigenvalues did not converge: a residual is {residual / size:.1g} of the largest; ask for"
        " fewer, or for more where many are nearly equal"
    )


def matrix_free(kernel: Callable[[jax.Array, jax.Array], jax.Array], inputs: Numbers, targets: Numbers) -> MatrixFree:
    """Kernel regression whose matrix is never formed, for many samples; see `MatrixFree`.

    `kernel` takes rows (N, D) and (M, D) to their Gram matrix (N, M), as all of `kernels` do; `inputs` (N, D). It must
    be symmetric and positive semidefinite, which is not checked. Loops and ridge run on it, and
    `eigensystem(count)` gives the top directions. Half the mean squared residual is the loss.

    TypeError for a kernel that JAX cannot trace, such as one of NumPy or scikit-learn; ValueError for one that makes
    no (N, M).

    >>> import numpy as np, kdtheory as kd
    >>> x = np.linspace(0.0, 1.0, 200)[:, None]
    >>> problem = kd.problems.matrix_free(kd.kernels.rbf, x, np.sin(9.0 * x[:, 0]))
    >>> system = problem.eigensystem(count=5)
    >>> system.unresolved, len(system.eigenvalues), f"{system.rest:.0e}"
    (195, 5, '1e-08')
    """
    if not callable(kernel):
        raise TypeError(
            f"kernel must be a function of two sets of rows, got {type(kernel).__name__}; a matrix goes to"
            " problems.kernel"
        )
    inputs = as_data(inputs, "inputs", ranks=(2,))
    two, three = (jax.ShapeDtypeStruct((count, inputs.shape[1]), inputs.dtype) for count in (2, 3))
    try:
        shape = getattr(jax.eval_shape(kernel, two, three), "shape", None)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise TypeError(
            "kernel must be written in jax.numpy, since blocks of it are compiled, and this one asks for the values of"
            " its rows, as NumPy and scikit-learn do; take one of kd.kernels, write it with jnp, or give the whole"
            " matrix to problems.kernel"
        ) from error
    except (TypeError, ValueError) as error:
        raise ValueError(
            "kernel must take rows (N, D) and (M, D) to (N, M), and of (2, D) and (3, D) it makes nothing:"
            f" {str(error).partition(chr(10))[0]}"
        ) from error
    if shape != (2, 3):
        raise ValueError(f"kernel must take rows (N, D) and (M, D) to (N, M), and made {shape} of (2, D) and (3, D)")
    return MatrixFree(kernel, inputs, as_targets(targets, "inputs", len(inputs), inputs.dtype))
