"""When exaggerated bias survives other features

A student is matched with a run of its teacher on one direction; is it behind on a smaller one, as with one set of
features, or ahead? In the mean over the signs of the labels. (a) Two directions, eigenvalues 1 and 0.1, the student's
turned by an angle, flow of one time for both: below one it is behind. Lines are theory, points are runs on data; for
each time there is one critical angle, and better-trained pairs tolerate less. (b) Random ReLU features of handwritten
digits, teacher and student with as many each, drawn apart: of the teacher's neighbouring directions, the share on which
the student is behind one that stopped at the time 1/λ of the tenth direction, line and points, and that on which it is
behind whenever the teacher stops, or never, dashed and dotted. (c) Why: what the student learns along each direction of
its teacher, φ̄ (lines; points are runs). With the same features it would fall as the grey line does; where networks are
narrow it is less, and rises from one direction to the next nearly as often as it falls, except along the first few,
which all of them share.
"""

from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments._runs import digits

TIMES, RATIO = (0.1, 1.0, 3.0, 10.0), 0.1


class Turned(NamedTuple):
    angles: np.ndarray  # (A,) of the lines
    marks: np.ndarray  # (M,)
    expected: np.ndarray  # (S, A) progress on the smaller direction over that of the matched run
    seen: np.ndarray  # (S, M)


class Widths(NamedTuple):
    widths: tuple
    always: np.ndarray  # (W,) shares of pairs on which the student is behind every teacher
    never: np.ndarray  # (W,)
    expected: np.ndarray  # (W,) behind the one that was run
    seen: np.ndarray  # (W, seeds)
    means: list  # of each width and the first seed: φ̄ of theory, of runs, and of one set of features, (directions,)


class Study(NamedTuple):
    turned: Turned
    widths: Widths
    disagreement: float  # of φ̄, runs against theory


def ends(teacher, student, weak, strong, directions):
    """Predictions of a student of each of its teacher's directions along it, in one fit with a column for each: what
    it ends at in the mean over the signs of all other labels."""
    labels = np.asarray(weak.eigensystem().samples_basis)[:, :directions]
    own, other = weak.relabel(labels), strong.relabel(labels)
    taught = own.predict(teacher.fit(own))
    return np.sum(labels * np.asarray(other.predict(student.fit(other.taught(taught)))), axis=0)


def matched(g, λ):
    """What the run of a flow that has as much of the first direction as g₁ has of the second."""
    return -np.expm1(λ[1] / λ[0] * np.log1p(-g[0]))


def turned(count, marks):
    angles, at = np.linspace(0, np.pi / 2, count), np.linspace(0, np.pi / 2, marks)
    λ, expected, seen = np.array([1.0, RATIO]), [], []
    axes = lambda a: np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 2)))[0]
    made = lambda a: kd.problems.linear(np.sqrt(6) * basis @ axes(a).T * np.sqrt(λ), basis[:, 0])
    for time in TIMES:
        flow = kd.GradientFlow(time)
        h = np.asarray(flow.filter(λ))
        theory = [kd.measures.transfer.mean_filter(flow, λ, axes(a)).mean * h for a in angles]
        expected.append([g[1] / matched(g, λ) for g in theory])
        runs = [ends(flow, flow, made(0.0), made(a), 2) for a in at]
        seen.append([g[1] / matched(g, λ) for g in runs])
    return Turned(angles, at, np.array(expected), np.array(seen))


def in_width(images, width, seed, directions, tenth):
    """Regimes of neighbouring pairs: always, never, behind in theory, behind when run; and φ̄ along the directions."""
    keys = jax.random.split(jax.random.key(seed))
    features = [np.asarray(kd.kernels.random_relu(key, width, images.shape[1])(images)) for key in keys]
    weak, strong = (kd.problems.linear(each - each.mean(axis=0), images[:, 0]) for each in features)
    first, second = weak.eigensystem(), strong.eigensystem()
    λ, μ = (np.asarray(system.eigenvalues) for system in (first, second))
    teacher, student = kd.GradientFlow(1 / λ[tenth]), kd.GradientFlow(1 / μ[tenth])
    found = kd.measures.transfer.mean_filter(student, μ, kd.measures.transfer.overlap(second, first))
    h, g = np.asarray(teacher.filter(λ))[:directions], ends(teacher, student, weak, strong, directions)
    regimes = []
    for j in range(directions - 1):
        pair = slice(j, j + 2)
        time = kd.measures.transfer.switching_time(
            teacher, λ[pair], kd.measures.transfer.MeanFilter(*(each[pair] for each in found))
        )[1]
        expected = found.mean[pair] * h[pair]
        behind = [each[1] < matched(each, λ[pair]) for each in (expected, g[pair])]
        regimes.append([time == np.inf, time == 0, *behind])
    alone = np.asarray(student.filter(μ))[:directions]
    return np.mean(regimes, axis=0), (found.mean[:directions], g / h, alone)


def compute(*, samples=200, widths=(30, 60, 120, 300, 1000), seeds=2, directions=30, tenth=9, angles=60, marks=10):
    images, _ = digits(samples)
    images = (images - images.mean(axis=0)) / np.sqrt(images.shape[1])
    shares, means = np.empty((len(widths), seeds, 4)), []
    for place, width in enumerate(widths):
        for seed in range(seeds):
            shares[place, seed], mean = in_width(images, width, seed, min(directions, width - 2), tenth)
            means += [mean] if seed == 0 else []
    always, never, expected = shares[..., :3].mean(axis=1).T
    off = max(np.max(abs(theory - run)) for theory, run, _ in means)
    return Study(turned(angles, marks), Widths(tuple(widths), always, never, expected, shares[..., 3], means), off)


def draw(result):
    figure = Figure(figsize=(11, 3.7), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    turned, widths = result.turned, result.widths
    for time, line, points, color in zip(TIMES, turned.expected, turned.seen, kd.plots.COLOURS, strict=False):
        left.plot(np.degrees(turned.angles), line, color=color, label=f"T = s = {time:g}")
        left.plot(np.degrees(turned.marks), points, "o", color=color, markersize=4)
    left.axhline(1, color="0.4", linewidth=0.8)
    left.set(xlabel="angle between the features  [degrees]", ylabel="progress on direction 1\nover the matched run's")
    left.set_yscale("log")
    left.set_title("a  Two directions, turned", loc="left")
    left.legend()
    color = kd.plots.COLOURS
    middle.plot(widths.widths, widths.expected, color=color[0], label="behind this teacher")
    middle.plot(widths.widths, widths.always, "--", color=color[1], label="behind every teacher")
    middle.plot(widths.widths, widths.never, ":", color=color[2], label="ahead of every teacher")
    for column in widths.seen.T:
        middle.plot(widths.widths, column, "o", color=color[0], markersize=3.5)
    middle.set(
        xscale="log", xlabel="random ReLU features of each", ylabel="share of neighbouring directions", ylim=(0, 1)
    )
    middle.set_title("b  Digits, networks of growing width", loc="left")
    middle.legend()
    shown = sorted({0, len(widths.widths) // 2, len(widths.widths) - 1})
    for place, own in zip(shown, color, strict=False):
        mean, run, alone = widths.means[place]
        at = np.arange(len(mean))
        right.plot(at, mean, color=own, label=f"{widths.widths[place]} features")
        right.plot(at, run, "o", color=own, markersize=3)
    right.plot(at, alone, color="0.6", linewidth=1.2, label="the same features")
    right.set(xlabel="the teacher's direction", ylabel="learnt by the student, φ̄")
    right.set_title("c  What it learns along them", loc="left")
    right.legend()
    return figure
