"""A strong student of a weak teacher, and how good it can be

(a) Handwritten digits below five or not, the same images for both: loss of students over that of their teachers, which
are least squares on few random ReLU features, without noise; students have many features and stop where they are best.
Filled points are runs of gradient flow, crosses what filters and the overlap of the two sets of features say. No
student with a filter in [0, 1], of whatever features, is below the solid line, no chain of two below the dashed one
(own, proved); both are reached by students of one feature each, and with generic features a student is only a little
better than its teacher. (b) New inputs, Gaussian, random ReLU features less their means, and a linear truth: expected
error of weak teacher, strong student and the same student on true labels, as the student has more inputs. Points are
runs with two standard errors, lines `kd.generations.risk` of linear features with the second moments of the ReLUs. With
all the inputs one may want no student of these teachers, with a filter in [0, 1], is below the dotted line; on few
inputs the labels of a weak teacher are better than true ones with noise. (c) Digits, test images: the share misread by
a teacher of few random ReLU features, that saw 300 labelled images, with one label in five drawn at random; by a
student of 1000 features, that saw 2000 others with its teacher's labels; and by the student on true labels of these.
Means over seeds, two standard errors; numbers are the share of the gap that the student recovers, and colours those of
(b).
"""

from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd


class Losses(NamedTuple):
    teacher: np.ndarray  # (W,)
    seen: np.ndarray  # (W,) of the best student
    expected: np.ndarray  # (W,)


class Fresh(NamedTuple):
    samples: np.ndarray  # (N,) of the lines
    expected: np.ndarray  # (3, N) teacher, student, ceiling
    marks: np.ndarray  # (M,)
    seen: np.ndarray  # (3, M)
    error: np.ndarray  # (3, M)
    limit: float  # the least that any student of these teachers can have, however many its inputs


class Misread(NamedTuple):
    widths: tuple
    share: np.ndarray  # (W, seeds, 3) teacher, student, ceiling


class Study(NamedTuple):
    losses: Losses
    fresh: Fresh
    misread: Misread


def relu(seed, width, images):
    return np.asarray(kd.kernels.random_relu(jax.random.key(seed), width, images.shape[1])(images))


def pictures():
    images, labels = kd.datasets.mnist()
    order = np.random.default_rng(0).permutation(len(images))
    images = images[order] - images.mean(axis=0)
    return images / np.linalg.norm(images, axis=1).mean(), labels[order]


def limited(images, labels, samples, widths, strong, times):
    truth = np.where(labels[:samples] < 5, 1.0, -1.0)
    student_problem = kd.problems.linear(relu(1, strong, images[:samples]), truth)
    path = kd.GradientFlow(times / float(student_problem.max_eigenvalue()))
    system, found = student_problem.eigensystem(), []
    for place, width in enumerate(widths):
        problem = kd.problems.linear(relu(100 + place, width, images[:samples]), truth)
        teacher = kd.Ridge(0.0)
        made = kd.transfer(teacher, path, problem, student_problem)
        errors = made.errors()
        basis, filters = np.asarray(system.samples_basis), np.asarray(path.filter(system.eigenvalues))
        taught = np.asarray(problem.eigensystem().samples_basis)
        expected = (filters * (basis.T @ (taught @ (taught.T @ truth)))) @ basis.T
        found.append([errors.teacher, np.min(errors.student), np.min(np.mean((expected - truth) ** 2, axis=1))])
    return Losses(*np.array(found, float).T)


def on_fresh_inputs(samples, marks, draws, inputs=20, widths=(30, 300), labelled=200, noise=1.0):
    """Inputs z of standard normal numbers, ReLUs of w·z less their means, and the truth β·z."""
    random, Stage, learner = np.random.default_rng(0), kd.generations.Stage, kd.Ridge(1e-3)
    root = np.sqrt(np.asarray(kd.spectra.power_law(inputs, 0.5)))
    root = root / np.linalg.norm(root)
    w, β = random.standard_normal((sum(widths), inputs)) * root, random.standard_normal(inputs) * root
    β, scale = β / np.linalg.norm(β), np.repeat(np.sqrt(2.0 / np.array(widths)), widths)
    mean = np.linalg.norm(w, axis=1) / np.sqrt(2 * np.pi)
    features = lambda z: scale * (np.maximum(z @ w.T, 0.0) - mean)
    # second moments: of relu(w·z) and relu(v·z) half the arc-cosine kernel, of relu(w·z) and β·z half of w·β
    within = np.outer(scale, scale) * (np.asarray(kd.kernels.arc_cosine(w)) / 2 - np.outer(mean, mean))
    across = scale * (w @ β) / 2
    joint = np.block([[within, across[:, None]], [across, 1.0]])
    values, vectors = np.linalg.eigh(joint)
    linear = vectors * np.sqrt(np.maximum(values, 0.0))  # of as many normal numbers, with these second moments
    few, many = slice(0, widths[0]), slice(widths[0], sum(widths))
    teacher, given = Stage(learner, labelled, noise, linear[few]), (np.ones(len(linear)), linear[-1])
    theory = []
    for N in samples:
        student, alone = (Stage(learner, N, σ, linear[many]) for σ in (0.0, noise))
        theory.append([*kd.generations.risk([teacher, student], *given), *kd.generations.risk([alone], *given)])

    fitted = lambda rows, labels: np.asarray(learner.fit(kd.problems.linear(rows, labels)))

    def error(parameters, which):
        off = np.append(np.zeros(sum(widths)), -1.0)
        off[which] = parameters
        return off @ joint @ off

    seen, least = np.empty((draws, 3, len(marks))), []
    for draw in range(draws):
        z = random.standard_normal((labelled, inputs))
        weak = fitted(features(z)[:, few], z @ β + noise * random.standard_normal(labelled))
        square, along = weak @ within[few, few] @ weak, weak @ across[few]
        least.append((np.sqrt(1.0 - along + square / 4) - np.sqrt(square) / 2) ** 2)
        for place, N in enumerate(marks):
            z = random.standard_normal((N, inputs))
            rows = features(z)
            strong = fitted(rows[:, many], rows[:, few] @ weak)
            alone = fitted(rows[:, many], z @ β + noise * random.standard_normal(N))
            seen[draw, :, place] = error(weak, few), error(strong, many), error(alone, many)
    mean, spread = seen.mean(axis=0), seen.std(axis=0, ddof=1) / np.sqrt(draws)
    return Fresh(np.array(samples), np.array(theory).T, np.array(marks), mean, spread, np.mean(least))


