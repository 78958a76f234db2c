"""Gradient flow against ridge: never more than 1.6859 times the risk, and the constant is attained

Stopped at t, gradient flow has at most C² = 1.68590905... times the risk of ridge with penalty 1/t, whatever spectrum,
signal and noise (Ali, Kolter & Tibshirani 2019, with 1.6862; the sharp constant is own). Lines are theory, marks are
flow and ridge run on data with just this spectrum. (a) Along one direction, over x = λt: the ratio of the variances,
which attains C² (dashed) at x = 1.793; that of the squared biases, never above one; and those of the risks in between,
for a signal of a few strengths θ²λ/v. (b) Risks of the predictions on random problems: spectrum, signal and noise are
drawn anew for each, and stopped at thirteen times; two fits by flow against two by ridge, of any times, over that of
the second, stay below C⁴. (c) With an isotropic signal the best ridge fit is the best of all filters. Flow at t = θ²/v
has at most 1.21466 times its risk in any direction (their 1.2147), along the line, and at its best clock between 1 and
1.07485, the supremum over spectra (own): dots are random spectra, tuned on the filter and run on data.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import judged, teachers_and_students
from kdtheory.theorems._words import METHODS

STRENGTHS = 0.0, 0.3, 1.0, 3.0  # θ²λ/v of panel a
C2, BAYES, TUNED = kd.early_stopping.RISK_RATIO, kd.early_stopping.BAYES_RATIO, kd.early_stopping.TUNED_RATIO


class Ratios(NamedTuple):
    x: np.ndarray  # (K,) λt
    learnt: np.ndarray  # (2, K) by flow and by ridge, on data
    clocks: np.ndarray  # (T,) of random runs
    one: np.ndarray  # (R, T) ratio of the risks of single fits, on data
    two: np.ndarray  # (R, T, T) that of students, by teacher and student
    isotropic: np.ndarray  # (T,) θ²λ₁/v of random runs with isotropic signal
    tuned: np.ndarray  # (R, T) ratio of the risks of best flow and best ridge there, on data
    checks: list


def paths(times):
    """Flow stopped at the times, and ridge with their inverses for penalties."""
    return [METHODS[name](times) for name in ("flow", "ridge")]


@jax.jit
def filters(x):
    """What flow and ridge learn, (2, X)."""
    return jnp.stack([path.filter(x) for path in paths(1.0)])


def ratio(learnt, power):
    """The risk of flow over that of ridge; `power` is θ²λ/v of every direction."""
    flow, ridge = (np.sum(power * (1 - h) ** 2 + h**2, axis=-1) for h in learnt)
    return flow / ridge


@jax.jit
@partial(jax.vmap, in_axes=(None, 0))
def best_time(eigenvalues, strength):
    """The times of least risk of flow for isotropic signals, θ²/v = `strength`."""
    risk = lambda t: kd.measures.risk(kd.GradientFlow(t), eigenvalues, jnp.sqrt(strength), 1.0).total
    return kd.early_stopping.best_clock(risk, 1e-3 / eigenvalues[0], 1e3 / eigenvalues[-1])


def compute(*, seed=0, size=16, runs=24, stops=13, instances=2000, loops=20):
    def spectrum_of(eigenvalues):
        problem = kd.problems.with_spectrum(seed, np.sort(eigenvalues)[::-1])
        system = problem.eigensystem()
        return problem, lambda parameters: np.asarray(system.of_parameters(parameters) / system.target)

    random, t = np.random.default_rng(seed), np.geomspace(0.1, 100.0, stops)
    x = np.sort(np.append(np.geomspace(0.02, 60.0, size - 1), kd.early_stopping.WORST_X))[::-1]
    problem, progress = spectrum_of(x / t[stops // 2])
    alone = np.array([progress(path.fit(problem))[stops // 2] for path in paths(t)])

    one, two, tuned, isotropic = [], [], [], np.geomspace(0.1, 300.0, stops)
    for _ in range(runs):
        eigenvalues = np.sort(10 ** random.uniform(-random.exponential(0.5), 0, size))[::-1]  # some hardly spread
        power = 10 ** random.uniform(-4, 2) * eigenvalues * random.exponential(size=size)
        problem, progress = spectrum_of(eigenvalues)
        both = [teachers_and_students(path, problem) for path in paths(t)]
        singles, students = zip(*(map(progress, pair) for pair in both), strict=True)
        one.append(ratio(singles, power))
        two.append(ratio(students, power))
        strength = isotropic / eigenvalues[0]
        best = kd.GradientFlow(best_time(eigenvalues, strength)), kd.Ridge(1 / strength)
        tuned.append(ratio([progress(path.fit(problem)) for path in best], strength[:, None] * eigenvalues))
    ratios = np.array(one), np.array(two), isotropic, np.array(tuned)
    claims = kd.theorems.flow_within_constant_of_ridge, kd.theorems.best_flow_within_constant_of_best_ridge
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Ratios(x, alone, t, *ratios, checks)


def draw(result):
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    alone, together, bayes = axes = figure.subplots(1, 3)
    fine = np.union1d(result.x, np.geomspace(0.01, 100.0, 300))
    curves = np.asarray(filters(fine))
    dots = dict(linestyle="none", marker="o", markersize=4)
    single = lambda learnt, strength: ratio(np.expand_dims(learnt, -1), np.expand_dims(strength, -1))
    for strength, color in zip(STRENGTHS, kd.plots.COLOURS, strict=False):
        name = f"risks, θ²λ/v = {strength:g}" if strength else "variances"
        alone.plot(fine, single(curves, strength), color=color, label=name)
        alone.plot(result.x, single(result.learnt, strength), color=color, **dots)
    bias = lambda learnt: ((1 - learnt[0]) / (1 - learnt[1])) ** 2
    alone.plot(fine, bias(curves), color=kd.plots.ORANGE, label="squared biases")
    alone.plot(result.x, bias(result.learnt), color=kd.plots.ORANGE, **dots)
    apart = np.max(np.abs(result.learnt - curves[:, np.searchsorted(fine, result.x)]))
    name = kd.plots.loop(apart).replace("loop", "on data")
    alone.plot([], [], color=kd.plots.GREY, label=name, **dots)
    alone.set(xlabel="x = λt", ylim=(0, 2.9))
    largest = np.max(single(result.learnt, 0.0))
    alone.set_title(f"a  One direction: largest {largest:.5f}", loc="left")

    many = dict(linestyle="none", marker=".", markersize=4, alpha=0.5, rasterized=True)
    rows = (result.two, "two fits", C2**2, 1), (result.one, "one fit", C2, 0)
    for ratios, name, bound, number in rows:
        color, times = kd.plots.COLOURS[number], np.broadcast_to(result.clocks, ratios.shape)
        label = f"{name}: largest {ratios.max():.3f}, bound {bound:.3f}"
        together.plot(times.ravel(), ratios.ravel(), color=color, label=label, **many)
        together.axhline(bound, color=color, linestyle="--", linewidth=1)
    together.set(xlabel="time t of flow, 1/penalty of ridge  [1/λ]", ylim=(0, 3.9))
    together.set_title(f"b  {len(result.tuned)} random problems, run on data", loc="left")

    bayes.plot(fine, single(curves, fine), color=kd.plots.BLUE, label="flow at t = θ²/v, one direction")
    bayes.plot(
        result.x, single(result.learnt, result.x), color=kd.plots.BLUE, linestyle="none", marker="o", markersize=4
    )
    across, label = np.broadcast_to(result.isotropic, result.tuned.shape), "flow at its best, random spectra"
    bayes.plot(across.ravel(), result.tuned.ravel(), color=kd.plots.VERMILLION, label=label, **many)
    bayes.set(xlabel="x = θ²λ/v  [of the largest λ, for random spectra]", ylim=(0.98, 1.33))
    bayes.set_title("c  Isotropic signal, against the best ridge", loc="left")

    for ax, level in (alone, C2), (bayes, BAYES), (bayes, TUNED), (bayes, 1.0), (alone, 1.0):
        ax.axhline(level, color=kd.plots.GREY, linestyle="--" if level > 1 else "-", linewidth=1, zorder=0)
        if level > 1:  # one is on the axis
            ax.annotate(f"{level:.5g}", (1, level), (-2, 3), ("axes fraction", "data"), "offset points", ha="right")
    for ax in axes:
        ax.set(xscale="log", ylabel="flow over ridge")
        ax.legend(loc="upper left", fontsize=8)
    return kd.plots.verdicts(figure, result.checks)
