"""Problems: data with a loss.

A problem gives the gradient that a learner follows, and its eigensystem, in which theory lives. The loss is
half the *mean* squared residual, so the eigenvalues λ are those of XᵀX/N for features X and of K/N for a
kernel's Gram matrix K. (Papers that use the sum have eigenvalues N times larger and times N times smaller.)

Shapes: targets are (N,) or (N, C); parameters are path axes + (P,) + outputs. Where the parameter axis stands
follows from the rank of the targets, never from a shape.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._inputs import (
    as_count,
    as_data,
    as_key,
    as_number,
    as_real,
    as_temperature,
    check_memory,
    check_range,
    concrete,
)
from kdtheory._record import record, static


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
    def max_step_size(self):
        """The step size 2/λ_max from which gradient descent diverges. Momentum has bounds of its own."""
        return 2.0 / self.eigenvalues[0]

    def of_parameters(self, parameters):
        """Coordinates of parameters: path axes + (P,) + outputs becomes path axes + (K,) + outputs."""
        return along(self.reading.T, parameters, self.target.ndim)

    def of_predictions(self, predictions):
        """Coordinates of predictions on the training inputs: path axes + (N,) + outputs to path axes + (K,) +
        outputs."""
        scale = jnp.sqrt(len(self.samples_basis) * self.eigenvalues)
        return along((self.samples_basis / scale).T, predictions, self.target.ndim, "predictions")

    def parameters(self, coordinates, start=None):
        """Parameters with the given coordinates. Outside the directions they are zero, or those of
        `start`."""
        parameters = along(self.writing, coordinates, self.target.ndim, "coordinates")
        if start is None:
            return parameters
        start = as_real(start, "start")
        return parameters + start - along(self.writing, self.of_parameters(start), self.target.ndim)


def along(matrix, array, rank, name="parameters"):
    """`matrix` applied to axis -rank of `array`: the axis of samples, parameters or directions."""
    array, length = as_real(array, name), matrix.shape[1]
    if array.ndim < rank or array.shape[-rank] != length:
        shape = f"({length},)" if rank == 1 else f"({length}, outputs)"
        raise ValueError(
            f"{name} must be of shape {shape}, after the axes of a path if there are any; got {array.shape}"
        )
    return matrix @ array if rank > 1 else array @ matrix.T


@record
class Linear:
    """Linear regression, with loss |Xw - y|² / 2N. Made by `linear`.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [1.0, 2.0, 4.0])
    >>> kd.Ridge(penalty=1e-12).fit(problem).round(6).tolist()
    [1.0, 3.0]
    """

    features: jax.Array  # (N, P)
    targets: jax.Array  # (N,) or (N, C)

    def zeros(self):
        return jnp.zeros(self.features.shape[1:] + self.targets.shape[1:], self.targets.dtype)

    def predict(self, parameters, inputs=None):
        """Predictions Xw on the training features, or on the rows of `inputs` (M, P)."""
        features = self.features if inputs is None else new_inputs(inputs, self.features.shape[1], "inputs")
        return along(features, parameters, self.targets.ndim)

    def gradient(self, parameters, rows=slice(None)):
        """Xᵀ(Xw - y)/N. `rows` picks a mini-batch, over which it is then the mean."""
        features = self.features[rows]
        residual = features @ parameters - self.targets[rows]
        return (residual.T @ features).T / len(features)  # contiguous: three times as fast as X.T @ r

    def relabel(self, targets):
        """The same inputs with other targets, (N,) or (N, C)."""
        return relabelled(self, targets, "features", self.features)

    def taught(self, teacher_parameters, teacher_weight=1.0, temperature=1.0):
        """The student's problem: targets weight · teacher's predictions + (1 - weight) · own targets."""
        return taught(self, teacher_parameters, teacher_weight, temperature)

    def normal_equations(self):
        """H = XᵀX/N and b = Xᵀy/N, with Hw = b at the solution."""
        samples = len(self.features)
        return self.features.T @ self.features / samples, self.features.T @ self.targets / samples

    def reduced(self, start):
        """An equivalent problem with min(N, P) samples and parameters that starts at zero, and the way back.

        From X = QR, or X = LQ when P > N, the loss changes by a constant only. For plain learners only: what
        a distilled learner loses shrinks towards zero, not towards `start`.
        """
        samples, count = self.features.shape
        targets = np.asarray(self.targets - self.features @ start)
        features = np.asarray(self.features)
        scale = float(np.sqrt(min(samples, count) / samples))  # keeps XᵀX/N, and float32
        if count > samples:
            q, r = np.linalg.qr(features.T)
            small = Linear(jnp.asarray(r.T), jnp.asarray(targets))
            return small, lambda z: start + along(jnp.asarray(q), z, self.targets.ndim)
        both = np.hstack([features, targets.reshape(samples, -1)])
        r = np.linalg.qr(both, mode="r")[:count] * scale  # R of X, beside it Qᵀy: no need of Q
        small = Linear(jnp.asarray(r[:, :count]), jnp.asarray(r[:, count:].reshape(count, *targets.shape[1:])))
        return small, lambda z: start + z

    def max_eigenvalue(self):
        """λ_max of XᵀX/N, for the default step size."""
        samples, count = self.features.shape
        x = self.features
        return _top(x @ x.T if count > samples else x.T @ x) / samples

    def eigensystem(self, count=None) -> Eigensystem:
        """By the SVD of the features: the eigenvalues of XᵀX would lose half the digits of the small ones.

        With a `count`, the largest so many, by Lanczos where that is cheaper; the sum of the others is `rest`.
        """
        features, targets = np.asarray(self.features), np.asarray(self.targets)
        samples, least = len(features), min(features.shape)
        if _is_few(count, least):
            from scipy.sparse.linalg import svds

            u, s, vt = svds(features, count, v0=_some_start(least))
            u, s, vt = u[:, ::-1], s[::-1], vt[::-1]
        else:
            u, s, vt = np.linalg.svd(features, full_matrices=False)
        tolerance = max(features.shape) * np.finfo(s.dtype).eps * s[0]
        rank = int(np.sum(s > tolerance))
        if rank == 0:
            raise ValueError("features are zero: there is no direction to learn along")
        kept = rank if count is None else min(rank, count)
        u, s, v = jnp.asarray(u[:, :kept]), s[:kept], jnp.asarray(vt[:kept].T)
        eigenvalues, spaces = s**2 / samples, _spaces(s, tolerance)
        total = None if count is None else float(np.vdot(features, features)) / samples
        return _eigensystem(eigenvalues, u, v, v, spaces, targets, unresolved=least - kept, total=total)


@record
class Kernel:
    """Kernel regression on dual coefficients α, predictions Kα. Made by `kernel`.

    The gradient is that of function space, (Kα - y)/N in α; descending in α itself would square the
    eigenvalues.
    """

    gram: jax.Array  # (N, N)
    targets: jax.Array  # (N,) or (N, C)

    def zeros(self):
        return jnp.zeros_like(self.targets)

    def predict(self, parameters, inputs=None):
        """Predictions Kα on the training inputs, or on new ones, given their kernel (M, N) with the training
        inputs."""
        gram = self.gram if inputs is None else new_inputs(inputs, len(self.gram), "inputs (the cross-gram)")
        return along(gram, parameters, self.targets.ndim)

    def gradient(self, parameters, rows=slice(None)):
        """(Kα - y)/N. `rows` picks a mini-batch, over which it is then the mean, and zero elsewhere."""
        residual = self.gram[rows] @ parameters - self.targets[rows]
        return jnp.zeros_like(parameters).at[rows].add(residual / len(residual))

    def relabel(self, targets):
        """The same inputs with other targets, (N,) or (N, C)."""
        return relabelled(self, targets, "gram", self.gram)

    def taught(self, teacher_parameters, teacher_weight=1.0, temperature=1.0):
        """The student's problem: targets weight · teacher's predictions + (1 - weight) · own targets."""
        return taught(self, teacher_parameters, teacher_weight, temperature)

    def normal_equations(self):
        """H = K/N and b = y/N, with Hα = b at the solution."""
        return self.gram / len(self.gram), self.targets / len(self.gram)

    def max_eigenvalue(self):
        """λ_max of K/N, for the default step size."""
        return _top(self.gram) / len(self.gram)

    def eigensystem(self, count=None) -> Eigensystem:
        """By eigh of the Gram matrix, refined. Eigenvalues below N·eps·λ_max are not resolved; they are cut and
        counted.

        With a `count`, the largest so many, by Lanczos where that is cheaper; the sum of the others is `rest`.
        Lanczos leaves eigenvectors as they are: a direction of eigenvalue λ is then known to eps·λ_max/λ.
        """
        gram, targets = np.asarray(self.gram), np.asarray(self.targets)
        samples = len(gram)
        if _is_few(count, samples):
            from scipy.sparse.linalg import eigsh

            d, u = eigsh(gram, count, v0=_some_start(samples))
        else:
            check_memory(
                (12, samples, samples),
                gram.dtype,
                f"the eigenvectors of a kernel of {samples:,} samples",
                "ask for a count of them, eigensystem(count=100)",
            )
            d, u = _refined(gram, *np.linalg.eigh(gram))
        d, u = d[::-1], u[:, ::-1]
        tolerance = samples * np.finfo(d.dtype).eps * abs(d).max()
        if d[-1] < -10 * tolerance:
            raise ValueError(
                f"gram is not positive semidefinite: its smallest eigenvalue is {d[-1]:.3g} and its largest {d[0]:.3g}."
                " Check the kernel, or add a multiple of the identity"
            )
        rank = int(np.sum(d > tolerance))
        if rank == 0:
            raise ValueError("gram is zero: there is no direction to learn along")
        kept = rank if count is None else min(rank, count)
        return of_kernel(d[:kept], u[:, :kept], tolerance, np.trace(gram), targets)


def _refined(gram, d, u):
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


def of_kernel(sizes, u, tolerance, trace, targets) -> Eigensystem:
    """The eigensystem of a kernel from eigenvalues and -vectors of its matrix K, known to within `tolerance`."""
    root, u, samples = np.sqrt(sizes), jnp.asarray(u), len(u)
    unresolved, total = samples - len(sizes), trace / samples
    spaces = _spaces(sizes, tolerance)
    return _eigensystem(sizes / samples, u, u * root, u / root, spaces, targets, unresolved=unresolved, total=total)


def _is_few(count, available):
    """Whether to look for so few directions by themselves: Lanczos needs some three products for each."""
    return count is not None and 10 * as_count(count, "count") <= available


def _some_start(length):
    """The same for every run, so that results are."""
    return np.random.default_rng(0).standard_normal(length)


def taught(problem, teacher_parameters, teacher_weight, temperature):
    """The problem with the targets weight · teacher's predictions + (1 - weight) · own targets."""
    if not concrete(as_temperature(temperature)):
        teacher_weight = jnp.where(temperature == 1, teacher_weight, jnp.nan)
    elif temperature != 1:
        raise ValueError(
            f"temperature is {temperature}, but squared loss compares predictions as they are: a temperature other"
            " than 1 is for softmax (problems.softmax)"
        )
    as_number(teacher_weight, "teacher_weight")
    predictions = problem.predict(teacher_parameters)
    targets = teacher_weight * predictions + (1.0 - teacher_weight) * problem.targets
    return dataclasses.replace(problem, targets=targets)


