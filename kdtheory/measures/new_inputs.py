"""The test error of any learner from its training data alone: what generalised cross-validation is for ridge.

With λ_k the N eigenvalues of K/N, zeros included, and m(z) = (1/N) Σ 1/(λ_k - z), let ζ_j be the zeros of m, one
between each two neighbours, and ν_j = 1/(ζ_j m′(ζ_j)). (A zero at 0 belongs to them where no λ_k is zero, with ν =
1/m(0).) A learner that leaves r on the data leaves ψ(λ) = r(λ) - Σ ν_j (r(λ) - r(ζ_j))/(λ - ζ_j) on new inputs, and the
mean over directions of ψ² y_k², y_k the targets there, is its prediction error. Since Σ ν_j/(λ_k - ζ_j) = 1, ψ(λ_k) is
the mean Σ ν_j r(ζ_j)/(λ_k - ζ_j), of weights with both signs; for ridge it is r(λ_k)/(1 - tr φ/N).

Source: own, from the pair form of generalised cross-validation; checked by simulation.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import as_array, check_pairs
from kdtheory._record import of_path, record
from kdtheory.asymptotics import at_points
from kdtheory.learners import Learner, check_learner, check_problem
from kdtheory.problems import Eigensystem, Problem, SquaredLoss
from kdtheory.trajectories import eigensystem_of

_BLOCK = 1 << 17  # numbers at once, to stay in the cache


@record
class Estimate:
    """A prediction error on new data, as the training data tell it.

    ± 2 `error` holds the truth in some 90 % of data sets, not in 95. `plain` is generalised cross-validation, mean
    squared residual/(1 - tr φ/N)²: the same for ridge, and inconsistent for all else.
    """

    risk: jax.Array  # path axes
    error: jax.Array  # path axes
    plain: jax.Array  # path axes

    axes = of_path


def estimated_risk(learner: Learner, problem: Problem, eigensystem: Eigensystem | None = None) -> jax.Array:
    """The prediction error of a learner on new data, noise included, from its training data alone: path axes.

    E|y - f(x)|² for new inputs x with their labels, summed over outputs and not halved; nothing is trained, and no data
    are held out. For ridge it is generalised cross-validation. `problem` is linear or a kernel's, with squared loss;
    the learner starts at zero, and has a filter. Give its `eigensystem` to pay for it once. Where features and targets
    are centred, the lost degree of freedom and the intercept's own error are counted; of targets that keep their mean,
    its square is added. Slopes by the learner's fields are exact. `new_inputs.estimate` has its standard error.

    It holds for rows that are Σ^½ times iid entries, and is consistent then as N grows. It is too low for rows of
    unequal length and for rows that were copied; warnings say so where ridge's leave-one-out exceeds ridge's own
    estimate by more than 5 % + 1/√N, which Gaussian rows do once in a hundred data sets and t-distributed lengths of 3
    degrees of freedom often, and where more than a twentieth of the rows repeat others. The least of many estimates
    is not an honest error.

    Raises TypeError for problems without squared loss, and ValueError for an eigensystem that is not whole or that of
    another problem.

    >>> import kdtheory as kd
    >>> problem = kd.problems.gaussian(0, kd.spectra.power_law(60), samples=120, noise=0.5)
    >>> learner = kd.distill(kd.GradientFlow(20.0), kd.GradientFlow(10.0))
    >>> print(round(kd.measures.estimated_risk(learner, problem).item(), 3))
    1.406
    """
    data = read(problem, eigensystem)
    return as_array(_risk(data, *_missed(learner, data)))


def estimate(learner: Learner, problem: Problem, eigensystem: Eigensystem | None = None) -> Estimate:
    """`estimated_risk` with its standard error, and plain generalised cross-validation beside it.

    The error is the larger of sd(e²)/√N over samples, e the estimated residuals on new data, and √(2 Σ ψ⁴ y⁴/3)/N over
    directions, since residuals are not independent.

    >>> import kdtheory as kd
    >>> problem = kd.problems.gaussian(0, kd.spectra.power_law(60), samples=120, noise=0.5)
    >>> found = kd.measures.new_inputs.estimate(kd.Ridge(0.1), problem)
    >>> print(abs(found.risk - found.plain) < 1e-12)
    True
    """
    data = read(problem, eigensystem)
    ψ, ψ_zero = _missed(learner, data)
    return Estimate(*map(as_array, (_risk(data, ψ, ψ_zero), _error(data, (ψ, ψ_zero)), _plain(learner, data))))


def gain(first: Learner, second: Learner, problem: Problem, eigensystem: Eigensystem | None = None) -> Estimate:
    """By how much the prediction error of the `second` learner is below that of the `first`, such as a student's below
    its teacher's, with its own standard error: what both share falls out. Path axes must broadcast.

    >>> import kdtheory as kd
    >>> problem = kd.problems.gaussian(0, kd.spectra.power_law(60), samples=120, noise=0.5)
    >>> teacher = kd.GradientFlow(20.0)
    >>> found = kd.measures.new_inputs.gain(teacher, kd.distill(teacher, teacher), problem)
    >>> print(round(found.risk.item(), 3), round(found.error.item(), 3))
    -0.355 0.089
    """
    data = read(problem, eigensystem)
    both = [_missed(learner, data) for learner in (first, second)]
    check_pairs(first=both[0][0].shape[:-1], second=both[1][0].shape[:-1])
    value = _risk(data, *both[0]) - _risk(data, *both[1])
    plain = _plain(first, data) - _plain(second, data)
    return Estimate(*map(as_array, (value, _error(data, *both), plain)))


class _Data(NamedTuple):
    """What a problem's data say of new ones. Host arrays."""

    eigenvalues: np.ndarray  # (K,) positive, descending
    labels: np.ndarray  # (K, C) of the targets along each
    basis: np.ndarray  # (N, K)
    outside: np.ndarray  # (N, C) of the targets, in no direction
    mean: float  # square of the targets' mean, where the features are centred
    count: int  # N, or N - 1 where the features are centred
    ζ: np.ndarray  # (J,)
    ν: np.ndarray  # (J,)
    weights: np.ndarray  # (K, J) ν/(λ - ζ)

    @property
    def zeros(self):
        return self.count - len(self.eigenvalues)


