"""Kernel regression on a Gram matrix."""

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Numbers, as_data, check_memory, on_host
from kdtheory._record import record
from kdtheory.numerics import power_of_two
from kdtheory.problems._base import SquaredLoss, as_gram, as_targets, check_parameters, new_inputs
from kdtheory.problems._eigensystems import (
    Eigensystem,
    along,
    is_few,
    of_kernel,
    refined,
    resolved,
    some_start,
    top_eigenvalue,
)

REFINED = 512  # samples up to which it takes a tenth of a second; of more it would take three times as long as eigh


@record
class Kernel(SquaredLoss):
    """Kernel regression on dual coefficients α, predictions Kα. Made by `kernel`.

    The gradient is that of function space, (Kα - y)/N in α; descending in α itself would square the
    eigenvalues.
    """

    gram: jax.Array  # (N, N)
    targets: jax.Array  # (N,) or (N, C)

    inputs_name = "gram"

    def zeros(self) -> jax.Array:
        return jnp.zeros_like(self.targets)

    def predict(self, parameters: jax.Array, inputs: Numbers | None = None) -> jax.Array:
        """Predictions Kα on the training inputs, or on new ones, given their kernel (M, N) with the training
        inputs."""
        gram = self.gram if inputs is None else new_inputs(inputs, len(self.gram), "inputs (the cross-gram)")
        return along(gram, parameters, self.targets.ndim)

    def gradient(self, parameters: jax.Array, rows: slice | jax.Array = slice(None)) -> jax.Array:
        """(Kα - y)/N. `rows` picks a mini-batch, over which it is then the mean, and zero elsewhere."""
        check_parameters(parameters, self.targets.shape)
        residual = self.gram[rows] @ parameters - self.targets[rows]
        return jnp.zeros_like(parameters).at[rows].add(residual / len(residual))

    def normal_equations(self) -> tuple[jax.Array, jax.Array]:
        """H = K/N and b = y/N, with Hα = b at the solution."""
        return self.gram / len(self.gram), self.targets / len(self.gram)

    def max_eigenvalue(self) -> jax.Array:
        """λ_max of K/N, for the default step size."""
        return top_eigenvalue(self.gram) / len(self.gram)

    def eigensystem(self, count: int | None = None) -> Eigensystem:
        """By eigh of the Gram matrix, refined for up to 512 samples. Eigenvalues below N·eps·λ_max are not resolved;
        they are cut and counted.

        With a `count`, the largest so many, by Lanczos where that is cheaper; the sum of the others is `rest`.
        What is not refined is left as it is: a direction of eigenvalue λ is then known to eps·λ_max/λ.
        """
        gram, targets = on_host(self.gram, self.targets)
        samples = len(gram)
        if is_few(count, samples) and gram.any():
            from scipy.sparse.linalg import eigsh

            unit = power_of_two(np.abs(gram))  # for iterations end at absolute bounds
            d, u = eigsh(gram / unit, count, v0=some_start(samples))
            d = unit * d
        else:
            check_memory(
                (5, samples, samples),
                gram.dtype,
                f"the eigenvectors of a kernel of {samples:,} samples",
                "ask for a count of them, eigensystem(count=100)",
            )
            d, u = np.linalg.eigh(gram)
            if samples <= REFINED:
                d, u = refined(gram, d, u)
        d, u = d[::-1], u[:, ::-1]
        rank, tolerance = resolved(d, samples)
        kept = rank if count is None else min(rank, count)
        return of_kernel(d[:kept], u[:, :kept], tolerance, np.trace(gram), targets)


def kernel(gram: Numbers, targets: Numbers) -> Kernel:
    """Kernel regression on a Gram matrix (N, N) of your own and targets (N,) or (N, C).

    Raises ValueError for a matrix that is not square, not symmetric or not finite, and when its eigensystem
    shows that it is not positive semidefinite.

    >>> import kdtheory as kd
    >>> problem = kd.problems.kernel([[2.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    >>> problem.eigensystem().eigenvalues.tolist()
    [1.0, 0.5]
    """
    gram = as_data(gram, "gram", ranks=(2,))
    return Kernel(as_gram(gram), as_targets(targets, "gram", len(gram), gram.dtype))
