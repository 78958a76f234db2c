"""Chains of learners, each trained on fresh inputs that the one before it labels: what becomes of the test error.

Weak teachers of strong students, compression into few features, self-training, models trained on models. `risk` is
theory, by one pass over means and covariances; `simulate` draws the data and runs the learners on it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kdtheory import problems
from kdtheory._checks import (
    Key,
    Number,
    Numbers,
    as_array,
    as_count,
    as_data,
    as_random,
    as_real,
    as_spectrum,
    check_known,
    check_range,
    concrete,
)
from kdtheory._record import record, static
from kdtheory.asymptotics._limit import check_size, effective_ridge
from kdtheory.asymptotics._limit import limit as limit_of
from kdtheory.asymptotics._risks import at_nodes, at_zero, down_to_zero, near_zero
from kdtheory.learners import Learner, Ridge, check_learner
from kdtheory.numerics import power_of_two

SAME = 1e-12  # of the largest: eigenvalues that are closer than this are one, of so many directions


@record
class Stage:
    """One generation: a learner, and what it is trained on.

    It sees `samples` N fresh inputs x, of which F x where `features` F is a matrix (P, D), and all of x where it is
    None. Their labels are the predictions of the stage before, those of the true parameter for the first, plus
    `noise` σ times standard normal numbers. What F cannot see is noise to it.

    With `real_weight` w each label is w times a true one plus 1 - w times one of the stage before, both with noise of
    their own, fresh at each stage. Of the labels the `bad_share` q, at random, are those of a model that never
    changes, of parameter `bad_signal`, a number or (D,); at zero they are noise alone.

    >>> import kdtheory as kd
    >>> kd.generations.Stage(kd.Ridge(0.1), samples=100, noise=0.5).samples
    100
    """

    learner: Learner
    samples: int = static()
    noise: Number = 0.0
    features: Numbers | None = None  # (P, D)
    real_weight: Number = 0.0
    bad_share: Number = 0.0
    bad_signal: Numbers = 0.0


class Simulated(NamedTuple):
    """What `simulate` found, after each stage."""

    mean: jax.Array  # (stages,)
    standard_error: jax.Array  # (stages,)


def risk(
    stages: Sequence[Stage],
    eigenvalues: Numbers,
    signal: Numbers,
    same_inputs: bool = False,
    accumulate: bool = False,
) -> jax.Array:
    """Expected squared error on new inputs after each stage, in excess of the noise: (stages,).

    E|x · (w - `signal`)|², not halved, over new inputs x of covariance diag(`eigenvalues`) (D,) and all data that any
    stage was trained on; `signal`, a number or (D,), is the true parameter along each. With φ̄ the `population_filter`
    of a stage, in the eigenbasis U of its features' covariance, mean and covariance of the parameters go from stage
    to stage as m → U φ̄ Uᵀm and V → U φ̄ UᵀV U φ̄ Uᵀ + U diag(δ) Uᵀ; δ is linear in the noise and in the second moments
    Uᵀ(mmᵀ + V)U on the diagonal. Every learner that has a closed form, from zero, another one at each stage.

    Exact as samples and directions grow, and off by a few 1/N before, more with each stage; least squares needs N well
    above the number of features, or well below. Where both are as many, it is infinite with noise, and NaN is what
    nodes do not resolve, as of `asymptotics.risk`. As `limit` it is for rows that are Σ^½ times iid entries.
    Slopes by the learners' fields are exact.

    With `same_inputs` all stages are trained on the inputs of the first, with fresh noise on their labels: on each
    eigendirection of these the parameter is Ψ_1 times the true one and Ψ_j times the noise of stage j, Ψ_j = Π φ_i over
    i >= j, and what is not learnt is r_i + φ_i (1 - w) times what was not before. With `accumulate` each stage is
    trained on the data of all stages before it too: on the same inputs that is φ_i times the mean of their labels; on
    fresh ones there is theory for least squares alone, which ends at Σ σ_i² N_i P/(M_i (M_i - P)) with M_i = N_1 + ...
    + N_i samples.

    Raises ValueError for a learner that is a path, shapes that do not match, features that are all zero, signals and
    noise whose errors would leave the range of floats, and what there is no theory for: features or bad labels on the
    same inputs, and data that is kept on fresh inputs unless all learners are `Ridge(0.0)` of all features and no real
    or bad labels. `simulate` runs all of it.

    Source: own, derived from the equivalents of `limit` and checked by simulation; mixing after He, Xu & Cheng 2025,
    who reuse the inputs; keeping data after Gerstgrasser et al. 2024.

    >>> import kdtheory as kd
    >>> eigenvalues = kd.spectra.power_law(150) ** 0.5
    >>> weak = kd.generations.Stage(kd.Ridge(0.02), samples=100, noise=0.5, features=np.eye(150)[:60])
    >>> strong = kd.generations.Stage(kd.Ridge(0.3), samples=400)  # on labels of the weak one
    >>> print(kd.generations.risk([weak, strong], eigenvalues, 0.2).round(4))
    [0.8148 0.6655]
    """
    stages, eigenvalues, signal = _read(stages, eigenvalues, signal, same_inputs)
    if same_inputs:
        return _told(_on_same_inputs(stages, eigenvalues, signal, accumulate))
    if accumulate:
        return _told(_of_kept_data(stages, np.count_nonzero(eigenvalues)))
    kept = eigenvalues > 0
    root = np.sqrt(eigenvalues[kept])
    truth = root * signal[kept]
    diagonal = all(stage.features is None for stage in stages)
    missed, spread = 0.0 * truth, np.zeros(len(truth) if diagonal else (len(truth), len(truth)))
    bases: dict[Any, Any] = {}
    limits: dict[Any, Any] = {}
    errors, lost = [], 0.0  # what is infinite of the spread, or not known
    for place, stage in enumerate(stages):
        sees, which = stage.features, id(stage.features)
        if which not in bases:
            whole = root**2, None if diagonal else np.eye(len(root))
            bases[which] = whole if sees is None else _directions(sees[:, kept], root, place)
        s, U = bases[which]
        if (which, stage.samples) not in limits:
            limits[which, stage.samples] = limit_of(s, stage.samples)
        w, q, bad = stage.real_weight, stage.bad_share, root * stage.bad_signal[kept]
        missed, spread = (1 - w) * missed, (1 - w) ** 2 * spread
        wrong = ((bad - truth + missed) ** 2).sum() + (spread if diagonal else spread.diagonal()).sum()
        noise = (w**2 + (1 - w) ** 2) * stage.noise**2 + q * (1 - q) * wrong
        missed, spread = (1 - q) * missed + q * (truth - bad), (1 - q) ** 2 * spread
        mean = truth - missed
        if diagonal:
            second, unseen = mean**2 + spread, 0.0
        else:
            second = (U.T @ mean) ** 2 + (U * (spread @ U)).sum(0)
            unseen = 0.0 if len(s) == len(root) else mean @ mean + spread.diagonal().sum() - second.sum()
        learnt, left, δ, ends = _passed_on(stage.learner, limits[which, stage.samples], second, noise + unseen)
        lost = _where((w != 1) & (q != 1) & (learnt != 0).any(), lost, 0.0) + ends
        if diagonal:
            missed, spread = left * truth + learnt * missed, learnt**2 * spread + δ
        else:
            seen, Ψ = U.T @ truth, (U * learnt) @ U.T
            missed = U @ (left * seen) + (truth - U @ seen) + Ψ @ missed
            spread = Ψ @ spread @ Ψ + (U * δ) @ U.T
        errors.append(missed @ missed + (spread if diagonal else spread.diagonal()).sum() + lost)
    return _told(errors)


def _where(condition, yes, no):
    return (np if concrete((condition, yes, no)) else jnp).where(condition, yes, no)


def _lost(infinite, known):
    """What to add to an error, where eigenvalues go down to zero."""
    return _where(known, _where(infinite, np.inf, 0.0), np.nan)


def _told(errors):
    return as_array(np.array(errors)) if concrete(errors) else jnp.stack(errors)


def _on_same_inputs(stages, eigenvalues, signal, accumulate):
    """Errors after each stage, along the eigendirections of one set of inputs."""
    for place, stage in enumerate(stages):
        for name, given in dict(features=stage.features is not None, bad_share=stage.bad_share != 0).items():
            if given:
                raise ValueError(
                    f"stages[{place}].{name} is given, but on the same inputs there is no theory of it; leave it out,"
                    " take fresh inputs, or run the chain with `simulate`"
                )
    limit = jax.tree.map(np.asarray, limit_of(eigenvalues, stages[0].samples, signal, 1.0))
    missed, noises, errors = 0.0, [], []  # of the truth, and of each stage's noise, in the parameters
    count, ends, known = len(limit.nodes), down_to_zero(limit), True
    lacking, carried = 0.0, []  # the same in the labels, or in their mean
    for place, stage in enumerate(stages):
        w, share = stage.real_weight, 1 / (place + 1) if accumulate else 1.0
        lacking = lacking + share * ((1 - w) * missed - lacking)
        carried = [old + share * ((1 - w) * new - old) for old, new in zip(carried, noises, strict=True)]
        carried.append(share * stage.noise * (w**2 + (1 - w) ** 2) ** 0.5)
        learnt, left = at_nodes(stage.learner, limit)
        if ends:  # one more place, next to zero
            there = at_zero(stage.learner, limit)
            forgets = (w == 1) & (not accumulate)
            known = (known | forgets) & near_zero(limit, there, learnt[0])[1]
            join = (np if concrete(stage.learner) else jnp).append
            learnt, left = join(learnt, there), join(left, 1.0 - there)
        missed, noises = left + learnt * lacking, [learnt * noise for noise in carried]
        r, variance = missed[:count], sum(noise**2 for noise in noises)[:count] @ limit.noise
        errors.append(r @ limit.form @ r - (1 - r) ** 2 @ limit.null + limit.missed + variance)
        if ends:
            level = sum(near_zero(limit, noise[-1], noise[0])[0] for noise in noises) > 0
            errors[-1] = errors[-1] + _lost(level, known)
    return errors


def _of_kept_data(stages, directions):
    """Errors after each stage of least squares on all data so far: w_m - w_{m-1} = (Σ XᵀX)⁻¹ X_mᵀ e_m."""
    samples, total, errors = 0, 0.0, []
    for place, stage in enumerate(stages):
        samples += stage.samples
        plain = stage.features is None and concrete((stage.real_weight, stage.bad_share))
        plain = plain and stage.real_weight == stage.bad_share == 0
        squares = isinstance(stage.learner, Ridge) and concrete(stage.learner) and stage.learner.penalty == 0
        if not (plain and squares and samples > directions):
            raise ValueError(
                f"there is no theory of data that is kept on fresh inputs but for least squares, Ridge(0.0), on more"
                f" samples than the {directions} directions, with neither features, real_weight nor bad_share; but"
                f" stages[{place}] is another. Run it with `simulate`, or take same_inputs=True"
            )
        total = total + stage.noise**2 * stage.samples * directions / (samples * (samples - directions))
        errors.append(total)
    return errors


def _directions(features, root, place):
    """Eigenvalues and eigenvectors (D, K) of the covariance of whitened inputs' features (P, D)."""
    features = check_range(features * root, f"stages[{place}].features times roots of the eigenvalues", 2)
    U, h, _ = np.linalg.svd(features.T, full_matrices=False)
    rank = int(np.sum(h > max(features.shape) * np.finfo(float).eps * h[0]))
    if rank == 0:
        raise ValueError("features are zero on every input: there is nothing to learn from; give some that are not")
    s = h[:rank] ** 2
    starts = np.flatnonzero(np.diff(s, prepend=np.inf) < -SAME * s[0])
    groups = np.searchsorted(starts, np.arange(rank), side="right") - 1
    return (np.bincount(groups, s) / np.bincount(groups))[groups], U[:, :rank]


