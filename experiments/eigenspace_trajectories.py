"""Eigenspace trajectories: at equal progress on a top direction, the student is behind on a lower one

Training as a curve from the origin in the plane of two eigendirections, as in the seed paper: progress along
a lower direction against progress along the top one. Lines are theory, markers are gradient descent on the
data. The teacher ends at the target; the student, which learns the predictions of a teacher stopped early,
runs below it and ends where that stopped. (a) Gaussian data with a power-law spectrum. (b) Linear regression
on the pixels of handwritten digits. (c) The same digits with the neural tangent kernel of a ReLU network with
two hidden layers.
"""

import jax
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import centred, digits, exaggeration


def compute(*, seed=0, count=50, samples=1000, longest=1000):
    images, targets = digits(samples)
    gram = kd.kernels.relu_ntk(images, depth=2)
    problems = {
        "Power law": kd.problems.gaussian(jax.random.key(seed), kd.spectra.power_law(count), 4 * count, noise=0.5),
        "Digits, linear": kd.problems.linear(images - images.mean(axis=0), targets),
        "Digits, neural tangent kernel": kd.problems.kernel(centred(gram), targets),
    }
    return {title: exaggeration(problem, 50, longest, directions=(0, 9)) for title, problem in problems.items()}


def draw(result):
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    marks = kd.plots.loop(max(seen.disagreement for seen in result.values()))
    for letter, ax, (title, seen) in zip("abc", figure.subplots(1, 3), result.items(), strict=True):
        x, y = seen.directions
        kd.plots.eigenspace(ax, *seen.theory, x=x, y=y)
        kd.plots.eigenspace(ax, seen.teacher, seen.student, x=x, y=y, marks=marks)
        ax.set_title(f"{letter}  {title}", loc="left")
        ax.set_aspect("equal")
        ax.get_legend().remove()
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
