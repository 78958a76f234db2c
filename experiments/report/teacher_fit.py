"""P7: an interpolating teacher leaves room for its student, one stopped early does not

Gain in test accuracy of the student (τ = 4) over its own teacher, against the teacher's accuracy on its own
labels, in the studies of P4: after a quarter of the teacher's steps and after as many, both fixed beforehand.
Means with 95 % intervals, small dots are seeds. Top: clean labels, bottom: 30 % wrong ones. The mechanism is
in P5, panel (c): where λ* lies. Below the table, the gains for all stops of the teacher.
"""

import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._study import EARLY, INTERPOLATING, JUDGED, LONG, QUARTER, TAUGHT, WHOLE, moment, words
from experiments.report._verdicts import Finding, interval
from experiments.report.generalisation import own, student

CLAIMED = (
    "An interpolating teacher leaves room for the extra regularisation of distillation; a non-interpolating one is"
    " over-regularised by it (memory)."
)
WHY = (
    "A student that trains as long as its interpolating teacher has converged to it and neither gains nor loses; one of"
    " an early teacher has not, and lacks what it has not learnt yet. That more room is a gain is not shown here."
)


def compute(**sizes):
    return _study.studies(**sizes)


def gains(studies, teacher, budget):
    """Points of accuracy over the own teacher, (S,)."""
    return student(studies, teacher)[:, moment(budget, teacher)] - own(studies, teacher)


def findings(result):
    for (title, noise), studies in result.items():
        late, early = (gains(studies, teacher, WHOLE) for teacher in (INTERPOLATING, EARLY))
        for what, values, claim in (
            (f"gain over a teacher of {TAUGHT[INTERPOLATING]} steps after as many, in points", late, "above"),
            (f"gain over a teacher of {TAUGHT[EARLY]} steps after as many", early, "below"),
            ("the first minus the second", late - early, "above"),
            (
                f"gain over a teacher of {TAUGHT[INTERPOLATING]} steps after a quarter",
                gains(studies, INTERPOLATING, QUARTER),
                "above",
            ),
        ):
            yield Finding(f"{title}, {words(noise)}: {what}", values, claim, overlap=studies.overlap)


def abstract(found):
    of = lambda what: [finding for finding in found if what in finding.what]
    less, more = of("the first minus"), of("after a quarter")
    count = lambda some: f"{sum(finding.verdict == 'shown' for finding in some)} of {len(some)}"
    return (
        "at equal budgets the student of an early teacher gains less than that of an interpolating one in"
        f" {count(less)} settings; the latter gains over its teacher, after a quarter of its steps, in {count(more)}."
    )


def grid(result):
    """Mean gains for all stops."""
    lines = [
        "Gain over the own teacher after a quarter of its steps / as many / convergence, in points, means:\n",
        "| set | labels | " + " | ".join(f"teacher {steps} steps" for steps in TAUGHT) + " |",
        "|---|---|" + "---|" * len(TAUGHT),
    ]
    for (title, noise), studies in result.items():
        cells = (
            " / ".join(f"{gains(studies, i, budget).mean():+.1f}" for budget in (QUARTER, WHOLE, LONG))
            for i in range(len(TAUGHT))
        )
        lines.append(f"| {title} | {words(noise)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(result):
    titles, noises = (list(dict.fromkeys(part)) for part in zip(*result, strict=True))
    shown = list(dict.fromkeys((noises[0], noises[-1])))
    figure = Figure(figsize=(11, 3.4 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), len(titles), squeeze=False)
    for row, noise in zip(axes, shown, strict=True):
        for ax, title in zip(row, titles, strict=True):
            studies = result[title, noise]
            fit = np.array([study.fit[np.searchsorted(JUDGED, TAUGHT)] for study in studies.fresh]).mean(axis=0)
            looks = (QUARTER, kd.plots.BLUE, "after a quarter"), (WHOLE, kd.plots.VERMILLION, "after as many steps")
            for shift, (budget, color, label) in zip((-0.08, 0.08), looks, strict=True):
                values = np.stack([gains(studies, i, budget) for i in range(len(TAUGHT))], axis=1)
                mean, low, high = interval(values, studies.overlap)
                place = np.arange(len(TAUGHT)) + shift
                ax.plot(np.tile(place, (len(values), 1)), values, ".", color=color, markersize=3, alpha=0.4)
                ax.errorbar(place, mean, [mean - low, high - mean], color=color, marker="o", label=label)
            ax.axhline(0, color="0.6", linewidth=0.8)
            ax.set_xticks(range(len(TAUGHT)), [f"{n}\n{share:.0%}" for n, share in zip(TAUGHT, fit, strict=True)])
            ax.set(xlabel="teacher's steps, and its fit of its labels", ylabel="gain in accuracy  [points]")
            ax.set_title(f"{title}, {words(noise)}", loc="left")
    axes[0, 0].legend(loc="lower right")
    return figure
