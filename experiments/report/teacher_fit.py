"""P7: an interpolating teacher leaves room for its student, one stopped early does not

Gain in test accuracy of the student over its own teacher, against the teacher's accuracy on its own noisy
labels, in the studies of P4; the student's temperature and stop are chosen on validation seeds for each
teacher. Small dots are seeds, large ones means with 95 % intervals. Open: the same student against the best
early-stopped teacher.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._study import EARLY, INTERPOLATING, JUDGED, TAUGHT
from experiments.report._verdicts import Finding
from experiments.report.generalisation import at

CLAIMED = (
    "An interpolating teacher leaves room for the extra regularisation of distillation; a non-interpolating one is"
    " over-regularised by it (memory)."
)


def compute(**sizes):
    return _study.studies(**sizes)


def gains(fresh, chosen, teacher):
    """Points of accuracy over the own teacher, and over the best early-stopped one: (S,) each."""
    student, own, best, _ = at(fresh, chosen, teacher)
    return 100 * (student - own), 100 * (student - best)


def findings(result):
    for title, (fresh, chosen) in result.items():
        late, early = (gains(fresh, chosen, teacher)[0] for teacher in (INTERPOLATING, EARLY))
        yield Finding(f"{title}: gain over an interpolating teacher, in points", late, "above")
        yield Finding(f"{title}: gain over a teacher stopped after {TAUGHT[EARLY]} steps", early, "below")
        yield Finding(f"{title}: the first minus the second", late - early, "above")


def draw(result):
    figure = Figure(figsize=(11, 4), layout="constrained")
    for ax, (title, (fresh, chosen)) in zip(
        figure.subplots(1, len(result), squeeze=False)[0], result.items(), strict=True
    ):
        fit = np.array([study.fit[np.searchsorted(JUDGED, TAUGHT)] for study in fresh])  # (S, i)
        both = np.array([gains(fresh, chosen, i) for i in range(len(TAUGHT))]).transpose(1, 2, 0)
        looks = (kd.plots.VERMILLION, "over its own teacher"), ("black", "over the best early stop")
        for values, (color, label) in zip(both, looks, strict=True):
            ax.plot(fit, values, ".", color=color, markersize=4, alpha=0.5)
            mean, low, high = kd.confidence.mean_interval(values)
            face = color if color != "black" else "none"
            ax.errorbar(
                fit.mean(axis=0),
                mean,
                [mean - low, high - mean],
                color=color,
                marker="o",
                markerfacecolor=face,
                label=label,
            )
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.set(xlabel="teacher's accuracy on its noisy labels", ylabel="student's gain in test accuracy  [points]")
        ax.locator_params(axis="x", nbins=5)
        ax.set_title(title, loc="left")
    ax.legend()
    return figure
