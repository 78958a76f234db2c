"""Negative control: on a flat spectrum nothing is exaggerated

Bias can only be exaggerated where there is a bias. Lines are theory, markers are gradient descent on the
data. (a) All eigenvalues are equal, and all directions one line: at equal time the student is behind its
teacher here too, so that being behind shows nothing. (b) The same runs along two directions: both follow
the diagonal, at equal progress there is no lag. (Any basis is one of eigendirections here; shown are two
arbitrary directions, each on its own.) (c) Power-law spectra whose exponent goes to zero: the lag, when
direction 0 is half learnt, goes to zero with it. The loops are read between their steps.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd

STEP_SIZE, STOP, LEVEL, DIRECTIONS = 0.05, 40, 0.5, (1, 4, 9)


class Control(NamedTuple):
    loop: list  # trajectories of teacher and student on a flat spectrum
    theory: list
    exponents: np.ndarray  # (E,) of power laws
    seen: np.ndarray  # (E, D) exaggeration in loops
    fine: np.ndarray  # (F,) more exponents
    formula: np.ndarray  # (F, D) exaggeration by the formula

    @property
    def expected(self):
        """(E, D) what the formula says of the loops."""
        return self.formula[np.isin(self.fine, self.exponents)]


def both(eigenvalues, seed):
    """Runs of teacher and student on data with the given spectrum, in loops and in theory, each direction alone."""
    problem = kd.problems.with_spectrum(seed, eigenvalues, noise=0.1)
    eigensystem = dataclasses.replace(problem.eigensystem(), spaces=jnp.arange(len(eigenvalues)))
    path = kd.GradientDescent(STEP_SIZE, np.arange(1, 201))
    paths = path, kd.distill(kd.GradientDescent(STEP_SIZE, STOP), path)
    loop = [kd.simulate(learner, problem, eigensystem) for learner in paths]
    return loop, [kd.closed_form(learner, eigensystem) for learner in paths]


def formula(exponents):
    rate = kd.GradientDescent(STEP_SIZE, 0).rate
    eigenvalues = (1.0 + np.array(DIRECTIONS)) ** -exponents[:, None]
    return np.asarray(kd.measures.exaggeration(rate(1.0), rate(eigenvalues), LEVEL, STEP_SIZE * STOP))


def compute(*, seed=0, count=10, exponents=8):
    loop, theory = both(kd.spectra.flat(count), seed)
    exponents = np.geomspace(1e-3, 3, exponents)
    power_laws = [both(kd.spectra.power_law(count, exponent), seed)[0] for exponent in exponents]
    seen = [kd.measures.observed_exaggeration(*runs, LEVEL)[list(DIRECTIONS)] for runs in power_laws]
    fine = np.union1d(exponents, np.geomspace(1e-3, 3, 100))
    return Control(loop, theory, exponents, np.array(seen), fine, formula(fine))


def draw(result):
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    time, plane, fade = axes = figure.subplots(1, 3)

    loop, theory = result.loop, result.theory
    gap = max(np.max(np.abs(a.progress - b.progress)) for a, b in zip(loop, theory, strict=True))
    kd.plots.convergence(time, *theory, directions=(0, 9))
    kd.plots.convergence(time, *loop, directions=(0, 9), marks="loop")
    kd.plots.eigenspace(plane, *theory, x=0, y=9)
    kd.plots.eigenspace(plane, *loop, x=0, y=9, marks=kd.plots.loop(gap))
    spread = kd.plots.above(max(np.max(np.ptp(run.progress, axis=1)) for run in loop))
    verdict = f"in the loops, all {len(loop[0].eigenvalues)} directions\nprogress as one, within {spread}"
    plane.text(0.97, 0.04, verdict, ha="right", transform=plane.transAxes)
    for ax in time, plane:
        ax.legend(loc="upper left", fontsize=8)

    for d, (k, color) in enumerate(zip(DIRECTIONS, kd.plots.COLOURS, strict=False)):
        fade.plot(result.fine, result.formula[:, d], color=color, label=f"direction {k}")
        fade.plot(result.exponents, result.seen[:, d], color=color, linestyle="none", marker="o")
    name = kd.plots.loop(np.max(np.abs(result.seen - result.expected)))
    fade.plot([], [], color=kd.plots.GREY, linestyle="none", marker="o", label=name)
    fade.set(xscale="log", yscale="log", xlabel="exponent of the spectrum", ylabel="exaggeration  1 − ρ")
    fade.legend()

    titles = "a  Flat spectrum, at equal time", "b  Flat spectrum, two directions", "c  From power laws to flat"
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, loc="left")
    return figure
