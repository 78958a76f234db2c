"""Test error on new inputs, theory over simulation

The prediction error of gradient flow on new inputs against its time, and of its students, whose teacher stopped at one
of two times: lines are what the population spectrum alone says (`kd.asymptotics.risk`), points are means over draws of
60 samples of the same learners run on data by exponentials of the affine system, with two standard errors. With as many
directions as samples the error rises again as the last of them is learnt, beyond the top of (a); with a power law or
spikes it does less so. Grey crosses are what `kd.measures.estimated_risk` says of the single runs from their training
data alone, on average.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd

SAMPLES, NOISE, TEACHERS = 60, 0.7, (2.0, 20.0)
SPECTRA = {
    "flat, P = N": np.ones(60),
    "power law, P = 2N": np.asarray(kd.spectra.power_law(120, 1.0)) * 4,
    "three spikes, P = N/2": np.asarray(kd.spectra.spiked(30, [8.0, 5.0, 3.0], 0.3)),
}


class Errors(NamedTuple):
    times: np.ndarray  # (T,) of the lines
    marks: np.ndarray  # (M,) of the points
    theory: np.ndarray  # (S, L, T)
    seen: np.ndarray  # (S, L, M)
    spread: np.ndarray  # (S, L, M) standard errors
    estimated: np.ndarray  # (S, L, M)


def learners(times):
    path = kd.GradientFlow(times)
    return [path, *(kd.distill(kd.GradientFlow(stop), path) for stop in TEACHERS)]


def compute(*, seed=0, draws=60, points=60, marks=7):
    times, at = np.geomspace(0.1, 1e3, points), np.geomspace(0.1, 1e3, marks)
    theory, seen, spread, estimated = [], [], [], []
    for s in SPECTRA.values():
        signal = 1.0 / np.sqrt(np.sum(s))
        limit = kd.asymptotics.limit(s, SAMPLES, signal, NOISE)
        theory.append([kd.asymptotics.risk(learner, limit).total + NOISE**2 for learner in learners(times)])
        errors, told = [], []
        for draw in range(draws):
            problem = kd.problems.gaussian(seed + draw, s, SAMPLES, signal, NOISE)
            system = problem.eigensystem()
            errors.append([np.asarray((each.fit(problem) - signal) ** 2) @ s + NOISE**2 for each in learners(at)])
            told.append([kd.measures.estimated_risk(each, problem, system) for each in learners(at)])
        seen.append(np.mean(errors, axis=0))
        spread.append(np.std(errors, axis=0) / np.sqrt(draws))
        estimated.append(np.mean(told, axis=0))
    return Errors(times, at, *map(np.array, (theory, seen, spread, estimated)))


def draw(result):
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    names = ["gradient flow", *(f"student, teacher stopped at {stop:g}" for stop in TEACHERS)]
    panels = zip("abc", figure.subplots(1, 3), SPECTRA, *result[2:], strict=True)
    for letter, ax, spectrum, theory, seen, spread, told in panels:
        for k, (name, color) in enumerate(zip(names, kd.plots.COLOURS, strict=False)):
            ax.plot(result.times, theory[k], color=color, label=name)
            ax.errorbar(result.marks, seen[k], 2 * spread[k], fmt="o", color=color, markersize=4, linewidth=1.2)
            ax.plot(result.marks, told[k], "x", color="0.5", markersize=4.5)
        ax.plot([], [], "x", color="0.5", label="estimated from training data")
        ax.set(xscale="log", xlabel="time  [1/λ]", ylim=(NOISE**2, 1.15 * np.max(theory[:, 0]) + NOISE**2))
        ax.set_title(f"{letter}  {spectrum[0].upper()}{spectrum[1:]}", loc="left")
    figure.axes[0].set_ylabel("prediction error on new inputs")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
