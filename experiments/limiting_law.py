"""The law of the sample spectrum, and how fast single samples come to it

(a, b) Eigenvalues of XᵀX/N from draws of data, as a histogram, under the density that the population spectrum alone
gives (`kd.asymptotics.density`); triangles mark the population's own eigenvalues, and P = N/2. (a) Two levels, whose
sample eigenvalues spread until they touch. (b) Three spikes over a flat bulk, on a logarithmic axis: each has a little
interval of its own. (c) The error of the limit: the mean over draws of the expected error on new inputs, over
`kd.asymptotics.risk`, minus one, against N, with P = N/2 flat directions, P = 2N of them, or a power law of P = N;
gradient flow until 3 (dots) and a student of two runs until 6 (squares), with two standard errors. The line is 1/N.
Simulation is NumPy's singular values alone: for each draw the error is its mean over labels and signs of the signal.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd

SHAPES = {
    "two levels": lambda samples: np.repeat([3.0, 0.6], [samples // 4, samples // 4]),
    "three spikes": lambda samples: np.append([9.0, 6.0, 4.0], np.ones(samples // 2)),
}
DECAYS = {
    "flat, P = N/2": lambda samples: np.ones(samples // 2),
    "flat, P = 2N": lambda samples: np.ones(2 * samples),
    "power law, P = N": lambda samples: 4.0 / np.arange(1, samples + 1.0),
}
NOISE = 0.5
LEARNERS = kd.GradientFlow(3.0), kd.distill(kd.GradientFlow(6.0), kd.GradientFlow(6.0))


class Law(NamedTuple):
    eigenvalues: list[np.ndarray]  # of all draws, for each shape
    at: list[np.ndarray]  # where the density is drawn
    density: list[np.ndarray]
    sizes: np.ndarray  # (S,) samples
    gap: np.ndarray  # (decays, L, S) simulation over theory, minus one
    spread: np.ndarray  # (decays, L, S) standard errors


def sampled(random, s, samples):
    """Eigenvalues, descending, and squared eigenvectors in the population's basis, of one draw."""
    x = random.standard_normal((samples, len(s))) * np.sqrt(s)
    _, d, vt = np.linalg.svd(x, full_matrices=False)
    return d**2 / samples, vt


def error(learner, s, signal, samples, λ, vt):
    """Expected excess error on new inputs given these inputs, over labels and signs of the signal."""
    learnt = np.asarray(learner.filter(λ))
    kept = (vt.T * learnt) @ vt
    missed = np.eye(len(s)) - kept
    cover = vt.T**2 @ (learnt**2 / λ)
    return s @ missed**2 @ signal**2 + NOISE**2 / samples * s @ cover


def compute(*, seed=0, samples=400, draws=20, sizes=(20, 40, 80, 160), points=400, least=16000):
    random, found, at, dense = np.random.default_rng(seed), [], [], []
    for shape in SHAPES.values():
        s = shape(samples)
        limit = kd.asymptotics.limit(s, samples)
        found.append(np.concatenate([sampled(random, s, samples)[0] for _ in range(draws)]))
        turns = np.sin(np.linspace(0, np.pi / 2, points)) ** 2
        at.append(np.concatenate([low + (high - low) * turns for low, high in np.asarray(limit.edges)]))
        dense.append(np.asarray(kd.asymptotics.density(limit, at[-1])))
    gap, spread = np.empty((2, len(DECAYS), len(LEARNERS), len(sizes)))
    for i, shape in enumerate(DECAYS.values()):
        for k, size in enumerate(sizes):
            s = shape(size)
            signal, count = np.ones(len(s)) / np.sqrt(np.sum(s)), max(least // size, 3)
            limit = kd.asymptotics.limit(s, size, signal, NOISE)
            seen = np.empty((count, len(LEARNERS)))
            for draw in range(count):
                λ, vt = sampled(random, s, size)
                seen[draw] = [error(each, s, signal, size, λ, vt) for each in LEARNERS]
            theory = np.array([float(kd.asymptotics.risk(each, limit).total) for each in LEARNERS])
            gap[i, :, k] = np.mean(seen, axis=0) / theory - 1
            spread[i, :, k] = np.std(seen, axis=0, ddof=1) / np.sqrt(count) / theory
    return Law(found, at, dense, np.array(sizes), gap, spread)


def draw(result):
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    axes = figure.subplots(1, 3)
    for letter, ax, name, found, at, dense in zip(
        "ab", axes, SHAPES, result.eigenvalues, result.at, result.density, strict=False
    ):
        ax.hist(found, bins=120, density=True, color=kd.plots.GREY, alpha=0.5, label="eigenvalues of draws")
        ax.plot(at, dense, ".", color=kd.plots.VERMILLION, markersize=1.5)
        ax.plot([], [], color=kd.plots.VERMILLION, label="limiting law")
        levels = np.unique(SHAPES[name](8))
        ends = dict(transform=ax.get_xaxis_transform(), clip_on=False, linestyle="none")
        ax.plot(levels, np.zeros(len(levels)), marker="^", color=kd.plots.BLACK, label="population", **ends)
        ax.set(xlabel="eigenvalue  [λ]", ylim=(0, 1.1 * np.max(dense)))
        if letter == "b":
            ax.set(yscale="log", ylim=(5e-4, 2 * np.max(dense)))
        ax.set_title(f"{letter}  {name[0].upper()}{name[1:]}", loc="left")
    axes[0].set_ylabel("density")
    axes[0].legend()
    ax = axes[2]
    for i, (name, color) in enumerate(zip(DECAYS, kd.plots.COLOURS, strict=False)):
        for k, marker in enumerate("os"):
            shift = 1 + 0.04 * (i - 1) + 0.02 * k
            bars = dict(color=color, marker=marker, markersize=4, linestyle="none", linewidth=1)
            ax.errorbar(shift * result.sizes, np.abs(result.gap[i, k]), 2 * result.spread[i, k], **bars)
        ax.plot([], [], color=color, marker="o", linestyle="none", label=name)
    ax.plot(result.sizes, 1.0 / result.sizes, color=kd.plots.BLACK, linestyle=":", label="1/N")
    ax.set(xscale="log", yscale="log", xlabel="samples  N", ylabel="|simulation / theory - 1|", ylim=(1e-4, 0.3))
    ax.set_xticks(result.sizes, map(str, result.sizes))
    ax.minorticks_off()
    ax.set_title("c  Error of the limit", loc="left")
    ax.legend(loc="lower left")
    return figure
