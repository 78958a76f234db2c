"""The semigroup defect: how far a network is from lazy training, without a Jacobian

In linear and kernel regression one run of a teacher gives every student, f_KD = f(T) + f(s) - f(T + s), with f
what training has changed since the start. A network with one hidden layer of tanh units, 1/√width in front of
the second layer, obeys this the better the wider it is, since its tangent kernel moves the less. Both layers
are trained by gradient descent on 20 points; the student starts at the same weights and fits what its teacher
has learnt. (a) |f_KD - (f(T) + f(s) - f(T + s))| / |f_KD| on 200 new points, each dot a seed, which draws
points, targets and weights; for the network linearised in its weights the defect is rounding, at most the
number in the corner. (b) The relative change of the tangent kernel on the training points during the teacher's
run: both fall with the width, the defect somewhat more slowly. Lines are least squares in the logarithms;
exponents have their 95 % intervals over seeds.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import linregress

import kdtheory as kd

STEP_SIZE, TEACHER, STUDENT, DIMENSIONS = 0.5, 150, 100, 5


class Study(NamedTuple):
    widths: np.ndarray  # (W,)
    defect: np.ndarray  # (W, S)
    linearised: np.ndarray  # (W, S) of the network linearised in its weights
    change: np.ndarray  # (W, S) of the tangent kernel, relative


def network(weights, x):
    inner, outer = weights
    return jnp.tanh(x @ inner) @ outer / jnp.sqrt(len(outer))


def train(apply, start, x, targets, steps):
    """What gradient descent on half the mean squared error has changed: weights after `steps`."""
    begin = apply(start, x)
    loss = lambda weights: jnp.mean((apply(weights, x) - begin - targets) ** 2) / 2
    step = lambda _, weights: jax.tree.map(lambda w, g: w - STEP_SIZE * g, weights, jax.grad(loss)(weights))
    return jax.lax.fori_loop(0, steps, step, start)


def defect(apply, start, x, targets, new):
    """The semigroup defect on new points, and the weights of the teacher."""
    change = lambda weights, at: apply(weights, at) - apply(start, at)
    teacher, student, together = (train(apply, start, x, targets, k) for k in (TEACHER, STUDENT, TEACHER + STUDENT))
    distilled = train(apply, start, x, change(teacher, x), STUDENT)
    return kd.semigroup_defect(*(change(w, new) for w in (distilled, teacher, student, together))), teacher


def one(key, width):
    keys = jax.random.split(key, 5)
    x, new = (jax.random.normal(key, (count, DIMENSIONS)) for key, count in zip(keys, (20, 200), strict=False))
    x, new = (rows / jnp.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, new))
    targets = jax.random.normal(keys[2], (20,))
    start = jax.random.normal(keys[3], (DIMENSIONS, width)), jax.random.normal(keys[4], (width,))

    def linearised(weights, at):
        moved = jax.tree.map(jnp.subtract, weights, start)
        value, slope = jax.jvp(lambda weights: network(weights, at), (start,), (moved,))
        return value + slope

    found, teacher = defect(network, start, x, targets, new)
    kernels = [kd.kernels.empirical_ntk(network, weights, x) for weights in (start, teacher)]
    change = jnp.linalg.norm(kernels[1] - kernels[0]) / jnp.linalg.norm(kernels[0])
    return found, defect(linearised, start, x, targets, new)[0], change


def compute(*, seed=0, seeds=10, widths=(16, 32, 64, 128, 256, 512)):
    keys = jax.random.split(jax.random.key(seed), seeds)
    rows = [jax.jit(jax.vmap(lambda key, width=width: one(key, width)))(keys) for width in widths]
    return Study(np.array(widths), *(np.array(column) for column in zip(*rows, strict=True)))


def exponents(widths, values):
    """The slope of log value against log width, by seed: (S,)."""
    return np.array([linregress(np.log(widths), np.log(column)).slope for column in values.T])


def draw(result):
    figure = Figure(figsize=(8.5, 3.9), layout="constrained")
    panels = zip(figure.subplots(1, 2), (result.defect, result.change), strict=True)
    names = ("a  Semigroup defect", "defect"), ("b  Tangent kernel", "relative change of the tangent kernel")
    for (ax, values), (title, label), color in zip(panels, names, kd.plots.COLOURS, strict=False):
        slope, low, high = kd.confidence.mean_interval(exponents(result.widths, values))
        ax.plot(result.widths, values, ".", color=color, alpha=0.5)
        centre = np.exp(np.mean(np.log(values)) - slope * np.mean(np.log(result.widths)))
        line = f"width^{slope:.2f}  [{low:.2f}, {high:.2f}]"
        ax.plot(result.widths, centre * result.widths**slope, color=color, label=line)
        ax.set(xscale="log", yscale="log", xlabel="width", ylabel=label)
        ax.set_xticks(result.widths, result.widths)
        ax.set_xticks([], minor=True)
        ax.set_title(title, loc="left")
        ax.legend()
    largest = kd.plots.above(result.linearised.max())
    figure.axes[0].text(0.03, 0.04, f"linearised in its weights: at most {largest}", transform=figure.axes[0].transAxes)
    return figure