def relabelled(problem, targets, name, inputs):
    """The problem with other targets, checked where they are the user's and not JAX's."""
    if concrete(targets):
        targets = _as_targets(targets, name, len(inputs), inputs.dtype)
    return dataclasses.replace(problem, targets=targets)


def _top(gram):
    if not concrete(gram):
        return jnp.linalg.eigvalsh(gram)[-1]
    return np.linalg.eigvalsh(np.asarray(gram))[-1]


def _spaces(sizes, tolerance):
    """Number the eigenspaces of descending singular values (or eigenvalues) known to within `tolerance`."""
    return np.concatenate([[0], np.cumsum(-np.diff(sizes) > tolerance)])


def _eigensystem(eigenvalues, u, reading, writing, spaces, targets, unresolved, total=None):
    u_on_host = np.asarray(u)
    components = u_on_host.T @ targets
    scale = np.sqrt(len(u) * eigenvalues)
    unit = -np.frexp(np.max(np.abs(targets)))[1]  # a power of two, lest squares leave the range of floats
    power, outside = (np.sum(np.ldexp(part, unit) ** 2) for part in (targets, targets - u_on_host @ components))
    arrays = (eigenvalues, u, reading, writing, (components.T / scale).T, spaces, outside / power if power else 0.0)
    rest = 0.0 if total is None else max(0.0, float(total - np.sum(eigenvalues)))
    return Eigensystem(*map(jnp.asarray, arrays), unresolved=unresolved, rest=rest)


