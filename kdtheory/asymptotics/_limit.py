"""The limit of a population: nodes over the sample spectrum, and forms in what learners do there."""

import jax
import numpy as np

from kdtheory._checks import (
    Number,
    Numbers,
    as_array,
    as_count,
    as_real,
    as_spectrum,
    check_known,
    check_memory,
    concrete,
)
from kdtheory._record import record, static
from kdtheory.asymptotics import _curve
from kdtheory.numerics import power_of_two

MOST = 2.0**1008  # of errors, which leaves their sums some room


@record
class Limit:
    """What the data will be like, made by `limit`: nodes over the sample spectrum, and forms in the filter there.

    With φ the filter at the nodes and r = 1 - φ, the bias on new inputs is rᵀ `form` r - `null` · φ² + `missed` and
    the variance `noise` · φ²; on the training inputs they are `training_signal` · r² and `training_noise` · φ².

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([1.0], samples=100, multiplicities=[400])
    >>> print(limit.edges.round(6), limit.zeros)
    [[1. 9.]] 300
    """

    nodes: jax.Array  # (n,) sample eigenvalues, ascending, without the zeros
    counts: jax.Array  # (n,) how many of the min(N, P) each stands for
    seen: jax.Array  # (n,) the mass ν of each: population variance of its eigenvectors, over N
    edges: jax.Array  # (I, 2) the intervals that hold the sample spectrum, ascending
    form: jax.Array  # (n, n)
    null: jax.Array  # (n,) what mixes the null space with each node, where P > N
    missed: jax.Array  # the bias that no learner mends: of the null space
    noise: jax.Array  # (n,)
    training_signal: jax.Array  # (n,)
    training_noise: jax.Array  # (n,)
    points: jax.Array  # (n,) complex: the u of each node
    population: jax.Array  # (2, G) distinct positive population eigenvalues, ascending, and their multiplicities
    group: jax.Array  # (P,) the place of each given eigenvalue among those; G for zero
    reach: jax.Array  # how far up single draws have eigenvalues: the last edge and a few fluctuations
    zeros: int = static()  # how many sample eigenvalues are exactly zero
    samples: int = static()