def misread(images, labels, widths, strong, seeds, sizes):
    labelled, unlabelled = sizes[:2]
    share = np.empty((len(widths), seeds, 3))
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        order = random.permutation(len(images))
        a, b, c = np.split(order[: sum(sizes)], [labelled, labelled + unlabelled])
        given = np.where(random.random(labelled) < 0.2, random.integers(10, size=labelled), labels[a])
        wide = relu(seed, strong, images)
        for place, width in enumerate(widths):
            thin = relu(1000 * (place + 1) + seed, width, images)
            teacher = kd.Ridge(1e-4).fit(kd.problems.linear(thin[a], kd.datasets.one_hot(given, classes=np.arange(10))))
            soft = thin @ np.asarray(teacher)
            student, ceiling = (
                wide[c] @ np.asarray(kd.Ridge(1e-4).fit(kd.problems.linear(wide[b], targets)))
                for targets in (soft[b], kd.datasets.one_hot(labels[b], classes=np.arange(10)))
            )
            for k, scores in enumerate((soft[c], student, ceiling)):
                share[place, seed, k] = np.mean(np.argmax(scores, axis=1) != labels[c])
    return Misread(tuple(widths), share)


def compute(
    *,
    samples=250,
    thin=(5, 10, 20, 40, 80, 160),
    strong=1000,
    moments=24,
    lines=12,
    marks=(100, 250, 1000),
    draws=40,
    widths=(20, 40, 80, 160),
    seeds=3,
    sizes=(300, 2000, 1500),
):
    images, labels = pictures()
    return Study(
        limited(images, labels, samples, thin, strong, np.geomspace(1.0, 1e6, moments)),
        on_fresh_inputs(np.geomspace(60, 2000, lines).astype(int), marks, draws),
        misread(images, labels, widths, strong, seeds, sizes),
    )


def draw(result):
    figure = Figure(figsize=(11, 3.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    losses, fresh, color = result.losses, result.fresh, kd.plots.COLOURS
    L = np.geomspace(min(0.05, 0.8 * losses.teacher.min()), 1, 200)
    left.plot(L, L, color="0.7", linewidth=1, label="no gain")
    left.plot(L, kd.measures.transfer.weak_to_strong_limit(L), color="black", label="limit of one student")
    left.plot(L, kd.measures.transfer.weak_to_strong_limit(L, 2), "--", color="black", label="limit of a chain of two")
    left.plot(losses.teacher, losses.seen, "o", color=color[1], label="students, run")
    left.plot(losses.teacher, losses.expected, "x", color="black", markersize=5, label="theory")
    left.set(xscale="log", yscale="log", xlabel="loss of the teacher", ylabel="loss of the student")
    left.set_title("a  Limit, and random ReLU features", loc="left")
    left.legend()
    for k, name in enumerate(("weak teacher", "strong student", "on true labels")):
        middle.plot(fresh.samples, fresh.expected[k], color=color[k], label=name)
        middle.errorbar(fresh.marks, fresh.seen[k], 2 * fresh.error[k], fmt="o", color=color[k], markersize=4)
    middle.axhline(fresh.limit, linestyle=":", color="black", label="limit of all students")
    middle.set(xscale="log", yscale="log", xlabel="inputs of the student", ylabel="error on new inputs")
    for axis, ticks in ((middle.xaxis, (100, 300, 1000)), (middle.yaxis, (0.05, 0.1, 0.2, 0.5))):
        axis.set_ticks(ticks, ticks)
    middle.minorticks_off()
    middle.set_title("b  Fresh inputs, 30 and 300 ReLU features", loc="left")
    middle.legend()
    share = result.misread.share
    mean, seeds = share.mean(axis=1), share.shape[1]
    spread = share.std(axis=1) / np.sqrt(max(seeds - 1, 1))
    for k in range(3):
        right.errorbar(result.misread.widths, mean[:, k], 2 * spread[:, k], fmt="o-", color=color[k], markersize=4)
    for width, (teacher, student, ceiling), below in zip(result.misread.widths, mean, 2 * spread[:, 1], strict=True):
        gained, under = (teacher - student) / (teacher - ceiling), dict(xytext=(0, -11), textcoords="offset points")
        right.annotate(f"{gained:.0%}", (width, student - below), **under, ha="center", fontsize=8)
    right.set(xscale="log", xlabel="random ReLU features of the teacher", ylabel="share of test images misread")
    right.set_xticks(result.misread.widths, result.misread.widths)
    right.minorticks_off()
    right.set(xlim=(0.85 * min(result.misread.widths), 1.35 * max(result.misread.widths)), ylim=(0, None))
    right.set_title("c  Handwritten digits", loc="left")
    return figure