# Entry points: what users hand us is checked here, once, on the host.


def linear(features, targets) -> Linear:
    """Linear regression on your own features (N, P) and targets (N,) or (N, C).

    Half the mean squared residual is the loss. Nothing is centred or scaled: add a column of ones for an
    intercept.

    Raises ValueError for values that are not finite or so large or small that their squares leave the range of
    floats, shapes that do not match, or an empty table; TypeError for what is not an array of real numbers.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0, 0.0], [0.0, 0.5]], [1.0, 1.0])
    >>> problem.eigensystem().eigenvalues.tolist()
    [0.5, 0.125]
    """
    features = check_range(as_data(features, "features", ranks=(2,)), "features", power=2)
    return Linear(features, _as_targets(targets, "features", len(features), features.dtype))


def kernel(gram, targets) -> Kernel:
    """Kernel regression on a Gram matrix (N, N) of your own and targets (N,) or (N, C).

    Raises ValueError for a matrix that is not square, not symmetric or not finite, and when its eigensystem
    shows that it is not positive semidefinite.

    >>> import kdtheory as kd
    >>> problem = kd.problems.kernel([[2.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    >>> problem.eigensystem().eigenvalues.tolist()
    [1.0, 0.5]
    """
    gram = as_data(gram, "gram", ranks=(2,))
    return Kernel(_as_gram(gram), _as_targets(targets, "gram", len(gram), gram.dtype))


