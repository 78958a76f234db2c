"""P6: a student generalises better than its teacher

Test accuracy (clean labels) against the number of steps, in the studies of P4: clean labels, and 10 and 30 %
of them wrong. Black: the one-hot learner, which is the teacher at each of its stops. Colours: students, τ = 4,
of a teacher stopped early, after 8 steps, and of one that fits its labels, after 320. Bands are 95 % intervals
over seeds. Dotted: the best early-stopped teacher, its stop chosen on the validation seeds, which is the bar
that a student must pass before its gain is more than that of stopping. The numbers are of the student of the
teacher of 320 steps, after a quarter of its steps, after as many, and stopped where the validation seeds say.
NACE is small: its numbers are from three folds for each seed, which test different rows, 160 each. The networks
are those of P2: their students after a quarter of the teacher's steps and as many, against the teacher at its
end and against that stop of it which is best in hindsight.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study, trajectories
from experiments.report._study import EARLY, HOT, INTERPOLATING, JUDGED, QUARTER, TAUGHT, WHOLE, moment, words
from experiments.report._verdicts import Finding, interval

CLAIMED = (
    "Distillation improves test accuracy. Second-hand numbers of the original: CIFAR-100 with a ResNet-56, 72.5 to"
    " 74.6 %; with noisy labels, 69.8 to 72.7 %."
)
WHY = (
    "At budgets fixed beforehand the student has converged to its teacher and gains nothing; on clean labels there is"
    " nothing to be gained. Where validation stops it early it is near an early-stopped teacher: neither has learnt the"
    " wrong labels yet. Sets of 600 rows are small; larger ones were not run here."
)


def compute(*, networks=None, seeds=_study.SEEDS, **sizes):
    of_networks = networks or dict(titles=tuple(trajectories.NETWORKS))
    return _study.studies(seeds=seeds, **sizes), trajectories.compute(seeds=seeds, **of_networks)


def student(studies, teacher=INTERPOLATING):
    """Accuracy of a student, in percent, (S, j)."""
    return 100 * np.array([study.student["accuracy"][HOT, teacher] for study in studies.fresh])


def one_hot(studies):
    """The same of the one-hot learner."""
    return 100 * np.array([study.teacher["accuracy"] for study in studies.fresh])


def own(studies, teacher=INTERPOLATING):
    """Of a teacher, (S,)."""
    return one_hot(studies)[:, np.searchsorted(JUDGED, TAUGHT[teacher])]


def findings(result):
    result, networks = result
    for (title, noise), studies in result.items():
        seen, other, stop = student(studies), one_hot(studies), studies.chosen.student_stop
        best = other[:, studies.chosen.stop]
        for at, when in (
            (moment(QUARTER), f"{JUDGED[moment(QUARTER)]} steps, a quarter of its teacher's"),
            (moment(WHOLE), f"{JUDGED[moment(WHOLE)]} steps, as many"),
            (stop, f"{JUDGED[stop]} steps, which validation chose"),
        ):
            who = f"{title}, {words(noise)}: gain after {when}, in points, over"
            yield Finding(f"{who} its own teacher", seen[:, at] - own(studies), "above", overlap=studies.overlap)
            if at != moment(WHOLE):
                yield Finding(f"{who} the best early stop", seen[:, at] - best, "above", overlap=studies.overlap)
        as_many = seen[:, stop] - other[:, stop]
        yield Finding(f"{who} the one-hot learner then", as_many, "above", overlap=studies.overlap)
    yield from trajectories.gains(networks)


def abstract(found):
    clean = [finding for finding in found if "clean labels" in finding.what and "own teacher" in finding.what]
    noisy = [finding for finding in found if "30%" in finding.what and "validation" in finding.what]
    over = lambda end: "; ".join(
        f"{finding.what.partition(',')[0]} {finding}" for finding in noisy if finding.what.endswith(end)
    )
    shown = sum(finding.verdict == "shown" for finding in clean)
    return (
        f"on clean labels {shown} of {len(clean)} gains over the own teacher are shown. With 30 % wrong labels the"
        f" student that validation stopped gains, in points, {over('own teacher')}; over the best early stop"
        f" {over('best early stop')}."
    )


def draw(result):
    result, _ = result
    titles, noises = (list(dict.fromkeys(part)) for part in zip(*result, strict=True))
    figure = Figure(figsize=(11, 3 * len(noises)), layout="constrained")
    axes = figure.subplots(len(noises), len(titles), squeeze=False)
    for row, noise in zip(axes, noises, strict=True):
        for ax, title in zip(row, titles, strict=True):
            studies = result[title, noise]
            _curve(ax, one_hot(studies), studies.overlap, "black", "one-hot: the teacher")
            for teacher, color in (EARLY, kd.plots.GREEN), (INTERPOLATING, kd.plots.VERMILLION):
                _curve(ax, student(studies, teacher), studies.overlap, color, f"student of {TAUGHT[teacher]} steps")
            best = one_hot(studies)[:, studies.chosen.stop].mean()
            ax.axhline(best, color="black", linestyle=":", label="best early stop")
            ax.set(xscale="log", xlabel="steps", ylabel="test accuracy  [%]", ylim=(best - 15, best + 5))
            ax.set_xticks((2, 5, 14, 40, 80, 320), (2, 5, 14, 40, 80, 320))
            ax.minorticks_off()
            ax.set_title(f"{title}, {words(noise)}", loc="left")
    axes[0, 0].legend(loc="lower right")
    return figure


def _curve(ax, values, overlap, color, label):
    mean, low, high = interval(values, overlap)
    ax.plot(JUDGED, mean, color=color, marker=".", label=label)
    ax.fill_between(JUDGED, low, high, color=color, alpha=0.15, linewidth=0)
