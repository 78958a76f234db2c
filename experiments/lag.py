"""A sweep, as xarray draws it

How far a student lags on direction 9 of 100 when direction 0 is half learnt, over power-law spectra and over the time
at which its teacher stopped: the second session of the library, `kd.sweep(lag, ...)` and then `table.lag.plot()`.
Circles are filled with the colour of what gradient flow showed on data with such a spectrum, teacher and student run by
exponentials of the affine system.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd

TRAIL, LEVEL = 9, 0.5


class Swept(NamedTuple):
    table: object  # xarray.Dataset, exponent × teacher_time
    exponents: np.ndarray  # (E,) of the runs on data
    stops: np.ndarray  # (S,) of their teachers
    seen: np.ndarray  # (E, S) the lag in them
    expected: np.ndarray  # (E, S) what the formula says of them


def lag(exponent, teacher_time):
    """How far a student lags on direction 9 when direction 0 is half learnt."""
    spectrum = kd.spectra.power_law(100, exponent)
    return kd.measures.exaggeration(spectrum[0], spectrum[TRAIL], level=LEVEL, teacher_time=teacher_time)


def observed(exponent, stops, seed, count):
    """The same on data with just that spectrum, for each of the teacher's `stops`."""
    problem = kd.problems.with_spectrum(seed, kd.spectra.power_law(count, exponent), noise=0.1)
    system, path = problem.eigensystem(), kd.GradientFlow(jnp.linspace(0.0, 3.0, 61))
    teacher = kd.simulate(path, problem, system)
    students = (kd.simulate(kd.distill(kd.GradientFlow(stop), path), problem, system) for stop in stops)
    return [kd.measures.observed_exaggeration(teacher, student, LEVEL)[TRAIL] for student in students]


def compute(*, seed=0, grid=(26, 50), exponents=(1.0, 1.75, 2.5), stops=3, count=100):
    table = kd.sweep(lag, exponent=np.linspace(0.5, 3, grid[0]), teacher_time=np.geomspace(1, 1e4, grid[1]))
    exponents, stops = np.array(exponents), np.geomspace(3, 300, stops)
    seen = np.array([observed(exponent, stops, seed, count) for exponent in exponents])
    return Swept(table, exponents, stops, seen, kd.sweep(lag, exponent=exponents, teacher_time=stops).lag.values)


def draw(result):
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    ax = figure.subplots()
    mesh = result.table.lag.plot(ax=ax, yscale="log", x="exponent", rasterized=True)
    points = np.meshgrid(result.exponents, result.stops, indexing="ij")
    gap = kd.plots.loop(np.max(np.abs(result.seen - result.expected))).replace("loop", "run on data")
    ax.scatter(*points, c=result.seen, cmap=mesh.cmap, norm=mesh.norm, edgecolor="white", label=gap)
    ax.legend(loc="upper left", labelcolor="white")
    return figure