def matrix_free(kernel, inputs, targets):
    """Kernel regression whose matrix is never formed, for many samples; see `matrix_free.MatrixFree`.

    `kernel` takes rows (N, D) and (M, D) to their Gram matrix (N, M), as all of `kernels` do; `inputs` (N, D). It must
    be symmetric and positive semidefinite, which is not checked. Loops and ridge run on it, and
    `eigensystem(count)` gives the top directions. Half the mean squared residual is the loss.

    >>> import numpy as np, kdtheory as kd
    >>> x = np.linspace(0.0, 1.0, 200)[:, None]
    >>> problem = kd.problems.matrix_free(kd.kernels.rbf, x, np.sin(9.0 * x[:, 0]))
    >>> system = problem.eigensystem(count=5)
    >>> system.unresolved, len(system.eigenvalues), f"{system.rest:.0e}"
    (195, 5, '1e-08')
    """
    from kdtheory.matrix_free import MatrixFree

    if not callable(kernel):
        raise TypeError(
            f"kernel must be a function of two sets of rows, got {type(kernel).__name__}; a matrix goes to"
            " problems.kernel"
        )
    inputs = as_data(inputs, "inputs", ranks=(2,))
    return MatrixFree(kernel, inputs, _as_targets(targets, "inputs", len(inputs), inputs.dtype))


