"""P6: a student generalises better than its teacher, on noisy labels

Test accuracy (clean labels) against the number of steps, in the studies of P4. Black: the one-hot learner,
which is the teacher at each of its stops. Colours: students of a teacher that was stopped early, and of one
that fits its noisy labels, each at the temperature that validation seeds chose. Bands are 95 % intervals over
seeds. Dotted: the best early-stopped teacher, its stop chosen on the validation seeds, which is the bar that
a student must pass before its gain is more than that of stopping. Bottom: log loss. The numbers are of the
student of the teacher that fits its noisy labels.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._study import EARLY, INTERPOLATING, JUDGED, TAUGHT
from experiments.report._verdicts import Finding

CLAIMED = (
    "Distillation improves test accuracy. Second-hand numbers of the original: CIFAR-100 with a ResNet-56, 72.5 to"
    " 74.6 %; with noisy labels, 69.8 to 72.7 %."
)


def compute(**sizes):
    return _study.studies(**sizes)


def at(fresh, chosen, teacher, measure="accuracy"):
    """Of a teacher's chosen student, that teacher, the best early-stopped one, and one-hot as long: (S,) each."""
    stop, moment = np.searchsorted(JUDGED, TAUGHT)[teacher], chosen.moment[teacher]
    student = [study.student[measure][chosen.arm[teacher], teacher, moment] for study in fresh]
    best = chosen.stop if measure == "accuracy" else chosen.loss_stop
    others = ([study.teacher[measure][j] for study in fresh] for j in (stop, best, moment))
    return tuple(map(np.array, (student, *others)))


def findings(result):
    for title, (fresh, chosen) in result.items():
        student, own, best, as_long = at(fresh, chosen, INTERPOLATING)
        stops = np.array([study.teacher["accuracy"] for study in fresh])  # (S, j)
        hindsight = stops[:, np.argmax(stops.mean(axis=0))]
        who = f"{title}: gain of the student in accuracy, in points,"
        yield Finding(f"{who} over its own teacher", 100 * (student - own), "above")
        yield Finding(f"{who} over the best early-stopped teacher", 100 * (student - best), "above")
        yield Finding(f"{who} over that stop which is best in hindsight", 100 * (student - hindsight), "above")
        yield Finding(f"{who} over the one-hot learner after as many steps", 100 * (student - as_long), "above")
        student, own, best, _ = at(fresh, chosen, INTERPOLATING, "log_loss")
        yield Finding(f"{title}: fall in log loss against the best early-stopped teacher", best - student, "above")


def draw(result):
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, len(result), squeeze=False)
    for column, (title, (fresh, chosen)) in zip(axes.T, result.items(), strict=True):
        for ax, measure in zip(column, ("accuracy", "log_loss"), strict=True):
            _curve(ax, [study.teacher[measure] for study in fresh], "black", "one-hot: the teacher")
            for teacher, color in (EARLY, kd.plots.GREEN), (INTERPOLATING, kd.plots.VERMILLION):
                curves = [study.student[measure][chosen.arm[teacher], teacher] for study in fresh]
                τ = _study.TEMPERATURES[chosen.arm[teacher]]
                _curve(ax, curves, color, f"student of {TAUGHT[teacher]} steps, τ = {τ:g}")
            best = at(fresh, chosen, INTERPOLATING, measure)[2]
            ax.axhline(best.mean(), color="black", linestyle=":", label="best early stop")
            ax.set(xscale="log", xlabel="steps", ylabel="test accuracy" if measure == "accuracy" else "test log loss")
            ax.set_xticks(JUDGED, JUDGED, minor=False)
            ax.minorticks_off()
        column[0].set_title(title, loc="left")
        column[0].set_ylim(bottom=np.mean([study.teacher["accuracy"].max() for study in fresh]) - 0.12)
        column[0].legend(loc="lower right")
    return figure


def _curve(ax, values, color, label):
    mean, low, high = kd.confidence.mean_interval(values)
    ax.plot(JUDGED, mean, color=color, marker=".", label=label)
    ax.fill_between(JUDGED, low, high, color=color, alpha=0.15, linewidth=0)
