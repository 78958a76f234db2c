"""Where bias is exaggerated: the exponent of the spectrum against the teacher's time

How far the student lags on direction 9 when direction 0 is half learnt, over power-law spectra, λ_k = (k +
1)^(−exponent), and over the clock at which the teacher stopped. (a) The exact formula for gradient descent,
swept. Circles are filled with the colour of what loops saw on data with such a spectrum. Above the dashed
line, 1/λ of direction 9, the teacher has time to learn it and leaves little to exaggerate. (b) The same loops
as marks on the formula; they are read between their steps, which limits how well the two agree.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd

STEP_SIZE, LEAD, TRAIL, LEVEL = 0.05, 0, 9, 0.5


class Sweep(NamedTuple):
    table: object  # xarray.DataArray, exponent × teacher_time: the formula, at the moments of the loops too
    exponents: np.ndarray  # (E,) of the loops
    clocks: np.ndarray  # (S,) of the loops' teachers
    seen: np.ndarray  # (E, S) exaggeration in the loops

    @property
    def expected(self):
        """(E, S) what the formula says of the loops."""
        return self.table.sel(exponent=self.exponents, teacher_time=self.clocks).values


def exaggeration(exponent, teacher_time):
    """The formula: flow's, with the rates of gradient descent for eigenvalues."""
    lead, trail = (kd.GradientDescent(STEP_SIZE, 0).rate((k + 1.0) ** -exponent) for k in (LEAD, TRAIL))
    return kd.measures.exaggeration(lead, trail, LEVEL, teacher_time)


def simulated(exponent, stops, seed):
    """The same in loops, for each of the teacher's `stops`, on data with just that spectrum."""
    problem = kd.problems.with_spectrum(seed, kd.spectra.power_law(TRAIL + 1, exponent), noise=0.1)
    eigensystem = problem.eigensystem()
    path = kd.GradientDescent(STEP_SIZE, np.arange(1, 201))
    teacher = kd.simulate(path, problem, eigensystem)
    lags = []
    for stop in stops:
        student = kd.simulate(kd.distill(kd.GradientDescent(STEP_SIZE, stop), path), problem, eigensystem)
        lags.append(kd.measures.observed_exaggeration(teacher, student, LEVEL, LEAD)[TRAIL])
    return lags


def compute(*, seed=0, grid=(61, 61), exponents=(0.5, 1.0, 2.0, 3.0), stops=9, longest=1e4):
    steps = np.geomspace(1 / STEP_SIZE, longest / STEP_SIZE, stops).astype(int)
    seen = np.array([simulated(exponent, steps, seed) for exponent in exponents])
    clocks = STEP_SIZE * steps
    across, up = np.linspace(0.25, 3.25, grid[0]), np.geomspace(1, longest, grid[1])
    table = kd.sweep(exaggeration, exponent=np.union1d(across, exponents), teacher_time=np.union1d(up, clocks))
    return Sweep(table.exaggeration, np.array(exponents), clocks, seen)


def draw(result):
    table, exponents, clocks, seen = result
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    swept, loops = figure.subplots(1, 2)

    kd.plots.heat(swept, table.rename("exaggeration  1 − ρ"))
    mesh, points = swept.collections[0], np.meshgrid(exponents, clocks, indexing="ij")
    same = dict(cmap=mesh.cmap, norm=mesh.norm)
    swept.scatter(*points, c=seen, **same, edgecolor="white", clip_on=False, zorder=3)
    swept.plot(table.exponent, (TRAIL + 1.0) ** table.exponent, color="white", linestyle="--")
    swept.set_xlabel("exponent of the spectrum")
    swept.set_ylabel("teacher's clock when it stops  [1/λ]")
    swept.set_title("a  Formula (colours) and loops (circles)", loc="left")

    for exponent, lags, color in zip(exponents, seen, kd.plots.COLOURS, strict=False):
        loops.plot(table.teacher_time, table.sel(exponent=exponent), color=color)
        loops.plot(clocks, lags, color=color, linestyle="none", marker="o")
        loops.text(1.3 * (TRAIL + 1) ** exponent, 0.37, f"{exponent:g}", color=color, va="center")
    gap = np.max(np.abs(seen - result.expected))
    loops.plot([], [], color=kd.plots.GREY, linestyle="none", marker="o", label=kd.plots.loop(gap))
    loops.set(xscale="log", xlabel="teacher's clock when it stops  [1/λ]", ylabel="exaggeration  1 − ρ")
    loops.set_title("b  The same in sections, by exponent", loc="left")
    loops.legend(loc="upper right")
    return figure
