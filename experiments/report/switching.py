"""P8: loss switching, in both orders, for both kinds of teacher

Test accuracy of four learners that take the same number of steps in all: the teacher's labels throughout, the
one-hot labels throughout, one-hot first and the teacher late, the teacher first and one-hot late; the switch is after
three quarters. Left of each picture the teacher fits its noisy labels, right it was stopped early. Softmax regression
with the neural tangent kernel, τ = 4. Dots are seeds, bars means with 95 % intervals. The line is the teacher.
"""

from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import kdtheory as kd
from experiments.report import _study
from experiments.report._kept import kept
from experiments.report._verdicts import Finding

CLAIMED = ("Switching to distillation late in training recovers much of its gain; switching back to one-hot late helps the"
           " student of a non-interpolating teacher (abstract of the first version; second-hand).")
SETTINGS = {"MNIST": dict(name="mnist", rows=2000, noise=0.3), "NACE": dict(name="nace", rows=450, noise=0.3)}
TEACHERS = {"interpolating": 320, "stopped early": 10}
ARMS = ("teacher", "one-hot", "one-hot, then teacher", "teacher, then one-hot")


class Switches(NamedTuple):
    """Test accuracy of one seed."""

    teacher: np.ndarray  # (2,) by TEACHERS
    arms: np.ndarray  # (2, 4) by TEACHERS and ARMS


def compute(*, settings=None, seeds=_study.SEEDS, steps=160):
    return {title: [kept(one, seed=seed, steps=steps, **setting) for seed in seeds]
            for title, setting in (settings or SETTINGS).items()}


def one(name, rows, noise, seed, steps) -> Switches:
    split = _study.data(name, rows, noise, seed)
    gram, cross = _study.grams("neural tangent", split.train, split.test)
    problem = kd.problems.softmax_kernel(gram, split.noisy, classes=np.unique(split.labels))
    λ = float(problem.max_eigenvalue())
    whole, first, then = (_study.learner(λ, count) for count in (steps, 3 * steps // 4, steps - 3 * steps // 4))

    @jax.jit
    def fit(learner):
        return learner.fit(problem)

    def accuracy(learner):
        return kd.confidence.accuracy(cross @ np.asarray(fit(learner)), split.labels)

    own, arms = [], []
    for stop in TEACHERS.values():
        teacher = _study.learner(λ, stop)

        def taught(student, teacher=teacher):
            return kd.distill(teacher, student, temperature=4.0)

        own.append(accuracy(teacher))
        learners = taught(whole), whole, kd.switch(first, taught(then)), kd.switch(taught(first), then)
        arms.append([accuracy(learner) for learner in learners])
    return Switches(np.array(own), np.array(arms))


def findings(result):
    for title, seeds in result.items():
        late, early = np.moveaxis([100 * seen.arms for seen in seeds], 0, -1)                     # (arm, S) each
        yield Finding(f"{title}, interpolating teacher: one-hot then teacher, against one-hot, in points", late[2] - late[1],
                      "above")
        yield Finding(f"{title}, interpolating teacher: the teacher throughout, against one-hot", late[0] - late[1], "above")
        yield Finding(f"{title}, teacher stopped early: back to one-hot, against the teacher throughout", early[3] - early[0],
                      "above")


def draw(result):
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    for ax, (title, seeds) in zip(figure.subplots(1, len(result), squeeze=False)[0], result.items(), strict=True):
        arms = np.array([seen.arms for seen in seeds])                                            # (S, 2, 4)
        for group, teacher in enumerate(TEACHERS):
            places = 5 * group + np.arange(4)
            mean, low, high = kd.confidence.mean_interval(arms[:, group])
            ax.plot(places, arms[:, group].T, ".", color="0.6", markersize=4)
            for place, arm, color in zip(places, range(4), kd.plots.COLOURS, strict=False):
                ax.errorbar(place, mean[arm], [[mean[arm] - low[arm]], [high[arm] - mean[arm]]], color=color, marker="o",
                            capsize=3, label=ARMS[arm] if group == 0 else None)
            own = np.mean([seen.teacher[group] for seen in seeds])
            ax.plot([places[0] - 0.4, places[-1] + 0.4], [own, own], color="black", linewidth=0.8, linestyle=":",
                    label="the teacher itself" if group == 0 else None)
        ax.set_xticks([1.5, 6.5], [f"teacher {name}" for name in TEACHERS])
        ax.set(ylabel="test accuracy")
        ax.grid(axis="x", visible=False)
        ax.set_title(title, loc="left")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
