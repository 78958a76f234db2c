"""How costs grow with each size, against the ideal slopes: `python tests/benchmarks growth` draws growth.png here."""

import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import kdtheory as kd

HERE = Path(__file__).parent


class Growth(NamedTuple):
    what: str
    size: str
    slope: float  # the ideal
    sizes: np.ndarray
    seconds: np.ndarray


def seconds(run, runs=5):
    """The least of some runs, after one to warm up: seconds of this core."""
    taken = []
    for _ in range(runs + 1):
        began = time.process_time()
        jax.block_until_ready(run())
        taken.append(time.process_time() - began)
    return min(taken[1:])


def path(eigenvalues, times):
    student = kd.distill(kd.GradientFlow(10.0), kd.GradientFlow(times))
    return lambda: kd.closed_form(student, eigenvalues).coordinates


def descent(steps):
    learner = kd.GradientDescent(0.5, np.linspace(0, steps, 200).astype(int))
    spectrum = kd.spectra.power_law(500)
    return lambda: kd.closed_form(learner, spectrum).coordinates


def table(samples, count):
    random = np.random.default_rng(0)
    problem = kd.problems.linear(random.standard_normal((samples, count)), random.standard_normal(samples))
    return lambda: problem.eigensystem().reading


def kernel(samples):
    random = np.random.default_rng(0)
    gram = kd.kernels.rbf(random.standard_normal((samples, 10)), length=3.0)
    problem = kd.problems.kernel(gram, random.standard_normal(samples))
    return lambda: problem.eigensystem().reading


def system(count):
    """A problem with `count` directions, which is what closed forms see."""
    return kd.problems.kernel(np.diag(1.0 / np.arange(1, count + 1)), np.ones(count)).eigensystem()


def measured():
    cases = [
        ("eigensystem of a kernel", "N samples", 3, [125, 250, 500, 1000, 2000], kernel),
        ("eigensystem of a table, N = 2000", "P parameters", 2, [62, 125, 250, 500, 1000], lambda p: table(2000, p)),
        ("closed form, T = 500", "K directions", 1, [250, 500, 1000, 2000], lambda k: path(system(k), TIMES[:500])),
        ("closed form, K = 1000", "T times", 1, [500, 1000, 2000, 4000, 8000], lambda t: path(system(1000), TIMES[:t])),
        ("closed form of descent", "steps", 0, [10**3, 10**4, 10**5, 10**6, 10**7], descent),
    ]
    for what, size, slope, sizes, make in cases:
        yield Growth(what, size, slope, np.array(sizes), np.array([seconds(make(n)) for n in sizes]))


TIMES = np.geomspace(0.1, 1e4, 8000)


def main():
    figure = Figure(figsize=(14, 3), layout="constrained")
    print("| what | against | ideal slope | slope of the last doublings |\n|---|---|---|---|")
    for ax, growth in zip(figure.subplots(1, 5), measured(), strict=True):
        ax.loglog(growth.sizes, growth.seconds, "o-")
        ideal = growth.seconds[-1] * (growth.sizes / growth.sizes[-1]) ** growth.slope
        ax.loglog(growth.sizes, ideal, "--", color="0.6", label=f"slope {growth.slope}")
        ax.set(title=growth.what, xlabel=growth.size, ylabel="seconds")
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, high / 30), high)  # a flat line is to look flat
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.legend(loc="lower right")
        found = np.polyfit(np.log(growth.sizes[-3:]), np.log(growth.seconds[-3:]), 1)[0]
        print(f"| {growth.what} | {growth.size} | {growth.slope} | {found:.2f} |", flush=True)
    figure.savefig(HERE / "growth.png", dpi=110)
