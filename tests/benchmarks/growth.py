"""How costs grow with each size, against the ideal slopes: `python tests/benchmarks growth` draws figures/growth.

Along a path the cost is to grow linearly in times × directions, and not at all in steps. Slopes are fitted to the
upper half of the sizes, anew in each of five rounds, whose scatter gives the 95 % intervals.
"""

import time
from pathlib import Path
from typing import NamedTuple

import jax
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import kdtheory as kd

FIGURES = Path(__file__).parent.parent.parent / "figures"
ROUNDS, STUDENT = 5, 2.776  # Student's t for four degrees of freedom
SPAN = 3e3  # of all vertical axes, so that slopes compare


class Growth(NamedTuple):
    what: str
    size: str
    ideal: int  # slope
    sizes: np.ndarray
    seconds: np.ndarray  # (rounds, sizes)

    def slope(self):
        """That of each round, and the half width of the interval of their mean."""
        upper = self.sizes >= np.sqrt(self.sizes.min() * self.sizes.max())
        slopes = np.polyfit(np.log(self.sizes[upper]), np.log(self.seconds[:, upper]).T, 1)[0]
        return round(slopes.mean(), 2) + 0.0, STUDENT * slopes.std(ddof=1) / np.sqrt(len(slopes))


def seconds(run, runs=3):
    """The least of some runs, in seconds of this core."""
    taken = []
    for _ in range(runs):
        began = time.process_time()
        jax.block_until_ready(run())
        taken.append(time.process_time() - began)
    return min(taken)


def path(count, times):
    student = kd.distill(kd.GradientFlow(10.0), kd.GradientFlow(np.geomspace(0.1, 1e4, times)))
    spectrum = kd.spectra.power_law(count)
    return lambda: kd.closed_form(student, spectrum).coordinates


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


def measured():
    N, P, steps, long = (
        [125, 250, 500, 1000, 2000],
        [62, 125, 250, 500, 1000],
        [10**3, 10**4, 10**5, 10**6, 10**7],
        [250, 500, 1000, 2000, 4000],
    )
    pairs = [(250, 250), (500, 500), (250, 4000), (1000, 1000), (4000, 250), (1000, 4000), (2000, 2000), (4000, 1000)]
    cases = [
        ("eigensystem of a kernel", "samples N", 3, N, map(kernel, N)),
        ("eigensystem of a table, N = 2000", "parameters P", 2, P, (table(2000, p) for p in P)),
        ("path of descent", "steps", 0, steps, map(descent, steps)),
        ("path of a student, K = 1000", "times T", 1, long, (path(1000, t) for t in long)),
        ("path of a student, T = 1000", "directions K", 1, long, (path(k, 1000) for k in long)),
        ("path of a student", "times × directions, TK", 1, [k * t for k, t in pairs], (path(*pair) for pair in pairs)),
    ]
    for what, size, ideal, sizes, runs in cases:
        runs = list(runs)
        for run in runs:
            run()  # to warm up
        found = [[seconds(run) for run in runs] for _ in range(ROUNDS)]
        yield Growth(what, size, ideal, np.array(sizes), np.array(found))


def draw(ax, growth):
    typical = np.median(growth.seconds, axis=0)
    slope, half = growth.slope()
    ax.loglog(growth.sizes, growth.seconds.T, ".", color="C0", alpha=0.4)
    ax.loglog(growth.sizes, typical, "o", color="C0", markersize=4, label=f"slope {slope:.2f} ± {half:.2f}")
    ideal = typical[-1] * (growth.sizes / growth.sizes[-1]) ** growth.ideal
    ax.loglog(growth.sizes, ideal, "--", color="0.5", label=f"ideal {growth.ideal}")
    middle = np.sqrt(growth.seconds.min() * growth.seconds.max())
    ax.set(title=growth.what, xlabel=growth.size, ylim=(middle / np.sqrt(SPAN), middle * np.sqrt(SPAN)))
    if growth.sizes[-1] < 10**4:
        ax.set_xticks(growth.sizes, growth.sizes)
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend(loc="upper left")


def main():
    with matplotlib.style.context(FIGURES / "kdtheory.mplstyle"):
        figure = Figure(figsize=(9, 5.4), layout="constrained")
        print("| what | against | ideal slope | slope |\n|---|---|---|---|")
        axes = figure.subplots(2, 3)
        for ax in axes[:, 0]:
            ax.set_ylabel("seconds")
        for ax, growth in zip(axes.flat, measured(), strict=True):
            draw(ax, growth)
            slope, half = growth.slope()
            print(f"| {growth.what} | {growth.size} | {growth.ideal} | {slope:.2f} ± {half:.2f} |", flush=True)
        for name in "growth.png", "growth.svg":
            figure.savefig(FIGURES / name, metadata={"Date": None} if name.endswith("svg") else None)