def limit(
    eigenvalues: Numbers,
    samples: int,
    signal: Numbers = 1.0,
    noise: Number = 0.0,
    multiplicities: Numbers | None = None,
    test_covariance: Numbers | None = None,
) -> Limit:
    """What N samples of a population with the given eigenvalues will be like, for `risk` and its neighbours.

    Rows are Σ^½ g with iid entries in g, Σ of the `eigenvalues` (P,), and targets are x · signal + noise · ε, as in
    `problems.gaussian`: `signal` a number or (P,), the true parameter along each, `noise` the standard deviation σ.
    With `multiplicities` (P,) each eigenvalue stands for so many directions, and its signal is the root of their sum of
    squares; a number is then that root for each group. `test_covariance` (P,) is the variance of new inputs along each
    direction, where it is not that of the training inputs; ones give the error of the parameters. For a kernel the
    eigenvalues are those of its integral operator.

    The result is exact in the limit of large N and P at a fixed ratio. Means over draws differ from it by a few 1/N of
    themselves, more where a long run depends steeply on λ, and single draws by fluctuations of O(1/√N). It fails
    where rows are not Σ^½ times iid entries, as for rows of unequal length, duplicates or clusters. Host code, like an
    eigensystem: nodes to 1e-12 for functions that vary with the logarithm of λ. Distinct eigenvalues cost P × nodes,
    equal ones nothing: group them.

    Raises ValueError for eigenvalues that are negative, not finite or all zero, for shapes that do not match, where
    errors would leave the range of floats, and where nodes would not fit into memory.

    Source: own, derived from the equivalents of Bai & Silverstein 1998 and of Ledoit & Péché 2011.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit(kd.spectra.power_law(50), samples=100, noise=0.5)
    >>> print(round(kd.asymptotics.risk(kd.Ridge(0.1), limit).total.item(), 6))
    1.184588
    """
    given = dict(eigenvalues=eigenvalues, signal=signal, noise=noise, multiplicities=multiplicities)
    check_known("a limit", **given, test_covariance=test_covariance)
    s, c, (b2, mb2, cm), group, nulls, beyond, (size, unit) = _grouped(
        eigenvalues, signal, noise, multiplicities, test_covariance
    )
    samples = as_count(samples, "samples")
    scale = s[-1]
    population = _curve.Population(s / scale, c, samples)
    s, parameters = population.s, np.sum(c)
    weighted = test_covariance is not None
    columns = [s * s * b2, s * b2] + ([s * mb2, s * cm / samples] if weighted else [])
    ends = _curve.edges(population)
    nodes = _curve.nodes(population, ends, np.column_stack(columns))
    curve, ν = nodes.curve, nodes.ν
    check_memory((3, len(ν), len(ν)), float, f"forms of {len(ν):,} nodes", "group eigenvalues that are nearly equal")
    κ = _null_ridge(population) if parameters > samples else 0.0
    p = nodes.sums[:, 0]
    if weighted:
        diagonal, form, null, missed = _shifted(population, nodes, b2, mb2, cm, κ)
        noise_seen = nodes.sums[:, 3]
    else:
        apart = np.subtract.outer(curve.λ, curve.λ) + np.eye(len(ν))
        form = np.subtract.outer(p, p) / apart * np.outer(ν, ν)
        p_null = np.sum(s * b2 / (s + κ))
        null = κ * ν * (p - p_null) / curve.λ if κ else np.zeros_like(ν)
        diagonal, missed, noise_seen = ν * p, κ * p_null, np.ones_like(ν)
    form[np.diag_indices_from(form)] = diagonal - np.sum(form, axis=1)
    counts = samples * curve.T * ν
    variance = float(noise) ** 2
    unit = unit if weighted else scale

    def sized(part):  # as the signal and what is tested on are
        return unit * size * part * size

    low, high = _curve.curve(population, ends.ravel(), np.empty((len(s), 0)))[0].λ.reshape(-1, 2).T
    last = np.sum(counts[nodes.interval == len(ends) - 1])
    arrays = dict(
        nodes=scale * curve.λ,
        counts=counts,
        seen=scale * ν,
        edges=scale * np.stack([low, high], axis=1),
        form=sized(form),
        null=sized(null),
        missed=sized(missed + beyond),
        noise=variance * noise_seen * ν / curve.λ * (unit / scale),
        training_signal=scale * size * curve.λ * nodes.sums[:, 1] * ν * size,
        training_noise=variance * counts / samples,
        points=scale * (curve.x + 1j * curve.y),
        population=np.stack([scale * s, c]),
        group=group,
        reach=scale * (high[-1] + (high[-1] - low[-1]) * max(last, 1.0) ** (-2 / 3)),
    )
    zeros = round(float(max(0.0, parameters - samples) + nulls))
    arrays = {name: as_array(array) for name, array in arrays.items()}
    return Limit(**arrays, zeros=zeros, samples=samples)


