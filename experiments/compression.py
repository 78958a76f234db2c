"""Why soft labels help a small student

A large teacher is trained on noisy labels, and labels new inputs for a student of few features, which is compared with
the same student on noisy labels of its own, of as many inputs. What the few features do not show is noise to a student
either way; of the labels' own noise its teacher has got rid. (a) Gaussian inputs and random linear features: expected
error on new ones against the student's features, of which the teacher has 300; lines are `kd.generations.risk`, points
runs with two standard errors. (b) Handwritten digits, random ReLU features, of which the teacher has 1000 and 2500
images, and the student 500 others; one label in three is drawn at random; the penalty is 1e-4 throughout, near the best
for noisy labels (with ten times as much the student's own labels are as good as its teacher's and, with many features,
better). The share of test images misread, means over seeds with two standard errors.
"""

from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd

NAMES = "large teacher", "small student, of its teacher", "small student, of true labels with noise"


class Study(NamedTuple):
    features: np.ndarray  # (F,) of the lines
    expected: np.ndarray  # (3, F) teacher, student, and student on labels of its own
    marks: np.ndarray  # (M,)
    seen: np.ndarray  # (3, M)
    error: np.ndarray  # (3, M)
    widths: np.ndarray  # (W,)
    misread: np.ndarray  # (3, seeds, W)


def chains(features, marks, draws):
    random, Stage, D = np.random.default_rng(0), kd.generations.Stage, 120
    s, signal = 2.0 * np.asarray(kd.spectra.power_law(D, 0.5)), 0.15 * np.ones(D)
    large, small = (random.standard_normal((count, D)) / np.sqrt(D) for count in (300, max(features)))
    teacher = Stage(kd.Ridge(0.2), 600, 0.8, large)

    def given(count):
        student, alone = (Stage(kd.Ridge(0.05), 120, noise, small[:count]) for noise in (0.0, 0.8))
        return [teacher, student], [alone]

    theory = [
        np.concatenate([np.asarray(kd.generations.risk(each, s, signal)) for each in given(count)])
        for count in features
    ]
    runs = [
        np.concatenate([np.array(kd.generations.simulate(0, each, s, signal, draws=draws)) for each in given(count)], 1)
        for count in marks
    ]
    mean, error = np.array(runs).transpose(1, 2, 0)
    return np.array(theory).T, mean, error


def misread(widths, large, sizes, seeds):
    pixels, labels = kd.datasets.mnist()
    pixels = (pixels - pixels.mean(axis=0)) / np.sqrt(pixels.shape[1])
    share = np.empty((3, seeds, len(widths)))
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        a, b, c = np.split(random.permutation(len(pixels))[: sum(sizes)], np.cumsum(sizes)[:2])
        wrong = np.where(random.random(len(labels)) < 1 / 3, random.integers(10, size=len(labels)), labels)
        noisy = kd.datasets.one_hot(wrong, classes=np.arange(10))
        rows = lambda count: np.asarray(
            kd.kernels.random_relu(jax.random.key(100 * seed + count), count, pixels.shape[1])(pixels)  # noqa: B023
        )
        fitted = lambda x, targets, rows: x @ np.asarray(kd.Ridge(1e-4).fit(kd.problems.linear(x[rows], targets[rows])))
        soft = fitted(rows(large), noisy, a)
        for place, width in enumerate(widths):
            thin = rows(width)
            for k, scores in enumerate((soft, fitted(thin, soft, b), fitted(thin, noisy, b))):
                share[k, seed, place] = np.mean(np.argmax(scores[c], axis=1) != labels[c])
    return share


def compute(
    *,
    lines=12,
    marks=(10, 30, 80),
    draws=40,
    widths=(20, 50, 150, 400),
    large=1000,
    sizes=(2500, 500, 1500),
    seeds=3,
):
    features = np.union1d(np.geomspace(5, 100, lines).astype(int), marks)  # lines pass where the points are
    expected, mean, error = chains(features, marks, draws)
    return Study(
        features, expected, np.array(marks), mean, error, np.array(widths), misread(widths, large, sizes, seeds)
    )


def draw(result):
    figure = Figure(figsize=(8.6, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    spread = result.misread.std(axis=1) / np.sqrt(max(result.misread.shape[1] - 1, 1))
    for k, (name, color) in enumerate(zip(NAMES, kd.plots.COLOURS, strict=False)):
        left.plot(result.features, result.expected[k], color=color, label=name)
        left.errorbar(result.marks, result.seen[k], 2 * result.error[k], fmt="o", color=color, markersize=4)
        mean = result.misread[k].mean(axis=0)
        right.errorbar(result.widths, mean, 2 * spread[k], fmt="o-", color=color, markersize=4)
    left.set(xscale="log", xlabel="features of the student", ylabel="error on new inputs", ylim=(0, None))
    right.set(xscale="log", xlabel="features of the student", ylabel="share of test images misread", ylim=(0, None))
    right.set_xticks(result.widths, result.widths)
    right.minorticks_off()
    left.set_title("a  Random linear features", loc="left")
    right.set_title("b  Handwritten digits", loc="left")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