def softmax(features, targets, classes=None):
    """Softmax regression on your own features (N, P) and labels (N,), or probabilities (N, C).

    The loss is the mean cross-entropy to softmax(Xw). Labels may be of any kind; columns are in the order of
    `classes`, by default the distinct labels, sorted. The loops run on it; there is no filter. See
    `classification.Softmax`.

    Raises ValueError for labels that are not among the classes, and for rows that are not probabilities.

    >>> import kdtheory as kd
    >>> problem = kd.problems.softmax([[1.0], [-1.0]], [0, 1])
    >>> round(float(problem.loss(problem.zeros())), 6)
    0.693147
    """
    from kdtheory import classification

    features = check_range(as_data(features, "features", ranks=(2,)), "features", power=2)
    return classification.softmax(features, targets, classes, is_kernel=False)


def softmax_kernel(gram, targets, classes=None):
    """Softmax regression on a Gram matrix (N, N) of your own: logits Kα, the gradient that of function space.

    Labels, probabilities and errors are those of `softmax`.

    >>> import kdtheory as kd
    >>> problem = kd.problems.softmax_kernel([[2.0, 0.0], [0.0, 1.0]], [0, 1])
    >>> kd.GradientDescent(step_size=1.0, steps=1).fit(problem).tolist()
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    from kdtheory import classification

    gram = as_data(gram, "gram", ranks=(2,))
    return classification.softmax(_as_gram(gram), targets, classes, is_kernel=True)


def _as_gram(gram):
    if gram.shape[0] != gram.shape[1]:
        raise ValueError(f"gram must be square, one row and column per sample; got shape {gram.shape}")
    check_range(gram, "entries of gram", power=1)
    from scipy.linalg import issymmetric

    if issymmetric(np.asarray(gram)):
        return gram
    asymmetry = float(jnp.max(jnp.abs(gram - gram.T)))
    if asymmetry > 1e3 * jnp.finfo(gram.dtype).eps * float(jnp.max(jnp.abs(gram))):
        worst = np.unravel_index(np.argmax(np.abs(gram - gram.T)), gram.shape)
        raise ValueError(
            f"gram is not symmetric: entries {tuple(map(int, worst))} and its mirror differ by {asymmetry:.3g}."
            " If it holds the kernel of test with training inputs, pass it to predict(parameters, inputs=...)"
        )
    return (gram + gram.T) / 2


def _as_targets(targets, other, samples, dtype):
    targets = as_data(targets, "targets", ranks=(1, 2))
    if len(targets) != samples:
        raise ValueError(f"targets have shape {targets.shape}, but {other} has {samples} rows: one target per sample")
    return targets.astype(dtype)


def new_inputs(inputs, columns, name):
    """New features (M, P), or the rows (M, N) of a cross-gram, checked against what the problem was made of."""
    if not concrete(inputs):
        return inputs
    inputs = as_data(inputs, name, ranks=(2,))
    if inputs.shape[1] != columns:
        turned = f": transpose it, from (N, M) to (M, N) with N = {columns}" if inputs.shape[0] == columns else ""
        raise ValueError(f"{name} must be (M, {columns}), like the training data; got {inputs.shape}{turned}")
    return inputs


# Problems drawn at random.


def gaussian(key, eigenvalues, samples, signal=1.0, noise=0.0) -> Linear:
    """Linear regression on Gaussian features with the given *population* eigenvalues.

    Row n is x_n ~ N(0, diag(eigenvalues)), targets are y = X·signal + noise·ε with ε ~ N(0, I).

    `eigenvalues` (P,); `signal` a number or (P,) or (P, C), the true parameter along each population
    eigendirection; `noise` the standard deviation σ; `key` a JAX key, or an int as its seed. The *sample*
    eigenvalues differ: use `with_spectrum` where they must be exact.

    >>> import kdtheory as kd
    >>> problem = kd.problems.gaussian(0, kd.spectra.power_law(5), samples=20, noise=0.1)
    >>> problem.features.shape, problem.targets.shape
    ((20, 5), (20,))
    """
    eigenvalues, samples = as_spectrum(eigenvalues), as_count(samples, "samples")
    _check_drawn(3, samples, len(eigenvalues))
    features_key, noise_key = jax.random.split(as_key(key))
    features = jax.random.normal(features_key, (samples, len(eigenvalues))) * jnp.sqrt(eigenvalues)
    return _labelled(noise_key, features, _as_signal(signal, len(eigenvalues)), noise)


def with_spectrum(key, eigenvalues, samples=None, signal=1.0, noise=0.0) -> Linear:
    """Linear regression on features whose *sample* eigenvalues are exactly the given ones, within rounding.

    X = √N·U diag(√λ) Vᵀ with random orthonormal U and V. `signal`, a number or (P,) or (P, C), is the true
    parameter along each sample eigendirection; targets are y = X V·signal + noise·ε. `samples` N is at least
    P = len(eigenvalues), by default 2P.

    >>> import kdtheory as kd
    >>> problem = kd.problems.with_spectrum(0, [1.0, 0.1], samples=10)
    >>> print(problem.eigensystem().eigenvalues.round(12))
    [1.  0.1]
    """
    eigenvalues = as_spectrum(eigenvalues)
    count = len(eigenvalues)
    samples = as_count(2 * count if samples is None else samples, "samples", count, ", one per eigenvalue")
    _check_drawn(6, samples, count)
    left_key, right_key, noise_key = jax.random.split(as_key(key), 3)
    u, v = orthonormal(left_key, samples, count), orthonormal(right_key, count, count)
    features = jnp.sqrt(samples) * (u * jnp.sqrt(eigenvalues)) @ v.T
    return _labelled(noise_key, features, v @ _as_signal(signal, count), noise)


def _check_drawn(copies, samples, count):
    check_memory(
        (copies, samples, count), float, f"features of shape {(samples, count)}", "ask for fewer samples or eigenvalues"
    )


def _labelled(key, features, parameters, noise):
    if concrete(as_real(noise, "noise")) and not (np.ndim(noise) == 0 and 0 <= noise < np.inf):
        raise ValueError(f"noise must be one finite number >= 0, a standard deviation; got {noise}")
    clean = features @ parameters
    return Linear(features, clean + noise * jax.random.normal(key, clean.shape))


def orthonormal(key, rows, columns):
    """A random (rows, columns) matrix with orthonormal columns."""
    return jnp.asarray(np.linalg.qr(np.asarray(jax.random.normal(key, (rows, columns))))[0])


def as_spectrum(eigenvalues):
    """A user's eigenvalues (K,) as floats, finite and not negative."""
    eigenvalues = jnp.asarray(as_real(eigenvalues, "eigenvalues"), float)
    if (
        eigenvalues.ndim != 1
        or len(eigenvalues) == 0
        or not bool(jnp.all((eigenvalues >= 0) & (eigenvalues < jnp.inf)))
    ):
        raise ValueError(f"eigenvalues must be a non-empty sequence of finite numbers >= 0, got {eigenvalues}")
    return eigenvalues


def _as_signal(signal, count):
    signal = jnp.asarray(as_real(signal, "signal"), float)
    if concrete(signal) and not np.isfinite(signal).all():
        raise ValueError(f"signal must be finite, got {signal}")
    if signal.ndim == 0:
        return jnp.full(count, signal)
    if signal.shape[0] != count or signal.ndim > 2:
        raise ValueError(
            f"signal has shape {signal.shape}, but there are {count} eigenvalues: ({count},) or ({count}, C)"
        )
    return signal
