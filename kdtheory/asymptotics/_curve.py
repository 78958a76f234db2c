"""The law of the sample spectrum: its edges, and nodes and weights for integrals over it. Host code, in NumPy.

With population eigenvalues s of multiplicities c, u = x + iy and D = |s - u|², the spectrum of XᵀX/N has, as N and P
grow, its mass where a y > 0 solves (1/N) Σ c s²/D = 1: a curve that x runs along. On it all that is needed is a sum
of positive terms (with T = (1/N) Σ c s/D, A = (1/N) Σ c s²/D², C = (1/N) Σ c s² (s - x)/D²):

    λ = |u|² T,   dλ/dx = 2 (y² A + C²/A),   dν = y/(πλ) dλ,   dn = N T dν.

n counts sample eigenvalues, and ν gives each the population variance of its eigenvector, over N.
"""

import functools
from typing import NamedTuple

import numpy as np

_BLOCK = 1 << 17  # numbers at once, to stay in the cache
_LAST, _NEXT = 1e-7, 1e-13  # of an integrand's last coefficients, and of those as many beyond, by which integrals err
# single eigenvalues show as ripples of e^(-2π y/gap): nodes are this close to each gap unless y is so many of them
_SMOOTH, _GAPS = 4.0, 4.0
_WHOLE, _PANEL = (6, 12, 24), 16  # nodes for an interval as a whole, and for a part of one


class Population(NamedTuple):
    """Distinct positive eigenvalues, ascending, of largest one, their multiplicities, and the number of samples."""

    s: np.ndarray  # (G,)
    c: np.ndarray  # (G,)
    samples: int


class Curve(NamedTuple):
    """Points u = x + iy of the curve, λ there, and the integrals' weights."""

    x: np.ndarray  # (n,)
    y: np.ndarray  # (n,)
    λ: np.ndarray  # (n,)
    T: np.ndarray  # (n,)
    slope: np.ndarray  # (n,) dλ/dx