def _passed_on(learner, limit, second, noise):
    """Along each direction: what is learnt and left of the mean, and the variance that the data's randomness adds.

    `second` (K,) is E(√s w)² along each direction of the labels' parameter w, `noise` the variance of all else in
    them; last is what is infinite, or not known. With a = u/(λ(s - u)) for a direction of eigenvalue s and a node λ,
    and K = (r - r′)²/(λ - λ′) dλ dλ′, the variance of √s w is s²/N Im Σ x/(s - u), x = -π⁻² Σ second a K Im a′; where
    P > N the null space adds its part.
    """
    limit = jax.tree.map(np.asarray, limit)
    learnt, left = at_nodes(learner, limit)
    lost = 0.0
    if down_to_zero(limit):
        level, known = near_zero(limit, at_zero(learner, limit), learnt[0])
        lost = _lost(level & (noise > 0), known)
    unit = power_of_two(limit.population[0])  # all below is a number, whatever λ is measured in
    λ, u, ν, s = (part / unit for part in (limit.nodes, limit.points, limit.seen, limit.population[0]))
    dλ = np.pi * λ * ν / u.imag
    inverse = 1.0 / (s[:, None] - u)
    a = u / λ * inverse
    sums = second @ (limit.group[:, None] == np.arange(len(s)))
    apart = np.subtract.outer(λ, λ) + np.eye(len(λ))
    K = (left[:, None] - left) ** 2 * (np.outer(dλ, dλ) / apart)
    x = -(sums @ (a * (a.imag @ K.T))) / np.pi**2
    variance = s * s / limit.samples * ((inverse @ x).imag + noise * (abs(inverse) ** 2 @ (learnt**2 * ν / λ)))
    κ = float(effective_ridge(limit, 0.0)) / unit
    shares = ν * s[:, None] * abs(inverse) ** 2
    learnt_here, left_here = shares @ learnt, shares @ left + κ / (s + κ)
    if κ:
        x = learnt**2 * dλ / (np.pi * λ) * (u + κ) * ((sums * κ / (s + κ)) @ a)
        variance = variance - s * s / (s + κ) / limit.samples * (inverse @ x).imag
    return learnt_here[limit.group], left_here[limit.group], variance[limit.group], lost


