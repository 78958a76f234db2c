"""P2: at equal progress on a top direction, the student is behind on a lower one

Training on noisy handwritten digits (4000 images, 600 where there is a Gram matrix or a network) as a curve
in the plane of two eigendirections, teacher and student, five seeds (the split, the noise, the draw of
features or weights). Directions are those of the pixels, of the kernel, or of the random features; 30 % of
the labels are a digit that is easily confused with the true one. Linear regression, kernel regression (neural
tangent kernel) and random features have squared loss; there theory is exact, and the loops lie on it. Softmax
regression on the pixels and a ReLU network with one hidden layer do not: progress is then along the
coordinates at which the teacher stopped, for the network those of its first-layer weights since the start,
which teacher and student share. The number is ρ, the student's progress along the lower direction over the
teacher's, when both have made half of the way along the top one, the dotted line. Last panel: with whitened
pixels nothing is left of it.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._kept import kept
from experiments.report._verdicts import Finding

CLAIMED = (
    "Distillation exaggerates the implicit bias of gradient descent in converging faster along the top"
    " eigendirections: in linear regression, random features, a network on noisy MNIST (sizes unknown), and a"
    " convolutional network on CIFAR, which is not reproduced here."
)
LEVEL, TOP, LOW = 0.5, 0, 9


@kd.record
class Seen:
    """Curves of one seed in the plane of two directions, and what they say."""

    teacher: np.ndarray  # (T, 2) progress along the top and the lower direction
    student: np.ndarray  # (T, 2)
    ratio: float  # ρ
    disagreement: float  # of the loop with theory, NaN where there is none


def compute(*, seeds=_study.SEEDS, rows=4000, few=600, longest=600, width=32, titles=None):
    sizes = {title: dict(rows=rows if title in ON_PIXELS else few, longest=longest, width=width) for title in MODELS}
    return {title: [kept(one, title=title, seed=seed, **sizes[title]) for seed in seeds] for title in titles or MODELS}


def one(title, seed, rows, longest, width) -> Seen:
    split = _study.data("mnist", rows, 0.3, seed, tested=1)
    pixels = split.train - split.train.mean(axis=0)
    return MODELS[title](pixels, split.noisy, seed, longest, width)


def _squared(problem, longest):
    step_size = 0.1 / float(problem.max_eigenvalue())
    steps = np.unique(np.geomspace(1, longest, 100).astype(int))
    learner = kd.GradientDescent(step_size, steps)
    distilled, eigensystem = (
        kd.distill(kd.GradientDescent(step_size, longest // 20), learner),
        problem.eigensystem(),
    )
    runs = [kd.simulate(each, problem, eigensystem) for each in (learner, distilled)]
    theory = [kd.closed_form(each, eigensystem) for each in (learner, distilled)]
    gap = max(float(jnp.max(jnp.abs(a.coordinates - b.coordinates))) for a, b in zip(runs, theory, strict=True))
    return _seen(*runs, gap)


def _seen(teacher, student, disagreement=np.nan):
    lag = _study.lag(teacher, student, LEVEL, TOP)[LOW]
    return Seen(*(np.asarray(run.progress)[:, [TOP, LOW]] for run in (teacher, student)), 1 - lag, disagreement)


def _targets(labels):
    targets = kd.datasets.one_hot(labels, np.arange(10))
    return targets - targets.mean(axis=0)


def linear(pixels, labels, seed, longest, width):
    return _squared(kd.problems.linear(pixels, _targets(labels)), longest)


def kernel(pixels, labels, seed, longest, width):
    gram, _ = _study.grams("neural tangent", pixels, pixels[:1], intercept=0.0)
    return _squared(kd.problems.kernel(gram, _targets(labels)), longest)


def random_features(pixels, labels, seed, longest, width):
    features = kd.kernels.random_relu(seed, 16 * width, pixels.shape[1])(jnp.asarray(pixels))
    return _squared(kd.problems.linear(features - features.mean(axis=0), _targets(labels)), longest)


def whitened(pixels, labels, seed, longest, width):
    features, _ = _study.whitened(pixels, pixels[:1])
    problem = kd.problems.linear(features, _targets(labels))
    return _squared(problem, longest)


def softmax(pixels, labels, seed, longest, width):
    problem = kd.problems.softmax(pixels, labels, classes=np.arange(10))
    eigensystem = problem.eigensystem()
    step_size = 2.0 / float(eigensystem.eigenvalues[0])  # half of the longest stable one
    learner = kd.GradientDescent(step_size, np.unique(np.geomspace(1, longest, 100).astype(int)))
    teacher = kd.GradientDescent(step_size, longest // 2)
    runs = [
        kd.simulate(each, problem, eigensystem) for each in (learner, kd.distill(teacher, learner, temperature=4.0))
    ]
    target = kd.simulate(teacher, problem, eigensystem).coordinates
    return _seen(*(run.towards(target) for run in runs))


# A network in plain JAX.


def network(pixels, labels, seed, longest, width):
    """First-layer weights since the start, on the eigendirections of the pixels."""
    eigensystem = kd.problems.linear(pixels, np.zeros((len(pixels), width))).eigensystem()
    keys = jax.random.split(jax.random.key(seed))
    start = [
        jnp.sqrt(2 / pixels.shape[1]) * jax.random.normal(keys[0], (pixels.shape[1], width)),
        jnp.sqrt(1 / width) * jax.random.normal(keys[1], (width, 10)),
    ]
    scaled = jnp.asarray(pixels / np.sqrt(np.mean(pixels**2)))
    hard = jnp.asarray(kd.datasets.one_hot(labels, np.arange(10)))
    steps = min(longest, 400)
    teacher = train(start, scaled, hard, 1.0, steps)
    soft = jax.nn.softmax(logits([layer[-1] for layer in teacher], scaled) / 4.0)
    student = train(start, scaled, soft, 4.0, steps)
    runs = []
    for layers in teacher, student:
        moved = eigensystem.of_parameters(layers[0] - start[0])
        clock = jnp.arange(1.0, steps + 1)
        runs.append(kd.Trajectory(eigensystem.eigenvalues, moved, moved[-1], clock, eigensystem.spaces))
    return _seen(*(run.towards(runs[0].target) for run in runs))


def logits(layers, x):
    return jax.nn.relu(x @ layers[0]) @ layers[1]


@partial(jax.jit, static_argnames="steps")
def train(start, x, targets, temperature, steps, step_size=0.02, momentum=0.9):
    """The layers after each full-batch step, momentum from rest, on τ² · cross-entropy to `targets` at τ."""

    def loss(layers):
        logs = jax.nn.log_softmax(logits(layers, x) / temperature)
        return -(temperature**2) * jnp.mean(jnp.sum(targets * logs, axis=1))

    def step(state, _):
        layers, speed = state
        speed = [momentum * v - step_size * g for v, g in zip(speed, jax.grad(loss)(layers), strict=True)]
        layers = [w + v for w, v in zip(layers, speed, strict=True)]
        return (layers, speed), layers

    return lax.scan(step, (start, [jnp.zeros_like(w) for w in start]), length=steps)[1]


MODELS = {
    "linear regression": linear,
    "kernel regression": kernel,
    "random features": random_features,
    "softmax regression": softmax,
    "network": network,
    "control: whitened pixels": whitened,
}
ON_PIXELS = ("linear regression", "softmax regression", "control: whitened pixels")  # cheap: on all rows


def findings(result):
    for title, seeds in result.items():
        ratio = np.array([seen.ratio for seen in seeds])
        if title.startswith("control"):
            yield Finding(f"ρ, {title}", ratio, "equal", 1.0, tolerance=1e-6)
        else:
            yield Finding(f"ρ, {title}", ratio, "below", 1.0)


def draw(result):
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    for ax, (title, seeds) in zip(figure.subplots(2, 3).flat, result.items(), strict=False):
        for seen in seeds:
            for curve, color, label in (
                (seen.teacher, kd.plots.BLUE, "teacher"),
                (seen.student, kd.plots.VERMILLION, "student"),
            ):
                ax.plot(*curve.T, color=color, linewidth=1, label=label if seen is seeds[0] else None)
        mean, low, high = kd.confidence.mean_interval([seen.ratio for seen in seeds])
        gap = max(seen.disagreement for seen in seeds)
        note = f"ρ = {mean:.2f} [{low:.2f}, {high:.2f}]" + ("" if np.isnan(gap) else f"\n{kd.plots.loop(gap)}")
        ax.text(0.97, 0.03, note, transform=ax.transAxes, ha="right", va="bottom", fontsize=8)
        ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        ax.axvline(LEVEL, color="0.6", linewidth=0.8, linestyle=":")
        ax.set(
            xlabel=f"progress along direction {TOP}",
            ylabel=f"progress along direction {LOW}",
            xlim=(0, 1.05),
            ylim=(-0.2, 1.1),
        )
        ax.set_title(title[0].upper() + title[1:], loc="left")
    figure.axes[0].legend(loc="upper left")
    return figure
