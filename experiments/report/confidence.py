"""P4: a student exaggerates its teacher's confidence

The seed paper's picture: each dot is an input, x the logit of the probability that the teacher gives its top
class, y that of what the student gives to the same class. Softmax regression with the neural tangent kernel
of a ReLU network with three hidden layers, on noisy labels: 4000 images of handwritten digits, of which 30 %
are labelled as a digit that they are easily confused with; 2000 reviews with 20 % wrong labels; 450
descriptions of economic activities, ten classes, with 30 %. Top: training inputs, seed 0, for a teacher that
fits its noisy labels and the student that validation seeds chose; the line is least squares, the dashed one
orthogonal. Middle: the same on test inputs. Bottom: slopes, with their 95 % intervals over seeds, against the
moment at which the teacher stopped, from early stopping on the left to interpolation on the right. Grey is
the control: the one-hot learner trained for as many steps as the student. A student above one where the
control is not has more than a short training.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._study import EARLY, INTERPOLATING, TAUGHT
from experiments.report._verdicts import Finding

CLAIMED = (
    "The student is less sure than its teacher on the inputs on which that is unsure, relative to the others: the"
    " fitted slope exceeds one, on training and on test inputs. Second-hand numbers of the original, single runs:"
    " low-confidence underfitting in 18 of 18 image settings on test and 13 of 18 on training inputs; test"
    " slopes above one in 7 of 12 language settings."
)
GREY = "0.6"


def compute(**sizes):
    return _study.studies(**sizes)


def slopes(fresh, chosen, name, teacher, control=False):
    """A slope or residual of the chosen student of a teacher, (S,); with `control`, of the one-hot learner."""
    arm = -1 if control else chosen.arm[teacher]
    return np.array([study.slopes[name][arm, teacher, chosen.moment[teacher]] for study in fresh])


def findings(result):
    for title, (fresh, chosen) in result.items():
        for name in "train", "train orthogonal", "train scale-free", "test":
            at = slopes(fresh, chosen, name, INTERPOLATING)
            yield Finding(f"{title}: slope, {name}, interpolating teacher", at, "above", 1.0)
        excess = slopes(fresh, chosen, "train", INTERPOLATING) - slopes(fresh, chosen, "train", INTERPOLATING, True)
        yield Finding(
            f"{title}: the same on train, minus that of the one-hot learner after as many steps", excess, "above"
        )
        for where in "train", "test":
            low, high = (slopes(fresh, chosen, f"{where} {end}", INTERPOLATING) for end in ("low", "high"))
            yield Finding(f"{title}: low- minus high-confidence residual, {where}", low - high, "below")
        early = slopes(fresh, chosen, "train", EARLY)
        yield Finding(f"{title}: slope, train, teacher stopped early", early, "above", 1.0)


def draw(result):
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    axes = figure.subplots(3, len(result), squeeze=False)
    for column, (title, (fresh, chosen)) in zip(axes.T, result.items(), strict=True):
        for ax, where in zip(column, ("train", "test"), strict=False):
            _cloud(ax, *fresh[0].points[where][chosen.arm[INTERPOLATING], chosen.moment[INTERPOLATING]])
            ax.set_title(f"{title}, {where}", loc="left")
        _against_stops(column[2], fresh, chosen)
        column[2].set_title(f"{title}, by teacher", loc="left")
    axes[0, 0].legend(loc="upper left")
    axes[2, 0].legend(loc="best")
    return figure


def _cloud(ax, x, y):
    seen = kd.confidence.of_points(x, y)
    ends = np.quantile(x, [0.001, 0.999])
    ax.plot(x, y, ".", markersize=2, alpha=0.35, color=kd.plots.SKY, rasterized=True)
    ax.plot(ends, ends, color=GREY, linewidth=1, label="equal confidence")
    ax.plot(ends, seen.intercept + seen.slope * ends, color=kd.plots.VERMILLION, label="least squares")
    through = y.mean() + seen.orthogonal_slope * (ends - x.mean())
    ax.plot(ends, through, color=kd.plots.VERMILLION, linestyle="--", label="orthogonal")
    ax.text(
        0.97,
        0.05,
        f"slope {seen.slope:.2f}, orthogonal {seen.orthogonal_slope:.2f}",
        transform=ax.transAxes,
        ha="right",
    )
    ax.set(
        xlabel="teacher's logit of its top class",
        ylabel="student's logit of it",
        xlim=(ends[0] - 1, ends[1] + 1),
        ylim=np.quantile(y, [0.001, 0.999]) + np.array([-1, 1]),
    )


def _against_stops(ax, fresh, chosen):
    lines = (
        ("train", False, kd.plots.BLUE, "train"),
        ("test", False, kd.plots.GREEN, "test"),
        ("train", True, GREY, "one-hot as many steps, train"),
    )
    for shift, (name, control, color, label) in enumerate(lines):
        values = np.stack([slopes(fresh, chosen, name, i, control) for i in range(len(TAUGHT))], axis=1)
        mean, low, high = kd.confidence.mean_interval(values)
        ax.errorbar(
            np.arange(len(TAUGHT)) + 0.06 * (shift - 1),
            mean,
            [mean - low, high - mean],
            color=color,
            marker="o",
            label=label,
        )
    fit = np.mean([study.fit[np.searchsorted(_study.JUDGED, TAUGHT)] for study in fresh], axis=0)
    ax.set_xticks(range(len(TAUGHT)), [f"{steps}\n{share:.0%}" for steps, share in zip(TAUGHT, fit, strict=True)])
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set(xlabel="teacher's steps, and its fit of the noisy labels", ylabel="slope")
