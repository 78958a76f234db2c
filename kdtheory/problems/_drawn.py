"""Problems drawn at random."""

import operator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory._checks import (
    Key,
    Number,
    Numbers,
    as_array,
    as_count,
    as_key,
    as_real,
    as_spectrum,
    check_memory,
    concrete,
    on_host,
)
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
    signal = _as_signal(signal, len(eigenvalues))
    drawn, ε = _normal(key, (samples, len(eigenvalues)), (samples, *signal.shape[1:]))
    features = promptly(operator.mul, drawn, elementwise(jnp.sqrt, eigenvalues))
    return _labelled(features, signal, noise, ε)


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
    signal = _as_signal(signal, count)
    *drawn, ε = _normal(key, (samples, count), (count, count), (samples, *signal.shape[1:]))
    (u, v), root = map(_orthonormal, drawn), elementwise(jnp.sqrt, eigenvalues)
    features = promptly(lambda u, root, v: samples**0.5 * (u * root) @ v.T, u, root, v)
    return _labelled(features, promptly(operator.matmul, v, signal), noise, ε)


def _check_drawn(copies, samples, count):
    check_memory(
        (copies, samples, count), float, f"features of shape {(samples, count)}", "ask for fewer samples or eigenvalues"
    )


def _labelled(features, parameters, noise, ε):
    if concrete(as_real(noise, "noise")) and not (np.ndim(noise) == 0 and 0 <= noise < np.inf):
        raise ValueError(f"noise must be one finite number >= 0, a standard deviation; got {noise}")
    clean = promptly(operator.matmul, features, parameters)
    return Linear(features, promptly(lambda f, σ, ε: f + σ * ε, clean, noise, ε))


def _normal(key, *shapes):
    """Standard normal numbers in arrays of some shapes, each by a key of its own."""
    return quickly(_drawn, as_key(key), shapes=shapes)


@partial(jax.jit, static_argnames="shapes")
def _drawn(key, shapes):
    return [jax.random.normal(*each) for each in zip(jax.random.split(key, len(shapes)), shapes, strict=True)]


def _orthonormal(drawn):
    """A random matrix with orthonormal columns, of one of normal numbers."""
    (drawn,) = on_host(drawn, who="with_spectrum", how="jitted, nor vmapped", over="its key")
    return as_array(np.linalg.qr(drawn)[0])


def _as_signal(signal, count):
    signal = as_array(as_real(signal, "signal"), float)
    if concrete(signal) and not np.isfinite(signal).all():
        raise ValueError(f"signal must be finite, got {signal}")
    if signal.ndim == 0:
        return promptly(lambda one: one + np.zeros(count), signal)
    if signal.shape[0] != count or signal.ndim > 2:
        raise ValueError(
            f"signal has shape {signal.shape}, but there are {count} eigenvalues: ({count},) or ({count}, C)"
        )
    return signal
