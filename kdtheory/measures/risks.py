"""Bias, variance and total error of learners on the training inputs, and the best that any filter can do."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Number, Numbers, as_array, as_data, concrete
from kdtheory._compilation import promptly
from kdtheory._record import moments, record
from kdtheory.learners import Learner, check_learner
from kdtheory.problems import Eigensystem, Problem, SquaredLoss
from kdtheory.trajectories import Trajectory


@record
class Risk:
    """Expected squared error per eigendirection, split in two."""

    bias: jax.Array  # path axes + (K,)
    variance: jax.Array  # path axes + (K,)

    @property
    def total(self) -> jax.Array:
        """The sum over eigendirections: path axes."""
        return promptly(lambda bias, variance: (bias + variance).sum(-1), self.bias, self.variance)

    def axes(self) -> dict[str, tuple[str, ...]]:
        """What the axes of each field are called in tables."""
        named = (*moments(self.bias.ndim - 1), "direction")
        return {"bias": named, "variance": named}


def risk(
    learner: Learner, eigenvalues: Numbers, signal: Numbers, noise_variance: Number, weights: Numbers | None = None
) -> Risk:
    """Bias and variance of a learner along each eigendirection, for a fixed design.

    With φ the filter: bias w θ² (1 - φ)² and variance w v φ²/λ, with θ = `signal` (K,) the true parameter along
    each direction and v = `noise_variance` that of the noise in one eigen-component of the predictions: σ²/N
    for N samples with noise σ, since eigenvalues are those of XᵀX/N. (Papers with the sum loss have v = σ².)
    The error is Σ w_k (θ̂_k - θ_k)² with w = `weights` (K,), any quadratic form that the eigendirections
    diagonalise: the eigenvalues, for that of the predictions on the training inputs, unless given; ones for that
    of the parameters. The learner starts at zero.

    >>> import kdtheory as kd
    >>> kd.measures.risk(kd.GradientFlow(0.0), [1.0, 0.5], signal=[1.0, 2.0], noise_variance=0.1).total.item()
    3.0
    >>> kd.measures.risk(kd.GradientFlow(0.0), [1.0, 0.5], [1.0, 2.0], 0.1, weights=[1.0, 1.0]).total.item()
    5.0
    """
    check_learner(learner)
    check_noise(noise_variance)
    eigenvalues = as_array(eigenvalues, float)
    return _risk(
        learner.filter(eigenvalues), learner.residual(eigenvalues), eigenvalues, signal, noise_variance, weights
    )


def check_noise(noise_variance: Number, finite: bool = False) -> None:
    """Refuse a variance that is none, or is not `finite`."""
    if concrete(noise_variance) and not np.all(np.asarray(noise_variance) >= 0):
        raise ValueError(f"noise_variance must be >= 0, got {noise_variance}; it is σ²/N of noise σ on N samples")
    if finite and np.any(np.isinf(noise_variance)):
        raise ValueError(f"noise_variance must be finite, got {noise_variance}; a signal of zeros has its limit")


def along(
    learnt: jax.Array,
    missed: jax.Array,
    eigenvalues: jax.Array,
    signal: Numbers,
    noise_variance: Number,
    weights: Numbers | None,
) -> jax.Array:
    """Bias and variance along each direction, in one number."""
    split = _risk(learnt, missed, eigenvalues, signal, noise_variance, weights)
    return split.bias + split.variance


def _risk(learnt, missed, eigenvalues, signal, noise_variance, weights):
    signal, (weights, ratio) = as_array(signal, float), _form(eigenvalues, weights)
    bias = promptly(lambda w, θ, missed: w * θ**2 * missed**2, weights, signal, missed)
    return Risk(bias, promptly(lambda ratio, v, learnt: ratio * v * learnt**2, ratio, noise_variance, learnt))


def _form(eigenvalues, weights):
    """The weights w of a quadratic form, and w/λ: what the bias and the variance are multiplied by."""
    if weights is None:
        return eigenvalues, jnp.ones_like(eigenvalues)
    weights, seen = as_array(weights, float), eigenvalues > 0  # no noise reaches a null direction
    return weights, jnp.where(seen, weights / jnp.where(seen, eigenvalues, 1.0), 0.0)


def wiener_filter(eigenvalues: Numbers, signal: Numbers, noise_variance: Number) -> jax.Array:
    """The filter of least risk, φ = λθ²/(λθ² + v) along each direction, (K,): whatever the quadratic form.

    Arguments as in `risk`. It sees the signal of each direction, so no learner need attain it: a learner gives
    equal eigenvalues equal factors, and moves all of them with a few numbers. ValueError for negative noise.

    >>> import kdtheory as kd
    >>> kd.measures.wiener_filter([1.0, 0.5], signal=[1.0, 1.0], noise_variance=0.5).round(6).tolist()
    [0.666667, 0.5]
    """
    check_noise(noise_variance)
    return _wiener(as_array(eigenvalues, float), as_array(signal, float), noise_variance)[0]


@jax.jit
def _wiener(eigenvalues, signal, noise_variance):
    """The filter, what it misses, and θ² times that."""
    size = jnp.abs(signal)  # whose square may leave the range of floats
    seen = (eigenvalues > 0) & (size > 0)
    λ, θ = jnp.where(seen, eigenvalues, 1.0), jnp.where(seen, size, 1.0)
    power, noise = λ * θ, noise_variance / θ
    little = noise < power
    ratio = jnp.where(little, noise, power) / jnp.where(little, power, jnp.where(noise > 0, noise, 1.0))
    larger, smaller = 1.0 / (1.0 + ratio), ratio / (1.0 + ratio)
    learnt, missed = jnp.where(little, larger, smaller), jnp.where(little, smaller, larger)
    left = jnp.where(little, learnt * (noise_variance / λ), θ * (θ * missed))  # θ²(1 - φ) = vφ/λ
    return jnp.where(seen, learnt, 0.0), jnp.where(seen, missed, 1.0), jnp.where(seen, left, signal**2)


def wiener_risk(eigenvalues: Numbers, signal: Numbers, noise_variance: Number, weights: Numbers | None = None) -> Risk:
    """The least risk of any filter: for predictions Σ v φ with φ the `wiener_filter`. Arguments as in `risk`.

    ValueError for negative noise.

    >>> import kdtheory as kd
    >>> kd.measures.wiener_risk([1.0, 1.0], signal=[1.0, 1.0], noise_variance=1.0).total.item()
    1.0
    """
    eigenvalues = as_array(eigenvalues, float)
    check_noise(noise_variance)
    best, missed, left = _wiener(eigenvalues, as_array(signal, float), noise_variance)
    w = eigenvalues if weights is None else as_array(weights, float)
    return Risk(w * left * missed, w * left * best)


# From a problem to its risk.


class Known(NamedTuple):
    """What theory needs to know of a problem, in the order in which `risk`, `best` and their like take it."""

    eigenvalues: jax.Array  # (K,)
    signal: jax.Array  # (K,) root of the sum of squares over outputs
    noise_variance: float  # σ²/N, times the outputs


def signal_and_noise(
    problem: Problem,
    truth: Numbers | None = None,
    noise: float = 0.0,
    predictions: Numbers | None = None,
    eigensystem: Eigensystem | None = None,
) -> Known:
    """Eigenvalues, signal and noise variance of a problem whose truth is known: `risk(learner, *known)`.

    `truth` are the true parameters, (P,) + outputs, or dual coefficients (N,) + outputs for a kernel; or else
    `predictions`, the targets without noise, (N,) + outputs. θ are their coordinates along the eigendirections of the
    data, over outputs the root of the sum of squares; `noise` is the standard deviation σ of each target, and the
    variance of an eigen-component of the predictions is σ²/N, times the number of outputs. What of the truth lies
    outside the directions nobody learns; it is not counted. `eigensystem` is that of the problem, if it is at hand.

    ValueError if neither or both of truth and predictions are given, for shapes that do not fit, and negative noise;
    TypeError without squared loss.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0, 0.0], [0.0, 0.5]], [1.1, 0.4])
    >>> known = kd.measures.signal_and_noise(problem, truth=[1.0, 1.0], noise=0.2)
    >>> known.eigenvalues.tolist(), abs(known.signal).round(12).tolist(), round(known.noise_variance, 12)
    ([0.5, 0.125], [1.0, 1.0], 0.02)
    >>> kd.measures.best_stop(kd.Ridge(1.0), *known).penalty.__round__(9)
    0.02
    """
    if not isinstance(problem, SquaredLoss):
        raise TypeError(f"problem must be one of squared loss, whose risk this is; got {type(problem).__name__}")
    eigensystem = problem.eigensystem() if eigensystem is None else eigensystem
    coordinates = _truth(problem, eigensystem, truth, predictions)
    if not (np.ndim(noise) == 0 and 0 <= float(noise) < np.inf):
        raise ValueError(f"noise must be one finite number >= 0, a standard deviation; got {noise}")
    outputs = coordinates.shape[1] if coordinates.ndim == 2 else 1
    signal = jnp.sqrt(jnp.sum(coordinates**2, axis=1)) if coordinates.ndim == 2 else coordinates
    variance = float(noise) ** 2 / len(eigensystem.samples_basis) * outputs
    return Known(eigensystem.eigenvalues, signal, variance)


def risk_on(
    learner: Learner,
    problem: Problem,
    truth: Numbers | None = None,
    noise: float = 0.0,
    predictions: Numbers | None = None,
    eigensystem: Eigensystem | None = None,
) -> Risk:
    """The risk of a learner on a problem whose truth is known: `risk` with what `signal_and_noise` finds.

    Expected over noise in the targets, the inputs being what they are: the mean over samples of the squared distance
    from predictions on the training inputs to what the features show of the truth, summed over outputs. On new inputs
    it is larger, by much where there are few samples. Arguments as in `signal_and_noise`; a step size of None is
    1/λ_max of the data.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0, 0.0], [0.0, 0.5]], [1.1, 0.4])
    >>> kd.measures.risk_on(kd.Ridge(0.0), problem, truth=[1.0, 1.0], noise=0.2).total.round(12).item()  # K σ²/N
    0.04
    """
    known = signal_and_noise(problem, truth, noise, predictions, eigensystem)
    return risk(learner.tuned(known.eigenvalues[0]), *known)


def observed_risk(
    run: Trajectory,
    problem: Problem,
    truth: Numbers | None = None,
    predictions: Numbers | None = None,
    eigensystem: Eigensystem | None = None,
) -> jax.Array:
    """The squared error of a run on the training inputs against the truth, path axes: `risk_on`, before the mean over
    noise.

    Σ_k λ_k |θ̂_k - θ_k|² over directions and outputs, the mean over samples of the squared distance of predictions from
    what the features show of the truth.
    `run` is a Trajectory of `simulate` or `project` on this problem; the other arguments as in `signal_and_noise`.

    >>> import kdtheory as kd
    >>> problem = kd.problems.linear([[1.0, 0.0], [0.0, 0.5]], [1.1, 0.4])
    >>> run = kd.simulate(kd.Ridge(0.0), problem)
    >>> kd.measures.observed_risk(run, problem, truth=[1.0, 1.0]).round(12).item()      # (0.1² + 0.1²)/2
    0.01
    """
    eigensystem = problem.eigensystem() if eigensystem is None else eigensystem
    coordinates = _truth(problem, eigensystem, truth, predictions)
    if jnp.shape(run.target) != coordinates.shape:
        raise ValueError(
            f"run has directions and outputs {jnp.shape(run.target)}, and the problem {coordinates.shape}; project it"
            " on this problem"
        )
    wrong = (run.coordinates - coordinates) ** 2
    wrong = jnp.sum(wrong, axis=-1) if coordinates.ndim == 2 else wrong
    return wrong @ run.eigenvalues


def _truth(problem, eigensystem, truth, predictions):
    """The coordinates of the truth along the directions: (K,) + outputs."""
    if (truth is None) == (predictions is None):
        raise ValueError("give truth, the true parameters, or predictions, the targets without noise; one of the two")
    name, given, shape = (
        ("truth", truth, problem.zeros().shape)
        if predictions is None
        else ("predictions", predictions, eigensystem.samples_basis.shape[:1] + eigensystem.target.shape[1:])
    )
    given = as_data(given, name, ranks=(1, 2))
    if given.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, got {given.shape}")
    return (eigensystem.of_parameters if predictions is None else eigensystem.of_predictions)(given)