def simulate(
    key: Key,
    stages: Sequence[Stage],
    eigenvalues: Numbers,
    signal: Numbers,
    draws: int = 100,
    same_inputs: bool = False,
    accumulate: bool = False,
) -> Simulated:
    """The same, run: each stage draws Gaussian inputs and fits their labels, `draws` times over: mean, standard error.

    Arguments as in `risk`; each learner's own `fit` on `problems.linear`, with a step size of None as 1/λ_max of its
    data. `key` is a JAX key, or an int as its seed. Errors are exact for each draw's parameters: no test set.

    >>> import kdtheory as kd
    >>> chain = [kd.generations.Stage(kd.Ridge(0.1), samples=50, noise=0.5)] * 2
    >>> mean, error = kd.generations.simulate(0, chain, np.ones(20), 0.2, draws=20)
    >>> print(abs(mean - kd.generations.risk(chain, np.ones(20), 0.2)) < 3 * error)
    [ True  True]
    """
    stages, eigenvalues, signal = _read(stages, eigenvalues, signal, same_inputs)
    draws, random, root = as_count(draws, "draws", 2), as_random(key), np.sqrt(eigenvalues)
    errors = np.empty((draws, len(stages)))
    for draw in range(draws):
        parameters, kept = signal, []
        for place, stage in enumerate(stages):
            if not (same_inputs and place):
                first = random.standard_normal((stage.samples, len(root))) * root
            inputs, w = first, stage.real_weight
            labels = inputs @ (w * signal + (1 - w) * parameters)
            if stage.bad_share:
                labels = np.where(random.random(len(labels)) < stage.bad_share, inputs @ stage.bad_signal, labels)
            labels += stage.noise * np.hypot(w, 1 - w) * random.standard_normal(stage.samples)
            if accumulate:
                kept.append((inputs, labels))
                inputs, labels = map(np.concatenate, zip(*kept, strict=True))
            problem = problems.linear(inputs if stage.features is None else inputs @ stage.features.T, labels)
            fitted = np.asarray(stage.learner.tuned(problem.max_eigenvalue()).fit(problem))
            parameters = fitted if stage.features is None else stage.features.T @ fitted
            errors[draw, place] = np.sum((root * (parameters - signal)) ** 2)
    return Simulated(as_array(errors.mean(0)), as_array(errors.std(0, ddof=1) / np.sqrt(draws)))


