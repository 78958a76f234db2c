"""P5: the more bias is exaggerated, the more confidence is

Each dot is one teacher and its student (τ = 4, 20 steps), a mean over seeds: four kernels, of which one has a
flat spectrum, three shares of confusable labels, four moments at which the teacher stopped; 500 images of
handwritten digits. Left: the slope of the student's confidence on training inputs, scale-free as in the
two-level model, against the exaggeration 1 − ρ of the trailing directions (20 to 59) when half of the leading
ones (0 to 4) is learnt. Right: the slope as it is, in which the student's overall confidence is mixed. The
number is Spearman's rank correlation over the dots, with its interval over seeds. For two levels and squared
loss a scale-free slope above one *is* exaggerated bias; here it need not be, and the link is measured, not
proved.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import kdtheory as kd
from experiments.report import _study
from experiments.report._kept import kept
from experiments.report._study import TAUGHT
from experiments.report._verdicts import Finding

CLAIMED = "The exaggerated bias of gradient descent is what exaggerates confidence (argued, and shown on a network)."
KERNELS, NOISE = ("neural tangent", "Gaussian", "linear", "whitened"), (0.0, 0.15, 0.3)
GRID = (
    "teacher stop × noise × kernel, on 500 images of digits; the student's gain in test accuracy over its own"
    " teacher, and over the best stop of the teacher, in points, and the slope of confidence on test inputs (of the"
    " dots in the figure); means over seeds. For the gains temperature and moment of the student are the best in"
    " hindsight, so that these are upper ends and not findings."
)
ARM, MOMENT = 1, 2  # τ = 4, 20 steps


def compute(*, seeds=_study.SEEDS, rows=500, tested=1000, kernels=KERNELS, noise=NOISE):
    return {
        (kernel, share): [
            kept(_study.run, name="mnist", kernel=kernel, rows=rows, noise=share, seed=seed, tested=tested)
            for seed in seeds
        ]
        for kernel in kernels
        for share in noise
    }


def pairs(result, slope):
    """1 − ρ and a slope: each (kernel · noise, S, teacher's stop)."""
    lag = [[1 - study.ratio[ARM] for study in studies] for studies in result.values()]
    slopes = [[study.slopes[slope][ARM, :, MOMENT] for study in studies] for studies in result.values()]
    return np.array(lag), np.array(slopes)


def correlations(result, slope):
    """Spearman's rank correlation over all cells, by seed."""
    lag, slopes = pairs(result, slope)
    return np.array([spearmanr(lag[:, s].ravel(), slopes[:, s].ravel()).statistic for s in range(lag.shape[1])])


def findings(result):
    for slope in "train scale-free", "train", "test":
        yield Finding(f"rank correlation of 1 − ρ with the slope, {slope}", correlations(result, slope), "above")


def grid(result):
    """GRID as a table."""
    lines = [
        "| kernel | noise | " + " | ".join(f"teacher {steps} steps" for steps in TAUGHT) + " |",
        "|---|---|" + "---|" * len(TAUGHT),
    ]
    for (kernel, share), studies in result.items():
        own = np.mean([study.teacher["accuracy"] for study in studies], axis=0)
        best = np.mean([study.student["accuracy"][: len(_study.TEMPERATURES)] for study in studies], axis=0).max(
            axis=(0, 2)
        )
        stops = own[np.searchsorted(_study.JUDGED, TAUGHT)]
        slopes = np.mean([study.slopes["test"][ARM, :, MOMENT] for study in studies], axis=0)
        cells = (
            f"{100 * (student - teacher):+.1f} / {100 * (student - own.max()):+.1f} / {slope:.2f}"
            for student, teacher, slope in zip(best, stops, slopes, strict=True)
        )
        lines.append(f"| {kernel} | {share:.0%} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(result):
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    kernels = list(dict.fromkeys(kernel for kernel, _ in result))
    noise = sorted({share for _, share in result})
    for ax, slope in zip(figure.subplots(1, 2), ("train scale-free", "train"), strict=True):
        for (kernel, share), lag, slopes in zip(result, *pairs(result, slope), strict=True):
            look = dict(
                color=kd.plots.COLOURS[kernels.index(kernel)], marker="os^D"[noise.index(share)], linestyle="none"
            )
            ax.plot(lag.mean(axis=0), slopes.mean(axis=0), **look)
        mean, low, high = kd.confidence.mean_interval(correlations(result, slope))
        ax.text(0.12, 0.95, f"rank correlation {mean:.2f} [{low:.2f}, {high:.2f}]", transform=ax.transAxes, va="top")
        ax.axhline(1, color="0.6", linewidth=0.8)
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set(xlabel="exaggeration of bias, 1 − ρ", ylabel=f"slope of confidence, {slope}", yscale="log")
        ax.set_yticks(*2 * [[0.8, 0.9, 1.0, 1.2, 1.5, 2.0]])
        ax.set_yticks([], minor=True)
        ax.set_title(f"Slope, {slope}", loc="left")
    for kernel, color in zip(kernels, kd.plots.COLOURS, strict=False):
        ax.plot([], [], "o", color=color, label=kernel)
    for share, marker in zip(noise, "os^D", strict=False):
        ax.plot([], [], marker, color="0.6", label=f"{share:.0%} wrong labels")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=7)
    return figure