def blocks(count, width):
    """Slices of so many rows of a width that each fits into the cache."""
    step = max(1, _BLOCK // width)
    return [slice(at, at + step) for at in range(0, count, step)]


def _excess(population, x, Y, distances):
    """(1/N) Σ c s²/D - 1 without its cancellation: where s ≫ |u|, s²/D is 1 + (2sx - |u|²)/D, and ones are counted."""
    s, c, samples = population
    size = x * x + Y
    above = s > 4.0 * np.sqrt(size)[:, None]
    terms = np.where(above, 2.0 * s * x[:, None] - size[:, None], s * s) / distances
    return (terms @ c - (samples - above @ c)) / samples


def heights(population, x):
    """y² >= 0 at each x, zero outside of the spectrum, by Newton's method on 1/Σ - 1, concave in y²: it only rises."""
    s, c, samples = population
    w, found = c * s * s / samples, np.empty_like(x)
    for block in blocks(len(x), len(s)):
        at = x[block]
        across = (s - at[:, None]) ** 2
        Y = np.maximum(0.0, np.max(w - across, axis=1))
        for exact in (False, True):
            for _ in range(100):
                distances = across + Y[:, None]
                inverse = 1.0 / distances
                total, fall = inverse @ w, (inverse * inverse) @ w
                excess = _excess(population, at, Y, distances) if exact else total - 1.0
                step = np.maximum(total * excess / fall, -0.5 * Y)
                Y = np.maximum(Y + step, 0.0)
                if np.all(np.abs(step) <= (1e-14 if exact else 1e-6) * Y):
                    break
        found[block] = Y
    return found


def edges(population):
    """The intervals (I, 2) of x over which there is mass, ascending.

    Ends solve g = ((1/N) Σ c s²/(s - x)²)^(-1/2) = 1, with g concave between neighbouring s: Newton's method walks
    from next to each s outwards, never past an end; where there is none, the two walks meet.
    """
    s, c, samples = population
    w = c * s * s / samples
    reach = np.sqrt(w)
    gaps = np.flatnonzero((np.cbrt(w[:-1]) + np.cbrt(w[1:])) ** 3 < np.diff(s) ** 2)  # else two neighbours close it
    # the walks: up from the lower side of each gap and from the last s, down from the upper sides and the first s
    x = np.concatenate([s[gaps] + reach[gaps], s[-1:] + reach[-1:], s[gaps + 1] - reach[gaps + 1], s[:1] - reach[:1]])
    half = len(gaps) + 1
    side, other = np.repeat([1.0, -1.0], half), np.roll(np.arange(2 * half), half)
    in_gap = np.arange(2 * half) % half < len(gaps)
    open_, walking = np.ones(2 * half, bool), np.arange(2 * half)
    for _ in range(200):
        step = np.concatenate([_outwards(population, x[walking[rows]]) for rows in blocks(len(walking), len(s))])
        away = step * side[walking] > 0  # else it has arrived, or there is nowhere to arrive
        x[walking] += np.where(away, step, 0.0)
        open_[walking] &= away | (np.abs(step) <= 1e-12 * np.abs(x[walking]))
        open_ &= ~in_gap | (open_[other] & ((x[other] - x) * side > 0))
        walking = walking[away & (np.abs(step) > 2e-16 * np.abs(x[walking])) & open_[walking]]
        if len(walking) == 0:
            break
    up, down, lasting = x[:half], x[half:], open_[: half - 1]
    lowest = 0.0 if np.sum(c) == samples else down[-1]
    return np.stack([np.append(lowest, down[:-1][lasting]), np.append(up[:-1][lasting], up[-1])], axis=1)


def _outwards(population, x):
    """The step of Newton's method to g = 1."""
    s, c, samples = population
    apart = s - x[:, None]
    square = apart * apart
    excess = _excess(population, x, np.zeros_like(x), square)
    slope = (2.0 / (square * apart)) @ (c * s * s / samples)
    return -2.0 * (1.0 + excess) * excess / ((np.sqrt(np.maximum(1.0 + excess, 0.0)) + 1.0) * slope)


def curve(population, x, columns):
    """The curve at each x, and Σ column/D for each of some columns (G, K)."""
    s, c, samples = population
    w = c * s * s / samples
    Y, sums = heights(population, x), np.empty((len(x), columns.shape[1]))
    first = np.column_stack([c * s / samples, columns])
    λ, T, slope = np.empty((3, len(x)))
    for block in blocks(len(x), len(s)):
        apart = s - x[block, None]
        inverse = 1.0 / (apart * apart + Y[block, None])
        found, squared = inverse @ first, inverse * inverse
        A, C = squared @ w, (squared * apart) @ w
        T[block], sums[block] = found[:, 0], found[:, 1:]
        slope[block] = 2.0 * (Y[block] * A + C * C / A)
    λ = (x * x + Y) * T
    return Curve(x, np.sqrt(Y), λ, T, slope), sums


@functools.cache
def _rule(whole):
    """Nodes in [0, π] or [-1, 1], their weights, and what reads off two coefficients half way and the last two."""
    count = whole or _PANEL
    degrees = np.array([count // 2 - 2, count // 2 - 1, count - 2, count - 1])
    if whole:
        θ = (np.arange(whole) + 0.5) * np.pi / whole
        return θ, np.full(whole, np.pi / whole), np.cos(np.outer(θ, degrees)) * 2.0 / whole
    at, weights = np.polynomial.legendre.leggauss(_PANEL)
    return at, weights, (np.polynomial.legendre.legvander(at, _PANEL - 1)[:, degrees].T * weights).T * (degrees + 0.5)


class Nodes(NamedTuple):
    """Where and with what weights to sum over the spectrum: the curve at the nodes, and what it was asked for."""

    curve: Curve
    sums: np.ndarray  # (n, K) Σ column/D
    dλ: np.ndarray  # (n,) weights of dλ
    interval: np.ndarray  # (n,) which interval a node is in

    @property
    def ν(self):
        return self.curve.y / (np.pi * self.curve.λ) * self.dλ


def nodes(population, intervals, columns):
    """Quadrature that resolves the law, the sums asked for, and functions of λ that vary with its logarithm.

    x = a + (b - a) sin²(θ/2), which makes the roots at the edges smooth: equally spaced θ for an interval as a whole
    where few will do, else panels in θ, halved until the last coefficients of each integrand are small.
    """
    accepted, least = [], 1e-14 * intervals[-1, 1]
    spacing = np.concatenate([[np.inf], np.diff(population.s), [np.inf]])

    def tried(which, θ, dθ, rule, whole):
        low, high = intervals[which].T[..., None]
        width, shape = high - low, θ.shape
        x = np.where(θ < np.pi / 2, low + width * np.sin(θ / 2) ** 2, high - width * np.cos(θ / 2) ** 2)
        on, sums = curve(population, x.ravel(), columns)
        dλ = on.slope * (width / 2 * np.sin(θ)).ravel()
        ν = on.y / (np.pi * on.λ) * dλ
        λ = on.λ.reshape(shape)
        middle = np.maximum(np.sqrt(λ[:, :1] * λ[:, -1:]), least)
        tests = [ν, ν * on.T, *(ν[:, None] * sums).T, ν / (on.λ + np.repeat(middle, shape[1]))]
        if whole:
            tests = [test / np.sin(θ).ravel() ** 2 for test in tests]
        tests = np.array(tests).reshape(len(tests), *shape)
        half, last = np.abs(tests @ rule).reshape(len(tests), -1, 2, 2).max(axis=-1).transpose(2, 0, 1)
        size = np.max(np.abs(tests), axis=-1)
        beyond = last * np.minimum(1.0, last / np.maximum(half, 1e-300)) ** 2  # twice as far on as half is from last
        done = np.all((last <= _LAST * size) & (beyond <= _NEXT * size), axis=0)
        gap = spacing[np.searchsorted(population.s, x)]
        rippled = np.any(on.y.reshape(shape) < _SMOOTH * gap, axis=1)
        done &= ~rippled | (np.ptp(x, axis=1) <= _GAPS * np.min(gap, axis=1))
        kept = np.repeat(done, shape[1])
        here = Curve(*(part[kept] for part in on))
        accepted.append(Nodes(here, sums[kept], (dλ * dθ.ravel())[kept], np.repeat(which[done], shape[1])))
        return ~done

    left = np.arange(len(intervals))
    for count in _WHOLE:
        θ, dθ, rule = _rule(count)
        rows = np.ones((len(left), 1))
        left = left[tried(left, rows * θ, rows * dθ, rule, count)]
        if len(left) == 0:
            break
    at, weights, rule = _rule(0)
    which = np.repeat(left, 2)
    low, high = np.tile([0.0, np.pi / 2], len(left)), np.tile([np.pi / 2, np.pi], len(left))
    while len(which):
        middle, half = ((low + high) / 2)[:, None], ((high - low) / 2)[:, None]
        split = tried(which, middle + half * at, half * weights, rule, 0) & (half[:, 0] > 1e-9)
        which, low, middle, high = which[split], low[split], middle[split, 0], high[split]
        which = np.repeat(which, 2)
        low, high = np.stack([low, middle], 1).ravel(), np.stack([middle, high], 1).ravel()
    joined = [np.concatenate(parts) for parts in zip(*(each.curve for each in accepted), strict=True)]
    order = np.argsort(joined[2])
    parts = [np.concatenate([each[i] for each in accepted])[order] for i in (1, 2, 3)]
    return Nodes(Curve(*(part[order] for part in joined)), *parts)