def _read(stages, eigenvalues, signal, same_inputs):
    """What users hand us, checked, as arrays of NumPy; a matrix of features that several stages share stays one."""
    check_known("the law of a chain", eigenvalues=eigenvalues, signal=signal)
    eigenvalues = np.asarray(as_spectrum(eigenvalues))
    count = len(eigenvalues)
    signal = np.asarray(as_real(signal, "signal"), float)
    if signal.shape not in ((), (count,)) or not np.all(np.isfinite(signal)):
        raise ValueError(f"signal must be finite, one number or ({count},) as the eigenvalues; got {signal}")
    if not eigenvalues.any():
        raise ValueError("eigenvalues are all zero: nothing can be learnt; give at least one that is positive")
    if isinstance(stages, Stage):
        raise TypeError("stages must be a list, also of a single generations.Stage: [stage]")
    top = float(np.max(eigenvalues))
    check_size("signal", np.max(abs(signal)), count, top)
    stages, matrices = list(stages), {}
    if not stages:
        raise ValueError("stages are empty: give at least one generations.Stage")
    for place, stage in enumerate(stages):
        if not isinstance(stage, Stage):
            raise TypeError(f"stages must be generations.Stage, but stages[{place}] is {type(stage).__name__}")
        if not isinstance(stage.learner, Learner):
            raise TypeError(f"stages[{place}].learner must be a learner, got {type(stage.learner).__name__}")
        check_learner(stage.learner)
        clock = stage.learner.tuned(1.0).clock
        if np.ndim(clock):
            raise ValueError(
                f"stages[{place}].learner must be stopped, but it is a path of {len(clock)} moments;"
                " take one of them, or a loop over chains"
            )
        numbers = {}
        for name, most in dict(noise=np.inf, real_weight=np.inf, bad_share=1.0).items():
            value = as_real(getattr(stage, name), f"stages[{place}].{name}")
            least = -np.inf if name == "real_weight" else 0.0
            if np.ndim(value) or (concrete(value) and not (least <= value <= most and np.isfinite(value))):
                allowed = dict(noise=" >= 0, a standard deviation", real_weight="", bad_share=" from 0 to 1")[name]
                raise ValueError(f"stages[{place}].{name} must be one finite number{allowed}; got {value}")
            numbers[name] = float(value) if concrete(value) else value
        check_known("the law of a chain", **{f"stages[{place}].bad_signal": stage.bad_signal})
        bad = np.asarray(as_real(stage.bad_signal, f"stages[{place}].bad_signal"), float)
        if bad.shape not in ((), (count,)) or not np.all(np.isfinite(bad)):
            raise ValueError(f"stages[{place}].bad_signal must be finite, one number or ({count},); got {bad}")
        check_size(f"stages[{place}].bad_signal", np.max(abs(bad)), count, top)
        if concrete(numbers["noise"]):
            check_size(f"stages[{place}].noise", numbers["noise"], count, 1.0)
        features = stage.features
        if features is not None:
            if id(features) not in matrices:
                matrices[id(features)] = np.asarray(as_data(features, f"stages[{place}].features", ranks=(2,)), float)
            features = matrices[id(features)]
            if features.shape[1] != count:
                raise ValueError(
                    f"stages[{place}].features has shape {features.shape}, but it must be (P, {count}), a column for"
                    " each eigenvalue; transpose it?"
                )
        samples = as_count(stage.samples, f"stages[{place}].samples")
        if same_inputs and samples != (first := stages[0].samples):
            raise ValueError(
                f"stages[{place}].samples is {samples}, but on the same inputs it must be that of the first, {first}"
            )
        bad = np.broadcast_to(bad, (count,))
        stages[place] = Stage(stage.learner, samples, features=features, bad_signal=bad, **numbers)
    return stages, eigenvalues, np.broadcast_to(signal, (count,))
