"""The best teacher weight against noise: from below zero to above one

How much of a ridge student's targets should be its teacher's predictions? Both have one penalty, and the risk is that
of the predictions; the best weight ξ* grows with the noise (Das & Sanghavi 2023, as recalled). Below the first
threshold a student should rather be pushed away from its teacher, above the second trust it more than wholly. Lines are
theory; marks are ridge students on data with just this spectrum, with bars of two standard errors over draws of the
noise. Since a student's predictions are affine in ξ (they lie on the tangent to the ridge path: Dang, Patil & Rinaldo
2026, as recalled), students with two weights give ξ*. (a) ξ* for three signals; thresholds are dotted, the limit for
infinite noise is dashed. (b) The risk over ξ at three noises, for the signal θ² = 1, over that of the teacher; a student
was fitted with every ξ.
"""

from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments import _noise
from experiments._judged import judged

RIDGE, TILTS = kd.Ridge(0.3), (1.0, 0.0, -1.0)  # θ² = λ^tilt
SHOWN, LEVEL = (0.2, 0.6, 20.0), 1  # noise of panel b, and which of the signals


class Weights(NamedTuple):
    eigenvalues: np.ndarray  # (K,)
    noises: np.ndarray  # (V,) σ²/N
    best: np.ndarray  # (tilts, V, 2) best weight on data, with its error
    weights: np.ndarray  # (W,) of panel b
    risks: np.ndarray  # (3, W, 2) risk on data over that of the teacher, with its error
    draws: int
    checks: list


def signal(eigenvalues, tilt):
    return np.sqrt(eigenvalues**tilt)


def student(weight):
    return kd.distill(RIDGE, RIDGE, weight)


def best_weight(problem, noisy):
    """The teacher weight with the least mean squared error over all draws, with its error."""
    plain, distilled = (noisy.predict(student(weight).fit(noisy)) for weight in (0.0, 1.0))
    step, missed = np.asarray(distilled - plain), np.asarray(problem.targets[:, None] - plain)
    return _noise.ratio(np.sum(missed * step, axis=0), np.sum(step**2, axis=0))


def compute(*, seed=0, count=20, noises=9, weights=7, draws=2000, instances=2000, loops=20):
    eigenvalues = kd.spectra.power_law(count, 1.0)
    v, ξ = np.geomspace(0.01, 100.0, noises), np.linspace(-1.0, 2.0, weights)
    best, risks = [], []
    for tilt in TILTS:
        problem = kd.problems.with_spectrum(seed, eigenvalues, signal=signal(eigenvalues, tilt))
        noisy = (_noise.relabelled(key, problem, noise, draws) for key, noise in enumerate(v, seed))
        best.append([best_weight(problem, each) for each in noisy])
    problem = kd.problems.with_spectrum(seed, eigenvalues, signal=signal(eigenvalues, TILTS[LEVEL]))
    for key, noise in enumerate(SHOWN, seed):
        noisy = _noise.relabelled(key, problem, noise, draws)
        teacher, *students = (_noise.errors(problem, noisy, learner) for learner in (RIDGE, *map(student, ξ)))
        risks.append([_noise.ratio(risk, teacher) for risk in students])
    claims = kd.theorems.trust_grows_with_noise, kd.theorems.student_on_the_tangent
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Weights(np.asarray(eigenvalues), v, np.array(best), ξ, np.array(risks), draws, checks)


def draw(result):
    figure = Figure(figsize=(9.5, 4.3), layout="constrained")
    best, risk = figure.subplots(1, 2)
    λ, bars = result.eigenvalues, dict(linestyle="none", marker="o", markersize=4, elinewidth=1.2, capsize=2.5)
    of = lambda tilt, noise: kd.measures.best_weight(RIDGE, RIDGE, λ, signal(λ, tilt), noise)
    fine, names = np.geomspace(0.006, 170.0, 200), ("λ", "1", "1/λ")
    for tilt, name, seen, color in zip(TILTS, names, result.best, kd.plots.COLOURS, strict=False):
        curve = jax.vmap(lambda noise, tilt=tilt: of(tilt, noise))(fine)
        best.plot(fine, curve, color=color, label=f"signal θ² = {name}")
        best.errorbar(result.noises, *seen.T, color=color, **bars)
        for level in (0.0, 1.0):
            threshold = kd.measures.noise_threshold(RIDGE, RIDGE, λ, signal(λ, tilt), level)
            best.plot([threshold] * 2, [-4, level], color=color, linestyle=":", linewidth=1)
            best.plot(threshold, level, color=color, marker="|", markersize=9)
    limit = kd.measures.best_weight(RIDGE, RIDGE, λ, 0 * λ, 1.0)
    best.axhline(limit, color=kd.plots.BLACK, linestyle="--", linewidth=1, label=f"limit, {limit:.2f}")
    best.errorbar([], [], [], color=kd.plots.GREY, label=f"on data, {result.draws:,} draws", **bars)
    best.set(xscale="log", ylim=(-4, 2.3), xlabel="noise σ²/N", ylabel="best teacher weight ξ*")
    best.set_title("a  It crosses zero and one", loc="left")
    for level in (0, 1):
        best.axhline(level, color=kd.plots.GREY, linewidth=0.8, zorder=0)

    ξ = np.linspace(-1.1, 2.1, 100)
    total = lambda learner, noise: kd.measures.risk(learner, λ, signal(λ, TILTS[LEVEL]), noise).total
    for noise, seen, color in zip(SHOWN, result.risks, kd.plots.COLOURS[3:], strict=False):
        curve = jax.vmap(lambda weight, noise=noise: total(student(weight), noise))(ξ) / total(RIDGE, noise)
        lowest = of(TILTS[LEVEL], noise)
        risk.plot(ξ, curve, color=color, label=f"σ²/N = {noise:g}: ξ* = {lowest:.2f}")
        risk.errorbar(result.weights, *seen.T, color=color, **bars)
        risk.plot(lowest, total(student(lowest), noise) / total(RIDGE, noise), color=color, marker="*", markersize=11)
    risk.axhline(1, color=kd.plots.GREY, linewidth=0.8, zorder=0)
    risk.set(xlabel="teacher weight ξ", ylabel="risk of the student  [its teacher's]")
    risk.set_title("b  The risk is a parabola (stars: least)", loc="left")
    for ax in best, risk:
        ax.legend(
            fontsize=8, loc="lower right" if ax is best else "lower left", frameon=True, framealpha=1, edgecolor="w"
        )
    return kd.plots.verdicts(figure, result.checks)