def _grouped(eigenvalues, signal, noise, multiplicities, test_covariance):
    """Distinct positive eigenvalues, their multiplicities, sums of b², m b² and c m, what there is at zero, and the
    powers of two that b and m were divided by, with which squares stay in the range of floats."""
    s = np.asarray(as_spectrum(eigenvalues))
    if not s.any():
        raise ValueError("eigenvalues are all zero: nothing can be learnt; give at least one that is positive")

    def each(values, name, default, least):
        values = np.asarray(as_real(default if values is None else values, name), float)
        if values.shape not in ((), s.shape):
            raise ValueError(f"{name} has shape {values.shape}, but there are {len(s)} eigenvalues: ({len(s)},)")
        if not np.all(np.isfinite(values) & (values >= least)):
            raise ValueError(f"{name} must be finite{'' if least < 0 else f' and at least {least:.0f}'}, got {values}")
        return np.broadcast_to(values, s.shape)

    c = each(multiplicities, "multiplicities", 1.0, 1.0)
    if np.any(c != np.round(c)):
        raise ValueError(f"multiplicities must be whole numbers, how many directions share an eigenvalue; got {c}")
    b = each(signal, "signal", 1.0, -np.inf)
    m = each(test_covariance, "test_covariance", s, 0.0)
    if np.ndim(as_real(noise, "noise")) or not 0 <= noise < np.inf:
        raise ValueError(f"noise must be one finite number >= 0, a standard deviation; got {noise}")
    size, unit = power_of_two(abs(b)), power_of_two(m)
    top, tested, largest = float(np.max(s)), float(np.max(m)), np.max(abs(b))
    for name, given, variance in (("signal", largest, max(tested, top)), ("noise", noise, max(1.0, tested / top))):
        check_size(name, given, len(s), variance)
    b2, m = (b / size) ** 2, m / unit
    distinct, group = np.unique(s, return_inverse=True)
    sums = [np.bincount(group, weights) for weights in (c, b2, m * b2, c * m)]
    nulls = beyond = 0.0
    if distinct[0] == 0:
        nulls, beyond = sums[0][0], sums[2][0]
        distinct, sums, group = distinct[1:], [each[1:] for each in sums], np.where(s > 0, group - 1, len(distinct) - 1)
    return distinct, sums[0], sums[1:], group, nulls, beyond, (size, unit)


def check_size(name, given, terms, variance):
    """Refuse what is so large that so many of its squares, times a variance of inputs, leave the range of floats."""
    most = (MOST / terms / variance) ** 0.5
    if given > most:
        raise ValueError(
            f"{name} reaches {given:.3g}, of which errors would leave the range of floats; for these variances of"
            f" inputs it must be at most {most:.3g}: divide signal and noise by one number, which divides errors"
            " by its square"
        )


def _counted(population, κ):
    """Σ c s/(s + κ) - N, counting ones where s ≫ κ."""
    s, c, samples = population
    above = s > κ
    return np.sum(np.where(above, -κ, s) * c / (s + κ)) - (samples - np.sum(c[above]))


def _null_ridge(population):
    """κ with Σ c s/(s + κ) = N < P, by Newton's method on 1/Σ, which is concave: it only rises."""
    s, c, samples = population
    κ = 0.0
    for _ in range(1000):
        excess = _counted(population, κ)
        step = excess * (excess + samples) / samples / np.sum(c * s / (s + κ) ** 2)
        κ += max(step, 0.0)
        if step <= 1e-15 * κ:
            break
    return κ


def _shifted(population, nodes, b2, mb2, cm, κ):
    """Diagonal, form, null and missed for new inputs of another covariance, m: from G_m on both sides of the cut."""
    s, _, samples = population
    u, λ, dλ, ν = nodes.curve.x + 1j * nodes.curve.y, nodes.curve.λ, nodes.dλ, nodes.ν
    columns = np.column_stack([s * b2, mb2, s * cm / samples])
    q, q_m, t = np.concatenate([(1.0 / (s - u[rows, None])) @ columns for rows in _curve.blocks(len(u), 2 * len(s))]).T

    def bracket(on, other):  # G_m(z, w) without its factor u v / z w
        (u, q, q_m, t, λ), (v, q_v, q_m_v, t_v, μ) = on, other
        same = λ == μ
        inner = q_m - q_m_v + (q - q_v) * (t - t_v) / np.where(same, 1.0, λ - μ)
        return u * v / np.where(same, 1.0, u - v) * inner

    form = np.empty((len(u), len(u)))
    row = (u, q, q_m, t, λ)
    across = (*map(np.conj, row[:-1]), λ)
    for rows in _curve.blocks(len(u), 8 * len(u)):
        down = tuple(each[rows, None] for each in row)
        jump = bracket(down, row) - bracket(down, across)
        form[rows] = np.where(down[-1] == λ, 0.0, -jump.real / (2.0 * np.pi**2 * np.outer(λ[rows], λ)))
    form *= np.outer(dλ, dλ)
    null, missed = np.zeros_like(ν), 0.0
    if κ:
        at = (-κ, *(np.sum(column / (s + κ)) for column in columns.T), 0.0)
        null = -dλ / (np.pi * λ) * np.imag(bracket(at, row))
        missed = κ * np.sum(mb2 / (s + κ))
    return ν * nodes.sums[:, 2], form, null, missed


