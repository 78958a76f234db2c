"""The best teacher weight against noise: from below zero to above one

How much of a ridge student's targets should be its teacher's predictions? Both have one penalty, and the risk is that
of the predictions; the best weight ξ* grows with the noise (Das & Sanghavi 2023, as recalled). Below the first
threshold a student should rather be pushed away from its teacher, above the second trust it more than wholly. Lines are
theory; marks are ridge students on data with just this spectrum, with bars of two standard errors over draws of the
noise. Since a student's predictions are affine in ξ (they lie on the tangent to the ridge path: Dang, Patil & Rinaldo
2026, as recalled), students with two weights give ξ*. (a) ξ* for three signals; thresholds are dotted, the limit for
infinite noise is dashed. (b) The risk over ξ at three noises, for the signal θ² = 1, over that of the teacher; a
student was fitted with every ξ.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments import _runs
from experiments._runs import judged

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
    return jnp.sqrt(eigenvalues**tilt)


def student(weight):
    return kd.distill(RIDGE, RIDGE, weight)


def best_weight(problem, noisy):
    """The teacher weight with the least mean squared error over all draws, with its error."""
    plain, distilled = (np.asarray(noisy.predict(student(weight).fit(noisy))) for weight in (0.0, 1.0))
    step, missed = distilled - plain, np.asarray(problem.targets)[:, None] - plain
    return _runs.ratio(np.sum(missed * step, axis=0), np.sum(step**2, axis=0))


def compute(*, seed=0, count=40, noises=9, weights=7, draws=2000, instances=2000, loops=20):
    eigenvalues = kd.spectra.power_law(count, 1.0)
    v, ξ = np.geomspace(0.01, 100.0, noises), np.linspace(-1.0, 2.0, weights)
    best, risks = [], []
    for tilt in TILTS:
        problem = kd.problems.with_spectrum(seed, eigenvalues, signal=signal(eigenvalues, tilt))
        noisy = (_runs.relabelled(key, problem, noise, draws) for key, noise in enumerate(v, seed))
        best.append([best_weight(problem, each) for each in noisy])
    problem = kd.problems.with_spectrum(seed, eigenvalues, signal=signal(eigenvalues, TILTS[LEVEL]))
    for key, noise in enumerate(SHOWN, seed):
        noisy = _runs.relabelled(key, problem, noise, draws)
        teacher, *students = (_runs.errors(problem, noisy, learner) for learner in (RIDGE, *map(student, ξ)))
        risks.append([_runs.ratio(risk, teacher) for risk in students])
    claims = kd.theorems.trust_grows_with_noise, kd.theorems.student_on_the_tangent
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Weights(np.asarray(eigenvalues), v, np.array(best), ξ, np.array(risks), draws, checks)


@jax.jit
def theory(eigenvalues, noises, weights):
    """Best weights (tilts, V), thresholds (tilts, 2), limit; of panel b best weights (3,), risks (3, W), least (3,)."""
    signals = jnp.stack([signal(eigenvalues, tilt) for tilt in TILTS])
    of = lambda signal, noise: kd.measures.best_weight(RIDGE, RIDGE, eigenvalues, signal, noise)
    total = lambda learner, noise: kd.measures.risk(learner, eigenvalues, signals[LEVEL], noise).total
    over = lambda weight, noise: total(student(weight), noise) / total(RIDGE, noise)
    threshold = lambda signal, level: kd.measures.noise_threshold(RIDGE, RIDGE, eigenvalues, signal, level)
    each = lambda f, rows, columns: jax.vmap(lambda row: jax.vmap(lambda column: f(row, column))(columns))(rows)
    shown = jnp.array(SHOWN)
    lowest = jax.vmap(lambda noise: of(signals[LEVEL], noise))(shown)
    return (
        each(of, signals, noises),
        each(threshold, signals, jnp.array([0.0, 1.0])),
        of(0.0 * eigenvalues, 1.0),
        lowest,
        each(lambda noise, weight: over(weight, noise), shown, weights),
        jax.vmap(over)(lowest, shown),
    )


def draw(result):
    figure = Figure(figsize=(9.5, 4.3), layout="constrained")
    best, risk = figure.subplots(1, 2)
    λ, bars = result.eigenvalues, dict(linestyle="none", marker="o", markersize=4, elinewidth=1.2, capsize=2.5)
    fine, ξ = np.geomspace(0.006, 170.0, 200), np.linspace(-1.1, 2.1, 100)
    curves, thresholds, limit, lowest, risks, least = theory(λ, fine, ξ)
    for name, curve, seen, crossings, color in zip(
        ("λ", "1", "1/λ"), curves, result.best, thresholds, kd.plots.COLOURS, strict=False
    ):
        best.plot(fine, curve, color=color, label=f"signal θ² = {name}")
        best.errorbar(result.noises, *seen.T, color=color, **bars)
        for level, threshold in enumerate(crossings):
            best.plot([threshold] * 2, [-7, level], color=color, linestyle=":", linewidth=1)
            best.plot(threshold, level, color=color, marker="|", markersize=9)
    best.axhline(limit, color=kd.plots.BLACK, linestyle="--", linewidth=1, label=f"limit, {limit:.2f}")
    best.errorbar([], [], [], color=kd.plots.GREY, label=f"on data, {result.draws:,} draws", **bars)
    best.set(xscale="log", ylim=(-7, 2.5), xlabel="noise σ²/N", ylabel="best teacher weight ξ*")
    best.set_title("a  It crosses zero and one", loc="left")
    for level in (0, 1):
        best.axhline(level, color=kd.plots.GREY, linewidth=0.8, zorder=0)

    rows = zip(SHOWN, result.risks, risks, lowest, least, kd.plots.COLOURS[3:], strict=False)
    for noise, seen, curve, weight, bottom, color in rows:
        risk.plot(ξ, curve, color=color, label=f"σ²/N = {noise:g}: ξ* = {weight:.2f}")
        risk.errorbar(result.weights, *seen.T, color=color, **bars)
        risk.plot(weight, bottom, color=color, marker="*", markersize=11)
    risk.axhline(1, color=kd.plots.GREY, linewidth=0.8, zorder=0)
    risk.set(xlabel="teacher weight ξ", ylabel="risk of the student  [its teacher's]")
    risk.set_title("b  The risk is a parabola (stars: least)", loc="left")
    for ax in best, risk:
        place = "lower right" if ax is best else "lower left"
        ax.legend(fontsize=8, loc=place, frameon=True, framealpha=1, edgecolor="white")
    return kd.plots.verdicts(figure, result.checks)
