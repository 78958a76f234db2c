"""Problems drawn at random."""

import operator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import Key, Number, Numbers, as_count, as_key, as_real, as_spectrum, check_memory, concrete
from kdtheory._compilation import elementwise, promptly, quickly
from kdtheory.problems._linear import Linear

# Problems drawn at random.


def gaussian(key: Key, eigenvalues: Numbers, samples: int, signal: Numbers = 1.0, noise: Number = 0.0) -> Linear:
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
    drawn = _normal(features_key, (samples, len(eigenvalues)))
    features = promptly(operator.mul, drawn, elementwise(jnp.sqrt, eigenvalues))
    return _labelled(noise_key, features, _as_signal(signal, len(eigenvalues)), noise)


def with_spectrum(
    key: Key, eigenvalues: Numbers, samples: int | None = None, signal: Numbers = 1.0, noise: Number = 0.0
) -> Linear:
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
    root = elementwise(jnp.sqrt, eigenvalues)
    features = promptly(lambda u, root, v: samples**0.5 * (u * root) @ v.T, u, root, v)
    return _labelled(noise_key, features, promptly(operator.matmul, v, _as_signal(signal, count)), noise)


def _check_drawn(copies, samples, count):
    check_memory(
        (copies, samples, count), float, f"features of shape {(samples, count)}", "ask for fewer samples or eigenvalues"
    )


def _labelled(key, features, parameters, noise):
    if concrete(as_real(noise, "noise")) and not (np.ndim(noise) == 0 and 0 <= noise < np.inf):
        raise ValueError(f"noise must be one finite number >= 0, a standard deviation; got {noise}")
    clean = promptly(operator.matmul, features, parameters)
    return Linear(features, promptly(lambda f, σ, ε: f + σ * ε, clean, noise, _normal(key, clean.shape)))


def _normal(key, shape):
    return quickly(_drawn, key, shape=shape)


@partial(jax.jit, static_argnames="shape")
def _drawn(key, shape):
    return jax.random.normal(key, shape)


def orthonormal(key: jax.Array, rows: int, columns: int) -> jax.Array:
    """A random (rows, columns) matrix with orthonormal columns."""
    return jnp.asarray(np.linalg.qr(np.asarray(_normal(key, (rows, columns))))[0])


def _as_signal(signal, count):
    signal = jnp.asarray(as_real(signal, "signal"), float)
    if concrete(signal) and not np.isfinite(signal).all():
        raise ValueError(f"signal must be finite, got {signal}")
    if signal.ndim == 0:
        return promptly(lambda one: one + np.zeros(count), signal)
    if signal.shape[0] != count or signal.ndim > 2:
        raise ValueError(
            f"signal has shape {signal.shape}, but there are {count} eigenvalues: ({count},) or ({count}, C)"
        )
    return signal