def read(limit):
    if not isinstance(limit, Limit):
        raise TypeError(f"limit must be made by asymptotics.limit, got {type(limit).__name__}")
    return jax.tree.map(np.asarray, limit) if concrete(limit) else limit


def effective_ridge(limit: Limit, penalty: Numbers) -> jax.Array:
    """The penalty κ that ridge has in the population, where it has a penalty c = `penalty` >= 0 on the data.

    κ = c + (κ/N) Σ s/(s + κ): ridge then learns s/(s + κ) along a population direction. At c = 0 it is zero where
    P <= N, and the penalty that comes of too few samples where P > N. Of any shape.

    Raises ValueError for a penalty that is negative or not finite.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([1.0], samples=100, multiplicities=[200])
    >>> print(kd.asymptotics.effective_ridge(limit, [0.0, 1.0]).round(6))
    [1.       2.414214]
    """
    check_known("an effective ridge", limit=limit, penalty=penalty)
    limit = read(limit)
    penalty = np.asarray(as_real(penalty, "penalty"), float)
    if not np.all(np.isfinite(penalty) & (penalty >= 0)):
        raise ValueError(f"penalty must be finite and >= 0, got {penalty}")
    s, c = limit.population
    population, unit = _curve.Population(s, c, limit.samples), power_of_two(s)
    least = unit * _null_ridge(population._replace(s=s / unit)) if np.sum(c) > limit.samples else 0.0
    return as_array(np.vectorize(lambda c: _effective(population, c) if c else least, otypes=[float])(penalty))


def _effective(population, penalty):
    """The largest root of κ - (1/N) Σ c sκ/(s + κ) = `penalty` > 0, convex: Newton's method from above only falls."""
    s, c, samples = population
    κ = penalty + np.sum(c / samples * s)
    for _ in range(2200):  # as many as halve the largest float to the least
        lacks, bend = -_counted(population, κ) / samples, np.sum(c * (s / (s + κ)) * (κ / (s + κ))) / samples
        lower = (κ * bend + penalty) / (lacks + bend)
        done, κ = lower >= κ * (1.0 - 1e-15), min(κ, lower)
        if done:
            break
    return κ


def density(limit: Limit, eigenvalues: Numbers) -> jax.Array:
    """The density of the P eigenvalues of XᵀX/N, at some `eigenvalues` of any shape; NaN at what is no number.

    It integrates to min(N, P)/P, or less where eigenvalues of the population are zero: the `zeros` of the limit are
    not in it.

    >>> import kdtheory as kd
    >>> limit = kd.asymptotics.limit([1.0], samples=100, multiplicities=[25])
    >>> print(kd.asymptotics.density(limit, [0.2, 1.0, 2.0]).round(6))
    [0.       0.616404 0.210542]
    """
    limit = read(limit)
    wanted = np.asarray(as_real(eigenvalues, "eigenvalues"), float)
    s, c = limit.population
    scale, flat = s[-1], wanted.ravel() / s[-1]
    population = _curve.Population(s / scale, c, limit.samples)
    ends = _curve.edges(population)
    at = np.clip(np.searchsorted(limit.edges[:, 0] / scale, flat, side="right") - 1, 0, None)
    inside = (flat > limit.edges[at, 0] / scale) & (flat < limit.edges[at, 1] / scale)
    low, high = ends[at].T
    for _ in range(200):  # λ rises with x
        x = (low + high) / 2
        curve, _ = _curve.curve(population, x, np.empty((len(s), 0)))
        low, high = np.where(curve.λ < flat, x, low), np.where(curve.λ < flat, high, x)
        if np.all(high - low <= 4e-16 * np.maximum(abs(low), abs(high))):
            break
    count = limit.zeros + min(limit.samples, np.sum(c))
    found = limit.samples * curve.y / (np.pi * (x * x + curve.y**2)) / count
    found = np.where(inside, found, np.where(np.isnan(flat), np.nan, 0.0))
    return as_array(found.reshape(wanted.shape) / scale)
