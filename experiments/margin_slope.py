"""The slope of a student's margins: when a student is more confident than its teacher, and when less

In the two-level model (labels ±1, a Gram matrix with two eigenvalues λ₁ > λ₂; here 40 points of unit norm in four
blocks, with inner product 0.5 within a block and 0 between, a fifth of the labels flipped, more in one block than in
another) a student's margins are an affine function of its teacher's, flipped points included. Own, proved. (a) Gradient
flow: the slope over the times T of the teacher and s of the student, in colours. It is above one beyond the dashed line
s = log(h₁/h₂)/(λ₁ - λ₂), h the teacher's filter, and below one where the student is cut short. Circles are filled with
the colour of the slope fitted to the margins of runs on the data. (b) Some of these runs, point by point, on the lines
of theory; the grey line has slope one. (c) Ridge: the slope is one where c_T c_S = λ₁λ₂. Once the student is scaled so
that its top direction matches, its margins are always the more spread: the exaggerated bias, read off confidences.
"""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import judged, teachers_and_students
from kdtheory.theorems._words import METHODS

WITHIN, BLOCK, FLIPPED = 0.5, 10, (0, 1, 2, 5)  # inner product, points of a block, and flipped labels in each
SHOWN = (1, 1), (2, 2), (3, 2), (3, 4)  # teacher and student of the runs of panel b, by their clocks


class Slopes(NamedTuple):
    levels: np.ndarray  # (2,) the eigenvalues
    clocks: np.ndarray  # (T,) of teachers, and of students, in the runs
    teacher: dict  # method -> (T, N) margins on data
    student: dict  # method -> (T, T, N) margins on data, by teacher and student
    checks: list

    def fitted(self, method):
        """(T, T) the slope of student's margins against teacher's by least squares, and the largest residual."""
        x, y = self.teacher[method][:, None], self.student[method]
        x, y = (margins - margins.mean(axis=-1, keepdims=True) for margins in (x, y))
        slope = np.sum(x * y, axis=-1) / np.sum(x**2, axis=-1)
        return slope, np.max(np.abs(y - slope[..., None] * x))


def blocks():
    """Points in blocks, labelled +1 and -1 in turn, of which some are flipped."""
    block, place = np.divmod(np.arange(BLOCK * len(FLIPPED)), BLOCK)
    gram = WITHIN * (block[:, None] == block) + (1 - WITHIN) * np.eye(len(block))
    return kd.problems.kernel(gram, np.where((block % 2 == 0) ^ (place < np.array(FLIPPED)[block]), 1.0, -1.0))


def line(method, levels, teacher, student):
    """What theory says of the margins, for the clocks of teacher and student."""
    return kd.confidence.margin_line(METHODS[method](teacher), METHODS[method](student), *levels)


def compute(*, seed=0, clocks=6, instances=2000, loops=20):
    problem = blocks()
    levels = np.unique(np.round(problem.eigensystem().eigenvalues, 12))[::-1]
    clock = np.geomspace(0.05, 5.0, clocks) / np.sqrt(np.prod(levels))
    teacher, student = {}, {}
    for name, learner in METHODS.items():
        runs = teachers_and_students(learner(clock), problem)
        teacher[name], student[name] = (np.asarray(problem.targets * problem.predict(run)) for run in runs)
    claims = kd.theorems.margins_on_a_line, kd.theorems.scale_free_slope_exceeds_one
    checks = judged(*claims, seed=seed, instances=instances, loops=loops)
    return Slopes(levels, clock, teacher, student, checks)


def draw(result):
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1, 0.9, 1))
    levels, unit = result.levels, np.sqrt(np.prod(result.levels))
    fine = np.union1d(result.clocks, np.geomspace(0.04, 6.5, 150) / unit)
    there, runs = (
        np.searchsorted(fine, result.clocks),
        unit * np.array(np.meshgrid(*[result.clocks] * 2, indexing="ij")),
    )
    look = dict(norm=LogNorm(1 / 4, 4), cmap="cividis")
    unity = jax.jit(jax.vmap(partial(kd.confidence.critical_time, *levels)))(fine), 1 / (unit**2 * fine)
    lines = {}
    for letter, ax, method, edge in zip("ac", axes[::2], METHODS, unity, strict=True):
        of = jax.jit(jax.vmap(jax.vmap(partial(line, method, levels))))
        every = of(*np.meshgrid(fine, fine, indexing="ij"))
        theory, intercept = np.asarray(every.slope), np.asarray(every.intercept)
        lines[method] = theory[np.ix_(there, there)], intercept[np.ix_(there, there)]
        mesh = ax.pcolormesh(unit * fine, unit * fine, theory.T, shading="nearest", rasterized=True, **look)
        ax.plot(unit * fine, unit * edge, color="white", linestyle="--")
        seen = result.fitted(method)[0]
        apart = kd.plots.above(np.max(np.abs(seen / lines[method][0] - 1)))
        ax.scatter(*runs, c=seen, edgecolor="white", **look)
        ends = unit * fine[[0, -1]]
        ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        ax.set_title(f"{letter}  {method.capitalize()}; runs on data within {apart}", loc="left")
    axes[0].set(xlabel="teacher's time T  [1/√(λ₁λ₂)]", ylabel="student's time s  [1/√(λ₁λ₂)]")
    axes[2].set(xlabel="1/c_T of the teacher  [1/√(λ₁λ₂)]", ylabel="1/c_S of the student  [1/√(λ₁λ₂)]")
    ticks = dict(ticks=(0.25, 0.5, 1, 2, 4), format="%g", extend="both")
    figure.colorbar(mesh, ax=axes[2], label="slope of the margins", **ticks).minorticks_off()

    margins, reach = axes[1], np.array([-0.7, 1.0])
    margins.plot(reach, reach, color=kd.plots.GREY, linewidth=0.8, zorder=0)
    for (T, s), color in zip(SHOWN, kd.plots.COLOURS, strict=False):
        x, y = result.teacher["flow"][T], result.student["flow"][T, s]
        slope, intercept = (each[T, s] for each in lines["flow"])
        ends = np.array([x.min(), x.max()])
        name = f"T = {unit * result.clocks[T]:.2g}, s = {unit * result.clocks[s]:.2g}: slope {slope:.2f}"
        margins.plot(ends, slope * ends + intercept, color=color, label=name)
        margins.plot(x, y, color=color, linestyle="none", marker="o", markersize=3.5)
    margins.set(xlabel="teacher's margin", ylabel="student's margin", ylim=(None, 1.6))
    off = kd.plots.above(max(result.fitted(method)[1] for method in METHODS))
    margins.set_title(f"b  Margins, flow: on lines within {off}", loc="left")
    margins.legend(loc="upper left", fontsize=7.5)
    return kd.plots.verdicts(figure, result.checks)
