"""Linear regression on features."""

import operator
from collections.abc import Callable

import jax
import numpy as np

from kdtheory._checks import Numbers, as_array, as_data, check_range, on_host
from kdtheory._compilation import promptly
from kdtheory._record import record
from kdtheory.numerics import power_of_two
from kdtheory.problems._base import SquaredLoss, as_targets, check_parameters, new_inputs
from kdtheory.problems._eigensystems import (
    Eigensystem,
    along,
    eigenspaces,
    is_few,
    made_eigensystem,
    some_start,
    top_eigenvalue,
)


@record
class Linear(SquaredLoss):
    """Linear regression, with loss |Xw - y|² / 2N. Made by `linear`.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [1.0, 2.0, 4.0])
    >>> kd.Ridge(penalty=1e-12).fit(problem).round(6).tolist()
    [1.0, 3.0]
    """

    features: jax.Array  # (N, P)
    targets: jax.Array  # (N,) or (N, C)

    inputs_name, is_table = "features", True

    def zeros(self) -> jax.Array:
        return as_array(np.zeros(self.features.shape[1:] + self.targets.shape[1:], self.targets.dtype))

    def predict(self, parameters: jax.Array, inputs: Numbers | None = None) -> jax.Array:
        """Predictions Xw on the training features, or on the rows of `inputs` (M, P)."""
        features = self.features if inputs is None else new_inputs(inputs, self.features.shape[1], "inputs")
        return along(features, parameters, self.targets.ndim)

    def gradient(self, parameters: jax.Array, rows: slice | jax.Array = slice(None)) -> jax.Array:
        """Xᵀ(Xw - y)/N. `rows` picks a mini-batch, over which it is then the mean."""
        check_parameters(parameters, self.features.shape[1:] + self.targets.shape[1:])
        features = self.features[rows]
        residual = features @ parameters - self.targets[rows]
        return (residual.T @ features).T / len(features)  # contiguous: three times as fast as X.T @ r

    def normal_equations(self) -> tuple[jax.Array, jax.Array]:
        """H = XᵀX/N and b = Xᵀy/N, with Hw = b at the solution."""
        samples = len(self.features)
        return self.features.T @ self.features / samples, self.features.T @ self.targets / samples

    def reduced(self, start: jax.Array) -> tuple["Linear", Callable[[jax.Array], jax.Array]]:
        """An equivalent problem with min(N, P) samples and parameters that starts at zero, and the way back.

        From X = QR, or X = LQ when P > N, the loss changes by a constant only. For plain learners only: what
        a distilled learner loses shrinks towards zero, not towards `start`.
        """
        samples, count = self.features.shape
        features = np.asarray(self.features)
        targets = np.asarray(self.targets) - features @ np.asarray(start)
        scale = float(np.sqrt(min(samples, count) / samples))  # keeps XᵀX/N, and float32
        if count > samples:
            q, r = np.linalg.qr(features.T)
            small = Linear(as_array(r.T), as_array(targets))
            return small, lambda z: promptly(operator.add, start, along(as_array(q), z, self.targets.ndim))
        both = np.hstack([features, targets.reshape(samples, -1)])
        r = np.linalg.qr(both, mode="r")[:count] * scale  # R of X, beside it Qᵀy: no need of Q
        small = Linear(as_array(r[:, :count]), as_array(r[:, count:].reshape(count, *targets.shape[1:])))
        return small, lambda z: promptly(operator.add, start, z)

    def max_eigenvalue(self) -> jax.Array:
        """λ_max of XᵀX/N, for the default step size."""
        samples, count = self.features.shape
        x = self.features
        return top_eigenvalue(x @ x.T if count > samples else x.T @ x) / samples

    def eigensystem(self, count: int | None = None) -> Eigensystem:
        """By the SVD of the features: the eigenvalues of XᵀX would lose half the digits of the small ones.

        With a `count`, the largest so many, by Lanczos where that is cheaper; the sum of the others is `rest`.
        """
        features, targets = on_host(self.features, self.targets)
        samples, least = len(features), min(features.shape)
        if is_few(count, least) and features.any():
            from scipy.sparse.linalg import svds

            unit = power_of_two(np.abs(features))  # for iterations end at absolute bounds
            u, s, vt = svds(features / unit, count, v0=some_start(least))
            u, s, vt = u[:, ::-1], unit * s[::-1], vt[::-1]
        else:
            u, s, vt = np.linalg.svd(features, full_matrices=False)
        tolerance = max(features.shape) * np.finfo(s.dtype).eps * s[0]
        rank = int(np.sum(s > tolerance))
        if rank == 0:
            raise ValueError("features are zero: there is no direction to learn along")
        kept = rank if count is None else min(rank, count)
        u, s, v = as_array(u[:, :kept]), s[:kept], as_array(vt[:kept].T)
        eigenvalues, spaces = s**2 / samples, eigenspaces(s, tolerance)
        total = None if count is None else float(np.vdot(features, features)) / samples
        return made_eigensystem(eigenvalues, u, v, v, spaces, targets, unresolved=least - kept, total=total)


# Entry points: what users hand us is checked here, once, on the host.


def linear(features: Numbers, targets: Numbers) -> Linear:
    """Linear regression on your own features (N, P) and targets (N,) or (N, C).

    Half the mean squared residual is the loss. Nothing is centred or scaled: add a column of ones for an
    intercept.

    Raises ValueError for values that are not finite, features so large or small that their squares leave the range of
    floats, targets beyond the range of the features' type, shapes that do not match, or an empty table; TypeError for
    what is not an array of real numbers.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0, 0.0], [0.0, 0.5]], [1.0, 1.0])
    >>> problem.eigensystem().eigenvalues.tolist()
    [0.5, 0.125]
    """
    features = check_range(as_data(features, "features", ranks=(2,)), "features", power=2)
    return Linear(features, as_targets(targets, "features", len(features), features.dtype))
