"""P4: a student exaggerates its teacher's confidence

The seed paper's picture: each dot is an input, x the logit of the probability that the teacher gives its top
class, y that of what the student gives to the same class. Softmax regression with the neural tangent kernel
of a ReLU network with three hidden layers: 600 images of handwritten digits, 541 descriptions of economic
activities in ten classes (three folds for each seed), 600 reviews. Labels are clean, or 10 or 30 % of them
are wrong: digits become one with which they are easily confused, texts any other class. Top: test inputs,
clean labels, seed 0, a teacher of 320 steps and its student of temperature τ = 4, at the moment at which the
slope was largest on validation seeds. Second and third row: the slope along the student's training, on test
inputs (with a 95 % band over seeds) and on training inputs (dashed), for three temperatures; grey is the
control, the one-hot learner after as many steps, on which the student of τ = 1 lies. Bottom: students (τ = 4)
of teachers from early to interpolating, clean labels, test inputs; dots are where a student has trained as
long as its teacher. Verdicts are read at budgets fixed beforehand: a quarter of the teacher's steps, as many,
and 320, called convergence; and at the moment that validation seeds chose.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._study import EARLY, HOT, INTERPOLATING, JUDGED, QUARTER, TAUGHT, WHOLE, moment, words
from experiments.report._verdicts import Finding, interval

CLAIMED = (
    "The student is less sure than its teacher on the inputs on which that is unsure, relative to the others: the"
    " fitted slope exceeds one, on training and on test inputs. Second-hand numbers of the original, single runs:"
    " low-confidence underfitting in 18 of 18 image settings on test and 13 of 18 on training inputs; test"
    " slopes above one in 7 of 12 language settings."
)
WHY = (
    "A student that has converged is its teacher, so that every slope is one from a quarter of its steps on; at τ = 1"
    " it follows its teacher closely, and the slope stays below one; 30 % wrong labels take the effect away on test"
    " inputs of MNIST, where the teacher's confidence carries the noise, while on training inputs it stays."
)
GREY = "0.6"
CONTROL = len(_study.ARMS) - 1


def compute(**sizes):
    return _study.studies(**sizes)


def slopes(studies, name, teacher=INTERPOLATING, arm=HOT):
    """A slope or residual of a student along its training, (S, j)."""
    return np.array([study.slopes[name][arm, teacher] for study in studies.fresh])


def findings(result):
    for (title, noise), studies in result.items():
        at, who = studies.chosen.steepest, f"{title}, {words(noise)}"

        def found(what, values, claim="above", null=0.0, tolerance=0.0, who=who, overlap=studies.overlap):
            return Finding(f"{who}: {what}", values, claim, null, tolerance, overlap)

        on = {name: slopes(studies, name) for name in studies.fresh[0].slopes}
        control = {where: slopes(studies, where, arm=CONTROL) for where in ("train", "test")}
        yield found(f"slope, test, after {JUDGED[at]} steps", on["test"][:, at], null=1.0)
        yield found("the same minus that of the one-hot learner then", (on["test"] - control["test"])[:, at])
        yield found(
            "low- minus high-confidence residual, test, then", (on["test low"] - on["test high"])[:, at], "below"
        )
        yield found("slope, train, then", on["train"][:, at], null=1.0)
        if noise:
            continue
        yield found("slope, test, orthogonal, then", on["test orthogonal"][:, at], null=1.0)
        yield found("slope, train, scale-free, then", on["train scale-free"][:, at], null=1.0)
        quarter, same = moment(QUARTER), moment(WHOLE)
        yield found(
            f"slope, test, after {JUDGED[quarter]} steps, a quarter of the teacher's", on["test"][:, quarter], null=1.0
        )
        cold = slopes(studies, "test", arm=0)[:, quarter]
        yield found("the same at τ = 1", cold, null=1.0)
        yield found(f"slope, test, after {JUDGED[same]} steps, as many", on["test"][:, same], "equal", 1.0, 0.02)
        early = slopes(studies, "test", EARLY)
        yield found(
            f"slope, test, teacher of {TAUGHT[EARLY]} steps, student of as many",
            early[:, moment(WHOLE, EARLY)],
            null=1.0,
        )
        yield found("the same, student at convergence", early[:, -1], "equal", 1.0, 0.02)


def abstract(found):
    by = {finding.what: finding for finding in found}
    at = [
        finding for what, finding in by.items() if "clean labels: slope, test, after" in what and "teacher" not in what
    ]
    at = [finding for finding in at if "as many" not in finding.what]
    told = "; ".join(f"{finding.what.partition(',')[0]} {finding}" for finding in at)
    return (
        f"(a) on clean labels test slopes exceed one early in the student's training ({told}), where the one-hot"
        " learner's are far below; they return to one as the student converges. It exaggerates *while it is behind*,"
        " and at τ > 1."
    )


def draw(result):
    titles = list(dict.fromkeys(title for title, _ in result))
    noises = list(dict.fromkeys(noise for _, noise in result))
    figure = Figure(figsize=(11, 12), layout="constrained")
    axes = figure.subplots(4, len(titles), squeeze=False)
    for column, title in zip(axes.T, titles, strict=True):
        clean = result[title, noises[0]]
        _cloud(column[0], *clean.fresh[0].points["test"][clean.chosen.steepest])
        column[0].set_title(f"{title}, test, after {JUDGED[clean.chosen.steepest]} steps", loc="left")
        for ax, noise in (column[1], noises[0]), (column[2], noises[-1]):
            _by_temperature(ax, result[title, noise])
            ax.set_title(f"{title}, {words(noise)}", loc="left")
        _by_teacher(column[3], clean)
        column[3].set_title(f"{title}, by the teacher's steps", loc="left")
    axes[0, 0].legend(loc="upper left")
    axes[1, 0].legend(loc="lower right", fontsize=7)
    axes[3, 0].legend(loc="lower right", fontsize=7)
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


def _by_temperature(ax, studies):
    looks = [*zip(range(HOT + 1), kd.plots.COLOURS, strict=False), (CONTROL, GREY)]
    for arm, color in looks:
        label = _study.ARMS[arm].removeprefix("student, ")
        _curve(ax, slopes(studies, "test", arm=arm), studies.overlap, color, label)
        ax.plot(JUDGED, slopes(studies, "train", arm=arm).mean(axis=0), color=color, linestyle="--", linewidth=1)
    _finish(ax)


def _by_teacher(ax, studies):
    for teacher, steps in enumerate(TAUGHT):
        fit = np.mean([study.fit[np.searchsorted(JUDGED, steps)] for study in studies.fresh])
        curve = slopes(studies, "test", teacher)
        _curve(ax, curve, studies.overlap, kd.plots.COLOURS[teacher], f"{steps}, which fit {fit:.0%}")
        same = moment(WHOLE, teacher)
        ax.plot(JUDGED[same], curve[:, same].mean(), "o", color=kd.plots.COLOURS[teacher], markersize=5)
    _finish(ax)


def _curve(ax, values, overlap, color, label):
    mean, low, high = interval(values, overlap)
    ax.plot(JUDGED, mean, color=color, label=label)
    ax.fill_between(JUDGED, low, high, color=color, alpha=0.2, linewidth=0)


def _finish(ax):
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set(xscale="log", xlabel="student's steps", ylabel="slope of confidence", ylim=(0, 3))
    ax.set_xticks((2, 5, 14, 40, 80, 320), (2, 5, 14, 40, 80, 320))
    ax.minorticks_off()
