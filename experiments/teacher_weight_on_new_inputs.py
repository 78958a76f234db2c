"""The best teacher weight on new inputs: positive where the signal rises with the spectrum, negative where it falls

How much of a ridge student's targets should be its teacher's predictions, judged by the error on new inputs? Lines are
what the population spectrum alone says (`kd.asymptotics.risk`), points are ridge students of ridge teachers on draws of
data, with two standard errors. (a) The error over the teacher weight ξ, relative to that at ξ = 0, where all targets
are labels. The student's penalty is the one that is best for ridge alone, its teacher's a tenth of it; stars are the
best weights. Own, proved: where the signal b² per direction rises with the population's eigenvalues s, the best weight
is positive, where it falls negative, and where it is isotropic none helps; here P = 2N, s a power law. (b) The best
weight where teacher and student have one penalty, 0.3, against the noise, for an isotropic signal in 60 directions and
N samples: with little noise a student is best pushed away from its teacher, with much it trusts it more than wholly,
and the more samples the more noise that takes. Where 0.3 is ridge's own best penalty (upright marks: σ² = 0.3 N/60) the
weight is zero.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar

import kdtheory as kd
from experiments import _runs

SPECTRUM, SAMPLES, NOISE = np.asarray(kd.spectra.power_law(120, 1.0)) * 4, 60, 1.0
TILTS = {"rising, b² = s²": 2.0, "isotropic": 0.0, "falling, b² = 1/s": -1.0}
SIZES, FLAT, PENALTY = (30, 60, 120), np.asarray(kd.spectra.power_law(60, 0.5)) * 2, 0.3


class Weights(NamedTuple):
    weights: np.ndarray  # (W,) of panel a
    risks: np.ndarray  # (tilts, W, 2) error on data over that at ξ = 0, and twice its standard error
    noises: np.ndarray  # (V,) σ of panel b
    best: np.ndarray  # (sizes, V, 2) best weight on data, with its error


def signal(tilt):
    """True parameters, b² = s^tilt, of unit variance of the targets."""
    power = SPECTRUM**tilt
    return np.sqrt(power / (SPECTRUM @ power))


def taught(teacher, student, weight):
    return kd.distill(kd.Ridge(teacher), kd.Ridge(student), weight)


def best_penalty(limit):
    total = lambda log: kd.asymptotics.risk(kd.Ridge(np.exp(log)), limit).total.item()
    coarse = np.linspace(-8, 4, 25)
    near = coarse[np.argmin([total(log) for log in coarse])]
    return np.exp(minimize_scalar(total, bounds=(near - 0.5, near + 0.5), options=dict(xatol=1e-9)).x)


def parabola(limit, teacher, student):
    """Error at ξ = 0, its slope there, and half its curvature: it is quadratic in the weight."""
    below, middle, above = (kd.asymptotics.risk(taught(teacher, student, ξ), limit).total.item() for ξ in (-1, 0, 1))
    return middle, (above - below) / 2, (above + below) / 2 - middle


def fits(seed, draws, spectrum, samples, truth, noise, learners):
    """Errors of parameters (draws, learners, P) on draws of data, times the root of the population's eigenvalues."""
    found = []
    for draw in range(draws):
        problem = kd.problems.gaussian(seed + draw, spectrum, samples, truth, noise)
        found.append([np.sqrt(spectrum) * (np.asarray(each.fit(problem)) - truth) for each in learners])
    return np.array(found)


def compute(*, seed=0, draws=150, weights=7, noises=6):
    ξ, σ, risks, best = np.linspace(-3.0, 3.0, weights), np.geomspace(0.1, 6.0, noises), [], []
    for tilt in TILTS.values():
        truth = signal(tilt)
        penalty = best_penalty(kd.asymptotics.limit(SPECTRUM, SAMPLES, truth, NOISE))
        learners = [taught(penalty / 10, penalty, each) for each in (0.0, *ξ)]
        alone, *students = np.sum(fits(seed, draws, SPECTRUM, SAMPLES, truth, NOISE, learners) ** 2, axis=-1).T
        risks.append([_runs.ratio(student, alone) for student in students])
    learners = [taught(PENALTY, PENALTY, each) for each in (0.0, 1.0)]
    for samples in SIZES:
        runs = [fits(seed, draws, FLAT, samples, np.full(60, 60**-0.5), noise, learners) for noise in σ]
        steps = [(off[:, 0], off[:, 1] - off[:, 0]) for off in runs]
        best.append([_runs.ratio(-np.sum(off * step, -1), np.sum(step**2, -1)) for off, step in steps])
    return Weights(ξ, np.array(risks), σ, np.array(best))


def theory(fine, noises):
    """Error over that at ξ = 0 of panel a (tilts, F), its best weights (tilts, 2) with the error there; and the best
    weights of panel b (sizes, V)."""
    curves, stars = [], []
    for tilt in TILTS.values():
        limit = kd.asymptotics.limit(SPECTRUM, SAMPLES, signal(tilt), NOISE)
        penalty = best_penalty(limit)
        middle, slope, bend = parabola(limit, penalty / 10, penalty)
        over = lambda ξ, middle=middle, slope=slope, bend=bend: 1 + (slope * ξ + bend * ξ**2) / middle
        curves.append(over(fine))
        stars.append((-slope / bend / 2, over(-slope / bend / 2)))
    lines = [
        [
            -slope / bend / 2
            for _, slope, bend in (
                parabola(kd.asymptotics.limit(FLAT, samples, 60**-0.5, noise), PENALTY, PENALTY) for noise in noises
            )
        ]
        for samples in SIZES
    ]
    return np.array(curves), np.array(stars), np.array(lines)


def draw(result):
    figure = Figure(figsize=(9.5, 4.3), layout="constrained")
    error, best = figure.subplots(1, 2)
    bars = dict(linestyle="none", marker="o", markersize=4, elinewidth=1.2, capsize=2.5)
    fine, noises = np.linspace(-3.1, 3.1, 100), np.geomspace(0.09, 6.5, 40)
    curves, stars, lines = theory(fine, noises)
    for name, curve, star, seen, color in zip(TILTS, curves, stars, result.risks, kd.plots.COLOURS, strict=False):
        error.plot(fine, curve, color=color, label=f"{name}: ξ* = {round(star[0], 1) + 0.0:.1f}".replace("-", "−"))
        error.errorbar(result.weights, *seen.T, color=color, **bars)
        error.plot(*star, color=color, marker="*", markersize=11)
    error.axhline(1, color=kd.plots.GREY, linewidth=0.8, zorder=0)
    error.set(xlabel="teacher weight ξ", ylabel="error on new inputs  [that at ξ = 0]")
    error.set_title("a  A rising signal trusts the teacher", loc="left")
    for samples, line, seen, color in zip(SIZES, lines, result.best, kd.plots.COLOURS[3:], strict=False):
        best.plot(noises, line, color=color, label=f"N = {samples}")
        best.errorbar(result.noises, *seen.T, color=color, **bars)
        best.plot(np.sqrt(PENALTY * samples / 60), 0, color=color, marker="|", markersize=11)
    for level in (0, 1):
        best.axhline(level, color=kd.plots.GREY, linewidth=0.8, zorder=0)
    best.errorbar([], [], [], color=kd.plots.GREY, label="on draws of data", **bars)
    best.set(xscale="log", xlabel="noise σ", ylabel="best teacher weight ξ*")
    best.set_title("b  More noise, more trust", loc="left")
    for ax in error, best:
        ax.legend(frameon=True, framealpha=1, edgecolor="white")
    return figure
