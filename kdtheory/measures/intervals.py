"""Intervals of what a few runs, or a sample of rows, have given."""

import warnings
from collections.abc import Callable

import numpy as np

from kdtheory._checks import Key, Numbers, as_count, as_number, as_random, as_real, on_host


def unit_of(values, axis):
    """Powers of two next to the largest, by which squares stay in the range of floats; they change no digit."""
    return np.ldexp(1.0, np.frexp(np.max(np.abs(values), axis=axis, initial=0.0))[1] - 1)


def _as_coverage(level):
    """The probability with which an interval holds the truth."""
    if not 0 <= as_number(level, "level") <= 1:
        raise ValueError(f"level must be a probability, such as 0.95; got {level}")
    return level


def bootstrap(
    statistic: Callable[..., Numbers], *arrays: Numbers, key: Key = 0, draws: int = 1000, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval (low, high) of `statistic(*arrays)` over resampled rows, the same in all arrays.

    `statistic` returns a number, or an array whose entries each get an interval; `key` seeds NumPy's
    generator. Efron & Tibshirani 1993, section 13.3 (as recalled). ValueError for arrays of different lengths.

    >>> import numpy as np, kdtheory as kd
    >>> low, high = kd.confidence.bootstrap(np.mean, np.arange(100.0))
    >>> bool(low < 49.5 < high)
    True
    """
    if any(isinstance(array, np.ma.MaskedArray) for array in arrays):
        raise TypeError("arrays are masked, and masks would be dropped; fill them or delete the masked rows")
    arrays, random = [np.asarray(array) for array in arrays], as_random(key)
    draws, level = as_count(draws, "draws"), _as_coverage(level)
    lengths = {array.shape[:1] for array in arrays}
    if len(lengths) != 1 or min(lengths) in ((), (0,)):
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"arrays must have the same rows, one at least; got shapes {shapes}")
    count = len(arrays[0])
    resampled = (random.integers(count, size=count) for _ in range(draws))
    values = [statistic(*(array[rows] for array in arrays)) for rows in resampled]
    tail = (1 - level) / 2
    return tuple(np.quantile(np.asarray(values, float), [tail, 1 - tail], axis=0))


def mean_interval(values: Numbers, level: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean of independent runs (S, ...) and its Student-t interval: (mean, low, high), each (...).

    NaN where a run is NaN, with a warning that counts them; where many are, another level may be one that all reach.
    Raises ValueError for fewer than two runs, and for a level that is no probability.

    >>> import kdtheory as kd
    >>> [round(float(number), 3) for number in kd.confidence.mean_interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    from scipy.stats import t

    (values,) = on_host(as_real(values, "values"), who="mean_interval", over="its values")
    values, level = values.astype(float), _as_coverage(level)
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"an interval needs at least two runs, got {len(values) if values.ndim else 'one number'}")
    if nan := int(np.isnan(values).reshape(len(values), -1).any(axis=1).sum()):
        warnings.warn(
            f"values are NaN in {nan} of {len(values)} runs, and so is their mean there; a level that every run"
            " reaches, or numpy.nanmean of those that do, would be a number",
            stacklevel=2,
        )
    unit = unit_of(values, axis=0)
    values = values / unit
    mean = unit * values.mean(axis=0)
    deviation = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    with np.errstate(invalid="ignore"):
        half = unit * np.where(deviation == 0, 0.0, t.isf((1 - level) / 2, len(values) - 1) * deviation)
    return mean, mean - half, mean + half
