"""Test error from the training data alone, against errors on data held out

What `kd.measures.estimated_risk` says (dots), and plain generalised cross-validation (crosses), over the test error, on
average; one is right. Bars are two standard errors. (a) Six learners on data of three spectra, 60 samples: over the
error of their runs, which the true parameters tell. Cross-validation is right for ridge alone. (b) Real tables, images
and texts: over the error on rows held out, in random splits, for a student with its teacher's stop, which is where the
trace of the teacher's filter is half of what it can be; nothing is chosen by results. Rows of real data break what the
estimate assumes where they differ much in length.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

import kdtheory as kd

from .forecast import FLIPPED, GAUSSIAN, Draw, load
from .new_inputs import NOISE, SAMPLES, SPECTRA

LEARNERS = {
    "ridge": kd.Ridge(0.1),
    "flow": kd.GradientFlow(10.0),
    "descent": kd.GradientDescent(0.1, 100),
    "heavy ball": kd.HeavyBall(0.1, 0.5, 50),
    "student": kd.distill(kd.GradientFlow(10.0), kd.GradientFlow(10.0)),
    "half truth": kd.distill(kd.GradientFlow(10.0), kd.GradientFlow(10.0), 0.5),
}
SETS = tuple(GAUSSIAN | FLIPPED)


class Ratios(NamedTuple):
    drawn: np.ndarray  # (2, spectra, L, 3): estimate and plain; mean, low, high of the ratio to the true error
    held_out: np.ndarray  # (2, sets, 3)
    sets: tuple[str, ...]


def ratio(said, true):
    """The ratio of two means over draws, and two standard errors to either side."""
    said, true = np.asarray(said), np.asarray(true)
    mean = said.mean(axis=0) / true.mean(axis=0)
    spread = np.std(said - mean * true, axis=0, ddof=1) / np.sqrt(len(said)) / true.mean(axis=0)
    return np.stack([mean, mean - 2 * spread, mean + 2 * spread], axis=-1)


def told(learner, problem, system):
    found = kd.measures.new_inputs.estimate(learner, problem, system)
    return float(found.risk), float(found.plain)


def on_draws(seed, s, draws):
    """True errors (draws, L), and what is said of them (draws, L, 2)."""
    true, said, signal = [], [], 1.0 / np.sqrt(np.sum(s))
    for draw in range(draws):
        problem = kd.problems.gaussian(seed + draw, s, SAMPLES, signal, NOISE)
        system, learners = problem.eigensystem(), LEARNERS.values()
        true.append([np.asarray((each.fit(problem) - signal) ** 2) @ s + NOISE**2 for each in learners])
        said.append([told(each, problem, system) for each in learners])
    return np.array(true), np.array(said)


def student(eigenvalues):
    """A student with its teacher's stop, where half of the teacher's filter's largest trace is reached."""
    missing = lambda log: np.mean(-np.expm1(-eigenvalues * np.exp(log))) - 0.5
    stop = kd.GradientFlow(float(np.exp(brentq(missing, -30.0, 60.0))))
    return kd.distill(stop, stop)


def on_splits(seed, name, splits):
    """Errors on the rows held out (splits,), and what is said of them (splits, 2)."""
    features, targets = load(name)
    true, said = [], []
    for split in range(splits):
        held = Draw(name, features, targets, 0.0, seed + split)
        learner, problem = student(held.eigenvalues), kd.problems.linear(held.x, held.y)
        true.append(float(held.errors(np.asarray(learner.filter(held.eigenvalues))[None])[0]))
        said.append(told(learner, problem, problem.eigensystem()))
    return np.array(true), np.array(said)


def compute(*, seed=0, draws=40, splits=20, sets=SETS):
    drawn = [on_draws(seed, s, draws) for s in SPECTRA.values()]
    split = [on_splits(seed, name, splits) for name in sets]
    each = lambda pairs: np.stack([[ratio(said[..., k], true) for true, said in pairs] for k in range(2)])
    return Ratios(each(drawn), each(split), tuple(sets))


def draw(result):
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)

    def points(ax, at, found, color, marks, name=None):
        mean, low, high = np.moveaxis(found, -1, 0)
        ax.errorbar(
            at, mean, [mean - low, high - mean], fmt=marks, color=color, markersize=5, linewidth=1.2, label=name
        )

    for k, (spectrum, color) in enumerate(zip(SPECTRA, kd.plots.COLOURS, strict=False)):
        at = np.arange(len(LEARNERS)) + 0.2 * (k - 1)
        points(left, at - 0.04, result.drawn[0, k], color, "o", spectrum)
        points(left, at + 0.04, result.drawn[1, k], color, "x")
    at = np.arange(len(result.sets))
    points(right, at - 0.08, result.held_out[0], kd.plots.BLACK, "o", "estimated")
    points(right, at + 0.08, result.held_out[1], kd.plots.BLACK, "x", "cross-validation")
    for ax, names, title in ((left, LEARNERS, "a  Six learners"), (right, result.sets, "b  Rows held out")):
        ax.axhline(1.0, color="0.5", linewidth=1, zorder=0)
        ax.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
        ax.set_title(title, loc="left")
        ax.legend()
    left.set(xlabel="learner", ylabel="estimated over true error")
    right.set_xlabel("data set")
    return figure
