"""Models trained on models: collapse, and how keeping data or mixing in real labels stops it

Each generation is trained on labels of the one before, with fresh noise. Expected error on new inputs against the
generation; lines are `kd.generations.risk`, points are runs, with two standard errors. (a) Least squares of 40
features, 160 inputs each: data that is replaced makes the error grow without end, data that is kept stops it, fresh
inputs sooner than the same; half of the labels real stop it too, and of all weights 0.618 is best. (b) Ridge: on
replaced data the noise is bounded and the truth is forgotten instead; where data is kept on fresh inputs there is
no theory, but runs. (c) Handwritten digits, 400 random ReLU features, 400 new images for each generation, labels of
the one before with noise: the share of test images misread, means over seeds with two standard errors.
"""

from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd

SCHEMES = {  # name: weight of real labels, same inputs, data is kept
    "replaced": (0.0, False, False),
    "kept, same inputs": (0.0, True, True),
    "kept, fresh inputs": (0.0, False, True),
    "half real": (0.5, False, False),
    "0.618 real": (0.618, False, False),
}
MARKERS = "os^Dv"


class Errors(NamedTuple):
    expected: dict  # name: (generations,)
    seen: dict  # name: mean and standard error, (2, generations)


class Study(NamedTuple):
    least_squares: Errors
    ridge: Errors
    misread: dict  # name: (seeds, generations)


def chains(learner, generations, draws, shapes):
    """Expected errors and runs of every scheme."""
    directions, samples = shapes
    s, signal, noise = np.ones(directions), np.full(directions, directions**-0.5), 1.0
    stage = lambda weight: kd.generations.Stage(learner, samples, noise, real_weight=weight)
    expected, seen = {}, {}
    for name, (weight, same, keep) in SCHEMES.items():
        stages = [stage(0.0)] + [stage(weight)] * (generations - 1)
        given, options = (stages, s, signal), dict(same_inputs=same, accumulate=keep)
        if same or not keep or (isinstance(learner, kd.Ridge) and learner.penalty == 0):
            expected[name] = np.asarray(kd.generations.risk(*given, **options))
        seen[name] = np.array(kd.generations.simulate(0, *given, draws=draws, **options))
    return Errors(expected, seen)


def misread(generations, images, features, seeds):
    """Generations of ridge on digits, each of which labels new images for the next."""
    pixels, labels = kd.datasets.mnist()
    pixels = (pixels - pixels.mean(axis=0)) / np.sqrt(pixels.shape[1])
    truth, shown = kd.datasets.one_hot(labels), dict.fromkeys(("replaced", "kept, fresh inputs", "half real"))
    found = {name: np.empty((seeds, generations)) for name in shown}
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        order = random.permutation(len(pixels))
        rows = np.asarray(kd.kernels.random_relu(jax.random.key(seed), features, pixels.shape[1])(pixels))[order]
        own, digit = truth[order], labels[order]
        test = slice(generations * images, None)
        for name in found:
            weight, _, keep = SCHEMES[name]
            w, kept = None, []
            for m in range(generations):
                new = slice(m * images, (m + 1) * images)
                e = 0.3 * random.standard_normal((2, *own[new].shape))
                told = own[new] + e[0]
                if w is not None:
                    told = weight * told + (1 - weight) * (rows[new] @ w + e[1])
                kept = [*(kept if keep else []), (rows[new], told)]
                problem = kd.problems.linear(*map(np.concatenate, zip(*kept, strict=True)))
                w = np.asarray(kd.Ridge(1e-4).fit(problem))
                found[name][seed, m] = np.mean(np.argmax(rows[test] @ w, axis=1) != digit[test])
    return found


def compute(*, generations=8, draws=60, shapes=(40, 160), penalty=0.3, images=400, features=400, seeds=3):
    return Study(
        chains(kd.Ridge(0.0), generations, draws, shapes),
        chains(kd.Ridge(penalty), generations, draws, shapes),
        misread(generations, images, features, seeds),
    )


def draw(result):
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    panels = figure.subplots(1, 3)
    look = dict(zip(SCHEMES, zip(kd.plots.COLOURS, MARKERS, strict=False), strict=False))
    for ax, errors in zip(panels, result[:2], strict=False):
        for name, (color, marker) in look.items():
            mean, error = errors.seen[name]
            at = np.arange(1, len(mean) + 1)
            if name in errors.expected:
                ax.plot(at, errors.expected[name], color=color)
            ax.errorbar(at, mean, 2 * error, fmt=marker, color=color, markersize=4, label=name)
        ax.set(xlabel="generation", ylim=(0, None))
    for name, share in result.misread.items():
        color, marker = look[name]
        error = share.std(axis=0) / np.sqrt(max(len(share) - 1, 1))
        at = np.arange(1, share.shape[1] + 1)
        panels[2].errorbar(at, share.mean(axis=0), 2 * error, fmt=marker + "-", color=color, markersize=4)
    panels[0].set_ylabel("expected error on new inputs")
    panels[2].set(xlabel="generation", ylabel="share of test images misread", ylim=(0, None))
    for ax, title in zip(panels, ("a  Least squares", "b  Ridge", "c  Handwritten digits"), strict=True):
        ax.set_title(title, loc="left")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
