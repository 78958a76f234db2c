"""P2: at equal progress on a top direction, the student is behind on a lower one

Training on noisy handwritten digits (2000 images, 500 where there is a Gram matrix or a network) as a curve in
the plane of two eigendirections, teacher and student, five seeds (the split, the noise, the draw of features or
weights). Directions are those of the pixels, of the kernel, of the random features, or of patches of 5 × 5
pixels; 30 % of the labels are a digit that is easily confused with the true one. Linear regression, kernel
regression (neural tangent kernel) and random features have squared loss; there theory is exact, and the loops lie
on it. Softmax regression on the pixels, a ReLU network with one hidden layer, and one with two convolutions (8
filters of 5 × 5, 16 of 3 × 3, both of stride two, then a linear layer) do not: progress is then along the
coordinates at which the teacher stopped, for networks those of their first-layer weights since the start, which
teacher and student share (300 full-batch steps, so small that momentum hardly overshoots). The number is ρ, the
student's progress along the lower direction over the teacher's, when both have made half of the way along the top
one, the dotted line. With whitened pixels nothing is left of it. Last panel: test accuracy of both networks,
on which P6 has the numbers.
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
    " eigendirections: in linear regression, random features, a network on noisy MNIST, and a convolutional network on"
    " CIFAR (sizes unknown)."
)
WHY = "CIFAR is not here: the convolutional network sees digits."
LEVEL, TOP, LOW = 0.5, 0, 9
SHARES = (0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 0.8, 1.0)
QUARTER, WHOLE = SHARES.index(0.25), SHARES.index(1.0)


@kd.record
class Seen:
    """Curves of one seed in the plane of two directions, and what they say."""

    teacher: np.ndarray  # (T, 2) progress along the top and the lower direction
    student: np.ndarray  # (T, 2)
    ratio: float  # ρ
    disagreement: float  # of the loop with theory, NaN where there is none
    accuracy: np.ndarray  # (2, M) of a network on test rows, teacher and student, by SHARES of the steps; else NaN


def compute(*, seeds=_study.SEEDS, rows=2000, few=500, longest=600, width=32, titles=None):
    sizes = {title: dict(rows=rows if title in ON_PIXELS else few, longest=longest, width=width) for title in MODELS}
    return {title: [kept(one, title=title, seed=seed, **sizes[title]) for seed in seeds] for title in titles or MODELS}


def one(title, seed, rows, longest, width) -> Seen:
    split = _study.data("mnist", rows, 0.3, seed, tested=2000)
    centre = split.train.mean(axis=0)
    if title in NETWORKS:
        return network(
            title, split.train - centre, split.noisy, split.test - centre, split.labels, seed, longest, width
        )
    return MODELS[title](split.train - centre, split.noisy, seed, longest, width)


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


def _seen(teacher, student, disagreement=np.nan, accuracy=None):
    lag = _study.lag(teacher, student, LEVEL, TOP)[LOW]
    curves = (np.asarray(run.progress)[:, [TOP, LOW]] for run in (teacher, student))
    return Seen(*curves, 1 - lag, disagreement, np.full((2, len(SHARES)), np.nan) if accuracy is None else accuracy)


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


# Networks in plain JAX.


def network(title, pixels, labels, test, truth, seed, longest, width):
    """First-layer weights since the start, on the eigendirections of what the first layer sees; and test accuracy."""
    scale = np.sqrt(np.mean(pixels**2))
    seen, logits, shapes = NETWORKS[title]
    x, new = (jnp.asarray(seen(rows / scale), jnp.float32) for rows in (pixels, test))
    inputs = np.asarray(x, float).reshape(-1, x.shape[-1])
    sizes = shapes(width)
    eigensystem = kd.problems.linear(inputs, np.zeros((len(inputs), sizes[0][1]))).eigensystem()
    keys = jax.random.split(jax.random.key(seed), len(sizes))
    last = len(sizes) - 1
    start = [
        np.sqrt((1 if layer == last else 2) / size[0]).astype(np.float32)
        * jax.random.normal(key, size, dtype=jnp.float32)
        for layer, (key, size) in enumerate(zip(keys, sizes, strict=True))
    ]
    hard = jnp.asarray(kd.datasets.one_hot(labels, np.arange(10)), jnp.float32)
    steps = min(longest, 300)
    teacher = train(start, x, hard, jnp.float32(1.0), steps, logits)
    soft = jax.nn.softmax(logits([layer[-1] for layer in teacher], x) / 4)
    student = train(start, x, soft, jnp.float32(4.0), steps, logits)
    at = [max(int(share * steps) - 1, 0) for share in SHARES]
    runs, accuracy = [], []
    for layers in teacher, student:
        moved = eigensystem.of_parameters(np.asarray(layers[0] - start[0], float))
        runs.append(
            kd.Trajectory(eigensystem.eigenvalues, moved, moved[-1], jnp.arange(1.0, steps + 1), eigensystem.spaces)
        )
        told = [np.asarray(logits([layer[moment] for layer in layers], new), float) for moment in at]
        accuracy.append([kd.confidence.accuracy(each, truth) for each in told])
    return _seen(*(run.towards(runs[0].target) for run in runs), accuracy=np.array(accuracy))


def patches(images, size=5, stride=2):
    """(N, 784) to (N, 12, 12, 25): what filters of a convolution see."""
    windows = np.lib.stride_tricks.sliding_window_view(images.reshape(-1, 28, 28), (size, size), axis=(1, 2))
    return windows[:, ::stride, ::stride].reshape(len(images), 12, 12, size**2)


def dense(layers, x):
    return jax.nn.relu(x @ layers[0]) @ layers[1]


def convolutions(layers, x):
    """Of patches (N, 12, 12, 25); the second sees 3 × 3 places of the first, at stride two."""
    first = jax.nn.relu(x @ layers[0])
    seen = [first[:, i : i + 10 : 2, j : j + 10 : 2] for i in range(3) for j in range(3)]
    second = jax.nn.relu(jnp.concatenate(seen, axis=-1) @ layers[1])
    return second.reshape(len(x), -1) @ layers[2]


@partial(jax.jit, static_argnames=("steps", "logits"))
def train(start, x, targets, temperature, steps, logits, step_size=0.002, momentum=0.9):
    """The layers after each full-batch step, momentum from rest, on τ² · cross-entropy to `targets` at τ."""

    def loss(layers):
        logs = jax.nn.log_softmax(logits(layers, x) / temperature)
        return -(temperature**2) * jnp.mean(jnp.sum(targets * logs, axis=1))

    def step(state, _):
        layers, speed = state
        gradient = jax.grad(loss)(layers)
        speed = [(momentum * v - step_size * g).astype(v.dtype) for v, g in zip(speed, gradient, strict=True)]
        layers = [w + v for w, v in zip(layers, speed, strict=True)]
        return (layers, speed), layers

    return lax.scan(step, (start, [jnp.zeros_like(w) for w in start]), length=steps)[1]


NETWORKS = {  # what the first layer sees, the logits, and the shapes of the layers
    "network": (lambda images: images, dense, lambda width: ((784, width), (width, 10))),
    "convolutional network": (
        patches,
        convolutions,
        lambda width: ((25, width // 4), (9 * (width // 4), width // 2), (25 * (width // 2), 10)),
    ),
}
MODELS = {
    "linear regression": linear,
    "kernel regression": kernel,
    "random features": random_features,
    "softmax regression": softmax,
    "network": network,
    "convolutional network": network,
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


def gains(result):
    """What the students of networks gain in test accuracy, for P6."""
    for title, seeds in result.items():
        teacher, student = 100 * np.array([seen.accuracy for seen in seeds]).transpose(1, 0, 2)  # (S, M) each
        best = teacher[:, np.argmax(teacher.mean(axis=0))]
        for at, words in (QUARTER, "after a quarter of its teacher's steps"), (WHOLE, "after as many steps"):
            gain = f"{title}, 30% wrong labels: gain {words}, in points, over"
            yield Finding(f"{gain} its teacher", student[:, at] - teacher[:, WHOLE], "above")
            yield Finding(f"{gain} the best stop in hindsight", student[:, at] - best, "above")


def abstract(found):
    ratios = {
        finding.what: finding for finding in found if finding.what.startswith("ρ") and "control" not in finding.what
    }
    words = ", ".join(f"{what.removeprefix('ρ, ')} {finding.interval[0]:.2f}" for what, finding in ratios.items())
    behind = sum(finding.verdict == "shown" for finding in ratios.values())
    count = f"{behind} of {len(ratios)} models"
    return f"(b) matched half way on the top direction, the student is behind in {count}; ρ: {words}."


def draw(result):
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    axes = figure.subplots(2, 4)
    for ax, (title, seeds) in zip(axes.flat, result.items(), strict=False):
        for seen in seeds:
            for curve, color, label in (
                (seen.teacher, kd.plots.BLUE, "teacher"),
                (seen.student, kd.plots.VERMILLION, "student"),
            ):
                ax.plot(*curve.T, color=color, linewidth=1, label=label if seen is seeds[0] else None)
        mean, low, high = kd.confidence.mean_interval([seen.ratio for seen in seeds])
        gap = max(seen.disagreement for seen in seeds)
        note = f"ρ = {mean:.2f} [{low:.2f}, {high:.2f}]" + ("" if np.isnan(gap) else f"\n{kd.plots.loop(gap)}")
        ax.text(0.97, 0.03, note, transform=ax.transAxes, ha="right", va="bottom", fontsize=7)
        ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        ax.axvline(LEVEL, color="0.6", linewidth=0.8, linestyle=":")
        ax.set(
            xlabel=f"progress along direction {TOP}",
            ylabel=f"progress along direction {LOW}",
            xlim=(0, 1.05),
            ylim=(-0.2, 1.1),
        )
        ax.set_title(title[0].upper() + title[1:], loc="left", fontsize=9)
    axes[0, 0].legend(loc="upper left")
    last = axes[-1, -1]
    for title, style in zip(NETWORKS, ("--", "-"), strict=True):
        if title not in result:
            continue
        accuracy = np.array([seen.accuracy for seen in result[title]])
        for who, color in enumerate((kd.plots.BLUE, kd.plots.VERMILLION)):
            mean, low, high = kd.confidence.mean_interval(accuracy[:, who])
            last.plot(SHARES, mean, color=color, linestyle=style, label=None if who else title)
            last.fill_between(SHARES, low, high, color=color, alpha=0.15, linewidth=0)
    last.legend(loc="lower right", fontsize=7)
    last.set(xlabel="share of the steps", ylabel="test accuracy", xlim=(0, 1))
    last.set_title("Accuracy of both networks", loc="left", fontsize=9)
    return figure