def read(problem: Problem, eigensystem: Eigensystem | None) -> "_Data":
    """What a problem's data say of new ones, after its rows were looked at."""
    check_problem(problem)
    targets = getattr(problem, "targets", None)
    if targets is None or (problem.lacks and not isinstance(problem, SquaredLoss)):
        raise TypeError(f"the estimate needs squared loss; {type(problem).__name__} has none of its own: hold data out")
    system = eigensystem_of(problem, eigensystem)
    eigenvalues, basis = np.asarray(system.eigenvalues, float), np.asarray(system.samples_basis, float)
    if system.rest > 1e-10 * np.sum(eigenvalues):
        raise ValueError(
            f"the eigensystem has {len(eigenvalues)} directions, and the others have {float(system.rest):.3g} of the"
            " spectrum: the estimate needs all, problem.eigensystem()"
        )
    samples = len(basis)
    # Centred data have a mean all the same, of the digits that they had: of float32, or beside a large offset.
    ones = np.sum(basis, axis=0)  # about one along directions of data that are not centred
    rounded = eigenvalues * ones**2 <= 1e-12 * samples * eigenvalues[0]
    centred = bool(np.all(rounded | (ones**2 <= 1e-8)))
    seen = ones**2 < samples / 2 if centred else np.ones(len(ones), bool)  # that mean has a direction of its own
    eigenvalues, basis = eigenvalues[seen], basis[:, seen]
    targets = np.asarray(targets, float).reshape(samples, -1)
    means = np.mean(targets, axis=0) if centred else np.zeros(targets.shape[1])
    targets = targets - means
    labels = basis.T @ targets
    count = samples - int(centred)
    top = eigenvalues[0]  # whose inverse square may leave the range of floats
    ζ, ν, weights = _zeros(eigenvalues / top, count - len(eigenvalues), count)
    ζ, ν = top * ζ, top * ν
    data = _Data(eigenvalues, labels, basis, targets - basis @ labels, float(means @ means), count, ζ, ν, weights)
    _check_rows(problem, data)
    return data


def _check_rows(problem, data):
    """Warn where rows are not alike: of what ridge's leave-one-out sees, and of copies, which it does not."""
    λ, samples = data.eigenvalues, len(data.basis)
    low, high = 1e-3 * λ[-1], 1e3 * λ[0]
    for _ in range(50):  # the penalty that leaves half of the directions
        penalty = np.sqrt(low) * np.sqrt(high)
        more = np.sum(λ / (λ + penalty)) > len(λ) / 2
        low, high = (penalty, high) if more else (low, penalty)
    left = penalty / (λ + penalty)
    residuals = data.basis @ (left[:, None] * data.labels) + data.outside
    kept = data.count / samples - data.basis**2 @ (1.0 - left)  # 1 - H_ii; a mean takes 1/N from each
    alone, own = (np.sum((residuals / share) ** 2) for share in (kept[:, None], np.mean(kept)))
    if alone > own * (1.05 + samples**-0.5):
        warnings.warn(
            f"ridge's leave-one-out error is {alone / own:.2f} times ridge's own estimate: rows differ in length"
            " or have heavy tails, and estimates are too low by about as much, more for long runs; hold data out",
            stacklevel=4,
        )
    rows = np.asarray(getattr(problem, "features" if problem.is_table else "gram", data.basis))
    repeated = samples - len({row.tobytes() for row in rows})
    if repeated > samples / 20:
        warnings.warn(
            f"{repeated} of {samples} rows repeat others: if they are copies, and not draws that happened to be equal,"
            " estimates are too low; merge them, or hold data out in groups",
            stacklevel=4,
        )


def _zeros(eigenvalues, nulls, count):
    """The zeros ζ of m(z), their ν, and ν/(λ - ζ) for each eigenvalue, by Newton's method between neighbours.

    On (a - z)(z - b) m, which has no poles at either end, from the middle; z is measured from the nearer end, so that
    differences keep their digits. Eigenvalues (K,), descending, that are equal to rounding hold a zero with ν = 0
    between them, which is left out.
    """
    ascending = eigenvalues[::-1]
    first = np.append(True, np.diff(ascending) > 1e-14 * ascending[1:])
    poles, place = ascending[first], (np.cumsum(first) - 1)[::-1]
    often = np.bincount(place)
    if nulls:
        poles, often, place = np.append(0.0, poles), np.append(nulls, often), place + 1
    often = often / count
    ζ, slope = np.empty((2, len(poles) - 1))
    apart = np.empty((len(poles) - 1, len(poles)))  # λ - ζ
    step = max(1, _BLOCK // len(poles))
    for block in (slice(at, at + step) for at in range(0, len(ζ), step)):
        low, high = poles[:-1][block], poles[1:][block]
        gap = high - low
        lower = (1.0 / (poles - low[:, None] - gap[:, None] / 2)) @ often > 0
        end = np.where(lower, low, high)
        from_end, near, far = poles - end[:, None], np.where(lower, 0.0, -gap), np.where(lower, gap, 0.0)
        z, least, most = (
            np.where(lower, gap / 2, -gap / 2),
            np.where(lower, 0.0, -gap / 2),
            np.where(lower, gap / 2, 0.0),
        )
        for _ in range(100):
            inverse = 1.0 / (from_end - z[:, None])
            value, rise = inverse @ often, (inverse * inverse) @ often
            least, most = np.where(value < 0, z, least), np.where(value > 0, z, most)
            turned = rise * (far - z) * (z - near) + value * (far + near - 2 * z)
            new = z - value * (far - z) * (z - near) / turned
            new = np.where((new > least) & (new < most), new, np.where(value == 0, z, (least + most) / 2))
            done = np.abs(new - z) <= 2e-16 * np.abs(z)
            z = new
            if done.all():
                break
        apart[block] = from_end - z[:, None]
        ζ[block], slope[block] = end + z, (apart[block] ** -2) @ often
    ν = 1.0 / (ζ * slope)
    weights = ν / apart.T
    if not nulls:
        least = 1.0 / np.sum(often / poles)
        ζ, ν, weights = np.append(0.0, ζ), np.append(least, ν), np.column_stack([least / poles, weights])
    return ζ, ν, weights[place]


def _missed(learner, data):
    """ψ at each eigenvalue, path axes + (K,), and at zero, path axes."""
    top = data.eigenvalues[0]
    check_learner(learner)
    learner = learner.tuned(top)
    check_learner(learner, top)
    learnt, left = at_points(learner, data.ζ)
    if not data.zeros:
        first = data.ζ == 0  # nothing is learnt without data, whatever a filter says of zero
        left, learnt = left * ~first + first, learnt * ~first
        return left @ data.weights.T, learnt[..., 0]
    return left @ data.weights.T, 1.0 + learnt @ (data.ν / data.ζ)


def _risk(data, ψ, ψ_zero):
    inside, outside = np.sum(data.labels**2, axis=1), np.sum(data.outside**2)
    return _scaled(data, ψ**2 @ inside + ψ_zero**2 * outside) + data.mean


def _scaled(data, total):
    """The mean over directions of a sum; with what the intercept errs by, where data are centred."""
    samples = len(data.basis)
    return total / data.count * (1.0 + (1.0 / samples if data.count < samples else 0.0))


def _plain(learner, data):
    learner = learner.tuned(data.eigenvalues[0])
    _, left = at_points(learner, data.eigenvalues)
    inside, outside = np.sum(data.labels**2, axis=1), np.sum(data.outside**2)
    left_share = (data.zeros + left.sum(-1)) / data.count
    return _scaled(data, (left**2 @ inside + outside) / left_share**2) + data.mean


def _error(data, *missed):
    """The standard error of a risk, or of the first less a second: over samples, or over directions if that is more."""
    samples, zeros = len(data.basis), max(data.zeros, 1)
    size = max(np.max(abs(data.labels)), np.max(abs(data.outside)))  # whose fourth power may leave the range of floats
    size = 2.0 ** np.frexp(size)[1]

    def less(terms):
        return terms[0] - terms[1] if len(terms) > 1 else terms[0]

    known, null = (less([each[i] ** 2 for each in missed]) ** 2 for i in (0, 1))
    squares = fourths = 0.0
    for y, outside in zip(data.labels.T / size, data.outside.T / size, strict=True):
        residuals = [(ψ * y) @ data.basis.T + ψ_zero[..., None] * outside for ψ, ψ_zero in missed]
        squares = squares + less([each**2 for each in residuals])
        spread = 3.0 * np.sum(outside**2) ** 2 / (zeros + 2.0)  # of y⁴ over directions that are not known one by one
        fourths = fourths + known @ y**4 + null * spread
    return _scaled(data, size**2 * _maximum(squares.std(-1) * np.sqrt(samples), (2.0 / 3.0 * fourths) ** 0.5))


def _maximum(a, b):
    return (np if isinstance(a, np.ndarray | np.generic) else jnp).maximum(a, b)
